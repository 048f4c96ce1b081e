/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HOY_INIT_CONF_REVISION_H
#define HOY_INIT_CONF_REVISION_H

#include <stdbool.h>
#include <stdint.h>
#include "lib/buf.h"
#include "lib/err.h"
#include "lib/str.h"

/*
 * The numbered revisions of the configuration that people make on the console, in
 * /data/config/revisions (conf_record.h). Each call that changes something is durable when it
 * returns 0. Texts hold no secrets (conf_text.h) but where it is said.
 */
enum { REVISIONS_KEPT = 20 };

struct revisions {
	int dir_fd;		     /* -1 = there is no data partition */
	uint32_t current, confirmed; /* 0 = none: the layer is empty */
	bool damaged;		     /* the current one did not read: an older one counts */
};

void revisions_init(struct revisions *revisions);
void revisions_done(struct revisions *revisions);

/*
 * Opens them below the directory /data. A revision that was not confirmed goes back here: a start
 * came before the confirmation. 1 = that happened.
 */
int revisions_open(struct revisions *revisions, int data_fd, struct err *err);

/* The text of revision n (0 = the current one) into out. -ENOENT, -EBADMSG. */
int revisions_text(const struct revisions *revisions, uint32_t n, struct buf *out, struct err *err);
/* The current one with its secrets, for the layer. */
int revisions_layer(const struct revisions *revisions, struct buf *out, struct err *err);
/* The same for any text. */
int revisions_reveal(const struct revisions *revisions, struct str text, struct buf *out,
		     struct err *err);

/* What is being edited: the candidate, or the current revision where there is none. */
int revisions_candidate(const struct revisions *revisions, struct buf *out, struct err *err);
bool revisions_has_candidate(const struct revisions *revisions);
/* Replaces it; its secrets are put aside first. */
int revisions_put(struct revisions *revisions, struct str text, struct err *err);
int revisions_discard(struct revisions *revisions, struct err *err);

/*
 * The candidate becomes the newest revision and counts from here on; unconfirmed: until
 * revisions_confirm() or revisions_back(). -EALREADY when nothing differs.
 */
int revisions_apply(struct revisions *revisions, bool unconfirmed, const char *note,
		    struct err *err);
int revisions_confirm(struct revisions *revisions, struct err *err);
/* To the confirmed revision. */
int revisions_back(struct revisions *revisions, struct err *err);

/* One line for each, newest first: number, time, what it is, note. */
int revisions_list(const struct revisions *revisions, struct buf *out);

#endif
