/* SPDX-License-Identifier: Apache-2.0 */
/* Configuration revisions: edits by line, secrets apart, files that prove themselves, the way back.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "init/conf_cover.h"
#include "init/conf_record.h"
#include "init/conf_revision.h"
#include "init/conf_text.h"
#include "lib/fs.h"
#include "lib/log.h"
#include "lib/own.h"
#include "tests/unit/tap.h"

static const char base[] = "# mine\n[hoy]\nhostname = box\n\n[service web]\nimage = a:1\nports = "
			   "80:80\nports = 81:81\n\n[service db]\nimage = b\n";

static struct buf out;

static const char *set(const char *text, const char *section, const char *key, const char *one,
		       const char *two)
{
	const struct str values[] = { str_from(one), str_from(two) };

	buf_done(&out);
	buf_init(&out, CONF_TEXT_MAX);
	if (conf_text_set(str_from(text), str_from(section), str_from(key), values,
			  (size_t)((one != NULL) + (two != NULL)), &out, NULL) < 0)
		return "refused";
	return buf_text(&out);
}

static void test_set(void)
{
	is_text(set("", "hoy", "hostname", "x", NULL), "[hoy]\nhostname = x\n", "a first key");
	is_text(set(base, "service web", "image", "a:2", NULL),
		"# mine\n[hoy]\nhostname = box\n\n[service web]\nimage = a:2\nports = 80:80\n"
		"ports = 81:81\n\n[service db]\nimage = b\n",
		"a value in its place, comments kept");
	is_text(set(base, "service web", "ports", "90:90", NULL),
		"# mine\n[hoy]\nhostname = box\n\n[service web]\nimage = a:1\nports = 90:90\n\n"
		"[service db]\nimage = b\n",
		"all lines of a list are replaced");
	is_text(set("[a]\nx = 1\n\n[b]\n", "a", "y", "2", "3"), "[a]\nx = 1\ny = 2\ny = 3\n\n[b]\n",
		"a new key stands above the blank line");
	is_text(set("[a]\nx = 1\n[b]\ny = 2\n", "a", "x", NULL, NULL), "[a]\n[b]\ny = 2\n",
		"a key is taken out");
	is_text(set(base, "service web", "", NULL, NULL),
		"# mine\n[hoy]\nhostname = box\n\n[service db]\nimage = b\n",
		"a section is taken out");
	is_text(set("[b]\ny = 2\n", "a", "x", "1", NULL), "[b]\ny = 2\n\n[a]\nx = 1\n",
		"a new section stands at the end");
	is_text(set(base, "service web", "nothing", NULL, NULL), "refused",
		"what is not there cannot be taken out");
	is_text(set(base, "a]\n[b", "k", "v", NULL), "refused", "a section name is one line");
	is_text(set(base, "a", "k", "v\n[evil]", NULL), "refused", "a value is one line");
	is_text(set(base, "a", "k = 1", "v", NULL), "refused", "a key has no '='");
}

static void test_secrets(void)
{
	struct buf secrets OWN(buf_done) = { 0 }, text OWN(buf_done) = { 0 },
			   whole OWN(buf_done) = { 0 };
	static const char plain[] = "[registry r:1]\nusername = u\npassword = geheim\n"
				    "[registry s]\npassword=zwei\n";

	buf_init(&secrets, CONF_SECRETS_MAX);
	buf_init(&text, CONF_TEXT_MAX);
	buf_init(&whole, CONF_TEXT_MAX);
	is_int(conf_text_hide(STR(plain), &secrets, &text), 0, "hidden");
	ok(!strstr(buf_text(&text), "geheim") && !strstr(buf_text(&text), "zwei"),
	   "a revision has no secret in it");
	ok(strstr(buf_text(&text), "username = u") != NULL, "everything else stays");
	is_int(conf_text_reveal(buf_str(&text), buf_str(&secrets), &whole), 0, "revealed");
	is_text(buf_text(&whole),
		"[registry r:1]\nusername = u\npassword = geheim\n[registry s]\npassword = zwei\n",
		"each secret comes back to its own section, on its own line");
	buf_clear(&text);
	is_int(conf_text_hide(STR("[registry r:1]\npassword = (secret)\n"), &secrets, &text), 0,
	       "a hidden one is given back as it was shown");
	buf_clear(&whole);
	(void)conf_text_reveal(buf_str(&text), buf_str(&secrets), &whole);
	is_text(buf_text(&whole), "[registry r:1]\npassword = geheim\n", "and keeps its value");
	buf_clear(&text);
	(void)conf_text_hide(STR("[registry r:1]\npassword = neu\n"), &secrets, &text);
	buf_clear(&whole);
	(void)conf_text_reveal(buf_str(&text), buf_str(&secrets), &whole);
	is_text(buf_text(&whole), "[registry r:1]\npassword = neu\n", "a new value replaces it");
}

static void test_diff(void)
{
	struct buf diff OWN(buf_done) = { 0 };

	buf_init(&diff, 65536);
	(void)conf_text_diff(STR(base), STR(base), &diff);
	is_int((long long)diff.len, 0, "no difference");
	(void)conf_text_diff(STR("[a]\nx = 1\n[b]\ny = 1\nz = 1\n"),
			     STR("[a]\nx = 1\n[b]\ny = 2\nz = 1\nw = 1\n"), &diff);
	is_text(buf_text(&diff), "  [b]\n- y = 1\n+ y = 2\n+ w = 1\n",
		"lines that go and come, below their section");
}

static const char *covered(const char *from, const char *to, const char *over)
{
	struct conf_cover list[CONF_COVER_MAX];
	uint32_t count = conf_cover_find(str_from(from), str_from(to), str_from(over), list, 0);

	buf_done(&out);
	buf_init(&out, 4096);
	for (uint32_t i = 0; i < count; i++)
		(void)buf_printf(&out, "%.*s/%.*s:%u ", STR_ARG(list[i].section),
				 STR_ARG(list[i].key), list[i].line);
	return buf_text(&out);
}

static void test_cover(void)
{
	static const char over[] =
		"# media\n[service  web]\nimage = m\nports = 1\nports = 2\n[hoy]\nhostname =\n";
	struct buf many OWN(buf_done) = { 0 }, media OWN(buf_done) = { 0 };
	struct conf_cover list[CONF_COVER_MAX];

	is_text(covered("", "[service web]\nimage = x\ncommand = y\n", over),
		"service web/image:3 ", "a new key that a stronger layer has too");
	is_text(covered("[service web]\nimage = x\n", "[service web]\nimage = x\n[hoy]\na = 1\n",
			over),
		"", "what did not change is not said again");
	is_text(covered("[service web]\nports = 1\nports = 3\n",
			"[service web]\nports = 1\nports = 2\n", over),
		"service web/ports:4 ", "another value of a list, once");
	is_text(covered("[service web]\nimage = x\n[hoy]\nhostname = a\n", "", over),
		"service web/image:3 hoy/hostname:7 ",
		"one that was taken out, and one that is reset there");
	is_text(covered("", "[service we]\nimage = x\n[web]\nimage = x\n", over), "",
		"another section's key is another one");
	buf_init(&many, CONF_TEXT_MAX);
	buf_init(&media, CONF_TEXT_MAX);
	for (unsigned i = 0; i < 100; i++) {
		(void)buf_printf(&many, "[service s%u]\nimage = x\n", i);
		(void)buf_printf(&media, "[service s%u]\nimage = y\n", i);
	}
	is_int(conf_cover_find(STR(""), buf_str(&many), buf_str(&media), list, 0), CONF_COVER_MAX,
	       "no more than have room");
}

static void test_record(void)
{
	struct conf_record record = { 7, 9, -5, "a note", STR("text\nmore") }, back;
	struct buf file OWN(buf_done) = { 0 };
	bool refused = true;

	buf_init(&file, 4096);
	is_int(conf_record_encode("hoyrev1 ", &record, &file), 0, "a record is written");
	ok(conf_record_decode("hoyrev1 ", buf_str(&file), &back, NULL) == 0 && back.first == 7 &&
		   back.second == 9 && back.seconds == -5 && !strcmp(back.note, "a note") &&
		   str_is(back.text, "text\nmore"),
	   "and read back");
	is_int(conf_record_decode("hoyhead1", buf_str(&file), &back, NULL), -EBADMSG,
	       "a record of another kind is refused");
	for (size_t i = 0; i < file.len; i++) {
		file.data[i] ^= 1;
		refused =
			refused && conf_record_decode("hoyrev1 ", buf_str(&file), &back, NULL) < 0;
		file.data[i] ^= 1;
		refused = refused && conf_record_decode("hoyrev1 ", str_head(buf_str(&file), i),
							&back, NULL) < 0;
	}
	ok(refused, "one changed bit anywhere, or a missing end, is found");
}

/* ---- the files ---- */

static struct revisions revisions;
static int data_fd = -1;

static const char *current(void)
{
	buf_done(&out);
	buf_init(&out, CONF_TEXT_MAX);
	return revisions_text(&revisions, 0, &out, NULL) < 0 ? "unreadable" : buf_text(&out);
}

static bool put(const char *text)
{
	return revisions_put(&revisions, str_from(text), NULL) == 0;
}

static const char *history(void)
{
	buf_done(&out);
	buf_init(&out, CONF_TEXT_MAX);
	return revisions_list(&revisions, &out) < 0 ? "unreadable" : buf_text(&out);
}

/* What counts while no revision does is a line of the list as well. */
static void test_none(void)
{
	is_text(history(), "", "nothing was ever set here");
	(void)put("[hoy]\nhostname = none\n");
	(void)revisions_apply(&revisions, true, "", NULL);
	ok(strstr(history(), "counts, unconfirmed") &&
		   strstr(buf_text(&out),
			  "\n0     -                    goes back to         nothing"),
	   "a first one that waits: what it goes back to");
	(void)revisions_back(&revisions, NULL);
	ok(strstr(history(), "\n0     -                    counts               nothing was set"),
	   "it was taken back: what counts");
	(void)fs_unlink(revisions.dir_fd, "00000001", NULL);
}

static void test_life(void)
{
	struct err err = { 0 };

	is_int(revisions_open(&revisions, data_fd, NULL), 0, "nothing was edited yet");
	is_text(current(), "", "the layer is empty");
	test_none();
	is_int(revisions_apply(&revisions, false, "", &err), -EALREADY, "nothing to apply");
	ok(put("[hoy]\nhostname = one\n"), "a candidate");
	is_text(current(), "", "does not count by itself");
	is_int(revisions_apply(&revisions, false, "first", NULL), 0, "applied");
	is_text(current(), "[hoy]\nhostname = one\n", "it counts");
	ok(!revisions_has_candidate(&revisions), "and is no candidate any more");
	(void)put("[hoy]\nhostname = two\n");
	is_int(revisions_apply(&revisions, true, "", NULL), 0, "applied until confirmed");
	is_text(current(), "[hoy]\nhostname = two\n", "it counts meanwhile");
	is_int(revisions_back(&revisions, NULL), 0, "not confirmed in time");
	is_text(current(), "[hoy]\nhostname = one\n", "the one before is back");
	(void)put("[hoy]\nhostname = three\n");
	(void)revisions_apply(&revisions, true, "", NULL);
	is_int(revisions_open(&revisions, data_fd, NULL), 1,
	       "a start before the confirmation is noticed");
	is_text(current(), "[hoy]\nhostname = one\n", "and goes back as well");
	(void)put("[hoy]\nhostname = four\n");
	(void)revisions_apply(&revisions, true, "", NULL);
	is_int(revisions_confirm(&revisions, NULL), 0, "confirmed");
	is_int(revisions_open(&revisions, data_fd, NULL), 0, "a start after the confirmation");
	is_text(current(), "[hoy]\nhostname = four\n", "keeps it");
	is_int(revisions_confirm(&revisions, &err), -EALREADY, "nothing left to confirm");
}

static int count_entry(int dir_fd, const char *name, unsigned char type, void *owner,
		       struct err *err)
{
	unsigned *count = owner;

	(void)dir_fd;
	(void)type;
	(void)err;
	*count += strlen(name) == 8;
	return 0;
}

static void test_many(void)
{
	char text[64];
	unsigned count = 0;

	for (unsigned i = 0; i < 30; i++) {
		(void)snprintf(text, sizeof(text), "[hoy]\nhostname = h%u\n", i);
		(void)put(text);
		(void)revisions_apply(&revisions, false, "", NULL);
	}
	(void)fs_each(revisions.dir_fd, count_entry, &count, NULL);
	is_int(count, REVISIONS_KEPT, "20 revisions are kept");
	is_text(current(), "[hoy]\nhostname = h29\n", "the newest counts");
}

static void test_damage(void)
{
	char name[16];
	uint32_t was = revisions.current;

	(void)snprintf(name, sizeof(name), "%08u", was);
	(void)fs_replace(revisions.dir_fd, name, "nonsense", 8, 0600, NULL);
	ok(revisions_open(&revisions, data_fd, NULL) >= 0 && revisions.damaged,
	   "a damaged revision is noticed");
	is_text(current(), "[hoy]\nhostname = h28\n", "the newest whole one counts");
	(void)fs_replace(revisions.dir_fd, "head", "nonsense", 8, 0600, NULL);
	ok(revisions_open(&revisions, data_fd, NULL) >= 0 && revisions.damaged,
	   "a damaged head is noticed");
	is_text(current(), "[hoy]\nhostname = h28\n", "the newest whole one counts again");
	ok(put("[registry r]\npassword = p\n"), "and it can be edited on");
	is_int(revisions_apply(&revisions, false, "", NULL), 0, "applied");
	is_text(current(), "[registry r]\npassword = (secret)\n", "without its secret");
	buf_clear(&out);
	is_int(revisions_layer(&revisions, &out, NULL), 0, "the layer");
	is_text(buf_text(&out), "[registry r]\npassword = p\n", "has it");
}

int main(void)
{
	char folder[] = "build/test-conf-XXXXXX";

	log_init("test", LOG_PRIO_ERR);
	test_set();
	test_secrets();
	test_diff();
	test_cover();
	test_record();
	revisions_init(&revisions);
	if (mkdtemp(folder))
		data_fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (!ok(data_fd >= 0, "a directory to work in"))
		return tap_done();
	test_life();
	test_many();
	test_damage();
	revisions_done(&revisions);
	(void)fs_remove_tree(data_fd, "config", NULL);
	(void)close(data_fd);
	(void)rmdir(folder);
	buf_done(&out);
	return tap_done();
}
