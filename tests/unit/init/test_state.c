/* SPDX-License-Identifier: Apache-2.0 */
/* Wire form of the status, password hashes, mount table lines, the schema of hoy.ini. */
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>
#include "init/api/init_msg.h"
#include "init/boot_config.h"
#include "init/boot_mounts.h"
#include "init/boot_state.h"
#include "lib/fs.h"
#include "lib/own.h"
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

/* ---- the files on /data, in a directory of our own ---- */

static void write_state(int data_fd, const char *name, struct str text)
{
	OWN_FD int fd = fs_open_dir(data_fd, "state", FS_BENEATH, 0700, NULL);

	(void)fs_replace(fd, name, text.ptr, text.len, 0600, NULL);
}

static void expect_reason(struct boot_state *state, const char *wanted, const char *name)
{
	char reason[DISK_REASON_MAX];
	int64_t saved_s;

	boot_state_begin(state, &saved_s, reason);
	boot_state_running(state);
	is_text(reason, wanted, "%s", name);
}

static void test_reasons(struct boot_state *state)
{
	int64_t saved_s;
	char reason[DISK_REASON_MAX];

	expect_reason(state, "first start with this disk", "a new disk");
	expect_reason(state, "power was lost or the machine was reset", "no orderly end");
	boot_state_note(state, STR("reboot: asked for"));
	expect_reason(state, "reboot: asked for", "an orderly end");
	write_state(state->data_fd, "fault", STR("init fault: SIGSEGV at\x1b 0x0\n\n\n"));
	expect_reason(state, "init fault: SIGSEGV at\\x1b 0x0",
		      "a fault, with nothing for a terminal");
	expect_reason(state, "power was lost or the machine was reset", "a fault is told once");
	boot_state_save_clock(state);
	boot_state_begin(state, &saved_s, reason);
	boot_state_running(state);
	ok(saved_s > 1700000000, "the clock was saved");
	write_state(state->data_fd, "clock", STR("-5 x\n"));
	boot_state_begin(state, &saved_s, reason);
	boot_state_running(state);
	is_int(saved_s, 0, "a broken clock file counts as none");
}

static void test_password(struct boot_state *state)
{
	char hash[INIT_HASH_MAX];
	struct err err;

	boot_state_auth(state, hash);
	is_text(hash, "", "no password yet");
	ok(boot_state_set_auth(state, STR("x"), &err) < 0, "no hash is refused");
	is_int(boot_state_set_auth(
		       state, STR("$2b$10$abcdefghijklmnopqrstuvabcdefghijklmnopqrstuvabcdefghi"),
		       &err),
	       0, "a hash is kept");
	boot_state_auth(state, hash);
	is_text(hash, "$2b$10$abcdefghijklmnopqrstuvabcdefghijklmnopqrstuvabcdefghi",
		"and read back");
}

static off_t size_of(int data_fd, const char *name)
{
	struct stat st;

	return fs_stat(data_fd, name, FS_BENEATH, &st, NULL) == 0 ? st.st_size : -1;
}

static void test_rotation(struct boot_state *state)
{
	static char line[1000];
	off_t all = 0;
	char name[32];
	int failed = 0;

	memset(line, 'x', sizeof(line));
	line[sizeof(line) - 1] = '\n';
	for (int i = 0; i < 12000; i++) /* 12 MB into 8 files of 1 MiB */
		failed += boot_state_log(state, str_make(line, sizeof(line))) != 0;
	is_int(failed, 0, "every line was written");
	ok(size_of(state->data_fd, "log/hoy.log") > 0, "the newest file");
	for (int i = 1; i < 8; i++) {
		snprintf(name, sizeof(name), "log/hoy.log.%d", i);
		all += size_of(state->data_fd, name);
		ok(size_of(state->data_fd, name) > (1 << 20) - 1001 &&
			   size_of(state->data_fd, name) <= 1 << 20,
		   "%s is full and not larger", name);
	}
	is_int(size_of(state->data_fd, "log/hoy.log.8"), -1, "no more than seven old ones");
	note("%lld bytes kept", (long long)all);
}

static void test_files(void)
{
	char path[] = "/tmp/hoy-test-state-XXXXXX";
	struct boot_state state;

	boot_state_init(&state);
	if (!ok(mkdtemp(path) != NULL, "a directory for the test"))
		return;
	state.data_fd = fs_open(AT_FDCWD, path, FS_HOST, O_RDONLY | O_DIRECTORY, 0, NULL);
	own_close(&(int){ fs_open_dir(state.data_fd, "state", FS_BENEATH, 0700, NULL) });
	own_close(&(int){ fs_open_dir(state.data_fd, "config", FS_BENEATH, 0700, NULL) });
	own_close(&(int){ fs_open_dir(state.data_fd, "log", FS_BENEATH, 0700, NULL) });
	test_reasons(&state);
	test_password(&state);
	test_rotation(&state);
	for (const char *const *dir = (const char *const[]){ "state", "config", "log", NULL }; *dir;
	     dir++)
		is_int(fs_remove_tree(state.data_fd, *dir, NULL), 0, "%s removed", *dir);
	boot_state_done(&state);
	(void)rmdir(path);
}

int main(void)
{
	test_files();
	test_status();
	test_hash();
	test_mounts();
	test_schema();
	return tap_done();
}
