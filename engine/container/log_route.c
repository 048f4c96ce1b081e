/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The words of a container's log route as the shim takes them. Runs in engine main. Pure; reads
 * what the api role wrote, and must never hand on an address that is none.
 */
#include "engine/container/log_route.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include "engine/api/shim_msg.h"
#include "lib/own.h"
#include "lib/wire.h"

enum { ID_SHORT = 12, TAG_BYTES = 400 };

struct route {
	enum shim_log_format format;
	int type; /* SOCK_* */
	uint64_t port, facility;
	struct str address, tag;
};

static int read_words(struct str text, struct route *ret_route, struct err *err)
{
	static const struct {
		const char *name;
		int type;
	} schemes[] = { { "udp", SOCK_DGRAM },
			{ "tcp", SOCK_STREAM },
			{ "unixgram", SOCK_DGRAM },
			{ "unix", SOCK_STREAM } };
	static const char *const formats[] = {
		[SHIM_LOG_PLAIN] = LOG_ROUTE_PLAIN,
		[SHIM_LOG_RFC3164] = "rfc3164",
		[SHIM_LOG_RFC5424] = "rfc5424",
		[SHIM_LOG_RFC5424_MICRO] = "rfc5424micro",
	};
	struct route route = { .type = -1 };
	struct str scheme, port, facility, format;
	bool known = false;

	(void)str_cut(&text, ' ', &scheme);
	(void)str_cut(&text, ' ', &route.address);
	(void)str_cut(&text, ' ', &port);
	(void)str_cut(&text, ' ', &facility);
	(void)str_cut(&text, ' ', &format);
	route.tag = text;
	for (size_t i = 0; i < ARRAY_LEN(schemes); i++) {
		if (str_is(scheme, schemes[i].name))
			route.type = schemes[i].type;
	}
	for (size_t i = 0; i < ARRAY_LEN(formats); i++) {
		if (!str_is(format, formats[i]))
			continue;
		route.format = (enum shim_log_format)i;
		known = true;
	}
	if (route.type < 0 || !known || str_to_u64(port, 0, UINT16_MAX, &route.port) < 0 ||
	    str_to_u64(facility, 0, 23, &route.facility) < 0)
		return err_set(err, -EBADMSG, "log driver syslog: its route is malformed");
	*ret_route = route;
	return 0;
}

static int put_address(const struct route *route, struct buf *out, struct err *err)
{
	struct sockaddr_in in4 = { .sin_family = AF_INET,
				   .sin_port = htons((uint16_t)route->port) };
	struct sockaddr_in6 in6 = { .sin6_family = AF_INET6,
				    .sin6_port = htons((uint16_t)route->port) };
	struct sockaddr_un un = { .sun_family = AF_UNIX };
	char text[LOG_ROUTE_PATH_MAX + 1];

	if (str_copy(route->address, text, sizeof(text)) < 0)
		return err_set(err, -EBADMSG, "log driver syslog: its address is too long");
	if (text[0] == '/') {
		(void)str_copy(route->address, un.sun_path, sizeof(un.sun_path));
		wire_put_str(out, str_make((const char *)&un, sizeof(un)));
	} else if (inet_pton(AF_INET, text, &in4.sin_addr) == 1) {
		wire_put_str(out, str_make((const char *)&in4, sizeof(in4)));
	} else if (inet_pton(AF_INET6, text, &in6.sin6_addr) == 1) {
		wire_put_str(out, str_make((const char *)&in6, sizeof(in6)));
	} else {
		return err_set(err, -EBADMSG, "log driver syslog: '%s' is no address", text);
	}
	return 0;
}

static void add_field(struct buf *tag, enum log_route_field field, const struct container_def *def,
		      const char *id)
{
	char image[DIGEST_TEXT_MAX];
	struct str full = str_from(digest_text(&def->image, image));

	switch (field) {
	case LOG_ROUTE_ID:
		(void)buf_add_str(tag, str_head(str_from(id), ID_SHORT));
		break;
	case LOG_ROUTE_FULL_ID:
		(void)buf_add_text(tag, id);
		break;
	case LOG_ROUTE_NAME:
		(void)buf_add_text(tag, def->name);
		break;
	case LOG_ROUTE_IMAGE_ID:
		(void)buf_add_str(tag, str_head(str_skip(full, 7), ID_SHORT));
		break;
	case LOG_ROUTE_IMAGE_FULL_ID:
		(void)buf_add_str(tag, full);
		break;
	case LOG_ROUTE_IMAGE_NAME:
		(void)buf_add_text(tag, def->reference);
		break;
	case LOG_ROUTE_DAEMON:
		(void)buf_add_text(tag, "docker");
		break;
	}
}

int log_route_put(const struct container_def *def, const char *id, const char *hostname,
		  struct buf *out, struct err *err)
{
	static const char front[] = "syslog ";
	struct buf tag OWN(buf_done) = { 0 };
	struct str words = str_from(def->host_set ? def->host.log_driver : "");
	struct route route = { 0 };
	int r;

	if (!str_starts(words, STR(front)))
		return 0;
	r = read_words(str_skip(words, sizeof(front) - 1), &route, err);
	if (r < 0)
		return r;
	buf_init(&tag, TAG_BYTES);
	for (size_t i = 0; i < route.tag.len; i++) {
		char c = route.tag.ptr[i];

		if (c >= LOG_ROUTE_ID && c <= LOG_ROUTE_DAEMON)
			add_field(&tag, (enum log_route_field)c, def, id);
		else
			(void)buf_add(&tag, &c, 1);
	}
	if (buf_error(&tag))
		return err_set(err, -EINVAL, "log driver syslog: the tag is longer than %d bytes",
			       TAG_BYTES);
	wire_put_u8(out, (uint8_t)route.format);
	wire_put_u8(out, route.type == SOCK_STREAM);
	wire_put_u32(out, (uint32_t)route.facility);
	r = put_address(&route, out, err);
	wire_put_str(out, str_head(str_from(hostname), 64));
	wire_put_str(out, buf_str(&tag));
	return r;
}
