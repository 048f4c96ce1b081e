/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HOY_INIT_BOOT_CONFIG_H
#define HOY_INIT_BOOT_CONFIG_H

#include <stdbool.h>
#include "init/api/init_msg.h"
#include "init/api/send_msg.h"
#include "init/api/ship_msg.h"
#include "lib/ini.h"
#include "lib/sha256.h"

/*
 * The layers of configuration below /run/hoy/config, which every daemon reads with ini_load():
 *
 *   10-image    the INI files of the system image, /etc/hoy
 *   20-data     those of /data/config, then the current revision, cut by section
 *   30-media    boot.ini from QEMU's fw_cfg (opt/hoy/config), then the volume mounted on /config
 *   40-cmdline  hoy.KIND.NAME.KEY=VALUE of the kernel command line
 *
 * boot.ini may hold sections of every daemon: it is cut into FILE.d/boot.ini with its line numbers
 * kept. Everything else is copied as it is: *.ini, and *.ini in directories that end in ".d".
 */
enum boot_layer_index {
	BOOT_LAYER_IMAGE,
	BOOT_LAYER_DATA,
	BOOT_LAYER_MEDIA,
	BOOT_LAYER_CMDLINE,
	BOOT_LAYER_COUNT,
};

enum { BOOT_CONFIG_BROKEN_MAX = 224, BOOT_CONFIG_FILE_MAX = 256 * 1024 };

extern const char *const boot_config_layer_names[BOOT_LAYER_COUNT];

struct disk;

struct boot_config {
	struct digest last[BOOT_LAYER_COUNT]; /* of what stands, so that changes are seen */
	bool volume_mounted;		      /* /config carries the volume */
	char broken[BOOT_LAYER_COUNT][BOOT_CONFIG_BROKEN_MAX]; /* why a layer cannot be believed */
	char lost[BOOT_LAYER_COUNT][BOOT_CONFIG_BROKEN_MAX];   /* a file of services left out */
};

/* What hoy.ini settles, merged over the layers. */
struct boot_settings {
	char hostname[64];
	char timezone[64];
	char hash[INIT_HASH_MAX]; /* [auth] password_hash, "" = none */
	bool login;
	uint32_t idle_s;       /* without a key until a login ends, 0 = never */
	uint8_t log_prio;      /* 0 = not given */
	uint64_t log_max;      /* bytes of the log on the data partition */
	struct ship_wish ship; /* host "" = the log is not sent away */
	struct send_wish send; /* host "" = no support archive is; name and size are unset */
	uint32_t issues;
};

extern const struct ini_schema boot_config_schema;

void boot_config_init(struct boot_config *config);

/* Makes one layer anew from its source. 1 = it differs from before, 0 = the same. */
int boot_config_image(struct boot_config *config, struct err *err);
/* revision: the text of the one that counts (conf_revision.h), secrets in it; may be empty. */
int boot_config_data(struct boot_config *config, struct str revision, struct err *err);
int boot_config_media(struct boot_config *config, struct err *err);
int boot_config_cmdline(struct boot_config *config, struct str cmdline, struct err *err);
/* The media's layer from a confirmed copy (boot_media.h); -1 = empty. */
int boot_config_copy(struct boot_config *config, int dir_fd, struct err *err);

/* All layers with another revision, for daemons to look at: INI_TRY_DIR of lib/ini.h, and what
 * ini_try() says of hoy.ini. */
int boot_config_try(struct str revision, struct buf *out, struct err *err);

/* QEMU's fw_cfg text into `out`, which it initialises. False = none is there. */
bool boot_config_fw_cfg(struct buf *out);

/*
 * Why the configuration as a whole cannot be believed, "" = it can: a file of it, but for those of
 * services, could not be read or is too long. A mistake in one is none of these, zero bytes
 * neither: it costs its section alone.
 */
const char *boot_config_broken(const struct boot_config *config);
/* A file of services that could not be read or is too long, and why; "" = none. */
const char *boot_config_lost(const struct boot_config *config);
/* The fail-safe profile in place of the layers of data and media: link-local network, no service.
 */
int boot_config_failsafe(struct boot_config *config, struct err *err);

/* Whether there are media at all. */
bool boot_config_present(const char *selector);

/* Mounts the volume on /config when `selector` finds one. True = newly mounted. */
bool boot_config_mount(struct boot_config *config, const char *selector);
/* The same at another place, to look at it only. */
bool boot_config_mount_at(const char *path, const char *selector);
/* A FAT volume with this label on a disk that people carry, and its serial number. */
bool boot_config_carried(const char *label, struct disk *ret_disk, uint32_t *ret_serial);
/* Mounts a FAT volume read-only at `path`, which is made. False = not; the log says why. */
bool boot_config_mount_disk(const char *path, const struct disk *disk);
/* A directory in its place, read-only: the copy on /data, or a mount that was looked at. */
int boot_config_bind(int dir_fd, struct err *err);
/* Whatever is mounted on /config goes. */
void boot_config_unmount(struct boot_config *config);

/* hoy.ini over all layers. */
int boot_config_load(struct ini_config *ini, struct err *err);
/* Reads hoy.ini over all layers; mistakes are logged and counted. */
int boot_config_read(struct boot_settings *ret_settings, struct err *err);

/* Answer to INIT_MSG_CONFIG_GET: {text content, list of text issues}; `note` is one more issue of
 * "hoy", "" = none. */
int boot_config_show(struct str file, const char *note, struct buf *out, struct err *err);

#endif
