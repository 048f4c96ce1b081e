/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HOY_NETD_NL_RTNL_TC_H
#define HOY_NETD_NL_RTNL_TC_H

#include <stdint.h>
#include "lib/buf.h"

/*
 * How fast an interface may send (tc(8)): a token bucket (tc-tbf(8)) in place of its queue. The
 * encoders append one request and are pure.
 */

/* bits_per_s > 0; mtu: the interface's. What comes faster waits up to a tenth of a second; then it
 * is dropped. */
void rtnl_encode_rate(int index, uint64_t bits_per_s, uint32_t mtu, struct buf *out);
/* The queue that the interface has by itself. */
void rtnl_encode_no_rate(int index, struct buf *out);

#endif
