/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns the files in which main remembers what an uplink was told, of this boot in /run/hoy/netd, of
 * all boots in /data/state. Run by netd main. It must never give one hardware what another's was.
 */
#include "netd/main_record.h"

#include <stdio.h>
#include <string.h>
#include "lib/fs.h"
#include "lib/log.h"

enum { RECORD_NAME = 32 };

static void record_name(const struct record_kind *kind, const struct uplink *uplink,
			char dst[RECORD_NAME])
{
	snprintf(dst, RECORD_NAME, "%s.%s", kind->name, uplink->name);
	for (char *c = dst; *c; c++)
		if (*c == '/')
			*c = '_';
}

void main_record_begin(struct buf *file, const struct record_kind *kind,
		       const struct uplink *uplink)
{
	buf_init(file, MAIN_RECORD_MAX);
	wire_put_u32(file, kind->version);
	wire_put_bytes(file, uplink->mac, sizeof(uplink->mac));
}

void main_record_save(const struct netd *netd, const struct record_kind *kind,
		      const struct uplink *uplink, const struct buf *file)
{
	char name[RECORD_NAME];
	struct err err;

	record_name(kind, uplink, name);
	if (fs_replace(netd->state_fd, name, file->data, file->len, 0600, &err) < 0)
		log_warn("keep %s: %s", kind->what, err_text(&err));
	if (kind->on_data && netd->data_fd >= 0 &&
	    fs_replace(netd->data_fd, name, file->data, file->len, 0600, &err) < 0)
		log_warn("keep %s on the data partition: %s", kind->what, err_text(&err));
}

void main_record_drop(const struct netd *netd, const struct record_kind *kind,
		      const struct uplink *uplink)
{
	char name[RECORD_NAME];

	record_name(kind, uplink, name);
	(void)fs_unlink(netd->state_fd, name, NULL);
	if (kind->on_data && netd->data_fd >= 0)
		(void)fs_unlink(netd->data_fd, name, NULL);
}

bool main_record_read(int dirfd, const struct record_kind *kind, const struct uplink *uplink,
		      struct buf *file, struct wire *ret_in)
{
	char name[RECORD_NAME];
	uint8_t mac[sizeof(uplink->mac)];
	uint32_t version;

	if (dirfd < 0)
		return false;
	buf_init(file, MAIN_RECORD_MAX);
	record_name(kind, uplink, name);
	if (fs_read(dirfd, name, FS_BENEATH, MAIN_RECORD_MAX - 1, file, NULL) < 0)
		return false;
	wire_init(ret_in, file->data, file->len);
	version = wire_u32(ret_in);
	wire_bytes(ret_in, mac, sizeof(mac));
	return version == kind->version && !memcmp(mac, uplink->mac, sizeof(mac));
}
