/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Driver options of volumes in wire form, and the words that mount(8) has for flags. Runs in engine
 * main and the api role. Pure; must never take a flag that is not in the table.
 */
#include "engine/container/volume_mount.h"

#include <errno.h>
#include <string.h>
#include <sys/mount.h>
#include "lib/own.h"
#include "lib/sha256.h"
#include "lib/wire.h"

enum { VOLUME_MOUNT_VERSION = 1 };

static const struct {
	const char *word;
	uint32_t flag;
	bool clear;
} words[] = {
	{ "defaults", 0, false },
	{ "ro", MS_RDONLY, false },
	{ "rw", MS_RDONLY, true },
	{ "nosuid", MS_NOSUID, false },
	{ "suid", MS_NOSUID, true },
	{ "nodev", MS_NODEV, false },
	{ "dev", MS_NODEV, true },
	{ "noexec", MS_NOEXEC, false },
	{ "exec", MS_NOEXEC, true },
	{ "sync", MS_SYNCHRONOUS, false },
	{ "async", MS_SYNCHRONOUS, true },
	{ "dirsync", MS_DIRSYNC, false },
	{ "noatime", MS_NOATIME, false },
	{ "atime", MS_NOATIME, true },
	{ "nodiratime", MS_NODIRATIME, false },
	{ "diratime", MS_NODIRATIME, true },
	{ "relatime", MS_RELATIME, false },
	{ "norelatime", MS_RELATIME, true },
	{ "strictatime", MS_STRICTATIME, false },
	{ "nostrictatime", MS_STRICTATIME, true },
	{ "bind", MS_BIND, false },
	{ "rbind", MS_BIND | MS_REC, false },
};

bool volume_mount_flag(struct str word, uint32_t *ret_flag, bool *ret_clear)
{
	for (size_t i = 0; i < ARRAY_LEN(words); i++) {
		if (!str_is(word, words[i].word))
			continue;
		*ret_flag = words[i].flag;
		*ret_clear = words[i].clear;
		return true;
	}
	return false;
}

void volume_mount_encode(const struct volume_mount *mount, struct buf *out)
{
	struct buf body OWN(buf_done) = { 0 };
	struct digest digest;
	struct sha256 hash;

	buf_init(&body, VOLUME_MOUNT_BYTES_MAX);
	wire_put_u32(&body, VOLUME_MOUNT_VERSION);
	wire_put_text(&body, mount->type);
	wire_put_text(&body, mount->device);
	wire_put_text(&body, mount->data);
	wire_put_u32(&body, mount->flags);
	sha256_init(&hash);
	sha256_add(&hash, body.data, body.len);
	sha256_end(&hash, &digest);
	(void)buf_add_str(out, buf_str(&body));
	wire_put_bytes(out, digest.bytes, SHA256_SIZE);
	if (buf_error(&body) && !out->error)
		out->error = buf_error(&body);
}

static uint32_t flags_all(void)
{
	uint32_t all = 0;

	for (size_t i = 0; i < ARRAY_LEN(words); i++)
		all |= words[i].flag;
	return all;
}

static const char *get_text(struct wire *in, struct arena *arena, bool *room)
{
	const char *text = arena_text(arena, wire_str(in, VOLUME_MOUNT_TEXT_MAX));

	*room = *room && text;
	return text ? text : "";
}

int volume_mount_decode(struct str bytes, struct arena *arena, struct volume_mount *ret_mount,
			struct err *err)
{
	size_t len = bytes.len < SHA256_SIZE ? 0 : bytes.len - SHA256_SIZE;
	struct volume_mount mount;
	struct digest sum, digest;
	struct sha256 hash;
	bool room = true;
	struct wire in;

	wire_init(&in, bytes.ptr, bytes.len);
	if (wire_u32(&in) != VOLUME_MOUNT_VERSION)
		in.error = -EBADMSG;
	mount.type = get_text(&in, arena, &room);
	mount.device = get_text(&in, arena, &room);
	mount.data = get_text(&in, arena, &room);
	mount.flags = wire_u32(&in);
	wire_bytes(&in, sum.bytes, SHA256_SIZE);
	sha256_init(&hash);
	sha256_add(&hash, bytes.ptr, len);
	sha256_end(&hash, &digest);
	if (!room)
		return err_set(err, -ENOMEM, "no memory for a volume's options");
	if (wire_end(&in) < 0 || memcmp(sum.bytes, digest.bytes, SHA256_SIZE) != 0 ||
	    mount.flags & ~flags_all() || !*mount.type || !*mount.device ||
	    (mount.flags & MS_BIND && *mount.device != '/'))
		return err_set(err, -EBADMSG, "a volume's options do not parse");
	*ret_mount = mount;
	return 0;
}
