/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The keys of services.ini. Owned by engine main; the man pages and the console's
 * completion are held against these tables. Must hold no logic beyond the check of one value.
 */
#include <errno.h>
#include "engine/health/test.h"
#include "engine/service/spec.h"
#include "lib/own.h"

static int check_port(struct str value, struct err *err)
{
	struct service_port port;

	return service_port_parse(value, &port, err);
}

static int check_volume(struct str value, struct err *err)
{
	struct arena arena OWN(arena_done) = { 0 };
	struct service_volume volume;

	arena_init(&arena, 16384);
	return service_volume_parse(&arena, value, &volume, err);
}

static int check_ulimit(struct str value, struct err *err)
{
	struct arena arena OWN(arena_done) = { 0 };
	const char *text;

	arena_init(&arena, 4096);
	return service_ulimit_parse(&arena, value, &text, err);
}

static int check_security(struct str value, struct err *err)
{
	static const char *const known[] = { "no-new-privileges",	"no-new-privileges:true",
					     "no-new-privileges=true",	"no-new-privileges:false",
					     "no-new-privileges=false", "seccomp=unconfined",
					     "seccomp:unconfined",	"seccomp=builtin",
					     "apparmor=unconfined",	"apparmor:unconfined",
					     "label=disable",		"label:disable" };

	for (size_t i = 0; i < ARRAY_LEN(known); i++)
		if (str_is(value, known[i]))
			return 0;
	return err_set(err, -EINVAL, "no-new-privileges or seccomp=unconfined");
}

static int check_window(struct str value, struct err *err)
{
	struct update_window window;

	return update_window_parse(value, &window, err);
}

static int check_command(struct str value, struct err *err)
{
	struct arena arena OWN(arena_done) = { 0 };
	struct service_list list;

	arena_init(&arena, 262144);
	return service_command_parse(&arena, value, &list, err);
}

static int check_env(struct str value, struct err *err)
{
	ptrdiff_t eq = str_find(value, '=');

	if (eq == 0)
		return err_set(err, -EINVAL, "NAME=value with a name in front of the '='");
	return 0;
}

static int check_depends(struct str value, struct err *err)
{
	ptrdiff_t colon = str_find(value, ':');
	struct str need = colon < 0 ? STR("started") : str_skip(value, (size_t)colon + 1);

	if (str_is(need, "started") || str_is(need, "healthy") || str_is(need, "completed"))
		return 0;
	return err_set(err, -EINVAL,
		       "SERVICE, SERVICE:started, SERVICE:healthy or "
		       "SERVICE:completed");
}

static int check_health(struct str value, struct err *err)
{
	struct arena arena OWN(arena_done) = { 0 };
	struct image_texts words;

	arena_init(&arena, 262144);
	return health_test_parse(&arena, value, &words, err);
}

static int check_wait(struct str value, struct err *err)
{
	struct arena arena OWN(arena_done) = { 0 };
	struct service_wait_for wait;

	arena_init(&arena, 16384);
	return service_wait_parse(&arena, value, &wait, err);
}

static int check_restart(struct str value, struct err *err)
{
	uint64_t n;

	if (str_is(value, "no") || str_is(value, "always") || str_is(value, "on-failure") ||
	    str_is(value, "unless-stopped"))
		return 0;
	if (str_starts(value, STR("on-failure:")) &&
	    !str_to_u64(str_skip(value, 11), 1, 1000000, &n))
		return 0;
	return err_set(err, -EINVAL, "no, always, unless-stopped, on-failure or on-failure:N");
}

static int check_context(struct str value, struct err *err)
{
	if (str_starts(value, STR("/config/")) || str_starts(value, STR("/data/builds/")))
		return 0;
	return err_set(err, -EINVAL, "a directory below /config/ or /data/builds/");
}

static int check_env_file(struct str value, struct err *err)
{
	for (size_t i = 0; i < value.len; i++)
		if (value.ptr[i] == '"' || value.ptr[i] == '\\')
			return err_set(err, -EINVAL, "a path without quotes and backslashes");
	return str_starts(value, STR("/config/")) ? 0
						  : err_set(err, -EINVAL, "a file below /config/");
}

static int check_argument(struct str value, struct err *err)
{
	return str_find(value, '=') > 0 ? 0 : err_set(err, -EINVAL, "NAME=value");
}

static int check_compose(struct str value, struct err *err)
{
	return str_starts(value, STR("/config/"))
		       ? 0
		       : err_set(err, -EINVAL, "files below /config/, with blanks between them");
}

#define LEN(min_, max_) .min = (min_), .max = (max_)

static const struct ini_key service_keys[] = {
	{ .section = "service",
	  .key = "image",
	  .type = INI_TYPE_TEXT,
	  LEN(1, 510),
	  .help = "image reference, e.g. registry.example:5000/shop/web:1.4" },
	{ .section = "service",
	  .key = "build",
	  .type = INI_TYPE_PATH,
	  LEN(1, 1000),
	  .check = check_context,
	  .help = "directory with a Dockerfile; built behind what runs" },
	{ .section = "service",
	  .key = "build.dockerfile",
	  .type = INI_TYPE_TEXT,
	  LEN(1, 1000),
	  .help = "another file in that directory in the place of Dockerfile" },
	{ .section = "service",
	  .key = "build.target",
	  .type = INI_TYPE_TEXT,
	  LEN(1, 128),
	  .help = "stage to build; the last one when unset" },
	{ .section = "service",
	  .key = "build.args",
	  .type = INI_TYPE_TEXT,
	  .list = true,
	  LEN(2, 32768),
	  .check = check_argument,
	  .help = "NAME=value of an ARG of the Dockerfile" },
	{ .section = "service",
	  .key = "command",
	  .type = INI_TYPE_COMMAND,
	  LEN(0, 65536),
	  .check = check_command,
	  .help = "replaces the image's command" },
	{ .section = "service",
	  .key = "entrypoint",
	  .type = INI_TYPE_COMMAND,
	  LEN(0, 65536),
	  .check = check_command,
	  .help = "replaces the image's entry point and drops its command" },
	{ .section = "service",
	  .key = "environment",
	  .type = INI_TYPE_TEXT,
	  .list = true,
	  LEN(1, 32768),
	  .check = check_env,
	  .help = "NAME=value, one a line" },
	{ .section = "service",
	  .key = "env_file",
	  .type = INI_TYPE_TEXT,
	  .list = true,
	  LEN(9, 1000),
	  .check = check_env_file,
	  .help = "file below /config/ with lines NAME=value; a later one and environment go over "
		  "it" },
	{ .section = "service",
	  .key = "ports",
	  .type = INI_TYPE_TEXT,
	  .list = true,
	  LEN(1, 100),
	  .check = check_port,
	  .help = "[ADDRESS:]HOST:CONTAINER[/udp], ranges A-B:C-D" },
	{ .section = "service",
	  .key = "volumes",
	  .type = INI_TYPE_TEXT,
	  .list = true,
	  LEN(1, 2000),
	  .check = check_volume,
	  .help = "NAME:/path[:ro] or /host/path:/path[:ro]" },
	{ .section = "service",
	  .key = "networks",
	  .type = INI_TYPE_NAME,
	  .list = true,
	  LEN(1, 64),
	  .help = "bridges of network.ini to join; 'bridge' when none is named; or host, none" },
	{ .section = "service",
	  .key = "networks.*",
	  .type = INI_TYPE_TEXT,
	  .list = true,
	  LEN(1, 63),
	  .help = "networks.NAME.ipv4_address, .ipv6_address, .mac_address = ADDRESS that it has "
		  "there; networks.NAME.aliases = WORD that others find it by" },
	{ .section = "service",
	  .key = "depends_on",
	  .type = INI_TYPE_TEXT,
	  .list = true,
	  LEN(1, 100),
	  .check = check_depends,
	  .help = "SERVICE[:started|:healthy|:completed] to start before" },
	{ .section = "service",
	  .key = "restart",
	  .type = INI_TYPE_TEXT,
	  LEN(1, 32),
	  .def = "always",
	  .choices = "no|always|unless-stopped|on-failure", /* of completion: N may follow */
	  .check = check_restart,
	  .help = "no, always, unless-stopped, on-failure[:N]" },
	{ .section = "service",
	  .key = "trial",
	  .type = INI_TYPE_DURATION,
	  LEN(0, 86400000),
	  .def = "1m",
	  .help = "a changed image or definition has to be healthy in this time; 0s: no trial" },
	{ .section = "service",
	  .key = "pull",
	  .type = INI_TYPE_ENUM,
	  .choices = "missing|always|schedule",
	  .def = "missing",
	  .help = "ask the registry for a newer image of this name: never, at each start, or once "
		  "in each update_window (a day without one)" },
	{ .section = "service",
	  .key = "update_window",
	  .type = INI_TYPE_TEXT,
	  LEN(1, 100),
	  .check = check_window,
	  .help = "when pull = schedule may look and start anew: [DAY[-DAY],...] HH:MM-HH:MM" },
	{ .section = "service",
	  .key = "wait_for",
	  .type = INI_TYPE_TEXT,
	  .list = true,
	  LEN(1, 300),
	  .check = check_wait,
	  .help = "network, clock, volume:NAME or device:/dev/PATH to be there before it starts" },
	{ .section = "service",
	  .key = "schedule",
	  .type = INI_TYPE_TEXT,
	  LEN(1, 200),
	  .help = "run it at these times: minute hour day month weekday, @daily, or every 10m" },
	{ .section = "service",
	  .key = "replicas",
	  .type = INI_TYPE_UINT,
	  LEN(1, 64),
	  .def = "1",
	  .unit = "containers",
	  .help = "so many alike, called NAME-1, NAME-2 ..." },
	{ .section = "service",
	  .key = "profiles",
	  .type = INI_TYPE_NAME,
	  .list = true,
	  LEN(1, 64),
	  .help = "started by itself only when [engine] profiles names one of these" },
	{ .section = "service",
	  .key = "mem_limit",
	  .type = INI_TYPE_SIZE,
	  LEN(1 << 19, 1LL << 40),
	  .unit = "bytes",
	  .help = "memory the container may use" },
	{ .section = "service",
	  .key = "disk_limit",
	  .type = INI_TYPE_SIZE,
	  LEN(1 << 20, 1LL << 50),
	  .unit = "bytes",
	  .help = "what the container may write beside its volumes" },
	{ .section = "service",
	  .key = "cpus",
	  .type = INI_TYPE_DECIMAL,
	  LEN(10, 1024000),
	  .unit = "CPUs",
	  .help = "share of processors, e.g. 0.5" },
	{ .section = "service",
	  .key = "pids_limit",
	  .type = INI_TYPE_UINT,
	  LEN(1, 4194304),
	  .def = "4096",
	  .unit = "processes",
	  .help = "processes and threads at once" },
	{ .section = "service",
	  .key = "user",
	  .type = INI_TYPE_TEXT,
	  LEN(1, 128),
	  .help = "USER[:GROUP], names or numbers of the image" },
	{ .section = "service",
	  .key = "working_dir",
	  .type = INI_TYPE_PATH,
	  LEN(1, 4095),
	  .help = "directory the command starts in" },
	{ .section = "service",
	  .key = "cap_add",
	  .type = INI_TYPE_NAME,
	  .list = true,
	  LEN(1, 40),
	  .help = "capability to add, e.g. NET_ADMIN; ALL" },
	{ .section = "service",
	  .key = "cap_drop",
	  .type = INI_TYPE_NAME,
	  .list = true,
	  LEN(1, 40),
	  .help = "capability to drop; ALL" },
	{ .section = "service",
	  .key = "devices",
	  .type = INI_TYPE_TEXT,
	  .list = true,
	  LEN(1, 500),
	  .help = "/dev/x[:/dev/y[:rwm]]" },
	{ .section = "service",
	  .key = "privileged",
	  .type = INI_TYPE_BOOL,
	  .def = "no",
	  .help = "all capabilities and devices: as powerful as the machine itself" },
	{ .section = "service",
	  .key = "userns_mode",
	  .type = INI_TYPE_ENUM,
	  .choices = "auto|host",
	  .help = "ids of its own, or the machine's; [engine] userns_mode is the default" },
	{ .section = "service",
	  .key = "read_only",
	  .type = INI_TYPE_BOOL,
	  .def = "no",
	  .help = "the root file system cannot be written" },
	{ .section = "service",
	  .key = "tmpfs",
	  .type = INI_TYPE_PATH,
	  .list = true,
	  LEN(1, 1000),
	  .help = "path in the container that is memory" },
	{ .section = "service",
	  .key = "labels.*",
	  .type = INI_TYPE_TEXT,
	  LEN(0, 4096),
	  .help = "labels.NAME = value" },
	{ .section = "service",
	  .key = "hostname",
	  .type = INI_TYPE_NAME,
	  LEN(1, 63),
	  .help = "host name inside; the service's name when unset" },
	{ .section = "service",
	  .key = "dns",
	  .type = INI_TYPE_TEXT,
	  .list = true,
	  LEN(1, 46),
	  .help = "name server address instead of the machine's" },
	{ .section = "service",
	  .key = "extra_hosts",
	  .type = INI_TYPE_TEXT,
	  .list = true,
	  LEN(3, 300),
	  .help = "NAME:ADDRESS for /etc/hosts" },
	{ .section = "service",
	  .key = "dns_search",
	  .type = INI_TYPE_NAME,
	  .list = true,
	  LEN(1, 253),
	  .help = "domain that a short name is looked up in" },
	{ .section = "service",
	  .key = "sysctls",
	  .type = INI_TYPE_TEXT,
	  .list = true,
	  LEN(3, 300),
	  .check = check_env,
	  .help = "NAME=value of the container's own kernel settings, e.g. "
		  "net.core.somaxconn=1024" },
	{ .section = "service",
	  .key = "ulimits",
	  .type = INI_TYPE_TEXT,
	  .list = true,
	  LEN(3, 100),
	  .check = check_ulimit,
	  .help = "NAME=SOFT[:HARD], e.g. nofile=1024:4096; -1 is without a limit" },
	{ .section = "service",
	  .key = "security_opt",
	  .type = INI_TYPE_TEXT,
	  .list = true,
	  LEN(1, 64),
	  .check = check_security,
	  .help = "no-new-privileges, seccomp=unconfined" },
	{ .section = "service",
	  .key = "group_add",
	  .type = INI_TYPE_NAME,
	  .list = true,
	  LEN(1, 64),
	  .help = "further group of its processes, a name or number of the image" },
	{ .section = "service",
	  .key = "shm_size",
	  .type = INI_TYPE_SIZE,
	  LEN(4096, 1LL << 40),
	  .unit = "bytes",
	  .help = "size of /dev/shm; 64m when unset" },
	{ .section = "service",
	  .key = "stop_signal",
	  .type = INI_TYPE_NAME,
	  LEN(1, 12),
	  .help = "signal that asks it to end, e.g. SIGTERM" },
	{ .section = "service",
	  .key = "stop_grace_period",
	  .type = INI_TYPE_DURATION,
	  LEN(0, 3600000),
	  .def = "10s",
	  .help = "time between that signal and SIGKILL" },
	{ .section = "service",
	  .key = "logging.max_size",
	  .type = INI_TYPE_SIZE,
	  LEN(4096, 1LL << 34),
	  .def = "10m",
	  .unit = "bytes",
	  .help = "size of one log file" },
	{ .section = "service",
	  .key = "logging.max_file",
	  .type = INI_TYPE_UINT,
	  LEN(1, 64),
	  .def = "3",
	  .unit = "files",
	  .help = "log files kept" },
	{ .section = "service",
	  .key = "healthcheck.test",
	  .type = INI_TYPE_COMMAND,
	  LEN(1, 65536),
	  .check = check_health,
	  .help = "[\"CMD\", ...], [\"CMD-SHELL\", ...], [\"NONE\"], a script, "
		  "http://HOST:PORT/PATH, tcp:HOST:PORT" },
	{ .section = "service",
	  .key = "healthcheck.interval",
	  .type = INI_TYPE_DURATION,
	  LEN(1, 86400000),
	  .help = "pause between two checks; the image's or 30s" },
	{ .section = "service",
	  .key = "healthcheck.timeout",
	  .type = INI_TYPE_DURATION,
	  LEN(1, 3600000),
	  .help = "a check that takes longer has failed; the image's or 30s" },
	{ .section = "service",
	  .key = "healthcheck.retries",
	  .type = INI_TYPE_UINT,
	  LEN(1, 1000),
	  .help = "failures in a row that make it unhealthy; the image's or 3" },
	{ .section = "service",
	  .key = "healthcheck.start_period",
	  .type = INI_TYPE_DURATION,
	  LEN(0, 86400000),
	  .help = "failures do not count so long after the start; the image's or 0s" },
	{ .section = "service",
	  .key = "healthcheck.start_interval",
	  .type = INI_TYPE_DURATION,
	  LEN(1, 86400000),
	  .help = "pause between two checks while it starts; the image's or 5s" },
	{ .section = "service",
	  .key = "healthcheck.disable",
	  .type = INI_TYPE_BOOL,
	  .def = "no",
	  .help = "no checks, whatever the image says" },
	{ .section = "service",
	  .key = "init",
	  .type = INI_TYPE_BOOL,
	  .def = "no",
	  .help = "run a small init as the first process that reaps the dead" },
	{ .section = "service",
	  .key = "tty",
	  .type = INI_TYPE_BOOL,
	  .def = "no",
	  .help = "give the command a terminal" },
	{ .section = "compose",
	  .key = "file",
	  .type = INI_TYPE_TEXT,
	  .list = true,
	  LEN(9, 4000),
	  .check = check_compose,
	  .help = "Compose files, each over the one before, whose services are declared ones" },
};

static const char *const named[] = { "service", "volume", "compose", NULL };

const struct ini_schema service_schema = { "services", service_keys, ARRAY_LEN(service_keys),
					   named };
