/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The load role: image archives, read through one fd and handed on through pipes. No network, no
 * files, no capabilities. It must never be given the directory an archive stands in.
 */
#include "engine/registry/serve.h"
#include "engine/role.h"
#include "lib/log.h"
#include "lib/sandbox.h"

enum { LOAD_UID = 65534, LOAD_MEMORY_MAX = 256 << 20 };

int role_load(void)
{
	const struct sandbox sandbox = {
		.profile = SANDBOX_PROFILE_COMPUTE,
		.uid = LOAD_UID,
		.gid = LOAD_UID,
		.address_space_max = LOAD_MEMORY_MAX,
		.files_max = 32,
	};
	struct err err = { 0 };

	if (sandbox_enter(&sandbox, &err) < 0)
		fatal("%s", err_text(&err));
	return serve_load(3);
}
