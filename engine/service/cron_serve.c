/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns the answer to SCHEDULE_MSG_NEXT. Runs in the api role. Must never ask the clock: now comes
 * with the question.
 */
#include <errno.h>
#include <stdlib.h>
#include <time.h>
#include "engine/api/schedule_msg.h"
#include "engine/service/cron.h"
#include "lib/msg.h"
#include "lib/own.h"

void cron_serve(struct msg_peer *peer, struct msg *msg)
{
	struct buf body OWN(buf_done) = { 0 };
	char zone[SCHEDULE_ZONE_MAX];
	struct err err = { 0 };
	int64_t now_s, next_s;
	struct cron cron;
	struct str text;
	struct wire in;
	int r;

	wire_init(&in, msg->body.ptr, msg->body.len);
	text = wire_str(&in, SCHEDULE_TEXT_MAX);
	wire_text(&in, zone, sizeof(zone));
	now_s = wire_i64(&in);
	r = wire_end(&in) < 0 ? err_set(&err, -EBADMSG, "malformed schedule request")
			      : cron_parse(text, &cron, &err);
	if (r >= 0 && setenv("TZ", *zone ? zone : "UTC0", 1) < 0)
		r = err_set(&err, -ENOMEM, "no memory for a time zone");
	tzset();
	if (r >= 0)
		r = cron_next(&cron, now_s, &next_s, &err);
	if (r < 0) {
		(void)msg_reply_err(peer, msg->type, msg->serial, &err);
		return;
	}
	buf_init(&body, 16);
	wire_put_i64(&body, next_s);
	wire_put_u8(&body, cron.every_s > 0);
	(void)msg_reply(peer, msg->type, msg->serial, buf_str(&body), NULL, 0);
}
