/* SPDX-License-Identifier: Apache-2.0 */
/* engine.ini's registries as a pull's settings: mirrors, logins, proxies, signatures. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "engine/image/take.h"
#include "engine/service/manager.h"
#include "tests/unit/tap.h"

/* The one thing of engine/image that is asked for. */
const char *image_take_architecture(void)
{
	return "amd64";
}

static struct manager manager;
static struct arena arena;
static char key_file[] = "/tmp/hoy-test-hosts-XXXXXX";

static void load(const char *text)
{
	struct err err = { 0 };

	ini_done(&manager.engine_config);
	ini_init(&manager.engine_config);
	is_int(ini_add_text(&manager.engine_config, &engine_schema, 0, "engine.ini", str_from(text),
			    &err),
	       0, "a configuration");
}

static struct pull_start start_of(const char *reference)
{
	struct pull_start start;

	manager_pull_hosts(&manager, reference, &arena, &start);
	return start;
}

static void test_hosts(void)
{
	struct pull_start start;

	load("[engine]\nhttps_proxy = http://p:1\nno_proxy = x\n"
	     "[registry reg.example:5000]\nusername = u\npassword = secret\nmirror = near:1\n"
	     "mirror = far\n[registry near:1]\ninsecure = yes\nidentity_token = t\n");
	is_int(manager.engine_config.issue_count, 0, "without mistakes");
	start = start_of("reg.example:5000/a/b:1");
	is_int(start.host_count, 3, "two mirrors and the registry");
	is_text(start.hosts[0].host, "near:1", "in their order");
	is_text(start.hosts[1].host, "far", "the second one");
	is_text(start.hosts[2].host, "reg.example:5000", "the registry last");
	ok(start.hosts[0].insecure && !start.hosts[1].insecure && !start.hosts[2].insecure,
	   "plain HTTP only where it is named");
	is_text(start.hosts[0].token, "t", "a mirror's own login");
	is_text(start.hosts[0].password, "", "and not the registry's");
	is_text(start.hosts[1].password, "", "nor for the other");
	is_text(start.hosts[2].password, "secret", "which goes to the registry");
	is_text(start.proxy.https, "http://p:1", "the proxy");
	is_text(start.proxy.http, "", "only for what it was given");
	is_text(start.proxy.none, "x", "and its exceptions");
	is_int(start.signature.policy, PULL_SIGNATURE_OFF, "no signatures asked for");
	start = start_of("busybox");
	is_int(start.host_count, 1, "a registry without a section");
	is_text(start.hosts[0].host, "docker.io", "Docker's");
	is_text(start.hosts[0].user, "", "no login");
}

static void test_signatures(void)
{
	struct pull_start start;
	char text[512];

	snprintf(text, sizeof(text),
		 "[registry r.example]\nsignature = require\nsignature_key = %s\n"
		 "signature_key = %s\n[repository r.example/free/x]\nsignature = warn\n"
		 "[registry gone.example]\nsignature = require\nsignature_key = /none/such\n"
		 "[registry wrong.example]\nsignature = require\nsignatur_key = x\n",
		 key_file, key_file);
	load(text);
	start = start_of("r.example/a/b:1");
	is_int(start.signature.policy, PULL_SIGNATURE_REQUIRE, "the registry's policy");
	is_text(start.signature.keys, "KEY\nKEY\n", "all its keys");
	start = start_of("r.example/free/x:1");
	is_int(start.signature.policy, PULL_SIGNATURE_WARN, "the repository's own instead");
	is_text(start.signature.keys, "", "with its own keys");
	start = start_of("gone.example/x:1");
	ok(start.signature.keys_missing[0] != 0, "a key that cannot be read is told");
	start = start_of("wrong.example/x:1");
	is_int(start.signature.policy, PULL_SIGNATURE_REQUIRE,
	       "a section with a mistake opens nothing");
	ok(strstr(start.signature.keys_missing, "mistakes") != NULL, "and says so");
}

int main(void)
{
	int fd = mkstemp(key_file);

	if (fd < 0 || write(fd, "KEY", 3) != 3 || close(fd) != 0)
		return 1;
	arena_init(&arena, 1 << 20);
	ini_init(&manager.engine_config);
	test_hosts();
	test_signatures();
	ini_done(&manager.engine_config);
	arena_done(&arena);
	unlink(key_file);
	return tap_done();
}
