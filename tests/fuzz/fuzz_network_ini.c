/* SPDX-License-Identifier: Apache-2.0 */
/*
 * network.ini from any bytes to records, and the operator's rules on to the messages for the
 * kernel. What is refused lets nothing in; what is taken fits the bounds that the header names.
 */
#include <stdlib.h>
#include "lib/own.h"
#include "netd/conf.h"
#include "netd/nl/nft.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool good)
{
	if (!good)
		abort();
}

static void check_rules(const struct rules *rules)
{
	OWN(buf_done) struct buf out = { 0 };
	size_t entries = 0, rows = 0;
	struct rule_entry entry;
	struct str rest;
	struct nl_message message;

	bool logged = false;

	for (size_t i = 0; i < rules->count; i++) {
		const struct rule *rule = &rules->list[i];

		/* Objects for what met it and for a limit; a chain of two or three rows, and one
		 * object, for logs. */
		logged |= rule->log;
		entries += rule->limit.count ? 2 : 1;
		if (rule->log)
			entries +=
				rule->action == RULE_REJECT && (rule->protocols & RULE_TCP) ? 4 : 3;
	}
	require(rules->count <= RULES_MAX);
	for (size_t i = 0; i < rules->count; i++)
		for (size_t k = 0; k < rule_combinations(&rules->list[i]); k++)
			entries += rule_entry(&rules->list[i], k, &entry);
	require(entries <= RULE_ENTRIES_MAX + 6 * RULES_MAX);
	buf_init(&out, NL_BATCH_MAX);
	nft_encode_rules(rules, &out);
	require(buf_error(&out) == 0);
	rest = buf_str(&out);
	while (nl_message_next(&rest, &message))
		rows++;
	require(rest.len == 0 && rows == entries + 2 * RULE_WAYS + logged);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct conf conf;
	OWN(ini_done) struct ini_config ini;

	if (size > 16384)
		return 0;
	ini_init(&ini);
	if (ini_add_text(&ini, &conf_schema, 0, "fuzz:network.ini", str_make(data, size), NULL) < 0)
		return 0;
	conf_from_ini(&ini, &conf);
	require(conf.uplink_count <= CONF_UPLINKS_MAX && conf.bridge_count <= CONF_BRIDGES_MAX &&
		conf.netdev_count <= CONF_NETDEVS_MAX && conf.rules.count <= RULES_MAX);
	if (conf.rules.refused)
		require(ini.issue_count && conf.rules.count == 0 &&
			conf.rules.policies[RULE_INBOUND] != RULE_ACCEPT);
	check_rules(&conf.rules);
	return 0;
}
