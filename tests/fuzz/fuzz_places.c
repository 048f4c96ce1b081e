/* SPDX-License-Identifier: Apache-2.0 */
/* The table of places in the logs of containers as bytes of the fuzzer. */
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>
#include "init/ship/place.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const char boot[SHIP_BOOT_ID] = "boot";
	static struct ship_places places;
	int fd = memfd_create("places", MFD_CLOEXEC);
	int again = dup(fd);
	bool is_new;

	if (fd < 0 || again < 0 || pwrite(fd, data, size, 0) < 0)
		abort();
	ship_places_open(&places, fd, boot);
	if (places.count > SHIP_PLACES_MAX)
		abort();
	ship_places_of(&places, "0123456789abcdef", &is_new)->offset = size;
	ship_places_save(&places);
	ship_places_done(&places);
	/* What was written is read again. */
	ship_places_open(&places, again, boot);
	if (ship_places_of(&places, "0123456789abcdef", &is_new)->offset != size || is_new)
		abort();
	ship_places_done(&places);
	return 0;
}
