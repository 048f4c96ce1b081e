/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns the layers below /run/hoy/config and the volume on /config. Runs in init's disk role, never
 * in PID 1: a mistake in a file can only end this role. Must never fail a boot for a bad file.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include "init/boot_config.h"
#include "init/boot_cmdline.h"
#include "init/boot_layer.h"
#include "init/boot_mounts.h"
#include "init/boot_search.h"
#include "init/conf_text.h"
#include "lib/fs.h"
#include "lib/log.h"
#include "lib/own.h"

#define FW_CFG_PATH "/sys/firmware/qemu_fw_cfg/by_name/opt/hoy/config/raw"

enum { FW_CFG_MAX = 64 * 1024, FILES_MAX = 256 };

const char *const boot_config_layer_names[BOOT_LAYER_COUNT] = { "10-image", "20-data", "30-media",
								"40-cmdline" };

void boot_config_init(struct boot_config *config)
{
	struct sha256 sum;

	*config = (struct boot_config){ 0 };
	for (size_t i = 0; i < BOOT_LAYER_COUNT; i++) { /* an empty layer need not be made */
		sha256_init(&sum);
		sha256_end(&sum, &config->last[i]);
	}
}

/* ---- staging of one layer ---- */

struct stage {
	int hoy_fd, dir_fd;
	struct sha256 sum;
	unsigned files;
	char *broken; /* where it is noted that a part cannot be believed; NULL = nowhere */
	char *lost;   /* the same of a file that costs nothing but what it declares */
};

/*
 * A file that could not be read. The first reason stays: the others may follow from it. Of services
 * it costs those that it declares. Any other file may say who is let in, and how images are judged.
 */
static void stage_broken(const struct stage *stage, const char *dir, const char *name,
			 const char *why)
{
	bool services =
		dir[0] == '\0' ? strcmp(name, "services.ini") == 0 : strcmp(dir, "services.d") == 0;
	char *note = services ? stage->lost : stage->broken;
	const char *slash = dir[0] != '\0' ? "/" : "";
	char shown[80];

	(void)str_escape(str_head(str_from(name), 40), shown, sizeof(shown));
	log_err("configuration file %.20s%s%s: %s", dir, slash, shown, why);
	if (note != NULL && note[0] == '\0')
		(void)snprintf(note, BOOT_CONFIG_BROKEN_MAX, "%.20s%s%.79s: %.75s%s", dir, slash,
			       shown, why,
			       services ? "; what it declares is left out, all else runs" : "");
}

static void stage_judges(struct stage *stage, struct boot_config *config,
			 enum boot_layer_index index)
{
	stage->broken = config->broken[index];
	stage->broken[0] = '\0';
	stage->lost = config->lost[index];
	stage->lost[0] = '\0';
}

static int stage_begin(struct stage *stage, struct err *err)
{
	*stage = (struct stage){ .hoy_fd = -1, .dir_fd = -1 };
	sha256_init(&stage->sum);
	stage->hoy_fd = fs_open_dir(AT_FDCWD, "/run/hoy", FS_HOST, 0755, err);
	if (stage->hoy_fd < 0)
		return stage->hoy_fd;
	if (fs_remove_tree(stage->hoy_fd, "stage", err) < 0)
		return -EIO;
	stage->dir_fd = fs_open_dir(stage->hoy_fd, "stage", FS_BENEATH, 0700, err);
	return stage->dir_fd < 0 ? stage->dir_fd : 0;
}

static void stage_done(struct stage *stage)
{
	own_close(&stage->dir_fd);
	own_close(&stage->hoy_fd);
}

/* dir "" = at the top, else "services.d". */
static void stage_add(struct stage *stage, const char *dir, const char *name, struct str text)
{
	OWN_FD int sub_fd = -1;
	struct err err;
	int fd = stage->dir_fd;

	if (stage->files++ >= FILES_MAX)
		return;
	if (dir[0] != '\0')
		fd = sub_fd = fs_open_dir(stage->dir_fd, dir, FS_BENEATH, 0700, &err);
	if (fd < 0 || fs_replace(fd, name, text.ptr, text.len, 0600, &err) < 0) {
		log_err("configuration file %s lost: %s", name, err_text(&err));
		return;
	}
	sha256_add(&stage->sum, dir, strlen(dir) + 1);
	sha256_add(&stage->sum, name, strlen(name) + 1);
	sha256_add(&stage->sum, &text.len, sizeof(text.len));
	sha256_add(&stage->sum, text.ptr, text.len);
}

/* name: what each piece is called in its FILE.d. */
static void stage_split(struct stage *stage, struct str text, const char *name)
{
	struct boot_layer layer;
	char dir[32];

	boot_layer_init(&layer);
	boot_layer_split(text, &layer);
	for (size_t i = 0; i < BOOT_FILE_COUNT; i++) {
		snprintf(dir, sizeof(dir), "%s.d", boot_file_name((enum boot_file)i));
		if (layer.text[i].len > 0)
			stage_add(stage, dir, name, buf_str(&layer.text[i]));
	}
	boot_layer_done(&layer);
}

/* Puts the staged layer into its place when it differs. 1 = it did. */
static int stage_end(struct stage *stage, struct boot_config *config, enum boot_layer_index index,
		     struct err *err)
{
	OWN_FD int config_fd = fs_open_dir(stage->hoy_fd, "config", FS_BENEATH, 0700, err);
	struct digest digest;
	int r;

	if (config_fd < 0)
		return config_fd;
	sha256_end(&stage->sum, &digest);
	if (memcmp(&digest, &config->last[index], sizeof(digest)) == 0)
		return fs_remove_tree(stage->hoy_fd, "stage", err);
	r = fs_remove_tree(config_fd, boot_config_layer_names[index], err);
	if (r == 0)
		r = fs_rename(stage->hoy_fd, "stage", config_fd, boot_config_layer_names[index],
			      err);
	if (r < 0)
		return r;
	config->last[index] = digest;
	return 1;
}

/* ---- copying a directory ---- */

struct copy {
	struct stage *stage;
	const char *dir; /* "" = top */
	bool skip_boot;	 /* boot.ini came by fw_cfg */
};

static int copy_entry(int dir_fd, const char *name, unsigned char type, void *owner,
		      struct err *err)
{
	struct copy *copy = owner, below;
	struct str s = str_from(name);
	struct buf text;
	int r;

	(void)type;
	if (copy->dir[0] == '\0' && str_ends(s, STR(".d"))) {
		OWN_FD int fd = fs_open(dir_fd, name, FS_BENEATH, O_RDONLY | O_DIRECTORY, 0, NULL);

		below = (struct copy){ copy->stage, name, false };
		return fd < 0 ? 0 : fs_each(fd, copy_entry, &below, err);
	}
	if (!str_ends(s, STR(".ini")) || (copy->skip_boot && str_is(s, "boot.ini")))
		return 0;
	buf_init(&text, BOOT_CONFIG_FILE_MAX);
	r = fs_read(dir_fd, name, FS_BENEATH, BOOT_CONFIG_FILE_MAX, &text, err);
	if (r < 0)
		stage_broken(copy->stage, copy->dir, name, err_text(err));
	else if (copy->dir[0] == '\0' && str_is(s, "boot.ini"))
		stage_split(copy->stage, buf_str(&text), "boot.ini");
	else
		stage_add(copy->stage, copy->dir, name, buf_str(&text));
	buf_done(&text);
	return 0;
}

static void copy_fd(struct stage *stage, int fd, const char *path, bool skip_boot)
{
	struct copy copy = { stage, "", skip_boot };
	struct err err;

	if (fd >= 0 && fs_each(fd, copy_entry, &copy, &err) < 0)
		log_err("%s: %s", path, err_text(&err));
}

static void copy_dir(struct stage *stage, const char *path, bool skip_boot)
{
	OWN_FD int fd = fs_open(AT_FDCWD, path, FS_HOST, O_RDONLY | O_DIRECTORY, 0, NULL);

	copy_fd(stage, fd, path, skip_boot);
}

static int copy_layer(struct boot_config *config, enum boot_layer_index index, const char *path,
		      struct err *err)
{
	struct stage stage;
	int r = stage_begin(&stage, err);

	if (r == 0) {
		stage_judges(&stage, config, index);
		copy_dir(&stage, path, false);
		r = stage_end(&stage, config, index, err);
	}
	stage_done(&stage);
	return r;
}

/* ---- the four layers ---- */

int boot_config_image(struct boot_config *config, struct err *err)
{
	return copy_layer(config, BOOT_LAYER_IMAGE, "/etc/hoy", err);
}

/* Files first that somebody put there, then what was edited on the console. */
static void stage_data(struct stage *stage, struct str revision)
{
	copy_dir(stage, "/data/config", false);
	stage_split(stage, revision, "revision.ini");
}

int boot_config_data(struct boot_config *config, struct str revision, struct err *err)
{
	struct stage stage;
	int r = stage_begin(&stage, err);

	if (r == 0) {
		stage_judges(&stage, config, BOOT_LAYER_DATA);
		stage_data(&stage, revision);
		r = stage_end(&stage, config, BOOT_LAYER_DATA, err);
	}
	stage_done(&stage);
	return r;
}

/* One layer into the directory of the trial: the data layer made anew, the others copied. */
static int try_layer(int try_fd, enum boot_layer_index index, struct str revision, struct err *err)
{
	char path[64];
	struct stage stage;
	int r = stage_begin(&stage, err);

	if (r == 0 && index == BOOT_LAYER_DATA) {
		stage_data(&stage, revision);
	} else if (r == 0) {
		snprintf(path, sizeof(path), "/run/hoy/config/%s", boot_config_layer_names[index]);
		copy_dir(&stage, path, false);
	}
	if (r == 0)
		r = fs_rename(stage.hoy_fd, "stage", try_fd, boot_config_layer_names[index], err);
	stage_done(&stage);
	return r;
}

int boot_config_try(struct str revision, struct buf *out, struct err *err)
{
	OWN_FD int config_fd = fs_open_dir(AT_FDCWD, "/run/hoy/config", FS_HOST, 0700, err);
	OWN_FD int try_fd = -1;
	int r = config_fd < 0 ? config_fd : fs_remove_tree(config_fd, INI_TRY_DIR, err);

	if (r == 0)
		try_fd = fs_open_dir(config_fd, INI_TRY_DIR, FS_BENEATH, 0700, err);
	if (r == 0 && try_fd < 0)
		r = try_fd;
	for (size_t i = 0; r == 0 && i < BOOT_LAYER_COUNT; i++)
		r = try_layer(try_fd, (enum boot_layer_index)i, revision, err);
	return r < 0 ? r : ini_try(&boot_config_schema, config_fd, NULL, out, err);
}

bool boot_config_fw_cfg(struct buf *out)
{
	buf_init(out, FW_CFG_MAX);
	return fs_exists(AT_FDCWD, FW_CFG_PATH, FS_HOST) &&
	       fs_read(AT_FDCWD, FW_CFG_PATH, FS_HOST, FW_CFG_MAX, out, NULL) == 0;
}

int boot_config_media(struct boot_config *config, struct err *err)
{
	struct stage stage;
	struct buf text;
	bool given;
	int r = stage_begin(&stage, err);

	given = boot_config_fw_cfg(&text);
	if (r == 0) {
		stage_judges(&stage, config, BOOT_LAYER_MEDIA);
		if (given)
			stage_split(&stage, buf_str(&text), "boot.ini");
		if (config->volume_mounted)
			copy_dir(&stage, "/config", given);
		r = stage_end(&stage, config, BOOT_LAYER_MEDIA, err);
	}
	buf_done(&text);
	stage_done(&stage);
	return r;
}

int boot_config_copy(struct boot_config *config, int dir_fd, struct err *err)
{
	struct stage stage;
	int r = stage_begin(&stage, err);

	if (r == 0) {
		stage_judges(&stage, config, BOOT_LAYER_MEDIA);
		copy_fd(&stage, dir_fd, "confirmed config media", false);
		r = stage_end(&stage, config, BOOT_LAYER_MEDIA, err);
	}
	stage_done(&stage);
	return r;
}

int boot_config_cmdline(struct boot_config *config, struct str cmdline, struct err *err)
{
	struct boot_layer layer;
	struct stage stage;
	char name[32];
	int r = stage_begin(&stage, err);

	boot_layer_init(&layer);
	if (r == 0) {
		boot_cmdline_layer(cmdline, &layer);
		for (size_t i = 0; i < BOOT_FILE_COUNT; i++) {
			snprintf(name, sizeof(name), "%s.ini", boot_file_name((enum boot_file)i));
			if (layer.text[i].len > 0)
				stage_add(&stage, "", name, buf_str(&layer.text[i]));
		}
		r = stage_end(&stage, config, BOOT_LAYER_CMDLINE, err);
	}
	boot_layer_done(&layer);
	stage_done(&stage);
	return r;
}

/* ---- the fail-safe profile ---- */

const char *boot_config_broken(const struct boot_config *config)
{
	for (size_t i = BOOT_LAYER_DATA; i <= BOOT_LAYER_MEDIA; i++) /* those that people make */
		if (config->broken[i][0] != '\0')
			return config->broken[i];
	return "";
}

const char *boot_config_lost(const struct boot_config *config)
{
	for (size_t i = BOOT_LAYER_DATA; i <= BOOT_LAYER_MEDIA; i++)
		if (config->lost[i][0] != '\0')
			return config->lost[i];
	return "";
}

int boot_config_failsafe(struct boot_config *config, struct err *err)
{
	static const char network[] = "# fail-safe profile: the configuration is broken\n"
				      "[network failsafe]\nMatch.Name = *\nDHCP = no\n"
				      "LinkLocalAddressing = ipv6\n";
	static const enum boot_layer_index left_out[] = { BOOT_LAYER_DATA, BOOT_LAYER_MEDIA };
	struct stage stage;
	int r = 0;

	for (size_t i = 0; r >= 0 && i < ARRAY_LEN(left_out); i++) {
		r = stage_begin(&stage, err);
		if (r == 0 && left_out[i] == BOOT_LAYER_DATA)
			stage_add(&stage, "", "network.ini", str_from(network));
		if (r == 0)
			r = stage_end(&stage, config, left_out[i], err);
		stage_done(&stage);
	}
	return r < 0 ? r : 0;
}

bool boot_config_present(const char *selector)
{
	static struct disk_list list;
	struct disk disk;

	return fs_exists(AT_FDCWD, FW_CFG_PATH, FS_HOST) ||
	       (disk_list_read(&list, NULL) == 0 && search_config(&list, selector, &disk));
}

bool boot_config_carried(const char *label, struct disk *ret_disk, uint32_t *ret_serial)
{
	static struct disk_list list;
	char selector[PROBE_LABEL_MAX + 8];
	size_t count = 0;

	if (disk_list_read(&list, NULL) < 0)
		return false;
	for (size_t i = 0; i < list.count; i++)
		if (list.disks[i].carried)
			list.disks[count++] = list.disks[i];
	list.count = count;
	snprintf(selector, sizeof(selector), "label:%s", label);
	return search_config(&list, selector, ret_disk) &&
	       disk_fat_serial(ret_disk->name, ret_serial);
}

bool boot_config_mount_disk(const char *path, const struct disk *disk)
{
	char device[DISK_NAME_MAX + 8];
	struct err err;
	OWN_FD int fd = fs_open_dir(AT_FDCWD, path, FS_HOST, 0700, &err);

	if (fd < 0 || fs_mount(disk_path(disk->name, device), fd, "vfat",
			       MS_RDONLY | MS_NOSUID | MS_NODEV | MS_NOEXEC, "utf8=1", &err) < 0) {
		log_err("configuration volume /dev/%s not used: %s", disk->name, err_text(&err));
		return false;
	}
	log_info("configuration volume %s", device);
	return true;
}

bool boot_config_mount_at(const char *path, const char *selector)
{
	static struct disk_list list;
	struct disk disk;

	return disk_list_read(&list, NULL) >= 0 && search_config(&list, selector, &disk) &&
	       boot_config_mount_disk(path, &disk);
}

bool boot_config_mount(struct boot_config *config, const char *selector)
{
	char source[64];

	if (config->volume_mounted)
		return false;
	config->volume_mounted = boot_mounts_find("/config", source, sizeof(source)) ||
				 boot_config_mount_at("/config", selector);
	return config->volume_mounted;
}

void boot_config_unmount(struct boot_config *config)
{
	char source[64];

	while (boot_mounts_find("/config", source, sizeof(source)) &&
	       (fs_umount(AT_FDCWD, "/config", 0, NULL) == 0 ||
		fs_umount(AT_FDCWD, "/config", MNT_DETACH, NULL) == 0))
		;
	config->volume_mounted = false;
}

int boot_config_bind(int dir_fd, struct err *err)
{
	OWN_FD int fd = fs_open(AT_FDCWD, "/config", FS_HOST, O_RDONLY | O_DIRECTORY, 0, err);
	OWN_FD int bound = -1;
	int r = fd < 0 ? fd : fs_mount_bind(dir_fd, fd, false, err);

	if (r < 0)
		return r;
	/* By a new fd: the old one still means the directory below the mount. */
	bound = fs_open(AT_FDCWD, "/config", FS_HOST, O_RDONLY | O_DIRECTORY, 0, err);
	return bound < 0 ? bound
			 : fs_mount(NULL, bound, NULL,
				    MS_REMOUNT | MS_BIND | MS_RDONLY | MS_NOSUID | MS_NODEV |
					    MS_NOEXEC,
				    NULL, err);
}

/* ---- reading ---- */

int boot_config_load(struct ini_config *ini, struct err *err)
{
	OWN_FD int fd =
		fs_open(AT_FDCWD, "/run/hoy/config", FS_HOST, O_RDONLY | O_DIRECTORY, 0, err);

	return fd < 0 ? fd : ini_load(ini, &boot_config_schema, fd, err);
}
