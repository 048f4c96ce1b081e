/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns /data/config/revisions. Runs in init's disk role. Must never acknowledge what is not on the
 * disk, and never write a secret into a revision.
 */
#include "init/conf_revision.h"
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include "init/conf_record.h"
#include "init/conf_text.h"
#include "lib/fs.h"
#include "lib/log.h"
#include "lib/mono.h"
#include "lib/own.h"

#define KIND_REVISION  "hoyrev1 "
#define KIND_HEAD      "hoyhead1"
#define KIND_CANDIDATE "hoycand1"
#define KIND_SECRETS   "hoysecr1"

#define ROW "%-5u %-19s  %-20s %s\n"

enum { FILE_BYTES_MAX = CONF_SECRETS_MAX + 1024, NAME_MAX_BYTES = 16 };

void revisions_init(struct revisions *revisions)
{
	*revisions = (struct revisions){ .dir_fd = -1 };
}

void revisions_done(struct revisions *revisions)
{
	own_close(&revisions->dir_fd);
	revisions_init(revisions);
}

/* ---- single files ---- */

static int need_dir(const struct revisions *revisions, struct err *err)
{
	if (revisions->dir_fd >= 0)
		return 0;
	return err_set(err, -ENODEV, "there is no data partition to keep a configuration on");
}

/* record->text points into file afterwards. */
static int read_record(const struct revisions *revisions, const char *name, const char *kind,
		       struct buf *file, struct conf_record *ret_record, struct err *err)
{
	int r = need_dir(revisions, err);

	buf_init(file, FILE_BYTES_MAX);
	if (r == 0)
		r = fs_read(revisions->dir_fd, name, FS_BENEATH, FILE_BYTES_MAX, file, err);
	return r < 0 ? r : conf_record_decode(kind, buf_str(file), ret_record, err);
}

static int write_record(const struct revisions *revisions, const char *name, const char *kind,
			const struct conf_record *record, struct err *err)
{
	struct buf file OWN(buf_done) = { 0 };
	int r = need_dir(revisions, err);

	buf_init(&file, FILE_BYTES_MAX);
	if (r == 0 && conf_record_encode(kind, record, &file) < 0)
		r = err_set(err, -E2BIG, "the configuration is too long to keep");
	if (r < 0)
		return r;
	return fs_replace(revisions->dir_fd, name, file.data, file.len, 0600, err);
}

static const char *name_of(uint32_t n, char name[NAME_MAX_BYTES])
{
	(void)snprintf(name, NAME_MAX_BYTES, "%08u", n);
	return name;
}

static bool number_of(const char *name, uint32_t *ret_n)
{
	uint64_t n;

	if (strlen(name) != 8 || str_to_u64(str_from(name), 1, 99999999, &n) < 0)
		return false;
	*ret_n = (uint32_t)n;
	return true;
}

static int write_head(struct revisions *revisions, uint32_t current, uint32_t confirmed,
		      struct err *err)
{
	const struct conf_record record = { .first = current, .second = confirmed };
	int r = write_record(revisions, "head", KIND_HEAD, &record, err);

	if (r < 0)
		return r;
	revisions->current = current;
	revisions->confirmed = confirmed;
	return 0;
}

static int read_secrets(const struct revisions *revisions, struct buf *out, struct err *err)
{
	struct buf file OWN(buf_done) = { 0 };
	struct conf_record record;
	int r = read_record(revisions, "secrets", KIND_SECRETS, &file, &record, err);

	buf_init(out, CONF_SECRETS_MAX);
	if (r == -ENOENT)
		return 0;
	return r < 0 ? r : buf_add_str(out, record.text);
}

/* ---- the set of them ---- */

struct numbers {
	uint32_t list[256]; /* descending */
	size_t count;
};

static int number_entry(int dir_fd, const char *name, unsigned char type, void *owner,
			struct err *err)
{
	struct numbers *numbers = owner;
	uint32_t n;
	size_t at = 0;

	(void)dir_fd;
	(void)type;
	(void)err;
	if (!number_of(name, &n) || numbers->count == ARRAY_LEN(numbers->list))
		return 0;
	while (at < numbers->count && numbers->list[at] > n)
		at++;
	memmove(&numbers->list[at + 1], &numbers->list[at],
		(numbers->count - at) * sizeof(numbers->list[0]));
	numbers->list[at] = n;
	numbers->count++;
	return 0;
}

static void read_numbers(const struct revisions *revisions, struct numbers *ret_numbers)
{
	ret_numbers->count = 0;
	if (revisions->dir_fd >= 0)
		(void)fs_each(revisions->dir_fd, number_entry, ret_numbers, NULL);
}

static bool reads(const struct revisions *revisions, uint32_t n)
{
	struct buf text OWN(buf_done) = { 0 };

	buf_init(&text, CONF_TEXT_MAX);
	return revisions_text(revisions, n, &text, NULL) == 0;
}

/* The newest one up to `from` whose sum is right; 0 = none. */
static uint32_t newest_whole(const struct revisions *revisions, uint32_t from)
{
	struct numbers numbers;

	read_numbers(revisions, &numbers);
	for (size_t i = 0; i < numbers.count; i++) {
		if (numbers.list[i] <= from && reads(revisions, numbers.list[i]))
			return numbers.list[i];
	}
	return 0;
}

int revisions_open(struct revisions *revisions, int data_fd, struct err *err)
{
	struct buf file OWN(buf_done) = { 0 };
	struct conf_record head = { 0 };
	bool back;
	int r;

	revisions_done(revisions);
	revisions->dir_fd = fs_open_dir(data_fd, "config/revisions", FS_BENEATH, 0700, err);
	if (revisions->dir_fd < 0)
		return revisions->dir_fd;
	r = read_record(revisions, "head", KIND_HEAD, &file, &head, err);
	if (r < 0 && r != -ENOENT && r != -EBADMSG)
		return r;
	if (r == -EBADMSG)
		head.first = head.second = UINT32_MAX;
	revisions->damaged = r == -EBADMSG;
	back = head.first != head.second;
	revisions->current = revisions->confirmed = head.second;
	if (head.second && !reads(revisions, head.second)) {
		revisions->current = newest_whole(revisions, head.second);
		revisions->confirmed = revisions->current;
		revisions->damaged = true;
	}
	if (back)
		log_notice("configuration revision %u was not confirmed: back to %u", head.first,
			   head.second);
	if (revisions->damaged)
		log_err("configuration: damaged on the disk; revision %u counts",
			revisions->current);
	if (back || revisions->damaged)
		r = write_head(revisions, revisions->current, revisions->confirmed, err);
	return r < 0 && r != -ENOENT ? r : back;
}

int revisions_text(const struct revisions *revisions, uint32_t n, struct buf *out, struct err *err)
{
	struct buf file OWN(buf_done) = { 0 };
	struct conf_record record;
	char name[NAME_MAX_BYTES];
	int r;

	n = n ? n : revisions->current;
	if (!n)
		return 0;
	r = read_record(revisions, name_of(n, name), KIND_REVISION, &file, &record, err);
	if (r == -ENOENT)
		return err_set(err, r, "there is no revision %u; `config history` lists them", n);
	if (r == 0 && record.first != n)
		r = err_set(err, -EBADMSG, "revision %u is damaged", n);
	if (r == 0 && buf_add_str(out, record.text) < 0)
		r = err_set(err, -E2BIG, "revision %u is too long", n);
	return r;
}

int revisions_reveal(const struct revisions *revisions, struct str text, struct buf *out,
		     struct err *err)
{
	struct buf secrets OWN(buf_done) = { 0 };
	struct err why = { 0 };

	if (read_secrets(revisions, &secrets, &why) < 0) {
		log_err("secrets of the configuration: %s", err_text(&why));
		buf_done(&secrets);
		buf_init(&secrets, 1);
	}
	if (conf_text_reveal(text, buf_str(&secrets), out) < 0)
		return err_set(err, -E2BIG, "the configuration is too long with its secrets");
	return 0;
}

int revisions_layer(const struct revisions *revisions, struct buf *out, struct err *err)
{
	struct buf text OWN(buf_done) = { 0 };
	int r;

	buf_init(&text, CONF_TEXT_MAX);
	r = revisions_text(revisions, 0, &text, err);
	return r < 0 ? r : revisions_reveal(revisions, buf_str(&text), out, err);
}

/* ---- the candidate ---- */

bool revisions_has_candidate(const struct revisions *revisions)
{
	return revisions->dir_fd >= 0 && fs_exists(revisions->dir_fd, "candidate", FS_BENEATH);
}

int revisions_candidate(const struct revisions *revisions, struct buf *out, struct err *err)
{
	struct buf file OWN(buf_done) = { 0 };
	struct conf_record record;
	int r = read_record(revisions, "candidate", KIND_CANDIDATE, &file, &record, err);

	if (r == -ENOENT || r == -EBADMSG) {
		if (err)
			*err = (struct err){ 0 };
		return revisions_text(revisions, 0, out, err);
	}
	if (r == 0 && buf_add_str(out, record.text) < 0)
		r = err_set(err, -E2BIG, "the candidate is too long");
	return r;
}

int revisions_put(struct revisions *revisions, struct str text, struct err *err)
{
	struct buf secrets OWN(buf_done) = { 0 }, hidden OWN(buf_done) = { 0 };
	struct conf_record record = { .seconds = wall_now_s() };
	size_t before;
	int r = need_dir(revisions, err);

	if (r == 0)
		r = read_secrets(revisions, &secrets, err);
	if (r < 0)
		return r;
	if (text.len && memchr(text.ptr, 0, text.len))
		return err_set(err, -EINVAL, "a configuration is text, without zero bytes");
	before = secrets.len;
	buf_init(&hidden, CONF_TEXT_MAX);
	if (text.len > CONF_TEXT_MAX || conf_text_hide(text, &secrets, &hidden) < 0)
		return err_set(err, -E2BIG, "a configuration has at most %d KiB",
			       CONF_TEXT_MAX / 1024);
	if (secrets.len || before) {
		record.text = buf_str(&secrets);
		r = write_record(revisions, "secrets", KIND_SECRETS, &record, err);
	}
	record.text = buf_str(&hidden);
	return r < 0 ? r : write_record(revisions, "candidate", KIND_CANDIDATE, &record, err);
}

int revisions_discard(struct revisions *revisions, struct err *err)
{
	int r = need_dir(revisions, err);

	if (r < 0 || !revisions_has_candidate(revisions))
		return r;
	r = fs_unlink(revisions->dir_fd, "candidate", err);
	return r < 0 ? r : fs_sync_dir(revisions->dir_fd, err);
}

/* ---- revisions ---- */

/* The oldest go, but never the one that counts or the one to go back to. */
static void prune(const struct revisions *revisions)
{
	struct numbers numbers;
	char name[NAME_MAX_BYTES];

	read_numbers(revisions, &numbers);
	for (size_t i = REVISIONS_KEPT; i < numbers.count; i++) {
		if (numbers.list[i] != revisions->current &&
		    numbers.list[i] != revisions->confirmed)
			(void)fs_unlink(revisions->dir_fd, name_of(numbers.list[i], name), NULL);
	}
}

int revisions_apply(struct revisions *revisions, bool unconfirmed, const char *note,
		    struct err *err)
{
	struct buf text OWN(buf_done) = { 0 }, old OWN(buf_done) = { 0 };
	struct conf_record record = { .seconds = wall_now_s() };
	struct numbers numbers;
	char name[NAME_MAX_BYTES];
	int r;

	buf_init(&text, CONF_TEXT_MAX);
	buf_init(&old, CONF_TEXT_MAX);
	r = need_dir(revisions, err);
	if (r == 0)
		r = revisions_candidate(revisions, &text, err);
	if (r == 0 && !revisions_has_candidate(revisions))
		r = err_set(err, -EALREADY, "nothing was edited since revision %u",
			    revisions->current);
	if (r < 0)
		return r;
	read_numbers(revisions, &numbers);
	record.first = (numbers.count ? numbers.list[0] : 0) + 1;
	record.text = buf_str(&text);
	(void)str_copy(str_head(str_from(note), CONF_NOTE_MAX - 1), record.note,
		       sizeof(record.note));
	r = write_record(revisions, name_of(record.first, name), KIND_REVISION, &record, err);
	if (r == 0)
		r = write_head(revisions, record.first,
			       unconfirmed ? revisions->confirmed : record.first, err);
	if (r < 0)
		return r;
	prune(revisions);
	(void)revisions_discard(revisions, NULL);
	return 0;
}

int revisions_confirm(struct revisions *revisions, struct err *err)
{
	if (revisions->current == revisions->confirmed)
		return err_set(err, -EALREADY,
			       "no change waits to be confirmed: revision %u counts",
			       revisions->current);
	return write_head(revisions, revisions->current, revisions->current, err);
}

int revisions_back(struct revisions *revisions, struct err *err)
{
	if (revisions->current == revisions->confirmed)
		return 0;
	return write_head(revisions, revisions->confirmed, revisions->confirmed, err);
}

static const char *role_of(const struct revisions *revisions, uint32_t n)
{
	if (n == revisions->current)
		return n == revisions->confirmed ? "counts" : "counts, unconfirmed";
	return n == revisions->confirmed ? "goes back to" : "";
}

static void list_one(const struct revisions *revisions, uint32_t n, struct buf *out)
{
	struct buf file OWN(buf_done) = { 0 };
	char name[NAME_MAX_BYTES], when[32] = "?";
	struct conf_record record;
	time_t at;
	struct tm tm;

	if (read_record(revisions, name_of(n, name), KIND_REVISION, &file, &record, NULL) < 0) {
		(void)buf_printf(out, "%-5u damaged\n", n);
		return;
	}
	at = (time_t)record.seconds;
	if (gmtime_r(&at, &tm))
		(void)strftime(when, sizeof(when), "%Y-%m-%d %H:%M:%S", &tm);
	(void)buf_printf(out, ROW, n, when, role_of(revisions, n), record.note);
}

/* What there was before the first one, and is again once that was taken back. */
static void list_none(const struct revisions *revisions, struct buf *out)
{
	(void)buf_printf(out, ROW, 0U, "-", role_of(revisions, 0), "nothing was set here");
}

int revisions_list(const struct revisions *revisions, struct buf *out)
{
	struct numbers numbers;

	read_numbers(revisions, &numbers);
	for (size_t i = 0; i < numbers.count; i++)
		list_one(revisions, numbers.list[i], out);
	if (numbers.count && (!revisions->current || !revisions->confirmed))
		list_none(revisions, out);
	if (revisions_has_candidate(revisions))
		(void)buf_add_text(out, "edited and not applied: `config diff`, `config apply`, "
					"`config discard`\n");
	return buf_error(out);
}
