/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns the records of builds that are over. Runs in the api role. Must never tell of a build to
 * anybody but whom it belongs to.
 */
#include "engine/buildkit/history.h"

#include <stdlib.h>
#include <string.h>
#include "engine/buildkit/pb.h"
#include "lib/own.h"

enum event { EVENT_STARTED = 0, EVENT_COMPLETE = 1, EVENT_DELETED = 2 };

struct history_record {
	struct history_record *next; /* the older one */
	char who[GATE_NAME_MAX + 1];
	enum docker_role role;
	char ref[SOLVE_REF_MAX];
	bool pinned;
	struct buf record, said; /* BuildHistoryRecord; u32 length and bytes of each message */
};

static struct history_record *records; /* newest first */
static struct grpc_call *listeners[HISTORY_LISTENERS_MAX];
static uint32_t listener_count;

static const struct docker_client *client_of(const struct grpc_call *call)
{
	return call->grpc->client;
}

static bool belongs(const char *who, enum docker_role role, const struct grpc_call *call)
{
	return !strcmp(who, client_of(call)->who) && role == client_of(call)->role;
}

/* ---- one record ---- */

static void put_pairs(struct buf *out, uint32_t field, const struct image_pairs *pairs)
{
	for (uint32_t i = 0; i < pairs->count; i++)
		pb_put_entry(out, field, pairs->items[i].key, str_from(pairs->items[i].value));
}

static void put_exporter(const struct solve *solve, struct buf *out)
{
	struct buf exporter OWN(buf_done) = { 0 };

	if (!*solve->request.exporter)
		return;
	buf_init(&exporter, HISTORY_RECORD_MAX);
	pb_put_text(&exporter, 1, solve->request.exporter);
	put_pairs(&exporter, 2, &solve->request.export_options);
	pb_put_bytes(out, 4, buf_str(&exporter));
}

/* {1 code, 2 message}; a client that went away has canceled its build. */
static void put_error(const struct solve *solve, struct buf *out)
{
	struct buf text OWN(buf_done) = { 0 }, details OWN(buf_done) = { 0 },
			error OWN(buf_done) = { 0 };
	bool canceled = !solve->error.code && !*solve->image;

	if (!canceled && !solve->error.code)
		return;
	buf_init(&text, SOLVE_TEXT_MAX);
	buf_init(&details, GRPC_DETAILS_MAX);
	buf_init(&error, HISTORY_RECORD_MAX);
	if (canceled)
		(void)buf_add_text(&text, "context canceled");
	else
		solve_put_failure(solve, &text, &details);
	pb_put_number(&error, 1, canceled ? GRPC_CANCELED : GRPC_UNKNOWN);
	pb_put_text(&error, 2, buf_text(&text));
	pb_put_bytes(out, 5, buf_str(&error));
}

static void put_record(const struct solve *solve, bool over, struct buf *out)
{
	const struct report *report = &solve->report;
	uint32_t ended = 0;

	for (uint32_t i = 0; i < report->count; i++)
		ended += report->vertices[i].ended;
	pb_put_text(out, 1, solve->ref);
	pb_put_text(out, 2, solve->request.frontend);
	put_pairs(out, 3, &solve->request.options);
	put_exporter(solve, out);
	pb_put_time(out, 6, solve->begun_ns);
	if (over) {
		put_error(solve, out);
		pb_put_time(out, 7, report_now_ns());
		solve_put_response(solve, out, 9);
	}
	pb_put_number(out, 15, report->cached);
	pb_put_number(out, 16, report->count);
	pb_put_number(out, 17, ended);
	pb_put_number(out, 19, report->warnings);
}

static void send_event(struct grpc_call *call, enum event event, struct str record, bool pinned)
{
	struct buf message OWN(buf_done) = { 0 }, whole OWN(buf_done) = { 0 };

	buf_init(&message, 2 * HISTORY_RECORD_MAX);
	buf_init(&whole, 2 * HISTORY_RECORD_MAX);
	(void)buf_add_str(&whole, record);
	if (pinned)
		pb_put_number(&whole, 14, 1);
	pb_put_number(&message, 1, event);
	pb_put_bytes(&message, 2, buf_str(&whole));
	grpc_send(call, buf_str(&message));
}

static void tell(const char *who, enum docker_role role, enum event event, struct str record)
{
	for (uint32_t i = 0; i < listener_count; i++) {
		if (belongs(who, role, listeners[i]) && listeners[i]->out.len < REPORT_UNREAD_MAX)
			send_event(listeners[i], event, record, false);
	}
}

/* ---- the list ---- */

static void record_free(struct history_record *record)
{
	if (!record)
		return;
	buf_done(&record->record);
	buf_done(&record->said);
	free(record);
}

/* The oldest one goes, of those that nobody pinned. */
static void make_room(void)
{
	struct history_record **last = NULL;
	uint32_t count = 0;

	for (struct history_record **at = &records; *at; at = &(*at)->next) {
		count++;
		if (!(*at)->pinned || !last)
			last = at;
	}
	if (count >= HISTORY_RECORDS_MAX) {
		struct history_record *oldest = *last;

		*last = oldest->next;
		record_free(oldest);
	}
}

/* Whole messages, as many as there is room for. */
static void keep_said(const struct buf *said, struct buf *to)
{
	size_t at = 0;
	uint32_t len;

	buf_init(to, HISTORY_SAID_MAX);
	while (at + sizeof(len) <= said->len) {
		memcpy(&len, said->data + at, sizeof(len));
		if (to->len + sizeof(len) + len > HISTORY_SAID_MAX)
			return;
		(void)buf_add(to, said->data + at, sizeof(len) + len);
		at += sizeof(len) + len;
	}
}

static bool is_kept(const struct solve *solve)
{
	return solve->begun_ns && !solve->request.internal && !solve->request.subrequest;
}

void history_begin(const struct solve *solve)
{
	struct buf record OWN(buf_done) = { 0 };

	if (!is_kept(solve))
		return;
	buf_init(&record, HISTORY_RECORD_MAX);
	put_record(solve, false, &record);
	if (!buf_error(&record))
		tell(solve->who, solve->role, EVENT_STARTED, buf_str(&record));
}

void history_end(const struct solve *solve)
{
	struct history_record *record = is_kept(solve) ? calloc(1, sizeof(*record)) : NULL;

	if (!record)
		return;
	buf_init(&record->record, HISTORY_RECORD_MAX);
	put_record(solve, true, &record->record);
	if (buf_error(&record->record)) {
		record_free(record);
		return;
	}
	memcpy(record->who, solve->who, sizeof(record->who));
	memcpy(record->ref, solve->ref, sizeof(record->ref));
	record->role = solve->role;
	keep_said(&solve->report.said, &record->said);
	make_room();
	record->next = records;
	records = record;
	tell(record->who, record->role, EVENT_COMPLETE, buf_str(&record->record));
}

bool history_status(struct grpc_call *call, const char *ref)
{
	const struct history_record *record = records;
	size_t at = 0;
	uint32_t len;

	while (record &&
	       (strcmp(record->ref, ref) != 0 || !belongs(record->who, record->role, call)))
		record = record->next;
	if (!record)
		return false;
	while (at + sizeof(len) <= record->said.len) {
		memcpy(&len, record->said.data + at, sizeof(len));
		at += sizeof(len);
		grpc_send(call, str_make(record->said.data + at, len));
		at += len;
	}
	grpc_finish(call, GRPC_OK, "");
	return true;
}

/* ---- calls ---- */

struct asked {
	bool active, early;
	char ref[SOLVE_REF_MAX]; /* "" = all */
	uint64_t limit;		 /* 0 = none */
};

static void on_closed(struct grpc_call *call)
{
	for (uint32_t i = 0; i < listener_count; i++) {
		if (listeners[i] != call)
			continue;
		listeners[i] = listeners[--listener_count];
		return;
	}
}

static void tell_active(const struct solve *solve, void *owner)
{
	struct grpc_call *call = owner;
	struct buf record OWN(buf_done) = { 0 };

	if (!is_kept(solve) || !belongs(solve->who, solve->role, call))
		return;
	buf_init(&record, HISTORY_RECORD_MAX);
	put_record(solve, false, &record);
	if (!buf_error(&record))
		send_event(call, EVENT_STARTED, buf_str(&record), false);
}

/* {1 active only, 2 ref, 3 no waiting for more, 4 filters, 5 limit}; filters are applied by clients
 * too. */
static void take_asked(struct str message, struct asked *asked)
{
	struct pb_field f;

	*asked = (struct asked){ 0 };
	while (pb_next(&message, &f) > 0) {
		if (f.number == 1 && !f.is_bytes)
			asked->active = f.value != 0;
		else if (f.number == 2 && f.is_bytes)
			(void)str_copy(f.bytes, asked->ref, sizeof(asked->ref));
		else if (f.number == 3 && !f.is_bytes)
			asked->early = f.value != 0;
		else if (f.number == 5 && !f.is_bytes)
			asked->limit = f.value;
	}
}

void history_listen(struct grpc_call *call, struct str message)
{
	struct asked asked;
	uint64_t told = 0;

	take_asked(message, &asked);
	solve_each(asked.ref, tell_active, call);
	for (const struct history_record *r = records; !asked.active && r; r = r->next) {
		if (!belongs(r->who, r->role, call) ||
		    (*asked.ref && strcmp(asked.ref, r->ref) != 0) ||
		    (asked.limit && told == asked.limit))
			continue;
		send_event(call, EVENT_COMPLETE, buf_str(&r->record), r->pinned);
		told++;
	}
	if (asked.early || listener_count == HISTORY_LISTENERS_MAX) {
		grpc_finish(call, asked.early ? GRPC_OK : GRPC_EXHAUSTED,
			    asked.early ? "" : "too many wait for builds at once");
		return;
	}
	listeners[listener_count++] = call;
	call->closed = on_closed;
}

static void drop(struct history_record **at)
{
	struct history_record *record = *at;
	struct buf gone OWN(buf_done) = { 0 };

	buf_init(&gone, 512);
	pb_put_text(&gone, 1, record->ref);
	*at = record->next;
	tell(record->who, record->role, EVENT_DELETED, buf_str(&gone));
	record_free(record);
}

/* {1 ref, 2 pinned, 3 delete, 4 finalize} */
void history_update(struct grpc_call *call, struct str message)
{
	struct history_record **at = &records;
	char ref[SOLVE_REF_MAX] = "";
	bool pinned = false, removes = false, finalizes = false;
	struct pb_field f;

	while (pb_next(&message, &f) > 0) {
		if (f.number == 1 && f.is_bytes)
			(void)str_copy(f.bytes, ref, sizeof(ref));
		pinned |= f.number == 2 && f.value;
		removes |= f.number == 3 && f.value;
		finalizes |= f.number == 4 && f.value;
	}
	while (*at && (strcmp((*at)->ref, ref) != 0 || !belongs((*at)->who, (*at)->role, call)))
		at = &(*at)->next;
	if (!*at) {
		grpc_finish(call, GRPC_NOT_FOUND, "no such build record");
		return;
	}
	if (removes)
		drop(at);
	else if (!finalizes)
		(*at)->pinned = pinned;
	grpc_answer(call, STR(""));
}
