/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Role sweep: removes what lies in /data/trash, and ends. Own process because a tree of a container
 * can take minutes; it may be killed at any time, the next one goes on. Must never leave the trash.
 */
#include <fcntl.h>
#include <linux/capability.h>
#include "engine/role.h"
#include "lib/fs.h"
#include "lib/log.h"
#include "lib/own.h"
#include "lib/sandbox.h"

static int sweep_entry(int dirfd, const char *name, unsigned char d_type, void *owner,
		       struct err *err)
{
	struct err bad = { 0 };

	(void)d_type;
	(void)owner;
	(void)err;
	if (fs_remove_tree(dirfd, name, &bad) < 0)
		log_warn("trash: %s", err_text(&bad));
	return 0;
}

int role_sweep(void)
{
	/* What lies there came from containers: any owner, any mode. */
	const struct sandbox sandbox = { .profile = SANDBOX_PROFILE_FILES,
					 .root = "/data/trash",
					 .capabilities = UINT64_C(1) << CAP_DAC_OVERRIDE |
							 UINT64_C(1) << CAP_FOWNER,
					 .files_max = 64 };
	struct err err = { 0 };
	int trash OWN_FD = fs_open(-1, "/data/trash", FS_HOST, O_RDONLY | O_DIRECTORY, 0, NULL);

	if (trash < 0)
		return 0; /* nothing was ever thrown away */
	if (sandbox_enter(&sandbox, &err) < 0)
		fatal("%s", err_text(&err));
	if (fs_each(trash, sweep_entry, NULL, &err) < 0)
		fatal("trash: %s", err_text(&err));
	return 0;
}
