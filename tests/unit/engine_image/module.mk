# SPDX-License-Identifier: Apache-2.0
UNIT += tests/unit/engine_image/test_lease
tests/unit/engine_image/test_lease_OBJS := tests/unit/engine_image/test_lease.o \
	engine/image/lease.o engine/api/store_msg.o
