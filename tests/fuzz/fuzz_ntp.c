/* SPDX-License-Identifier: Apache-2.0 */
/* SNTP packets: read, and fed to a client with three servers until its round is over. */
#include <string.h>
#include "netd/ntp/ntp_client.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static uint64_t fixed(void)
{
	return UINT64_C(0x0123456789abcdef);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct ntp_client client = { .random = fixed, .floor_s = 1760000000 };
	struct mono now = { INT64_C(5000000000000) };
	struct ntp_actions actions = { .count = 0 };

	ntp_client_start(&client, now, 3, &actions);
	for (int round = 0; round < 4; round++) {
		struct str packet = str_make(data, size);

		actions.count = 0;
		ntp_client_timer(&client, now, INT64_C(1770000000000000000), &actions);
		now = mono_add_ms(now, 20);
		for (size_t i = 0; i < 3; i++) {
			actions.count = 0;
			ntp_client_receive(&client, now, i, packet, &actions);
			packet = str_skip(packet, NTP_PACKET); /* several replies in one input */
		}
		for (size_t i = 0; i < actions.count; i++)
			if (actions.list[i].kind >= NTP_ACTION_SLEW &&
			    (client.verdict != NTP_VERDICT_AGREE || client.agreed < 2))
				__builtin_trap();
		now = mono_add_ms(client.due, 1);
		actions.count = 0;
		ntp_client_timer(&client, now, INT64_C(1770000000000000000), &actions);
	}
	return 0;
}
