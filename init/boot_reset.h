/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HOY_INIT_BOOT_RESET_H
#define HOY_INIT_BOOT_RESET_H

#include <stdbool.h>
#include "lib/err.h"
#include "lib/mono.h"
#include "lib/str.h"

/*
 * Back to the original state. All of it: the data partition is made anew (boot_data_reset()).
 * With the data kept: what people and the machine have settled goes, images and volumes stay.
 */

/* What a person who stands at the machine puts on a FAT volume with the label HOY_RESET. */
#define BOOT_RESET_LABEL "HOY_RESET"
#define BOOT_RESET_FILE	 "reset.txt"
#define BOOT_RESET_WORDS "erase all data"

/*
 * Such a volume counts at the start of a machine that was claimed before this start, and once: one
 * that a machine without an owner has seen is known by its serial number in state/reset
 * ("89ABCDEF\n") and never counts again there.
 */
enum { BOOT_RESET_LATE_MS = 30000 }; /* USB needs some time to find it */

struct boot_reset {
	bool claimed;	 /* before this boot believed any layer */
	bool told;	 /* a person was told why the volume does not count */
	struct mono end; /* of the time in which it counts */
};

/* /data is there, no layer of it or of the media is in force yet. */
void boot_reset_begin(struct boot_reset *reset, int data_fd, bool password);

/* Whether such a volume is here now, with those words in that file, and counts. */
bool boot_reset_asked(struct boot_reset *reset, int data_fd);

/* Whether a text is those words, blanks and line ends around them aside. */
bool boot_reset_words(struct str text);

/*
 * Puts everything below the directory /data but images, volumes and what describes volumes into
 * trash/, which the engine empties, and removes configuration, password and keys at once. The
 * password goes last, together with the configuration: until then the machine is claimed. A mark
 * on the disk says that it was begun; a start that finds it does the rest.
 */
int boot_reset_settings(int data_fd, struct err *err);

/* Whether one was begun and not ended. */
bool boot_reset_pending(int data_fd);

#endif
