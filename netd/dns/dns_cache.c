/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns the cache of the dns role. Memory only; time comes from the caller. It must never answer
 * with a record that is older than its TTL, and never grow.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include "netd/dns/dns_cache.h"

int dns_cache_init(struct dns_cache *cache, uint32_t seed)
{
	*cache = (struct dns_cache){ .seed = seed };
	cache->entries = calloc(DNS_CACHE_BUCKETS * DNS_CACHE_WAYS, sizeof(*cache->entries));
	return cache->entries ? 0 : -ENOMEM;
}

void dns_cache_done(struct dns_cache *cache)
{
	if (!cache)
		return;
	free(cache->entries);
	cache->entries = NULL;
}

void dns_cache_clear(struct dns_cache *cache)
{
	/* Looking before writing keeps pages that were never used from taking memory. */
	for (size_t i = 0; i < DNS_CACHE_BUCKETS * DNS_CACHE_WAYS; i++)
		if (cache->entries[i].len)
			cache->entries[i].len = 0;
}

static struct dns_cache_entry *bucket(struct dns_cache *cache, const struct dns_question *question)
{
	uint32_t hash = cache->seed ^ ((uint32_t)question->type << 16 | question->class);

	for (size_t i = 0; i < question->name.len; i++) {
		uint8_t c = question->name.wire[i];

		hash = (hash ^ (c >= 'A' && c <= 'Z' ? c | 0x20U : c)) * 16777619U;
	}
	return &cache->entries[(hash >> 8) % DNS_CACHE_BUCKETS * DNS_CACHE_WAYS];
}

static bool same_question(const struct dns_question *a, const struct dns_question *b)
{
	return a->type == b->type && a->class == b->class && dns_name_same(&a->name, &b->name);
}

void dns_cache_put(struct dns_cache *cache, struct mono now, const struct dns_reply *reply,
		   struct str message)
{
	enum dns_rcode rcode = (enum dns_rcode)(reply->flags & DNS_FLAG_RCODE);
	struct dns_cache_entry *first = bucket(cache, &reply->question), *slot = first;

	if (!reply->ttl_s || message.len > DNS_CACHE_MESSAGE_MAX ||
	    (reply->flags & DNS_FLAG_TRUNCATED) ||
	    (rcode != DNS_RCODE_OK && rcode != DNS_RCODE_NO_NAME))
		return;
	for (struct dns_cache_entry *e = first; e < first + DNS_CACHE_WAYS; e++) {
		if (e->len && same_question(&e->question, &reply->question)) {
			slot = e;
			break;
		}
		if (slot->len && (!e->len || mono_before(e->ends, slot->ends)))
			slot = e;
	}
	slot->question = reply->question;
	slot->stored = now;
	slot->ends = mono_add_ms(now, (int64_t)reply->ttl_s * 1000);
	memcpy(slot->ttl_offsets, reply->ttl_offsets, sizeof(slot->ttl_offsets));
	slot->ttl_count = reply->ttl_count;
	slot->len = message.len;
	memcpy(slot->message, message.ptr, message.len);
}

bool dns_cache_get(struct dns_cache *cache, struct mono now, const struct dns_question *question,
		   struct buf *out)
{
	struct dns_cache_entry *e = bucket(cache, question), *end = e + DNS_CACHE_WAYS;
	size_t start = out->len;
	uint32_t age;

	while (e < end && !(e->len && same_question(&e->question, question)))
		e++;
	if (e == end || !mono_before(now, e->ends)) {
		cache->misses++;
		return false;
	}
	cache->hits++;
	age = (uint32_t)(mono_diff_ms(now, e->stored) / 1000);
	if (buf_add(out, e->message, e->len) < 0)
		return false;
	for (size_t i = 0; i < e->ttl_count; i++) {
		char *at = out->data + start + e->ttl_offsets[i];
		uint32_t ttl = dns_get32(at);

		ttl = ttl > age ? ttl - age : 0;
		dns_put16(at, (uint16_t)(ttl >> 16));
		dns_put16(at + 2, (uint16_t)ttl);
	}
	return true;
}
