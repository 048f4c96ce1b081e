/* SPDX-License-Identifier: Apache-2.0 */
/* Roles, names and serial numbers of clients from the network; their messages. */
#include <string.h>
#include "engine/gate/identity.h"
#include "lib/own.h"
#include "tests/unit/tap.h"

static void test_roles(void)
{
	static const char *const wrong[] = { "", "root", "Admin", "admin ", "reader,admin" };

	for (unsigned i = GATE_ROLE_READER; i < GATE_ROLE_COUNT; i++)
		is_int(gate_role_read(str_from(gate_role_name((enum gate_role)i))), (int)i,
		       "%s is a role", gate_role_name((enum gate_role)i));
	for (size_t i = 0; i < ARRAY_LEN(wrong); i++)
		is_int(gate_role_read(str_from(wrong[i])), 0, "'%s' is none", wrong[i]);
	is_text(gate_role_name((enum gate_role)99), "", "no name for what is none");
}

static void test_names(void)
{
	static const char *const good[] = { "a", "anna-1", "ci@example.org", "A_b.c" };
	static const char *const wrong[] = { "", "a b", "a\n", "a/b", "\xc3\xa4", "a:b", "uid-0" };
	char longest[GATE_NAME_MAX + 1];

	for (size_t i = 0; i < ARRAY_LEN(good); i++)
		ok(gate_name_fits(str_from(good[i])), "%s is a name", good[i]);
	for (size_t i = 0; i < ARRAY_LEN(wrong); i++)
		ok(!gate_name_fits(str_from(wrong[i])), "number %zu is none", i);
	memset(longest, 'x', sizeof(longest));
	ok(gate_name_fits(str_make(longest, GATE_NAME_MAX)), "the longest");
	ok(!gate_name_fits(str_make(longest, GATE_NAME_MAX + 1)), "longer");
	ok(!gate_name_fits(str_make("a\0b", 3)), "a NUL inside");
}

static void test_revoked(void)
{
	const struct gate_identity identity = { .name = "anna", .serial = "1af", .role = 1 };
	const struct gate_identity unnumbered = { .name = "anna", .serial = "", .role = 1 };
	const struct {
		struct str text;
		bool revoked;
	} rows[] = { { STR("anna"), true },  { STR("1AF"), true },   { STR("0001af"), true },
		     { STR("bert"), false }, { STR("1a"), false },   { STR("Anna"), false },
		     { STR(""), false },     { STR("01af0"), false } };

	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		is_int(gate_identity_revoked(&identity, &rows[i].text, 1), rows[i].revoked,
		       "revoked = %.*s", STR_ARG(rows[i].text));
	ok(!gate_identity_revoked(&unnumbered, &rows[6].text, 1), "no number is not an empty one");
	ok(!gate_identity_revoked(&identity, NULL, 0), "none");
}

static void test_messages(void)
{
	const struct gate_client client = { .role = GATE_ROLE_DEPLOYER,
					    .name = "anna",
					    .address = "192.0.2.1",
					    .protocol = "http/1.1" };
	struct gate_client got, odd = client;
	struct buf body OWN(buf_done) = { 0 };
	struct wire in;

	buf_init(&body, 4096);
	gate_client_put(&body, &client);
	wire_init(&in, body.data, body.len);
	gate_client_get(&in, &got);
	ok(wire_end(&in) == 0 && got.role == client.role && !strcmp(got.name, client.name) &&
		   !strcmp(got.address, client.address) && !strcmp(got.protocol, client.protocol),
	   "a client there and back");
	body.data[0] = GATE_ROLE_COUNT;
	wire_init(&in, body.data, body.len);
	gate_client_get(&in, &got);
	ok(wire_end(&in) < 0, "a role that cannot be");
	buf_clear(&body);
	(void)str_copy(STR("a b"), odd.name, sizeof(odd.name));
	gate_client_put(&body, &odd);
	wire_init(&in, body.data, body.len);
	gate_client_get(&in, &got);
	ok(wire_end(&in) < 0, "a name that cannot be");
}

int main(void)
{
	test_roles();
	test_names();
	test_revoked();
	test_messages();
	return tap_done();
}
