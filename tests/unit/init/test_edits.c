/* SPDX-License-Identifier: Apache-2.0 */
/*
 * 10,000 edits made out of the schema tables, as `config set` carries them out: each key is hit, at
 * least half of the values are right, and each edit either counts or is refused with file and line,
 * without touching any other section.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "engine/service/spec.h"
#include "init/boot_config.h"
#include "init/conf_text.h"
#include "lib/ini.h"
#include "lib/own.h"
#include "netd/conf.h"
#include "tests/unit/tap.h"

enum { EDITS = 10000, FRESH = 40, KEYS_MAX = 400 };

static const struct ini_schema *const schemas[] = { &boot_config_schema, &service_schema,
						    &engine_schema, &conf_schema };

static uint64_t seed = 20261121;

static uint32_t any(uint32_t below)
{
	seed = seed * UINT64_C(6364136223846793005) + 1442695040888963407;
	return (uint32_t)(seed >> 33) % below;
}

static int64_t number_in(const struct ini_key *key)
{
	return key->max > key->min
		       ? key->min + (int64_t)any((uint32_t)(key->max - key->min < 1000
								    ? key->max - key->min
								    : 1000))
		       : key->min + 1;
}

/* One that the type takes; its own check may still refuse it. */
static void likely(const struct ini_key *key, char *dst, size_t cap)
{
	static const char *const checked[][2] = {
		{ "password_hash", "$2b$10$abcdefghijklmnopqrstuvabcdefghijklmnopqrstuvabcdefghi" },
		{ "timezone", "CET-1CEST,M3.5.0,M10.5.0/3" },
		{ "ports", "8080:80" },
		{ "volumes", "data:/srv" },
		{ "environment", "A=1" },
		{ "depends_on", "db:healthy" },
		{ "restart", "on-failure:3" },
		{ "build", "/config/hello" },
		{ "wait_for", "network" },
		{ "healthcheck.test", "http://localhost:80/" },
	};

	for (size_t i = 0; i < ARRAY_LEN(checked); i++) {
		if (!strcmp(key->key, checked[i][0])) {
			(void)snprintf(dst, cap, "%s", checked[i][1]);
			return;
		}
	}
	switch (key->type) {
	case INI_TYPE_UINT:
	case INI_TYPE_SIZE:
		(void)snprintf(dst, cap, "%lld", (long long)number_in(key));
		return;
	case INI_TYPE_DURATION:
		(void)snprintf(dst, cap, "%lldms", (long long)number_in(key));
		return;
	case INI_TYPE_DECIMAL:
		(void)snprintf(dst, cap, "1.5");
		return;
	case INI_TYPE_BOOL:
		(void)snprintf(dst, cap, "%s", any(2) ? "yes" : "no");
		return;
	case INI_TYPE_ENUM:
		(void)snprintf(dst, cap, "%.*s", (int)strcspn(key->choices, "|"), key->choices);
		return;
	case INI_TYPE_PATH:
		(void)snprintf(dst, cap, "/config/%u", any(100));
		return;
	case INI_TYPE_COMMAND:
		(void)snprintf(dst, cap, "[\"sh\", \"-c\", \"exit %u\"]", any(9));
		return;
	case INI_TYPE_TEXT:
	case INI_TYPE_NAME:
		(void)snprintf(dst, cap, "name%u", any(100));
		return;
	}
}

static void wild(char *dst, size_t cap)
{
	static const char letters[] = "[]={}\"'\\;# \t/:.-_09azAZ\x7f\xff";
	size_t len = any((uint32_t)cap - 1);

	for (size_t i = 0; i < len; i++)
		dst[i] = letters[any(sizeof(letters) - 1)];
	dst[len] = 0;
}

/* The number of issues, each of which must say where it is. -1 = one does not. */
static int issues(const struct ini_schema *schema, struct str text)
{
	struct ini_config config OWN(ini_done);

	ini_init(&config);
	if (ini_add_text(&config, schema, 0, "data:revision.ini", text, NULL) < 0)
		return -1;
	for (const struct ini_issue *i = config.issues; i; i = i->next) {
		const char *line = strstr(i->text, "data:revision.ini:");

		if (!line || strspn(line + 18, "0123456789") == 0)
			return -1;
	}
	return (int)config.issue_count;
}

struct counts {
	unsigned valid, refused, broken, lost;
	bool hit[KEYS_MAX];
	unsigned keys;
};

static void edit(const struct ini_schema *schema, const struct ini_key *key, struct buf *text,
		 struct counts *counts)
{
	struct buf next OWN(buf_done) = { 0 };
	char section[80], name[80], value[200];
	struct str values[1];
	int r, found;

	(void)snprintf(section, sizeof(section), "%s%s", key->section,
		       !strcmp(key->section, "hoy") || !strcmp(key->section, "auth") ||
				       !strcmp(key->section, "engine")
			       ? ""
			       : " mine");
	(void)snprintf(name, sizeof(name), "%.*s%s", (int)strcspn(key->key, "*"), key->key,
		       strchr(key->key, '*') ? "x" : "");
	if (any(4))
		likely(key, value, sizeof(value));
	else
		wild(value, sizeof(value));
	values[0] = str_from(value);
	buf_init(&next, CONF_TEXT_MAX);
	r = conf_text_set(buf_str(text), str_from(section), str_from(name), values, 1, &next, NULL);
	found = r < 0 ? 0 : issues(schema, buf_str(&next));
	counts->broken += found < 0;
	counts->lost += r >= 0 && !str_starts(buf_str(&next), STR("# kept\n"));
	if (r < 0 || found) { /* refused: what counted before goes on */
		counts->refused++;
		return;
	}
	counts->valid++;
	buf_clear(text);
	(void)buf_add_str(text, buf_str(&next));
}

int main(void)
{
	static struct counts counts;
	static struct buf texts[ARRAY_LEN(schemas)];

	for (size_t s = 0; s < ARRAY_LEN(schemas); s++) {
		counts.keys += (unsigned)schemas[s]->count;
		buf_init(&texts[s], CONF_TEXT_MAX);
	}
	for (unsigned i = 0; i < EDITS; i++) {
		unsigned at = i < counts.keys ? i : any(counts.keys), k = at;
		size_t s = 0;

		while (k >= schemas[s]->count)
			k -= (unsigned)schemas[s++]->count;
		if (i % FRESH == 0 || !texts[s].len) {
			buf_clear(&texts[s]);
			(void)buf_add_text(&texts[s], "# kept\n");
		}
		edit(schemas[s], &schemas[s]->keys[k], &texts[s], &counts);
		counts.hit[at] = true;
	}
	for (unsigned k = 0; k < counts.keys; k++)
		counts.lost += !counts.hit[k];
	note("%u keys, %u edits count, %u are refused", counts.keys, counts.valid, counts.refused);
	ok(counts.keys <= KEYS_MAX && counts.valid >= EDITS / 2,
	   "at least half of 10,000 edits count");
	is_int(counts.broken, 0, "each other one is refused with file and line");
	is_int(counts.lost, 0, "every key of every schema is hit, and what stood there stays");
	for (size_t s = 0; s < ARRAY_LEN(schemas); s++)
		buf_done(&texts[s]);
	return tap_done();
}
