/* SPDX-License-Identifier: Apache-2.0 */
/*
 * `ping`, `traceroute` and `dig`: asked of a process that netd starts for it, printed here. Runs in
 * the console program. Must escape what came from the network; Ctrl-C ends it with what there is.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include "init/console/console.h"
#include "init/console/probe_words.h"
#include "init/console/script.h"
#include "lib/own.h"
#include "netd/api/netd_msg.h"
#include "netd/api/netd_rows_msg.h"

enum { PROBE_FIELDS_MAX = 12, PROBE_FIELD_TEXT_MAX = 1100, PROBE_LAST_WORD_MS = 3000 };

/* A row in hand: the texts are escaped. */
struct probe_row {
	char text[PROBE_FIELDS_MAX][PROBE_FIELD_TEXT_MAX];
	struct netd_field fields[PROBE_FIELDS_MAX];
	int count;
};

struct probe_print {
	const struct probe_words *words;
	int64_t hop;	   /* of the line that is being written, 0 = none */
	char address[256]; /* that it names */
	char host[PROBE_HOST_MAX * 4 + 8];
};

static const char *text_of(const struct probe_row *row, const char *name)
{
	for (int i = 0; i < row->count; i++)
		if (str_is(row->fields[i].name, name))
			return row->text[i];
	return "";
}

static int64_t number_of(const struct probe_row *row, const char *name)
{
	for (int i = 0; i < row->count; i++)
		if (str_is(row->fields[i].name, name))
			return row->fields[i].number;
	return 0;
}

/* "12.345" of microseconds. */
static const char *ms_text(int64_t us, char dst[32])
{
	(void)snprintf(dst, 32, "%lld.%03lld", (long long)(us / 1000), (long long)(us % 1000));
	return dst;
}

/* ---- as text ---- */

static void print_ping_end(struct console *console, const struct probe_print *print,
			   const struct probe_row *row)
{
	int64_t errors = number_of(row, "errors"), loss = number_of(row, "loss_permille");
	char min[32], avg[32], max[32], some[40] = "";

	if (errors)
		(void)snprintf(some, sizeof(some), "+%lld errors, ", (long long)errors);
	console_printf(console, "\n--- %s ping statistics ---\n", print->host);
	console_printf(console,
		       "%lld packets transmitted, %lld received, %s%lld.%lld%% packet loss\n",
		       (long long)number_of(row, "sent"), (long long)number_of(row, "received"),
		       some, (long long)(loss / 10), (long long)(loss % 10));
	if (number_of(row, "received"))
		console_printf(console, "round-trip min/avg/max = %s/%s/%s ms\n",
			       ms_text(number_of(row, "min_us"), min),
			       ms_text(number_of(row, "avg_us"), avg),
			       ms_text(number_of(row, "max_us"), max));
}

static void print_ping(struct console *console, struct probe_print *print,
		       const struct probe_row *row)
{
	const char *event = text_of(row, "event"), *from = text_of(row, "address");
	char ms[32];

	if (!strcmp(event, "start"))
		console_printf(console, "PING %s (%s): %lld data bytes\n", print->host, from,
			       (long long)number_of(row, "size"));
	else if (!strcmp(event, "reply"))
		console_printf(console, "%lld bytes from %s: icmp_seq=%lld ttl=%lld time=%s ms\n",
			       (long long)number_of(row, "bytes"), from,
			       (long long)number_of(row, "seq"), (long long)number_of(row, "ttl"),
			       ms_text(number_of(row, "time_us"), ms));
	else if (!strcmp(event, "error"))
		console_printf(console, "%s%s%sicmp_seq=%lld %s\n", *from ? "From " : "", from,
			       *from ? " " : "", (long long)number_of(row, "seq"),
			       text_of(row, "text"));
	else if (!strcmp(event, "silence"))
		console_printf(console, "no answer yet for icmp_seq=%lld\n",
			       (long long)number_of(row, "seq"));
	else if (!strcmp(event, "end"))
		print_ping_end(console, print, row);
}

static void print_trace(struct console *console, struct probe_print *print,
			const struct probe_row *row)
{
	const char *event = text_of(row, "event"), *from = text_of(row, "address");
	const char *note = text_of(row, "note");
	int64_t hop = number_of(row, "hop");
	char ms[32];

	if (!strcmp(event, "start")) {
		console_printf(console, "traceroute to %s (%s), %lld hops at most\n", print->host,
			       from, (long long)number_of(row, "hops"));
		return;
	}
	if (hop != print->hop) {
		console_printf(console, "%s%2lld", print->hop ? "\n" : "", (long long)hop);
		print->address[0] = 0;
		print->hop = hop;
	}
	if (!strcmp(event, "silence")) {
		console_printf(console, "  *");
		return;
	}
	if (strcmp(print->address, from) != 0)
		console_printf(console, "  %s", from);
	(void)str_copy(str_from(from), print->address, sizeof(print->address));
	console_printf(console, "  %s ms%s%s", ms_text(number_of(row, "time_us"), ms),
		       *note ? " " : "", note);
}

/* A record's data has its own backslashes, and nothing but printable ASCII as it should be. */
static void print_data(struct console *console, const struct probe_row *row)
{
	for (int i = 0; i < row->count; i++) {
		struct str text = row->fields[i].text;

		for (size_t k = 0; str_is(row->fields[i].name, "data") && k < text.len; k++)
			console_write(console,
				      text.ptr[k] >= ' ' && text.ptr[k] <= '~' ? text.ptr + k : "?",
				      1);
	}
	console_write(console, "\n", 1);
}

static void print_dig(struct console *console, const struct probe_print *print,
		      const struct probe_row *row)
{
	bool record = !strcmp(text_of(row, "event"), "record");
	const char *section = text_of(row, "section");
	char ms[32];

	if (print->words->brief) {
		if (record && !strcmp(section, "answer"))
			print_data(console, row);
	} else if (!record) {
		console_printf(console, "%s, flags %s, from %s over %s in %s ms, %lld bytes\n",
			       text_of(row, "rcode"), text_of(row, "flags"), text_of(row, "server"),
			       text_of(row, "transport"), ms_text(number_of(row, "time_us"), ms),
			       (long long)number_of(row, "bytes"));
	} else if (!strcmp(section, "question")) {
		console_printf(console, "%-10s %s %s\n", section, text_of(row, "name"),
			       text_of(row, "type"));
	} else {
		console_printf(console, "%-10s %s %lld %s ", section, text_of(row, "name"),
			       (long long)number_of(row, "ttl"), text_of(row, "type"));
		print_data(console, row);
	}
}

/* ---- rows ---- */

/* Raw fields for programs: the writer escapes. */
static void put_json(struct console *console, struct str body)
{
	struct buf out OWN(buf_done) = { 0 };
	struct netd_field field;
	struct wire in;

	buf_init(&out, 65536);
	wire_init(&in, body.ptr, body.len);
	while (netd_row_next(&in, &field) && field.kind != NETD_FIELD_END) {
		(void)buf_add_text(&out, out.len ? "," : "");
		script_put_string(&out, field.name);
		(void)buf_add_byte(&out, ':');
		if (field.kind == NETD_FIELD_TEXT)
			script_put_string(&out, field.text);
		else
			(void)buf_printf(&out, "%lld", (long long)field.number);
	}
	console_json(console, buf_str(&out));
}

static void take_row(struct console *console, struct probe_print *print, struct str body)
{
	static struct probe_row row;
	struct wire in;

	if (console->json) {
		put_json(console, body);
		return;
	}
	wire_init(&in, body.ptr, body.len);
	row.count = 0;
	while (row.count < PROBE_FIELDS_MAX && netd_row_next(&in, &row.fields[row.count]) &&
	       row.fields[row.count].kind != NETD_FIELD_END) {
		(void)str_escape(row.fields[row.count].text, row.text[row.count],
				 PROBE_FIELD_TEXT_MAX);
		row.count++;
	}
	if (print->words->ask.kind == PROBE_PING)
		print_ping(console, print, &row);
	else if (print->words->ask.kind == PROBE_TRACE)
		print_trace(console, print, &row);
	else
		print_dig(console, print, &row);
}

static int take_end(struct console *console, const struct probe_print *print, struct str body,
		    struct err *err)
{
	char text[1024];
	struct wire in;
	uint32_t code;

	if (print->hop && !console->json)
		console_printf(console, "\n");
	wire_init(&in, body.ptr, body.len);
	code = wire_u32(&in);
	wire_text(&in, text, sizeof(text));
	if (wire_end(&in) < 0 || code > 4095)
		return err_set(err, -EBADMSG, "netd: malformed answer");
	return code ? err_set(err, -(int)code, "%s", text) : 0;
}

/* ---- the process that does it ---- */

static int start(struct console *console, const struct probe_ask *ask, struct err *err)
{
	struct buf body OWN(buf_done) = { 0 };
	struct msg reply OWN(msg_done) = { 0 }, run = { .type = PROBE_MSG_RUN };
	int fd OWN_FD = -1;
	int r = console_call(console, CONSOLE_SERVER_NETD, NETD_MSG_PROBE, STR(""), &reply, err);

	if (r < 0)
		return r;
	fd = msg_take_fd(&reply, 0);
	buf_init(&body, PROBE_ASK_BYTES_MAX);
	probe_ask_put(&body, ask);
	run.body = buf_str(&body);
	r = fd < 0 ? err_set(err, -EBADMSG, "netd: malformed answer") : msg_send(fd, &run, err);
	return r < 0 ? r : take_fd(&fd);
}

/* Until END; Ctrl-C asks for it and waits a little. */
static int follow(struct console *console, struct probe_print *print, int fd, struct err *err)
{
	const struct msg stop = { .type = PROBE_MSG_STOP };
	bool stopping = false;

	for (;;) {
		struct msg msg OWN(msg_done) = { 0 };
		int ready = console_wait(console, fd, stopping ? PROBE_LAST_WORD_MS : -1);
		int r;

		if (console->quit || (stopping && !ready))
			return 0;
		if (!stopping && console_interrupted(console)) {
			stopping = true;
			(void)msg_send(fd, &stop, NULL);
		}
		if (!(ready & 2)) {
			if (!console->keys &&
			    !console->remote) /* nobody types there: its end is no key */
				console->in_fd = -1;
			continue;
		}
		r = msg_recv(fd, &msg, err);
		if (r == 0)
			return err_set(err, -EPIPE,
				       "the process that asks has ended; `log netd` "
				       "tells why");
		if (r < 0)
			return r;
		if (msg.type == PROBE_MSG_END) {
			r = take_end(console, print, msg.body, err);
			return stopping ? 0 : r;
		}
		take_row(console, print, msg.body);
	}
}

int verb_probe(struct console *console, const struct words *words, struct err *err)
{
	static struct probe_words asked;
	struct probe_print print = { .words = &asked };
	int in_fd = console->in_fd;
	int fd OWN_FD = -1;
	int r = probe_words_parse(words, &asked, err);

	if (r < 0)
		return r;
	(void)str_escape(asked.ask.host, print.host, sizeof(print.host));
	fd = start(console, &asked.ask, err);
	if (fd < 0)
		return fd;
	r = follow(console, &print, fd, err);
	console->in_fd = in_fd;
	return r;
}
