/* SPDX-License-Identifier: Apache-2.0 */
/* References: the normal form is its own normal form and needs no escaping anywhere. */
#include <stdlib.h>
#include <string.h>
#include "engine/oci/reference.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char one[OCI_REFERENCE_MAX], two[OCI_REFERENCE_MAX], shown[OCI_REFERENCE_MAX];
	struct oci_reference ref;

	if (oci_reference_parse(str_make(data, size), &ref, NULL) < 0)
		return 0;
	oci_reference_print(&ref, one);
	if (oci_reference_normalise(str_from(one), two, NULL) < 0 || strcmp(one, two) != 0)
		abort();
	oci_reference_familiar(&ref, shown);
	if (oci_reference_normalise(str_from(shown), two, NULL) < 0 || strcmp(one, two) != 0)
		abort();
	/* A tag may have dots in a row; it is one component wherever it goes. */
	if (strstr(ref.domain, "..") || strstr(ref.path, "..") || strstr(one, "//") ||
	    strchr(ref.tag, '/') || strpbrk(one, " %?#\\\"'\n"))
		abort();
	return 0;
}
