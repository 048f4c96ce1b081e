/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns how projects of quotas are joined and limited. Runs in engine main. It must never touch a
 * directory that it was not handed.
 */
#include "engine/run/quota.h"

#include <errno.h>
#include <linux/fs.h>
#include <string.h>
#include "engine/run/kernel.h"

int quota_join(int dir_fd, uint32_t project, struct err *err)
{
	struct fsxattr attr;
	int r;

	memset(&attr, 0, sizeof(attr));
	r = k_ioctl(dir_fd, FS_IOC_FSGETXATTR, &attr);
	if (r < 0)
		return err_set(err, -EOPNOTSUPP, "its file system has no projects of quotas");
	if (attr.fsx_projid == project && attr.fsx_xflags & FS_XFLAG_PROJINHERIT)
		return 0;
	attr.fsx_projid = project;
	attr.fsx_xflags |= FS_XFLAG_PROJINHERIT;
	r = k_ioctl(dir_fd, FS_IOC_FSSETXATTR, &attr);
	return r < 0 ? err_sys(err, r, "join project %u of quotas", project) : 0;
}

int quota_limit(int fd, uint32_t project, uint64_t bytes, struct err *err)
{
	uint64_t inodes = bytes / QUOTA_BYTES_PER_INODE + 1;
	int r = k_set_project_quota(fd, project, (bytes + 1023) / 1024, inodes);

	if (r == -ESRCH || r == -ENOSYS || r == -ENOTSUP || r == -EINVAL)
		return err_set(err, -EOPNOTSUPP,
			       "its file system keeps no quotas of projects: a data partition made "
			       "by Hoy does");
	return r < 0 ? err_sys(err, r, "set the quota of project %u", project) : 0;
}
