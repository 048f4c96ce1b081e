/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns the reading of the mount table. Runs in init's disk role. Must never unmount outside of the
 * trees it is given.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include "init/boot_mounts.h"
#include "lib/fs.h"
#include "lib/own.h"

enum { TABLE_MAX = 1 << 20, MOUNTS_MAX = 1024 };

static bool unescape(struct str s, char *dst, size_t cap)
{
	size_t n = 0;

	for (size_t i = 0; i < s.len; i++) {
		unsigned c = (unsigned char)s.ptr[i];

		if (c == '\\' && i + 3 < s.len) {
			c = (unsigned)(s.ptr[i + 1] - '0') << 6 |
			    (unsigned)(s.ptr[i + 2] - '0') << 3 | (unsigned)(s.ptr[i + 3] - '0');
			i += 3;
		}
		if (c == 0 || c > 255 || n + 1 >= cap)
			return false;
		dst[n++] = (char)c;
	}
	dst[n] = '\0';
	return n > 0;
}

bool boot_mounts_parse(struct str line, struct boot_mount *ret_mount)
{
	struct str field = { 0 };

	for (int i = 0; i < 5; i++) /* id, parent, device, root, mount point */
		if (!str_cut(&line, ' ', &field))
			return false;
	if (!unescape(field, ret_mount->target, sizeof(ret_mount->target)))
		return false;
	do { /* options and optional fields, ended by "-" */
		if (!str_cut(&line, ' ', &field))
			return false;
	} while (!str_is(field, "-"));
	return str_cut(&line, ' ', &field) &&
	       unescape(field, ret_mount->type, sizeof(ret_mount->type)) &&
	       str_cut(&line, ' ', &field) &&
	       unescape(field, ret_mount->source, sizeof(ret_mount->source));
}

static int read_table(struct buf *out)
{
	return fs_read(AT_FDCWD, "/proc/self/mountinfo", FS_HOST, TABLE_MAX, out, NULL);
}

bool boot_mounts_find(const char *target, char *dst, size_t cap)
{
	struct boot_mount mount;
	struct str rest, line;
	struct buf table;
	bool found = false;

	buf_init(&table, TABLE_MAX);
	if (read_table(&table) == 0) {
		rest = buf_str(&table);
		while (str_cut(&rest, '\n', &line))
			if (boot_mounts_parse(line, &mount) && strcmp(mount.target, target) == 0)
				found = str_copy(str_from(mount.source), dst, cap) == 0;
	}
	buf_done(&table);
	return found;
}

static bool is_below(const char *path, const char *tree)
{
	size_t n = strlen(tree);

	return strncmp(path, tree, n) == 0 && (path[n] == '\0' || path[n] == '/');
}

int boot_mounts_drop(const char *tree, const char *other_tree, int flags, struct err *err)
{
	struct str lines[MOUNTS_MAX], rest;
	struct boot_mount mount;
	struct buf table;
	size_t n = 0;
	int r = 0;

	buf_init(&table, TABLE_MAX);
	if (read_table(&table) < 0) {
		buf_done(&table);
		return err_set(err, -EIO, "the mount table cannot be read");
	}
	rest = buf_str(&table);
	while (n < MOUNTS_MAX && str_cut(&rest, '\n', &lines[n]))
		n++;
	while (n-- > 0) {
		int one;

		if (!boot_mounts_parse(lines[n], &mount) ||
		    (!is_below(mount.target, tree) && !is_below(mount.target, other_tree)))
			continue;
		one = fs_umount(AT_FDCWD, mount.target, flags, r == 0 ? err : NULL);
		if (one < 0 && r == 0)
			r = one;
	}
	buf_done(&table);
	return r;
}

int boot_mounts_read_only(const char *target)
{
	OWN_FD int fd = fs_open(AT_FDCWD, target, FS_HOST, O_PATH | O_DIRECTORY, 0, NULL);

	return fd < 0 ? fd : fs_mount(NULL, fd, NULL, MS_REMOUNT | MS_RDONLY, NULL, NULL);
}
