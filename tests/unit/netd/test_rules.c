/* SPDX-License-Identifier: Apache-2.0 */
/* Which of the operator's rules are in force, and told of, when the kernel refuses some. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include "lib/log.h"
#include "lib/own.h"
#include "netd/main_tell.h"
#include "tests/unit/tap.h"

static const char *unfit; /* the kernel refuses a rule of this name */
static char in_force[64]; /* the first rule that it took, or its policy */

static int kernel(struct netd *netd, struct err *err)
{
	const struct rules *rules = &netd->conf.rules;

	if (rules->count && unfit && !strcmp(rules->list[0].name, unfit))
		return err_set(err, -ENOENT, "rule %s: no such thing", unfit);
	(void)str_copy(str_from(rules->count ? rules->list[0].name
					     : rule_action_names[rules->policies[RULE_INBOUND]]),
		       in_force, sizeof(in_force));
	return 0;
}

/* As main_conf_load() does. */
static int configure(struct netd *netd, const char *name)
{
	struct err err = { 0 };
	int r;

	netd->rules_before = netd->conf.rules;
	rules_default(&netd->conf.rules);
	netd->conf.rules.count = 1;
	netd->conf.rules.list[0] =
		(struct rule){ .way = RULE_INBOUND, .action = RULE_ACCEPT, .protocols = RULE_TCP };
	(void)str_copy(str_from(name), netd->conf.rules.list[0].name,
		       sizeof(netd->conf.rules.list[0].name));
	r = main_rules_load(netd, kernel, &err);
	is_int(r, 0, "%s: the firewall is loaded", name);
	return r;
}

static bool tells(struct netd *netd, const char *word)
{
	OWN(buf_done) struct buf shown = { 0 }, why = { 0 };

	buf_init(&shown, 65536);
	buf_init(&why, 65536);
	main_rules_show(netd, &shown);
	main_rules_why(netd, RULE_INBOUND, 6, 22, false, &why);
	return strstr(buf_text(&shown), word) && strstr(buf_text(&why), word);
}

static void test_boot(struct netd *netd)
{
	unfit = "odd";
	configure(netd, "odd");
	is_text(in_force, "drop", "at boot nothing is let in where the kernel refuses the rules");
	ok(!tells(netd, "odd") && tells(netd, "the kernel refuses") &&
		   tells(netd, "nothing is let in"),
	   "and that is told, not the rule");
	configure(netd, "good");
	is_text(in_force, "good", "mended ones are in force");
	ok(tells(netd, "good") && !tells(netd, "the kernel refuses"), "and told");
}

static void test_reload(struct netd *netd)
{
	OWN(buf_done) struct buf rows = { 0 };

	configure(netd, "odd");
	is_text(in_force, "good", "at reload those from before stay in force");
	ok(tells(netd, "good") && !tells(netd, "odd") && tells(netd, "rules from before"),
	   "and they are the ones that are told of");
	buf_init(&rows, 65536);
	main_rules_rows(netd, &rows);
	ok(memmem(rows.data, rows.len, "kept", 4) && !memmem(rows.data, rows.len, "odd", 3),
	   "in rows too");
	configure(netd, "odd");
	is_text(in_force, "good", "also at the second reload");
	unfit = NULL;
	configure(netd, "odd");
	ok(tells(netd, "odd") && !tells(netd, "before"), "until the kernel takes them");
}

int main(void)
{
	struct netd *netd = calloc(1, sizeof(*netd));

	log_init("test", LOG_PRIO_ERR);
	netd->nft.nl.fd = -1; /* nobody counts */
	rules_default(&netd->conf.rules);
	test_boot(netd);
	test_reload(netd);
	free(netd);
	return tap_done();
}
