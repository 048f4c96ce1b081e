/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HOY_INIT_CONSOLE_PACKAGES_H
#define HOY_INIT_CONSOLE_PACKAGES_H

#include <stdbool.h>
#include "lib/buf.h"
#include "lib/str.h"

/*
 * The packages of an image out of the text files that its package manager keeps, and as an SPDX 2.3
 * document in JSON. Pure: slices into the texts, every byte of them foreign.
 */
enum packages_kind {
	PACKAGES_DPKG, /* /var/lib/dpkg/status: RFC 822 like stanzas */
	PACKAGES_APK,  /* /lib/apk/db/installed: stanzas of "P:name" lines */
};

struct package {
	struct str name, version, architecture;
	struct str source;  /* the source package or origin, empty = the same name */
	struct str license; /* as the package says it, apk only */
};

/* The next installed package of `rest`, which moves on; false at the end. */
bool packages_next(enum packages_kind kind, struct str *rest, struct package *ret_package);

/* os-release(5): the value of a key without its quotes, empty where it is not there. */
struct str packages_release(struct str os_release, const char *key);

struct packages_document {
	const char *image, *digest; /* its name, "sha256:..." of its manifest */
	const char *created;	    /* now, "2026-11-21T18:00:00Z" */
	enum packages_kind kind;
	struct str database, os_release;
};

/* The whole document; *ret_count is how many packages are in it. An error of out's. */
int packages_spdx(const struct packages_document *document, struct buf *out, unsigned *ret_count);

#endif
