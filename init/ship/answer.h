/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HOY_INIT_SHIP_ANSWER_H
#define HOY_INIT_SHIP_ANSWER_H

#include "lib/buf.h"
#include "lib/err.h"
#include "lib/str.h"
#include "init/api/send_msg.h"

/*
 * The head of the one request that role send makes, and the first line of what the server answers
 * (RFC 9112, sections 3 and 4): nothing behind that line is looked at; the same towards a proxy
 * (RFC 9110 section 9.3.6). Pure.
 */
enum { ANSWER_MAX = 8192 };

/* The request's head for this archive; -ENOSPC when it does not fit. */
int answer_request(struct buf *out, const struct send_wish *wish);

/* What a proxy is asked for the way to the server; -ENOSPC. */
int answer_connect(struct buf *out, const struct send_wish *wish);

/*
 * Whether the proxy opened the way: 0 = more bytes are needed, 1 = it did, and the rest of `in` is
 * empty; -EBADMSG, or with err -ECONNREFUSED, -EACCES: it did not, and what a person does about it.
 */
int answer_proxy(struct str in, const struct send_wish *wish, struct err *err);

/*
 * The status of the final answer and its reason phrase, which is foreign text: 0 = more bytes are
 * needed, 1 = they are there, -EBADMSG = that is no HTTP/1 server, or one of too many words.
 */
int answer_status(struct str in, unsigned *ret_status, struct str *ret_reason);

/* What a person does about it: 0 for 200 to 299, else a negative errno and what to change. */
int answer_judge(unsigned status, struct str reason, const struct send_wish *wish, struct err *err);

#endif
