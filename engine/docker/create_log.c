/* SPDX-License-Identifier: Apache-2.0 */
/*
 * LogConfig of a create request: the drivers, their options, and for syslog where its lines go and
 * how they look, as Docker reads them. Runs in the api role, on foreign JSON: engine main gets
 * words that are checked. Must never take an option of a driver that would not be heeded without a
 * word.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <string.h>
#include "engine/container/log_route.h"
#include "engine/docker/create.h"
#include "lib/own.h"

enum { TAG_MAX = 256, SYSLOG_PORT = 514 };

/* Options of all drivers, then those of each. */
static const char common[] = "mode max-buffer-size cache-disabled cache-max-file cache-max-size "
			     "cache-compress";
static const struct {
	const char *name, *options;
} drivers[] = {
	{ "json-file", "max-size max-file compress labels labels-regex env env-regex tag" },
	{ "local", "max-size max-file compress" },
	{ "none", NULL }, /* any: nothing is kept */
	{ "syslog", "env env-regex labels labels-regex syslog-address syslog-facility "
		    "syslog-tls-ca-cert syslog-tls-cert syslog-tls-key syslog-tls-skip-verify tag "
		    "syslog-format" },
};

static bool in_words(const char *words, struct str name)
{
	struct str rest = str_from(words), word;

	while (str_cut(&rest, ' ', &word)) {
		if (str_eq(word, name))
			return true;
	}
	return false;
}

static struct str option(const struct json *config, const char *name)
{
	return json_str(json_get(config, name));
}

/* ---- files ---- */

static int read_sizes(struct create *create, const struct json *config, struct err *err)
{
	struct str size = option(config, "max-size"), files = option(config, "max-file");
	struct str compress = option(config, "compress");
	uint64_t number = 0;

	if (size.len) {
		if (str_to_size(size, INT64_MAX, &number) < 0 && !str_is(size, "-1"))
			return err_set(err, -EINVAL, "invalid size: '%.*s'", STR_ARG(size));
		create->def.log_max_size = (int64_t)number;
	}
	if (files.len) {
		if (str_to_u64(files, 0, 1000, &number) < 0)
			return err_set(err, -EINVAL, "max-file: '%.*s' is no number from 1 to 1000",
				       STR_ARG(files));
		if (!number)
			return err_set(err, -EINVAL, "max-file cannot be less than 1");
		create->def.log_max_file = (uint32_t)number;
	}
	if (compress.len && !str_is(compress, "true") && !str_is(compress, "false"))
		return err_set(err, -EINVAL, "compress: '%.*s' is neither true nor false",
			       STR_ARG(compress));
	return 0;
}

static int read_mode(const struct json *config, struct err *err)
{
	struct str mode = option(config, "mode"), room = option(config, "max-buffer-size");
	bool free = str_is(mode, "non-blocking");
	uint64_t bytes;

	if (mode.len && !free && !str_is(mode, "blocking"))
		return err_set(err, -EINVAL, "logger: logging mode not supported: %.*s",
			       STR_ARG(mode));
	if (room.len && !free)
		return err_set(err, -EINVAL,
			       "logger: max-buffer-size option is only supported with "
			       "'mode=non-blocking'");
	if (room.len && str_to_size(room, INT64_MAX, &bytes) < 0)
		return err_set(err, -EINVAL,
			       "error parsing option max-buffer-size: invalid size: '%.*s'",
			       STR_ARG(room));
	return 0;
}

/* ---- syslog ---- */

static int read_facility(struct str text, uint64_t *ret_facility, struct err *err)
{
	static const char *const names[] = {
		"kern",	  "user",   "mail",	"daemon", "auth",   "syslog", "lpr",	"news",
		"uucp",	  "cron",   "authpriv", "ftp",	  "",	    "",	      "",	"",
		"local0", "local1", "local2",	"local3", "local4", "local5", "local6", "local7",
	};

	*ret_facility = 3;
	if (!text.len)
		return 0;
	for (size_t i = 0; i < ARRAY_LEN(names); i++) {
		if (*names[i] && str_is(text, names[i])) {
			*ret_facility = i;
			return 0;
		}
	}
	return str_to_u64(text, 0, 23, ret_facility) < 0
		       ? err_set(err, -EINVAL, "invalid syslog facility")
		       : 0;
}

static int read_format(struct str text, const char **ret_format, struct err *err)
{
	static const char *const names[] = { "rfc3164", "rfc5424", "rfc5424micro" };

	*ret_format = LOG_ROUTE_PLAIN;
	if (!text.len)
		return 0;
	for (size_t i = 0; i < ARRAY_LEN(names); i++) {
		if (str_is(text, names[i])) {
			*ret_format = names[i];
			return 0;
		}
	}
	return err_set(err, -EINVAL, "Invalid syslog format");
}

/* "10.0.0.1:514", "[fd00::1]:514", "10.0.0.1": the address alone, and its port. */
static int read_host(struct str text, struct str *ret_address, uint64_t *ret_port, struct err *err)
{
	unsigned char bytes[16];
	char address[INET6_ADDRSTRLEN];
	struct str rest = text, host;

	*ret_port = SYSLOG_PORT;
	if (str_starts(rest, STR("["))) {
		rest = str_skip(rest, 1);
		(void)str_cut(&rest, ']', &host);
		if (str_starts(rest, STR(":")))
			rest = str_skip(rest, 1);
	} else {
		(void)str_cut(&rest, ':', &host);
	}
	if (rest.len && str_to_u64(rest, 1, UINT16_MAX, ret_port) < 0)
		return err_set(err, -EINVAL, "address %.*s: invalid port", STR_ARG(text));
	if (!host.len || str_is(host, "localhost"))
		host = STR("127.0.0.1");
	*ret_address = host;
	if (str_copy(host, address, sizeof(address)) < 0 ||
	    (inet_pton(AF_INET, address, bytes) != 1 && inet_pton(AF_INET6, address, bytes) != 1))
		return err_set(err, -EINVAL,
			       "syslog-address: '%.*s' is no IP address; names are not looked up "
			       "for logs",
			       STR_ARG(host));
	return 0;
}

/* "udp 10.0.0.1 514" or "unixgram /dev/log 0" out of a URL. */
static int read_address(struct create *create, struct str url, const char **ret_words,
			struct err *err)
{
	static const char *const schemes[] = { "udp", "tcp", "unixgram", "unix" };
	ptrdiff_t colon = str_find(url, ':');
	struct str scheme, rest, host = STR("");
	uint64_t port = 0;
	int r = 0;

	if (!url.len)
		url = STR("unixgram:///dev/log");
	colon = str_find(url, ':');
	scheme = colon < 0 ? STR("") : str_head(url, (size_t)colon);
	rest = colon < 0 ? STR("") : str_skip(url, (size_t)colon + 1);
	if (str_is(scheme, "tcp+tls"))
		return err_set(err, -EINVAL,
			       "syslog-address: 'tcp+tls' is not supported by this engine; the "
			       "machine's own log goes over TLS (hoy.ini(5))");
	for (size_t i = 0; i < ARRAY_LEN(schemes); i++) {
		if (!str_is(scheme, schemes[i]))
			continue;
		if (str_starts(rest, STR("//")))
			rest = str_skip(rest, 2);
		if (i < 2)
			r = read_host(rest, &host, &port, err);
		else
			host = rest;
		if (r < 0)
			return r;
		if (i >= 2 && (!host.len || host.ptr[0] != '/' || host.len >= LOG_ROUTE_PATH_MAX ||
			       str_find(host, ' ') >= 0))
			return err_set(err, -EINVAL, "stat %.*s: no such file or directory",
				       STR_ARG(host));
		*ret_words = arena_printf(create->arena, "%s %.*s %u", schemes[i], STR_ARG(host),
					  (unsigned)port);
		return *ret_words ? 0 : err_set(err, -ENOMEM, "no memory for a request");
	}
	if (!scheme.len || (scheme.ptr[0] >= '0' && scheme.ptr[0] <= '9'))
		return err_set(err, -EINVAL,
			       "parse \"%.*s\": first path segment in URL cannot contain colon",
			       STR_ARG(url));
	return err_set(err, -EINVAL, "unsupported scheme: '%.*s'", STR_ARG(scheme));
}

/* "{{.Name}}/{{.ID}}": each field becomes one byte (enum log_route_field). */
static int read_tag(struct create *create, struct str text, const char **ret_tag, struct err *err)
{
	static const char *const fields[] = { [LOG_ROUTE_ID] = ".ID",
					      [LOG_ROUTE_FULL_ID] = ".FullID",
					      [LOG_ROUTE_NAME] = ".Name",
					      [LOG_ROUTE_IMAGE_ID] = ".ImageID",
					      [LOG_ROUTE_IMAGE_FULL_ID] = ".ImageFullID",
					      [LOG_ROUTE_IMAGE_NAME] = ".ImageName",
					      [LOG_ROUTE_DAEMON] = ".DaemonName" };
	struct buf out OWN(buf_done) = { 0 };

	buf_init(&out, TAG_MAX);
	if (!text.len)
		text = STR("{{.ID}}");
	while (text.len) {
		struct str word;
		size_t i = 1;

		if (!str_starts(text, STR("{{"))) {
			/* What would end a header, or be taken for a field, is no part of a tag. */
			if ((unsigned char)text.ptr[0] <= ' ')
				return err_set(err, -EINVAL,
					       "log tag: a space or control character");
			(void)buf_add(&out, text.ptr, 1);
			text = str_skip(text, 1);
			continue;
		}
		text = str_skip(text, 2);
		if (str_find(text, '}') < 0)
			return err_set(err, -EINVAL, "template: log-tag:1: unclosed action");
		(void)str_cut(&text, '}', &word);
		word = str_trim(word);
		while (i < ARRAY_LEN(fields) && !str_is(word, fields[i]))
			i++;
		if (i == ARRAY_LEN(fields) || !str_starts(text, STR("}")))
			return err_set(err, -EINVAL,
				       "template: log-tag:1: '%.*s' is no field that this engine "
				       "knows",
				       STR_ARG(word));
		text = str_skip(text, 1);
		(void)buf_add_byte(&out, (uint8_t)i);
	}
	if (buf_error(&out))
		return err_set(err, -EINVAL, "log tag: more than %d bytes", TAG_MAX);
	*ret_tag = arena_text(create->arena, buf_str(&out));
	return *ret_tag ? 0 : err_set(err, -ENOMEM, "no memory for a request");
}

static int read_syslog(struct create *create, const struct json *config, struct err *err)
{
	const char *address = "", *format = "", *tag = "";
	uint64_t facility;
	int r = read_address(create, option(config, "syslog-address"), &address, err);

	if (r >= 0)
		r = read_facility(option(config, "syslog-facility"), &facility, err);
	if (r >= 0)
		r = read_format(option(config, "syslog-format"), &format, err);
	if (r >= 0)
		r = read_tag(create, option(config, "tag"), &tag, err);
	if (r < 0)
		return r;
	create->def.host.log_driver = arena_printf(create->arena, "syslog %s %u %s %s", address,
						   (unsigned)facility, format, tag);
	return create->def.host.log_driver ? 0 : err_set(err, -ENOMEM, "no memory for a request");
}

int create_log(struct create *create, struct err *err)
{
	const struct json *from = json_get(create->host, "LogConfig"), *value;
	const struct json *config = json_get(from, "Config");
	struct container_def *def = &create->def;
	struct json_iter iter;
	size_t driver = 0;
	struct str key, name;
	int r = create_text(create, from, "Type", &def->host.log_driver, err);

	if (r < 0)
		return r;
	name = str_from(*def->host.log_driver ? def->host.log_driver : "json-file");
	while (driver < ARRAY_LEN(drivers) && !str_is(name, drivers[driver].name))
		driver++;
	if (driver == ARRAY_LEN(drivers))
		return err_set(err, -EINVAL,
			       "error looking up logging plugin %.*s: plugin \"%.*s\" not found",
			       STR_ARG(name), STR_ARG(name));
	def->log_off = str_is(name, "none");
	if (def->log_off)
		return 0;
	json_iter_init(&iter, config);
	while (json_iter_next(&iter, &key, &value)) {
		if (in_words(common, key) || in_words(drivers[driver].options, key))
			continue;
		return err_set(err, -EINVAL,
			       str_is(name, "local") ? "unknown log opt '%.*s' for log driver %.*s"
						     : "unknown log opt '%.*s' for %.*s log driver",
			       STR_ARG(key), STR_ARG(name));
	}
	r = read_mode(config, err);
	if (r >= 0)
		r = str_is(name, "syslog") ? read_syslog(create, config, err)
					   : read_sizes(create, config, err);
	return r;
}
