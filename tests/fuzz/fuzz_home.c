/* SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>
#include "engine/run/apply.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Whatever a passwd file says, HOME is an absolute path of that file or the root. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	for (uint32_t uid = 0; uid < 2; uid++) {
		struct str home = apply_home_of(str_make((const char *)data, size), uid);

		if (home.len == 0 || home.len > size + 1 || home.ptr[0] != '/' ||
		    str_find(home, '\n') >= 0 || str_find(home, '\0') >= 0 ||
		    str_find(home, ':') >= 0)
			abort();
	}
	return 0;
}
