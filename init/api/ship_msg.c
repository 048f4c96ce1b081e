/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns the wire form of where the log is sent to, and the names of facilities. Pure; the disk role
 * writes it, role syslog reads it.
 */
#include "init/api/ship_msg.h"

#include <errno.h>
#include "lib/own.h"

void ship_wish_put(struct buf *out, const struct ship_wish *wish)
{
	wire_put_text(out, wish->host);
	wire_put_u16(out, wish->port);
	wire_put_u8(out, wish->tls);
	wire_put_text(out, wish->ca_file);
	wire_put_u8(out, wish->facility);
	wire_put_u8(out, wish->prio_max);
	wire_put_u64(out, wish->queue_bytes);
	wire_put_text(out, wish->cert_file);
	wire_put_text(out, wish->key_file);
	wire_put_u8(out, wish->send);
}

int ship_wish_get(struct wire *in, struct ship_wish *ret_wish)
{
	struct ship_wish wish = { 0 };
	int r;

	wire_text(in, wish.host, sizeof(wish.host));
	wish.port = wire_u16(in);
	wish.tls = wire_bool(in);
	wire_text(in, wish.ca_file, sizeof(wish.ca_file));
	wish.facility = wire_u8(in);
	wish.prio_max = wire_u8(in);
	wish.queue_bytes = wire_u64(in);
	wire_text(in, wish.cert_file, sizeof(wish.cert_file));
	wire_text(in, wish.key_file, sizeof(wish.key_file));
	wish.send = wire_u8(in);
	r = wire_end(in);
	if (r == 0)
		*ret_wish = wish;
	return r;
}

int ship_facility(struct str name, uint8_t *ret_facility)
{
	static const char *const names[] = { "kern",	 "user",   "mail",   "daemon", "auth",
					     "syslog",	 "lpr",	   "news",   "uucp",   "cron",
					     "authpriv", "ftp",	   "ntp",    "audit",  "alert",
					     "clock",	 "local0", "local1", "local2", "local3",
					     "local4",	 "local5", "local6", "local7" };

	for (size_t i = 0; i < ARRAY_LEN(names); i++)
		if (str_is(name, names[i])) {
			*ret_facility = (uint8_t)i;
			return 0;
		}
	return -EINVAL;
}

int ship_send(struct str words, uint8_t *ret_send)
{
	static const char *const names[] = { "system", "kernel", "containers" };
	uint8_t send = 0;
	struct str word;

	while (str_cut(&words, ' ', &word)) {
		size_t i = 0;

		if (word.len == 0)
			continue;
		while (i < ARRAY_LEN(names) && !str_is(word, names[i]))
			i++;
		if (i == ARRAY_LEN(names))
			return -EINVAL;
		send |= (uint8_t)(1U << i);
	}
	if (send == 0)
		return -EINVAL;
	*ret_send = send;
	return 0;
}
