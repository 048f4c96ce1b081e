/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Users and groups as a foreign root's own files name them. Runs in the files role. Must never use
 * the C library's lookups (they load modules and ask the network) nor read more than 1 MiB.
 */
#include <errno.h>
#include <string.h>
#include "engine/files/files.h"
#include "lib/buf.h"
#include "lib/defence.h"
#include "lib/fs.h"
#include "lib/own.h"

enum { USER_FILE_MAX = 1 << 20, USER_FIELDS = 7 };

/* One line of passwd or group, cut at its colons. */
struct line {
	struct str fields[USER_FIELDS];
	unsigned count;
};

static bool next_line(struct str *rest, struct line *line)
{
	struct str text, field;
	while (str_cut(rest, '\n', &text)) {
		line->count = 0;
		while (line->count < USER_FIELDS && str_cut(&text, ':', &field))
			line->fields[line->count++] = field;
		if (line->count >= 3 && line->fields[0].len > 0 && line->fields[0].ptr[0] != '#')
			return true;
	}
	return false;
}

static bool to_id(struct str text, uint32_t *ret_id)
{
	uint64_t value = 0;
	if (str_to_u64(text, 0, UINT32_MAX - 1, &value) < 0)
		return false;
	*ret_id = (uint32_t)value;
	return true;
}

/* What has digits only is a number, whatever names the root's own files give: else an image could
 * make any number mean root. */
static bool is_digits(struct str text)
{
	for (size_t i = 0; i < text.len; i++)
		if (text.ptr[i] < '0' || text.ptr[i] > '9')
			return false;
	return text.len > 0 && defence_on(DEFENCE_A12_NUMBERS);
}

/* A missing file is an empty one: then only numbers can be used. */
static int read_file(int root_fd, const char *path, struct buf *out, struct err *err)
{
	const size_t max = defence_on(DEFENCE_A13_BOUNDED) ? USER_FILE_MAX : SIZE_MAX / 2;
	struct err why = { 0 };
	buf_init(out, max);
	int r = fs_read(root_fd, path, FS_IN_ROOT, max, out, &why);
	if (r == -ENOENT || r == -ENOTDIR)
		return 0;
	return r < 0 ? err_set(err, r, "%s", err_text(&why)) : 0;
}

/* The line whose name is `key`, or whose number it is. */
static bool find_line(struct str file, struct str key, struct line *ret_line)
{
	uint32_t wanted = 0, id = 0;
	bool number = to_id(key, &wanted), found = false;
	struct line line;
	for (struct str rest = file; next_line(&rest, &line);) {
		if (!is_digits(key) && str_eq(line.fields[0], key)) {
			*ret_line = line;
			return true;
		}
		if (number && !found && to_id(line.fields[2], &id) && id == wanted) {
			*ret_line = line;
			found = true;
		}
	}
	return found;
}

static int no_entry(const char *what, struct str name, const char *file, struct err *err)
{
	char shown[120];
	str_escape(name, shown, sizeof(shown));
	return err_set(err, -ENOENT, "unable to find %s %s: no matching entries in %s file", what,
		       shown, file);
}

static int set_user(struct str passwd, struct str name, struct files_user *user, struct err *err)
{
	struct line line;
	uint32_t id = 0;
	if (!find_line(passwd, name, &line)) {
		if (!to_id(name, &user->uid))
			return no_entry("user", name, "passwd", err);
		return 0;
	}
	if (!to_id(line.fields[2], &user->uid))
		return err_set(err, -EINVAL, "passwd file has a bad uid for %.*s", STR_ARG(name));
	if (line.count > 3 && to_id(line.fields[3], &id))
		user->gid = id;
	(void)str_copy(line.fields[0], user->name, sizeof(user->name));
	if (line.count > 5 && line.fields[5].len > 0 &&
	    str_copy(line.fields[5], user->home, sizeof(user->home)) < 0)
		return err_set(err, -EINVAL, "passwd file has a bad home for %.*s", STR_ARG(name));
	return 0;
}

static int set_group(struct str file, struct str name, uint32_t *ret_gid, struct err *err)
{
	struct line line;
	if (find_line(file, name, &line) && to_id(line.fields[2], ret_gid))
		return 0;
	return to_id(name, ret_gid) ? 0 : no_entry("group", name, "group", err);
}

static bool is_member(struct str members, const char *name)
{
	struct str member;
	while (str_cut(&members, ',', &member))
		if (str_is(member, name))
			return true;
	return false;
}

/* Ascending, each once, without the primary one; those beyond the maximum are left out. */
static void add_group(struct files_user *user, uint32_t gid)
{
	uint32_t at = 0;
	while (at < user->group_count && user->groups[at] < gid)
		at++;
	if (gid == user->gid || user->group_count == FILES_GROUPS_MAX ||
	    (at < user->group_count && user->groups[at] == gid))
		return;
	memmove(user->groups + at + 1, user->groups + at,
		(user->group_count - at) * sizeof(user->groups[0]));
	user->groups[at] = gid;
	user->group_count++;
}

int files_user_search(struct str spec, struct str passwd, struct str group,
		      struct files_user *ret_user, struct err *err)
{
	struct str rest = spec, name = { 0 };
	*ret_user = (struct files_user){ .home = "/" };
	ptrdiff_t colon = str_find(spec, ':');
	name = colon < 0 ? rest : str_head(spec, (size_t)colon);
	rest = colon < 0 ? (struct str){ 0 } : str_skip(spec, (size_t)colon + 1);
	int r = set_user(passwd, name.len > 0 ? name : STR("0"), ret_user, err);
	if (r < 0)
		return r;
	if (rest.len > 0)
		return set_group(group, rest, &ret_user->gid, err);
	struct line line;
	uint32_t gid = 0;
	for (struct str left = group; *ret_user->name && next_line(&left, &line);)
		if (line.count > 3 && is_member(line.fields[3], ret_user->name) &&
		    to_id(line.fields[2], &gid))
			add_group(ret_user, gid);
	return 0;
}

int files_user_find(int root_fd, struct str spec, struct files_user *ret_user, struct err *err)
{
	struct buf passwd OWN(buf_done) = { 0 }, group OWN(buf_done) = { 0 };
	int r = read_file(root_fd, "etc/passwd", &passwd, err);
	if (r == 0)
		r = read_file(root_fd, "etc/group", &group, err);
	return r < 0 ? r
		     : files_user_search(spec, buf_str(&passwd), buf_str(&group), ret_user, err);
}

int files_user_join(int root_fd, struct str group, struct files_user *user, struct err *err)
{
	struct buf file OWN(buf_done) = { 0 };
	uint32_t gid = 0;
	int r = read_file(root_fd, "etc/group", &file, err);
	if (r == 0)
		r = set_group(buf_str(&file), group, &gid, err);
	if (r == 0)
		add_group(user, gid);
	return r;
}

int files_owner_find(int root_fd, struct str spec, struct files_owner *ret_owner, struct err *err)
{
	static struct files_user user; /* one process, one call at a time */
	uint32_t number = 0;
	*ret_owner = (struct files_owner){ 0 };
	if (spec.len == 0)
		return 0;
	int r = files_user_find(root_fd, spec, &user, err);
	if (r < 0)
		return r;
	ret_owner->uid = user.uid;
	ret_owner->gid = to_id(spec, &number) ? number : user.gid;
	return 0;
}
