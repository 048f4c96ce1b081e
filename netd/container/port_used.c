/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns the list of ports that the host's own sockets have. Run by netd main. It must never say that
 * a port is free where that could not be read: bind(2) is asked then.
 */
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <string.h>
#include "lib/fs.h"
#include "lib/own.h"
#include "netd/container/port_used.h"

enum { FILE_MAX = 8 << 20 /* some 50,000 sockets */ };

static int digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

/* "  12: 0100007F:0050 00000000:0000 0A ...": what stands behind the second colon. */
static void note_line(struct port_used *used, struct str line)
{
	struct str word;
	unsigned port = 0;

	if (!str_cut(&line, ':', &word) || !str_cut(&line, ':', &word) || line.len < 4)
		return;
	for (size_t i = 0; i < 4; i++) {
		if (digit(line.ptr[i]) < 0)
			return;
		port = port << 4 | (unsigned)digit(line.ptr[i]);
	}
	used->bits[port / 8] |= (uint8_t)(1U << port % 8);
}

void port_used_note(struct port_used *used, struct str file)
{
	struct str line;

	while (file.len && str_cut(&file, '\n', &line))
		note_line(used, line);
}

void port_used_load(struct port_used *used, uint8_t proto)
{
	static const char *const files[][2] = {
		{ "/proc/self/net/tcp", "/proc/self/net/tcp6" },
		{ "/proc/self/net/udp", "/proc/self/net/udp6" },
	};
	bool known = true;

	memset(used->bits, 0, sizeof(used->bits));
	for (size_t i = 0; i < 2; i++) {
		OWN(buf_done) struct buf file = { 0 };
		int r;

		buf_init(&file, FILE_MAX);
		r = fs_read(AT_FDCWD, files[proto == IPPROTO_UDP][i], FS_HOST, FILE_MAX - 1, &file,
			    NULL);
		if (r == 0)
			port_used_note(used, buf_str(&file));
		/* A kernel without IPv6 has no file for it. */
		known &= r == 0 || (r == -ENOENT && i == 1);
	}
	if (!known)
		memset(used->bits, 0xff, sizeof(used->bits));
	used->loaded = true;
}

bool port_used_has(const struct port_used *used, uint16_t port)
{
	return used->bits[port / 8] >> port % 8 & 1;
}
