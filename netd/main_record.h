/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HOY_NETD_MAIN_RECORD_H
#define HOY_NETD_MAIN_RECORD_H

#include "lib/buf.h"
#include "lib/wire.h"
#include "netd/main.h"

/*
 * What is remembered of an uplink, a file for each kind ("lease", "lease6", "routers"): KIND.NAME
 * in netd's state folder, and for leases on the data partition too. A file begins with the version
 * of its form (u32) and the MAC address (6 bytes) of the hardware it is about; what follows belongs
 * to the kind. It is replaced as a whole and may vanish at any time.
 */
struct record_kind {
	const char *name; /* the head of the file's name */
	const char *what; /* for the log: "keep WHAT" */
	uint32_t version; /* a file of another one is none */
	bool on_data;	  /* all boots' as well as this one's */
};

enum { MAIN_RECORD_MAX = 4096 };

/* An empty record with its head; the caller writes the rest and gives it to main_record_save(). */
void main_record_begin(struct buf *file, const struct record_kind *kind,
		       const struct uplink *uplink);
void main_record_save(const struct netd *netd, const struct record_kind *kind,
		      const struct uplink *uplink, const struct buf *file);
void main_record_drop(const struct netd *netd, const struct record_kind *kind,
		      const struct uplink *uplink);

/*
 * The file in dirfd (-1: there is none) into file, which the caller releases, and *ret_in behind
 * its head; the caller ends it by wire_end(). False: none, of another form or another hardware.
 */
bool main_record_read(int dirfd, const struct record_kind *kind, const struct uplink *uplink,
		      struct buf *file, struct wire *ret_in);

#endif
