/* SPDX-License-Identifier: Apache-2.0 */
/* services.ini values: ports, volumes, commands, whole sections, start order and its circles. */
#include <errno.h>
#include <netinet/in.h>
#include <string.h>
#include "engine/service/spec.h"
#include "lib/own.h"
#include "tests/unit/tap.h"

static void test_ports(void)
{
	static const char *const bad[] = {
		"80",	"8080:80:90:1", "0:80",	    "70000:80",	   "8080:80/icmp",
		"a:80", "1.2.3:80:80",	"80-90:80", "90-80:80-90", "",
		":80",	"80:80/sctp"
	};
	struct service_port port;

	ok(!service_port_parse(STR("8080:80"), &port, NULL) && port.host_port == 8080 &&
		   port.container_port == 80 && port.count == 1 && port.proto == IPPROTO_TCP,
	   "8080:80");
	ok(!service_port_parse(STR("127.0.0.1:5000-5010:6000-6010/udp"), &port, NULL) &&
		   port.count == 11 && port.proto == IPPROTO_UDP &&
		   port.host_ip == htonl(INADDR_LOOPBACK),
	   "address, range, udp");
	for (size_t i = 0; i < ARRAY_LEN(bad); i++)
		ok(service_port_parse(str_from(bad[i]), &port, NULL) < 0, "refused: '%s'", bad[i]);
}

static void test_volumes(void)
{
	static const char *const bad[] = { "data",	  "data:relative", "../x:/y", "data:/y:rx",
					   "data:/y:ro:", ":/y",	   "a b:/y",  "data:/" };
	struct arena arena OWN(arena_done) = { 0 };
	struct service_volume volume;

	arena_init(&arena, 65536);
	ok(!service_volume_parse(&arena, STR("web-data:/var/lib/web:ro"), &volume, NULL) &&
		   volume.kind == SERVICE_VOLUME_NAMED && volume.read_only,
	   "named, read-only");
	is_text(volume.target, "/var/lib/web", "its target");
	ok(!service_volume_parse(&arena, STR("/data/x:/x"), &volume, NULL) &&
		   volume.kind == SERVICE_VOLUME_BIND,
	   "bind");
	for (size_t i = 0; i < ARRAY_LEN(bad); i++)
		ok(service_volume_parse(&arena, str_from(bad[i]), &volume, NULL) < 0,
		   "refused: '%s'", bad[i]);
}

static void test_commands(void)
{
	static const char *const bad[] = { "[\"a\"", "[\"a\",]",  "[\"a\" \"b\"]", "[a]",
					   "'open",  "[\"\\q\"]", "[\"a\"] x" };
	struct arena arena OWN(arena_done) = { 0 };
	struct service_list list;

	arena_init(&arena, 1 << 20);
	ok(!service_command_parse(&arena, STR("[\"sh\", \"-c\", \"echo \\\"hi\\\"\"]"), &list,
				  NULL) &&
		   list.count == 3,
	   "JSON form");
	is_text(list.items[2], "echo \"hi\"", "its third word");
	ok(!service_command_parse(&arena, STR("httpd -f  'a b' c\\ d \"\""), &list, NULL) &&
		   list.count == 5,
	   "shell words");
	is_text(list.items[2], "a b", "single quotes");
	is_text(list.items[3], "c d", "backslash");
	is_text(list.items[4], "", "an empty word");
	ok(!service_command_parse(&arena, STR("[]"), &list, NULL) && !list.count && list.set,
	   "an empty list is a value");
	for (size_t i = 0; i < ARRAY_LEN(bad); i++)
		ok(service_command_parse(&arena, str_from(bad[i]), &list, NULL) < 0, "refused: %s",
		   bad[i]);
}

static void test_section(void)
{
	static const char text[] = "[service web]\nimage = reg:5000/web:1\nports = 8080:80\n"
				   "ports = 8443:443\ndepends_on = db:started\nmem_limit = 64m\n"
				   "cpus = 0.5\nrestart = on-failure:3\nlabels.team = edge\n"
				   "[service db]\nimage = db\n[service none]\nrestart = no\n";
	struct ini_config config OWN(ini_done) = { 0 };
	const struct ini_section *section;
	const struct service_spec *spec;
	struct err err = { 0 };

	ini_init(&config);
	is_int(ini_add_text(&config, &service_schema, 0, "t:services.ini", str_from(text), &err), 0,
	       "text taken");
	is_int(config.issue_count, 0, "no issues");
	section = ini_find(&config, "service", "web");
	spec = service_spec_make(&config.arena, section, &err);
	ok(spec != NULL, "spec made: %s", err_text(&err));
	if (!spec)
		return;
	is_int(spec->port_count, 2, "ports append");
	is_int(spec->mem_limit, 64 << 20, "mem_limit");
	is_int(spec->cpus, 500, "cpus in thousandths");
	is_int((int)spec->restart_max, 3, "on-failure:3");
	is_text(spec->labels.items[0], "team=edge", "labels");
	is_text(spec->depends_on[0].name, "db", "depends_on");
	section = ini_find(&config, "service", "none");
	ok(!service_spec_make(&config.arena, section, &err), "neither image nor build: refused");
}

static struct service_spec make(const char *name, struct service_dependency *deps, uint32_t count)
{
	return (struct service_spec){ .name = name, .depends_on = deps, .depends_count = count };
}

static void test_order(void)
{
	struct service_dependency on_b = { "b", 0 }, on_c = { "c", 0 }, on_a = { "a", 0 },
				  on_x = { "x", 0 };
	struct service_spec a = make("a", &on_b, 1), b = make("b", &on_c, 1),
			    c = make("c", NULL, 0), d = make("d", &on_x, 1);
	struct service_spec *chain[] = { &a, &b, &c }, *circle[] = { &a, &b, &c, &d };
	struct err err = { 0 };
	uint32_t order[4], n;
	bool bad[4];

	is_int(service_order(chain, 3, order, &n, bad, &err), 0, "a chain has an order");
	ok(n == 3 && order[0] == 2 && order[1] == 1 && order[2] == 0, "dependencies first");
	c = make("c", &on_a, 1);
	d = make("d", &on_c, 1);
	is_int(service_order(circle, 4, order, &n, bad, &err), -ELOOP, "a circle is found");
	ok(bad[0] && bad[1] && bad[2] && !bad[3], "its members are refused, others are not");
	ok(strstr(err.text, "a, b, c") != NULL, "and named: %s", err.text);
	d = make("d", &on_x, 1);
	c = make("c", NULL, 0);
	is_int(service_order(circle, 4, order, &n, bad, &err), -ENOENT, "an unknown dependency");
	ok(bad[3] && n == 3, "refuses only the one that names it");
}

int main(void)
{
	test_ports();
	test_volumes();
	test_commands();
	test_section();
	test_order();
	return tap_done();
}
