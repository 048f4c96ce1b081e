/* SPDX-License-Identifier: Apache-2.0 */
/* Scopes of path resolution, reading, the durable write. */
#include <dirent.h>
#include <errno.h>
#include "lib/fs.h"
#include "tests/unit/lib/place.h"
#include "tests/unit/tap.h"

static int place;

static int try_open(const char *path, enum fs_scope scope)
{
	int fd = fs_open(place, path, scope, O_RDONLY, 0, NULL);
	int r = fd;

	own_close(&fd);
	return r < 0 ? r : 0;
}

/* root/ is a foreign tree; "secret" stands beside it. */
static void make_foreign_tree(void)
{
	int root = fs_open_dir(place, "root/etc", FS_BENEATH, 0755, NULL);

	own_close(&root);
	root = fs_open(place, "root", FS_BENEATH, O_RDONLY | O_DIRECTORY, 0, NULL);
	place_write(place, "secret", "outside");
	place_write(root, "secret", "inside");
	place_write(root, "etc/passwd", "mine");
	(void)fs_symlink("/secret", root, "absolute", NULL);
	(void)fs_symlink("../../../../secret", root, "climbing", NULL);
	(void)fs_symlink("/etc", root, "dir", NULL);
	(void)fs_symlink("/proc/self/root/etc", root, "magic", NULL);
	(void)fs_symlink("self", root, "self", NULL);
	(void)fs_symlink("../..", root, "up", NULL);
	own_close(&root);
}

static void is_content(int dir, const char *path, enum fs_scope scope, const char *want)
{
	OWN(buf_done) struct buf buf;

	buf_init(&buf, 100);
	is_int(fs_read(dir, path, scope, 100, &buf, NULL), 0, "read %s", path);
	is_text(buf_text(&buf), want, "it is the right one");
}

static void test_in_root(void)
{
	OWN_FD int root = fs_open(place, "root", FS_BENEATH, O_RDONLY | O_DIRECTORY, 0, NULL);
	OWN_FD int proc = -1;

	is_content(root, "absolute", FS_IN_ROOT, "inside");
	is_content(root, "climbing", FS_IN_ROOT, "inside");
	is_content(root, "../../secret", FS_IN_ROOT, "inside");
	is_content(root, "/secret", FS_IN_ROOT, "inside");
	is_content(root, "dir/passwd", FS_IN_ROOT, "mine");
	is_content(root, "up/up/dir/../secret", FS_IN_ROOT, "inside");
	is_int(fs_open(root, "magic/passwd", FS_IN_ROOT, O_RDONLY, 0, NULL), -ENOENT,
	       "what is outside is not there");
	is_int(fs_open(root, "self", FS_IN_ROOT, O_RDONLY, 0, NULL), -ELOOP, "a link to itself");
	proc = fs_open(AT_FDCWD, "/proc", FS_HOST, O_RDONLY | O_DIRECTORY, 0, NULL);
	is_int(fs_open(proc, "self/exe", FS_IN_ROOT, O_RDONLY, 0, NULL), -ELOOP,
	       "magic links are refused");
}

static void test_beneath(void)
{
	static const char *const refused[] = {
		"root/../../x",	   "..", "/etc/passwd", "root/dir", "root/absolute",
		"root/dir/passwd", ""
	};
	OWN_FD int proc = -1;

	is_int(try_open("root/etc/passwd", FS_BENEATH), 0, "our own file");
	is_int(try_open("root/../secret", FS_BENEATH), 0, "'..' that stays below");
	for (size_t i = 0; i < ARRAY_LEN(refused); i++)
		ok(try_open(refused[i], FS_BENEATH) < 0, "refused: '%s'", refused[i]);
	is_int(try_open("root/absolute", FS_BENEATH), -ELOOP, "a link is ELOOP");
	is_int(try_open("../x", FS_BENEATH), -EXDEV, "leaving is EXDEV");
	proc = fs_open(AT_FDCWD, "/", FS_HOST, O_RDONLY | O_DIRECTORY, 0, NULL);
	is_int(fs_open(proc, "proc/uptime", FS_BENEATH, O_RDONLY, 0, NULL), -EXDEV,
	       "another mount is EXDEV");
	ok(fs_exists(proc, "proc/uptime", FS_BENEATH_XDEV), "unless it may be crossed");
	ok(!fs_exists(proc, "proc/self/stat", FS_BENEATH_XDEV), "links still may not");
	is_int(fs_open(place, "new", FS_BENEATH, O_RDWR | O_CREAT | O_EXCL, 0100644, NULL) > 0, 1,
	       "bits that are no mode do no harm");
}

static void test_open_dir(void)
{
	OWN_FD int deep = -1;
	OWN_FD int root = fs_open(place, "root", FS_BENEATH, O_RDONLY | O_DIRECTORY, 0, NULL);
	struct stat st = { 0 };
	mode_t mask = umask(077);

	deep = fs_open_dir(place, "x/y//z/", FS_BENEATH, 0751, NULL);
	(void)umask(mask);
	ok(deep >= 0, "directories are made");
	(void)fs_stat(place, "x/y", FS_BENEATH, &st, NULL);
	is_int(st.st_mode & 07777, 0751, "with the mode that was asked for, whatever the umask");
	own_close(&deep);
	deep = fs_open_dir(place, "x/y/z", FS_BENEATH, 0700, NULL);
	ok(deep >= 0, "what is there is opened");
	is_int(fs_open_dir(place, "x/../../out", FS_BENEATH, 0700, NULL), -EXDEV,
	       "nothing is made outside");
	is_int(fs_open_dir(place, "secret/x", FS_BENEATH, 0700, NULL), -ENOTDIR,
	       "a file is no directory");
	own_close(&deep);
	deep = fs_open_dir(root, "/dir/conf.d/app", FS_IN_ROOT, 0755, NULL);
	ok(deep >= 0, "in a foreign tree links are followed within it");
	ok(fs_exists(place, "root/etc/conf.d/app", FS_BENEATH), "and it stands there");
	own_close(&deep);
	deep = fs_open_dir(root, "../../up/made", FS_IN_ROOT, 0755, NULL);
	ok(deep >= 0 && fs_exists(place, "root/made", FS_BENEATH), "climbing ends at its root");
}

static void test_parent(void)
{
	static const char *const refused[] = { "", "/", ".", "..", "root/..", "root/." };
	char name[256] = "?";
	int fd = fs_open_parent(place, "root/etc/passwd", FS_BENEATH, name, NULL);

	ok(fd >= 0, "the directory of a path");
	is_text(name, "passwd", "and its last component");
	own_close(&fd);
	fd = fs_open_parent(place, "single//", FS_BENEATH, name, NULL);
	ok(fd >= 0, "one component, slashes behind it");
	is_text(name, "single", "are cut");
	own_close(&fd);
	for (size_t i = 0; i < ARRAY_LEN(refused); i++)
		is_int(fs_open_parent(place, refused[i], FS_BENEATH, name, NULL), -EINVAL,
		       "no last component: '%s'", refused[i]);
}

static void test_read(void)
{
	OWN(buf_done) struct buf buf;
	struct err err = { 0 };
	int ends[2];

	buf_init(&buf, 8);
	place_write(place, "five", "12345");
	is_int(fs_read(place, "five", FS_BENEATH, 5, &buf, &err), 0, "exactly the limit");
	is_text(buf_text(&buf), "12345", "is read");
	buf_clear(&buf);
	is_int(fs_read(place, "five", FS_BENEATH, 4, &buf, &err), -EFBIG, "one byte more");
	is_text(err.text, "five: larger than 4 bytes", "names the file");
	buf_clear(&buf);
	is_int(fs_read(place, "five", FS_BENEATH, 0, &buf, NULL), -EFBIG, "a limit of nothing");
	is_int(fs_read(place, "five", FS_BENEATH, 99, &buf, NULL), 0, "a small buffer is enough");
	is_int(fs_read(place, "five", FS_BENEATH, 99, &buf, NULL), -ENOSPC, "until it is full");
	is_int(fs_read(place, "root", FS_BENEATH, 9, &buf, NULL), -EINVAL, "a directory");
	is_int(mkfifoat(place, "fifo", 0600), 0, "a fifo");
	is_int(fs_read(place, "fifo", FS_BENEATH, 9, &buf, NULL), -EINVAL, "does not hang us");
	buf_clear(&buf);
	if (pipe(ends) == 0 && write(ends[1], "pipe", 4) == 4) {
		own_close(&ends[1]);
		is_int(fs_read_fd(ends[0], 8, &buf, NULL), 0, "a pipe is read to its end");
		is_text(buf_text(&buf), "pipe", "too");
		own_close(&ends[0]);
	}
}

static void test_replace(void)
{
	struct stat st = { 0 };
	mode_t mask = umask(077);
	struct err err;

	is_int(fs_replace(place, "state", "one", 3, 0644, &err), 0, "a new file");
	(void)umask(mask);
	is_text(place_read(place, "state"), "one", "is there");
	(void)fs_stat(place, "state", FS_BENEATH, &st, NULL);
	is_int(st.st_mode & 07777, 0644, "with its mode, whatever the umask");
	is_int(fs_replace(place, "state", "two!", 4, 0600, &err), 0, "replaced");
	is_text(place_read(place, "state"), "two!", "by the new content");
	ok(!fs_exists(place, ".state.new", FS_BENEATH), "nothing is left beside it");
	place_write(place, ".state.new", "torn");
	is_int(fs_replace(place, "state", "three", 5, 0600, &err), 0, "a leftover is in the way");
	is_text(place_read(place, "state"), "three", "and goes");
	is_int(fs_replace(place, "a/b", "x", 1, 0600, &err), -EINVAL, "a name is one component");
	is_int(fs_replace(place, "..", "x", 1, 0600, &err), -EINVAL, "and not '..'");
	is_int(fs_replace(place, "root", "x", 1, 0600, &err), -EISDIR, "a directory stays");
	ok(!fs_exists(place, ".root.new", FS_BENEATH), "and nothing beside it");
}

static void test_publish(void)
{
	OWN_FD int fd = fs_tmpfile(place, 0444, NULL);

	is_int(fs_write_fd(fd, "layer", 5, NULL), 0, "an unnamed file");
	is_int(fs_publish(place, fd, "five", false, NULL), -EEXIST, "takes no name that is taken");
	is_text(place_read(place, "five"), "12345", "which stays");
	is_int(fs_publish(place, fd, "layer", false, NULL), 0, "but a free one");
	is_text(place_read(place, "layer"), "layer", "is there");
}

static void test_entries(void)
{
	struct stat st;

	is_int(fs_mkdir(place, "m", 0710, NULL), 0, "mkdir");
	is_int(fs_mkdir(place, "m", 0710, NULL), -EEXIST, "once");
	is_int(fs_rename(place, "five", place, "four", NULL), 0, "rename");
	is_int(fs_unlink(place, "five", NULL), -ENOENT, "the old name is gone");
	is_int(fs_unlink(place, "four", NULL), 0, "unlink");
	is_int(fs_rmdir(place, "m", NULL), 0, "rmdir");
	is_int(fs_unlink(place, "root/secret", NULL), -EINVAL, "names only");
	is_int(fs_stat(place, "root/absolute", FS_BENEATH, &st, NULL), 0, "a link beneath");
	ok(S_ISLNK(st.st_mode), "is itself");
	is_int(fs_stat(place, "root/secret", FS_IN_ROOT, &st, NULL), 0, "a file in a root");
	ok(S_ISREG(st.st_mode), "is what it leads to");
}

static void test_control(void)
{
	struct err err = { 0 };

	place_write(place, "control", "old");
	is_int(fs_write_control(place, "control", STR("new"), &err), 0, "one write");
	is_text(place_read(place, "control"), "new", "went there");
	is_int(fs_write_control(place, "missing", STR("1"), &err), -ENOENT, "it never makes files");
	is_int(fs_write_control(AT_FDCWD, "/proc/self/oom_score_adj", STR("banana"), &err), -EINVAL,
	       "the kernel's word is passed on");
	is_text(err.text, "write 'banana' to /proc/self/oom_score_adj: Invalid argument",
		"with what was written where");
}

static int count_entry(int dirfd, const char *name, unsigned char d_type, void *owner,
		       struct err *err)
{
	unsigned *count = owner;

	(void)dirfd;
	(void)err;
	if (strcmp(name, "stop") == 0)
		return 42;
	*count += d_type == DT_REG ? 1 : 1000;
	return 0;
}

static void test_each(void)
{
	OWN_FD int dir = fs_open_dir(place, "each", FS_BENEATH, 0755, NULL);
	unsigned count = 0;

	for (int i = 0; i < 700; i++) {
		char name[64];

		(void)snprintf(name, sizeof(name), "a-rather-long-name-for-an-entry-%d", i);
		place_write(dir, name, "");
	}
	is_int(fs_each(dir, count_entry, &count, NULL), 0, "a directory of more than one buffer");
	is_int(count, 700, "each is seen once");
	is_int(fs_each(dir, count_entry, &count, NULL), 0, "again from the start");
	is_int(count, 1400, "with the same fd");
	place_write(dir, "stop", "");
	is_int(fs_each(dir, count_entry, &count, NULL), 42, "the callback can stop it");
}

int main(void)
{
	place = place_make("fs");
	make_foreign_tree();
	test_in_root();
	test_beneath();
	test_open_dir();
	test_parent();
	test_read();
	test_replace();
	test_publish();
	test_entries();
	test_control();
	test_each();
	place_remove(place);
	return tap_done();
}
