/* SPDX-License-Identifier: Apache-2.0 */
/* Resets: the words that ask for one, and what one of the settings alone removes. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "init/boot_config.h"
#include "init/boot_disk.h"
#include "init/boot_reset.h"
#include "lib/fs.h"
#include "lib/own.h"
#include "tests/unit/tap.h"

static struct {
	bool there;
	uint32_t serial;
	int looks; /* how often its file was to be read */
} volume;

bool boot_config_carried(const char *label, struct disk *ret_disk, uint32_t *ret_serial)
{
	*ret_disk = (struct disk){ .name = "sdx" };
	*ret_serial = volume.serial;
	return volume.there && strcmp(label, "HOY_RESET") == 0;
}

/* Nothing is mounted here: that it was tried says that the volume counts. */
bool boot_config_mount_disk(const char *path, const struct disk *disk)
{
	(void)path;
	(void)disk;
	volume.looks++;
	return false;
}

static void make(int dir, const char *path, const char *file)
{
	OWN_FD int fd = fs_open_dir(dir, path, FS_BENEATH, 0700, NULL);

	if (fd < 0 || fs_replace(fd, file, "x", 1, 0600, NULL) < 0)
		ok(false, "%s/%s cannot be made", path, file);
}

static void test_words(void)
{
	ok(boot_reset_words(STR("erase all data")), "the words");
	ok(boot_reset_words(STR("\r\n erase all data \r\n")), "with line ends around them");
	ok(!boot_reset_words(STR("erase all dat")), "not quite the words");
	ok(!boot_reset_words(STR("do not erase all data")), "more than the words");
	ok(!boot_reset_words(STR("")), "nothing");
}

static int folder(char path[32])
{
	(void)snprintf(path, 32, "/tmp/test-reset-XXXXXX");
	return mkdtemp(path) != NULL
		       ? fs_open(AT_FDCWD, path, FS_HOST, O_RDONLY | O_DIRECTORY, 0, NULL)
		       : -1;
}

static void make_data(int dir)
{
	make(dir, "config", "auth");
	make(dir, "config/revisions", "1");
	make(dir, "state/access", "key");
	make(dir, "state/good", "web");
	make(dir, "state/volumes", "web");
	make(dir, "containers/ab", "state");
	make(dir, "log", "hoy.log");
	make(dir, "transfer", "file.tar");
	make(dir, "whatever", "new");
	make(dir, "store/blobs/sha256", "ab");
	make(dir, "volumes/web", "data");
}

/* The folder of the reset in the trash. */
static int keep_name(int dirfd, const char *name, unsigned char type, void *owner, struct err *err)
{
	(void)dirfd;
	(void)type;
	(void)err;
	(void)str_copy(str_from(name), owner, 64);
	return 0;
}

static void test_trash(int dir)
{
	OWN_FD int trash = fs_open(dir, "trash", FS_BENEATH, O_RDONLY | O_DIRECTORY, 0, NULL);
	OWN_FD int aside = -1;
	char name[64] = "none";

	(void)fs_each(trash, keep_name, name, NULL);
	aside = fs_open(trash, name, FS_BENEATH, O_RDONLY | O_DIRECTORY, 0, NULL);
	ok(fs_exists(aside, "containers/ab/state", FS_BENEATH), "a big tree waits in the trash");
	ok(!fs_exists(aside, "config", FS_BENEATH), "secrets do not");
	ok(!fs_exists(aside, "state", FS_BENEATH), "keys do not");
}

static void test_settings(void)
{
	static const char *const gone[] = { "config/auth",	   "config/revisions/1",
					    "state/access/key",	   "state/good/web",
					    "containers/ab/state", "log/hoy.log",
					    "transfer/file.tar",   "whatever/new" };
	static const char *const kept[] = { "store/blobs/sha256/ab", "volumes/web/data",
					    "state/volumes/web" };
	char path[32];
	OWN_FD int dir = folder(path);
	struct err err = { 0 };

	if (!ok(dir >= 0, "a folder"))
		return;
	make_data(dir);
	is_int(boot_reset_settings(dir, &err), 0, "the settings go");
	for (size_t i = 0; i < ARRAY_LEN(gone); i++)
		ok(!fs_exists(dir, gone[i], FS_BENEATH), "%s is gone", gone[i]);
	for (size_t i = 0; i < ARRAY_LEN(kept); i++)
		ok(fs_exists(dir, kept[i], FS_BENEATH), "%s stays", kept[i]);
	ok(!boot_reset_pending(dir), "nothing is left to do");
	test_trash(dir);
	is_int(boot_reset_settings(dir, &err), 0, "once more, with nothing left to remove");
	(void)fs_remove_tree(AT_FDCWD, path, NULL);
}

/* What stops it half-way leaves a claimed machine and the mark for the next start. */
static void test_order(void)
{
	char path[32];
	OWN_FD int dir = folder(path);
	struct err err = { 0 };

	if (!ok(dir >= 0, "a folder"))
		return;
	make_data(dir);
	ok(!boot_reset_pending(dir), "no reset was begun");
	(void)fs_rename(dir, "state", dir, "lost+found", NULL);
	(void)fs_replace(dir, "state", "x", 1, 0600, NULL); /* no folder: it cannot be opened */
	is_int(boot_reset_settings(dir, &err), -ENOTDIR, "what cannot be opened is an error");
	ok(fs_exists(dir, "config/auth", FS_BENEATH), "the password goes last");
	ok(fs_exists(dir, "config/revisions/1", FS_BENEATH), "with the configuration");
	ok(boot_reset_pending(dir), "it has to go on");
	(void)fs_unlink(dir, "state", NULL);
	(void)fs_rename(dir, "lost+found", dir, "state", NULL);
	is_int(boot_reset_settings(dir, &err), 0, "it goes on");
	ok(!fs_exists(dir, "config", FS_BENEATH) && !boot_reset_pending(dir), "and ends");
	is_int(boot_reset_settings(-1, &err), -ENODEV, "no disk, no reset");
	(void)fs_remove_tree(AT_FDCWD, path, NULL);
}

/* How often the file of the volume is looked at in one start: 1 = the volume counts. */
static int start(int dir, bool password, int64_t after_ms)
{
	struct mono at = { 1000000000 }, later = mono_add_ms(at, after_ms);
	struct boot_reset reset = { 0 };

	volume.looks = 0;
	mono_fake(&at);
	boot_reset_begin(&reset, dir, password);
	mono_fake(&later);
	(void)boot_reset_asked(&reset, dir);
	mono_fake(NULL);
	return volume.looks;
}

static void test_volume(void)
{
	char path[32];
	OWN_FD int dir = folder(path);

	if (!ok(dir >= 0, "a folder"))
		return;
	is_int(start(dir, true, 0), 0, "no volume, no reset");
	volume.there = true;
	volume.serial = 0x89abcdef;
	is_int(start(dir, true, 0), 1, "a volume at the start of a claimed machine counts");
	is_int(start(dir, true, BOOT_RESET_LATE_MS + 1), 0, "one that comes later does not");
	is_int(start(dir, false, 0), 0, "without a claim it does not count");
	is_int(start(dir, true, 0), 0, "nor does it behind that, once there is a claim");
	volume.serial = 1;
	is_int(start(dir, true, 0), 1, "another one does");
	make(dir, "config/media", "record");
	is_int(start(dir, false, 0), 1, "confirmed media are a claim, too");
	is_int(start(-1, true, 0), 0, "without a disk there is nothing to erase");
	(void)fs_remove_tree(AT_FDCWD, path, NULL);
}

int main(void)
{
	test_words();
	test_settings();
	test_order();
	test_volume();
	return tap_done();
}
