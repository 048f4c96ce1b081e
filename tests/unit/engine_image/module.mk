# SPDX-License-Identifier: Apache-2.0
UNIT += tests/unit/engine_image/test_lease
tests/unit/engine_image/test_lease_OBJS := tests/unit/engine_image/test_lease.o \
	engine/image/lease.o engine/api/store_msg.o
UNIT += tests/unit/engine_image/test_take
tests/unit/engine_image/test_take_OBJS = tests/unit/engine_image/test_take.o engine/image/layer.o \
	engine/image/lease.o engine/image/take.o engine/image/take_blob.o \
	$(engine_worker_OBJS) $(engine_api_OBJS) $(engine_oci_OBJS) $(engine_json_OBJS) \
	engine/http/url.o
tests/unit/engine_image/test_take_LIBS := -lyyjson
