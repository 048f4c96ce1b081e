/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns the reading of the kernel command line. Run by PID 1 (selectors, log level) and by the disk
 * role (the layer). Pure; must never fail a boot because of what stands in the text.
 */
#include "init/boot_cmdline.h"
#include "lib/log.h"
#include "lib/own.h"

enum { WORD_MAX = 2048 };

static bool is_blank(char c)
{
	return c == ' ' || c == '\t' || c == '\n' || c == '\r' || c == '\0';
}

bool boot_cmdline_word(struct str *rest, char *dst, size_t cap)
{
	for (;;) {
		size_t n = 0, i = 0;
		bool quoted = false;

		while (rest->len > 0 && is_blank(rest->ptr[0]))
			*rest = str_skip(*rest, 1);
		if (rest->len == 0)
			return false;
		for (; i < rest->len && (quoted || !is_blank(rest->ptr[i])); i++) {
			if (rest->ptr[i] == '"')
				quoted = !quoted;
			else if (n < cap)
				dst[n++] = rest->ptr[i];
		}
		*rest = str_skip(*rest, i);
		if (n == cap)
			continue; /* too long for us: not ours */
		dst[n] = '\0';
		return true;
	}
}

/* "hoy.x=y" -> x and y; false when the word is not ours. */
static bool setting(struct str word, struct str *ret_key, struct str *ret_value)
{
	ptrdiff_t equal = str_find(word, '=');

	if (equal < 0 || !str_starts(word, STR("hoy.")))
		return false;
	*ret_key = str_skip(str_head(word, (size_t)equal), 4);
	*ret_value = str_skip(word, (size_t)equal + 1);
	return ret_key->len > 0;
}

static uint8_t level(struct str value, uint8_t otherwise)
{
	static const struct {
		const char *name;
		enum log_prio prio;
	} levels[] = {
		{ "err", LOG_PRIO_ERR },       { "warn", LOG_PRIO_WARN },
		{ "notice", LOG_PRIO_NOTICE }, { "info", LOG_PRIO_INFO },
		{ "debug", LOG_PRIO_DEBUG },
	};

	for (size_t i = 0; i < ARRAY_LEN(levels); i++)
		if (str_is(value, levels[i].name))
			return (uint8_t)levels[i].prio;
	return otherwise;
}

void boot_cmdline_parse(struct str text, struct boot_cmdline *ret_cmdline)
{
	char word[WORD_MAX];
	struct str key, value;

	*ret_cmdline = (struct boot_cmdline){ .log_prio = LOG_PRIO_INFO };
	while (boot_cmdline_word(&text, word, sizeof(word))) {
		if (!setting(str_from(word), &key, &value))
			continue;
		if (str_is(key, "data") && value.len < BOOT_SELECTOR_MAX)
			str_copy(value, ret_cmdline->data, sizeof(ret_cmdline->data));
		else if (str_is(key, "config") && value.len < BOOT_SELECTOR_MAX)
			str_copy(value, ret_cmdline->config, sizeof(ret_cmdline->config));
		else if (str_is(key, "failsafe"))
			ret_cmdline->failsafe = str_is(value, "yes");
		else if (str_is(key, "log")) {
			ret_cmdline->log_prio = level(value, ret_cmdline->log_prio);
			ret_cmdline->log_given = true;
		}
	}
}

int boot_cmdline_layer(struct str text, struct boot_layer *out)
{
	char word[WORD_MAX];
	struct str key, value;

	while (boot_cmdline_word(&text, word, sizeof(word))) {
		if (!setting(str_from(word), &key, &value))
			continue;
		if (str_is(key, "data") || str_is(key, "config") || str_is(key, "log") ||
		    str_is(key, "failsafe"))
			continue;
		boot_layer_set(key, value, out);
	}
	return boot_layer_error(out);
}
