/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns reading and writing of SNTP packets. Pure; run by the ntp role and fuzzed. It must never
 * take a time from a packet that does not repeat the nonce.
 */
#include <errno.h>
#include <string.h>
#include "netd/ntp/ntp_codec.h"

enum {
	AT_STRATUM = 1,
	AT_ROOT_DELAY = 4,
	AT_ROOT_DISPERSION = 8,
	AT_REFERENCE = 12,
	AT_ORIGINATE = 24,
	AT_RECEIVE = 32,
	AT_TRANSMIT = 40,
	VERSION_AND_CLIENT = 4 << 3 | 3,
	MODE_SERVER = 4,
	LEAP_UNKNOWN = 3,
	STRATUM_MAX = 15,
	DISTANCE_MAX_MS = 1500, /* RFC 5905: MAXDIST */
};

#define SECONDS_1900_TO_1970 UINT32_C(2208988800)
#define SECOND_NS	     INT64_C(1000000000)

static uint32_t get32(const char *at)
{
	const uint8_t *b = (const uint8_t *)at;

	return (uint32_t)b[0] << 24 | (uint32_t)b[1] << 16 | (uint32_t)b[2] << 8 | b[3];
}

static uint64_t get64(const char *at)
{
	return (uint64_t)get32(at) << 32 | get32(at + 4);
}

void ntp_request_write(uint64_t nonce, uint8_t out[NTP_PACKET])
{
	memset(out, 0, NTP_PACKET);
	out[0] = VERSION_AND_CLIENT;
	for (int i = 0; i < 8; i++)
		out[AT_TRANSMIT + i] = (uint8_t)(nonce >> (56 - 8 * i));
}

static int64_t read_time(const char *at, int64_t floor_s)
{
	/* Modulo 2^32, as the format counts. */
	uint32_t seconds = get32(at) - SECONDS_1900_TO_1970;
	uint32_t since_floor = seconds - (uint32_t)floor_s;
	int64_t fraction = (int64_t)((uint64_t)get32(at + 4) * (uint64_t)SECOND_NS >> 32);

	return (floor_s + (int64_t)since_floor) * SECOND_NS + fraction;
}

/* 16 bits of seconds, 16 of fraction. */
static int64_t read_short(const char *at)
{
	return (int64_t)((uint64_t)get32(at) * (uint64_t)SECOND_NS >> 16);
}

static enum ntp_kiss read_kiss(const char *code)
{
	if (!memcmp(code, "DENY", 4) || !memcmp(code, "RSTR", 4))
		return NTP_KISS_DENY;
	return !memcmp(code, "RATE", 4) ? NTP_KISS_RATE : NTP_KISS_NONE;
}

int ntp_reply_read(struct str packet, uint64_t nonce, int64_t floor_s, struct ntp_reply *ret_reply)
{
	struct ntp_reply reply = { .kiss = NTP_KISS_NONE };
	unsigned version, mode, leap;

	if (packet.len < NTP_PACKET || packet.len > NTP_PACKET_MAX)
		return -ENOMSG;
	version = (uint8_t)packet.ptr[0] >> 3 & 7;
	mode = packet.ptr[0] & 7;
	leap = (uint8_t)packet.ptr[0] >> 6;
	if (mode != MODE_SERVER || (version != 3 && version != 4) ||
	    get64(packet.ptr + AT_ORIGINATE) != nonce)
		return -ENOMSG;
	reply.stratum = (uint8_t)packet.ptr[AT_STRATUM];
	if (reply.stratum == 0) {
		reply.kiss = read_kiss(packet.ptr + AT_REFERENCE);
		if (reply.kiss == NTP_KISS_NONE)
			return -EBADMSG;
		*ret_reply = reply;
		return 0;
	}
	if (leap == LEAP_UNKNOWN || reply.stratum > STRATUM_MAX ||
	    !get64(packet.ptr + AT_TRANSMIT) || !get64(packet.ptr + AT_RECEIVE))
		return -EBADMSG;
	reply.received_ns = read_time(packet.ptr + AT_RECEIVE, floor_s);
	reply.sent_ns = read_time(packet.ptr + AT_TRANSMIT, floor_s);
	reply.distance_ns = read_short(packet.ptr + AT_ROOT_DELAY) / 2 +
			    read_short(packet.ptr + AT_ROOT_DISPERSION);
	if (reply.sent_ns < reply.received_ns || reply.sent_ns - reply.received_ns > SECOND_NS ||
	    reply.distance_ns > DISTANCE_MAX_MS * (SECOND_NS / 1000))
		return -EBADMSG;
	*ret_reply = reply;
	return 0;
}
