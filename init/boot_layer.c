/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns the map from section kinds to INI files. Runs in init's disk role, never in PID 1 itself.
 * Must never judge keys or values: the schemas of the daemons do.
 */
#include <string.h>
#include "init/boot_layer.h"
#include "lib/own.h"

struct kind {
	const char *name;
	enum boot_file file;
	bool named;    /* [kind name] */
	bool key_last; /* in a path the key is what follows the last dot */
};

static const struct kind kinds[] = {
	{ "hoy", BOOT_FILE_HOY, false, false },
	{ "auth", BOOT_FILE_HOY, false, false },
	{ "log", BOOT_FILE_HOY, false, false },
	{ "support", BOOT_FILE_HOY, false, false },
	{ "service", BOOT_FILE_SERVICES, true, false },
	{ "volume", BOOT_FILE_SERVICES, true, false },
	{ "compose", BOOT_FILE_SERVICES, true, false },
	{ "network", BOOT_FILE_NETWORK, true, false },
	{ "bridge", BOOT_FILE_NETWORK, true, false },
	{ "netdev", BOOT_FILE_NETWORK, true, false },
	{ "address", BOOT_FILE_NETWORK, true, false },
	{ "route", BOOT_FILE_NETWORK, true, false },
	{ "firewall", BOOT_FILE_NETWORK, false, false },
	{ "rule", BOOT_FILE_NETWORK, true, false },
	{ "dns", BOOT_FILE_NETWORK, false, false },
	{ "engine", BOOT_FILE_ENGINE, false, false },
	{ "registry", BOOT_FILE_ENGINE, true, true },
	{ "repository", BOOT_FILE_ENGINE, true, true },
	{ "remote", BOOT_FILE_ENGINE, false, false },
	{ "metrics", BOOT_FILE_ENGINE, false, false },
};

static const struct kind *kind_find(struct str name)
{
	for (size_t i = 0; i < ARRAY_LEN(kinds); i++)
		if (str_is(name, kinds[i].name))
			return &kinds[i];
	return NULL;
}

void boot_layer_init(struct boot_layer *layer)
{
	for (size_t i = 0; i < BOOT_FILE_COUNT; i++)
		buf_init(&layer->text[i], BOOT_LAYER_TEXT_MAX);
}

void boot_layer_done(struct boot_layer *layer)
{
	for (size_t i = 0; layer != NULL && i < BOOT_FILE_COUNT; i++)
		buf_done(&layer->text[i]);
}

int boot_layer_error(const struct boot_layer *layer)
{
	for (size_t i = 0; i < BOOT_FILE_COUNT; i++)
		if (buf_error(&layer->text[i]) < 0)
			return buf_error(&layer->text[i]);
	return 0;
}

const char *boot_file_name(enum boot_file file)
{
	static const char *const names[BOOT_FILE_COUNT] = { "hoy", "services", "network",
							    "engine" };

	return names[file];
}

enum boot_file boot_file_of(struct str kind)
{
	const struct kind *found = kind_find(kind);

	return found != NULL ? found->file : BOOT_FILE_HOY;
}

/* "[kind name]" -> kind, false when the line opens no section. */
static bool section_kind(struct str line, struct str *ret_kind)
{
	struct str s = str_trim(line);
	size_t n = 0;

	if (s.len < 2 || s.ptr[0] != '[')
		return false;
	s = str_trim(str_skip(s, 1));
	while (n < s.len && s.ptr[n] != ' ' && s.ptr[n] != '\t' && s.ptr[n] != ']')
		n++;
	*ret_kind = str_head(s, n);
	return true;
}

int boot_layer_split(struct str text, struct boot_layer *out)
{
	enum boot_file file = BOOT_FILE_HOY;
	size_t written[BOOT_FILE_COUNT] = { 0 }; /* lines in each piece */
	size_t number = 0;
	struct str line, kind;

	if (text.len >= 3 && memcmp(text.ptr, "\xef\xbb\xbf", 3) == 0)
		text = str_skip(text, 3);
	for (; str_cut(&text, '\n', &line); number++) {
		if (section_kind(line, &kind))
			file = boot_file_of(kind);
		if (str_trim(line).len == 0)
			continue;
		for (; written[file] < number; written[file]++)
			buf_add_byte(&out->text[file], '\n');
		buf_add_str(&out->text[file], line);
		buf_add_byte(&out->text[file], '\n');
		written[file]++;
	}
	return boot_layer_error(out);
}

static bool one_line(struct str s)
{
	for (size_t i = 0; i < s.len; i++)
		if ((unsigned char)s.ptr[i] < ' ' || s.ptr[i] == 0x7f)
			return false;
	return true;
}

static void add_setting(struct buf *out, struct str kind, struct str name, struct str key,
			struct str value)
{
	buf_printf(out, name.len > 0 ? "[%.*s %.*s]\n" : "[%.*s%.*s]\n", STR_ARG(kind),
		   STR_ARG(name));
	buf_printf(out, "%.*s = %.*s\n", STR_ARG(key), STR_ARG(value));
}

int boot_layer_set(struct str path, struct str value, struct boot_layer *out)
{
	struct str rest = path, part = { 0 }, name = { 0 };
	const struct kind *kind;
	ptrdiff_t dot = str_find(path, '.');

	if (!one_line(path) || !one_line(value) || str_find(path, ']') >= 0 || path.len == 0)
		return boot_layer_error(out);
	if (dot < 0) {
		add_setting(&out->text[BOOT_FILE_HOY], STR("hoy"), name, path, value);
		return boot_layer_error(out);
	}
	part = str_head(path, (size_t)dot);
	rest = str_skip(path, (size_t)dot + 1);
	kind = kind_find(part);
	if (kind != NULL && kind->named) {
		dot = str_find(rest, '.');
		for (size_t i = rest.len; kind->key_last && i > 0; i--)
			if (rest.ptr[i - 1] == '.') {
				dot = (ptrdiff_t)i - 1;
				break;
			}
		if (dot > 0) {
			name = str_head(rest, (size_t)dot);
			rest = str_skip(rest, (size_t)dot + 1);
		}
	}
	add_setting(&out->text[kind != NULL ? kind->file : BOOT_FILE_HOY], part, name, rest, value);
	return boot_layer_error(out);
}
