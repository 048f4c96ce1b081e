/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns the way from layer directories to a configuration, and back to text. Each daemon's main role
 * runs it. It must never fail because of one file: that becomes an issue.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "lib/fs.h"
#include "lib/ini_parts.h"
#include "lib/own.h"

enum { INI_LAYERS_MAX = 16, INI_FILES_MAX = 256, INI_PATH_MAX = 300 };

/* Names of a directory, sorted; a fixed number, for nobody needs more. */
struct ini_names {
	char (*names)[256];
	size_t count, max;
	struct str suffix; /* only names that end so */
	unsigned char type;
	bool overflow;
};

static int collect_name(int dirfd, const char *name, unsigned char d_type, void *owner,
			struct err *err)
{
	struct ini_names *names = owner;

	(void)dirfd;
	(void)err;
	if (d_type != names->type || name[0] == '.' || !str_ends(str_from(name), names->suffix))
		return 0;
	if (names->count == names->max)
		names->overflow = true;
	else
		(void)snprintf(names->names[names->count++], sizeof(names->names[0]), "%s", name);
	return 0;
}

static int compare_names(const void *a, const void *b)
{
	return strcmp(a, b);
}

static int list_names(int dirfd, struct ini_names *names, struct err *err)
{
	int r = fs_each(dirfd, collect_name, names, err);

	if (r < 0)
		return r;
	qsort(names->names, names->count, sizeof(names->names[0]), compare_names);
	return 0;
}

/* One layer while its files are read. */
struct ini_layer {
	struct ini_config *config;
	const struct ini_schema *schema;
	unsigned number;
	const char *shown; /* "media" */
	int dirfd;
};

static int note_file(struct ini_layer *layer, const char *shown, const struct err *why)
{
	char text[ERR_TEXT_MAX];
	struct ini_place place = { shown, 0, 0 };

	(void)str_escape(str_from(err_text(why)), text, sizeof(text));
	return ini_note(layer->config, place, "", "", text);
}

/* One file. Only a lack of memory is an error of ours. */
static int load_file(struct ini_layer *layer, const char *path, struct err *err)
{
	OWN(buf_done) struct buf text;
	char shown[INI_PATH_MAX];
	struct err why = { 0 };
	int r;

	buf_init(&text, INI_TEXT_MAX + 1);
	(void)snprintf(shown, sizeof(shown), "%s:%s", layer->shown, path);
	r = fs_read(layer->dirfd, path, FS_BENEATH, INI_TEXT_MAX, &text, &why);
	if (r == -ENOENT)
		return 0;
	if (r == 0)
		r = ini_add_text(layer->config, layer->schema, layer->number, shown, buf_str(&text),
				 &why);
	if (r < 0 && r != -ENOMEM)
		r = note_file(layer, shown, &why);
	return r < 0 ? err_set(err, r, "%s: no memory", shown) : 0;
}

/* FILE.d/ *.ini in the order of their names. */
static int load_parts(struct ini_layer *layer, struct err *err)
{
	OWN_FREE char(*list)[256] = NULL;
	struct ini_names names = { .max = INI_FILES_MAX, .suffix = STR(".ini"), .type = DT_REG };
	OWN_FD int dir = -1;
	char path[INI_PATH_MAX];
	struct err why = { 0 };
	int r;

	(void)snprintf(path, sizeof(path), "%s.d", layer->schema->file);
	dir = fs_open(layer->dirfd, path, FS_BENEATH, O_RDONLY | O_DIRECTORY, 0, &why);
	if (dir == -ENOENT)
		return 0;
	list = calloc(INI_FILES_MAX, sizeof(*list));
	if (!list)
		return err_set(err, -ENOMEM, "%s: no memory", path);
	names.names = list;
	r = dir < 0 ? dir : list_names(dir, &names, &why);
	if (r == 0 && names.overflow)
		r = err_set(&why, -E2BIG, "more than %d files; the rest is ignored", INI_FILES_MAX);
	if (r < 0)
		r = note_file(layer, path, &why);
	for (size_t i = 0; r == 0 && i < names.count; i++) {
		(void)snprintf(path, sizeof(path), "%s.d/%s", layer->schema->file, list[i]);
		r = load_file(layer, path, err);
	}
	return r;
}

static int load_layer(struct ini_config *config, const struct ini_schema *schema, unsigned number,
		      int dirfd, const char *name, struct err *err)
{
	struct ini_layer layer = { .config = config, .schema = schema, .number = number };
	OWN_FD int dir = fs_open(dirfd, name, FS_BENEATH, O_RDONLY | O_DIRECTORY, 0, err);
	const char *dash = strchr(name, '-');
	char path[INI_PATH_MAX];
	int r;

	if (dir < 0)
		return dir;
	layer.dirfd = dir;
	layer.shown = dash ? dash + 1 : name;
	(void)snprintf(path, sizeof(path), "%s.ini", schema->file);
	r = load_file(&layer, path, err);
	return r < 0 ? r : load_parts(&layer, err);
}

int ini_load(struct ini_config *config, const struct ini_schema *schema, int dirfd, struct err *err)
{
	char list[INI_LAYERS_MAX][256];
	struct ini_names names = { .names = list, .max = INI_LAYERS_MAX, .type = DT_DIR };
	int r = list_names(dirfd, &names, err);

	for (size_t i = 0; r == 0 && i < names.count; i++)
		r = load_layer(config, schema, (unsigned)i, dirfd, list[i], err);
	return r;
}

/* ---- the normal form ---- */

/* A refused section is left out, but said: what is read back is what runs. */
static void print_refused(const struct ini_config *config, const struct ini_section *section,
			  struct buf *out)
{
	const struct ini_issue *issue;

	(void)buf_printf(out, "# [%s%s%s] is refused:\n", section->kind,
			 section->name[0] ? " " : "", section->name);
	for (issue = config->issues; issue; issue = issue->next)
		if (strcmp(issue->kind, section->kind) == 0 &&
		    strcmp(issue->name, section->name) == 0)
			(void)buf_printf(out, "#   %s\n", issue->text);
}

int ini_print(const struct ini_schema *schema, const struct ini_config *config, struct buf *out)
{
	const struct ini_section *section;
	const struct ini_entry *entry;
	const struct ini_value *value;

	(void)schema;
	for (section = config->sections; section; section = section->next) {
		if (section != config->sections)
			(void)buf_add_byte(out, '\n');
		if (section->bad) {
			print_refused(config, section, out);
			continue;
		}
		(void)buf_printf(out, "[%s%s%s]\n", section->kind, section->name[0] ? " " : "",
				 section->name);
		for (entry = section->entries; entry; entry = entry->next)
			for (value = entry->values; value; value = value->next)
				(void)buf_printf(out, "%s = %.*s\n", entry->name,
						 STR_ARG(value->text));
	}
	return buf_error(out);
}
