/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HOY_NETD_DNS_DNS_CACHE_H
#define HOY_NETD_DNS_DNS_CACHE_H

#include "lib/mono.h"
#include "netd/dns/dns_codec.h"

/* Replies of upstreams by question, for as long as their records say. Fixed size: a full bucket
 * gives up the entry that ends first. */
enum { DNS_CACHE_BUCKETS = 128, DNS_CACHE_WAYS = 4, DNS_CACHE_MESSAGE_MAX = 1232 };

struct dns_cache_entry {
	struct dns_question question;
	struct mono stored, ends;
	size_t ttl_offsets[64];
	size_t ttl_count;
	size_t len; /* 0 = free */
	char message[DNS_CACHE_MESSAGE_MAX];
};

struct dns_cache {
	struct dns_cache_entry *entries; /* DNS_CACHE_BUCKETS * DNS_CACHE_WAYS, heap */
	uint32_t seed;
	uint64_t hits, misses;
};

int dns_cache_init(struct dns_cache *cache, uint32_t seed); /* -ENOMEM */
void dns_cache_done(struct dns_cache *cache);
void dns_cache_clear(struct dns_cache *cache);
void dns_cache_put(struct dns_cache *cache, struct mono now, const struct dns_reply *reply,
		   struct str message);
/* Appends the message with its TTLs aged; true when there was one. */
bool dns_cache_get(struct dns_cache *cache, struct mono now, const struct dns_question *question,
		   struct buf *out);

#endif
