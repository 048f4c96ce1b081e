# SPDX-License-Identifier: Apache-2.0
tests_unit_bundle := tests/unit/engine_bundle
bundle_record := engine/bundle/state.o engine/bundle/answer.o engine/run/kernel.o \
	engine/run/cgroup.o engine/run/cgroup_path.o engine/run/cgroup_resource.o \
	engine/run/user_namespace.o

UNIT += $(addprefix $(tests_unit_bundle)/test_,config bundle stats)
$(tests_unit_bundle)/test_config_OBJS = $(tests_unit_bundle)/test_config.o \
	$(engine_oci_runtime_OBJS)
$(tests_unit_bundle)/test_config_LIBS := -lyyjson
$(tests_unit_bundle)/test_bundle_OBJS = $(tests_unit_bundle)/test_bundle.o $(bundle_record) \
	engine/bundle/args.o engine/bundle/group.o engine/bundle/print.o engine/bundle/say.o \
	engine/bundle/signals.o engine/json/json_write.o engine/json/json.o
$(tests_unit_bundle)/test_bundle_LIBS := -lyyjson
$(tests_unit_bundle)/test_stats_OBJS = $(tests_unit_bundle)/test_stats.o engine/bundle/stats.o \
	engine/json/json_write.o engine/json/json.o
$(tests_unit_bundle)/test_stats_LIBS := -lyyjson

FUZZ += $(addprefix tests/fuzz/fuzz_,runtime_config bundle_records)
tests/fuzz/fuzz_runtime_config_OBJS = tests/fuzz/fuzz_runtime_config.o $(engine_oci_runtime_OBJS)
tests/fuzz/fuzz_runtime_config_LIBS := -lyyjson
tests/fuzz/fuzz_bundle_records_OBJS = tests/fuzz/fuzz_bundle_records.o $(bundle_record)
