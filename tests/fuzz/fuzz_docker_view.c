/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What engine main tells the api role of containers, events, volumes and networks: what is taken
 * encodes to the very bytes it was read from. The first byte says which of them it is.
 */
#include <stdint.h>
#include <stdlib.h>
#include "engine/api/view_msg.h"
#include "lib/own.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void read_one(unsigned kind, struct wire *in, struct buf *out)
{
	static struct engine_event event;
	struct engine_network network;
	struct engine_volume volume;
	struct engine_view view;

	switch (kind) {
	case 0:
		engine_view_get(in, &view);
		if (!in->error)
			engine_view_put(out, &view);
		break;
	case 1:
		engine_event_get(in, &event);
		if (!in->error)
			engine_event_put(out, &event);
		break;
	case 2:
		engine_volume_get(in, &volume);
		if (!in->error)
			engine_volume_put(out, &volume);
		break;
	default:
		engine_network_get(in, &network);
		if (!in->error)
			engine_network_put(out, &network);
		break;
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct buf again OWN(buf_done) = { 0 };
	struct wire in;

	if (size < 1 || size > 65536)
		return 0;
	buf_init(&again, 1 << 20);
	wire_init(&in, data + 1, size - 1);
	read_one(data[0] & 3, &in, &again);
	if (wire_end(&in) >= 0 && !str_eq(buf_str(&again), str_make(data + 1, size - 1)))
		abort();
	return 0;
}
