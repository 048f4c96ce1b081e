/* SPDX-License-Identifier: Apache-2.0 */
/*
 * `access`: who may use the Docker API from elsewhere. Runs in the console program. The key that it
 * prints is nowhere else: the machine does not keep it. Must never print a name unescaped.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include "engine/api/access_msg.h"
#include "init/console/console.h"
#include "init/console/verb_json.h"
#include "lib/own.h"
#include "netd/api/netd_msg.h"
#include "netd/api/netd_rows_msg.h"

enum { ACCESS_DAYS_DEFAULT = 365, ACCESS_WAIT_MS = 60 * 1000 };

/* What `issue` was asked for. */
struct access_wish {
	const char *name;
	enum gate_role role;
	uint32_t days;
	char hosts[ACCESS_HOSTS_MAX][ACCESS_HOST_MAX + 1];
	uint32_t host_count;
};

static void wish_host(struct access_wish *wish, struct str host)
{
	for (uint32_t i = 0; i < wish->host_count; i++) {
		if (str_is(host, wish->hosts[i]))
			return;
	}
	if (access_host_fits(host) && wish->host_count < ACCESS_HOSTS_MAX)
		(void)str_copy(host, wish->hosts[wish->host_count++], sizeof(wish->hosts[0]));
}

static int read_option(struct access_wish *wish, const char *option, const char *value,
		       struct err *err)
{
	struct str text = str_from(value);
	uint64_t days;

	if (!strcmp(option, "--role")) {
		wish->role = gate_role_read(text);
		return wish->role ? 0
				  : err_set(err, -EINVAL,
					    "a role is reader, operator, deployer or admin");
	}
	if (!strcmp(option, "--days")) {
		if (str_to_u64(text, 1, ACCESS_DAYS_MAX, &days) < 0)
			return err_set(err, -EINVAL, "--days is a number from 1 to %d",
				       ACCESS_DAYS_MAX);
		wish->days = (uint32_t)days;
		return 0;
	}
	if (strcmp(option, "--host") != 0)
		return err_set(err, -EINVAL,
			       "usage: access issue NAME --role ROLE [--host PLACE]... [--days N]");
	if (!access_host_fits(text) || wish->host_count == ACCESS_HOSTS_MAX)
		return err_set(err, -EINVAL,
			       "--host is a name or an IPv4 address, at most %d of them",
			       ACCESS_HOSTS_MAX);
	wish_host(wish, text);
	return 0;
}

static int read_wish(struct access_wish *wish, const struct words *words, struct err *err)
{
	*wish = (struct access_wish){ .days = ACCESS_DAYS_DEFAULT };
	if (words->count > 2 && words->items[2][0] != '-')
		wish->name = words->items[2];
	if (!wish->name || !gate_name_fits(str_from(wish->name)))
		return err_set(err, -EINVAL,
			       "access issue NAME: letters, digits and \".-_@\", at most %d",
			       GATE_NAME_MAX);
	for (int i = 3; i < (int)words->count; i += 2) {
		const char *value = i + 1 < (int)words->count ? words->items[i + 1] : "";
		int r = read_option(wish, words->items[i], value, err);

		if (r < 0)
			return r;
	}
	if (!wish->role)
		return err_set(err, -EINVAL,
			       "access issue %s: --role is missing: reader, operator, deployer or "
			       "admin",
			       wish->name);
	return 0;
}

/* The IPv4 addresses that others reach the machine by, as netd has them. */
static void add_addresses(struct console *console, struct access_wish *wish)
{
	struct msg reply OWN(msg_done) = { 0 };
	struct buf body OWN(buf_done) = { 0 };
	struct str link = { 0 }, address = { 0 }, head;
	struct netd_field field;
	struct err err = { 0 };
	struct wire in;

	buf_init(&body, 64);
	wire_put_text(&body, "addrs");
	if (console_call(console, CONSOLE_SERVER_NETD, NETD_MSG_ROWS, buf_str(&body), &reply,
			 &err) < 0)
		return;
	wire_init(&in, reply.body.ptr, reply.body.len);
	while (netd_row_next(&in, &field)) {
		if (field.kind != NETD_FIELD_END) {
			if (str_is(field.name, "link"))
				link = field.text;
			else if (str_is(field.name, "address"))
				address = field.text;
			continue;
		}
		(void)str_cut(&address, '/', &head);
		if (!str_is(link, "lo") && !str_starts(link, STR("hoy")) &&
		    !str_starts(link, STR("br-")))
			wish_host(wish, head);
		link = address = (struct str){ 0 };
	}
}

static void print_file(struct console *console, const char *folder, const char *file,
		       struct str pem)
{
	console_printf(console, "(umask 077; cat > ~/.docker/%s/%s) <<'END'\n", folder, file);
	console_foreign(console, pem);
	console_printf(console, "END\n");
}

static void date(int64_t at_s, char dst[16])
{
	time_t at = (time_t)at_s;
	struct tm tm;

	*dst = 0;
	if (gmtime_r(&at, &tm))
		(void)strftime(dst, 16, "%Y-%m-%d", &tm);
}

/* What the engine made. */
struct access_issued {
	struct str ca, certificate, key, serial, listens;
	int64_t until_s;
};

/* Lines for a shell on the machine that the docker CLI runs on. */
static void print_lines(struct console *console, const struct access_wish *wish,
			const struct access_issued *made)
{
	struct str listens = made->listens, address = { 0 };
	char folder[GATE_NAME_MAX + 8], until[16], place[ACCESS_HOST_MAX + 1];
	ptrdiff_t colon;

	date(made->until_s, until);
	(void)snprintf(folder, sizeof(folder), "hoy-%s", wish->name);
	for (char *at = folder; *at; at++)
		*at = *at == '@' ? '-' : *at; /* no name of a docker context has it */
	colon = str_find(listens, ':');
	if (colon >= 0)
		address = str_head(listens, (size_t)colon);
	listens = str_skip(listens, (size_t)(colon + 1));
	(void)snprintf(place, sizeof(place), "%s", wish->hosts[0]);
	if (address.len && !str_is(address, "0.0.0.0") && !str_is(address, wish->hosts[0]))
		console_printf(console, "# it listens on %.*s alone\n", STR_ARG(address));
	console_printf(console,
		       "# %s, %s, until %s, serial %.*s. For a shell beside the docker CLI:\n",
		       wish->name, gate_role_name(wish->role), until, STR_ARG(made->serial));
	console_printf(console, "mkdir -p ~/.docker && mkdir -p -m 700 ~/.docker/%s\n", folder);
	print_file(console, folder, "ca.pem", made->ca);
	print_file(console, folder, "cert.pem", made->certificate);
	print_file(console, folder, "key.pem", made->key);
	console_printf(console,
		       "docker context create %s --docker \"host=tcp://%s:%.*s,"
		       "ca=$HOME/.docker/%s/ca.pem,cert=$HOME/.docker/%s/cert.pem,"
		       "key=$HOME/.docker/%s/key.pem\"\n",
		       folder, place, listens.len ? (int)listens.len : 4,
		       listens.len ? listens.ptr : "2376", folder, folder, folder);
	if (!listens.len)
		console_printf(console, "# the port is not open: `log engine` tells why\n");
}

static int print_made(struct console *console, const struct access_wish *wish, struct str body,
		      struct err *err)
{
	struct access_issued made;
	struct wire in;

	wire_init(&in, body.ptr, body.len);
	made.ca = wire_str(&in, ACCESS_PEM_MAX);
	made.certificate = wire_str(&in, ACCESS_PEM_MAX);
	made.key = wire_str(&in, ACCESS_PEM_MAX);
	made.serial = wire_str(&in, ACCESS_SERIAL_MAX);
	made.until_s = wire_i64(&in);
	made.listens = wire_str(&in, 64);
	if (wire_end(&in) < 0)
		return err_set(err, -EBADMSG, "the engine's answer is malformed");
	if (console->json)
		CONSOLE_OBJECT(console, JSON_TEXT("name", wish->name),
			       JSON_TEXT("role", gate_role_name(wish->role)),
			       JSON_NUMBER("until", made.until_s), JSON_STR("serial", made.serial),
			       JSON_TEXT("host", wish->hosts[0]), JSON_STR("listens", made.listens),
			       JSON_STR("ca", made.ca), JSON_STR("certificate", made.certificate),
			       JSON_STR("key", made.key));
	else
		print_lines(console, wish, &made);
	return 0;
}

static int issue(struct console *console, const struct words *words, struct err *err)
{
	struct msg reply OWN(msg_done) = { 0 };
	struct buf body OWN(buf_done) = { 0 };
	struct access_wish wish;
	int r = read_wish(&wish, words, err);

	if (r < 0)
		return r;
	if (!wish.host_count)
		add_addresses(console, &wish);
	if (!wish.host_count)
		return err_set(err, -EINVAL,
			       "the machine has no address yet: name the place that clients "
			       "connect to with --host");
	if (*console->hostname)
		wish_host(&wish, str_from(console->hostname));
	buf_init(&body, 8192);
	wire_put_text(&body, wish.name);
	wire_put_u8(&body, (uint8_t)wish.role);
	wire_put_u32(&body, wish.days);
	wire_put_u32(&body, wish.host_count);
	for (uint32_t i = 0; i < wish.host_count; i++)
		wire_put_text(&body, wish.hosts[i]);
	r = console_call_within(console, CONSOLE_SERVER_ENGINE, ACCESS_MSG_ISSUE, buf_str(&body),
				ACCESS_WAIT_MS, &reply, err);
	return r < 0 ? r : print_made(console, &wish, reply.body, err);
}

static void print_access(struct console *console, const struct access_row *row, int64_t now_s)
{
	const char *state = row->revoked ? "revoked" : row->until_s < now_s ? "ended" : "valid";
	char until[16];

	date(row->until_s, until);
	if (console->json)
		CONSOLE_OBJECT(console, JSON_TEXT("name", row->name),
			       JSON_TEXT("role", gate_role_name(row->role)),
			       JSON_NUMBER("until", row->until_s), JSON_TEXT("state", state),
			       JSON_TEXT("serial", row->serial));
	else
		console_printf(console, "%-24s %-9s %-11s %-8s %s\n", row->name,
			       gate_role_name(row->role), until, state, row->serial);
}

static int list(struct console *console, struct err *err)
{
	struct msg reply OWN(msg_done) = { 0 };
	int64_t now_s = (int64_t)time(NULL);
	uint32_t count;
	struct wire in;
	int r = console_call(console, CONSOLE_SERVER_ENGINE, ACCESS_MSG_LIST, STR(""), &reply, err);

	if (r < 0)
		return r;
	wire_init(&in, reply.body.ptr, reply.body.len);
	count = wire_count(&in, ACCESS_ROWS_MAX);
	if (!console->json)
		console_printf(console, "%-24s %-9s %-11s %-8s %s\n", "NAME", "ROLE", "UNTIL",
			       "STATE", "SERIAL");
	for (uint32_t i = 0; i < count && !in.error; i++) {
		struct access_row row;

		access_row_get(&in, &row);
		print_access(console, &row, now_s);
	}
	return wire_end(&in) < 0 ? err_set(err, -EBADMSG, "the engine's answer is malformed") : 0;
}

static int revoke(struct console *console, const char *which, struct err *err)
{
	struct msg reply OWN(msg_done) = { 0 };
	struct buf body OWN(buf_done) = { 0 };
	uint32_t count;
	struct wire in;
	int r;

	if (!gate_name_fits(str_from(which)))
		return err_set(err, -EINVAL, "access revoke: a name or a serial number");
	buf_init(&body, 256);
	wire_put_text(&body, which);
	r = console_call(console, CONSOLE_SERVER_ENGINE, ACCESS_MSG_REVOKE, buf_str(&body), &reply,
			 err);
	if (r < 0)
		return r;
	wire_init(&in, reply.body.ptr, reply.body.len);
	count = wire_u32(&in);
	if (wire_end(&in) < 0)
		return err_set(err, -EBADMSG, "the engine's answer is malformed");
	if (console->json) {
		CONSOLE_OBJECT(console, JSON_TEXT("name", which), JSON_NUMBER("revoked", count));
		return 0;
	}
	console_printf(console, "%s: %u certificate%s no more, open connections have ended\n",
		       which, count, count == 1 ? " counts" : "s count");
	return 0;
}

int verb_access(struct console *console, const struct words *words, struct err *err)
{
	const char *what = words->items[1];

	if (!strcmp(what, "issue"))
		return issue(console, words, err);
	if (!strcmp(what, "list") && words->count == 2)
		return list(console, err);
	if (!strcmp(what, "revoke") && words->count == 3)
		return revoke(console, words->items[2], err);
	return err_set(err, -EINVAL,
		       "usage: access issue NAME --role ROLE | list | revoke NAME|SERIAL");
}
