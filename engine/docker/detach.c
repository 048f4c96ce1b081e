/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Detach keys. Runs in the api role, on what clients type. Pure; must never hold back more than the
 * keys' length.
 */
#include "engine/docker/detach.h"

#include <errno.h>
#include <string.h>

static int one_key(struct str word, uint8_t *ret_key)
{
	static const char marks[] = "@[\\]^_";
	char c;

	if (word.len == 1) {
		*ret_key = (uint8_t)word.ptr[0];
		return 0;
	}
	if (str_is(word, "DEL")) {
		*ret_key = 127;
		return 0;
	}
	if (word.len != 6 || !str_starts(word, STR("ctrl-")))
		return -EINVAL;
	c = word.ptr[5];
	if (c >= 'a' && c <= 'z')
		*ret_key = (uint8_t)(c - 'a' + 1);
	else if (c == '@')
		*ret_key = 0;
	else if (c && strchr(marks, c))
		*ret_key = (uint8_t)(c - '[' + 27);
	else
		return -EINVAL;
	return 0;
}

int docker_detach_parse(struct str text, struct docker_detach *ret_detach)
{
	struct docker_detach detach = { .keys = { 16, 17 }, .count = 2 };
	struct str rest = text, word;

	if (text.len)
		detach.count = 0;
	while (text.len && str_cut(&rest, ',', &word)) {
		if (detach.count == DOCKER_DETACH_MAX ||
		    one_key(word, &detach.keys[detach.count]) < 0)
			return -EINVAL;
		detach.count++;
	}
	*ret_detach = detach;
	return 0;
}

size_t docker_detach_scan(struct docker_detach *detach, struct str typed, size_t scanned,
			  bool *ret_seen)
{
	*ret_seen = false;
	for (size_t i = scanned; detach->count && i < typed.len; i++) {
		uint8_t key = (uint8_t)typed.ptr[i];

		if (key == detach->keys[detach->matched])
			detach->matched++;
		else
			detach->matched = key == detach->keys[0];
		if (detach->matched == detach->count) {
			*ret_seen = true;
			detach->matched = 0;
			return i + 1 - detach->count;
		}
	}
	return typed.len - detach->matched;
}
