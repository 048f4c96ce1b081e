/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns the keys of hoy.ini (docs/man/hoy.ini.5). Runs in init's disk role. Pure.
 */
#include <errno.h>
#include "init/boot_config.h"
#include "init/boot_state.h"
#include "lib/own.h"

static int check_hostname(struct str value, struct err *err)
{
	for (size_t i = 0; i < value.len; i++)
		if (value.ptr[i] == '_' || value.ptr[i] == '.')
			return err_set(err, -EINVAL, "letters, digits and hyphens");
	return 0;
}

/* A slash stands only in the rules behind the first comma; before it, it would be a file's name. */
static int check_timezone(struct str value, struct err *err)
{
	bool rules = false;

	for (size_t i = 0; i < value.len; i++) {
		rules = rules || value.ptr[i] == ',';
		if (value.ptr[i] <= ' ' || value.ptr[i] > '~' || (value.ptr[i] == '/' && !rules))
			return err_set(err, -EINVAL,
				       "a POSIX time zone such as CET-1CEST,M3.5.0,M10.5.0/3");
	}
	return 0;
}

static int check_server(struct str value, struct err *err)
{
	for (size_t i = 0; i < value.len; i++)
		if (value.ptr[i] <= ' ' || value.ptr[i] > '~' || value.ptr[i] == '/')
			return err_set(err, -EINVAL, "a name or an address; the port has its key");
	return 0;
}

/* What a request line and a header field can carry (RFC 9112 section 3, RFC 6750 section 2.1). */
static bool is_printable(struct str value)
{
	for (size_t i = 0; i < value.len; i++)
		if (value.ptr[i] <= ' ' || value.ptr[i] > '~')
			return false;
	return true;
}

static int check_target(struct str value, struct err *err)
{
	if (value.len > 0 && value.ptr[0] == '/' && is_printable(value) && str_find(value, '#') < 0)
		return 0;
	return err_set(err, -EINVAL, "a path such as /upload/, blanks written as %%20");
}

static int check_token(struct str value, struct err *err)
{
	return is_printable(value) ? 0 : err_set(err, -EINVAL, "a token without blanks");
}

static int check_send(struct str value, struct err *err)
{
	uint8_t send;

	if (ship_send(value, &send) == 0)
		return 0;
	return err_set(err, -EINVAL, "one or several of system, kernel, containers");
}

static int check_hash(struct str value, struct err *err)
{
	if (value.len == 0 || boot_state_is_hash(value))
		return 0;
	return err_set(err, -EINVAL, "a bcrypt hash of 60 characters that begins with $2b$");
}

static const struct ini_key keys[] = {
	{ .section = "hoy",
	  .key = "hostname",
	  .type = INI_TYPE_NAME,
	  .min = 1,
	  .max = 63,
	  .def = "hoy",
	  .help = "name of this machine",
	  .check = check_hostname },
	{ .section = "hoy",
	  .key = "console_login",
	  .type = INI_TYPE_ENUM,
	  .def = "required",
	  .choices = "required|none",
	  .help = "whether the console of a claimed machine asks for the password" },
	{ .section = "hoy",
	  .key = "idle_logout",
	  .type = INI_TYPE_DURATION,
	  .min = 0,
	  .max = 86400000,
	  .def = "15m",
	  .help = "a login on the console ends after this time without a key; 0s: never" },
	{ .section = "hoy",
	  .key = "console_log",
	  .type = INI_TYPE_ENUM,
	  .choices = "err|warn|notice|info|debug",
	  .help = "least urgent log lines that the console shows; info when unset" },
	{ .section = "hoy",
	  .key = "log_max_size",
	  .type = INI_TYPE_SIZE,
	  .min = 1 << 20,
	  .max = 1 << 30,
	  .def = "8m",
	  .help = "room that the system's log takes on the data partition; the oldest part goes" },
	{ .section = "hoy",
	  .key = "timezone",
	  .type = INI_TYPE_TEXT,
	  .min = 0,
	  .max = 63,
	  .def = "UTC0",
	  .help = "POSIX time zone, given to the daemons as TZ",
	  .check = check_timezone },
	{ .section = "log",
	  .key = "server",
	  .type = INI_TYPE_TEXT,
	  .min = 0,
	  .max = SHIP_HOST_MAX - 1,
	  .help = "name or address of the syslog server that the log is sent to; unset: nowhere",
	  .check = check_server },
	{ .section = "log",
	  .key = "port",
	  .type = INI_TYPE_UINT,
	  .min = 1,
	  .max = 65535,
	  .help = "its TCP port; 514, with tls 6514, when unset" },
	{ .section = "log",
	  .key = "tls",
	  .type = INI_TYPE_BOOL,
	  .def = "no",
	  .help = "TLS, with the server's certificate held against ca_file" },
	{ .section = "log",
	  .key = "ca_file",
	  .type = INI_TYPE_PATH,
	  .max = SHIP_PATH_MAX - 1,
	  .help = "certificates of the authorities that the server's may come from, in PEM form" },
	{ .section = "log",
	  .key = "cert_file",
	  .type = INI_TYPE_PATH,
	  .max = SHIP_PATH_MAX - 1,
	  .help = "certificate of this machine for a server that asks for one, in PEM form" },
	{ .section = "log",
	  .key = "key_file",
	  .type = INI_TYPE_PATH,
	  .max = SHIP_PATH_MAX - 1,
	  .help = "its private key, in PEM form" },
	{ .section = "log",
	  .key = "send",
	  .type = INI_TYPE_TEXT,
	  .min = 1,
	  .max = 60,
	  .def = "system",
	  .help = "whose lines are sent: system, kernel, containers, or several of them",
	  .check = check_send },
	{ .section = "log",
	  .key = "facility",
	  .type = INI_TYPE_ENUM,
	  .def = "daemon",
	  .choices = "kern|user|daemon|auth|syslog|local0|local1|local2|local3|local4|local5|"
		     "local6|local7",
	  .help = "facility of the lines" },
	{ .section = "log",
	  .key = "level",
	  .type = INI_TYPE_ENUM,
	  .def = "info",
	  .choices = "err|warn|notice|info|debug",
	  .help = "least urgent lines that are sent" },
	{ .section = "log",
	  .key = "queue_size",
	  .type = INI_TYPE_SIZE,
	  .min = 256 << 10,
	  .max = 256 << 20,
	  .def = "4m",
	  .help = "room on the data partition for lines while the server is away; the oldest go" },
	{ .section = "support",
	  .key = "server",
	  .type = INI_TYPE_TEXT,
	  .min = 0,
	  .max = SEND_HOST_MAX - 1,
	  .help = "name or address of the HTTPS server that `support send` brings archives to",
	  .check = check_server },
	{ .section = "support",
	  .key = "port",
	  .type = INI_TYPE_UINT,
	  .min = 1,
	  .max = 65535,
	  .def = "443",
	  .help = "its TCP port" },
	{ .section = "support",
	  .key = "path",
	  .type = INI_TYPE_TEXT,
	  .min = 1,
	  .max = SEND_PATH_MAX - 1,
	  .def = "/",
	  .help = "where on the server; behind a '/' at its end stands the archive's name",
	  .check = check_target },
	{ .section = "support",
	  .key = "method",
	  .type = INI_TYPE_ENUM,
	  .def = "put",
	  .choices = "put|post",
	  .help = "HTTP method of the request" },
	{ .section = "support",
	  .key = "ca_file",
	  .type = INI_TYPE_PATH,
	  .max = SEND_FILE_MAX - 1,
	  .help = "certificates of the authorities that the server's may come from, in PEM form; "
		  "unset: the public ones of the image" },
	{ .section = "support",
	  .key = "cert_file",
	  .type = INI_TYPE_PATH,
	  .max = SEND_FILE_MAX - 1,
	  .help = "certificate of this machine for a server that asks for one, in PEM form" },
	{ .section = "support",
	  .key = "key_file",
	  .type = INI_TYPE_PATH,
	  .max = SEND_FILE_MAX - 1,
	  .help = "its private key, in PEM form" },
	{ .section = "support",
	  .key = "proxy",
	  .type = INI_TYPE_TEXT,
	  .min = 0,
	  .max = SEND_HOST_MAX - 1,
	  .help = "name or address of an HTTP proxy that is asked for the way there; the server's "
		  "name is looked up by it then",
	  .check = check_server },
	{ .section = "support",
	  .key = "proxy_port",
	  .type = INI_TYPE_UINT,
	  .min = 1,
	  .max = 65535,
	  .def = "3128",
	  .help = "the proxy's TCP port" },
	{ .section = "support",
	  .key = "token",
	  .type = INI_TYPE_TEXT,
	  .min = 0,
	  .max = SEND_TOKEN_MAX - 1,
	  .help = "sent as `Authorization: Bearer`; a secret, never shown",
	  .check = check_token },
	{ .section = "auth",
	  .key = "password_hash",
	  .type = INI_TYPE_TEXT,
	  .min = 0,
	  .max = 60,
	  .help = "bcrypt hash of the console password; one set on the console has precedence",
	  .check = check_hash },
};

static const char *const named[] = { NULL };

const struct ini_schema boot_config_schema = { "hoy", keys, ARRAY_LEN(keys), named };
