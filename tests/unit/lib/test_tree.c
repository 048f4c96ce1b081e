/* SPDX-License-Identifier: Apache-2.0 */
/* Removal of deep, wide and hostile trees. */
#include <errno.h>
#include <sched.h>
#include <sys/mount.h>
#include "lib/fs.h"
#include "tests/unit/lib/place.h"
#include "tests/unit/tap.h"

static int place;
static bool private_mounts;

static void test_small(void)
{
	OWN_FD int dir = fs_open_dir(place, "tree/a/b", FS_BENEATH, 0755, NULL);

	place_write(place, "kept", "kept");
	(void)fs_symlink("../../kept", dir, "up", NULL);
	(void)fs_symlink("/", dir, "root", NULL);
	place_write(dir, "file", "x");
	is_int(mkfifoat(dir, "fifo", 0600), 0, "a tree of all kinds");
	is_int(fs_remove_tree(place, "tree", NULL), 0, "goes");
	ok(!fs_exists(place, "tree", FS_BENEATH), "all of it");
	is_text(place_read(place, "kept"), "kept", "what links led to stays");
	is_int(fs_remove_tree(place, "tree", NULL), 0, "a missing one is success");
	place_write(place, "file", "x");
	is_int(fs_remove_tree(place, "file", NULL), 0, "a file is a tree too");
	(void)fs_symlink("kept", place, "link", NULL);
	is_int(fs_remove_tree(place, "link", NULL), 0, "a link");
	is_text(place_read(place, "kept"), "kept", "and only the link");
	is_int(fs_remove_tree(place, "..", NULL), -EINVAL, "never upwards");
	is_int(fs_remove_tree(place, "a/b", NULL), -EINVAL, "names only");
}

enum { DEPTH = 5000 };

static void test_deep(void)
{
	int dir = fs_open_dir(place, "deep", FS_BENEATH, 0755, NULL);
	int depth = 0;

	while (dir >= 0 && depth < DEPTH) {
		int next;

		place_write(dir, "f", "");
		if (fs_mkdir(dir, "a-name-that-makes-the-path-far-longer-than-PATH_MAX", 0755,
			     NULL) < 0)
			break;
		next = fs_open(dir, "a-name-that-makes-the-path-far-longer-than-PATH_MAX",
			       FS_BENEATH, O_RDONLY | O_DIRECTORY, 0, NULL);
		own_close(&dir);
		dir = next;
		depth++;
	}
	own_close(&dir);
	is_int(depth, DEPTH, "a tree of %d levels", DEPTH);
	is_int(fs_remove_tree(place, "deep", NULL), 0, "goes");
	ok(!fs_exists(place, "deep", FS_BENEATH), "all of it");
}

static void test_wide(void)
{
	OWN_FD int dir = fs_open_dir(place, "wide", FS_BENEATH, 0755, NULL);
	struct err err = { 0 };

	for (int i = 0; i < 40; i++) {
		OWN_FD int sub = -1;
		char name[32];

		/* Names that removal itself gives. */
		(void)snprintf(name, sizeof(name), ".hoy-removed-%d", i);
		sub = fs_open_dir(dir, name, FS_BENEATH, 0755, NULL);
		for (int j = 0; j < 40; j++) {
			OWN_FD int leaf = -1;

			(void)snprintf(name, sizeof(name), ".hoy-removed-%d", j);
			leaf = fs_open_dir(sub, name, FS_BENEATH, 0755, NULL);
			place_write(leaf, "f", "");
		}
	}
	is_int(fs_remove_tree(place, "wide", &err), 0, "1,640 directories with awkward names");
	ok(!fs_exists(place, "wide", FS_BENEATH), "all gone");
}

/* A tmpfs within the tree must survive. */
static int mounted_tree(void)
{
	OWN_FD int inner = fs_open_dir(place, "mounted/x/y", FS_BENEATH, 0755, NULL);
	struct err err = { 0 };
	int r;

	if (fs_mount("none", inner, "tmpfs", MS_NOSUID, "size=64k", &err) < 0)
		return 3;
	own_close(&inner);
	inner = fs_open(place, "mounted/x/y", FS_BENEATH_XDEV, O_RDONLY | O_DIRECTORY, 0, NULL);
	place_write(inner, "precious", "data");
	r = fs_remove_tree(place, "mounted", &err);
	if (r != -EBUSY && r != -EXDEV)
		return 4;
	if (strcmp(place_read(inner, "precious"), "data") != 0)
		return 5;
	own_close(&inner);
	if (fs_umount(place, "mounted/x/y", 0, &err) < 0)
		return 6;
	return fs_remove_tree(place, "mounted", &err) == 0 ? 0 : 7;
}

static void test_mounted(void)
{
	static const char name[] = "what is mounted in a tree survives its removal";

	if (private_mounts)
		is_int(mounted_tree(), 0, "%s", name);
	else
		skip(name, "needs root");
}

int main(void)
{
	private_mounts = unshare(CLONE_NEWNS) == 0 &&
			 mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) == 0;
	place = place_make("tree");
	test_small();
	test_deep();
	test_wide();
	test_mounted();
	place_remove(place);
	return tap_done();
}
