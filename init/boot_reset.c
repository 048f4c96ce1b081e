/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns what a reset needs but the formatting: who asks for it at the machine, and the removal of
 * settings alone. Runs in init's disk role. Must never remove an image or a volume.
 */
#include "init/boot_reset.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/random.h>
#include <unistd.h>
#include "init/boot_config.h"
#include "init/boot_disk.h"
#include "lib/fs.h"
#include "lib/log.h"
#include "lib/own.h"

#define LOOK_PATH "/run/hoy/reset"
#define SEEN	  "reset"	  /* in state/ */
#define PENDING	  "reset-pending" /* in /data */

enum { WORDS_MAX = 256, SEEN_MAX = 16 };

bool boot_reset_words(struct str text)
{
	while (text.len > 0 && strchr(" \t\r\n", text.ptr[text.len - 1]) != NULL)
		text.len--;
	while (text.len > 0 && strchr(" \t\r\n", text.ptr[0]) != NULL)
		text = str_skip(text, 1);
	return str_is(text, BOOT_RESET_WORDS);
}

/* ---- a volume at the machine ---- */

void boot_reset_begin(struct boot_reset *reset, int data_fd, bool password)
{
	reset->claimed = password || fs_exists(data_fd, "config/media", FS_BENEATH);
	reset->end = mono_add_ms(mono_now(), BOOT_RESET_LATE_MS);
}

static bool was_seen(int state_fd, const char *serial)
{
	struct buf text OWN(buf_done) = { 0 };

	buf_init(&text, SEEN_MAX);
	return fs_read(state_fd, SEEN, FS_BENEATH, SEEN_MAX, &text, NULL) >= 0 &&
	       str_is(buf_str(&text), serial);
}

static bool says_so(const struct disk *disk)
{
	struct buf text OWN(buf_done) = { 0 };
	bool asked;

	if (!boot_config_mount_disk(LOOK_PATH, disk))
		return false;
	buf_init(&text, WORDS_MAX);
	{
		OWN_FD int fd =
			fs_open(AT_FDCWD, LOOK_PATH, FS_HOST, O_RDONLY | O_DIRECTORY, 0, NULL);

		asked = fd >= 0 &&
			fs_read(fd, BOOT_RESET_FILE, FS_BENEATH, WORDS_MAX, &text, NULL) >= 0 &&
			boot_reset_words(buf_str(&text));
	}
	(void)fs_umount(AT_FDCWD, LOOK_PATH, MNT_DETACH, NULL);
	if (!asked)
		log_warn("a volume HOY_RESET is there, but its file %s does not say: %s",
			 BOOT_RESET_FILE, BOOT_RESET_WORDS);
	return asked;
}

bool boot_reset_asked(struct boot_reset *reset, int data_fd)
{
	OWN_FD int state_fd = -1;
	char serial[SEEN_MAX];
	struct err err = { 0 };
	struct disk disk;
	uint32_t number;

	if (data_fd < 0 || (reset->claimed && mono_before(reset->end, mono_now())) ||
	    !boot_config_carried(BOOT_RESET_LABEL, &disk, &number))
		return false;
	(void)snprintf(serial, sizeof(serial), "%08" PRIX32 "\n", number);
	state_fd = fs_open_dir(data_fd, "state", FS_BENEATH, 0700, NULL);
	if (was_seen(state_fd, serial)) {
		if (reset->claimed && !reset->told)
			log_warn(
				"the volume HOY_RESET on /dev/%s was there when nobody had claimed "
				"this machine: it counts no more; take it out, or format it anew "
				"for "
				"another reset",
				disk.name);
		reset->told = true;
		return false;
	}
	if (reset->claimed)
		return says_so(&disk);
	if (fs_replace(state_fd, SEEN, serial, strlen(serial), 0600, &err) < 0)
		log_err("the volume HOY_RESET will count once this machine is claimed, take it "
			"out: %s",
			err_text(&err));
	return false;
}

/* ---- settings alone ---- */

struct move {
	const char *const *kept;
	int to_fd;
};

static int move_one(int dirfd, const char *name, unsigned char type, void *owner, struct err *err)
{
	const struct move *move = owner;

	(void)type;
	for (size_t i = 0; move->kept[i] != NULL; i++)
		if (strcmp(name, move->kept[i]) == 0)
			return 0;
	return fs_rename(dirfd, name, move->to_fd, name, err);
}

static int move_all(int dirfd, const char *name, const char *const *kept, int to_fd,
		    struct err *err)
{
	struct move move = { kept, to_fd };
	struct err why = { 0 };
	OWN_FD int fd = fs_open(dirfd, name, FS_BENEATH, O_RDONLY | O_DIRECTORY, 0, &why);
	int r;

	if (fd == -ENOENT)
		return 0;
	if (fd < 0)
		return err_set(err, fd, "%s", err_text(&why));
	r = fs_each(fd, move_one, &move, err);
	if (r >= 0)
		r = fs_sync_dir(to_fd, err);
	return r < 0 ? r : fs_sync_dir(fd, err);
}

/* Where all of it goes: trash/reset-RANDOM, with a folder for what stood in state/. */
static int make_aside(int data_fd, int *ret_state_fd, struct err *err)
{
	char name[48];
	uint64_t random;
	int fd;

	if (getrandom(&random, sizeof(random), 0) != (ssize_t)sizeof(random))
		return err_set(err, -EAGAIN, "no random bytes for a name in the trash");
	(void)snprintf(name, sizeof(name), "trash/reset-%016" PRIx64, random);
	fd = fs_open_dir(data_fd, name, FS_BENEATH, 0700, err);
	if (fd < 0)
		return fd;
	*ret_state_fd = fs_open_dir(fd, "state", FS_BENEATH, 0700, err);
	if (*ret_state_fd < 0) {
		int r = *ret_state_fd;

		own_close(&fd);
		return r;
	}
	return fd;
}

/* One rename takes password, revisions and the copy of the media away together. */
static int move_config(int data_fd, int aside_fd, struct err *err)
{
	int r = 0;

	if (fs_exists(data_fd, "config", FS_BENEATH))
		r = fs_rename(data_fd, "config", aside_fd, "config", err);
	if (r >= 0)
		r = fs_sync_dir(aside_fd, err);
	return r < 0 ? r : fs_sync_dir(data_fd, err);
}

bool boot_reset_pending(int data_fd)
{
	return data_fd >= 0 && fs_exists(data_fd, PENDING, FS_BENEATH);
}

int boot_reset_settings(int data_fd, struct err *err)
{
	static const char *const top[] = { "store", "volumes",	  "state", "config",
					   "trash", "lost+found", PENDING, NULL };
	static const char *const state[] = { "volumes", NULL };
	OWN_FD int aside_fd = -1;
	OWN_FD int state_fd = -1;
	int r;

	if (data_fd < 0)
		return err_set(err, -ENODEV, "there is no data partition");
	r = fs_remove_tree(data_fd, "ballast", err); /* on a full disk: room for the rest */
	if (r >= 0)
		r = fs_replace(data_fd, PENDING, "", 0, 0600, err);
	if (r >= 0)
		r = aside_fd = make_aside(data_fd, &state_fd, err);
	if (r >= 0)
		r = move_all(data_fd, ".", top, aside_fd, err);
	if (r >= 0)
		r = move_all(data_fd, "state", state, state_fd, err);
	if (r >= 0)
		r = move_config(data_fd, aside_fd, err);
	if (r >= 0)
		r = fs_unlink(data_fd, PENDING, err);
	if (r >= 0)
		r = fs_sync_dir(data_fd, err);
	if (r >= 0)
		r = fs_remove_tree(aside_fd, "config", err);
	return r < 0 ? r : fs_remove_tree(aside_fd, "state", err);
}
