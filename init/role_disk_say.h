/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HOY_INIT_ROLE_DISK_SAY_H
#define HOY_INIT_ROLE_DISK_SAY_H

#include "init/boot_config.h"
#include "init/boot_data.h"
#include "lib/msg.h"

/* What the disk role tells PID 1 unasked (disk_msg.h); what cannot be sent is logged. */

/* Takes the body, which may be zeroed. */
void role_disk_say(struct msg_peer *main, uint16_t type, struct buf *body);
/* DISK_MSG_DATA: the state of the data partition. */
void role_disk_say_data(struct msg_peer *main, const struct boot_data *data);
/* DISK_MSG_LOGGED: the number that LOG began with, as it came. */
void role_disk_say_logged(struct msg_peer *main, struct str number);
/* DISK_MSG_SAVED: the saved time, 0 = none, and why this boot began. */
void role_disk_say_saved(struct msg_peer *main, int64_t saved_s, const char *reason);

/* Why this boot began: the words, cut where both do not fit, and the remark behind them. */
void role_disk_reason(char *dst, const char *words, const char *remark);

struct role_disk_config {
	bool changed;
	const struct boot_settings *settings;
	const char *hash;     /* of the password that counts */
	const char *failsafe; /* why the fail-safe profile counts, "" = it does not */
	uint32_t issues;
};

/* DISK_MSG_CONFIG: what PID 1 needs of the configuration. */
void role_disk_say_config(struct msg_peer *main, const struct role_disk_config *config);

#endif
