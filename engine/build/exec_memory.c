/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Uppers in memory: a COPY whose files were counted and are few need not be written to the disk
 * twice, and nothing of them has to be taken away there afterwards. Runs in engine main. Must never
 * promise more memory than a small part of the machine's.
 */
#include "engine/build/exec_memory.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/sysinfo.h>
#include <sys/xattr.h>
#include "lib/fs.h"
#include "lib/own.h"

/* Below the run directory. */
#define UPPERS "uppers"

enum {
	MEMORY_ENTRY = 6 << 10, /* a name, its inode, and the page that is not full */
	MEMORY_SPARE = 4 << 20, /* directories on the way, here-documents */
	MEMORY_PART = 16,	/* of the machine's memory, for one step; */
	MEMORY_PARTS = 8,	/* for all of them */
};

static uint64_t in_use;

static bool fits(uint64_t bytes)
{
	struct sysinfo machine;
	uint64_t total;

	if (sysinfo(&machine) < 0)
		return false;
	total = (uint64_t)machine.totalram * machine.mem_unit;
	return bytes <= total / MEMORY_PART && in_use + bytes <= total / MEMORY_PARTS;
}

/* The room that a step's upper takes; 0: nobody knows. */
static uint64_t room_of(const struct build_lane *lane)
{
	const struct build_op *op = lane->step.op;
	const uint64_t most = UINT64_C(1) << 40;

	if (op->kind == BUILD_OP_DIR)
		return MEMORY_SPARE;
	if (op->from >= 0 || op->unpack || op->remote_count > 0 || lane->files_bytes > most ||
	    lane->files_count > most / MEMORY_ENTRY)
		return 0;
	return lane->files_bytes + lane->files_count * MEMORY_ENTRY + MEMORY_SPARE;
}

/* Overlays keep their marks in attributes of users, which tmpfs has since Linux 6.6. */
static bool has_attributes(int fd)
{
	return fsetxattr(fd, "user.overlay.test", "y", 1, 0) == 0 &&
	       fremovexattr(fd, "user.overlay.test") == 0;
}

static void unmount(int uppers_fd, const char *name)
{
	(void)fs_umount(uppers_fd, name, MNT_DETACH, NULL);
	(void)fs_rmdir(uppers_fd, name, NULL);
}

static int mount_upper(int uppers_fd, const char *name, uint64_t bytes, int *ret_upper,
		       int *ret_work)
{
	int top OWN_FD = fs_open_dir(uppers_fd, name, FS_BENEATH, 0700, NULL);
	int upper OWN_FD = -1, work OWN_FD = -1;
	char options[64];
	int r;

	(void)snprintf(options, sizeof(options), "mode=0700,size=%llu", (unsigned long long)bytes);
	r = top < 0 ? top
		    : fs_mount("build", top, "tmpfs", MS_NODEV | MS_NOSUID | MS_NOEXEC, options,
			       NULL);
	if (r < 0)
		return r;
	own_close(&top);
	top = fs_open(uppers_fd, name, FS_BENEATH_XDEV, O_RDONLY | O_DIRECTORY, 0, NULL);
	if (top >= 0)
		upper = fs_open_dir(top, "upper", FS_BENEATH, 0755, NULL);
	if (upper >= 0)
		work = fs_open_dir(top, "work", FS_BENEATH, 0700, NULL);
	if (work < 0 || !has_attributes(upper))
		return -ENOTSUP;
	*ret_upper = take_fd(&upper);
	*ret_work = take_fd(&work);
	return 0;
}

/* Whatever is in the way: the disk does it too. */
int build_memory_scratch(struct build_lane *lane, int *ret_upper, int *ret_work, struct err *err)
{
	struct build_step *step = &lane->step;
	const uint64_t bytes = room_of(lane);
	int uppers OWN_FD = -1;

	if (!bytes || !fits(bytes))
		return 0;
	uppers = fs_open_dir(lane->job->env->containers->run_fd, UPPERS, FS_BENEATH, 0700, err);
	if (uppers < 0)
		return uppers;
	if (mount_upper(uppers, step->scratch, bytes, ret_upper, ret_work) < 0) {
		unmount(uppers, step->scratch);
		return 0;
	}
	step->memory_bytes = bytes;
	in_use += bytes;
	return 1;
}

void build_memory_clear(struct build_rest *rest)
{
	int uppers OWN_FD = -1;

	if (!rest->memory_bytes)
		return;
	uppers = fs_open_dir(rest->env->run_fd, UPPERS, FS_BENEATH, 0700, NULL);
	if (uppers >= 0)
		unmount(uppers, rest->scratch);
	in_use -= rest->memory_bytes;
	rest->memory_bytes = 0;
}

static int sweep(int dirfd, const char *name, unsigned char type, void *owner, struct err *err)
{
	(void)type;
	(void)owner;
	(void)err;
	unmount(dirfd, name);
	return 0;
}

void build_memory_sweep(struct container_env *env)
{
	int uppers OWN_FD =
		fs_open(env->run_fd, UPPERS, FS_BENEATH, O_RDONLY | O_DIRECTORY, 0, NULL);

	if (uppers >= 0)
		(void)fs_each(uppers, sweep, NULL, NULL);
}
