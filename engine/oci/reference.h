/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HOY_ENGINE_OCI_REFERENCE_H
#define HOY_ENGINE_OCI_REFERENCE_H

#include <stdbool.h>
#include "lib/err.h"
#include "lib/sha256.h"
#include "lib/str.h"

/*
 * Image references: [domain[:port]/]path[:tag][@sha256:hex], read as Docker reads them: without a
 * domain it is docker.io, there a single path component is below library/, the default tag is
 * "latest" (none where a digest is given). Pure.
 */
enum {
	OCI_DOMAIN_MAX = 264,	 /* with the NUL */
	OCI_PATH_MAX = 256,	 /* with the NUL; domain and path together at most 255 bytes */
	OCI_TAG_MAX = 129,	 /* with the NUL */
	OCI_REFERENCE_MAX = 512, /* a printed reference with its NUL */
};

struct oci_reference {
	char domain[OCI_DOMAIN_MAX]; /* "docker.io", "registry.example:5000", "[::1]:5000" */
	char path[OCI_PATH_MAX];     /* "library/busybox" */
	char tag[OCI_TAG_MAX];	     /* "" = none */
	bool has_digest;
	struct digest digest;
};

/* -EINVAL with what is wrong. */
int oci_reference_parse(struct str text, struct oci_reference *ret_ref, struct err *err);

/* The canonical form, complete: "docker.io/library/busybox:latest". Returns dst. */
const char *oci_reference_print(const struct oci_reference *ref, char dst[OCI_REFERENCE_MAX]);

/* The short form people know: "busybox:latest", "user/app:1", "registry.example:5000/x@sha256:...".
 */
const char *oci_reference_familiar(const struct oci_reference *ref, char dst[OCI_REFERENCE_MAX]);

/* Parses and prints the canonical form in one step. */
int oci_reference_normalise(struct str text, char dst[OCI_REFERENCE_MAX], struct err *err);

/* Where to connect to: the domain, but "registry-1.docker.io" for docker.io. */
const char *oci_reference_host(const struct oci_reference *ref);

#endif
