# SPDX-License-Identifier: Apache-2.0
tests_unit_bundle := tests/unit/engine_bundle

UNIT += $(addprefix $(tests_unit_bundle)/test_,config)
$(tests_unit_bundle)/test_config_OBJS = $(tests_unit_bundle)/test_config.o \
	$(engine_oci_runtime_OBJS)
$(tests_unit_bundle)/test_config_LIBS := -lyyjson

FUZZ += tests/fuzz/fuzz_runtime_config
tests/fuzz/fuzz_runtime_config_OBJS = tests/fuzz/fuzz_runtime_config.o $(engine_oci_runtime_OBJS)
tests/fuzz/fuzz_runtime_config_LIBS := -lyyjson
