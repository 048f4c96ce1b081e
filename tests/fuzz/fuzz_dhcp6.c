/* SPDX-License-Identifier: Apache-2.0 */
/* DHCPv6 packets, the machine that hears them, and the record it hands to main. */
#include <string.h>
#include "lib/own.h"
#include "netd/dhcp6/dhcp6_msg.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static uint32_t no_dice(void)
{
	return 7;
}

/* What the machine would report must pass main's own check. */
static void there_and_back(const struct dhcp6_client *client)
{
	const struct dhcp6_report report = { .index = 1, .lease = client->lease };
	OWN(buf_done) struct buf out = { 0 };
	struct dhcp6_report back;

	buf_init(&out, 1 << 16);
	dhcp6_report_encode(&report, &out);
	if (dhcp6_report_decode(buf_str(&out), &back) < 0)
		__builtin_trap();
}

/* Addressed to this client, with a right checksum: otherwise hardly anything would get in. */
static void put_right(uint8_t *packet, size_t len, uint32_t xid)
{
	uint32_t sum = 17 + (uint32_t)(len - 40);

	packet[44] = packet[4] = (uint8_t)((len - 40) >> 8);
	packet[45] = packet[5] = (uint8_t)(len - 40);
	packet[49] = (uint8_t)(xid >> 16);
	packet[50] = (uint8_t)(xid >> 8);
	packet[51] = (uint8_t)xid;
	packet[46] = packet[47] = 0;
	for (size_t i = 8; i < len; i++)
		sum += (uint32_t)packet[i] << (i % 2 ? 0 : 8);
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	packet[46] = (uint8_t)(~sum >> 8);
	packet[47] = (uint8_t)~sum;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct dhcp6_client client = { .duid = { 4, { 0, 3, 0, 9 } },
				       .iaid = 0x01020304,
				       .wish = { true, true, 56 },
				       .random = no_dice,
				       .carrier = true };
	struct dhcp6_actions actions = { 0 };
	struct mono now = { .ns = 1000000000 };
	uint8_t packet[DHCP6_PACKET_MAX];
	struct dhcp6_start start;
	struct dhcp6_report report;
	struct dhcp6_reply reply;

	(void)dhcp6_start_decode(str_make(data, size), &start);
	(void)dhcp6_report_decode(str_make(data, size), &report);
	(void)dhcp6_reply_read(str_make(data, size), false, &reply);
	dhcp6_client_start(&client, now, &(struct dhcp6_lease){ 0 }, NULL, &actions);
	/* Several packets one behind another, each as long as its header says. */
	while (size >= 52) {
		size_t len = 40 + (size_t)(data[4] << 8 | data[5]);

		if (len < 52 || len > size || len > sizeof(packet))
			return 0;
		now = client.due_set && client.due.ns > now.ns ? client.due : now;
		dhcp6_client_timer(&client, now, &actions);
		memcpy(packet, data, len);
		put_right(packet, len, client.xid);
		if (dhcp6_reply_read(str_make(packet, len), false, &reply) == 0)
			dhcp6_client_receive(&client, now, &reply, &actions);
		there_and_back(&client);
		data += len;
		size -= len;
	}
	return 0;
}
