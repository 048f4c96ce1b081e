/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The section KEYS of the man pages of the INI files and the words of the console's completion are
 * made out of the schema tables: this holds each against its table. HOY_MAN_WRITE=1 writes them
 * anew.
 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "engine/service/spec.h"
#include "init/boot_config.h"
#include "init/boot_layer.h"
#include "lib/fs.h"
#include "lib/ini.h"
#include "lib/own.h"
#include "netd/conf.h"
#include "tests/unit/tap.h"

enum { PAGE_MAX = 1 << 20, SECONDS = 1000, THOUSAND = 1000, KIB = 1024 };

#define BEGIN                                                                   \
	".\\\" Made out of the schema table: HOY_MAN_WRITE=1 tests/run --only " \
	"unit/init/test_man unit\n"
#define END ".\\\" End of what is made.\n"

static const char *type_word(const struct ini_key *key)
{
	switch (key->type) {
	case INI_TYPE_TEXT:
		return "text";
	case INI_TYPE_NAME:
		return "name";
	case INI_TYPE_UINT:
		return "number";
	case INI_TYPE_BOOL:
		return "yes or no";
	case INI_TYPE_SIZE:
		return "size";
	case INI_TYPE_DURATION:
		return "time";
	case INI_TYPE_DECIMAL:
		return "decimal";
	case INI_TYPE_ENUM:
		return "word";
	case INI_TYPE_PATH:
		return "path";
	case INI_TYPE_COMMAND:
		return "command";
	}
	return "";
}

/* Text of a table on a line of its own: mdoc reads a dot or quote in front as a request. */
static void put_text(struct buf *out, const char *text)
{
	if (*text == '.' || *text == '\'')
		(void)buf_add_text(out, "\\&");
	for (; *text != '\0'; text++)
		if (*text == '\\')
			(void)buf_add_text(out, "\\e");
		else
			(void)buf_add_byte(out, (unsigned char)*text);
}

static void put_number(struct buf *out, enum ini_type type, int64_t value)
{
	static const char letters[] = { 0, 'k', 'm', 'g' };
	size_t letter = 0;

	if (type == INI_TYPE_DURATION && value % SECONDS == 0) {
		(void)buf_printf(out, "%llds", (long long)value / SECONDS);
	} else if (type == INI_TYPE_DURATION) {
		(void)buf_printf(out, "%lldms", (long long)value);
	} else if (type == INI_TYPE_DECIMAL) {
		(void)buf_printf(out, "%lld.%03lld", (long long)value / THOUSAND,
				 (long long)value % THOUSAND);
	} else if (type == INI_TYPE_SIZE) {
		for (; letter + 1 < sizeof(letters) && value > 0 && value % KIB == 0; letter++)
			value /= KIB;
		(void)buf_printf(out, "%lld%.1s", (long long)value, &letters[letter]);
	} else {
		(void)buf_printf(out, "%lld", (long long)value);
	}
}

static void put_bounds(struct buf *out, const struct ini_key *key)
{
	bool length = key->type == INI_TYPE_TEXT || key->type == INI_TYPE_NAME ||
		      key->type == INI_TYPE_PATH || key->type == INI_TYPE_COMMAND;

	if (key->type == INI_TYPE_ENUM) {
		(void)buf_add_text(out, "One of: ");
		for (const char *c = key->choices; *c != '\0'; c++)
			(void)buf_add_text(out, *c == '|' ? ", " : (char[]){ *c, 0 });
		(void)buf_add_text(out, ".\n");
	} else if ((key->min != 0 || key->max != 0) && key->type != INI_TYPE_BOOL) {
		(void)buf_add_text(out, length ? "Length: " : "From ");
		put_number(out, length ? INI_TYPE_UINT : key->type, key->min);
		(void)buf_add_text(out, " to ");
		put_number(out, length ? INI_TYPE_UINT : key->type, key->max);
		(void)buf_printf(out, "%s%s.\n", key->unit != NULL ? " " : "",
				 key->unit != NULL ? key->unit : "");
	}
	if (key->list)
		(void)buf_add_text(out, "May be given several times.\n");
	if (key->def != NULL) {
		(void)buf_add_text(out, "Default: ");
		put_text(out, *key->def != '\0' ? key->def : "empty");
		(void)buf_add_text(out, "\n");
	}
}

static void put_key(struct buf *out, const struct ini_key *key)
{
	(void)buf_add_text(out, ".It Ic ");
	put_text(out, key->key);
	(void)buf_printf(out, " = Ar %s\n", type_word(key));
	put_text(out, key->help != NULL ? key->help : "");
	(void)buf_add_text(out, ".\n");
	put_bounds(out, key);
}

static void put_keys(struct buf *out, const struct ini_schema *schema)
{
	const char *section = "";

	(void)buf_add_text(out, BEGIN ".Sh KEYS\n");
	for (size_t i = 0; i < schema->count; i++) {
		const struct ini_key *key = &schema->keys[i];

		if (strcmp(section, key->section) != 0) {
			(void)buf_printf(out, "%s.Ss Section %s\n.Bl -tag -width Ds -compact\n",
					 *section != '\0' ? ".El\n" : "", key->section);
			section = key->section;
		}
		put_key(out, key);
	}
	(void)buf_add_text(out, ".El\n" END);
}

/* The page with another section KEYS: between the marks, or in front of EXAMPLES. */
static bool with_keys(struct str page, struct str keys, struct buf *out)
{
	const char *begin = memmem(page.ptr, page.len, BEGIN, sizeof(BEGIN) - 1);
	const char *end = memmem(page.ptr, page.len, END, sizeof(END) - 1);

	if (begin == NULL || end == NULL) {
		begin = end = memmem(page.ptr, page.len, ".Sh EXAMPLES\n", 13);
		if (begin == NULL)
			return false;
	} else {
		end += sizeof(END) - 1;
	}
	(void)buf_add(out, page.ptr, (size_t)(begin - page.ptr));
	(void)buf_add_str(out, keys);
	(void)buf_add(out, end, page.len - (size_t)(end - page.ptr));
	return buf_error(out) == 0;
}

static bool current = true;

static void test_page(const struct ini_schema *schema)
{
	struct buf page OWN(buf_done) = { 0 }, keys OWN(buf_done) = { 0 };
	struct buf want OWN(buf_done) = { 0 };
	char name[64];
	OWN_FD int dir = fs_open(AT_FDCWD, "docs/man", FS_HOST, O_RDONLY | O_DIRECTORY, 0, NULL);

	(void)snprintf(name, sizeof(name), "%s.ini.5", schema->file);
	buf_init(&page, PAGE_MAX);
	buf_init(&keys, PAGE_MAX);
	buf_init(&want, PAGE_MAX);
	put_keys(&keys, schema);
	if (!ok(fs_read(dir, name, FS_BENEATH, PAGE_MAX, &page, NULL) == 0 &&
			with_keys(buf_str(&page), buf_str(&keys), &want),
		"%s has a place for its keys", name))
		return;
	if (getenv("HOY_MAN_WRITE") != NULL && !str_eq(buf_str(&page), buf_str(&want)))
		(void)fs_replace(dir, name, want.data, want.len, 0644, NULL);
	else if (!str_eq(buf_str(&page), buf_str(&want))) {
		current = false;
		note("%s differs; HOY_MAN_WRITE=1 tests/run --only unit/init/test_man unit writes "
		     "it",
		     name);
	}
}

/* ---- words for completion ---- */

enum { LITERAL_MAX = 60 };

/* A line of the table, in literals that clang-format leaves as they are. */
static void put_literals(struct buf *out, struct str line)
{
	while (line.len > LITERAL_MAX) {
		size_t len = LITERAL_MAX;

		while (len > 1 && line.ptr[len - 1] != ' ')
			len--;
		(void)buf_printf(out, "\n\t\t\t       \"%.*s\"", (int)len, line.ptr);
		line = str_skip(line, len);
	}
	(void)buf_printf(out, "\n\t\t\t       \"%.*s\\n\"", STR_ARG(line));
}

/* "service restart no always ...": what its value can be, or is without. */
static void put_words(struct buf *out, const struct ini_key *key)
{
	struct buf line OWN(buf_done) = { 0 };

	buf_init(&line, KIB);
	(void)buf_printf(&line, "%s %s", key->section, key->key);
	if (key->choices != NULL) {
		(void)buf_add_byte(&line, ' ');
		for (const char *c = key->choices; *c != '\0'; c++)
			(void)buf_add_byte(&line, *c == '|' ? ' ' : (unsigned char)*c);
	} else if (key->type == INI_TYPE_BOOL) {
		(void)buf_add_text(&line, " yes no");
	} else if (key->def != NULL && *key->def != '\0' && strpbrk(key->def, " \"\\") == NULL) {
		(void)buf_printf(&line, " %s", key->def);
	}
	put_literals(out, buf_str(&line));
}

static bool kind_began(const struct ini_schema *schema, size_t i)
{
	for (size_t k = 0; k < i; k++)
		if (strcmp(schema->keys[k].section, schema->keys[i].section) == 0)
			return true;
	return false;
}

static void put_schema_words(struct buf *out, const struct ini_schema *schema)
{
	for (size_t i = 0; i < schema->count; i++)
		for (size_t k = i; !kind_began(schema, i) && k < schema->count; k++)
			if (strcmp(schema->keys[k].section, schema->keys[i].section) == 0)
				put_words(out, &schema->keys[k]);
}

static void test_words(void)
{
	struct buf file OWN(buf_done) = { 0 }, want OWN(buf_done) = { 0 };
	OWN_FD int dir =
		fs_open(AT_FDCWD, "init/console", FS_HOST, O_RDONLY | O_DIRECTORY, 0, NULL);
	bool same;

	buf_init(&file, PAGE_MAX);
	buf_init(&want, PAGE_MAX);
	(void)buf_add_text(
		&want, "/* SPDX-License-Identifier: Apache-2.0 */\n"
		       "/*\n"
		       " * The words of completion. Made out of the schema tables: HOY_MAN_WRITE=1 "
		       "tests/run --only\n"
		       " * unit/init/test_man unit\n"
		       " */\n"
		       "#include \"init/console/key_words.h\"\n\n"
		       "const char key_words_table[] = \"\"");
	put_schema_words(&want, &boot_config_schema);
	put_schema_words(&want, &conf_schema);
	put_schema_words(&want, &engine_schema);
	put_schema_words(&want, &service_schema);
	(void)buf_add_text(&want, ";\n");
	(void)fs_read(dir, "key_table.c", FS_BENEATH, PAGE_MAX, &file, NULL);
	same = str_eq(buf_str(&file), buf_str(&want));
	if (!same && getenv("HOY_MAN_WRITE") != NULL)
		same = fs_replace(dir, "key_table.c", want.data, want.len, 0644, NULL) >= 0;
	ok(same, "the words of completion are those of the schema tables");
}

/* In a revision or a boot.ini sections of all daemons stand in one text. */
static void test_kinds(const struct ini_schema *schema)
{
	bool known = true;

	for (size_t i = 0; i < schema->count; i++) {
		const char *kind = schema->keys[i].section;

		if (strcmp(boot_file_name(boot_file_of(str_from(kind))), schema->file) != 0) {
			known = false;
			note("[%s] belongs to %s.ini", kind, schema->file);
		}
	}
	ok(known, "sections of %s.ini find their file in a text for all daemons", schema->file);
}

int main(void)
{
	test_kinds(&boot_config_schema);
	test_kinds(&service_schema);
	test_kinds(&engine_schema);
	test_kinds(&conf_schema);
	test_page(&boot_config_schema);
	test_page(&service_schema);
	test_page(&engine_schema);
	test_page(&conf_schema);
	test_words();
	ok(current, "each page's KEYS is that of its schema table");
	return tap_done();
}
