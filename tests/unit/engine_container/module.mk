# SPDX-License-Identifier: Apache-2.0
unit_container_state := engine/container/def_wire.o engine/container/def_host.o engine/container/state_wire.o engine/oci/image.o

UNIT += tests/unit/engine_container/test_state
tests/unit/engine_container/test_state_OBJS := tests/unit/engine_container/test_state.o \
	$(unit_container_state)

FUZZ += tests/fuzz/fuzz_container_state
tests/fuzz/fuzz_container_state_OBJS := tests/fuzz/fuzz_container_state.o $(unit_container_state)

UNIT += tests/unit/engine_container/test_log_route
tests/unit/engine_container/test_log_route_OBJS := tests/unit/engine_container/test_log_route.o \
	engine/container/log_route.o engine/container/def_host.o engine/oci/image.o

FUZZ += tests/fuzz/fuzz_volume_mount
tests/fuzz/fuzz_volume_mount_OBJS := tests/fuzz/fuzz_volume_mount.o engine/container/volume_mount.o
