/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HOY_ENGINE_CONTAINER_VOLUME_MOUNT_H
#define HOY_ENGINE_CONTAINER_VOLUME_MOUNT_H

#include <stdbool.h>
#include <stdint.h>
#include "lib/arena.h"
#include "lib/buf.h"
#include "lib/err.h"
#include "lib/str.h"

/*
 * What a volume's driver options (Docker's local driver: type, device, o) mount in the place of its
 * directory. The api role makes it out of their text; engine main keeps it in
 * state/volumes/.mount-NAME. Texts belong to an arena and are never NULL.
 */
enum {
	VOLUME_MOUNT_TEXT_MAX = 4096,
	VOLUME_MOUNT_BYTES_MAX = 3 * VOLUME_MOUNT_TEXT_MAX + 128,
};

struct volume_mount {
	const char *type;   /* "tmpfs", "ext4" ...; with MS_BIND it says nothing */
	const char *device; /* with MS_BIND an absolute path of the machine */
	const char *data;   /* what the file system itself reads of `o` */
	uint32_t flags;	    /* MS_BIND, MS_REC, MS_RDONLY, MS_NOSUID ... of mount(2) */
};

/* Wire form with its own sum at the end: message and file. */
void volume_mount_encode(const struct volume_mount *mount, struct buf *out);
/* Exactly what encode makes; -EBADMSG for anything else, -ENOMEM. */
int volume_mount_decode(struct str bytes, struct arena *arena, struct volume_mount *ret_mount,
			struct err *err);

/* The flag of a word such as "nosuid"; *ret_clear: it takes that flag away ("suid"). False: it is
 * for the file system. */
bool volume_mount_flag(struct str word, uint32_t *ret_flag, bool *ret_clear);

#endif
