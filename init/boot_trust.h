/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HOY_INIT_BOOT_TRUST_H
#define HOY_INIT_BOOT_TRUST_H

#include <stdbool.h>
#include "init/boot_config.h"
#include "lib/err.h"

/*
 * Which config media this machine runs with (design 8.3). Nobody's machine takes what it is given.
 * A claimed one, which has a password or a record of confirmed media, runs with the confirmed copy
 * until a person on the console confirms others: media that changed, appeared or are gone change
 * nothing but the note.
 */
enum { BOOT_TRUST_NOTE_MAX = 240 };

struct boot_trust {
	struct boot_config *config;
	const char *selector;		/* of the volume, hoy.config= */
	bool decided;			/* the layer was made once */
	bool kept;			/* claimed: the copy counts */
	char note[BOOT_TRUST_NOTE_MAX]; /* for a person who should do something, "" = nothing */
};

void boot_trust_init(struct boot_trust *trust, struct boot_config *config, const char *selector);

/*
 * Makes the layer of the media, and /config. `data_fd` is /data or -1; `claimed` says whether there
 * is a password. 1 = the layer differs from before, 0 = the same, or an error (logged by the
 * caller): then the layer is left out.
 */
int boot_trust_apply(struct boot_trust *trust, int data_fd, bool claimed, struct err *err);

/* Media came or went while the machine runs: applied where nobody claimed it. 1 = changed. */
int boot_trust_plugged(struct boot_trust *trust, struct err *err);

/* The machine was claimed just now: what it runs with counts as confirmed. */
int boot_trust_claim(struct boot_trust *trust, int data_fd, struct err *err);

/* Compares the media with what was confirmed and sets the note. True = the note changed. */
bool boot_trust_check(struct boot_trust *trust, int data_fd);

/* A person says yes to what is there now, nothing included. `text` tells what was done. */
int boot_trust_confirm(struct boot_trust *trust, int data_fd, char text[BOOT_TRUST_NOTE_MAX],
		       struct err *err);

#endif
