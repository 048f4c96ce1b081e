/* SPDX-License-Identifier: Apache-2.0 */
/* Several Compose files as one application: what they ask for, lay over each other and take in. */
#include <errno.h>
#include <string.h>
#include "engine/compose/compose.h"
#include "engine/compose/env.h"
#include "lib/own.h"
#include "tests/unit/tap.h"

static struct compose_result result;
static struct compose_request request;

static void begin(uint32_t named)
{
	compose_request_done(&request);
	compose_request_init(&request);
	request.named = named;
}

static void put(const char *path, const char *text)
{
	(void)compose_request_add(&request, str_from(path), str_from(text), NULL, NULL);
}

static void miss(const char *path)
{
	struct err why = { 0 };

	err_set(&why, -ENOENT, "it is not there");
	(void)compose_request_add(&request, str_from(path), STR(""), &why, NULL);
}

static int convert(struct err *err)
{
	struct buf body OWN(buf_done) = { 0 };

	compose_result_done(&result);
	compose_result_init(&result);
	buf_init(&body, COMPOSE_BODY_MAX);
	compose_request_encode(&request, &body);
	return compose_convert(buf_str(&body), &result, err);
}

static void becomes(const char *want, const char *notes, const char *what)
{
	struct err err = { 0 };

	ok(convert(&err) >= 0, "%s: %s", what, err.text);
	is_text(buf_text(&result.ini), want, "%s", what);
	is_text(buf_text(&result.notes), notes, "%s: notes", what);
}

static void refused(const char *text, const char *what)
{
	struct err err = { 0 };

	ok(convert(&err) < 0, "%s", what);
	is_text(err.text, text, "%s: why", what);
}

/* The files that are wanted, a line for each. */
static const char *wanted(void)
{
	static char text[1024];
	char path[COMPOSE_PATH_MAX + 1];
	struct compose_answer answer;
	struct buf body OWN(buf_done) = { 0 };
	size_t len = 0;

	buf_init(&body, COMPOSE_BODY_MAX);
	(void)buf_add_str(&body, buf_str(&result.wanted));
	wire_put_str(&body, buf_str(&result.ini));
	wire_put_str(&body, buf_str(&result.notes));
	wire_put_str(&body, buf_str(&result.places));
	text[0] = 0;
	if (compose_answer_decode(buf_str(&body), &answer, NULL) < 0)
		return "malformed";
	while (compose_answer_wanted(&answer, path))
		len += (size_t)snprintf(text + len, sizeof(text) - len, "%s ", path);
	return text;
}

static void test_wanted(void)
{
	begin(1);
	put("/config/shop/compose.yaml",
	    "include: [db/compose.yaml]\nservices:\n  a: {image: x, env_file: [a.env, /b.env]}\n  "
	    "b: {extends: {file: ../base.yaml, service: s}}\n");
	ok(convert(NULL) >= 0, "a file that names others");
	is_text(wanted(),
		"/config/shop/compose.override.yaml /config/shop/.env /config/base.yaml "
		"/config/shop/db/.env /config/shop/db/compose.yaml /config/shop/a.env /b.env ",
		"they are asked for, beside the ones that it may have");
	ok(!result.ini.len && !result.notes.len && !result.places.len, "and nothing else is said");
	begin(1);
	put("/config/shop.yml", "services: {}\n");
	ok(convert(NULL) >= 0 && !strcmp(wanted(), "/config/.env "),
	   "another name has no override");
	begin(0);
	put("/config/shop.yml", "services: {}\n");
	ok(convert(NULL) == -EBADMSG, "a request that names none is refused");
	begin(1);
	put("shop.yml", "services: {}\n");
	ok(convert(NULL) == -EBADMSG, "and one with a path that is none");
}

static void test_env(void)
{
	begin(1);
	put("/c/a.yml", "services:\n  a:\n    image: x:${TAG}\n    user: $WHO\n"
			"    env_file: [one.env, {path: two.env, required: false, format: raw}, "
			"{path: three.env, required: false}]\n"
			"    environment: {B: mine, TAG: , C: \"${WHO:-x}\"}\n");
	put("/c/.env", "# what it is\nexport TAG=\"1.${MINOR?none}\"\nMINOR=2\nWHO='a $b' # me\n");
	ok(convert(NULL) < 0, "a .env that demands what a later line says is refused");
	begin(1);
	put("/c/a.yml", "services:\n  a:\n    image: x:${TAG}\n    user: $WHO\n"
			"    env_file: [one.env, {path: two.env, required: false, format: raw}, "
			"{path: three.env, required: false}]\n"
			"    environment: {B: mine, TAG: , C: \"${WHO:-x}\"}\n");
	put("/c/.env", "# what it is\nMINOR=2\nexport TAG=\"1.$MINOR\"\nWHO='a $b' # me\n");
	put("/c/one.env", "A=1\nB=2\nT=${TAG}-${NONE:-d}\n\nNAME\n");
	put("/c/two.env", "A='x $y'\n");
	miss("/c/three.env");
	becomes("[service a]\nenvironment = A='x $y'\nenvironment = B=mine\nenvironment = T=1.2-d\n"
		"environment = TAG=1.2\nenvironment = C=a $b\nimage = x:1.2\nuser = a $b\n",
		"", "variables of .env, files one over the other, the service's own over all");
	begin(1);
	put("/c/a.yml", "services: {a: {image: x, env_file: [gone.env, bad.env]}}\n");
	miss("/c/.env");
	miss("/c/gone.env");
	put("/c/bad.env", "A=1\n=2\n");
	becomes("[service a]\nimage = x\n",
		"line 1: service a: env_file: not taken: /c/gone.env: it is not there\n"
		"line 1: service a: env_file: not taken: /c/bad.env: line 2: NAME=value is "
		"expected\n",
		"files that cannot be taken");
}

static void is_value(const char *file, bool raw, const char *name, const char *want)
{
	struct arena arena OWN(arena_done) = { 0 };
	struct env env = { .arena = &arena };
	struct err err = { 0 };
	const char *value;
	char shown[200];
	int r;

	arena_init(&arena, 1 << 20);
	r = env_read(&env, NULL, str_from(file), raw, &err);
	value = r < 0 ? err.text : env_get(&env, str_from(name));
	(void)str_escape(str_from(file), shown, sizeof(shown));
	is_text(value ? value : "(none)", want, "%s", shown);
}

static void test_dotenv(void)
{
	is_value("A = b c  # d\n", false, "A", "b c");
	is_value("A=b#c\r\nB=1\r\n", false, "A", "b#c");
	is_value("A: x\n", false, "A", "x");
	is_value("A=\"b\\n\\\"c\\$D\\\\\" # e\nB=1\n", false, "A", "b\n\"c$D\\");
	is_value("A='one\ntwo'\nB=1\n", false, "A", "one\ntwo");
	is_value("A='one\ntwo'\nB=1\n", false, "B", "1");
	is_value("A=1\nA=${A}2\n", false, "A", "12");
	is_value("A=\n", false, "A", "");
	is_value("A\n", false, "A", "(none)");
	is_value("A=$$x\n", false, "A", "$x");
	is_value("A='b\n", false, "A", "line 1: quotes that do not end");
	is_value("A='b' c\n", false, "A", "line 1: text behind the quotes");
	is_value("B=1\nA b\n", false, "A", "line 2: NAME=value is expected");
	is_value("A=x$B${C}y\n", false, "A", "xy");
	is_value("A=${B?gone}\n", false, "A", "line 1: B is not set: gone");
	is_value("A=\"$B\" # 'c\n", true, "A", "\"$B\" # 'c");
}

static void test_extends(void)
{
	begin(1);
	put("/c/a.yml",
	    "services:\n  web:\n    extends: {file: lib/base.yml, service: app}\n"
	    "    command: run\n    environment: [B=2, C=3]\n    ports: [\"80:80\", \"81:81\"]\n"
	    "    volumes: [\"/x:/data\", \"v:/v\"]\n  copy: {extends: web, image: z}\n");
	miss("/c/.env");
	put("/c/lib/base.yml",
	    "services:\n  app:\n    extends: root\n    image: y\n    environment: {A: 1, B: 1}\n"
	    "    volumes: [\"./d:/data:ro\", \"./e:/e\"]\n    depends_on: [db]\n"
	    "  root: {restart: always, command: [a, b], ports: [\"80:80\"]}\n");
	becomes("[service web]\nenvironment = A=1\nenvironment = B=2\nenvironment = C=3\n"
		"restart = always\ncommand = run\nports = 80:80\nports = 81:81\nimage = y\n"
		"volumes = /x:/data\nvolumes = /c/lib/e:/e\nvolumes = v:/v\ndepends_on = db\n"
		"\n[service copy]\nenvironment = A=1\nenvironment = B=2\nenvironment = C=3\n"
		"restart = always\ncommand = run\nports = 80:80\nports = 81:81\nimage = z\n"
		"volumes = /x:/data\nvolumes = /c/lib/e:/e\nvolumes = v:/v\ndepends_on = db\n",
		"", "services below others, of this file and of one elsewhere");
	begin(1);
	put("/c/a.yml", "services: {a: {extends: b}, b: {extends: a}}\n");
	miss("/c/.env");
	refused("line 1: extends: a circle, or too deep", "a circle");
	begin(1);
	put("/c/a.yml", "services: {a: {extends: {service: b, file: c.yml}}}\n");
	miss("/c/.env");
	put("/c/c.yml", "services: {c: {}}\n");
	refused("line 1: extends: there is no service b in /c/c.yml",
		"a service that is not there");
	begin(1);
	put("/c/a.yml", "services: {a: {extends: {service: b, file: c.yml}}}\n");
	miss("/c/.env");
	miss("/c/c.yml");
	refused("line 1: /c/c.yml: it is not there", "a file that is not there");
}

static void test_override(void)
{
	begin(2);
	put("/c/a.yml",
	    "services:\n  a:\n    image: x\n    command: [one]\n    environment: [A=1]\n"
	    "    dns: 1.1.1.1\n    ports: [\"80:80\"]\n    deploy: {resources: {limits: {cpus: "
	    "1}}}\n"
	    "    healthcheck: {test: [CMD, a], interval: 1s}\n    labels: {k: a}\n"
	    "    tmpfs: [/t]\n    user: me\nnetworks: {n: {internal: true}}\n");
	put("/c/more/b.yml",
	    "services:\n  a:\n    command: [two, three]\n    environment: {A: 2}\n    dns: "
	    "8.8.8.8\n"
	    "    ports: !override [\"90:90\"]\n    deploy: {resources: {limits: {memory: 1g}}}\n"
	    "    healthcheck: {test: [CMD, b]}\n    labels: [k=b, l=c]\n    tmpfs: !reset []\n"
	    "    user: !reset null\n    restart:\n    volumes: [\"./v:/v\"]\n  b: {image: y}\n"
	    "networks: {n: {enable_ipv6: false}}\n");
	miss("/c/.env");
	becomes("[service a]\nenvironment = A=2\nimage = x\ncommand = [\"two\",\"three\"]\n"
		"dns = 1.1.1.1\ndns = 8.8.8.8\nports = 90:90\ncpus = 1\nmem_limit = 1g\n"
		"healthcheck.test = [\"CMD\",\"b\"]\nhealthcheck.interval = 1s\nlabels.k = b\n"
		"labels.l = c\nvolumes = /c/v:/v\n\n[service b]\nimage = y\n\n[bridge n]\n"
		"internal = yes\nipv6 = no\n",
		"", "one file over another");
	begin(1);
	put("/c/compose.yml", "services: {a: {image: x, uts: a}}\n");
	put("/c/compose.override.yml", "services: {a: {ipc: host}}\n");
	miss("/c/.env");
	becomes("[service a]\nimage = x\n",
		"line 1: service a: uts: not taken\n/c/compose.override.yml line 1: service a: "
		"ipc: "
		"not taken\n",
		"the override of a file by its name; a note says in which file");
	begin(2);
	put("/c/a.yml", "services: {a: {image: x}}\n");
	put("/c/b.yml", "services: {a: [\n");
	miss("/c/.env");
	ok(convert(NULL) == -EBADMSG, "a second file that is no YAML");
}

static void test_include(void)
{
	begin(1);
	put("/c/a.yml",
	    "include:\n- db/db.yml\n- {path: [x.yml, y.yml], project_directory: p, env_file: "
	    "e.env}\nservices: {web: {image: \"w:${T:-none}\"}}\n");
	miss("/c/.env");
	miss("/c/db/.env");
	put("/c/db/db.yml", "services: {db: {image: d, volumes: [\"./data:/d\"]}}\n");
	put("/c/e.env", "T=5\n");
	put("/c/x.yml", "services: {x: {image: \"x:$T\", volumes: [\"./data:/d\"]}}\n");
	put("/c/y.yml", "services: {x: {restart: always}}\nsecrets: {s: {file: s}}\n");
	becomes("[service web]\nimage = w:none\n\n[service db]\nimage = d\n"
		"volumes = /c/db/data:/d\n\n[service x]\nimage = x:5\nvolumes = /c/p/data:/d\n"
		"restart = always\n",
		"", "applications within one, each with its folder and variables");
	begin(1);
	put("/c/a.yml", "include: [b.yml]\nservices: {web: {image: a}}\n");
	miss("/c/.env");
	put("/c/b.yml", "services: {web: {image: b}}\n");
	refused("line 1: include: services.web is here and there", "one name in both");
	begin(1);
	put("/c/a.yml", "include: [a.yml]\nservices: {}\n");
	miss("/c/.env");
	refused("line 1: include: a circle, or too deep", "a file that includes itself");
}

static void test_secrets(void)
{
	begin(1);
	put("/c/a.yml",
	    "services:\n  a:\n    image: x\n    secrets: [key, {source: key, target: k2, mode: "
	    "0400}, {source: key, target: /etc/k}, env, gone]\n    configs: [conf, {source: conf, "
	    "target: /etc/conf}]\n"
	    "secrets: {key: {file: ./key.txt}, env: {environment: X}}\n"
	    "configs: {conf: {file: /config/conf}}\n");
	miss("/c/.env");
	becomes("[service a]\nimage = x\nvolumes = /c/key.txt:/run/secrets/key:ro\n"
		"volumes = /c/key.txt:/run/secrets/k2:ro\nvolumes = /c/key.txt:/etc/k:ro\n"
		"volumes = /config/conf:/conf:ro\nvolumes = /config/conf:/etc/conf:ro\n",
		"note: line 4: service a: secrets.mode: the file keeps the owner and mode that it "
		"has here\nline 4: service a: secrets: env: not taken: only what a file holds can "
		"be "
		"given to a container (file: PATH)\nline 4: service a: secrets: gone: not taken: "
		"the file has none of this name\n",
		"secrets and configs that are files");
}

static void test_networks(void)
{
	begin(1);
	put("/c/a.yml",
	    "services:\n  a:\n    image: x\n    networks:\n      front: {ipv4_address: 10.9.0.5, "
	    "ipv6_address: \"fd00::5\", mac_address: \"02:00:00:00:00:05\", aliases: [w, v]}\n"
	    "      back:\n      default: {priority: 1}\n  b: {image: x, networks: [lan, default]}\n"
	    "  c: {image: x, network_mode: host}\n  d: {image: x, network_mode: \"service:a\"}\n"
	    "networks:\n  front:\n    name: shopfront\n    driver: bridge\n    ipam: {config: "
	    "[{subnet: 10.9.0.0/24, gateway: 10.9.0.1}, {subnet: \"fd00::/64\"}]}\n"
	    "  back: {internal: true, driver_opts: {com.docker.network.driver.mtu: 1400, x: y}}\n"
	    "  lan: {external: true, name: home}\n  default: {driver: bridge}\n");
	miss("/c/.env");
	becomes("[service a]\nimage = x\nnetworks = shopfront\n"
		"networks.shopfront.ipv4_address = 10.9.0.5\n"
		"networks.shopfront.ipv6_address = fd00::5\n"
		"networks.shopfront.mac_address = 02:00:00:00:00:05\n"
		"networks.shopfront.aliases = w\nnetworks.shopfront.aliases = v\n"
		"networks = back\nnetworks = bridge\n\n[service b]\nimage = x\nnetworks = home\n"
		"networks = bridge\n\n[service c]\nimage = x\nnetworks = host\n\n[service d]\n"
		"image = x\n\n[bridge shopfront]\ndriver = bridge\nsubnet = 10.9.0.0/24\n"
		"gateway = 10.9.0.1\nsubnet6 = fd00::/64\n\n[bridge back]\ninternal = yes\n"
		"mtu = 1400\n",
		"line 7: service a: networks.bridge.priority: not taken\nline 10: service d: "
		"network_mode: service:a: not taken\nline 16: networks.driver_opts.x: not taken\n"
		"line 18: networks.default.driver: not taken\n",
		"networks and the addresses in them");
}

int main(void)
{
	test_wanted();
	test_env();
	test_dotenv();
	test_extends();
	test_override();
	test_include();
	test_secrets();
	test_networks();
	compose_result_done(&result);
	compose_request_done(&request);
	return tap_done();
}
