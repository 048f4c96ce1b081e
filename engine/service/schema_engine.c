/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The keys of engine.ini. Owned by engine main; the man page and the console's completion are held
 * against this table. Must hold no logic beyond the check of one value.
 */
#include <arpa/inet.h>
#include <errno.h>
#include "engine/service/spec.h"
#include "lib/own.h"

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
	  .key = "userns_mode",
	  .type = INI_TYPE_ENUM,
	  .choices = "host|auto",
	  .def = "host",
	  .help = "of containers that do not say: the machine's ids, or a range of their own" },
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

static const char *const named[] = { "registry", "repository", NULL };

const struct ini_schema engine_schema = { "engine", engine_keys, ARRAY_LEN(engine_keys), named };
