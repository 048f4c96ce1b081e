/* SPDX-License-Identifier: Apache-2.0 */
/* Retry-After of a hostile server: never a pause out of bounds. */
#include <stdlib.h>
#include "engine/registry/retry.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	int64_t asked = retry_after_ms(str_make(data, size), 1700000000), pause;

	if (asked < -1 || asked > INT64_C(86400000))
		abort();
	pause = retry_pause_ms(0, asked, size ? data[0] * UINT32_C(0x01010101) : 0);
	if (pause > RETRY_AFTER_MAX_MS + 1000 || (pause >= 0 && pause < asked))
		abort();
	return 0;
}
