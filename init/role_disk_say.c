/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns the form of what the disk role of init tells PID 1 unasked. Must never wait for an answer.
 */
#include "init/role_disk_say.h"
#include <stdio.h>
#include <string.h>
#include "init/disk_msg.h"
#include "lib/log.h"
#include "lib/own.h"

enum { BODY_MAX = 1024, CONFIG_MAX = 4096 };

void role_disk_say(struct msg_peer *main, uint16_t type, struct buf *body)
{
	struct err err;

	if (buf_error(body) == 0 && msg_peer_send(main, type, buf_str(body), NULL, 0, &err) < 0)
		log_err("message to init lost: %s", err_text(&err));
	buf_done(body);
}

void role_disk_say_data(struct msg_peer *main, const struct boot_data *data)
{
	char device[DISK_NAME_MAX + 8];
	struct buf body;

	buf_init(&body, BODY_MAX);
	wire_put_u8(&body, (uint8_t)data->state);
	wire_put_text(&body, data->disk.name[0] != '\0' ? disk_path(data->disk.name, device) : "");
	wire_put_text(&body, data->text);
	wire_put_u64(&body, data->disk.bytes);
	role_disk_say(main, DISK_MSG_DATA, &body);
}

void role_disk_reason(char *dst, const char *words, const char *remark)
{
	int room = DISK_REASON_MAX - 1 - (int)strlen(remark);

	(void)snprintf(dst, DISK_REASON_MAX, "%.*s%s", room, words, remark);
}

void role_disk_say_logged(struct msg_peer *main, struct str number)
{
	struct buf body;

	buf_init(&body, sizeof(uint64_t));
	(void)buf_add_str(&body, number);
	role_disk_say(main, DISK_MSG_LOGGED, &body);
}

void role_disk_say_saved(struct msg_peer *main, int64_t saved_s, const char *reason)
{
	struct buf body;

	buf_init(&body, BODY_MAX);
	wire_put_i64(&body, saved_s);
	wire_put_text(&body, reason);
	role_disk_say(main, DISK_MSG_SAVED, &body);
}

void role_disk_say_config(struct msg_peer *main, const struct role_disk_config *config)
{
	const struct boot_settings *settings = config->settings;
	struct buf body, ship OWN(buf_done) = { 0 };

	buf_init(&body, CONFIG_MAX);
	buf_init(&ship, SHIP_WISH_MAX);
	if (settings->ship.host[0] != '\0')
		ship_wish_put(&ship, &settings->ship);
	wire_put_u8(&body, config->changed);
	wire_put_text(&body, settings->hostname);
	wire_put_text(&body, settings->timezone);
	wire_put_u8(&body, settings->login);
	wire_put_u32(&body, settings->idle_s);
	wire_put_u8(&body, settings->log_prio);
	wire_put_text(&body, config->hash);
	wire_put_u32(&body, config->issues);
	wire_put_text(&body, config->failsafe);
	wire_put_str(&body, buf_str(&ship));
	role_disk_say(main, DISK_MSG_CONFIG, &body);
}
