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
	{ .section = "auth",
	  .key = "password_hash",
	  .type = INI_TYPE_TEXT,
	  .min = 0,
	  .max = 60,
	  .help = "bcrypt hash of the console password; one set on the console has precedence",
	  .check = check_hash },
};

const struct ini_schema boot_config_schema = { "hoy", keys, ARRAY_LEN(keys) };
