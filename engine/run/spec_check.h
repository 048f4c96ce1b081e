/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HOY_ENGINE_RUN_SPEC_CHECK_H
#define HOY_ENGINE_RUN_SPEC_CHECK_H

#include "engine/run/spec.h"

/* -EINVAL or -E2BIG name the field and what was expected, -ENOTSUP what is not carried out. */
int spec_check(const struct run_spec *spec, struct err *err);
int spec_check_process(const struct run_process *process, struct err *err);

#endif
