/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What another configuration would change: for people, before it counts. Used by every daemon on
 * its own schema. Must never show a value: some are secrets.
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include "lib/fs.h"
#include "lib/ini.h"
#include "lib/own.h"
#include "lib/wire.h"

static const struct ini_entry *find_entry(const struct ini_section *section, const char *name)
{
	for (const struct ini_entry *e = section->entries; e; e = e->next) {
		if (!strcmp(e->name, name))
			return e;
	}
	return NULL;
}

static bool same_values(const struct ini_entry *a, const struct ini_entry *b)
{
	const struct ini_value *x = a->values, *y = b->values;

	while (x && y && str_eq(x->text, y->text)) {
		x = x->next;
		y = y->next;
	}
	return !x && !y;
}

static void put_name(struct buf *out, char sign, const struct ini_section *section)
{
	(void)buf_printf(out, "%c [%s%s%s]", sign, section->kind, *section->name ? " " : "",
			 section->name);
}

/* The keys in which they differ; true when there are any. */
static bool put_keys(struct buf *out, const struct ini_section *from, const struct ini_section *to)
{
	bool any = false;

	for (const struct ini_entry *e = to->entries; e; e = e->next) {
		const struct ini_entry *old = find_entry(from, e->name);

		if (old && same_values(old, e))
			continue;
		if (!any)
			put_name(out, '~', to);
		(void)buf_printf(out, " %s", e->name);
		any = true;
	}
	for (const struct ini_entry *e = from->entries; e; e = e->next) {
		if (find_entry(to, e->name))
			continue;
		if (!any)
			put_name(out, '~', to);
		(void)buf_printf(out, " %s", e->name);
		any = true;
	}
	return any;
}

int ini_diff(const struct ini_config *from, const struct ini_config *to, struct buf *out)
{
	for (const struct ini_section *s = from->sections; s; s = s->next) {
		if (ini_find(to, s->kind, s->name))
			continue;
		put_name(out, '-', s);
		(void)buf_add_byte(out, '\n');
	}
	for (const struct ini_section *s = to->sections; s; s = s->next) {
		const struct ini_section *old = ini_find(from, s->kind, s->name);

		if (!old)
			put_name(out, '+', s);
		if (old ? put_keys(out, old, s) : true)
			(void)buf_add_byte(out, '\n');
	}
	return buf_error(out);
}

int ini_try_by(const struct ini_trial *trial, int dirfd, struct buf *out, struct err *err)
{
	int try_fd OWN_FD = fs_open(dirfd, INI_TRY_DIR, FS_BENEATH, O_RDONLY | O_DIRECTORY, 0, err);
	struct ini_config from OWN(ini_done), to OWN(ini_done);
	struct buf diff OWN(buf_done) = { 0 };
	uint32_t count = 0;
	int r;

	ini_init(&from);
	ini_init(&to);
	r = try_fd < 0 ? try_fd : trial->load(trial->owner, &to, try_fd, false, err);
	if (r >= 0)
		r = trial->load(trial->owner, &from, dirfd, true, err);
	if (r < 0)
		return r;
	if (trial->check)
		trial->check(&to);
	for (const struct ini_issue *i = to.issues; i; i = i->next)
		count++;
	wire_put_u32(out, count);
	for (const struct ini_issue *i = to.issues; i; i = i->next)
		wire_put_text(out, i->text);
	buf_init(&diff, 1 << 20);
	if (ini_diff(&from, &to, &diff) < 0)
		return err_set(err, buf_error(&diff), "too many differences to list");
	wire_put_str(out, buf_str(&diff));
	return 0;
}

struct plain {
	const struct ini_schema *schema;
};

static int load_plain(void *owner, struct ini_config *config, int dirfd, bool loaded,
		      struct err *err)
{
	(void)loaded;
	return ini_load(config, ((const struct plain *)owner)->schema, dirfd, err);
}

int ini_try(const struct ini_schema *schema, int dirfd, void (*check)(struct ini_config *config),
	    struct buf *out, struct err *err)
{
	struct plain plain = { schema };
	const struct ini_trial trial = { load_plain, check, &plain };

	return ini_try_by(&trial, dirfd, out, err);
}
