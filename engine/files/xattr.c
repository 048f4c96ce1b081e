/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Reads and sets extended attributes of image files. Runs in the files role. Must never carry
 * overlayfs's marks or another system's labels from one tree into another.
 */
#include "engine/files/xattr.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/xattr.h>

enum { XATTR_LIST_MAX = 65536 };

bool xattr_is_kept(struct str name)
{
	if (str_is(name, "security.capability"))
		return true;
	return str_starts(name, STR("user.")) && !str_starts(name, STR("user.overlay."));
}

static int add(int fd, const char *name, struct xattr_set *set, size_t *used, struct err *err)
{
	size_t len = strlen(name);
	if (set->count == ENTRY_XATTRS_MAX || *used + len > sizeof(set->text))
		return err_set(err, -E2BIG, "more extended attributes than a layer can hold");
	char *at = set->text + *used;
	memcpy(at, name, len);
	ssize_t n = fgetxattr(fd, name, at + len, sizeof(set->text) - *used - len);
	if (n < 0 && errno == ERANGE)
		return err_set(err, -E2BIG, "more extended attributes than a layer can hold");
	if (n < 0)
		return errno == ENODATA ? 0
					: err_sys(err, -errno, "cannot read attribute %s", name);
	set->items[set->count++] = (struct entry_xattr){
		.name = str_make(at, len),
		.value = str_make(at + len, (size_t)n),
	};
	*used += len + (size_t)n;
	return 0;
}

static int compare(const void *a, const void *b)
{
	const struct entry_xattr *x = a, *y = b;
	return str_cmp(x->name, y->name);
}

int xattr_read(int fd, struct xattr_set *ret_set, struct err *err)
{
	static char list[XATTR_LIST_MAX]; /* one process, one walk */
	char value[2];
	size_t used = 0;
	ret_set->count = 0;
	ret_set->opaque = false;
	ssize_t len = flistxattr(fd, list, sizeof(list));
	if (len < 0)
		return errno == ENOTSUP ? 0 : err_sys(err, -errno, "cannot list attributes");
	for (ssize_t at = 0; at < len; at += (ssize_t)strlen(list + at) + 1) {
		if (strcmp(list + at, "user.overlay.opaque") == 0)
			ret_set->opaque = fgetxattr(fd, list + at, value, sizeof(value)) == 1 &&
					  value[0] == 'y';
		int r = xattr_is_kept(str_from(list + at)) ? add(fd, list + at, ret_set, &used, err)
							   : 0;
		if (r < 0)
			return r;
	}
	if (ret_set->count > 1)
		qsort(ret_set->items, ret_set->count, sizeof(ret_set->items[0]), compare);
	return 0;
}

int xattr_write(int fd, const struct xattr_set *set, struct err *err)
{
	char name[ENTRY_XATTR_NAME_MAX + 1];
	for (uint32_t i = 0; i < set->count; i++) {
		const struct entry_xattr *item = &set->items[i];
		if (str_copy(item->name, name, sizeof(name)) < 0)
			return err_set(err, -ENAMETOOLONG, "attribute name is too long");
		if (fsetxattr(fd, name, item->value.ptr, item->value.len, 0) < 0)
			return err_sys(err, -errno, "cannot set attribute %s", name);
	}
	return 0;
}
