/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns the names of the store's own folders and files: whatever else stands under one of them goes,
 * and what is ours but another user's becomes ours again. Runs in the store role before it is
 * locked in. Must never touch a blob, a layer, or what is outside of the store.
 */
#include <errno.h>
#include <fcntl.h>
#include <unistd.h>
#include "engine/store/claim.h"
#include "lib/fs.h"
#include "lib/own.h"

static const struct place {
	const char *folder, *name;
	mode_t type;
} places[] = {
	{ ".", "blobs", S_IFDIR },	{ "blobs", "sha256", S_IFDIR },
	{ ".", "layers", S_IFDIR },	{ "layers", "sha256", S_IFDIR },
	{ ".", "refs", S_IFDIR },	{ ".", "trash", S_IFDIR },
	{ ".", "oci-layout", S_IFREG }, { ".", "index.json", S_IFREG },
	{ "refs", "table.0", S_IFREG }, { "refs", "table.1", S_IFREG },
	{ "refs", "aside", S_IFREG },	{ "refs", "spare", S_IFREG },
};

static int take_over(int dirfd, const struct place *place, const struct stat *st, uid_t uid,
		     struct err *err)
{
	mode_t mode = place->type == S_IFDIR ? 0700 : 0600;
	int flags = place->type == S_IFDIR ? O_RDONLY | O_DIRECTORY : O_RDONLY;
	if (st->st_uid == uid && st->st_gid == uid && (st->st_mode & mode) == mode)
		return 0;
	OWN_FD int fd = fs_open(dirfd, place->name, FS_BENEATH, flags, 0, err);
	if (fd < 0)
		return fd;
	if (fchown(fd, uid, uid) < 0 || fchmod(fd, mode) < 0)
		return err_sys(err, -errno, "give %s to user %u", place->name, uid);
	return 0;
}

static int claim(int dirfd, const struct place *place, uid_t uid, struct buf *notes,
		 struct err *err)
{
	struct stat st;
	if (fs_stat_name(dirfd, place->name, &st, NULL) < 0)
		return 0;
	if ((st.st_mode & S_IFMT) == place->type)
		return take_over(dirfd, place, &st, uid, err);
	(void)buf_printf(notes, "store: %s/%s was no %s: removed\n", place->folder, place->name,
			 place->type == S_IFDIR ? "folder" : "file");
	return fs_remove_tree(dirfd, place->name, err);
}

void store_claim(int root_fd, uid_t uid, struct buf *ret_notes)
{
	for (size_t i = 0; i < ARRAY_LEN(places); i++) {
		struct err err = { 0 };
		OWN_FD int fd = fs_open(root_fd, places[i].folder, FS_BENEATH,
					O_RDONLY | O_DIRECTORY, 0, NULL);
		if (fd >= 0 && claim(fd, &places[i], uid, ret_notes, &err) < 0)
			(void)buf_printf(ret_notes, "store: %s\n", err_text(&err));
	}
}
