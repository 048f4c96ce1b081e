/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns the decision between config media and their confirmed copy. Runs in init's disk role. Must
 * never let a byte of unconfirmed media into a layer or onto /config of a claimed machine.
 */
#include "init/boot_trust.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include "init/boot_media.h"
#include "lib/fs.h"
#include "lib/log.h"
#include "lib/own.h"

#define LOOK_PATH "/run/hoy/media"

void boot_trust_init(struct boot_trust *trust, struct boot_config *config, const char *selector)
{
	*trust = (struct boot_trust){ .config = config, .selector = selector };
}

/* ---- what is there ---- */

struct present {
	struct boot_media media;
	struct buf text;
	bool mounted; /* on LOOK_PATH */
};

static void present_open(struct present *present, const struct boot_trust *trust, bool in_place)
{
	const char *path = in_place ? "/config" : LOOK_PATH;

	*present = (struct present){ .media = { .dir_fd = -1 } };
	if (boot_config_fw_cfg(&present->text))
		present->media.boot_ini = buf_str(&present->text);
	if (!in_place)
		present->mounted = boot_config_mount_at(LOOK_PATH, trust->selector);
	if (in_place ? trust->config->volume_mounted : present->mounted)
		present->media.dir_fd =
			fs_open(AT_FDCWD, path, FS_HOST, O_RDONLY | O_DIRECTORY, 0, NULL);
}

static bool present_any(const struct present *present)
{
	return present->media.dir_fd >= 0 || present->media.boot_ini.ptr != NULL;
}

static void present_done(struct present *present)
{
	own_close(&present->media.dir_fd);
	buf_done(&present->text);
	if (present->mounted)
		(void)fs_umount(AT_FDCWD, LOOK_PATH, MNT_DETACH, NULL);
}

/* ---- the layer ---- */

static int apply_copy(struct boot_trust *trust, int data_fd, struct err *err)
{
	struct boot_media_record record;
	struct err none = { 0 };
	OWN_FD int copy_fd = boot_media_open(data_fd, &record, err);
	int r = copy_fd >= 0 || copy_fd == -ENOENT ? 0 : copy_fd, changed;

	boot_config_unmount(trust->config); /* of an earlier life of this role */
	if (copy_fd >= 0)
		r = boot_config_bind(copy_fd, err);
	changed = boot_config_copy(trust->config, r < 0 ? -1 : copy_fd, r < 0 ? &none : err);
	return r < 0 ? r : changed;
}

int boot_trust_apply(struct boot_trust *trust, int data_fd, bool claimed, struct err *err)
{
	trust->decided = true;
	trust->kept = data_fd >= 0 && (claimed || fs_exists(data_fd, "config/media", FS_BENEATH));
	if (trust->kept)
		return apply_copy(trust, data_fd, err);
	(void)boot_config_mount(trust->config, trust->selector);
	return boot_config_media(trust->config, err);
}

int boot_trust_plugged(struct boot_trust *trust, struct err *err)
{
	if (!trust->decided || trust->kept || !boot_config_mount(trust->config, trust->selector))
		return 0;
	return boot_config_media(trust->config, err);
}

int boot_trust_claim(struct boot_trust *trust, int data_fd, struct err *err)
{
	struct present present;
	int r = 0;

	if (trust->kept)
		return 0;
	present_open(&present, trust, true);
	if (present_any(&present))
		r = boot_media_keep(data_fd, &present.media, err);
	present_done(&present);
	trust->kept = true;
	return r;
}

/* ---- comparing ---- */

static void set_note(struct boot_trust *trust, const char *what)
{
	if (what[0] == '\0')
		trust->note[0] = '\0';
	else
		snprintf(trust->note, sizeof(trust->note),
			 "config media: %s; log in on the console and type `config media confirm` "
			 "to take over what is there",
			 what);
}

static const char *judge(const struct present *present, const struct boot_media_record *record,
			 int found)
{
	struct digest digest;
	struct err err = { 0 };

	if (!present_any(present))
		return found == -EBADMSG ? "the confirmed copy is damaged and left out" : "";
	if (found == -ENOENT)
		return "not confirmed on this claimed machine, so they are left out";
	if (found < 0)
		return "the confirmed copy is damaged, and what is there is not confirmed";
	if (boot_media_digest(&present->media, &digest, &err) < 0) {
		log_warn("config media: %s", err_text(&err));
		return "they cannot be read, the confirmed copy stays in force";
	}
	return memcmp(&digest, &record->media, sizeof(digest)) == 0
		       ? ""
		       : "changed since they were confirmed, the confirmed copy stays in force";
}

bool boot_trust_check(struct boot_trust *trust, int data_fd)
{
	char before[BOOT_TRUST_NOTE_MAX];
	struct boot_media_record record;
	struct present present;
	struct err err = { 0 };
	OWN_FD int copy_fd = -1;

	if (!trust->kept || data_fd < 0)
		return false;
	memcpy(before, trust->note, sizeof(before));
	copy_fd = boot_media_open(data_fd, &record, &err);
	present_open(&present, trust, false);
	set_note(trust, judge(&present, &record, copy_fd));
	if (copy_fd >= 0 && !present_any(&present))
		log_info("config media: none is there, the confirmed copy is in force");
	present_done(&present);
	if (strcmp(before, trust->note) == 0)
		return false;
	if (trust->note[0] != '\0')
		log_warn("%s", trust->note);
	return true;
}

/* ---- confirming ---- */

/*
 * For the rest of this boot the media themselves are on /config: the engine takes in their images/.
 * It is the very mount that was copied, never a second look for a volume of that name.
 */
static int put_in_force(struct boot_trust *trust, const struct present *present, int data_fd,
			struct err *err)
{
	struct boot_media_record record;
	OWN_FD int copy_fd = boot_media_open(data_fd, &record, err);
	int r;

	if (copy_fd < 0)
		return copy_fd;
	boot_config_unmount(trust->config);
	if (present->media.dir_fd >= 0) {
		r = boot_config_bind(present->media.dir_fd, err);
		if (r < 0)
			return r;
		(void)boot_config_mount(trust->config, trust->selector);
	}
	return boot_config_copy(trust->config, copy_fd, err);
}

int boot_trust_confirm(struct boot_trust *trust, int data_fd, char text[BOOT_TRUST_NOTE_MAX],
		       struct err *err)
{
	struct present present;
	bool any;
	int r;

	if (data_fd < 0)
		return err_set(err, -ENODEV, "there is no data partition to keep a copy on");
	if (!trust->kept)
		return err_set(err, -EALREADY,
			       "nobody has claimed this machine: its media apply as they are");
	present_open(&present, trust, false);
	any = present_any(&present);
	r = boot_media_keep(data_fd, &present.media, err);
	if (r == 0)
		r = put_in_force(trust, &present, data_fd, err);
	present_done(&present);
	if (r < 0)
		return r;
	set_note(trust, "");
	snprintf(text, BOOT_TRUST_NOTE_MAX, "%s",
		 any ? "confirmed and in force; a copy is kept for when they are gone"
		     : "no media are there: the copy of before is dropped");
	return 0;
}
