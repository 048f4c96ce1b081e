/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Names and xattr names of layer tars. Pure; runs in the unpack role. It must never let a name out
 * that leads anywhere but below the root it is joined to.
 */
#include "engine/tar/name.h"

#include <errno.h>
#include <string.h>
#include "engine/api/entry.h"

static int refuse(struct str name, const char *what, struct err *err)
{
	char shown[160];

	str_escape(name, shown, sizeof(shown));
	return err_set(err, -EBADMSG, "tar entry \"%s\": %s", shown, what);
}

/* rooted: ".." takes the part before it away. */
static int clean(struct str name, bool rooted, char dst[TAR_NAME_MAX], struct err *err)
{
	struct str rest = name, part;
	size_t len = 0;

	dst[0] = 0;
	while (str_cut(&rest, '/', &part)) {
		if (part.len == 0 || str_is(part, "."))
			continue;
		if (str_is(part, "..") && rooted) {
			while (len > 0 && dst[--len] != '/')
				;
			dst[len] = 0;
			continue;
		}
		if (str_is(part, ".."))
			return refuse(name, "\"..\" in a name is refused", err);
		if (part.len > ENTRY_NAME_MAX)
			return refuse(name, "a part of the name is over 255 bytes", err);
		if (len + (len > 0) + part.len > ENTRY_PATH_MAX)
			return refuse(name, "the name is over 4095 bytes", err);
		if (memchr(part.ptr, 0, part.len))
			return refuse(name, "a NUL in the name", err);
		if (len > 0)
			dst[len++] = '/';
		memcpy(dst + len, part.ptr, part.len);
		len += part.len;
		dst[len] = 0;
	}
	return 0;
}

int tar_name_clean(struct str name, char dst[TAR_NAME_MAX], struct err *err)
{
	return clean(name, false, dst, err);
}

int tar_name_root(struct str name, char dst[TAR_NAME_MAX], struct err *err)
{
	return clean(name, true, dst, err);
}

/* dir/base without base: the length of "dir" (0 for the root). */
static size_t parent_length(struct str path, struct str base)
{
	size_t dir = path.len - base.len;

	return dir > 0 ? dir - 1 : 0;
}

int tar_name_classify(const char *clean, enum tar_name_kind *ret_kind, char dst[TAR_NAME_MAX],
		      struct err *err)
{
	static const char prefix[] = ".wh.", meta[] = ".wh..wh.";
	struct str path = str_from(clean), rest = path, part, base = path;
	size_t parent;

	*ret_kind = TAR_NAME_PLAIN;
	if (str_starts(path, STR(".wh..wh.")) && !str_is(path, ".wh..wh..opq")) {
		*ret_kind = TAR_NAME_IGNORE;
		return 0;
	}
	while (path.len && str_cut(&rest, '/', &part)) {
		base = part;
		if (rest.ptr && str_starts(part, STR(".wh.")))
			return refuse(path, "a whiteout that is a directory", err);
	}
	if (!str_starts(base, STR(".wh."))) {
		memcpy(dst, clean, path.len + 1);
		return 0;
	}
	parent = parent_length(path, base);
	memcpy(dst, clean, parent);
	dst[parent] = 0;
	if (str_is(base, ".wh..wh..opq")) {
		*ret_kind = TAR_NAME_OPAQUE;
		return 0;
	}
	if (str_starts(base, str_from(meta)))
		return refuse(path, "an unknown kind of whiteout", err);
	base = str_skip(base, strlen(prefix));
	if (base.len == 0 || str_is(base, ".") || str_is(base, ".."))
		return refuse(path, "a whiteout of nothing", err);
	*ret_kind = TAR_NAME_WHITEOUT;
	if (parent > 0)
		dst[parent++] = '/';
	memcpy(dst + parent, base.ptr, base.len);
	dst[parent + base.len] = 0;
	return 0;
}

bool tar_xattr_kept(struct str name)
{
	if (name.len > ENTRY_XATTR_NAME_MAX)
		return false;
	if (str_is(name, "security.capability"))
		return true;
	return str_starts(name, STR("user.")) && !str_starts(name, STR("user.overlay.")) &&
	       name.len > 5;
}
