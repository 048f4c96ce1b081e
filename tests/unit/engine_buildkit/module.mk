# SPDX-License-Identifier: Apache-2.0
tests_unit_buildkit_objs = engine/buildkit/cache.o engine/buildkit/packet.o engine/buildkit/pb.o engine/buildkit/request.o \
	engine/buildkit/fileset.o engine/buildkit/subrequest.o engine/docker/base64.o engine/api/entry.o \
	engine/buildkit/outline.o engine/buildkit/tar.o engine/build/plan.o engine/build/plan_op.o engine/build/plan_add.o engine/git/source.o \
	engine/build/plan_trigger.o engine/build/plan_steps.o engine/build/plan_expose.o engine/build/plan_lint.o \
	engine/build/plan_history.o engine/build/plan_order.o engine/build/plan_from.o $(engine_dockerfile_OBJS) $(engine_json_OBJS) $(engine_oci_OBJS) engine/http/url.o

UNIT += tests/unit/engine_buildkit/test_buildkit
tests/unit/engine_buildkit/test_buildkit_OBJS = tests/unit/engine_buildkit/test_buildkit.o \
	$(tests_unit_buildkit_objs)
tests/unit/engine_buildkit/test_buildkit_LIBS = -lyyjson -lnanopb

FUZZ += tests/fuzz/fuzz_buildkit tests/fuzz/fuzz_grpc
tests/fuzz/fuzz_buildkit_OBJS = tests/fuzz/fuzz_buildkit.o $(tests_unit_buildkit_objs)
tests/fuzz/fuzz_buildkit_LIBS = -lyyjson -lnanopb
tests/fuzz/fuzz_grpc_OBJS = tests/fuzz/fuzz_grpc.o $(docker_api_objs)
tests/fuzz/fuzz_grpc_LIBS = -lyyjson -lnghttp2 -lnanopb -lmbedcrypto -lseccomp

UNIT += tests/unit/engine_buildkit/test_sync_link
tests/unit/engine_buildkit/test_sync_link_OBJS = tests/unit/engine_buildkit/test_sync_link.o engine/buildkit/sync_link.o

UNIT += tests/unit/engine_buildkit/test_fileset tests/unit/engine_buildkit/test_subrequest
tests/unit/engine_buildkit/test_fileset_OBJS = tests/unit/engine_buildkit/test_fileset.o $(tests_unit_buildkit_objs)
tests/unit/engine_buildkit/test_fileset_LIBS = -lyyjson -lnanopb
tests/unit/engine_buildkit/test_subrequest_OBJS = tests/unit/engine_buildkit/test_subrequest.o $(tests_unit_buildkit_objs)
tests/unit/engine_buildkit/test_subrequest_LIBS = -lyyjson -lnanopb
