/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HOY_NETD_DNS_DNS_CODEC_H
#define HOY_NETD_DNS_DNS_CODEC_H

#include <stdbool.h>
#include <stdint.h>
#include "lib/buf.h"
#include "lib/str.h"
#include "netd/ip6.h"

/*
 * DNS messages (RFC 1035, RFC 9267 as the checklist). Pure. Names are kept in wire form: labels
 * with their length bytes, the root's zero included, never compressed.
 */
enum {
	DNS_NAME_MAX = 255,
	DNS_HEADER = 12,
	DNS_UDP_MAX = 4096,  /* what we take from upstreams and offer by EDNS */
	DNS_UDP_PLAIN = 512, /* a client without EDNS */
	DNS_UDP_SAFE = 1232, /* what we send at most in one datagram */
	DNS_MESSAGE_MAX = 65535,
};

enum dns_type {
	DNS_TYPE_A = 1,
	DNS_TYPE_PTR = 12,
	DNS_TYPE_AAAA = 28,
	DNS_TYPE_SRV = 33,
	DNS_TYPE_OPT = 41,
};
enum dns_class { DNS_CLASS_IN = 1 };

enum dns_rcode {
	DNS_RCODE_OK = 0,
	DNS_RCODE_FORMAT = 1,
	DNS_RCODE_FAILED = 2,
	DNS_RCODE_NO_NAME = 3,
	DNS_RCODE_NOT_IMPLEMENTED = 4,
	DNS_RCODE_REFUSED = 5,
};

enum dns_flag {
	DNS_FLAG_REPLY = 0x8000,
	DNS_FLAG_OPCODE = 0x7800,
	DNS_FLAG_AUTHORITATIVE = 0x0400,
	DNS_FLAG_TRUNCATED = 0x0200,
	DNS_FLAG_RECURSE = 0x0100,
	DNS_FLAG_RECURSIVE = 0x0080,
	DNS_FLAG_CHECKING_DISABLED = 0x0010,
	DNS_FLAG_RCODE = 0x000f,
};

struct dns_name {
	uint8_t wire[DNS_NAME_MAX];
	uint8_t len; /* with the final zero */
};

struct dns_question {
	struct dns_name name;
	uint16_t type, class;
};

/* A query as a client sends it. */
struct dns_query {
	uint16_t id, flags;
	struct dns_question question;
	bool edns;
	uint16_t udp_size; /* 512 to 4096 */
};

/* 0; -EBADMSG = not even a header, drop it; -EINVAL = answer FORMAT; -EOPNOTSUPP = NOT_IMPLEMENTED.
 * ret_query->id and flags are valid in all but the first case. */
int dns_query_read(struct str message, struct dns_query *ret_query);

/* What is needed of an upstream's reply. */
struct dns_reply {
	uint16_t id, flags;
	struct dns_question question;
	uint32_t ttl_s; /* the smallest of its records; of the SOA for a negative one; 0 = do not
			   keep */
	size_t ttl_offsets[64]; /* where the TTLs stand, to age a kept copy */
	size_t ttl_count;
};

/* Walks the whole message with bounds. 0 or -EBADMSG. */
int dns_reply_read(struct str message, struct dns_reply *ret_reply);

/* A query for an upstream, with EDNS. */
void dns_query_write(uint16_t id, const struct dns_question *question, struct buf *out);
/* Pads what dns_query_write() wrote to a multiple of 128 bytes (RFC 7830, RFC 8467): its length
 * shall not tell what is asked. */
void dns_query_pad(struct buf *query);

/* Who offers a service, and at which port (SRV, RFC 2782). */
enum { DNS_TARGETS_MAX = 16 };
struct dns_target {
	struct dns_name name;
	uint32_t ip4; /* 0 = none */
	struct ip6 ip6;
};
struct dns_targets {
	uint16_t port;
	struct dns_target list[DNS_TARGETS_MAX];
	size_t count;
};

/* An answer without records, or with addresses (A or AAAA), one name (PTR) or targets (SRV; bare:
 * without their addresses beside them). edns: an OPT record is added. */
struct dns_answer {
	uint16_t id, flags; /* of the query */
	enum dns_rcode rcode;
	const struct dns_question *question; /* NULL = none (a query that could not be read) */
	const uint32_t *addresses;
	size_t address_count;
	const struct ip6 *addresses6;
	size_t address6_count;
	const struct dns_name *pointer;
	const struct dns_targets *targets;
	bool bare;
	uint32_t ttl_s;
	bool edns, authoritative, truncated;
};
void dns_answer_write(const struct dns_answer *answer, struct buf *out);

/* The name at *at, which is moved behind it; compressed ones are followed. 0 or -EBADMSG. */
int dns_name_read(struct str message, size_t *at, struct dns_name *ret_name);
/* "web.example" -> wire form; -EINVAL. */
int dns_name_parse(struct str text, struct dns_name *ret_name);
/* Dotted lower-case text without the final dot; bytes that are no LDH or '_' become '?'. */
enum { DNS_NAME_TEXT_MAX = 256 };
const char *dns_name_text(const struct dns_name *name, char dst[DNS_NAME_TEXT_MAX]);
bool dns_name_same(const struct dns_name *a, const struct dns_name *b);	 /* ASCII case ignored */
bool dns_name_equal(const struct dns_name *a, const struct dns_name *b); /* byte for byte */
/* Flips letters by random bits (draft "0x20"): the reply has to repeat them. */
void dns_name_mix_case(struct dns_name *name, const uint8_t *random, size_t len);
/* "4.3.2.1.in-addr.arpa" -> 1.2.3.4; false when it is none. */
bool dns_name_reverse(const struct dns_name *name, uint32_t *ret_ip4);
/* 32 digits and ".ip6.arpa" (RFC 3596 2.5), the same way. */
bool dns_name_reverse6(const struct dns_name *name, struct ip6 *ret_ip6);

void dns_put16(char *at, uint16_t v);
uint16_t dns_get16(const char *at);
uint32_t dns_get32(const char *at);

#endif
