/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Lists of referrers of a stranger, and one that is kept: it has what it had and the manifest. The
 * bytes up to the first newline are the list, the rest is the manifest.
 */
#include <errno.h>
#include <stdlib.h>
#include "engine/oci/oci.h"
#include "engine/oci/referrers.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct oci_referrer list[OCI_REFERRERS_MAX];

static uint32_t count_of(struct str text, struct arena *arena, int *ret_result)
{
	uint32_t count = 0;

	*ret_result = oci_referrers_parse(text, "", arena, list, &count, NULL);
	if (count > OCI_REFERRERS_MAX)
		abort();
	return count;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct str text = str_make(data, size);
	ptrdiff_t newline = str_find(text, '\n');
	struct str index = newline < 0 ? text : str_head(text, (size_t)newline);
	struct str manifest = str_skip(text, newline < 0 ? size : (size_t)newline + 1);
	struct digest subject;
	struct arena arena;
	struct buf out;
	int before, after;
	uint32_t count;

	arena_init(&arena, 8 << 20);
	buf_init(&out, 16 << 20);
	count = count_of(index, &arena, &before);
	(void)oci_subject_parse(manifest, &subject, NULL);
	if (oci_referrers_add(index, manifest, OCI_MEDIA_MANIFEST, &out, NULL) == 1 &&
	    out.len <= OCI_DOCUMENT_MAX && before == 0) {
		if (count_of(buf_str(&out), &arena, &after) != count + 1 && after != -E2BIG)
			abort();
	}
	buf_done(&out);
	arena_done(&arena);
	return 0;
}
