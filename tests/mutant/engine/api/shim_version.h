/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HOY_ENGINE_API_SHIM_VERSION_H
#define HOY_ENGINE_API_SHIM_VERSION_H

#include <stdint.h>

/* In the place of engine/api/shim_version.h, for the programs below build/ARCH/mutant: the
 * product's version, or what HOY_SHIM_VERSION says. */
uint16_t shim_version(void);

#endif
