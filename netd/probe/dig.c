/* SPDX-License-Identifier: Apache-2.0 */
/*
 * dig: one question to one name server, over UDP and, where the answer was cut or it is asked for,
 * TCP. Run by the probe role. It must never take an answer to another question, nor keep one.
 */
#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <string.h>
#include <sys/random.h>
#include "lib/own.h"
#include "netd/dns/dns_walk.h"
#include "netd/ip6.h"
#include "netd/probe/probe.h"

enum { PORT = 53, TRIES = 3, DATA_MAX = 60000 };

struct dig {
	struct probe *probe;
	struct probe_place server;
	uint16_t id;
	struct dns_question question;
	struct buf query;
	struct mono sent;
	char answer[DNS_MESSAGE_MAX];
	size_t len;
	bool tcp;
};

static int connect_to(struct dig *dig, int type, struct err *err)
{
	int fd =
		socket(dig->server.v6 ? AF_INET6 : AF_INET, type | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	if (fd < 0 || (connect(fd, (const struct sockaddr *)(const void *)&dig->server.address,
			       dig->server.len) < 0 &&
		       errno != EINPROGRESS)) {
		int code = -errno;

		own_close(&fd);
		return err_sys(err, code, "ask name server %s", dig->server.text);
	}
	return fd;
}

static bool is_answer(const struct dig *dig, struct str message)
{
	struct dns_walk walk;
	struct dns_name name;

	if (dns_walk_begin(message, &walk) < 0 || dns_get16(message.ptr) != dig->id)
		return false;
	if (!walk.left[DNS_SECTION_QUESTION]) /* FORMERR may come without it */
		return (dns_get16(message.ptr + 2) & DNS_FLAG_RCODE) == DNS_RCODE_FORMAT;
	return dns_name_read(message, &walk.at, &name) == 0 &&
	       dns_name_same(&name, &dig->question.name) && message.len - walk.at >= 4 &&
	       dns_get16(message.ptr + walk.at) == dig->question.type;
}

static int no_answer(const struct dig *dig, struct err *err)
{
	if (probe_over(dig->probe))
		return err_set(err, -EINTR, "interrupted");
	return err_set(err, -ETIMEDOUT, "name server %s does not answer", dig->server.text);
}

static int ask_udp(struct dig *dig, struct err *err)
{
	int fd OWN_FD = connect_to(dig, SOCK_DGRAM, err);

	if (fd < 0)
		return fd;
	for (int i = 0; i < TRIES && !probe_over(dig->probe); i++) {
		struct mono until = mono_add_ms(mono_now(), dig->probe->ask.wait_ms);

		dig->sent = mono_now();
		if (send(fd, dig->query.data, dig->query.len, MSG_DONTWAIT | MSG_NOSIGNAL) < 0)
			return err_sys(err, -errno, "ask name server %s", dig->server.text);
		while (probe_wait(dig->probe, fd, POLLIN, until) > 0) {
			ssize_t n = recv(fd, dig->answer, sizeof(dig->answer), MSG_DONTWAIT);

			if (n < 0 && errno != EAGAIN)
				return err_sys(err, -errno, "ask name server %s", dig->server.text);
			if (n < 0 || !is_answer(dig, str_make(dig->answer, (size_t)n)))
				continue;
			dig->len = (size_t)n;
			return 0;
		}
	}
	return no_answer(dig, err);
}

/* Exactly so many bytes. */
static int read_all(struct dig *dig, int fd, char *dst, size_t len, struct mono until,
		    struct err *err)
{
	while (len) {
		ssize_t n;

		if (probe_wait(dig->probe, fd, POLLIN, until) <= 0)
			return no_answer(dig, err);
		n = recv(fd, dst, len, MSG_DONTWAIT);
		if (n == 0)
			return err_set(err, -ECONNRESET, "name server %s hung up",
				       dig->server.text);
		if (n < 0 && errno != EAGAIN)
			return err_sys(err, -errno, "ask name server %s", dig->server.text);
		if (n > 0) {
			dst += n;
			len -= (size_t)n;
		}
	}
	return 0;
}

static int ask_tcp(struct dig *dig, struct err *err)
{
	struct mono until = mono_add_ms(mono_now(), TRIES * (int64_t)dig->probe->ask.wait_ms);
	int fd OWN_FD = connect_to(dig, SOCK_STREAM, err);
	struct buf framed OWN(buf_done) = { 0 };
	char head[2];
	int r;

	if (fd < 0)
		return fd;
	buf_init(&framed, 1024);
	dns_put16(head, (uint16_t)dig->query.len);
	(void)buf_add(&framed, head, sizeof(head));
	(void)buf_add_str(&framed, buf_str(&dig->query));
	dig->sent = mono_now();
	dig->tcp = true;
	if (probe_wait(dig->probe, fd, POLLOUT, until) <= 0)
		return no_answer(dig, err);
	if (send(fd, framed.data, framed.len, MSG_DONTWAIT | MSG_NOSIGNAL) < 0)
		return err_sys(err, -errno, "ask name server %s over TCP", dig->server.text);
	r = read_all(dig, fd, head, sizeof(head), until, err);
	if (r < 0)
		return r;
	dig->len = dns_get16(head);
	r = read_all(dig, fd, dig->answer, dig->len, until, err);
	if (r == 0 && !is_answer(dig, str_make(dig->answer, dig->len)))
		return err_set(err, -EBADMSG, "name server %s answers nonsense", dig->server.text);
	return r;
}

static void tell_head(struct dig *dig, int64_t us)
{
	static const struct {
		uint16_t bit;
		const char *name;
	} bits[] = { { DNS_FLAG_AUTHORITATIVE, "aa" },
		     { DNS_FLAG_TRUNCATED, "tc" },
		     { DNS_FLAG_RECURSE, "rd" },
		     { DNS_FLAG_RECURSIVE, "ra" },
		     { 0x0020, "ad" },
		     { DNS_FLAG_CHECKING_DISABLED, "cd" } };
	uint16_t flags = dns_get16(dig->answer + 2);
	struct buf row = { 0 }, text OWN(buf_done) = { 0 };
	char rcode[16];

	buf_init(&text, 64);
	(void)buf_add_text(&text, "qr");
	for (size_t i = 0; i < ARRAY_LEN(bits); i++)
		if (flags & bits[i].bit)
			(void)buf_printf(&text, " %s", bits[i].name);
	probe_row_begin(&row, "answer");
	probe_row_text(&row, "rcode", dns_rcode_name(flags, rcode));
	probe_row_text(&row, "flags", buf_text(&text));
	probe_row_text(&row, "server", dig->server.text);
	probe_row_text(&row, "transport", dig->tcp ? "tcp" : "udp");
	probe_row_number(&row, "time_us", us);
	probe_row_number(&row, "bytes", (int64_t)dig->len);
	probe_row_end(dig->probe, &row);
}

static int tell_records(struct dig *dig, struct err *err)
{
	struct buf data OWN(buf_done) = { 0 };
	struct dns_walk_record record;
	struct dns_walk walk;
	char type[16];
	int r = dns_walk_begin(str_make(dig->answer, dig->len), &walk);

	buf_init(&data, DATA_MAX);
	while (r >= 0 && (r = dns_walk_next(&walk, &record, &data)) > 0) {
		struct buf row = { 0 };

		if (record.type != DNS_TYPE_OPT) {
			probe_row_begin(&row, "record");
			probe_row_text(&row, "section", dns_section_names[record.section]);
			probe_row_text(&row, "name", record.name);
			probe_row_number(&row, "ttl", record.ttl_s);
			probe_row_text(&row, "type", probe_type_name(record.type, type));
			probe_row_text(&row, "data",
				       buf_error(&data) ? "(too long)" : buf_text(&data));
			probe_row_end(dig->probe, &row);
		}
		buf_clear(&data);
	}
	return r < 0 ? err_set(err, -EBADMSG, "name server %s answers nonsense", dig->server.text)
		     : 0;
}

/* 0 where the answer is one that people call good. */
static int verdict(const struct dig *dig, struct err *err)
{
	uint16_t flags = dns_get16(dig->answer + 2);
	char text[DNS_NAME_TEXT_MAX], rcode[16];

	if ((flags & DNS_FLAG_RCODE) == DNS_RCODE_OK)
		return 0;
	return err_set(err, (flags & DNS_FLAG_RCODE) == DNS_RCODE_NO_NAME ? -ENOENT : -EIO,
		       "%s: %s", dns_name_text(&dig->question.name, text),
		       dns_rcode_name(flags, rcode));
}

static int prepare(struct dig *dig, struct err *err)
{
	struct probe *probe = dig->probe;
	struct str server = probe->ask.server;
	int r;

	if (dns_name_parse(probe->ask.host, &dig->question.name) < 0)
		return err_set(err, -EINVAL,
			       "that is no name: labels of at most 63 letters, digits, "
			       "'-' or '_' with dots between");
	dig->question.type = probe->ask.type;
	dig->question.class = DNS_CLASS_IN;
	if (!server.len && !*probe->resolver)
		return err_set(err, -ENODEV,
			       "the machine knows no name server; name one as @ADDRESS");
	r = probe_resolve(server.len ? server : str_from(probe->resolver), probe->ask.family,
			  &dig->server, err);
	if (r < 0)
		return r;
	if (dig->server.v6)
		((struct sockaddr_in6 *)(void *)&dig->server.address)->sin6_port = htons(PORT);
	else
		((struct sockaddr_in *)(void *)&dig->server.address)->sin_port = htons(PORT);
	if (getrandom(&dig->id, sizeof(dig->id), 0) != (ssize_t)sizeof(dig->id))
		return err_set(err, -EAGAIN, "no random bytes yet; try again");
	dns_query_write(dig->id, &dig->question, &dig->query);
	return buf_error(&dig->query);
}

int probe_dig(struct probe *probe, struct err *err)
{
	static struct dig dig;
	int64_t us;
	int r;

	dig = (struct dig){ .probe = probe };
	buf_init(&dig.query, 1024);
	r = prepare(&dig, err);
	if (r == 0)
		r = probe->ask.tcp ? ask_tcp(&dig, err) : ask_udp(&dig, err);
	if (r == 0 && !dig.tcp && dns_get16(dig.answer + 2) & DNS_FLAG_TRUNCATED)
		r = ask_tcp(&dig, err);
	us = probe_us_since(dig.sent);
	buf_done(&dig.query);
	if (r < 0)
		return r;
	tell_head(&dig, us);
	r = tell_records(&dig, err);
	return r < 0 ? r : verdict(&dig, err);
}
