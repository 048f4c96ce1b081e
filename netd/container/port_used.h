/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HOY_NETD_CONTAINER_PORT_USED_H
#define HOY_NETD_CONTAINER_PORT_USED_H

#include <stdbool.h>
#include <stdint.h>
#include "lib/str.h"

/*
 * Ports that some socket of the host has, on whatever address, as /proc/net/{tcp,udp}* list them
 * (proc_net_tcp.txt): the ones worth asking bind(2) about where thousands are to be published.
 */
enum { PORT_USED_FROM = 64 /* from so many ports on a list is read */ };

struct port_used {
	bool loaded;
	uint8_t bits[8192];
};

/* Once, of TCP or UDP; what cannot be read counts as all of them used. */
void port_used_load(struct port_used *used, uint8_t proto);
bool port_used_has(const struct port_used *used, uint16_t port);

/* Pure. Adds the local ports of one such file. */
void port_used_note(struct port_used *used, struct str file);

#endif
