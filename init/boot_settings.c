/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns the way from hoy.ini to what init does with it. Runs in init's disk role. Must never let a
 * mistake beside the password open the console.
 */
#include <stdio.h>
#include <string.h>
#include "init/boot_config.h"
#include "lib/log.h"
#include "lib/own.h"

static void take_text(const struct ini_config *ini, const char *section, const char *key, char *dst,
		      size_t cap)
{
	const struct ini_section none = { .kind = section, .name = "" };
	const struct ini_section *found = ini_find(ini, section, "");
	const char *text;

	/*
	 * A section with a mistake counts as absent, and the issue says so. But for the password: a
	 * typing error beside a good hash must not open the console.
	 */
	if (found == NULL || (found->bad && strcmp(section, "auth") != 0))
		found = &none;
	text = ini_text(&boot_config_schema, found, key);
	if (str_copy(str_from(text), dst, cap) < 0)
		dst[0] = '\0';
}

static int64_t take_number(const struct ini_config *ini, const char *section, const char *key)
{
	const struct ini_section none = { .kind = section, .name = "" };
	const struct ini_section *found = ini_find(ini, section, "");

	return ini_number(&boot_config_schema, found && !found->bad ? found : &none, key, 0);
}

/* 0 for another word. */
static uint8_t take_level(const char *word)
{
	static const char *const levels[] = { "err", "warn", "notice", "info", "debug" };

	for (size_t i = 0; i < ARRAY_LEN(levels); i++)
		if (strcmp(word, levels[i]) == 0)
			return (uint8_t)(LOG_PRIO_ERR + i);
	return 0;
}

/* The standard ports: RFC 6587 names 514 by custom, RFC 5425 section 4.1 gives 6514. */
enum { SYSLOG_PORT = 514, SYSLOG_TLS_PORT = 6514 };

static void take_ship(const struct ini_config *ini, struct ship_wish *ret_ship)
{
	char word[64];

	take_text(ini, "log", "server", ret_ship->host, sizeof(ret_ship->host));
	take_text(ini, "log", "tls", word, sizeof(word));
	ret_ship->tls = strcmp(word, "yes") == 0 || strcmp(word, "true") == 0 || word[0] == '1';
	ret_ship->port = (uint16_t)take_number(ini, "log", "port");
	if (ret_ship->port == 0)
		ret_ship->port = ret_ship->tls ? SYSLOG_TLS_PORT : SYSLOG_PORT;
	take_text(ini, "log", "ca_file", ret_ship->ca_file, sizeof(ret_ship->ca_file));
	take_text(ini, "log", "cert_file", ret_ship->cert_file, sizeof(ret_ship->cert_file));
	take_text(ini, "log", "key_file", ret_ship->key_file, sizeof(ret_ship->key_file));
	take_text(ini, "log", "facility", word, sizeof(word));
	(void)ship_facility(str_from(word), &ret_ship->facility);
	take_text(ini, "log", "level", word, sizeof(word));
	ret_ship->prio_max = take_level(word);
	ret_ship->queue_bytes = (uint64_t)take_number(ini, "log", "queue_size");
	take_text(ini, "log", "send", word, sizeof(word));
	(void)ship_send(str_from(word), &ret_ship->send);
}

static void take_send(const struct ini_config *ini, struct send_wish *ret_send)
{
	char word[8];

	take_text(ini, "support", "server", ret_send->host, sizeof(ret_send->host));
	ret_send->port = (uint16_t)take_number(ini, "support", "port");
	take_text(ini, "support", "path", ret_send->path, sizeof(ret_send->path));
	take_text(ini, "support", "method", word, sizeof(word));
	ret_send->post = strcmp(word, "post") == 0;
	take_text(ini, "support", "ca_file", ret_send->ca_file, sizeof(ret_send->ca_file));
	take_text(ini, "support", "cert_file", ret_send->cert_file, sizeof(ret_send->cert_file));
	take_text(ini, "support", "key_file", ret_send->key_file, sizeof(ret_send->key_file));
	take_text(ini, "support", "proxy", ret_send->proxy, sizeof(ret_send->proxy));
	ret_send->proxy_port = (uint16_t)take_number(ini, "support", "proxy_port");
	take_text(ini, "support", "token", ret_send->token, sizeof(ret_send->token));
}

int boot_config_read(struct boot_settings *ret_settings, struct err *err)
{
	struct boot_settings settings = { 0 };
	struct ini_config ini;
	char word[16];
	int r;

	ini_init(&ini);
	r = boot_config_load(&ini, err);
	if (r == 0) {
		take_text(&ini, "hoy", "hostname", settings.hostname, sizeof(settings.hostname));
		take_text(&ini, "hoy", "timezone", settings.timezone, sizeof(settings.timezone));
		take_text(&ini, "auth", "password_hash", settings.hash, sizeof(settings.hash));
		take_text(&ini, "hoy", "console_login", word, sizeof(word));
		settings.login = strcmp(word, "none") != 0;
		settings.idle_s = (uint32_t)(take_number(&ini, "hoy", "idle_logout") / 1000);
		settings.log_max = (uint64_t)take_number(&ini, "hoy", "log_max_size");
		take_text(&ini, "hoy", "console_log", word, sizeof(word));
		settings.log_prio = take_level(word);
		take_ship(&ini, &settings.ship);
		take_send(&ini, &settings.send);
		settings.issues = ini.issue_count;
		for (const struct ini_issue *i = ini.issues; i != NULL; i = i->next)
			log_err("%s", i->text);
		*ret_settings = settings;
	}
	ini_done(&ini);
	return r;
}
