/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HOY_INIT_BOOT_CMDLINE_H
#define HOY_INIT_BOOT_CMDLINE_H

#include <stdbool.h>
#include "init/boot_layer.h"
#include "lib/str.h"

/*
 * The kernel command line. Words are separated by blanks; double quotes keep blanks together and
 * are removed. Ours begin with "hoy.":
 *
 *   hoy.data=SELECTOR     the disk that may carry the data partition: /dev/vdb, serial:TEXT,
 *                         label:TEXT (ext4 label); "none" = run without one
 *   hoy.config=SELECTOR   the volume with configuration: /dev/..., serial:..., label:TEXT (FAT
 *                         label, default label:HOY_CONF); "none" = do not look for one
 *   hoy.log=LEVEL         what init prints on the console: err warn notice info debug
 *   hoy.failsafe=yes      the fail-safe profile, whatever the configuration says
 *   hoy.KIND.NAME.KEY=VALUE, hoy.KIND.KEY=VALUE, hoy.KEY=VALUE (kind hoy)
 *                         a setting of layer 40-cmdline: hoy.service.web.image=busybox
 */
enum { BOOT_SELECTOR_MAX = 96 };

struct boot_cmdline {
	char data[BOOT_SELECTOR_MAX];	/* "" = not given */
	char config[BOOT_SELECTOR_MAX]; /* "" = not given */
	uint8_t log_prio;		/* enum log_prio */
	bool log_given;			/* hoy.log= was there */
	bool failsafe;
};

/* The next word, unquoted into dst[cap] (an over-long one is skipped); false at the end. */
bool boot_cmdline_word(struct str *rest, char *dst, size_t cap);

/* Unknown and malformed words are ignored: a typing error must not keep the machine down. */
void boot_cmdline_parse(struct str text, struct boot_cmdline *ret_cmdline);

/* Appends the settings among the words to the layer's texts. 0 or the texts' sticky error. */
int boot_cmdline_layer(struct str text, struct boot_layer *out);

#endif
