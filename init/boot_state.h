/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HOY_INIT_BOOT_STATE_H
#define HOY_INIT_BOOT_STATE_H

#include <stdbool.h>
#include <stdint.h>
#include "init/disk_msg.h"
#include "lib/err.h"
#include "lib/str.h"

/*
 * What init itself keeps on the data partition:
 *   state/clock    "SECONDS\n": wall time, saved every 10 minutes and at shutdown
 *   state/reason   why the last session ended: "running" while one lasts, else a text
 *   state/fault    what PID 1 wrote with its last breath (fault.h), empty otherwise
 *   state/seed     512 random bytes, mixed in (never credited) and replaced at each boot
 *   state/reset    serial number of a volume HOY_RESET that counts no more (boot_reset.h)
 *   config/auth    the password hash, mode 0600
 *   log/hoy.log    the log, with hoy.log.1 ... .7 behind it, each an eighth of log_max_size
 *   ballast        space that can be freed when the disk is full
 */
enum { BOOT_LOG_FILES = 8, BOOT_LOG_MAX = 8 << 20 }; /* as many as a message carries fds */

struct boot_state {
	int data_fd; /* directory /data, -1 while it is not mounted */
	int log_fd;
	uint64_t log_bytes;
	uint64_t log_max; /* of all files together */
	bool fault_blank; /* nothing in it, and room for something */
};

void boot_state_init(struct boot_state *state);
/* Closes everything, so that the partition can be unmounted. */
void boot_state_done(struct boot_state *state);

/* Opens /data, makes the directories and the ballast; keeps what is there. */
int boot_state_open(struct boot_state *state, struct err *err);

/* Reads the saved time (0 = none) and why this boot happened. */
void boot_state_begin(struct boot_state *state, int64_t *ret_saved_s,
		      char ret_reason[DISK_REASON_MAX]);
/* Notes that a session lasts, makes room for a fault, replaces the seed: six waits for the disk. */
void boot_state_running(struct boot_state *state);

void boot_state_save_clock(struct boot_state *state);
void boot_state_note(struct boot_state *state, struct str reason);
/* Appends to the log; an error is that of the disk, or -ENODEV without a data partition. */
int boot_state_log(struct boot_state *state, struct str lines);

/* The log's files, oldest first, opened to be read; returns how many, the caller closes them. */
int boot_state_log_files(const struct boot_state *state, int ret_fds[BOOT_LOG_FILES],
			 struct err *err);

/* A new file in /data/transfer for a support archive: its fd, open for writing, and its path. */
enum { BOOT_SUPPORT_PATH_MAX = 80 };
int boot_state_support_file(const struct boot_state *state, char ret_path[BOOT_SUPPORT_PATH_MAX],
			    struct err *err);

/* "" when there is none. */
void boot_state_auth(const struct boot_state *state, char ret_hash[INIT_HASH_MAX]);
int boot_state_set_auth(struct boot_state *state, struct str hash, struct err *err);

/* In this boot a configuration counted that could be believed; over restarts of the role. */
void boot_state_good_config(void);
bool boot_state_had_good_config(void);

/* A bcrypt hash as crypt(5) writes it: $2b$ or $2y$, two digits of cost, 53 characters. */
bool boot_state_is_hash(struct str text);

#endif
