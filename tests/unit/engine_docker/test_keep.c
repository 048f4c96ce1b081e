/* SPDX-License-Identifier: Apache-2.0 */
/* The record of the machine's own authority: what is kept, revoked, dropped, and damaged files. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include "engine/gate/keep.h"
#include "lib/own.h"
#include "tests/unit/tap.h"

static struct gate_keep keep, again;

static const struct access_made made = { STR("ca"),	    STR("ca key"), STR("server"),
					 STR("server key"), STR("client"), STR("client key"),
					 STR("4a5b") };

static void take(const char *name, const char *serial, int64_t until_s)
{
	const struct access_order order = { .name = str_from(name),
					    .role = GATE_ROLE_OPERATOR,
					    .until_s = until_s };
	struct access_made one = made;
	struct err err = { 0 };

	one.serial = str_from(serial);
	ok(gate_keep_take(&keep, &order, &one, &err) == 0, "%s is kept", name);
}

static void test_round(void)
{
	struct buf file OWN(buf_done) = { 0 };
	struct err err = { 0 };

	gate_keep_host(&keep, STR("192.0.2.1"));
	gate_keep_host(&keep, STR("hoy.example"));
	gate_keep_host(&keep, STR("192.0.2.1"));
	gate_keep_host(&keep, STR("a b"));
	is_int(keep.host_count, 2, "each host once, none that cannot be");
	take("anna", "4a5b", 100);
	take("bert", "4c", 200);
	take("anna", "4d", 300);
	is_int(gate_keep_revoke(&keep, STR("nobody")), 0, "nobody");
	is_int(gate_keep_revoke(&keep, STR("4c")), 1, "by its serial number");
	is_int(gate_keep_revoke(&keep, STR("anna")), 2, "all of a name");
	is_int(gate_keep_revoke(&keep, STR("anna")), 0, "once");
	buf_init(&file, GATE_KEEP_FILE_MAX);
	is_int(gate_keep_encode(&keep, &file, &err), 0, "encode");
	is_int(gate_keep_decode(buf_str(&file), &again, &err), 0, "decode");
	ok(!memcmp(&keep, &again, sizeof(keep)), "the same");
	for (size_t i = 0; i < file.len; i += 7) {
		file.data[i] = (char)(file.data[i] ^ 1);
		if (gate_keep_decode(buf_str(&file), &again, &err) != -EBADMSG || *again.ca)
			ok(false, "byte %zu changed, and it is taken", i);
		file.data[i] = (char)(file.data[i] ^ 1);
	}
	for (size_t i = 0; i < file.len; i += 13) {
		if (gate_keep_decode(str_head(buf_str(&file), i), &again, &err) != -EBADMSG)
			ok(false, "cut at %zu, and it is taken", i);
	}
	ok(true, "no damaged file is taken");
}

static void test_room(void)
{
	struct err err = { 0 };
	char serial[16];

	memset(&keep, 0, sizeof(keep));
	for (int i = 0; i < ACCESS_ROWS_MAX; i++) {
		(void)snprintf(serial, sizeof(serial), "4%d", i);
		keep.rows[keep.row_count++] =
			(struct access_row){ .role = GATE_ROLE_READER, .until_s = i < 2 ? 10 : 30 };
		(void)str_copy(str_from(serial), keep.rows[i].serial, sizeof(keep.rows[i].serial));
	}
	is_int(gate_keep_room(&keep, 10, &err), -E2BIG, "all are valid or revoked");
	keep.rows[5].revoked = true;
	is_int(gate_keep_room(&keep, 20, &err), 0, "two have ended");
	is_int(keep.row_count, ACCESS_ROWS_MAX - 2, "and are gone");
	ok(keep.rows[3].revoked, "a revoked one that has not ended stays");
	while (keep.row_count < ACCESS_ROWS_MAX)
		keep.rows[keep.row_count++] = (struct access_row){ .until_s = 10 };
	is_int(gate_keep_room(&keep, 31, &err), 0, "all have ended");
	is_int(keep.row_count, 1, "the revoked one stays: a clock may be set back");
	keep.row_count = ACCESS_ROWS_MAX;
	for (uint32_t i = 1; i < ACCESS_ROWS_MAX; i++)
		keep.rows[i] = (struct access_row){ .until_s = INT32_MAX };
	is_int(gate_keep_room(&keep, 31 + GATE_KEEP_MARGIN_S, &err), 0, "a month later");
	is_int(keep.row_count, ACCESS_ROWS_MAX - 1, "it goes, too");
	for (int i = 0; i < ACCESS_HOSTS_MAX + 3; i++) {
		(void)snprintf(serial, sizeof(serial), "h%d", i);
		gate_keep_host(&keep, str_from(serial));
	}
	is_int(keep.host_count, ACCESS_HOSTS_MAX, "hosts are bounded");
	is_text(keep.hosts[0], "h3", "the oldest goes");
	gate_keep_host(&keep, STR("h3"));
	is_int(keep.host_count, ACCESS_HOSTS_MAX, "one that was known");
	is_text(keep.hosts[0], "h4", "is the youngest now");
	is_text(keep.hosts[ACCESS_HOSTS_MAX - 1], "h3", "and the last to go");
}

int main(void)
{
	test_round();
	test_room();
	return tap_done();
}
