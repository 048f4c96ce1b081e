/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HOY_INIT_BOOT_MEDIA_H
#define HOY_INIT_BOOT_MEDIA_H

#include <stdint.h>
#include "lib/err.h"
#include "lib/sha256.h"
#include "lib/str.h"

/*
 * Config media that somebody confirmed. A claimed machine never runs with what a stick or a
 * hypervisor hands it, but with the copy that was made when a person said yes:
 *
 *   /data/config/media-N/   the files of the media, but for the archives in images/ (they are in
 *                           the store by then); fw_cfg's text is its boot.ini
 *   /data/config/media      the record, one line:
 *                           "hoy-media 1 N sha256:MEDIA sha256:COPY sha256:SUM\n"
 *
 * MEDIA is the digest over everything that was on the media, to see whether they changed; COPY that
 * over media-N, which is checked before it is used; SUM that over the line before it. The record is
 * replaced after the copy is on the disk, so that after a power cut the old or the new pair holds.
 */
enum {
	BOOT_MEDIA_RECORD_MAX = 320,
	BOOT_MEDIA_FILES_MAX = 4096,
	BOOT_MEDIA_DEPTH_MAX = 12,
	BOOT_MEDIA_COPY_MAX = 64 << 20, /* bytes of a copy */
};

struct boot_media_record {
	uint64_t generation;
	struct digest media, copy;
};

/* The line with its newline and a NUL; returns its length. */
size_t boot_media_format(const struct boot_media_record *record, char text[BOOT_MEDIA_RECORD_MAX]);
/* -EBADMSG for everything that boot_media_format() did not write. */
int boot_media_parse(struct str text, struct boot_media_record *ret_record, struct err *err);

/* What lies on the media now. */
struct boot_media {
	int dir_fd;	     /* the mounted volume, -1 = none */
	struct str boot_ini; /* from fw_cfg, in place of the volume's own; ptr NULL = none */
};

/* Digest over names and contents, the same whatever order the directories come in. -E2BIG above
 * the bounds. */
int boot_media_digest(const struct boot_media *media, struct digest *ret_digest, struct err *err);

/* Makes copy and record anew below `data_fd`. Durable after 0; the old pair holds after an error.
 */
int boot_media_keep(int data_fd, const struct boot_media *media, struct err *err);

/* The copy, checked: its directory (caller owns). -ENOENT: nothing was ever confirmed; -EBADMSG:
 * record or copy are damaged. ret_record is set with 0 only. */
int boot_media_open(int data_fd, struct boot_media_record *ret_record, struct err *err);

#endif
