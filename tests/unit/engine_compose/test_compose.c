/* SPDX-License-Identifier: Apache-2.0 */
/* Compose files as INI: what each key becomes, and the note for each that is left out. */
#include <errno.h>
#include <string.h>
#include "engine/compose/compose.h"
#include "lib/own.h"
#include "tests/unit/tap.h"

static struct compose_result result;

/* A file that the request holds besides the first one. */
static struct compose_request request;

static void put_file(const char *path, const char *text)
{
	(void)compose_request_add(&request, str_from(path), str_from(text), NULL, NULL);
}

static void put_missing(const char *path)
{
	struct err why = { 0 };

	err_set(&why, -ENOENT, "no such file");
	(void)compose_request_add(&request, str_from(path), STR(""), &why, NULL);
}

static int convert_request(struct err *err)
{
	struct buf body OWN(buf_done) = { 0 };
	int r;

	compose_result_done(&result);
	compose_result_init(&result);
	buf_init(&body, COMPOSE_BODY_MAX);
	compose_request_encode(&request, &body);
	r = compose_convert(buf_str(&body), &result, err);
	compose_request_done(&request);
	compose_request_init(&request);
	return r;
}

/* /app/shop.yml, without a .env. */
static int convert(const char *text, struct err *err)
{
	compose_request_init(&request);
	request.named = 1;
	put_file("/app/shop.yml", text);
	put_missing("/app/.env");
	return convert_request(err);
}

/* `service` is one service's lines, indented by four. */
static void becomes(const char *service, const char *want, const char *want_notes, const char *what)
{
	char text[2048], shown[2048];

	(void)snprintf(text, sizeof(text), "services:\n  a:\n%s", service);
	(void)snprintf(shown, sizeof(shown), "[service a]\n%s", want);
	ok(convert(text, NULL) >= 0, "%s is a Compose file", what);
	is_text(buf_text(&result.ini), shown, "%s", what);
	is_text(buf_text(&result.notes), want_notes, "%s: notes", what);
}

static void test_keys(void)
{
	becomes("    image: x:1\n    restart: \"no\"\n    init: true\n",
		"image = x:1\nrestart = no\ninit = true\n", "", "texts");
	becomes("    command: [sh, -c, \"a 'b' \\\"c\\\"\"]\n    entrypoint: run it\n",
		"command = [\"sh\",\"-c\",\"a 'b' \\\"c\\\"\"]\nentrypoint = run it\n", "",
		"commands");
	becomes("    environment: {A: 1, B: \"x y\"}\n    extra_hosts: {h: 10.0.0.1}\n",
		"environment = A=1\nenvironment = B=x y\nextra_hosts = h:10.0.0.1\n", "", "maps");
	becomes("    environment: [A=1]\n    labels: {x.y: z}\n    dns: 1.1.1.1\n",
		"environment = A=1\nlabels.x.y = z\ndns = 1.1.1.1\n", "", "lists");
	becomes("    ports: [\"80:80\", {target: 53, published: 5353, host_ip: 127.0.0.1, "
		"protocol: "
		"udp}]\n",
		"ports = 80:80\nports = 127.0.0.1:5353:53/udp\n", "", "ports");
	becomes("    volumes: [\"d:/d:ro\", {type: bind, source: /a, target: /b, read_only: true}, "
		"{type: tmpfs, target: /t}]\n",
		"volumes = d:/d:ro\nvolumes = /a:/b:ro\ntmpfs = /t\n", "", "volumes");
	becomes("    depends_on: {db: {condition: service_healthy}, x: {condition: "
		"service_completed_successfully}}\n",
		"depends_on = db:healthy\ndepends_on = x:completed\n", "", "conditions");
	becomes("    healthcheck: {test: [CMD, \"true\"], interval: 1m30s}\n"
		"    deploy: {replicas: 2, resources: {limits: {memory: 64m, cpus: \"0.5\", pids: "
		"9}}}\n"
		"    logging: {driver: json-file, options: {max-size: 1m, max-file: 2}}\n",
		"healthcheck.test = [\"CMD\",\"true\"]\nhealthcheck.interval = 1m30s\nreplicas = "
		"2\n"
		"mem_limit = 64m\ncpus = 0.5\npids_limit = 9\nlogging.max_size = 1m\n"
		"logging.max_file = 2\n",
		"", "maps within");
}

static void test_host_keys(void)
{
	becomes("    sysctls: {net.core.somaxconn: 1024}\n    ulimits: {nproc: 65535, nofile: "
		"{soft: "
		"20, hard: 40}}\n    security_opt: [\"no-new-privileges:true\"]\n"
		"    group_add: [audio]\n    shm_size: 1g\n    dns_search: lan\n",
		"sysctls = net.core.somaxconn=1024\nulimits = nproc=65535\nulimits = "
		"nofile=20:40\nsecurity_opt = no-new-privileges:true\ngroup_add = audio\n"
		"shm_size = 1g\ndns_search = lan\n",
		"", "kernel settings and limits");
	becomes("    sysctls: [a.b=1]\n    ulimits: {core: {soft: 1, hard: 2, x: 3}}\n",
		"sysctls = a.b=1\nulimits = core=1:2\n",
		"line 4: service a: ulimits.x: not taken\n", "as lists, with more than there is");
}

static void test_left_out(void)
{
	becomes("    build: {context: /config/w, dockerfile: D.dev, target: t, args: {A: 1, B: },\n"
		"      ssh: [default]}\n",
		"build = /config/w\nbuild.dockerfile = D.dev\nbuild.target = t\nbuild.args = A=1\n",
		"line 4: service a: build.ssh: not taken\n"
		"note: line 3: service a: build.args: 'B' is left out: it has no value here, nor "
		"in "
		".env\n",
		"how to build");
	becomes("    build: .\n    secrets: [x]\n    uts: host\n", "",
		"line 3: service a: build: .: not taken: a folder below /config or /data/builds "
		"goes into 'build'\nline 4: service a: secrets: x: not taken: the file has none of "
		"this name\nline 5: service a: uts: not taken\n",
		"keys without a place");
	becomes("    ports: [\"80\"]\n", "",
		"line 3: service a: ports: 80: not taken: which port of this machine leads to it? "
		"HOST:80\n",
		"a port of whichever number");
	becomes("    volumes: [./src:/src, ../x:/y:ro, ~/a:/b, /anonymous]\n",
		"volumes = /app/src:/src\nvolumes = /x:/y:ro\n",
		"line 3: service a: volumes: ~/a: not taken: no path of this machine is meant by "
		"it\nline 3: service a: volumes: /anonymous: not taken: a volume "
		"needs a name here: NAME:/anonymous\n",
		"paths beside the file, volumes without a name");
	becomes("    environment:\n      A: \"x\\ny\"\n      B:\n", "",
		"note: line 5: service a: environment: 'B' is left out: it has no value here, nor "
		"in .env\nline 4: service a: environment: not taken: a line "
		"of INI holds no line breaks, no control characters and no white space around a "
		"value\n",
		"values that no line holds");
	becomes("    deploy: {mode: global}\n    logging: {driver: syslog}\n", "",
		"line 3: service a: deploy.mode: not taken\nline 4: service a: logging.driver: "
		"syslog: not taken\n",
		"maps within");
	becomes("    container_name: a\n", "", "", "a container's name that is the service's");
	becomes("    container_name: b\n", "",
		"line 3: service a: container_name: b: not taken: a service's container has its "
		"name\n",
		"another one");
	becomes("    deploy: {resources: {reservations: {cpus: 1}}}\n", "",
		"line 3: service a: deploy.resources.reservations: not taken\n",
		"a key that is left out has its whole name");
	becomes("    logging.driver: local\n    deploy: {resources.limits: {cpus: 1}}\n", "",
		"line 3: service a: logging.driver: not taken\nline 4: service a: "
		"deploy.resources.limits: not taken\n",
		"names with dots are no maps within");
}

static void test_refused(void)
{
	static const char steers[] = "not taken: a line of INI holds no line breaks, no control "
				     "characters and no white space around a value";
	char want[1024];

	(void)snprintf(want, sizeof(want),
		       "line 3: service a: user: %s\nline 4: service a: hostname: %s\n"
		       "line 5: service a: working_dir: %s\nline 6: service a: image: a text is "
		       "expected\nline 7: service a: labels.k\\x1b: %s\n",
		       steers, steers, steers, steers);
	becomes("    user: \"a\\e[2J\"\n    hostname: \"\\x9b2J\"\n    working_dir: \"\\x7f\"\n"
		"    image: \"x\\0y\"\n    labels: {\"k\\e\": v}\n",
		"", want, "what steers a terminal");
	becomes("    volumes:\n    - {type: bind, source: /a, target: /b, read_only: \"yes\"}\n"
		"    - {type: bind, source: /a, target: /c, read_only: false}\n",
		"volumes = /a:/c\n",
		"line 4: service a: volumes: /b: not taken: read_only: yes: true or false is "
		"expected\n",
		"a read_only that is neither is no mount that can be written");
	becomes("    environment: [SECRET, \"\", A=1, B=]\n    dns: [\"\", 1.1.1.1]\n",
		"environment = A=1\nenvironment = B=\ndns = 1.1.1.1\n",
		"note: line 3: service a: environment: 'SECRET' is left out: it has no value here, "
		"nor in .env\nnote: line 3: service a: environment: '' is left out: it has no "
		"value "
		"here, nor in .env\n"
		"line 4: service a: dns: not taken: it is empty\n",
		"items without a value");
	becomes("    ports: 80:80\n    volumes: {a: b}\n    environment: A=1\n", "",
		"line 5: service a: environment: not taken: a list is expected\nline 3: service a: "
		"ports: not taken: a list is expected\nline 4: service a: volumes: not taken: a "
		"list is expected\n",
		"what is no list");
	becomes("    ports: [{target: 53, published: 5353, host_ip: \"::1\"}]\n",
		"ports = [::1]:5353:53\n", "", "an address of IPv6");
}

/* Each of eight levels names the one before fifty times: 50^8 ways through. */
static void test_bounds(void)
{
	struct buf text OWN(buf_done) = { 0 };
	struct err err = { 0 };

	buf_init(&text, 64 << 10);
	(void)buf_printf(&text, "x-0: &m0 {image: y}\n");
	for (unsigned level = 1; level < 8; level++) {
		(void)buf_printf(&text, "x-%u: &m%u {<<: [*m%u", level, level, level - 1);
		for (unsigned i = 1; i < 50; i++)
			(void)buf_printf(&text, ", *m%u", level - 1);
		(void)buf_printf(&text, "]}\n");
	}
	(void)buf_printf(&text, "services: {a: {<<: *m7}}\n");
	ok(convert(buf_text(&text), &err) >= 0, "merges of merges end: %s", err.text);
	is_text(buf_text(&result.ini), "[service a]\nimage = y\n", "and say what they merge");
	buf_done(&text);
	buf_init(&text, 256 << 10);
	(void)buf_printf(&text, "x-0: &x %060000d\nservices: {a: {dns: [*x", 1);
	for (unsigned i = 0; i < 40000; i++)
		(void)buf_printf(&text, ",*x");
	(void)buf_printf(&text, "]}}\n");
	ok(convert(buf_text(&text), &err) == -E2BIG, "a long text by 40,000 aliases ends: %s",
	   err.text);
}

/* Each variable is looked for among those before it, in each of 500 services. */
static void test_many_variables(void)
{
	struct buf text OWN(buf_done) = { 0 };
	struct err err = { 0 };

	buf_init(&text, 256 << 10);
	(void)buf_printf(&text, "x-0: &e\n");
	for (unsigned i = 0; i < 1000; i++)
		(void)buf_printf(&text, "- A%u=\n", i);
	(void)buf_printf(&text, "services:\n");
	for (unsigned i = 0; i < 500; i++)
		(void)buf_printf(&text, " s%u: {environment: *e}\n", i);
	ok(convert(buf_text(&text), &err) == -E2BIG, "half a million variables end: %s", err.text);
}

static void test_variables(void)
{
	becomes("    image: x:${TAG:-1}${MORE-}\n    user: $$a$${B}\n",
		"image = x:1\nuser = $a${B}\n", "", "defaults and dollars");
	becomes("    user: $UID\n    hostname: x${N}y${M}\n    cap_add: [$C]\n", "hostname = xy\n",
		"note: line 3: service a: user: UID is not set and counts as blank; .env beside "
		"the file sets variables\n"
		"note: line 4: service a: hostname: N is not set and counts as blank; .env beside "
		"the file sets variables\n"
		"note: line 4: service a: hostname: M is not set and counts as blank; .env beside "
		"the file sets variables\n"
		"note: line 5: service a: cap_add: C is not set and counts as blank; .env beside "
		"the file sets variables\n"
		"line 5: service a: cap_add: not taken: it is empty\n",
		"a variable that is not set");
	becomes("    user: ${A:-${B-x}y}\n    image: ${C?}${D:?}\n    hostname: ${E:+x}h\n",
		"user = xy\nhostname = h\n", "line 4: service a: image: not taken: C is not set\n",
		"a variable within a default, one that has to be there, and one instead");
	becomes("    user: ${A:?no $$A}\n    image: ${\n    hostname: $-\n    restart: ${A*b}\n",
		"",
		"line 3: service a: user: not taken: A is not set: no $A\n"
		"line 4: service a: image: not taken: '${' without its '}'\n"
		"line 5: service a: hostname: not taken: a '$' that begins no variable ('$$' is a "
		"dollar)\nline 6: service a: restart: not taken: '${A*b}' is no variable\n",
		"what is no variable");
}

static void test_file(void)
{
	static char deep[100000];
	struct err err = { 0 };

	ok(convert("x: &x {restart: always, image: y}\nservices:\n  a: {<<: *x, image: z}\n  b: "
		   "{<<: "
		   "[*x]}\n",
		   NULL) >= 0,
	   "merge keys");
	is_text(buf_text(&result.ini),
		"[service a]\nimage = z\nrestart = always\n\n[service b]\nrestart = always\n"
		"image = y\n",
		"its own keys go before those that are merged");
	is_text(buf_text(&result.notes), "line 1: x: not taken\n",
		"a key of the top that has no place");
	ok(convert("version: \"3\"\nname: n\nx-y: 1\nservices: {}\nvolumes: {d: {}, e: {driver: "
		   "z}}\n"
		   "networks: {front: {}}\n",
		   NULL) >= 0,
	   "a file without services");
	is_text(buf_text(&result.notes),
		"line 5: volumes.e.driver: not taken: a volume is a directory of this machine\n"
		"",
		"volumes");
	is_text(buf_text(&result.ini), "[bridge front]\n", "a network is a section");
	ok(convert("services: {a: {image: [", &err) == -EBADMSG &&
		   str_starts(str_from(err.text), STR("line ")),
	   "what is no YAML is refused with its place: %s", err.text);
	ok(convert("services: {}\n---\na: b\n", NULL) < 0, "two documents are refused");
	memset(deep, '[', sizeof(deep) - 1);
	ok(convert(deep, &err) == -E2BIG, "brackets without an end are not counted for hours");
	ok(convert("volumes: {v: {}}\n", NULL) >= 0 && !result.ini.len,
	   "volumes alone are an application");
	ok(convert("a: b\n", NULL) == -EINVAL && convert("- a\n", NULL) == -EINVAL &&
		   convert("", NULL) == -EINVAL,
	   "what is no Compose file is refused");
	ok(convert("services: &a {<<: *a}\n", NULL) < 0, "a map that merges itself ends");
	ok(convert("services: {\"a]\\n[x\": {image: y}}\n", NULL) >= 0 && !result.ini.len &&
		   result.notes.len,
	   "a name that is no section's is left out");
}

static bool place_is(struct wire *in, uint32_t line, uint32_t column)
{
	uint32_t file = wire_u32(in), got_line = wire_u32(in), got_column = wire_u32(in);

	return !file && got_line == line && got_column == column;
}

static void test_places(void)
{
	char service[32], text[128];
	struct wire in;

	ok(convert("services:\n  a:\n    image: x\n    ports:\n    - 80:80\n    uts: s\n"
		   "  b: {image: y, secrets: [{source: s, mode: 0400}]}\nsecrets: {s: {file: s}}\n",
		   NULL) >= 0,
	   "a file with places");
	wire_init(&in, result.places.data, result.places.len);
	ok(wire_u32(&in) == 1 && str_is(wire_str(&in, 100), "/app/shop.yml"), "of one file");
	ok(wire_u32(&in) == 7 && place_is(&in, 2, 3) && place_is(&in, 3, 5) &&
		   place_is(&in, 5, 7) && place_is(&in, 7, 3) && place_is(&in, 7, 3) &&
		   place_is(&in, 7, 7) && place_is(&in, 7, 27),
	   "each line of the sections knows line and column of its key");
	ok(wire_u32(&in) == 2 && place_is(&in, 6, 5) && !wire_bool(&in), "and so does a note");
	wire_text(&in, service, sizeof(service));
	wire_text(&in, text, sizeof(text));
	ok(!strcmp(service, "a") && !strcmp(text, "uts: not taken"), "of one service alone");
	ok(place_is(&in, 7, 39) && wire_bool(&in), "what leaves nothing out is advice");
}

int main(void)
{
	test_places();
	test_keys();
	test_host_keys();
	test_left_out();
	test_refused();
	test_bounds();
	test_many_variables();
	test_variables();
	test_file();
	compose_result_done(&result);
	compose_request_done(&request);
	return tap_done();
}
