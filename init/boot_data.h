/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HOY_INIT_BOOT_DATA_H
#define HOY_INIT_BOOT_DATA_H

#include <stdbool.h>
#include "init/api/init_msg.h"
#include "init/boot_disk.h"
#include "lib/loop.h"

/*
 * The data partition from search to unmount: found, checked or formatted by a tool that runs beside
 * the loop, mounted on /data, grown. One at a time; `changed` is called after each change of state.
 */
struct boot_data {
	struct loop *loop;
	const char *selector; /* hoy.data=, "" = by label */
	enum init_data_state state;
	char text[240];		/* for a person */
	struct disk disk;	/* chosen device; name "" = none */
	bool checked;		/* e2fsck ran on it since it was chosen */
	bool asked;		/* by `e2fsck -y`, because -p gave up on it */
	bool grown;		/* its partition was made larger */
	struct loop_timer look; /* once it is ready */
	int tool_pidfd;		/* -1 = none runs */
	struct loop_io tool_io;
	void (*tool_done)(struct boot_data *data, int status); /* exit status, or 256 */
	void (*changed)(struct boot_data *data);
	void *owner;
};

void boot_data_init(struct boot_data *data, struct loop *loop, const char *selector,
		    void (*changed)(struct boot_data *data), void *owner);

/*
 * Once mounted it is looked at every few seconds: a disk that is gone, or that the kernel made
 * read-only after an error, is INIT_DATA_LOST until the next boot.
 */

/* Looks for the partition and starts what it needs; also when a disk came later. Does nothing while
 * a tool runs or once it is mounted. An already mounted /data is adopted. */
void boot_data_start(struct boot_data *data);

/* Behind the reason of a start: what was done to the file system that a person should know, or "".
 */
const char *boot_data_remark(const struct boot_data *data);

/* After the mount: makes the file system as large as its device. */
void boot_data_grow(struct boot_data *data);

/* Unmounts what lies on /data and below /run/hoy/engine, waiting up to limit_ms for users of it;
 * then by force (read-only). True = it went away clean. */
bool boot_data_unmount(struct boot_data *data, int64_t limit_ms);

/* After the unmount: formats the device anew and waits for it. The factory reset. */
int boot_data_reset(struct boot_data *data, struct err *err);

#endif
