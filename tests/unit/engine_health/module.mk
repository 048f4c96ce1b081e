# SPDX-License-Identifier: Apache-2.0
unit_health_test := engine/health/test.o engine/oci/image.o $(engine_json_OBJS)

UNIT += tests/unit/engine_health/test_machine tests/unit/engine_health/test_test
tests/unit/engine_health/test_machine_OBJS := tests/unit/engine_health/test_machine.o \
	engine/health/machine.o
tests/unit/engine_health/test_test_OBJS := tests/unit/engine_health/test_test.o $(unit_health_test)
tests/unit/engine_health/test_test_LIBS := -lyyjson

FUZZ += tests/fuzz/fuzz_health
tests/fuzz/fuzz_health_OBJS := tests/fuzz/fuzz_health.o $(unit_health_test)
tests/fuzz/fuzz_health_LIBS := -lyyjson
