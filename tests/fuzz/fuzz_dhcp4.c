/* SPDX-License-Identifier: Apache-2.0 */
/* DHCP and ARP packets: read, and fed to a client in each of its states. */
#include <string.h>
#include "netd/dhcp/dhcp_msg.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static uint32_t fixed(void)
{
	return 0x01010101;
}

static void feed(enum dhcp_state state, const struct dhcp_reply *reply, const struct arp *arp)
{
	static const uint8_t mac[6] = { 2, 1, 1, 1, 1, 1 };
	struct dhcp_client client = { .random = fixed, .probe = DHCP_PROBE_FAST, .carrier = true };
	struct mono now = { INT64_C(5000000000000) };
	struct dhcp_actions actions = { 0 };

	memcpy(client.mac, reply->chaddr, 6);
	dhcp_client_start(&client, now, &reply->lease, NULL, &actions);
	client.state = state;
	client.xid = reply->xid;
	client.lease.server = reply->lease.server;
	actions.count = 0;
	dhcp_client_receive(&client, now, reply, mac, &actions);
	for (int i = 0; i < 20; i++) {
		actions.count = 0;
		if (arp && i == 2)
			dhcp_client_arp(&client, now, arp, &actions);
		if (client.due_set)
			now = client.due;
		dhcp_client_timer(&client, now, &actions);
		if (actions.count > DHCP_ACTIONS_MAX)
			__builtin_trap();
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct str packet = str_make(data, size);
	struct dhcp_reply reply;
	struct dhcp_start start;
	struct dhcp_report report;
	struct arp arp;
	bool has_arp = arp_read(packet, &arp) == 0;

	if (dhcp_reply_read(packet, &reply) == 0)
		for (int state = DHCP_STATE_IDLE; state <= DHCP_STATE_REBINDING; state++)
			feed((enum dhcp_state)state, &reply, has_arp ? &arp : NULL);
	(void)dhcp_start_decode(packet, &start);
	(void)dhcp_report_decode(packet, &report);
	return 0;
}
