/* SPDX-License-Identifier: Apache-2.0 */
#include "netd/link/link.h"
