/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns configurations while they are read: each line is looked at here first (length, bytes,
 * column), cut by inih, and held against the schema. Each daemon's main role runs it. It must never
 * give up because of bad input: a mistake becomes an issue and costs its section only.
 */
#include "lib/ini.h"

#include <errno.h>
#include <ini.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include "lib/ini_parts.h"

enum {
	INI_LINE_BYTES_MAX = 4000,
	INI_HEAD_MAX = 200, /* bytes between the brackets */
	INI_NAMES_MAX = 256,
	INI_SECTIONS_MAX = 1000, /* lists are walked: more would take long */
	INI_VALUES_MAX = 20000,
};

/* One file while it is read. */
struct ini_reading {
	struct ini_config *config;
	const struct ini_schema *schema;
	unsigned layer;
	const char *shown; /* the file, as it is said: of this line in a made text */
	struct str rest, line;
	uint32_t line_number;	      /* as it is said: of the file that a made text comes from */
	uint32_t line_count;	      /* of this text, so far */
	const struct ini_spot *spots; /* of a made text, else NULL */
	size_t spot_count;
	bool expected; /* inih has been given a line that says something */
	bool handled;  /* and has told us what */
	struct ini_section *section;
	bool skipping; /* within a section that cannot be kept: its keys say nothing */
	int error;
};

void ini_init(struct ini_config *config)
{
	*config = (struct ini_config){ 0 };
	arena_init(&config->arena, INI_ARENA_MAX);
}

void ini_done(struct ini_config *config)
{
	if (!config)
		return;
	arena_done(&config->arena);
	*config = (struct ini_config){ 0 };
}

/* ---- issues ---- */

int ini_note(struct ini_config *config, struct ini_place place, const char *kind, const char *name,
	     const char *text)
{
	struct ini_issue *issue, **at;

	config->issue_count++;
	if (config->issue_count > INI_ISSUES_MAX)
		return 0;
	issue = arena_alloc(&config->arena, sizeof(*issue));
	if (!issue)
		return -ENOMEM;
	issue->text = place.line > 0 ? arena_printf(&config->arena, "%s:%u:%u: %s", place.file,
						    place.line, place.column, text)
				     : arena_printf(&config->arena, "%s: %s", place.file, text);
	issue->kind = arena_text(&config->arena, str_from(kind));
	issue->name = arena_text(&config->arena, str_from(name));
	if (!issue->text || !issue->kind || !issue->name)
		return -ENOMEM;
	for (at = &config->issues; *at; at = &(*at)->next)
		;
	*at = issue;
	return 0;
}

static uint32_t column_of(const struct ini_reading *reading, size_t column)
{
	if (!reading->spots)
		return (uint32_t)column;
	return reading->line_count - 1 < reading->spot_count
		       ? reading->spots[reading->line_count - 1].column
		       : 0;
}

static void complain(struct ini_reading *reading, size_t column, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

/* An issue in the line at hand; the open section turns bad. */
static void complain(struct ini_reading *reading, size_t column, const char *fmt, ...)
{
	struct ini_place place = { reading->shown, reading->line_number,
				   column_of(reading, column) };
	struct ini_section *section = reading->section;
	char text[600];
	va_list ap;
	int r;

	va_start(ap, fmt);
	(void)vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	if (section)
		section->bad = true;
	r = ini_note(reading->config, place, section ? section->kind : "",
		     section ? section->name : "", text);
	if (r < 0)
		reading->error = r;
}

void ini_complain(struct ini_config *config, struct ini_section *section,
		  const struct ini_value *value, const char *fmt, ...)
{
	struct ini_place place = { section->file, section->line, section->column };
	char text[600];
	va_list ap;

	if (value && value->line > 0)
		place = (struct ini_place){ value->file, value->line, value->column };
	va_start(ap, fmt);
	(void)vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	section->bad = true;
	(void)ini_note(config, place, section->kind, section->name, text);
}

/* ---- sections ---- */

static struct ini_section *find_section(struct ini_config *config, struct str kind, struct str name)
{
	struct ini_section *section;

	for (section = config->sections; section; section = section->next)
		if (str_is(kind, section->kind) && str_is(name, section->name))
			return section;
	return NULL;
}

static struct ini_section *add_section(struct ini_reading *reading, struct str kind,
				       struct str name)
{
	struct arena *arena = &reading->config->arena;
	struct ini_section *section = arena_alloc(arena, sizeof(*section)), **at;

	if (!section)
		return NULL;
	section->kind = arena_text(arena, kind);
	section->name = arena_text(arena, name);
	section->file = reading->shown;
	section->line = reading->line_number;
	section->column = column_of(reading, 1);
	if (!section->kind || !section->name)
		return NULL;
	for (at = &reading->config->sections; *at; at = &(*at)->next)
		;
	*at = section;
	return section;
}

/* "[kind name]" in the line at hand: the parts, or an issue. */
static bool split_head(struct ini_reading *reading, size_t open, struct str *ret_kind,
		       struct str *ret_name)
{
	struct str inner = str_skip(reading->line, open + 1);
	ptrdiff_t close = str_find(inner, ']');
	struct str behind, head, kind, name;
	ptrdiff_t space;

	if (close < 0) {
		complain(reading, open + 1, "the section head has no ']'");
		return false;
	}
	behind = str_trim(str_skip(inner, (size_t)close + 1));
	if (behind.len > 0 && behind.ptr[0] != '#' && behind.ptr[0] != ';') {
		complain(reading, (size_t)(behind.ptr - reading->line.ptr) + 1,
			 "unexpected text behind ']'");
		return false;
	}
	head = str_trim(str_head(inner, (size_t)close));
	space = str_find(head, ' ');
	kind = space < 0 ? head : str_head(head, (size_t)space);
	name = space < 0 ? (struct str){ 0 } : str_trim(str_skip(head, (size_t)space));
	if (head.len > INI_HEAD_MAX) {
		complain(reading, open + 1, "the section head is longer than %d bytes",
			 INI_HEAD_MAX);
		return false;
	}
	if (kind.len == 0 || str_find(name, ' ') >= 0 || str_find(head, '\t') >= 0 ||
	    str_find(head, '[') >= 0 || str_find(head, '"') >= 0) {
		complain(reading, open + 1, "expected a section head [kind] or [kind name]");
		return false;
	}
	*ret_kind = kind;
	*ret_name = name;
	return true;
}

/* An unknown kind belongs to no section that could be kept, but the issue names it. */
static void refuse_kind(struct ini_reading *reading, size_t column, struct str kind,
			struct str name)
{
	struct ini_place place = { reading->shown, reading->line_number,
				   column_of(reading, column) };
	const char *nearest = ini_kind_nearest(reading->schema, kind);
	char shown_kind[INI_SHOWN_MAX], shown_name[INI_SHOWN_MAX], known[INI_KINDS_MAX], text[600];
	const char *gap = name.len > 0 ? " " : "";
	int r;

	(void)str_escape(kind, shown_kind, sizeof(shown_kind));
	(void)str_escape(name, shown_name, sizeof(shown_name));
	if (nearest)
		(void)snprintf(text, sizeof(text),
			       "unknown section [%s%s%s]: did you mean [%s%s%s]?", shown_kind, gap,
			       shown_name, nearest, gap, shown_name);
	else
		(void)snprintf(text, sizeof(text), "unknown section [%s%s%s]: expected %s",
			       shown_kind, gap, shown_name, ini_kinds(reading->schema, known));
	r = ini_note(reading->config, place, shown_kind, shown_name, text);
	if (r < 0)
		reading->error = r;
}

/* Its keys are looked at all the same: what they say makes nobody believe the section. */
static void check_called(struct ini_reading *reading, size_t column)
{
	const struct ini_section *section = reading->section;
	const char *wrong = ini_kind_called(reading->schema, section->kind, section->name);

	if (wrong)
		complain(reading, column, "[%s%s%s]%s[%s%s]", section->kind,
			 section->name[0] ? " " : "", section->name, wrong, section->kind,
			 section->name[0] ? "" : " NAME");
}

static void open_section(struct ini_reading *reading)
{
	size_t open = (size_t)str_find(reading->line, '[');
	struct str kind, name;

	reading->section = NULL;
	reading->skipping = true;
	if (!split_head(reading, open, &kind, &name))
		return;
	if (!ini_kind_known(reading->schema, kind)) {
		refuse_kind(reading, open + 1, kind, name);
		return;
	}
	reading->section = find_section(reading->config, kind, name);
	if (!reading->section) {
		if (reading->config->section_count++ >= INI_SECTIONS_MAX) {
			complain(reading, open + 1, "more than %d sections", INI_SECTIONS_MAX);
			return;
		}
		reading->section = add_section(reading, kind, name);
	}
	if (!reading->section)
		reading->error = -ENOMEM;
	else
		check_called(reading, open + 1);
	reading->skipping = false;
}

/* ---- keys ---- */

static void refuse_key(struct ini_reading *reading, size_t column, struct str name)
{
	const struct ini_schema *schema = reading->schema;
	const struct ini_section *section = reading->section;
	const char *names[INI_NAMES_MAX], *nearest;
	const char *fate = strcmp(section->kind, "service") == 0 ? "started" : "used";
	char shown[INI_SHOWN_MAX], hint[INI_SHOWN_MAX + 32] = "";
	size_t count = 0;

	for (size_t i = 0; i < schema->count && count < INI_NAMES_MAX; i++)
		if (strcmp(schema->keys[i].section, section->kind) == 0)
			names[count++] = schema->keys[i].key;
	nearest = str_nearest(name, names, count);
	if (nearest)
		(void)snprintf(hint, sizeof(hint), ": did you mean '%s'?", nearest);
	(void)str_escape(name, shown, sizeof(shown));
	complain(reading, column, "unknown key '%s' in [%s%s%s]%s (this %s is not %s)", shown,
		 section->kind, section->name[0] ? " " : "", section->name, hint, section->kind,
		 fate);
}

static struct ini_entry **find_entry(struct ini_section *section, struct str name)
{
	struct ini_entry **at;

	for (at = &section->entries; *at && !str_is(name, (*at)->name); at = &(*at)->next)
		;
	return at;
}

static struct ini_value *new_value(struct ini_reading *reading, struct str text, size_t column)
{
	struct arena *arena = &reading->config->arena;
	struct ini_value *value = arena_alloc(arena, sizeof(*value));
	char *copy = arena_text(arena, text);

	if (!value || !copy)
		return NULL;
	value->text = str_make(copy, text.len);
	value->file = reading->shown;
	value->line = reading->line_number;
	value->column = column_of(reading, column);
	return value;
}

/* Puts a checked value into the open section: appended, replacing an older file's, or refused. */
static void store(struct ini_reading *reading, const struct ini_key *key, struct str name,
		  struct str text, size_t column)
{
	struct arena *arena = &reading->config->arena;
	struct ini_entry **at = find_entry(reading->section, name), *entry = *at;
	struct ini_value *value, **last;

	if (entry && entry->text == reading->config->texts && !key->list) {
		complain(reading, 1, "%s was given in line %u already; it takes one value",
			 entry->name, entry->values->line);
		return;
	}
	if (reading->config->value_count++ >= INI_VALUES_MAX) {
		complain(reading, 1, "more than %d values", INI_VALUES_MAX);
		return;
	}
	value = new_value(reading, text, column);
	if (!entry) {
		entry = arena_alloc(arena, sizeof(*entry));
		if (entry) {
			entry->key = key;
			entry->name = arena_text(arena, name);
		}
	}
	if (!value || !entry || !entry->name) {
		reading->error = -ENOMEM;
		return;
	}
	if (entry->values && entry->text != reading->config->texts)
		entry->values = NULL;
	for (last = &entry->values; *last; last = &(*last)->next)
		;
	*last = value;
	entry->layer = reading->layer;
	entry->text = reading->config->texts;
	*at = entry;
}

static void reset(struct ini_section *section, struct str name)
{
	struct ini_entry **at = find_entry(section, name);

	if (*at)
		*at = (*at)->next;
}

/* Where the value stands: behind the separator that inih cuts at, and the blanks there. */
static size_t value_column(struct str line)
{
	size_t i = 0;

	while (i < line.len && line.ptr[i] != '=' && line.ptr[i] != ':')
		i++;
	for (i++; i < line.len && (line.ptr[i] == ' ' || line.ptr[i] == '\t'); i++)
		;
	return i + 1;
}

static size_t key_column(struct str line)
{
	size_t i = 0;

	while (i < line.len && (line.ptr[i] == ' ' || line.ptr[i] == '\t'))
		i++;
	return i + 1;
}

static void take_key(struct ini_reading *reading, struct str name, struct str value)
{
	const struct ini_section *section = reading->section;
	char expected[INI_EXPECTED_MAX], shown[INI_SHOWN_MAX];
	size_t column = value_column(reading->line);
	const struct ini_key *key;

	if (reading->skipping)
		return;
	if (!section) {
		(void)str_escape(name, shown, sizeof(shown));
		complain(reading, key_column(reading->line),
			 "'%s' stands before the first [section]", shown);
		return;
	}
	key = ini_key_of(reading->schema, section->kind, name);
	if (!key) {
		refuse_key(reading, key_column(reading->line), name);
		return;
	}
	if (value.len == 0) {
		reset(reading->section, name);
		return;
	}
	if (ini_check_value(key, value, expected) < 0) {
		(void)str_escape(value, shown, sizeof(shown));
		complain(reading, column, "%.*s = '%s': %s", STR_ARG(name), shown, expected);
		return;
	}
	store(reading, key, name, value, column);
}

/* ---- lines ---- */

/* A head that cannot be read ends the section above it all the same, and opens none. */
static void leave_section(struct ini_reading *reading)
{
	if (!str_starts(str_trim(reading->line), STR("[")))
		return;
	reading->section = NULL;
	reading->skipping = true;
}

/* What makes a line unfit for inih; it then reads an empty one in its place. */
static bool line_is_fit(struct ini_reading *reading)
{
	struct str line = reading->line;

	if (line.len > INI_LINE_BYTES_MAX) {
		leave_section(reading);
		complain(reading, INI_LINE_BYTES_MAX + 1, "the line is longer than %d bytes",
			 INI_LINE_BYTES_MAX);
		return false;
	}
	for (size_t i = 0; i < line.len; i++) {
		unsigned char c = (unsigned char)line.ptr[i];

		if ((c >= 0x20 && c != 0x7f) || c == '\t')
			continue;
		leave_section(reading);
		complain(reading, i + 1, "the line contains the control character \\x%02x", c);
		return false;
	}
	return true;
}

static bool says_something(struct str line)
{
	line = str_trim(line);
	return line.len > 0 && line.ptr[0] != '#' && line.ptr[0] != ';';
}

/* A line that inih could make nothing of brought no call of the handler. */
static void settle_line(struct ini_reading *reading)
{
	if (reading->expected && !reading->handled) {
		size_t column = key_column(reading->line);

		if (reading->line.ptr[column - 1] == '[')
			open_section(reading);
		else if (!reading->skipping)
			complain(reading, column, "expected 'key = value' or '[section]'");
	}
	reading->expected = false;
	reading->handled = false;
}

/* The place of the line at hand, which was made out of it. */
static void take_spot(struct ini_reading *reading)
{
	const struct ini_spot *spot = reading->line_count <= reading->spot_count
					      ? &reading->spots[reading->line_count - 1]
					      : NULL;

	reading->line_number = spot ? spot->line : 0;
	if (spot && spot->file)
		reading->shown = spot->file;
}

/* fgets() for inih. */
static char *read_line(char *dst, int cap, void *stream)
{
	struct ini_reading *reading = stream;
	size_t len = 0;

	settle_line(reading);
	if (reading->error || !str_cut(&reading->rest, '\n', &reading->line))
		return NULL;
	reading->line_number = ++reading->line_count;
	if (reading->spots)
		take_spot(reading);
	if (reading->line.len > 0 && reading->line.ptr[reading->line.len - 1] == '\r')
		reading->line.len--;
	if (line_is_fit(reading) && reading->line.len + 2 <= (size_t)cap) {
		len = reading->line.len;
		reading->expected = says_something(reading->line);
		if (len > 0)
			memcpy(dst, reading->line.ptr, len);
	}
	memcpy(dst + len, "\n", 2);
	return dst;
}

/* inih's word for a line. Its section is cut at 49 bytes, so that the head is read from the line.
 */
static int handle(void *user, const char *section, const char *name, const char *value, int line)
{
	struct ini_reading *reading = user;

	(void)section;
	(void)line;
	reading->handled = true;
	if (name)
		take_key(reading, str_from(name), str_from(value));
	else
		open_section(reading);
	return 1;
}

int ini_add_made(struct ini_config *config, const struct ini_schema *schema, unsigned layer,
		 const char *shown, struct str text, const struct ini_spot *spots, size_t count,
		 struct err *err)
{
	struct ini_reading reading = { .config = config,
				       .schema = schema,
				       .layer = layer,
				       .spots = spots,
				       .spot_count = count };

	if (text.len > INI_TEXT_MAX - config->text_bytes)
		return err_set(err, -EFBIG, "%s: the configuration is larger than %d bytes", shown,
			       INI_TEXT_MAX);
	config->text_bytes += text.len;
	config->texts++;
	if (layer >= config->layers)
		config->layers = layer + 1;
	if (str_starts(text, STR("\xef\xbb\xbf"))) /* a byte order mark */
		text = str_skip(text, 3);
	reading.rest = text;
	reading.shown = arena_text(&config->arena, str_from(shown));
	if (!reading.shown)
		return err_set(err, -ENOMEM, "%s: no memory", shown);
	(void)ini_parse_stream(read_line, &reading, handle, &reading);
	if (reading.error)
		return err_set(err, reading.error, "%s: no memory", shown);
	return 0;
}

int ini_add_text(struct ini_config *config, const struct ini_schema *schema, unsigned layer,
		 const char *shown, struct str text, struct err *err)
{
	return ini_add_made(config, schema, layer, shown, text, NULL, 0, err);
}
