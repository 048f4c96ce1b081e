/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HOY_INIT_BOOT_LAYER_H
#define HOY_INIT_BOOT_LAYER_H

#include "lib/buf.h"
#include "lib/str.h"

/*
 * Which INI file a section belongs to, and the splitting of one text with sections of several
 * daemons (boot.ini of the config media, the kernel command line) into one text for each.
 */
enum boot_file {
	BOOT_FILE_HOY,
	BOOT_FILE_SERVICES,
	BOOT_FILE_NETWORK,
	BOOT_FILE_ENGINE,
	BOOT_FILE_COUNT,
};

enum { BOOT_LAYER_TEXT_MAX = 256 * 1024 };

struct boot_layer {
	struct buf text[BOOT_FILE_COUNT];
};

void boot_layer_init(struct boot_layer *layer);
void boot_layer_done(struct boot_layer *layer);
int boot_layer_error(const struct boot_layer *layer);

/* "services" ... as in services.ini and services.d. */
const char *boot_file_name(enum boot_file file);

/* The file that section kind `kind` belongs to; BOOT_FILE_HOY for an unknown one, whose schema
 * then complains about it. */
enum boot_file boot_file_of(struct str kind);

/*
 * Cuts `text` by section. Each piece keeps its line numbers: lines that belong elsewhere become
 * empty ones, so that a message about the piece points into the original. Lines before the first
 * section go to "hoy".
 */
int boot_layer_split(struct str text, struct boot_layer *out);

/*
 * One setting "KIND.NAME.KEY", "KIND.KEY" or "KEY" (of kind hoy) with its value; the name of a
 * registry may contain dots and colons, the keys of a service may contain dots.
 */
int boot_layer_set(struct str path, struct str value, struct boot_layer *out);

#endif
