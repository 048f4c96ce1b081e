/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Orders for certificates and the record of them: what is read holds names, hosts and serial
 * numbers that can be, and comes out as it went in; a record with a wrong sum is none.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include "engine/gate/keep.h"
#include "lib/own.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool good)
{
	if (!good)
		abort();
}

static void check_order(const uint8_t *data, size_t size)
{
	struct buf again OWN(buf_done) = { 0 };
	struct access_order order;
	struct wire in;

	wire_init(&in, data, size);
	access_order_get(&in, &order);
	if (wire_end(&in) < 0)
		return;
	require(gate_name_fits(order.name) && *gate_role_name(order.role));
	for (uint32_t i = 0; i < order.host_count; i++)
		require(access_host_fits(order.hosts[i]));
	buf_init(&again, 65536);
	access_order_put(&again, &order);
	require(again.len == size && !memcmp(again.data, data, size));
}

static void check_made(const uint8_t *data, size_t size)
{
	struct buf again OWN(buf_done) = { 0 };
	struct access_made made;
	struct wire in;

	wire_init(&in, data, size);
	access_made_get(&in, &made);
	if (wire_end(&in) < 0)
		return;
	buf_init(&again, 65536);
	access_made_put(&again, &made);
	require(again.len == size && !memcmp(again.data, data, size));
}

/* The sum is nearly never right: what stands behind it is read through rows as well. */
static void check_keep(const uint8_t *data, size_t size)
{
	static struct gate_keep keep;
	struct buf again OWN(buf_done) = { 0 };
	struct access_row row;
	struct err err = { 0 };
	struct wire in;

	if (gate_keep_decode(str_make(data, size), &keep, &err) < 0)
		require(!*keep.ca && !keep.row_count);
	wire_init(&in, data, size);
	access_row_get(&in, &row);
	if (wire_end(&in) < 0)
		return;
	require(gate_name_fits(str_from(row.name)) && *gate_role_name(row.role) && *row.serial);
	buf_init(&again, 65536);
	access_row_put(&again, &row);
	require(again.len == size && !memcmp(again.data, data, size));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (size > 65536)
		return 0;
	check_order(data, size);
	check_made(data, size);
	check_keep(data, size);
	return 0;
}
