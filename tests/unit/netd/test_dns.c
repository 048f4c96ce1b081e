/* SPDX-License-Identifier: Apache-2.0 */
/* DNS: names and their traps (RFC 9267), the cache's clock, who sees which name. */
#include <errno.h>
#include "lib/own.h"
#include "netd/dns/dns_cache.h"
#include "netd/dns/dns_service.h"
#include "netd/dns/dns_table.h"
#include "netd/dns_upstream.h"
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

static void test_padding(void)
{
	struct dns_question question = { .type = DNS_TYPE_A, .class = DNS_CLASS_IN };
	OWN(buf_done) struct buf query = { 0 };
	char name[128] = "";
	bool even = true;

	buf_init(&query, 1024);
	for (size_t i = 1; i < 60; i++) {
		struct dns_query back;
		size_t pad, plain;

		memset(name, 'a', i);
		(void)dns_name_parse(str_make(name, i), &question.name);
		buf_clear(&query);
		dns_query_write(7, &question, &query);
		plain = query.len;
		dns_query_pad(&query);
		pad = query.len - plain - 4;
		even &= query.len % 128 == 0 && pad < 128 &&
			dns_get16(query.data + plain - 2) == pad + 4 &&
			dns_get16(query.data + plain) == 12 &&
			dns_get16(query.data + plain + 2) == pad &&
			dns_query_read(buf_str(&query), &back) == 0 &&
			dns_name_equal(&back.question.name, &question.name) && back.edns;
	}
	ok(even, "a padded query has a multiple of 128 bytes and says the same");
}

static void test_upstreams(void)
{
	struct dns_upstreams upstreams = { .count = 2, .pin_count = 1 }, back;
	OWN(buf_done) struct buf out = { 0 };
	bool refused = true;

	(void)dns_upstream_parse(STR("192.0.2.53"), &upstreams.list[0]);
	(void)dns_upstream_parse(STR("[2001:db8::53]:853#dns.example"), &upstreams.list[1]);
	upstreams.list[1].tls = true;
	upstreams.pins[0][31] = 9;
	buf_init(&out, 2048);
	dns_upstreams_encode(&upstreams, &out);
	ok(dns_upstreams_decode(buf_str(&out), &back) == 0 && back.count == 2 && back.list[1].tls &&
		   !back.list[0].tls && back.list[1].port == 853 &&
		   !strcmp(back.list[1].name, "dns.example") && back.pins[0][31] == 9,
	   "servers come back as they went");
	for (size_t n = 0; n < out.len; n++)
		refused &= dns_upstreams_decode(str_head(buf_str(&out), n), &back) < 0;
	ok(refused, "no shorter form of it is taken");
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
						    str_from(ip4), str_from(ip6), str_from(NULL),
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
static void add_web(struct dns_table *table, const char *id, const char *name, const char *ip4,
		    uint16_t port)
{
	struct str aliases[] = { STR("web") };
	struct netd_attach_network networks[] = { { STR("shop"), aliases, 1, str_from(ip4),
						    STR("fd00::7"), str_from(NULL),
						    str_from(NULL) } };
	struct netd_port ports[] = { { 6, 0, 8080, port, 3, 0, { 0 } },
				     { 17, 0, 53, 53, 1, 0, { 0 } } };
	const struct netd_attach attach = {
		str_from(id), str_from(name), 0, networks, 1, ports, 2
	};

	(void)dns_table_set(table, &attach);
}

static enum dns_service_verdict ask(struct dns_table *table, const char *text,
				    struct dns_targets *targets)
{
	struct dns_name name;

	(void)dns_name_parse(str_from(text), &name);
	return dns_service_find(table, dns_table_find(table, STR("1")), &name, targets);
}

static void test_services(void)
{
	OWN(dns_table_done) struct dns_table table = { 0 };
	OWN(buf_done) struct buf out = { 0 };
	struct dns_targets t;
	struct dns_question question = { .type = DNS_TYPE_SRV, .class = DNS_CLASS_IN };
	const struct dns_answer a = { .question = &question, .targets = &t, .ttl_s = 2 };
	struct dns_reply reply;
	char text[DNS_NAME_TEXT_MAX];

	(void)dns_table_init(&table);
	add_web(&table, "1", "shop-web-1", "10.0.0.2", 80);
	add_web(&table, "2", "shop-web-2", "10.0.0.3", 79);
	ok(ask(&table, "_80._tcp.web", &t) == DNS_SERVICE_FOUND && t.count == 2 && t.port == 80 &&
		   t.list[1].ip4 == 0x0a000003 && t.list[0].ip6.b[15] == 7,
	   "each container of the alias that publishes it");
	is_text(dns_name_text(&t.list[0].name, text), "shop-web-1", "by its own name");
	(void)dns_name_parse(STR("_80._tcp.web"), &question.name);
	buf_init(&out, 4096);
	dns_answer_write(&a, &out);
	ok(dns_reply_read(buf_str(&out), &reply) == 0 && dns_get16(out.data + 6) == 2 &&
		   dns_get16(out.data + 10) == 4 && reply.ttl_s == 2,
	   "two records, and their addresses beside them");
	ok(ask(&table, "_HTTP._TCP.Shop-Web-2", &t) == DNS_SERVICE_FOUND && t.count == 1,
	   "by the name of the port, in any letter case");
	ok(ask(&table, "_82._tcp.web", &t) == DNS_SERVICE_FOUND && t.count == 1,
	   "the end of a range");
	ok(ask(&table, "_83._tcp.web", &t) == DNS_SERVICE_NONE, "behind it");
	ok(ask(&table, "_80._udp.web", &t) == DNS_SERVICE_NONE, "the other protocol");
	ok(ask(&table, "_domain._udp.web", &t) == DNS_SERVICE_FOUND && t.port == 53, "UDP");
	ok(ask(&table, "_nobody._tcp.web", &t) == DNS_SERVICE_NONE &&
		   ask(&table, "_80._sctp.web", &t) == DNS_SERVICE_NONE,
	   "no such port, no such protocol");
	ok(ask(&table, "_tcp.web", &t) == DNS_SERVICE_EMPTY, "what is between has nothing");
	ok(ask(&table, "_80._tcp.example.org", &t) == DNS_SERVICE_FOREIGN &&
		   ask(&table, "_80.web", &t) == DNS_SERVICE_FOREIGN &&
		   ask(&table, "80._tcp.web", &t) == DNS_SERVICE_FOREIGN &&
		   ask(&table, "_80._tcp", &t) == DNS_SERVICE_FOREIGN,
	   "other names are none of ours");
}

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
	test_padding();
	test_upstreams();
	test_long_names();
	test_replies();
	test_cache();
	test_names();
	test_table();
	test_services();
	test_full_table();
	return tap_done();
}
