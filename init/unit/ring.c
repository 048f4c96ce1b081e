/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns the memory of log lines. Run by PID 1. Must never allocate or do I/O.
 *
 * A line is stored as: i64 uptime_ms, u8 prio, u8 unit, u16 length (host order, it never leaves the
 * process), then the text; positions wrap bytewise, so that no space is lost at the end.
 */
#include <string.h>
#include "init/unit/ring.h"

enum { HEAD_BYTES = 12 };

void ring_init(struct ring *ring)
{
	ring->next = ring->oldest = 1;
	ring->head = ring->tail = 0;
}

static void put(struct ring *ring, const void *src, size_t n)
{
	size_t at = (size_t)(ring->head % RING_BYTES);
	size_t first = RING_BYTES - at < n ? RING_BYTES - at : n;

	memcpy(ring->data + at, src, first);
	memcpy(ring->data, (const uint8_t *)src + first, n - first);
	ring->head += n;
}

static void get(const struct ring *ring, uint64_t pos, void *dst, size_t n)
{
	size_t at = (size_t)(pos % RING_BYTES);
	size_t first = RING_BYTES - at < n ? RING_BYTES - at : n;

	memcpy(dst, ring->data + at, first);
	memcpy((uint8_t *)dst + first, ring->data, n - first);
}

static void drop_oldest(struct ring *ring)
{
	uint16_t len;

	get(ring, ring->tail + 10, &len, sizeof(len));
	ring->tail += HEAD_BYTES + (uint64_t)len;
	ring->oldest++;
}

uint64_t ring_add(struct ring *ring, int64_t uptime_ms, uint8_t prio, uint8_t unit, struct str text)
{
	uint16_t len = (uint16_t)(text.len > RING_TEXT_MAX ? RING_TEXT_MAX : text.len);
	uint8_t head[HEAD_BYTES];

	while (ring->head + HEAD_BYTES + len - ring->tail > RING_BYTES)
		drop_oldest(ring);
	memcpy(head, &uptime_ms, 8);
	head[8] = prio;
	head[9] = unit;
	memcpy(head + 10, &len, 2);
	put(ring, head, sizeof(head));
	if (len > 0)
		put(ring, text.ptr, len);
	return ring->next++;
}

struct ring_cursor ring_begin(const struct ring *ring)
{
	return (struct ring_cursor){ ring->oldest, ring->tail };
}

bool ring_read(const struct ring *ring, struct ring_cursor *cursor, struct ring_line *ret_line,
	       uint64_t *ret_lost)
{
	uint8_t head[HEAD_BYTES];
	uint16_t len;

	if (cursor->number < ring->oldest) {
		if (ret_lost != NULL)
			*ret_lost += ring->oldest - cursor->number;
		*cursor = ring_begin(ring);
	}
	if (cursor->number >= ring->next)
		return false;
	get(ring, cursor->pos, head, sizeof(head));
	memcpy(&ret_line->uptime_ms, head, 8);
	ret_line->prio = head[8];
	ret_line->unit = head[9];
	memcpy(&len, head + 10, 2);
	get(ring, cursor->pos + HEAD_BYTES, ret_line->text, len);
	ret_line->text[len] = '\0';
	ret_line->len = len;
	ret_line->number = cursor->number++;
	cursor->pos += HEAD_BYTES + (uint64_t)len;
	return true;
}
