/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The pull role: TLS, HTTP and the documents of images, with client sockets to registries and the
 * pipes main hands it. Its root holds resolv.conf and hosts, nothing else. It must never see the
 * store, nor outlive the login it was given.
 */
#include <fcntl.h>
#include "engine/registry/net.h"
#include "engine/registry/serve.h"
#include "engine/role.h"
#include "lib/buf.h"
#include "lib/fs.h"
#include "lib/log.h"
#include "lib/own.h"
#include "lib/sandbox.h"

enum {
	PULL_UID = 65534,
	PULL_MEMORY_MAX = 256 << 20,
	PULL_BUNDLE_MAX = 2 << 20,
};

static const char bundle_path[] = "/etc/ssl/certs/ca-certificates.crt";

int role_pull(void)
{
	const struct sandbox sandbox = {
		.profile = SANDBOX_PROFILE_INET,
		.uid = PULL_UID,
		.gid = PULL_UID,
		.root = "/run/hoy/net",
		.address_space_max = PULL_MEMORY_MAX,
		.files_max = 32,
	};
	struct buf bundle OWN(buf_done);
	struct err err = { 0 };

	buf_init(&bundle, PULL_BUNDLE_MAX);
	/* Without a bundle only registries with a ca_file can be trusted: their errors say so. */
	if (fs_read(AT_FDCWD, bundle_path, FS_HOST, PULL_BUNDLE_MAX, &bundle, NULL) < 0)
		buf_clear(&bundle);
	/* Without them no file of a foreign server is asked for: that error says so. */
	if (net_learn(&err) < 0)
		log_err("%s", err_text(&err));
	if (sandbox_enter(&sandbox, &err) < 0)
		fatal("%s", err_text(&err));
	return serve_pull(3, buf_str(&bundle));
}
