/* SPDX-License-Identifier: Apache-2.0 */
/* Wire form of the status, password hashes, mount table lines, the schema of hoy.ini. */
#include "init/api/init_msg.h"
#include "init/boot_config.h"
#include "init/boot_mounts.h"
#include "init/boot_state.h"
#include "tests/unit/tap.h"

static struct init_status status, back;

static void test_status(void)
{
	struct buf out;
	struct wire in;

	status = (struct init_status){ .hostname = "boat",
				       .uptime_ms = 12,
				       .wall_s = -1,
				       .clock = INIT_CLOCK_RTC,
				       .claimed = true,
				       .data = INIT_DATA_READY,
				       .data_text = "/dev/vda",
				       .data_bytes = 1ULL << 40,
				       .unit_count = 2 };
	status.units[1] = (struct init_unit_status){ .name = "netd",
						     .pid = 7,
						     .retry_ms = -1,
						     .exit_count = 1,
						     .exits = { { 5, "exit 3" } } };
	buf_init(&out, 65536);
	init_status_put(&out, &status);
	wire_init(&in, out.data, out.len);
	is_int(init_status_get(&in, &back), 0, "a status is read back");
	ok(memcmp(&status, &back, sizeof(status)) == 0, "and is the same");
	for (size_t n = 0; n < out.len; n++) {
		wire_init(&in, out.data, n);
		if (init_status_get(&in, &back) == 0)
			break;
		if (n + 1 == out.len)
			ok(true, "each shorter body is refused");
	}
	buf_done(&out);
	is_text(init_unit_state_name(INIT_UNIT_READY), "running", "name of a state");
	is_text(init_data_state_name(200), "?", "name of no state");
}

static void test_hash(void)
{
	ok(boot_state_is_hash(STR("$2b$10$abcdefghijklmnopqrstuvabcdefghijklmnopqrstuvabcdefghi")),
	   "a bcrypt hash");
	ok(!boot_state_is_hash(STR("$2b$10$abcdefghijklmnopqrstuvabcdefghijklmnopqrstuvabcdefgh")),
	   "one character short");
	ok(!boot_state_is_hash(STR("$6$10$aabcdefghijklmnopqrstuvabcdefghijklmnopqrstuvabcdefghi")),
	   "another scheme");
	ok(!boot_state_is_hash(STR("$2b$10$abcdefghijklmnopqrstuvabcdefghijklmno:qrstuvabcdefghi")),
	   "a foreign character");
}

static void test_mounts(void)
{
	struct boot_mount mount;

	ok(boot_mounts_parse(STR("36 35 98:0 / /data rw,noatime master:1 - ext4 /dev/vda rw"),
			     &mount),
	   "a line");
	is_text(mount.target, "/data", "where");
	is_text(mount.type, "ext4", "what");
	is_text(mount.source, "/dev/vda", "from");
	ok(boot_mounts_parse(STR("1 2 0:3 / /a\\040b rw - tmpfs none rw"), &mount), "an escape");
	is_text(mount.target, "/a b", "is undone");
	ok(!boot_mounts_parse(STR("1 2 0:3 / /a rw"), &mount), "no separator");
	ok(!boot_mounts_parse(STR("1 2 0:3 /"), &mount), "too short");
	ok(!boot_mounts_parse(STR("1 2 0:3 / /a\\777 rw - a b c"), &mount), "no such byte");
}

static unsigned issues_of(const char *text)
{
	struct ini_config config;
	unsigned count;

	ini_init(&config);
	(void)ini_add_text(&config, &boot_config_schema, 0, "hoy.ini", str_from(text), NULL);
	count = config.issue_count;
	ini_done(&config);
	return count;
}

static void test_schema(void)
{
	is_int(issues_of("[hoy]\nhostname = boat-1\nconsole_login = none\ntimezone = "
			 "CET-1CEST,M3.5.0,M10.5.0/3\nconsole_log = warn\n"),
	       0, "good values");
	is_int(issues_of("[hoy]\nhostname = a_b\n"), 1, "no underscore in a host name");
	is_int(issues_of("[hoy]\ntimezone = Europe/Berlin\n"), 1, "no file names as time zones");
	is_int(issues_of("[hoy]\nconsole_login = maybe\n"), 1, "a closed list");
	is_int(issues_of("[auth]\npassword_hash = secret\n"), 1, "no plain password");
	is_int(issues_of("[auth]\npassword_hash = "
			 "$2b$10$abcdefghijklmnopqrstuvabcdefghijklmnopqrstuvabcdefghi\n"),
	       0, "a hash");
	is_int(issues_of("[auht]\n"), 1, "an unknown section");
}

int main(void)
{
	test_status();
	test_hash();
	test_mounts();
	test_schema();
	return tap_done();
}
