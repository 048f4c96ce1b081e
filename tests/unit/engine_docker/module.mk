# SPDX-License-Identifier: Apache-2.0
UNIT += tests/unit/engine_docker/test_rfc3339
tests/unit/engine_docker/test_rfc3339_OBJS := tests/unit/engine_docker/test_rfc3339.o \
	engine/docker/rfc3339.o

FUZZ += tests/fuzz/fuzz_docker
tests/fuzz/fuzz_docker_OBJS = tests/fuzz/fuzz_docker.o $(docker_api_objs)
tests/fuzz/fuzz_docker_LIBS := -lyyjson -lnghttp2 -lnanopb -lmbedcrypto -lseccomp

docker_api_objs = netd/api/netd_msg.o engine/api/pull_msg.o $(engine_docker_OBJS) $(engine_http_OBJS) $(engine_json_OBJS) $(engine_oci_OBJS) \
	engine/api/engine_msg.o engine/api/image_msg.o engine/api/context_msg.o engine/api/view_msg.o engine/api/gate_msg.o \
	engine/service/parse.o engine/container/def.o engine/container/def_wire.o engine/container/def_host.o engine/container/volume_mount.o engine/container/log_route.o \
	engine/build/plan.o engine/build/plan_op.o engine/build/plan_add.o engine/build/plan_wire.o engine/api/files_msg.o engine/git/source.o engine/build/plan_trigger.o \
	engine/build/plan_steps.o engine/build/plan_expose.o engine/build/plan_lint.o engine/build/plan_history.o engine/build/plan_order.o engine/build/plan_from.o $(engine_dockerfile_OBJS) \
	$(engine_buildkit_OBJS) engine/api/entry.o $(engine_seccomp_profile_OBJS) engine/run/seccomp_program.o engine/run/caps.o

FUZZ += tests/fuzz/fuzz_seccomp_profile
tests/fuzz/fuzz_seccomp_profile_OBJS = tests/fuzz/fuzz_seccomp_profile.o $(docker_api_objs)
tests/fuzz/fuzz_seccomp_profile_LIBS := -lyyjson -lnghttp2 -lnanopb -lmbedcrypto -lseccomp

FUZZ += tests/fuzz/fuzz_docker_create
tests/fuzz/fuzz_docker_create_OBJS = tests/fuzz/fuzz_docker_create.o $(docker_api_objs)
tests/fuzz/fuzz_docker_create_LIBS := -lyyjson -lnghttp2 -lnanopb -lmbedcrypto -lseccomp

FUZZ += tests/fuzz/fuzz_docker_view
tests/fuzz/fuzz_docker_view_OBJS = tests/fuzz/fuzz_docker_view.o engine/api/view_msg.o

UNIT += tests/unit/engine_docker/test_text
tests/unit/engine_docker/test_text_OBJS = tests/unit/engine_docker/test_text.o $(docker_api_objs)
tests/unit/engine_docker/test_text_LIBS := -lyyjson -lnghttp2 -lnanopb -lmbedcrypto -lseccomp

UNIT += tests/unit/engine_docker/test_gate
tests/unit/engine_docker/test_gate_OBJS := tests/unit/engine_docker/test_gate.o \
	engine/api/gate_msg.o engine/gate/revoked.o

UNIT += tests/unit/engine_docker/test_keep
tests/unit/engine_docker/test_keep_OBJS := tests/unit/engine_docker/test_keep.o \
	engine/api/gate_msg.o engine/api/access_msg.o engine/gate/keep.o

FUZZ += tests/fuzz/fuzz_gate
tests/fuzz/fuzz_gate_OBJS = tests/fuzz/fuzz_gate.o engine/api/gate_msg.o engine/gate/revoked.o

FUZZ += tests/fuzz/fuzz_access
tests/fuzz/fuzz_access_OBJS = tests/fuzz/fuzz_access.o engine/api/gate_msg.o engine/api/access_msg.o engine/gate/keep.o

FUZZ += tests/fuzz/fuzz_build_context
tests/fuzz/fuzz_build_context_OBJS = tests/fuzz/fuzz_build_context.o engine/api/context_msg.o engine/oci/image.o

UNIT += tests/unit/engine_docker/test_detach
tests/unit/engine_docker/test_detach_OBJS := tests/unit/engine_docker/test_detach.o engine/docker/detach.o

websocket_objs := engine/docker/websocket.o engine/docker/base64.o
UNIT += tests/unit/engine_docker/test_websocket
tests/unit/engine_docker/test_websocket_OBJS := tests/unit/engine_docker/test_websocket.o $(websocket_objs)
tests/unit/engine_docker/test_websocket_LIBS := -lmbedcrypto
FUZZ += tests/fuzz/fuzz_websocket
tests/fuzz/fuzz_websocket_OBJS := tests/fuzz/fuzz_websocket.o $(websocket_objs)
tests/fuzz/fuzz_websocket_LIBS := -lmbedcrypto

UNIT += tests/unit/engine_docker/test_create_seccomp
tests/unit/engine_docker/test_create_seccomp_OBJS = tests/unit/engine_docker/test_create_seccomp.o $(docker_api_objs)
tests/unit/engine_docker/test_create_seccomp_LIBS := -lyyjson -lnghttp2 -lnanopb -lmbedcrypto -lseccomp

UNIT += tests/unit/engine_docker/test_body
tests/unit/engine_docker/test_body_OBJS = tests/unit/engine_docker/test_body.o engine/docker/json_fault.o engine/docker/spell.o $(engine_json_OBJS)
tests/unit/engine_docker/test_body_LIBS := -lyyjson
FUZZ += tests/fuzz/fuzz_json_fault
tests/fuzz/fuzz_json_fault_OBJS = tests/fuzz/fuzz_json_fault.o engine/docker/json_fault.o $(engine_json_OBJS)
tests/fuzz/fuzz_json_fault_LIBS := -lyyjson

UNIT += tests/unit/engine_docker/test_platform
tests/unit/engine_docker/test_platform_OBJS = tests/unit/engine_docker/test_platform.o $(docker_api_objs)
tests/unit/engine_docker/test_platform_LIBS := -lyyjson -lnghttp2 -lnanopb -lmbedcrypto -lseccomp
FUZZ += tests/fuzz/fuzz_platform
tests/fuzz/fuzz_platform_OBJS = tests/fuzz/fuzz_platform.o $(docker_api_objs)
tests/fuzz/fuzz_platform_LIBS := -lyyjson -lnghttp2 -lnanopb -lmbedcrypto -lseccomp
