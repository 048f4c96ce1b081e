/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns the types of configuration values: what is accepted, how it is explained, what number it
 * stands for. Each daemon's main role runs it. It must never accept what it could not print again.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include "lib/ini_parts.h"
#include "lib/own.h"

enum { INI_DEFAULTS_MAX = 256, INI_CHOICES_MAX = 32, INI_CHOICE_BYTES_MAX = 32 };

const struct ini_key *ini_key_of(const struct ini_schema *schema, const char *kind, struct str name)
{
	for (size_t i = 0; i < schema->count; i++) {
		const struct ini_key *key = &schema->keys[i];
		struct str pattern = str_from(key->key);

		if (strcmp(key->section, kind) != 0)
			continue;
		if (str_eq(pattern, name))
			return key;
		if (str_ends(pattern, STR(".*")) && name.len > pattern.len - 1 &&
		    str_starts(name, str_head(pattern, pattern.len - 1)))
			return key;
	}
	return NULL;
}

/* ---- numbers ---- */

static bool unbounded(const struct ini_key *key)
{
	return key->min == 0 && key->max == 0;
}

static int64_t upper(const struct ini_key *key)
{
	return unbounded(key) ? INT64_MAX : key->max;
}

static int parse_bool(struct str value, int64_t *ret_number)
{
	static const char *const yes[] = { "yes", "true", "1" }, *const no[] = { "no", "false",
										 "0" };

	for (size_t i = 0; i < ARRAY_LEN(yes); i++) {
		if (str_is(value, yes[i]) || str_is(value, no[i])) {
			*ret_number = str_is(value, yes[i]);
			return 0;
		}
	}
	return -EINVAL;
}

/* "0.5" as thousandths; at most three digits behind the point. */
static int parse_decimal(struct str value, int64_t *ret_number)
{
	ptrdiff_t point = str_find(value, '.');
	struct str whole = point < 0 ? value : str_head(value, (size_t)point);
	struct str part = point < 0 ? STR("0") : str_skip(value, (size_t)point + 1);
	uint64_t units, thousandths;

	if (part.len > 3 || str_to_u64(whole, 0, INT64_MAX / 1000 - 1, &units) < 0 ||
	    str_to_u64(part, 0, 999, &thousandths) < 0)
		return -EINVAL;
	for (size_t i = part.len; i < 3; i++)
		thousandths *= 10;
	*ret_number = (int64_t)(units * 1000 + thousandths);
	return 0;
}

int ini_parse_number(const struct ini_key *key, struct str value, int64_t *ret_number)
{
	uint64_t v = 0;
	int64_t number = 0;
	int r = -EINVAL;

	switch (key->type) {
	case INI_TYPE_UINT:
		r = str_to_u64(value, 0, INT64_MAX, &v);
		number = (int64_t)v;
		break;
	case INI_TYPE_SIZE:
		r = str_to_size(value, INT64_MAX, &v);
		number = (int64_t)v;
		break;
	case INI_TYPE_DURATION:
		r = str_to_duration_ms(value, INT64_MAX, &number);
		break;
	case INI_TYPE_DECIMAL:
		r = parse_decimal(value, &number);
		break;
	case INI_TYPE_BOOL:
		r = parse_bool(value, ret_number);
		return r;
	case INI_TYPE_TEXT:
	case INI_TYPE_NAME:
	case INI_TYPE_ENUM:
	case INI_TYPE_PATH:
	case INI_TYPE_COMMAND:
		return -EINVAL;
	}
	if (r < 0 || number < key->min || number > upper(key))
		return -EINVAL;
	*ret_number = number;
	return 0;
}

/* ---- explaining ---- */

static void print_size(int64_t bytes, char *dst, size_t cap)
{
	static const char *const units[] = { "", "k", "m", "g", "t" };
	size_t unit = 0;

	while (unit + 1 < ARRAY_LEN(units) && bytes > 0 && bytes % 1024 == 0) {
		bytes /= 1024;
		unit++;
	}
	(void)snprintf(dst, cap, "%lld%s", (long long)bytes, units[unit]);
}

static void print_duration(int64_t ms, char *dst, size_t cap)
{
	if (ms % 3600000 == 0 && ms > 0)
		(void)snprintf(dst, cap, "%lldh", (long long)(ms / 3600000));
	else if (ms % 60000 == 0 && ms > 0)
		(void)snprintf(dst, cap, "%lldm", (long long)(ms / 60000));
	else if (ms % 1000 == 0)
		(void)snprintf(dst, cap, "%llds", (long long)(ms / 1000));
	else
		(void)snprintf(dst, cap, "%lldms", (long long)ms);
}

static void print_decimal(int64_t thousandths, char *dst, size_t cap)
{
	size_t len;

	(void)snprintf(dst, cap, "%lld.%03d", (long long)(thousandths / 1000),
		       (int)(thousandths % 1000));
	len = strlen(dst);
	while (len > 0 && dst[len - 1] == '0')
		dst[--len] = '\0';
	if (len > 0 && dst[len - 1] == '.')
		dst[len - 1] = '\0';
}

/* " (4m to 1t)" behind a text, nothing when there are no bounds. */
static void add_range(char expected[INI_EXPECTED_MAX], const struct ini_key *key,
		      void (*print)(int64_t, char *, size_t))
{
	size_t len = strlen(expected);
	char low[24], high[24];

	if (unbounded(key))
		return;
	print(key->min, low, sizeof(low));
	print(key->max, high, sizeof(high));
	(void)snprintf(expected + len, INI_EXPECTED_MAX - len, " (%s to %s)", low, high);
}

static void explain_uint(const struct ini_key *key, char expected[INI_EXPECTED_MAX])
{
	const char *unit = key->unit ? key->unit : "";
	const char *gap = key->unit ? " " : "";

	if (unbounded(key))
		(void)snprintf(expected, INI_EXPECTED_MAX, "expected a number%s%s",
			       key->unit ? " of " : "", unit);
	else
		(void)snprintf(expected, INI_EXPECTED_MAX,
			       "expected a number from %lld to %lld%s%s", (long long)key->min,
			       (long long)key->max, gap, unit);
}

static void explain_length(const struct ini_key *key, const char *what,
			   char expected[INI_EXPECTED_MAX])
{
	if (unbounded(key))
		(void)snprintf(expected, INI_EXPECTED_MAX, "expected %s", what);
	else
		(void)snprintf(expected, INI_EXPECTED_MAX, "expected %s of %lld to %lld bytes",
			       what, (long long)key->min, (long long)key->max);
}

/* "expected no, always or on-failure", and the one that was perhaps meant. */
static void explain_enum(const struct ini_key *key, struct str value,
			 char expected[INI_EXPECTED_MAX])
{
	static char words[INI_CHOICES_MAX][INI_CHOICE_BYTES_MAX];
	const char *names[INI_CHOICES_MAX], *nearest;
	struct str rest = str_from(key->choices), word;
	size_t count = 0, len;

	len = (size_t)snprintf(expected, INI_EXPECTED_MAX, "expected ");
	while (count < INI_CHOICES_MAX && str_cut(&rest, '|', &word)) {
		const char *gap = count == 0 ? "" : rest.ptr ? ", " : " or ";

		if (str_copy(word, words[count], INI_CHOICE_BYTES_MAX) < 0)
			continue;
		names[count] = words[count];
		count++;
		if (len < INI_EXPECTED_MAX)
			len += (size_t)snprintf(expected + len, INI_EXPECTED_MAX - len, "%s%.*s",
						gap, STR_ARG(word));
	}
	nearest = str_nearest(value, names, count);
	if (nearest && len < INI_EXPECTED_MAX)
		(void)snprintf(expected + len, INI_EXPECTED_MAX - len, ": did you mean '%s'?",
			       nearest);
}

static void explain(const struct ini_key *key, struct str value, char expected[INI_EXPECTED_MAX])
{
	switch (key->type) {
	case INI_TYPE_TEXT:
	case INI_TYPE_COMMAND:
		explain_length(key, "text", expected);
		break;
	case INI_TYPE_NAME:
		explain_length(key, "a name (letters, digits, '_', '.', '-')", expected);
		break;
	case INI_TYPE_PATH:
		explain_length(key, "an absolute path", expected);
		break;
	case INI_TYPE_UINT:
		explain_uint(key, expected);
		break;
	case INI_TYPE_BOOL:
		(void)snprintf(expected, INI_EXPECTED_MAX, "expected yes or no");
		break;
	case INI_TYPE_SIZE:
		(void)snprintf(expected, INI_EXPECTED_MAX, "expected a size such as 64m");
		add_range(expected, key, print_size);
		break;
	case INI_TYPE_DURATION:
		(void)snprintf(expected, INI_EXPECTED_MAX, "expected a duration such as 30s");
		add_range(expected, key, print_duration);
		break;
	case INI_TYPE_DECIMAL:
		(void)snprintf(expected, INI_EXPECTED_MAX, "expected a number such as 0.5");
		add_range(expected, key, print_decimal);
		break;
	case INI_TYPE_ENUM:
		explain_enum(key, value, expected);
		break;
	}
}

/* ---- checking ---- */

static bool length_fits(const struct ini_key *key, struct str value)
{
	return unbounded(key) || ((int64_t)value.len >= key->min && (int64_t)value.len <= key->max);
}

static bool is_name(struct str value)
{
	for (size_t i = 0; i < value.len; i++) {
		char c = value.ptr[i];
		bool plain =
			(c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');

		if (!plain && (i == 0 || (c != '_' && c != '.' && c != '-')))
			return false;
	}
	return value.len > 0;
}

static bool is_choice(const struct ini_key *key, struct str value)
{
	struct str rest = str_from(key->choices), word;

	while (str_cut(&rest, '|', &word))
		if (str_eq(word, value))
			return true;
	return false;
}

static bool fits(const struct ini_key *key, struct str value)
{
	int64_t number;

	switch (key->type) {
	case INI_TYPE_TEXT:
	case INI_TYPE_COMMAND:
		return length_fits(key, value);
	case INI_TYPE_NAME:
		return is_name(value) && length_fits(key, value);
	case INI_TYPE_PATH:
		return value.len > 0 && value.ptr[0] == '/' && length_fits(key, value);
	case INI_TYPE_ENUM:
		return is_choice(key, value);
	case INI_TYPE_UINT:
	case INI_TYPE_BOOL:
	case INI_TYPE_SIZE:
	case INI_TYPE_DURATION:
	case INI_TYPE_DECIMAL:
		return ini_parse_number(key, value, &number) == 0;
	}
	return false;
}

int ini_check_value(const struct ini_key *key, struct str value, char expected[INI_EXPECTED_MAX])
{
	struct err err = { 0 };

	if (!fits(key, value)) {
		explain(key, value, expected);
		return -EINVAL;
	}
	if (key->check && key->check(value, &err) < 0) {
		(void)snprintf(expected, INI_EXPECTED_MAX, "%s", err_text(&err));
		return -EINVAL;
	}
	return 0;
}

/* ---- reading back ---- */

const struct ini_section *ini_find(const struct ini_config *config, const char *kind,
				   const char *name)
{
	const struct ini_section *section;

	for (section = config->sections; section; section = section->next)
		if (strcmp(section->kind, kind) == 0 && strcmp(section->name, name) == 0)
			return section;
	return NULL;
}

/* The default as a value. One slot for each key, so that the pointers stay good. */
static const struct ini_value *default_value(const struct ini_key *key)
{
	static struct {
		const struct ini_key *key;
		struct ini_value value;
	} slots[INI_DEFAULTS_MAX];
	static size_t used;
	size_t i;

	for (i = 0; i < used; i++)
		if (slots[i].key == key)
			return &slots[i].value;
	if (used == INI_DEFAULTS_MAX)
		used = 0; /* more keys than any schema of ours has */
	i = used++;
	slots[i].key = key;
	slots[i].value = (struct ini_value){ .text = str_from(key->def), .file = "default" };
	return &slots[i].value;
}

const struct ini_value *ini_get(const struct ini_schema *schema, const struct ini_section *section,
				const char *key)
{
	const struct ini_entry *entry;
	const struct ini_key *row;

	for (entry = section->entries; entry; entry = entry->next)
		if (strcmp(entry->name, key) == 0)
			return entry->values;
	row = ini_key_of(schema, section->kind, str_from(key));
	return row && row->def ? default_value(row) : NULL;
}

const char *ini_text(const struct ini_schema *schema, const struct ini_section *section,
		     const char *key)
{
	const struct ini_value *value = ini_get(schema, section, key);

	return value ? value->text.ptr : "";
}

int64_t ini_number(const struct ini_schema *schema, const struct ini_section *section,
		   const char *key, int64_t unset)
{
	const struct ini_value *value = ini_get(schema, section, key);
	const struct ini_key *row = ini_key_of(schema, section->kind, str_from(key));
	int64_t number;

	if (!value || !row || ini_parse_number(row, value->text, &number) < 0)
		return unset;
	return number;
}
