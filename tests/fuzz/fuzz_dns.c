/* SPDX-License-Identifier: Apache-2.0 */
/* DNS messages as question and as reply; what was read is written and read again. */
#include <string.h>
#include "lib/own.h"
#include "netd/dns/dns_cache.h"
#include "netd/dns/dns_service.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void answer(const struct dns_query *query)
{
	const uint32_t addresses[2] = { 1, 2 };
	const struct ip6 six[1] = { { { 0xfd } } };
	const struct dns_answer a = { .id = query->id,
				      .flags = query->flags,
				      .edns = query->edns,
				      .question = &query->question,
				      .addresses = addresses,
				      .address_count = 2,
				      .addresses6 = six,
				      .address6_count = 1,
				      .ttl_s = 5 };
	OWN(buf_done) struct buf out = { 0 };
	char text[DNS_NAME_TEXT_MAX];
	struct dns_reply reply;
	struct dns_name again;

	buf_init(&out, DNS_UDP_MAX);
	dns_answer_write(&a, &out);
	if (dns_reply_read(buf_str(&out), &reply) < 0 ||
	    !dns_name_equal(&reply.question.name, &query->question.name) || reply.ttl_s != 5)
		__builtin_trap();
	dns_name_text(&query->question.name, text);
	(void)dns_name_parse(str_from(text), &again);
}

/* A container of the name that is asked for, or of its end, publishes two ports. */
static void service(const struct dns_query *query)
{
	char text[DNS_NAME_TEXT_MAX];
	const char *name = dns_name_text(&query->question.name, text);
	struct netd_attach_network network = { .name = STR("n"), .ip4 = STR("10.0.0.2") };
	struct netd_port ports[2] = { { 6, 0, 1, 80, 2, 0, { 0 } }, { 17, 0, 1, 53, 1, 0, { 0 } } };
	struct netd_attach attach = { STR("1"), { 0 }, 0, &network, 1, ports, 2 };
	OWN(dns_table_done) struct dns_table table = { 0 };
	OWN(buf_done) struct buf out = { 0 };
	struct dns_targets targets;
	struct dns_answer a = { .question = &query->question, .targets = &targets };
	struct dns_reply reply;

	for (int i = 0; i < 2 && strchr(name, '.'); i++)
		name = strchr(name, '.') + 1;
	attach.name = str_head(str_from(name), NETD_NAME_MAX);
	if (dns_table_init(&table) < 0 || dns_table_set(&table, &attach) < 0)
		return;
	if (dns_service_find(&table, 0, &query->question.name, &targets) != DNS_SERVICE_FOUND)
		return;
	buf_init(&out, DNS_UDP_MAX);
	dns_answer_write(&a, &out);
	if (!targets.count || !targets.port || dns_reply_read(buf_str(&out), &reply) < 0)
		__builtin_trap();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct str message = str_make(data, size);
	OWN(dns_cache_done) struct dns_cache cache = { 0 };
	OWN(buf_done) struct buf out = { 0 };
	struct dns_query query;
	struct dns_reply reply;
	struct ip6 ip6;
	uint32_t ip4;

	if (dns_query_read(message, &query) == 0) {
		answer(&query);
		service(&query);
		(void)dns_name_reverse(&query.question.name, &ip4);
		(void)dns_name_reverse6(&query.question.name, &ip6);
		dns_name_mix_case(&query.question.name, data, size);
	}
	if (dns_reply_read(message, &reply) < 0 || dns_cache_init(&cache, 1) < 0)
		return 0;
	buf_init(&out, DNS_UDP_MAX);
	dns_cache_put(&cache, (struct mono){ 0 }, &reply, message);
	(void)dns_cache_get(&cache, (struct mono){ 500000000 }, &reply.question, &out);
	return 0;
}
