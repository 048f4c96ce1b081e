/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HOY_ENGINE_API_SHIM_VERSION_H
#define HOY_ENGINE_API_SHIM_VERSION_H

#include <stdint.h>

/*
 * The version of what engine main and a shim say to each other (shim_msg.h): raised with every
 * change that the other side would misread. tests/mutant has a header in this one's place.
 */
static inline uint16_t shim_version(void)
{
	return 1;
}

#endif
