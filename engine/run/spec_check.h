/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HOY_ENGINE_RUN_SPEC_CHECK_H
#define HOY_ENGINE_RUN_SPEC_CHECK_H

#include "engine/run/spec.h"

/* -EINVAL or -E2BIG name the field and what was expected, -ENOTSUP what is not carried out. */
int spec_check(const struct run_spec *spec, struct err *err);
/* "0-3,7" as bits, CPU 0 in the lowest of mask[0]; mask holds RUN_CPUS_MAX bits. */
int spec_cpu_mask(const char *list, uint8_t *mask, struct err *err);
int spec_check_process(const struct run_process *process, struct err *err);

#endif
