/* SPDX-License-Identifier: Apache-2.0 */
/* The directories of cache mounts: names, sharing, what goes to the trash. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>
#include "engine/build/cache.h"
#include "lib/fs.h"
#include "lib/own.h"
#include "tests/unit/tap.h"

static int take(int data, const char *id, enum dockerfile_sharing sharing, const void *taker,
		struct build_cache_use **list, char *name)
{
	struct build_mount mount = { .id = id,
				     .from = -1,
				     .sharing = sharing,
				     .mode = 0710,
				     .uid = getuid(),
				     .gid = getgid() };
	bool fresh = false;
	return build_cache_take(data, &mount, taker, list, name, &fresh, NULL);
}

static void test_sharing(int data)
{
	struct build_cache_use *one = NULL, *two = NULL;
	char a[BUILD_CACHE_NAME_MAX], b[BUILD_CACHE_NAME_MAX], path[200];
	struct stat st;
	is_int(take(data, "../../etc", DOCKERFILE_SHARING_SHARED, "one", &one, a), 0, "taken");
	ok(!strchr(a, '/') && !strchr(a, '.'), "an id is no path: %s", a);
	(void)snprintf(path, sizeof(path), BUILD_CACHE_DIR "/%s/tree", a);
	ok(fs_stat(data, path, FS_BENEATH, &st, NULL) == 0 && (st.st_mode & 07777) == 0710,
	   "a new one has the mount's mode");
	is_int(take(data, "../../etc", DOCKERFILE_SHARING_SHARED, "two", &two, b), 0, "shared");
	is_text(b, a, "the same directory");
	is_int(take(data, "../../etc", DOCKERFILE_SHARING_LOCKED, "two", &two, b), -EBUSY,
	       "locked waits");
	is_int(take(data, "../../etc", DOCKERFILE_SHARING_PRIVATE, "two", &two, b), 0, "private");
	ok(strcmp(a, b) != 0, "another directory");
	build_cache_drop(&one);
	is_int(take(data, "../../etc", DOCKERFILE_SHARING_LOCKED, "two", &two, b), 0,
	       "locked when the other is done");
	is_text(b, a, "the first one's directory");
	build_cache_drop(&two);
	ok(!one && !two, "given back");
}

/* Two steps begin the same cache with files of a stage: the second one waits for the first. */
static void test_filling(int data)
{
	struct build_cache_use *one = NULL, *two = NULL;
	struct build_mount mount = {
		.id = "filled", .mode = 0755, .uid = getuid(), .gid = getgid()
	};
	struct build_mount empty = mount;
	char name[BUILD_CACHE_NAME_MAX];
	bool fresh = false;

	empty.from = -1;
	is_int(build_cache_take(data, &mount, "one", &one, name, &fresh, NULL), 0, "taken");
	ok(fresh, "it has to be filled");
	is_int(build_cache_take(data, &mount, "two", &two, name, &fresh, NULL), -EBUSY,
	       "another one that would fill it waits");
	is_int(build_cache_take(data, &empty, "two", &two, name, &fresh, NULL), -EBUSY,
	       "and one that begins with nothing");
	OWN_FD int fill = build_cache_fill(data, name, NULL);
	ok(fill >= 0, "filling");
	is_int(build_cache_filled(data, name, NULL), 0, "filled");
	is_int(build_cache_take(data, &mount, "two", &two, name, &fresh, NULL), 0, "both have it");
	ok(!fresh, "it is not filled again");
	build_cache_drop(&one);
	build_cache_drop(&two);
	mount.id = empty.id = "failed";
	is_int(build_cache_take(data, &mount, "one", &one, name, &fresh, NULL), 0, "taken");
	build_cache_drop(&one);
	is_int(build_cache_take(data, &mount, "two", &two, name, &fresh, NULL), 0,
	       "filling that failed holds nobody up");
	ok(fresh, "the next one fills it");
	build_cache_drop(&two);
}

static void test_prune(int data)
{
	struct build_cache_use *one = NULL, *two = NULL;
	char used[BUILD_CACHE_NAME_MAX], name[BUILD_CACHE_NAME_MAX], path[200];
	struct stat st;
	for (int i = 0; i < 5; i++) {
		char id[2] = { (char)('a' + i), 0 };
		const struct timespec times[2] = { { .tv_sec = 1000 + i }, { .tv_sec = 1000 + i } };
		(void)take(data, id, DOCKERFILE_SHARING_SHARED, "one", i == 0 ? &one : &two,
			   i == 0 ? used : name);
		(void)snprintf(path, sizeof(path), BUILD_CACHE_DIR "/%s", i == 0 ? used : name);
		OWN_FD int fd = fs_open(data, path, FS_BENEATH, O_RDONLY | O_DIRECTORY, 0, NULL);
		ok(fd >= 0 && futimens(fd, times) == 0, "cache %d", i);
	}
	build_cache_drop(&two);
	is_int(build_cache_prune(data, 2000, 100, UINT64_MAX, NULL), 0, "young and few: all stay");
	is_int(build_cache_prune(data, 2000, 2, UINT64_MAX, NULL), 2,
	       "of those that nobody has, the oldest go");
	(void)snprintf(path, sizeof(path), BUILD_CACHE_DIR "/%s", name);
	is_int(fs_stat(data, path, FS_BENEATH, &st, NULL), 0, "the newest stays");
	is_int(build_cache_prune(data, 2000 + 40 * 86400, 100, UINT64_MAX, NULL), 2,
	       "and the rest by age");
	(void)snprintf(path, sizeof(path), BUILD_CACHE_DIR "/%s", used);
	is_int(fs_stat(data, path, FS_BENEATH, &st, NULL), 0, "one that is in use never does");
	build_cache_drop(&one);
}

/* 10, 20 and 30 bytes, the oldest first. */
static void test_sizes(int data)
{
	struct build_cache_use *list = NULL;
	char name[BUILD_CACHE_NAME_MAX], path[200];
	for (int i = 0; i < 3; i++) {
		char id[2] = { (char)('x' + i), 0 };
		const struct timespec times[2] = { { .tv_sec = 1000 + i }, { .tv_sec = 1000 + i } };
		(void)take(data, id, DOCKERFILE_SHARING_SHARED, "one", &list, name);
		is_int(build_cache_set_size(data, name, 10 * (uint64_t)(i + 1), NULL), 0, "size");
		(void)snprintf(path, sizeof(path), BUILD_CACHE_DIR "/%s", name);
		OWN_FD int fd = fs_open(data, path, FS_BENEATH, O_RDONLY | O_DIRECTORY, 0, NULL);
		ok(fd >= 0 && futimens(fd, times) == 0, "its time");
	}
	is_text(build_cache_name(list), name, "the name of the last one");
	is_int(build_cache_prune(data, 2000, 100, 5, NULL), 0, "those in use stay, however big");
	build_cache_drop(&list);
	is_int(build_cache_prune(data, 2000, 100, 60, NULL), 0, "all have room");
	is_int(build_cache_prune(data, 2000, 100, 50, NULL), 1, "the oldest makes room");
	is_int(build_cache_prune(data, 2000, 100, 29, NULL), 2, "as many as it takes");
}

int main(void)
{
	OWN_FD int top = fs_open_dir(AT_FDCWD, "build/test-tmp", FS_BENEATH_XDEV, 0755, NULL);
	(void)fs_remove_tree(top, "build-cache", NULL);
	OWN_FD int data = fs_open_dir(top, "build-cache", FS_BENEATH_XDEV, 0755, NULL);
	if (ok(data >= 0, "a data directory")) {
		test_sharing(data);
		test_filling(data);
		(void)fs_remove_tree(data, BUILD_CACHE_DIR, NULL);
		test_prune(data);
		(void)fs_remove_tree(data, BUILD_CACHE_DIR, NULL);
		test_sizes(data);
	}
	(void)fs_remove_tree(top, "build-cache", NULL);
	return tap_done();
}
