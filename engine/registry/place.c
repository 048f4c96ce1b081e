/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Mirrors and the registry itself. Runs in the pull role. It must never use one place's login or
 * authority for another.
 */
#include "engine/registry/place.h"

#include <errno.h>
#include <string.h>
#include "lib/own.h"

void places_init(struct places *places, const struct pull_start *start, const char *domain,
		 const char *repository, struct str system_ca)
{
	*places = (struct places){ .repository = repository, .system_ca = system_ca };
	pull_host_init(&places->own, domain);
	places->count = start->host_count;
	for (uint32_t i = 0; i < start->host_count; i++)
		places->items[i].host = &start->hosts[i];
	if (places->count == 0)
		places->items[places->count++].host = &places->own;
}

void places_done(struct places *places)
{
	for (uint32_t i = 0; i < places->count; i++) {
		session_done(&places->items[i].session);
		tls_trust_free(places->items[i].trust);
	}
	places->count = 0;
}

int place_open(struct places *places, uint32_t at, struct session **ret_session, struct err *err)
{
	struct place *place = &places->items[at];
	int r = 0;

	if (!place->ready) {
		r = tls_trust_new(place->host->insecure ? STR("") : places->system_ca,
				  str_from(place->host->ca_pem), &place->trust, err);
		if (r == 0)
			r = session_init(&place->session, place->host, places->repository,
					 place->trust, err);
		place->ready = r == 0;
	}
	if (r < 0) {
		session_done(&place->session);
		tls_trust_free(take_ptr(&place->trust));
		return r;
	}
	*ret_session = &place->session;
	return 0;
}

int place_explain(const struct places *places, uint32_t at, int code, struct err *err)
{
	const struct pull_host *host = places->items[at].host;
	const char *text = err_text(err);
	bool key = text[0] && text[strlen(text) - 1] == '=';
	struct err whole = { 0 };

	err_set(&whole, code, "registry %s: %s%s%s%s%s%s%s", host->host, text,
		key ? " in [registry " : "", key ? host->host : "", key ? "]" : "",
		code == -EKEYREJECTED && host->ca_missing[0] ? " (" : "",
		code == -EKEYREJECTED ? host->ca_missing : "",
		code == -EKEYREJECTED && host->ca_missing[0] ? ")" : "");
	if (err)
		*err = whole;
	return code;
}
