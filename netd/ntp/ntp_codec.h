/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HOY_NETD_NTP_NTP_CODEC_H
#define HOY_NETD_NTP_NTP_CODEC_H

#include <stdint.h>
#include "lib/str.h"

/* SNTP packets (RFC 5905 7.3, RFC 4330). Pure. Times are nanoseconds since 1970. */
enum { NTP_PACKET = 48, NTP_PACKET_MAX = 512 };

enum ntp_kiss {
	NTP_KISS_NONE,
	NTP_KISS_DENY, /* DENY, RSTR: never ask again */
	NTP_KISS_RATE, /* ask less often */
};

struct ntp_reply {
	enum ntp_kiss kiss; /* the times have no meaning but with NTP_KISS_NONE */
	uint8_t stratum;
	int64_t received_ns, sent_ns; /* by the server's clock */
	int64_t distance_ns;	      /* half its root delay and its root dispersion */
};

/* `nonce` stands where the client's time would: it says nothing about us and cannot be guessed. */
void ntp_request_write(uint64_t nonce, uint8_t out[NTP_PACKET]);

/*
 * Reads a reply to the request with this nonce. Seconds wrap every 136 years: the time is the first
 * one after floor_s. 0; -ENOMSG for what is no answer to this request; -EBADMSG
 * for one that is malformed or says itself that it must not be used.
 */
int ntp_reply_read(struct str packet, uint64_t nonce, int64_t floor_s, struct ntp_reply *ret_reply);

#endif
