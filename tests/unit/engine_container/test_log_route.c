/* SPDX-License-Identifier: Apache-2.0 */
/* The route of a container's log: what the shim is told of a syslog server. */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/un.h>
#include "engine/api/shim_msg.h"
#include "engine/container/log_route.h"
#include "lib/own.h"
#include "lib/wire.h"
#include "tests/unit/tap.h"

static const char id[] = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";

static int put(const char *driver, struct buf *out)
{
	struct container_def def = { .name = "web", .reference = "docker.io/library/x:1" };
	struct err err = { 0 };

	def_host_init(&def.host);
	def.host_set = true;
	def.host.log_driver = driver;
	buf_init(out, 1024);
	return log_route_put(&def, id, "machine", out, &err);
}

static void check_udp(void)
{
	struct buf out OWN(buf_done) = { 0 };
	struct sockaddr_in address = { 0 };
	struct wire in;
	struct str bytes;

	ok(put("syslog udp 10.0.0.1 514 19 rfc5424 a/\3/\1", &out) == 0, "a server on UDP");
	wire_init(&in, out.data, out.len);
	is_int(wire_u8(&in), SHIM_LOG_RFC5424, "the form");
	is_int(wire_u8(&in), 0, "messages");
	is_int((int)wire_u32(&in), 19, "the facility");
	bytes = wire_blob(&in, 128);
	memcpy(&address, bytes.ptr, bytes.len < sizeof(address) ? bytes.len : sizeof(address));
	ok(bytes.len == sizeof(address) && address.sin_family == AF_INET &&
		   address.sin_port == htons(514) && address.sin_addr.s_addr == htonl(0x0a000001),
	   "the address");
	ok(str_is(wire_str(&in, 64), "machine"), "the machine");
	ok(str_is(wire_str(&in, 400), "a/web/0123456789ab"), "the tag with its fields");
	ok(wire_end(&in) == 0, "nothing else");
}

static void check_local(void)
{
	struct buf out OWN(buf_done) = { 0 };
	struct sockaddr_un address = { 0 };
	struct wire in;
	struct str bytes;

	ok(put("syslog unix /dev/log 0 3 plain t", &out) == 0, "a local socket");
	wire_init(&in, out.data, out.len);
	is_int(wire_u8(&in), SHIM_LOG_PLAIN, "its form");
	is_int(wire_u8(&in), 1, "a stream");
	(void)wire_u32(&in);
	bytes = wire_blob(&in, 128);
	memcpy(&address, bytes.ptr, bytes.len < sizeof(address) ? bytes.len : sizeof(address));
	ok(address.sun_family == AF_UNIX && !strcmp(address.sun_path, "/dev/log"), "its path");
}

static void check_none(void)
{
	static const char *const bad[] = {
		"syslog ",
		"syslog udp nowhere 1 1 plain t",
		"syslog udp 1.2.3.4 70000 1 plain t",
		"syslog udp 1.2.3.4 1 24 plain t",
		"syslog udp 1.2.3.4 1 1 loud t",
		"syslog sctp 1.2.3.4 1 1 plain t",
	};

	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		struct buf out OWN(buf_done) = { 0 };

		ok(put(bad[i], &out) == -EBADMSG, "no route: '%s'", bad[i]);
	}
	for (size_t i = 0; i < 2; i++) {
		struct buf out OWN(buf_done) = { 0 };

		ok(put(i ? "json-file" : "", &out) == 0 && out.len == 0, "another driver has none");
	}
}

int main(void)
{
	check_udp();
	check_local();
	check_none();
	return tap_done();
}
