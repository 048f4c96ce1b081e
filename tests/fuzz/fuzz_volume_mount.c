/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Driver options of a volume as engine main keeps them. As they come they must have their sum; with
 * the sum put right, anything is refused or encodes to the very bytes it was read from.
 */
#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mount.h>
#include "engine/container/volume_mount.h"
#include "lib/own.h"
#include "lib/sha256.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool good)
{
	if (!good)
		abort();
}

static void check(struct str bytes)
{
	struct arena arena OWN(arena_done) = { 0 };
	struct buf again OWN(buf_done) = { 0 };
	struct volume_mount mount;
	struct err err = { 0 };
	int r;

	arena_init(&arena, VOLUME_MOUNT_BYTES_MAX * 2);
	r = volume_mount_decode(bytes, &arena, &mount, &err);
	require(r == 0 || r == -EBADMSG || r == -ENOMEM);
	require((r == 0) == (err.code == 0));
	if (r < 0)
		return;
	require(*mount.type && *mount.device);
	require(!(mount.flags & MS_BIND) || *mount.device == '/');
	buf_init(&again, VOLUME_MOUNT_BYTES_MAX);
	volume_mount_encode(&mount, &again);
	require(!buf_error(&again) && str_eq(bytes, buf_str(&again)));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct buf bytes OWN(buf_done) = { 0 };
	struct digest digest;
	struct sha256 hash;

	if (size > VOLUME_MOUNT_BYTES_MAX - SHA256_SIZE)
		return 0;
	check(str_make(data, size));
	sha256_init(&hash);
	sha256_add(&hash, data, size);
	sha256_end(&hash, &digest);
	buf_init(&bytes, VOLUME_MOUNT_BYTES_MAX);
	(void)buf_add(&bytes, data, size);
	(void)buf_add(&bytes, digest.bytes, sizeof(digest.bytes));
	check(buf_str(&bytes));
	return 0;
}
