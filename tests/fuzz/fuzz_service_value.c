/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Single values of services.ini: a port, a volume, a command, a limit, "KEY VALUE" of an address in
 * a network. What is taken keeps to its bounds, what is refused says why.
 */
#include <netinet/in.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include "engine/service/spec.h"
#include "lib/own.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool good)
{
	if (!good)
		abort();
}

static void check_port(struct str text)
{
	struct service_port port;
	struct err err = { 0 };
	int r = service_port_parse(text, &port, &err);

	require((r == 0) == (err.code == 0));
	if (r < 0)
		return;
	require(port.proto == IPPROTO_TCP || port.proto == IPPROTO_UDP);
	require(port.count > 0 && port.host_port > 0 && port.container_port > 0);
	require(port.host_port + port.count - 1 <= 65535);
	require(port.container_port + port.count - 1 <= 65535);
}

static void check_volume(struct str text, struct arena *arena)
{
	struct service_volume volume;
	struct err err = { 0 };
	int r = service_volume_parse(arena, text, &volume, &err);

	require((r == 0) == (err.code == 0));
	if (r < 0)
		return;
	require(volume.target[0] == '/' && volume.target[1]);
	if (volume.kind == SERVICE_VOLUME_BIND)
		require(volume.source[0] == '/');
	else
		require(*volume.source && !strchr(volume.source, '/') && *volume.source != '.');
}

static void check_command(struct str text, struct arena *arena)
{
	struct service_list list = { 0 };
	struct err err = { 0 };
	int r = service_command_parse(arena, text, &list, &err);

	require((r == 0) == (err.code == 0));
	for (uint32_t i = 0; r == 0 && i < list.count; i++)
		require(list.items[i] && strlen(list.items[i]) <= text.len);
	require(r < 0 || (list.set && !list.items[list.count]));
}

/* What is taken is the same when it is read again. */
static void check_ulimit(struct str text, struct arena *arena)
{
	const char *first = NULL, *second = NULL;
	struct err err = { 0 };
	int r = service_ulimit_parse(arena, text, &first, &err);

	require((r == 0) == (err.code == 0));
	if (r < 0)
		return;
	require(!service_ulimit_parse(arena, str_from(first), &second, NULL));
	require(!strcmp(first, second));
}

static void check_address(struct str text, struct arena *arena)
{
	const char *wanted = NULL;
	struct err err = { 0 };
	struct str key;
	int r;

	if (!str_cut(&text, ' ', &key))
		return;
	r = service_address(arena, key, text, &wanted, &err);
	require((r == 0) == (err.code == 0));
	require(r < 0 || !*wanted ||
		(strchr(wanted, '=') > wanted && str_ends(str_from(wanted), text)));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct arena arena OWN(arena_done) = { 0 };
	struct str text = str_make(data, size);

	/* An INI value has no NUL and a line's length. */
	if (size > 8192 || memchr(data, 0, size))
		return 0;
	arena_init(&arena, 4 << 20);
	check_port(text);
	check_volume(text, &arena);
	check_command(text, &arena);
	check_ulimit(text, &arena);
	check_address(text, &arena);
	return 0;
}
