/* SPDX-License-Identifier: Apache-2.0 */
/* DNS: names and their traps (RFC 9267), the cache's clock, who sees which name. */
#include <errno.h>
#include "lib/own.h"
#include "netd/dns/dns_cache.h"
#include "netd/dns/dns_table.h"
#include "tests/unit/tap.h"

#define HEAD(flags, questions, answers) "\x12\x34" flags "\0" questions "\0" answers "\0\0\0\0"
#define WEB				"\3web\7example\0"
#define MESSAGE(literal)		str_make(literal, sizeof(literal) - 1)

static void test_queries(void)
{
	struct dns_query query;
	char text[DNS_NAME_TEXT_MAX];

	ok(dns_query_read(MESSAGE(HEAD("\1\0", "\1", "\0") WEB "\0\1\0\1"), &query) == 0 &&
		   query.id == 0x1234 && query.question.type == 1 && query.udp_size == 512,
	   "a plain question");
	is_text(dns_name_text(&query.question.name, text), "web.example", "its name");
	ok(dns_query_read(
		   MESSAGE("\0\1\1\0\0\1\0\0\0\0\0\1" WEB "\0\1\0\1\0\0\x29\x10\0\0\0\0\0\0\0"),
		   &query) == 0 &&
		   query.edns && query.udp_size == 4096,
	   "with EDNS");
	is_int(dns_query_read(MESSAGE("\0\1\1"), &query), -EBADMSG, "no header");
	is_int(dns_query_read(MESSAGE(HEAD("\x81\0", "\1", "\0") WEB "\0\1\0\1"), &query), -EBADMSG,
	       "an answer is never answered");
	is_int(dns_query_read(MESSAGE(HEAD("\x28\0", "\1", "\0") WEB "\0\1\0\1"), &query),
	       -EOPNOTSUPP, "another opcode");
	is_int(dns_query_read(MESSAGE(HEAD("\1\0", "\2", "\0") WEB "\0\1\0\1"), &query), -EINVAL,
	       "two questions");
	is_int(dns_query_read(MESSAGE(HEAD("\1\0", "\1", "\0") "\xc0\x0c\0\1\0\1"), &query),
	       -EINVAL, "a name that points at itself");
	is_int(dns_query_read(MESSAGE(HEAD("\1\0", "\1", "\0") "\1a\xc0\x0c\0\1\0\1"), &query),
	       -EINVAL, "a loop");
	is_int(dns_query_read(MESSAGE(HEAD("\1\0", "\1", "\0") "\xc0\0\0\1\0\1"), &query), -EINVAL,
	       "a pointer into the header");
	is_int(dns_query_read(MESSAGE(HEAD("\1\0", "\1", "\0") "\x40"
							       "a\0\0\1\0\1"),
			      &query),
	       -EINVAL, "a label type that does not exist");
	is_int(dns_query_read(MESSAGE(HEAD("\1\0", "\1", "\0") "\x3f"
							       "short\0\0\1\0\1"),
			      &query),
	       -EINVAL, "a label beyond the end");
}

static void test_long_names(void)
{
	char message[600] = HEAD("\1\0", "\1", "\0");
	struct dns_query query;
	size_t at = DNS_HEADER;

	for (int i = 0; i < 127; i++, at += 2)
		memcpy(message + at, "\1a", 2);
	memcpy(message + at, "\0\0\1\0\1", 5);
	ok(dns_query_read(str_make(message, at + 5), &query) == 0 && query.question.name.len == 255,
	   "255 bytes are a name");
	memcpy(message + at, "\1a\0\0\1\0\1", 7);
	is_int(dns_query_read(str_make(message, at + 7), &query), -EINVAL, "257 are none");
}

static void test_replies(void)
{
	static const char good[] =
		HEAD("\x81\x80", "\1", "\2") WEB "\0\1\0\1"
						 "\xc0\x0c\0\5\0\1\0\0\1\0\0\2\xc0\x10"
						 "\xc0\x10\0\1\0\1\0\0\0\x3c\0\4\1\2\3\4";
	static const char none[] = "\x12\x34\x81\x83\0\1\0\0\0\1\0\0" WEB "\0\1\0\1"
				   "\xc0\x10\0\6\0\1\0\0\1\0\0\x16\0\0"
				   "\0\0\0\1\0\0\0\1\0\0\0\1\0\0\0\1\0\0\0\x0a";
	struct dns_reply reply;
	bool refused = true;

	ok(dns_reply_read(MESSAGE(good), &reply) == 0 && reply.ttl_s == 60 && reply.ttl_count == 2,
	   "the smallest TTL counts");
	for (size_t n = 0; n < sizeof(good) - 1; n++)
		refused &= dns_reply_read(str_make(good, n), &reply) < 0;
	ok(refused, "no shorter form is taken");
	ok(dns_reply_read(MESSAGE(none), &reply) == 0 && reply.ttl_s == 10,
	   "'no such name' is kept as long as the SOA says");
	is_int(dns_reply_read(MESSAGE(HEAD("\x81\x80", "\1", "\1") WEB
				      "\0\1\0\1\xc0\x2a\0\1\0\1\0\0\0\1"
				      "\0\4\1\2\3\4"),
			      &reply),
	       -EBADMSG, "a pointer forwards");
}

static void test_cache(void)
{
	static const char message[] =
		HEAD("\x81\x80", "\1", "\1") WEB "\0\1\0\1"
						 "\xc0\x0c\0\1\0\1\0\0\0\x3c\0\4\1\2\3\4";
	OWN(dns_cache_done) struct dns_cache cache = { 0 };
	OWN(buf_done) struct buf out = { 0 };
	struct mono t = { 1000000000 };
	struct dns_question question;
	struct dns_reply reply;

	buf_init(&out, 4096);
	is_int(dns_cache_init(&cache, 7), 0, "a cache");
	is_int(dns_reply_read(MESSAGE(message), &reply), 0, "a reply");
	question = reply.question;
	ok(!dns_cache_get(&cache, t, &question, &out), "empty");
	dns_cache_put(&cache, t, &reply, MESSAGE(message));
	dns_name_mix_case(&question.name, (const uint8_t *)"\xff\xff\xff\xff", 4);
	ok(dns_cache_get(&cache, mono_add_ms(t, 20000), &question, &out) &&
		   dns_get32(out.data + out.len - 10) == 40,
	   "found in any letter case, 20 seconds older");
	ok(!dns_cache_get(&cache, mono_add_ms(t, 60000), &question, &out), "gone at its end");
	question.type = 28;
	ok(!dns_cache_get(&cache, t, &question, &out), "another type is another question");
	for (unsigned i = 0; i < 5000; i++) {
		reply.question.name.wire[1] = (uint8_t)i;
		reply.question.name.wire[2] = (uint8_t)(i >> 8);
		dns_cache_put(&cache, t, &reply, MESSAGE(message));
	}
	ok(dns_cache_get(&cache, t, &reply.question, &out), "5,000 names: the newest is there");
}

static void test_names(void)
{
	struct dns_name a, b;
	uint32_t ip4;

	ok(dns_name_parse(STR("Web.Example."), &a) == 0 &&
		   dns_name_parse(STR("web.example"), &b) == 0 && dns_name_same(&a, &b) &&
		   !dns_name_equal(&a, &b),
	   "letter case does not matter, and does");
	ok(dns_name_parse(STR("a..b"), &a) < 0 && dns_name_parse(STR(""), &a) < 0,
	   "no empty labels");
	ok(dns_name_parse(STR("4.3.2.1.in-addr.arpa"), &a) == 0 && dns_name_reverse(&a, &ip4) &&
		   ip4 == 0x01020304,
	   "a reverse name");
	ok(dns_name_parse(STR("5.4.3.2.1.in-addr.arpa"), &a) == 0 && !dns_name_reverse(&a, &ip4),
	   "one part too many");
	ok(dns_name_parse(STR("x.3.2.1.in-addr.arpa"), &a) == 0 && !dns_name_reverse(&a, &ip4),
	   "no number");
}

static int add(struct dns_table *table, const char *id, const char *name, const char *network,
	       const char *ip4, const char *ip6, const char *alias)
{
	struct str aliases[] = { str_from(alias) };
	struct netd_attach_network networks[] = { { str_from(network), aliases, alias ? 1 : 0,
						    str_from(ip4), str_from(ip6),
						    str_from(NULL) } };
	const struct netd_attach attach = { str_from(id), str_from(name), 0, networks, 1, NULL, 0 };

	return dns_table_set(table, &attach);
}

static void test_table(void)
{
	OWN(dns_table_done) struct dns_table table = { 0 };
	struct dns_found found;
	struct dns_name name, pointer;
	char text[DNS_NAME_TEXT_MAX];
	struct ip6 ip6;
	int web, far;

	is_int(dns_table_init(&table), 0, "a table");
	web = add(&table, "1111", "web", "bridge", "172.20.0.2", NULL, NULL);
	(void)add(&table, "0123456789abcdef", "db", "bridge", "172.20.0.3", "fd00::3", "sql");
	far = add(&table, "3333", "till", "shop", "172.21.0.2", NULL, "sql");
	(void)dns_name_parse(STR("SQL"), &name);
	ok(dns_table_lookup(&table, web, &name, &found) && found.ip4_count == 1 &&
		   found.ip4[0] == 0xac140003 && found.ip6_count == 1 && found.ip6[0].b[15] == 3,
	   "an alias, in any letter case");
	ok(dns_table_lookup(&table, far, &name, &found) && found.ip4[0] == 0xac150002 &&
		   !found.ip6_count,
	   "each network has its own");
	(void)dns_name_parse(STR("0123456789ab"), &name);
	ok(dns_table_lookup(&table, web, &name, &found), "a short id");
	(void)dns_name_parse(STR("web"), &name);
	ok(!dns_table_lookup(&table, far, &name, &found), "strangers do not see it");
	ok(dns_table_reverse(&table, web, 0xac140003, &pointer) &&
		   !strcmp(dns_name_text(&pointer, text), "db"),
	   "an address has a name");
	ok(!dns_table_reverse(&table, far, 0xac140003, &pointer), "not for strangers");
	(void)dns_name_parse(STR("3.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.d.f."
				 "IP6.arpa"),
			     &name);
	ok(dns_name_reverse6(&name, &ip6) && dns_table_reverse6(&table, web, &ip6, &pointer) &&
		   !strcmp(dns_name_text(&pointer, text), "db") &&
		   !dns_table_reverse6(&table, far, &ip6, &pointer),
	   "the same of an IPv6 address");
	(void)dns_name_parse(STR("3.0.ip6.arpa"), &name);
	ok(!dns_name_reverse6(&name, &ip6), "a part of one is none");
	is_int(add(&table, "1111", "web", "bridge", "172.20.0.300", NULL, NULL), -EINVAL,
	       "no address");
	ok(dns_table_find(&table, STR("1111")) == web, "the old entry stays");
	dns_table_remove(&table, web);
	is_int(dns_table_find(&table, STR("1111")), -ENOENT, "removed");
}

/* As many containers as there can be: what was added, replaced and removed is what is found. */
static void test_full_table(void)
{
	OWN(dns_table_done) struct dns_table table = { 0 };
	struct dns_found found;
	struct dns_name name, pointer;
	char text[DNS_NAME_TEXT_MAX], id[16], called[16], ip4[32];
	int wrong = 0, asker = 0;

	is_int(dns_table_init(&table), 0, "a table");
	for (int i = 0; i < DNS_CONTAINERS_MAX; i++) {
		snprintf(id, sizeof(id), "id%d", i);
		snprintf(called, sizeof(called), "box%d", i);
		snprintf(ip4, sizeof(ip4), "172.20.%d.%d", i / 250, 2 + i % 250);
		asker = add(&table, id, called, "bridge", ip4, NULL, i % 100 ? called : "Shared");
	}
	is_int(add(&table, "more", "more", "bridge", "172.20.200.1", NULL, NULL), -ENOSPC, "full");
	for (int i = 0; i < DNS_CONTAINERS_MAX; i++) {
		snprintf(called, sizeof(called), "BOX%d", i);
		(void)dns_name_parse(str_from(called), &name);
		wrong += !dns_table_lookup(&table, asker, &name, &found) || found.ip4_count != 1 ||
			 found.ip4[0] != (0xac140002 + (uint32_t)(i / 250 * 256 + i % 250));
	}
	is_int(wrong, 0, "each is found, once, also where an alias is its name again");
	(void)dns_name_parse(STR("shared"), &name);
	ok(dns_table_lookup(&table, asker, &name, &found) && found.ip4_count == 11 &&
		   found.ip4[0] == 0xac140002 && found.ip4[10] == 0xac140402,
	   "all that share an alias, in the order they came in");
	(void)add(&table, "id0", "other", "bridge", "172.20.100.1", NULL, NULL);
	ok(dns_table_lookup(&table, asker, &name, &found) && found.ip4_count == 10 &&
		   !dns_table_reverse(&table, asker, 0xac140002, &pointer) &&
		   dns_table_reverse(&table, asker, 0xac146401, &pointer) &&
		   !strcmp(dns_name_text(&pointer, text), "other"),
	   "replaced");
	dns_table_remove(&table, dns_table_find(&table, STR("id0")));
	ok(!dns_table_reverse(&table, asker, 0xac146401, &pointer), "removed");
}

int main(void)
{
	test_queries();
	test_long_names();
	test_replies();
	test_cache();
	test_names();
	test_table();
	test_full_table();
	return tap_done();
}
