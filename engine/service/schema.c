/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The keys of services.ini and engine.ini. Owned by engine main; the man pages and the console's
 * completion are held against these tables. Must hold no logic beyond the check of one value.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <signal.h>
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

static int check_compose(struct str value, struct err *err)
{
	return str_starts(value, STR("/config/")) ? 0
						  : err_set(err, -EINVAL, "a file below /config/");
}

/* "2376", "192.0.2.1:2376" */
static int check_loopback(struct str value, struct err *err)
{
	ptrdiff_t colon = str_find(value, ':');
	uint64_t port;

	if (colon < 0 || !str_is(str_head(value, (size_t)colon), "127.0.0.1") ||
	    str_to_u64(str_skip(value, (size_t)colon + 1), 1, 65535, &port) < 0)
		return err_set(err, -EINVAL,
			       "127.0.0.1:PORT: from elsewhere metrics are read through [remote], "
			       "with a certificate");
	return 0;
}

static int check_listen(struct str value, struct err *err)
{
	ptrdiff_t colon = str_find(value, ':');
	struct str host = colon < 0 ? STR("0.0.0.0") : str_head(value, (size_t)colon);
	struct in_addr address;
	char text[INET_ADDRSTRLEN];
	uint64_t port;

	if (str_copy(host, text, sizeof(text)) < 0 || inet_pton(AF_INET, text, &address) != 1 ||
	    str_to_u64(str_skip(value, colon < 0 ? 0 : (size_t)colon + 1), 1, 65535, &port) < 0)
		return err_set(err, -EINVAL, "[ADDRESS:]PORT, such as 2376 or 192.0.2.1:2376");
	return 0;
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
	  .type = INI_TYPE_PATH,
	  LEN(9, 1000),
	  .check = check_compose,
	  .help = "a Compose file whose services are declared ones" },
};

const struct ini_schema service_schema = { "services", service_keys, ARRAY_LEN(service_keys) };

static const struct ini_key engine_keys[] = {
	{ .section = "engine",
	  .key = "keep_blobs",
	  .type = INI_TYPE_BOOL,
	  .def = "no",
	  .help = "keep compressed layers, so that images can be pushed without making them "
		  "again" },
	{ .section = "engine",
	  .key = "retry_max",
	  .type = INI_TYPE_DURATION,
	  LEN(1000, 86400000),
	  .def = "5m",
	  .help = "longest pause between two attempts to pull or build" },
	{ .section = "engine",
	  .key = "profiles",
	  .type = INI_TYPE_NAME,
	  .list = true,
	  LEN(1, 64),
	  .help = "profiles whose services are started; those without any always are" },
	{ .section = "engine",
	  .key = "preload",
	  .type = INI_TYPE_BOOL,
	  .def = "yes",
	  .help = "take in the image archives found in /config/images once" },
	{ .section = "engine",
	  .key = "cleanup_age",
	  .type = INI_TYPE_DURATION,
	  LEN(0, 315360000000),
	  .def = "0s",
	  .help = "images that nothing has used for so long go by themselves; 0s: none by age" },
	{ .section = "engine",
	  .key = "cleanup_at",
	  .type = INI_TYPE_UINT,
	  LEN(0, 99),
	  .def = "85",
	  .unit = "percent",
	  .help = "so full, the data partition makes images go that nothing uses; 0: never" },
	{ .section = "engine",
	  .key = "cleanup_to",
	  .type = INI_TYPE_UINT,
	  LEN(1, 99),
	  .def = "75",
	  .unit = "percent",
	  .help = "until it is only so full, or nothing is left that may go" },
	{ .section = "engine",
	  .key = "cleanup_keep",
	  .type = INI_TYPE_DURATION,
	  LEN(0, 86400000),
	  .def = "10m",
	  .help = "an image that came or was asked for less than this ago stays" },
	{ .section = "engine",
	  .key = "docker_config",
	  .type = INI_TYPE_PATH,
	  LEN(1, 1000),
	  .help = "Docker's config.json: logins of registries that have none here" },
	{ .section = "engine",
	  .key = "http_proxy",
	  .type = INI_TYPE_TEXT,
	  LEN(1, 1000),
	  .help = "proxy for registries without TLS" },
	{ .section = "engine",
	  .key = "https_proxy",
	  .type = INI_TYPE_TEXT,
	  LEN(1, 1000),
	  .help = "proxy for registries with TLS" },
	{ .section = "engine",
	  .key = "no_proxy",
	  .type = INI_TYPE_TEXT,
	  LEN(1, 2000),
	  .help = "names and addresses that are reached without a proxy" },
	{ .section = "registry",
	  .key = "ca_file",
	  .type = INI_TYPE_PATH,
	  LEN(1, 1000),
	  .help = "PEM file of the authority that signed the registry's certificate" },
	{ .section = "registry",
	  .key = "username",
	  .type = INI_TYPE_TEXT,
	  LEN(1, 256),
	  .help = "user name for the registry" },
	{ .section = "registry",
	  .key = "password",
	  .type = INI_TYPE_TEXT,
	  LEN(1, 4096),
	  .help = "password or token for the registry" },
	{ .section = "registry",
	  .key = "identity_token",
	  .type = INI_TYPE_TEXT,
	  LEN(1, 4095),
	  .help = "identity (refresh) token for the registry's token server" },
	{ .section = "registry",
	  .key = "client_cert",
	  .type = INI_TYPE_PATH,
	  LEN(1, 1000),
	  .help = "PEM file of the certificate shown to the registry" },
	{ .section = "registry",
	  .key = "client_key",
	  .type = INI_TYPE_PATH,
	  LEN(1, 1000),
	  .help = "PEM file of its private key" },
	{ .section = "registry",
	  .key = "mirror",
	  .type = INI_TYPE_TEXT,
	  .list = true,
	  LEN(1, 263),
	  .help = "host that is asked before the registry itself" },
	{ .section = "registry",
	  .key = "signature",
	  .type = INI_TYPE_ENUM,
	  .choices = "require|warn|off",
	  .def = "off",
	  .help = "whether its images have to be signed by a key of signature_key" },
	{ .section = "registry",
	  .key = "signature_key",
	  .type = INI_TYPE_PATH,
	  .list = true,
	  LEN(1, 1000),
	  .help = "PEM file with ECDSA P-256 public keys (cosign.pub)" },
	{ .section = "repository",
	  .key = "signature",
	  .type = INI_TYPE_ENUM,
	  .choices = "require|warn|off",
	  .def = "off",
	  .help = "the same for one repository, instead of its registry's" },
	{ .section = "repository",
	  .key = "signature_key",
	  .type = INI_TYPE_PATH,
	  .list = true,
	  LEN(1, 1000),
	  .help = "PEM file with ECDSA P-256 public keys (cosign.pub)" },
	{ .section = "remote",
	  .key = "listen",
	  .type = INI_TYPE_TEXT,
	  LEN(1, 21),
	  .check = check_listen,
	  .def = "2376",
	  .help = "[ADDRESS:]PORT where the Docker API is served to clients with a certificate" },
	{ .section = "remote",
	  .key = "ca_file",
	  .type = INI_TYPE_PATH,
	  LEN(1, 1000),
	  .help = "PEM file of the authority that signs the clients' certificates" },
	{ .section = "remote",
	  .key = "cert_file",
	  .type = INI_TYPE_PATH,
	  LEN(1, 1000),
	  .help = "PEM file of the machine's own certificate" },
	{ .section = "remote",
	  .key = "key_file",
	  .type = INI_TYPE_PATH,
	  LEN(1, 1000),
	  .help = "PEM file of its private key" },
	{ .section = "remote",
	  .key = "revoked",
	  .type = INI_TYPE_TEXT,
	  .list = true,
	  LEN(1, 100),
	  .help = "common name or serial number of a client's certificate that counts no more" },
	{ .section = "metrics",
	  .key = "listen",
	  .type = INI_TYPE_TEXT,
	  LEN(1, 21),
	  .check = check_loopback,
	  .help = "127.0.0.1:PORT where GET /metrics is answered; nowhere when unset" },
	{ .section = "registry",
	  .key = "insecure",
	  .type = INI_TYPE_BOOL,
	  .def = "no",
	  .help = "speak plain HTTP to it" },
};

const struct ini_schema engine_schema = { "engine", engine_keys, ARRAY_LEN(engine_keys) };
