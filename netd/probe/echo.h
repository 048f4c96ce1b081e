/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HOY_NETD_PROBE_ECHO_H
#define HOY_NETD_PROBE_ECHO_H

#include <stdbool.h>
#include <stdint.h>
#include "lib/buf.h"
#include "lib/str.h"

/*
 * Echo requests and their replies as an ICMP datagram socket takes and gives them (RFC 792, RFC
 * 4443: eight bytes of head, the kernel fills in checksum and identifier), and what ping counts.
 * Pure.
 */
enum { ECHO_HEADER = 8 };

/* `size` bytes of payload, which begins with the nonce as far as it fits. */
void echo_write(bool v6, uint16_t seq, uint64_t nonce, uint32_t size, struct buf *out);
/* A reply to one of ours: its number. False for anything else, also for another's nonce. */
bool echo_read(struct str packet, bool v6, uint64_t nonce, uint16_t *ret_seq);
/* The number in a request of ours that an ICMP error has brought back. */
bool echo_returned(struct str packet, bool v6, uint16_t *ret_seq);

/* What an ICMP error means, in the words of ping; never NULL. */
const char *echo_error_text(bool v6, uint8_t type, uint8_t code);

struct echo_count {
	uint32_t sent, received, errors;
	int64_t min_us, max_us, sum_us;
};
void echo_count_reply(struct echo_count *count, int64_t us);
int64_t echo_count_average(const struct echo_count *count);
/* Of 1000 packets sent, how many had no reply. */
uint32_t echo_count_loss(const struct echo_count *count);

#endif
