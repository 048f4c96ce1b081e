/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Mirrors and the registry itself. Runs in the pull role. It must never use one place's login or
 * authority for another.
 */
#include "engine/registry/place.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include "engine/registry/dockercfg.h"
#include "lib/own.h"

void places_init(struct places *places, const struct pull_start *start,
		 const struct oci_reference *reference, struct str system_ca, struct arena *arena)
{
	*places = (struct places){ .repository = reference->path,
				   .system_ca = system_ca,
				   .start = start,
				   .arena = arena };
	pull_host_init(&places->own, reference->domain);
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

/* What engine.ini says of a host is more than what config.json says. */
static void add_login(struct places *places, struct place *place)
{
	const struct pull_host *host = place->host;
	struct dockercfg_login login;
	struct err err = { 0 };
	int r;

	if (host->user[0] || host->password[0] || host->token[0] ||
	    !places->start->docker_config[0])
		return;
	r = dockercfg_find(str_from(places->start->docker_config), host->host, places->arena,
			   &login, &err);
	if (r < 0)
		snprintf(place->login_missing, sizeof(place->login_missing), " (docker_config: %s)",
			 err_text(&err));
	if (r != 1)
		return;
	place->with_login = *host;
	place->with_login.user = login.user;
	place->with_login.password = login.password;
	place->with_login.token = login.token;
	place->host = &place->with_login;
}

static int make_session(struct places *places, struct place *place, struct err *err)
{
	const struct pull_host *host = place->host;
	const struct tls_texts texts = {
		.system = host->insecure ? STR("") : places->system_ca,
		.ca = str_from(host->ca_pem),
		.identity = str_from(host->client_cert),
		.key = str_from(host->client_key),
	};
	int r = tls_trust_new(&texts, &place->trust, err);

	if (r == 0)
		r = session_init(&place->session, host, places->repository, place->trust,
				 &places->start->proxy, err);
	return r;
}

int place_open(struct places *places, uint32_t at, struct session **ret_session, struct err *err)
{
	struct place *place = &places->items[at];
	int r = 0;

	if (!place->ready) {
		add_login(places, place);
		r = make_session(places, place, err);
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

	err_set(&whole, code, "registry %s: %s%s%s%s%s%s%s%s", host->host, text,
		key ? " in [registry " : "", key ? host->host : "", key ? "]" : "",
		code == -EACCES ? places->items[at].login_missing : "",
		code == -EKEYREJECTED && host->ca_missing[0] ? " (" : "",
		code == -EKEYREJECTED ? host->ca_missing : "",
		code == -EKEYREJECTED && host->ca_missing[0] ? ")" : "");
	if (err)
		*err = whole;
	return code;
}
