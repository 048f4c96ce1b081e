/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Limits of a container's block devices (Docker's BlkioDevice*): "rbps /dev/vda 1048576" and its
 * like as rows of io.max and io.weight. Runs in engine main; a device is looked at for its number
 * only. Must never leave a row out: what cannot be limited is an error at the start.
 */
#include <errno.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include "engine/container/launch.h"
#include "lib/fs.h"
#include "lib/own.h"

static int find_device(struct str path, uint32_t *ret_major, uint32_t *ret_minor, struct err *err)
{
	char text[256];
	struct stat st;
	int r = str_copy(path, text, sizeof(text));

	if (r < 0 || text[0] != '/')
		return err_set(err, -EINVAL, "blkio: '%.*s' is no path of a device", STR_ARG(path));
	r = fs_stat(-1, text, FS_HOST, &st, err);
	if (r < 0)
		return err_prefix(err, "blkio");
	if (!S_ISBLK(st.st_mode))
		return err_set(err, -ENODEV, "blkio: %s is not a block device", text);
	*ret_major = major(st.st_rdev);
	*ret_minor = minor(st.st_rdev);
	return 0;
}

/* The row of this device, new or begun by another of its limits; there is room for each text. */
static struct cgroup_io_limit *limit_row(struct launch_io *io, uint32_t dev_major,
					 uint32_t dev_minor)
{
	struct cgroup_io_limit *row;

	for (size_t i = 0; i < io->limit_count; i++) {
		if (io->limits[i].major == dev_major && io->limits[i].minor == dev_minor)
			return &io->limits[i];
	}
	row = &io->limits[io->limit_count++];
	*row = (struct cgroup_io_limit){ dev_major,    dev_minor,    CGROUP_UNSET,
					 CGROUP_UNSET, CGROUP_UNSET, CGROUP_UNSET };
	return row;
}

static int add_text(struct launch_io *io, const char *text, struct err *err)
{
	struct str rest = str_from(text), kind, path;
	uint32_t dev_major = 0, dev_minor = 0;
	uint64_t value;
	int r;

	(void)str_cut(&rest, ' ', &kind);
	(void)str_cut(&rest, ' ', &path);
	if (str_to_u64(rest, 0, INT64_MAX, &value) < 0)
		return err_set(err, -EINVAL, "blkio: '%s' is not KIND DEVICE NUMBER", text);
	r = find_device(path, &dev_major, &dev_minor, err);
	if (r < 0)
		return r;
	if (str_is(kind, "weight"))
		io->weights[io->weight_count++] =
			(struct cgroup_io_weight){ dev_major, dev_minor,
						   cgroup_weight_of_blkio(value) };
	else if (str_is(kind, "rbps"))
		limit_row(io, dev_major, dev_minor)->rbps = (int64_t)value;
	else if (str_is(kind, "wbps"))
		limit_row(io, dev_major, dev_minor)->wbps = (int64_t)value;
	else if (str_is(kind, "riops"))
		limit_row(io, dev_major, dev_minor)->riops = (int64_t)value;
	else if (str_is(kind, "wiops"))
		limit_row(io, dev_major, dev_minor)->wiops = (int64_t)value;
	else
		return err_set(err, -EINVAL, "blkio: there is no limit '%.*s'", STR_ARG(kind));
	return 0;
}

int launch_io(const struct def_host *host, struct launch_io *io, struct cgroup_resources *res,
	      struct err *err)
{
	int r = 0;

	io->limit_count = io->weight_count = 0;
	if (host->blkio.count > ARRAY_LEN(io->limits))
		return err_set(err, -E2BIG, "blkio: more than %zu limits", ARRAY_LEN(io->limits));
	for (uint32_t i = 0; r >= 0 && i < host->blkio.count; i++)
		r = add_text(io, host->blkio.items[i], err);
	if (r < 0)
		return r;
	res->io_limits = io->limits;
	res->io_limit_count = io->limit_count;
	res->io_weights = io->weights;
	res->io_weight_count = io->weight_count;
	return 0;
}
