/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns the table of places in the logs of the kernel and of containers, and its file. Run by role
 * syslog. Must never believe a byte of the file without its checksum.
 */
#include "init/ship/place.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "lib/log.h"
#include "lib/own.h"
#include "lib/wire.h"

enum { SLOTS = 2 };

static const char magic[8] = { 'H', 'O', 'Y', 'L', 'O', 'G', 'P', '1' };

/* ---- the file ---- */

static bool get_table(struct str slot, struct ship_places *ret_places)
{
	char name[sizeof(magic)];
	struct wire in;
	size_t len;

	wire_init(&in, slot.ptr, slot.len);
	wire_bytes(&in, name, sizeof(name));
	ret_places->generation = wire_u64(&in);
	wire_bytes(&in, ret_places->boot, sizeof(ret_places->boot));
	ret_places->kernel_next = wire_u64(&in);
	ret_places->count = wire_count(&in, SHIP_PLACES_MAX);
	for (size_t i = 0; i < ret_places->count; i++) {
		struct ship_place *row = &ret_places->rows[i];

		wire_bytes(&in, row->id, sizeof(row->id));
		row->inode = wire_u64(&in);
		row->offset = wire_u64(&in);
		row->turn = wire_u64(&in);
	}
	len = slot.len - in.left;
	return wire_u64(&in) == ship_checksum(slot.ptr, len) && in.error == 0 &&
	       memcmp(name, magic, sizeof(magic)) == 0;
}

static void put_table(const struct ship_places *places, struct buf *out)
{
	wire_put_bytes(out, magic, sizeof(magic));
	wire_put_u64(out, places->generation);
	wire_put_bytes(out, places->boot, sizeof(places->boot));
	wire_put_u64(out, places->kernel_next);
	wire_put_u32(out, (uint32_t)places->count);
	for (size_t i = 0; i < places->count; i++) {
		const struct ship_place *row = &places->rows[i];

		wire_put_bytes(out, row->id, sizeof(row->id));
		wire_put_u64(out, row->inode);
		wire_put_u64(out, row->offset);
		wire_put_u64(out, row->turn);
	}
	wire_put_u64(out, ship_checksum(out->data, out->len));
}

/* The newer of the two tables; false when neither is whole. */
static bool read_tables(struct ship_places *places, int fd)
{
	static char slot[SHIP_PLACES_SLOT];
	static struct ship_places one;
	bool found = false;

	for (int i = 0; i < SLOTS; i++) {
		ssize_t n = pread(fd, slot, sizeof(slot), (off_t)i * SHIP_PLACES_SLOT);

		one = (struct ship_places){ 0 };
		if (n <= 0 || !get_table(str_make(slot, (size_t)n), &one) ||
		    (found && one.generation < places->generation))
			continue;
		*places = one;
		found = true;
	}
	return found;
}

void ship_places_open(struct ship_places *places, int fd, const char boot[SHIP_BOOT_ID])
{
	*places = (struct ship_places){ 0 };
	if (fd < 0 || !read_tables(places, fd)) {
		*places = (struct ship_places){ .first = true };
		memcpy(places->boot, boot, SHIP_BOOT_ID);
	}
	places->fd = fd;
	for (size_t i = 0; i < places->count; i++)
		if (places->rows[i].turn > places->turn)
			places->turn = places->rows[i].turn;
	if (memcmp(places->boot, boot, SHIP_BOOT_ID) != 0) {
		memcpy(places->boot, boot, SHIP_BOOT_ID);
		places->kernel_next = 0;
	}
	places->dirty = true;
}

void ship_places_done(struct ship_places *places)
{
	own_close(&places->fd);
}

void ship_places_save(struct ship_places *places)
{
	static char memory[SHIP_PLACES_SLOT + 1];
	struct buf body = { .data = memory, .cap = sizeof(memory), .max = SHIP_PLACES_SLOT };

	if (!places->dirty || places->fd < 0)
		return;
	places->dirty = false;
	places->generation++;
	put_table(places, &body);
	if (pwrite(places->fd, memory, body.len,
		   (off_t)(places->generation % SLOTS * SHIP_PLACES_SLOT)) == (ssize_t)body.len)
		return;
	log_warn("the places in the logs of containers cannot be kept: their lines may be sent "
		 "twice");
	own_close(&places->fd);
}

/* ---- rows ---- */

static struct ship_place *oldest(struct ship_places *places)
{
	struct ship_place *row = &places->rows[0];

	for (size_t i = 1; i < places->count; i++)
		if (places->rows[i].turn < row->turn)
			row = &places->rows[i];
	return row;
}

struct ship_place *ship_places_of(struct ship_places *places, const char *id, bool *ret_new)
{
	struct ship_place *row = NULL;
	char key[SHIP_PLACE_ID] = "";

	memcpy(key, id, strnlen(id, sizeof(key)));
	for (size_t i = 0; i < places->count && row == NULL; i++)
		if (memcmp(places->rows[i].id, key, sizeof(key)) == 0)
			row = &places->rows[i];
	*ret_new = row == NULL;
	if (row == NULL) {
		row = places->count < SHIP_PLACES_MAX ? &places->rows[places->count++]
						      : oldest(places);
		*row = (struct ship_place){ 0 };
		memcpy(row->id, key, sizeof(row->id));
	}
	row->turn = ++places->turn;
	places->dirty = true;
	return row;
}
