/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HOY_NETD_DNS_DNS_WALK_H
#define HOY_NETD_DNS_DNS_WALK_H

#include "netd/dns/dns_codec.h"

/* A whole answer as text, record by record, for people. Pure. */
enum dns_section {
	DNS_SECTION_QUESTION,
	DNS_SECTION_ANSWER,
	DNS_SECTION_AUTHORITY,
	DNS_SECTION_ADDITIONAL,
	DNS_SECTION_COUNT
};

extern const char *const dns_section_names[DNS_SECTION_COUNT];

struct dns_walk {
	struct str message;
	size_t at;
	unsigned section, left[DNS_SECTION_COUNT];
};

struct dns_walk_record {
	enum dns_section section;
	char name[DNS_NAME_TEXT_MAX]; /* "." is the root */
	uint16_t type, class;
	uint32_t ttl_s; /* of a question 0 */
};

/* -EBADMSG where it is no answer. */
int dns_walk_begin(struct str message, struct dns_walk *ret_walk);
/* 1 = a record, its data as text appended to `data` (printable ASCII); 0 = the end; -EBADMSG. */
int dns_walk_next(struct dns_walk *walk, struct dns_walk_record *ret_record, struct buf *data);

/* "NXDOMAIN" and the like, or "RCODE12" into dst. */
const char *dns_rcode_name(uint16_t flags, char dst[16]);

#endif
