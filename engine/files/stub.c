/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Knows the mount points that running a container leaves in its upper. Runs in the files role. Must
 * never take out what a person could miss: every container has its own mounts in these places.
 */
#include "engine/files/stub.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include "lib/fs.h"
#include "lib/own.h"

static bool one_of(const char *name, const char *const *names, size_t count)
{
	for (size_t i = 0; i < count; i++)
		if (strcmp(name, names[i]) == 0)
			return true;
	return false;
}

static bool is_etc_stub(int dirfd, const char *name)
{
	static const char *const files[] = { "hostname", "hosts", "resolv.conf" };
	struct stat st;
	return one_of(name, files, ARRAY_LEN(files)) &&
	       fs_stat(dirfd, name, FS_BENEATH, &st, NULL) == 0 && S_ISREG(st.st_mode) &&
	       st.st_size == 0 && st.st_nlink == 1;
}

static bool read_names(int dirfd, const char *name, struct walk_names *ret_names,
		       struct stat *ret_st)
{
	OWN_FD int fd =
		fs_open(dirfd, name, FS_BENEATH, O_RDONLY | O_DIRECTORY | O_NOFOLLOW, 0, NULL);
	return fd >= 0 && fstat(fd, ret_st) == 0 && walk_names_read(fd, ret_names, NULL) == 0;
}

static bool is_etc(int dirfd, const char *name)
{
	struct walk_names names OWN(walk_names_done) = { 0 };
	struct stat st;
	if (strcmp(name, "etc") != 0 || !read_names(dirfd, name, &names, &st))
		return false;
	OWN_FD int fd = fs_open(dirfd, name, FS_BENEATH, O_RDONLY | O_DIRECTORY, 0, NULL);
	for (size_t i = 0; i < names.count; i++)
		if (fd < 0 || !is_etc_stub(fd, names.items[i]))
			return false;
	/* Making a name in it sets both times to one value; any later change of its own does not.
	 */
	return names.count > 0 && st.st_mtim.tv_sec == st.st_ctim.tv_sec &&
	       st.st_mtim.tv_nsec == st.st_ctim.tv_nsec;
}

static bool is_root_stub(int dirfd, const char *name)
{
	static const char *const dirs[] = { "dev", "proc", "sys" };
	struct walk_names names OWN(walk_names_done) = { 0 };
	struct stat st;
	if (!one_of(name, dirs, ARRAY_LEN(dirs)))
		return is_etc(dirfd, name);
	return read_names(dirfd, name, &names, &st) && names.count == 0;
}

void stub_filter(int dirfd, const char *path, struct walk_names *names)
{
	bool root = *path == '\0', etc = strcmp(path, "etc") == 0;
	size_t kept = 0;
	if (!root && !etc)
		return;
	for (size_t i = 0; i < names->count; i++) {
		char *name = names->items[i];
		if (root ? is_root_stub(dirfd, name) : is_etc_stub(dirfd, name))
			free(name);
		else
			names->items[kept++] = name;
	}
	names->count = kept;
}

/* 1 = a mount point itself, 2 = above one, 0 = neither. */
static int place_of(const char *path, const struct files_diff_rules *rules)
{
	struct str self = str_from(path);
	int place = 0;
	for (uint32_t i = 0; i < rules->stub_count; i++) {
		struct str stub = rules->stubs[i];
		if (str_eq(stub, self))
			return 1;
		if (str_starts(stub, self) && stub.len > self.len && stub.ptr[self.len] == '/')
			place = 2;
	}
	return place;
}

bool stub_is_mount_point(int upper_fd, const char *path, const struct files_diff_rules *rules)
{
	struct walk_names names OWN(walk_names_done) = { 0 };
	char child[FILES_PATH_MAX];
	struct stat st;
	int place = rules ? place_of(path, rules) : 0;
	if (place == 0 || fs_stat(upper_fd, path, FS_BENEATH, &st, NULL) < 0)
		return false;
	if (S_ISREG(st.st_mode))
		return place == 1 && st.st_size == 0 && st.st_nlink == 1;
	if (!S_ISDIR(st.st_mode) || !read_names(upper_fd, path, &names, &st))
		return false;
	if (place == 1)
		return names.count == 0;
	for (size_t i = 0; i < names.count; i++) {
		int n = snprintf(child, sizeof(child), "%s/%s", path, names.items[i]);
		if (n < 0 || (size_t)n >= sizeof(child) ||
		    !stub_is_mount_point(upper_fd, child, rules))
			return false;
	}
	/* As for /etc: a change of its own would have left two times that differ. */
	return names.count > 0 && st.st_mtim.tv_sec == st.st_ctim.tv_sec &&
	       st.st_mtim.tv_nsec == st.st_ctim.tv_nsec;
}
