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
		"80",	     "8080:80:90:1", "0:80",	     "70000:80",    "8080:80/icmp",
		"a:80",	     "1.2.3:80:80",  "80-90:80",     "90-80:80-90", "",
		":80",	     "80:80/sctp",   "[::1]8080:80", "[::1]:80",    "[1.2.3.4]:80:80",
		"::1:80:80", "[]:80:80",     "[::g]:80:80"
	};
	struct service_port port;
	char text[SERVICE_PORT_IP_MAX];

	ok(!service_port_parse(STR("8080:80"), &port, NULL) && port.host_port == 8080 &&
		   port.container_port == 80 && port.count == 1 && port.proto == IPPROTO_TCP,
	   "8080:80");
	ok(!service_port_parse(STR("127.0.0.1:5000-5010:6000-6010/udp"), &port, NULL) &&
		   port.count == 11 && port.proto == IPPROTO_UDP &&
		   port.host_ip == htonl(INADDR_LOOPBACK),
	   "address, range, udp");
	ok(!service_port_parse(STR("[::1]:8080:80/udp"), &port, NULL) && port.host_port == 8080 &&
		   port.families == SERVICE_PORT_IP6 && port.host_ip6[15] == 1 && !port.host_ip &&
		   port.proto == IPPROTO_UDP,
	   "an IPv6 address");
	is_text(service_port_ip(&port, text), "::1", "as it was written");
	ok(!service_port_parse(STR("[::]:80:80"), &port, NULL) &&
		   port.families == SERVICE_PORT_IP6 && !port.host_ip6[15],
	   "IPv6 alone");
	ok(!service_port_parse(STR("0.0.0.0:80:80"), &port, NULL) &&
		   port.families == SERVICE_PORT_IP4,
	   "IPv4 alone");
	is_text(service_port_ip(&port, text), "0.0.0.0", "as it was written");
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

static void test_build(void)
{
	static const char text[] = "[service web]\nbuild = /config/web\nbuild.target = run\n"
				   "build.dockerfile = sub/Dockerfile.dev\nbuild.args = A=1\n"
				   "build.args = B=\n[service none]\nimage = x\nbuild.args = A=1\n"
				   "[service bad]\nbuild = /config/web\nbuild.args = A\n";
	struct ini_config config OWN(ini_done);
	const struct service_spec *spec;
	struct err err = { 0 };

	ini_init(&config);
	is_int(ini_add_text(&config, &service_schema, 0, "t:services.ini", str_from(text), &err), 0,
	       "how to build");
	is_int(config.issue_count, 1, "an argument without a value is an issue");
	spec = service_spec_make(&config.arena, ini_find(&config, "service", "web"), &err);
	ok(spec != NULL, "spec made: %s", err_text(&err));
	if (!spec)
		return;
	is_text(spec->build_dockerfile, "sub/Dockerfile.dev", "dockerfile");
	is_text(spec->build_target, "run", "target");
	is_int(spec->build_args.count, 2, "args append");
	is_text(spec->build_args.items[1], "B=", "an empty one");
	ok(!service_spec_make(&config.arena, ini_find(&config, "service", "none"), &err),
	   "build.* without build is refused");
	is_text(err_text(&err), "build.* says how, and build is not given; add build", "and why");
}

static struct service_spec make(const char *name, struct service_dependency *deps, uint32_t count)
{
	return (struct service_spec){
		.name = name, .group = name, .depends_on = deps, .depends_count = count
	};
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

static struct service_spec *spec_of(struct ini_config *config, const char *text, struct err *err)
{
	ini_init(config);
	(void)ini_add_text(config, &service_schema, 0, "services.ini", str_from(text), NULL);
	if (!config->sections || config->sections->bad) {
		(void)err_set(err, -EINVAL, "%s", config->issues ? config->issues->text : "empty");
		return NULL;
	}
	return service_spec_make(&config->arena, config->sections, err);
}

static void test_waiting(void)
{
	static const char *const bad[] = {
		"net", "volume:", "volume:a/b", "volume:..", "device:/etc/passwd", "device:tty", ""
	};
	struct arena arena OWN(arena_done) = { 0 };
	struct service_wait_for wait;

	arena_init(&arena, 65536);
	ok(!service_wait_parse(&arena, STR("volume:db"), &wait, NULL) &&
		   wait.kind == SERVICE_WAIT_VOLUME && !strcmp(wait.name, "db"),
	   "wait_for = volume:NAME");
	ok(!service_wait_parse(&arena, STR("device:/dev/ttyS1"), &wait, NULL) &&
		   wait.kind == SERVICE_WAIT_DEVICE && !strcmp(wait.name, "/dev/ttyS1"),
	   "wait_for = device:PATH");
	for (size_t i = 0; i < ARRAY_LEN(bad); i++)
		ok(service_wait_parse(&arena, str_from(bad[i]), &wait, NULL) < 0,
		   "wait_for refused: '%s'", bad[i]);
}

static void test_jobs(void)
{
	struct ini_config config OWN(ini_done);
	struct ini_config always OWN(ini_done), ports OWN(ini_done), health OWN(ini_done);
	struct err err = { 0 };
	struct service_spec *spec =
		spec_of(&config, "[service a]\nimage = x\nschedule = @daily\n", &err);

	ok(spec && spec->restart == SERVICE_RESTART_NO,
	   "a job is not started again between its times");
	is_text(spec ? spec->schedule_at : "", "services.ini:3", "where its schedule stands");
	ok(!spec_of(&always, "[service a]\nimage = x\nschedule = 1m\nrestart = always\n", &err),
	   "a schedule with restart = always is refused");
	ok(!spec_of(&ports, "[service a]\nimage = x\nreplicas = 2\nports = 80:80\n", &err) &&
		   strstr(err_text(&err), "replicas"),
	   "replicas that would share a port are refused");
	spec = spec_of(&health,
		       "[service a]\nimage = x\nhealthcheck.test = [\"CMD\", \"true\"]\n"
		       "healthcheck.interval = 2s\ndepends_on = b:healthy\n",
		       &err);
	ok(spec && spec->health.test.count == 2 && spec->health.interval_ms == 2000 &&
		   spec->health.timeout_ms == -1,
	   "healthcheck.* of a section");
	ok(spec && spec->depends_on[0].need == SERVICE_NEED_HEALTHY &&
		   !strcmp(spec->depends_on[0].name, "b"),
	   "depends_on = NAME:healthy");
}

/* The section of these lines, or why not. */
static struct service_spec *with_lines(struct ini_config *config, const char *lines,
				       struct err *err)
{
	char text[1024];

	ini_done(config);
	(void)snprintf(text, sizeof(text), "[service a]\nimage = x\n%s", lines);
	return spec_of(config, text, err);
}

static void no_spec(const char *lines, const char *why)
{
	struct ini_config config OWN(ini_done) = { 0 };
	struct err err = { 0 };

	ok(!with_lines(&config, lines, &err), "refused: %s", why);
	is_text(err.text, why, "and said");
}

static void test_addresses(void)
{
	struct ini_config config OWN(ini_done) = { 0 };
	const struct service_spec *spec;
	struct err err = { 0 };

	spec = with_lines(&config,
			  "networks = n.x\nnetworks = m\nnetworks.n.x.ipv4_address = 10.0.0.5\n"
			  "networks.m.ipv6_address = fd00::5\nnetworks.m.mac_address = "
			  "02:00:00:00:00:05\nnetworks.m.aliases = w\nnetworks.m.aliases = v\n",
			  &err);
	ok(spec && spec->addresses.count == 3 && spec->aliases.count == 2, "addresses: %s",
	   err.text);
	if (!spec)
		return;
	is_text(spec->addresses.items[0], "n.x=10.0.0.5", "IPv4");
	is_text(spec->addresses.items[1], "m=ip6:fd00::5", "IPv6");
	is_text(spec->addresses.items[2], "m=mac:02:00:00:00:00:05", "MAC");
	is_text(spec->aliases.items[1], "v", "a second alias");
	ok(with_lines(&config, "networks.bridge.aliases = w\n", &err) != NULL,
	   "who names no network joins the bridge");
	no_spec("networks = n\nnetworks.m.aliases = w\n",
		"networks.m.aliases: the service does not join this network");
	no_spec("networks = n\nnetworks.n.ipv4_address = fd00::5\n",
		"networks.n.ipv4_address = fd00::5: this is no such address");
	no_spec("networks = n\nnetworks.n.mac_address = 03:00:00:00:00:05\n",
		"networks.n.mac_address = 03:00:00:00:00:05: this is no such address");
	no_spec("networks = n\nnetworks.n.mac_address = 02:00:00:00:00\n",
		"networks.n.mac_address = 02:00:00:00:00: this is no such address");
	no_spec("networks = n\nnetworks.n = x\n",
		"networks.n: networks.NAME.ipv4_address, .ipv6_address, .mac_address or .aliases "
		"is expected");
	no_spec("networks = n\nnetworks.n.ipv4_address = 10.0.0.5\nnetworks.n.ipv4_address = "
		"10.0.0.6\n",
		"networks.n.ipv4_address takes one value");
	no_spec("networks = n\nreplicas = 2\nnetworks.n.ipv4_address = 10.0.0.5\n",
		"2 replicas cannot have one address; take its addresses or replicas out");
}

static void test_host_keys(void)
{
	struct ini_config config OWN(ini_done) = { 0 };
	const struct service_spec *spec;
	struct err err = { 0 };

	spec = with_lines(&config,
			  "sysctls = net.core.somaxconn=1024\nulimits = nofile=20:40\nulimits = "
			  "core=-1\nsecurity_opt = no-new-privileges\ngroup_add = 44\nshm_size = "
			  "1m\ndns_search = lan\n",
			  &err);
	ok(spec && spec->sysctls.count == 1 && spec->security_opt.count == 1 &&
		   spec->group_add.count == 1 && spec->dns_search.count == 1 &&
		   spec->shm_size == 1 << 20,
	   "kernel settings: %s", err.text);
	if (!spec)
		return;
	is_text(spec->ulimits.items[0], "nofile=20:40", "a limit with both bounds");
	is_text(spec->ulimits.items[1], "core=-1:-1", "one for both");
	ok(!with_lines(&config, "ulimits = nofile=x\n", &err) &&
		   strstr(err.text, "NAME=SOFT[:HARD]"),
	   "a wrong limit is refused");
	ok(!with_lines(&config, "ulimits = nofile\n", &err), "one without a value too");
	ok(!with_lines(&config, "security_opt = seccomp=/etc/x\n", &err) &&
		   strstr(err.text, "no-new-privileges or"),
	   "an unknown security option is refused");
}

int main(void)
{
	test_ports();
	test_volumes();
	test_commands();
	test_section();
	test_build();
	test_order();
	test_waiting();
	test_jobs();
	test_addresses();
	test_host_keys();
	return tap_done();
}
