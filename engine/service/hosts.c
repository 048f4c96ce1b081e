/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How a reference's registry is reached, out of engine.ini: mirrors, logins, authorities, proxies.
 * Runs in engine main; it hands texts on and must never read what is in them.
 */
#include <errno.h>
#include <string.h>
#include "engine/oci/reference.h"
#include "engine/service/manager.h"
#include "lib/fs.h"
#include "lib/log.h"
#include "lib/own.h"

/* The file's text; why it cannot be read in *ret_missing, else "". */
static const char *read_file(struct arena *arena, const char *path, size_t max,
			     const char **ret_missing)
{
	struct buf text OWN(buf_done) = { 0 };
	struct err err = { 0 };
	const char *copy;

	*ret_missing = "";
	if (!*path)
		return "";
	buf_init(&text, max);
	if (fs_read(-1, path, FS_HOST, max, &text, &err) < 0) {
		copy = arena_text(arena, str_from(err_text(&err)));
		*ret_missing = copy ? copy : "it cannot be read";
		return "";
	}
	copy = arena_text(arena, buf_str(&text));
	return copy ? copy : "";
}

/* A file without which the pull must not go on: a text in which nothing can be read stands for it.
 */
static const char *need_file(struct arena *arena, const struct ini_section *section,
			     const char *key)
{
	const char *missing, *text = read_file(arena, ini_text(&engine_schema, section, key),
					       PULL_PEM_MAX, &missing);

	if (!*missing)
		return text;
	log_warn("[registry %s] %s: %s", section->name, key, missing);
	return "unreadable";
}

static void add_host(const struct manager *manager, const char *name, struct arena *arena,
		     struct pull_start *start)
{
	const struct ini_section *section = ini_find(&manager->engine_config, "registry", name);
	struct pull_host *host = &start->hosts[start->host_count];

	if (start->host_count == PULL_HOSTS_MAX)
		return;
	pull_host_init(host, name);
	start->host_count++;
	if (!section || section->bad)
		return;
	host->insecure = ini_number(&engine_schema, section, "insecure", 0) != 0;
	host->ca_pem = read_file(arena, ini_text(&engine_schema, section, "ca_file"), PULL_CA_MAX,
				 &host->ca_missing);
	host->user = ini_text(&engine_schema, section, "username");
	host->password = ini_text(&engine_schema, section, "password");
	host->token = ini_text(&engine_schema, section, "identity_token");
	host->client_cert = need_file(arena, section, "client_cert");
	host->client_key = need_file(arena, section, "client_key");
}

/* Mirrors in their order; the registry itself keeps the last place. */
static void add_mirrors(const struct manager *manager, const char *domain, struct arena *arena,
			struct pull_start *start)
{
	const struct ini_section *section = ini_find(&manager->engine_config, "registry", domain);
	const struct ini_value *mirror;

	if (!section || section->bad)
		return;
	for (mirror = ini_get(&engine_schema, section, "mirror"); mirror; mirror = mirror->next) {
		const char *name = arena_text(arena, mirror->text);

		if (name && start->host_count + 1 < PULL_HOSTS_MAX)
			add_host(manager, name, arena, start);
	}
}

static void add_engine(const struct manager *manager, struct arena *arena, struct pull_start *start)
{
	const struct ini_section *engine = ini_find(&manager->engine_config, "engine", "");
	const char *missing;

	if (!engine || engine->bad)
		return;
	start->proxy.http = ini_text(&engine_schema, engine, "http_proxy");
	start->proxy.https = ini_text(&engine_schema, engine, "https_proxy");
	start->proxy.none = ini_text(&engine_schema, engine, "no_proxy");
	start->docker_config = read_file(arena, ini_text(&engine_schema, engine, "docker_config"),
					 PULL_DOCKER_CONFIG_MAX, &missing);
	if (*missing)
		log_warn("[engine] docker_config: %s", missing);
}

/* Keys of all files, one behind another. */
static void read_keys(const struct ini_section *section, struct arena *arena,
		      struct pull_signature *signature)
{
	const struct ini_value *file = ini_get(&engine_schema, section, "signature_key");

	for (; file; file = file->next) {
		const char *path = arena_text(arena, file->text), *missing, *text;

		text = read_file(arena, path ? path : "", PULL_PEM_MAX, &missing);
		if (*missing)
			signature->keys_missing = missing;
		text = arena_printf(arena, "%s%s\n", signature->keys, text);
		if (text)
			signature->keys = text;
	}
}

/* The repository's own section decides, else its registry's; one that is bad lets nothing in. */
static void add_signature(const struct manager *manager, const struct oci_reference *ref,
			  struct arena *arena, struct pull_signature *signature)
{
	const struct ini_section *section = NULL;
	const char *policy, *name = arena_printf(arena, "%s/%s", ref->domain, ref->path);

	*signature = (struct pull_signature){ PULL_SIGNATURE_OFF, "", "" };
	if (name)
		section = ini_find(&manager->engine_config, "repository", name);
	if (!section)
		section = ini_find(&manager->engine_config, "registry", ref->domain);
	if (!section)
		return;
	policy = section->bad ? "require" : ini_text(&engine_schema, section, "signature");
	if (strcmp(policy, "require") == 0)
		signature->policy = PULL_SIGNATURE_REQUIRE;
	else if (strcmp(policy, "warn") == 0)
		signature->policy = PULL_SIGNATURE_WARN;
	if (section->bad)
		signature->keys_missing = "the registry's section in engine.ini has mistakes";
	else
		read_keys(section, arena, signature);
}

void manager_pull_hosts(struct manager *manager, const char *reference, struct arena *arena,
			struct pull_start *start)
{
	struct oci_reference ref;
	const char *domain;

	*start = (struct pull_start){ .reference = reference,
				      .os = "linux",
				      .architecture = image_take_architecture(),
				      .variant = "" };
	start->proxy = (struct pull_proxy){ "", "", "" };
	start->docker_config = "";
	start->signature = (struct pull_signature){ PULL_SIGNATURE_OFF, "", "" };
	add_engine(manager, arena, start);
	if (oci_reference_parse(str_from(reference), &ref, NULL) < 0)
		return;
	domain = arena_text(arena, str_from(ref.domain));
	if (!domain)
		return;
	add_signature(manager, &ref, arena, &start->signature);
	add_mirrors(manager, domain, arena, start);
	add_host(manager, domain, arena, start);
}

void manager_hosts(void *owner, const char *reference, struct arena *arena,
		   struct pull_start *start)
{
	manager_pull_hosts(owner, reference, arena, start);
}
