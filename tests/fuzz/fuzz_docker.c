/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the Docker API takes from a client beyond HTTP and JSON: percent-encoding, the query, times.
 * What is decoded is never longer than it came and has no NUL; a time is one of the years it names.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include "engine/docker/moment.h"
#include "engine/docker/rfc3339.h"
#include "engine/docker/server.h"
#include "engine/docker/text.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool good)
{
	if (!good)
		abort();
}

static void check_decode(struct str text)
{
	char out[256];

	memset(out, 'x', sizeof(out));
	if (docker_decode(text, out, sizeof(out)) < 0)
		return;
	require(strnlen(out, sizeof(out)) < sizeof(out) && strlen(out) <= text.len);
	if (!memchr(text.ptr ? text.ptr : "", '%', text.len))
		require(str_is(text, out));
}

static void check_query(struct str text)
{
	static struct docker_client client;
	char all[8];

	if (str_copy(text, client.query, sizeof(client.query)) < 0)
		return;
	if (docker_query(&client, "all", all, sizeof(all)))
		require(strnlen(all, sizeof(all)) < sizeof(all) && strstr(client.query, "all"));
}

static void check_time(struct str text)
{
	int64_t seconds = 0, moment, plain;

	/* With a zone of up to a day either way. */
	if (rfc3339_parse(text, &seconds) == 0)
		require(seconds >= -62135596800 - 86400 && seconds <= 253402300800 + 86400);
	/* What is a time for one reader is the same for the other. */
	if (docker_moment_parse(text, 0, &moment) == 0 && docker_time_parse(text, &plain) == 0)
		require(moment == plain);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct str text = str_make(data, size);

	if (size > 4096)
		return 0;
	check_decode(text);
	check_query(text);
	check_time(text);
	return 0;
}
