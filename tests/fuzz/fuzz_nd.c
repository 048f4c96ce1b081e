/* SPDX-License-Identifier: Apache-2.0 */
/* Router advertisements, the machine that hears them, and the record it hands to main. */
#include <string.h>
#include "lib/own.h"
#include "netd/nd/nd_client.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static uint32_t no_dice(void)
{
	return 7;
}

/* What the machine knows must pass main's own check. */
static void there_and_back(const struct nd_known *known)
{
	OWN(buf_done) struct buf out = { 0 };
	struct nd_known back;
	struct wire in;

	buf_init(&out, 1 << 16);
	nd_known_encode(known, &out);
	wire_init(&in, out.data, out.len);
	nd_known_decode(&in, &back);
	if (wire_end(&in) < 0 || back.prefix_count != known->prefix_count ||
	    back.route_count != known->route_count)
		__builtin_trap();
}

/* A packet whose checksum is the fuzzer's own affair would hardly get in: it is put right. */
static void set_checksum(uint8_t *packet, size_t len)
{
	uint32_t sum = 58 + (uint32_t)(len - 40);

	packet[42] = packet[43] = 0;
	for (size_t i = 8; i < len; i++)
		sum += (uint32_t)packet[i] << (i % 2 ? 0 : 8);
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	packet[42] = (uint8_t)(~sum >> 8);
	packet[43] = (uint8_t)~sum;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct nd_client client = { .random = no_dice, .carrier = true };
	struct nd_actions actions = { .report = false };
	struct mono now = { .ns = 1000000000 }, due;
	uint8_t packet[ND_PACKET_MAX];
	struct nd_advert advert;
	struct nd_known known;
	struct wire in;

	wire_init(&in, data, size);
	nd_known_decode(&in, &known);
	(void)nd_advert_read(str_make(data, size), &advert);
	nd_client_start(&client, now, NULL, &actions);
	/* Several packets one behind another, each as long as its header says. */
	while (size >= 56) {
		size_t len = 40 + (size_t)(data[4] << 8 | data[5]);

		if (len < 56 || len > size || len > sizeof(packet))
			return 0;
		memcpy(packet, data, len);
		set_checksum(packet, len);
		if (nd_advert_read(str_make(packet, len), &advert) == 0)
			nd_client_receive(&client, now, &advert, &actions);
		there_and_back(&client.known);
		if (nd_client_due(&client, &due) && due.ns > now.ns)
			now = due;
		nd_client_timer(&client, now, &actions);
		data += len;
		size -= len;
	}
	return 0;
}
