/* SPDX-License-Identifier: Apache-2.0 */
/*
 * env_file of services.ini, as a question to who reads env files and as its answer. Runs in engine
 * main, which does not look into the files. Must never let a file that cannot be taken go unsaid.
 */
#include "engine/service/env_file.h"

#include <errno.h>
#include <string.h>
#include "engine/api/compose_msg.h"

#define ENVIRONMENT "environment"

void env_file_ask(const struct ini_value *value, struct buf *text)
{
	(void)buf_add_text(text, "services:\n  s:\n    env_file:\n");
	for (; value; value = value->next) {
		(void)buf_add_text(text, "    - \"");
		for (size_t i = 0; i < value->text.len; i++)
			(void)buf_printf(text, "%s%c", value->text.ptr[i] == '$' ? "$" : "",
					 value->text.ptr[i]);
		(void)buf_add_text(text, "\"\n");
	}
}

static const struct ini_key *environment_key(void)
{
	const struct ini_key *key = service_schema.keys;

	while (strcmp(key->section, "service") != 0 || strcmp(key->key, ENVIRONMENT) != 0)
		key++;
	return key;
}

/* The section's entry for environment, empty where there was none. */
static struct ini_entry *environment_of(struct ini_config *config, struct ini_section *section)
{
	struct ini_entry **end = &section->entries;

	while (*end && strcmp((*end)->name, ENVIRONMENT) != 0)
		end = &(*end)->next;
	if (!*end)
		*end = arena_alloc(&config->arena, sizeof(**end));
	if (*end && !(*end)->name)
		**end = (struct ini_entry){ .key = environment_key(), .name = ENVIRONMENT };
	return *end;
}

/* "environment = A=b" of each line, placed where the key env_file stands. */
static int put_values(struct ini_config *config, struct ini_section *section,
		      const struct ini_value *at, struct str ini, struct err *err)
{
	static const char front[] = ENVIRONMENT " = ";
	struct ini_value *first = NULL, **last = &first;
	struct ini_entry *entry;
	struct str line;

	while (str_cut(&ini, '\n', &line)) {
		struct ini_value *one;
		const char *text;

		if (!str_starts(line, str_from(front)))
			continue;
		one = arena_alloc(&config->arena, sizeof(*one));
		text = arena_text(&config->arena, str_skip(line, sizeof(front) - 1));
		if (!one || !text)
			return err_set(err, -ENOMEM, "no memory for an environment");
		*one = *at;
		one->text = str_from(text);
		one->next = NULL;
		*last = one;
		last = &one->next;
	}
	if (!first)
		return 0;
	entry = environment_of(config, section);
	if (!entry)
		return err_set(err, -ENOMEM, "no memory for an environment");
	*last = entry->values;
	entry->values = first;
	return 0;
}

int env_file_take(struct ini_config *config, struct ini_section *section, struct str answer,
		  struct err *err)
{
	static const char refused[] = "not taken: ";
	const struct ini_value *at = ini_get(&service_schema, section, "env_file");
	struct compose_answer said;
	struct str line;
	int r = compose_answer_decode(answer, &said, err);

	while (r >= 0 && str_cut(&said.notes, '\n', &line)) {
		const char *found =
			line.len ? memmem(line.ptr, line.len, refused, strlen(refused)) : NULL;

		if (!line.len || str_starts(line, STR(COMPOSE_ADVICE)))
			continue;
		if (found)
			line = str_skip(line, (size_t)(found - line.ptr) + strlen(refused));
		ini_complain(config, section, at, "env_file: %.*s (this service is not started)",
			     STR_ARG(line));
	}
	return r < 0 ? r : put_values(config, section, at, said.ini, err);
}
