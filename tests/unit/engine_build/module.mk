# SPDX-License-Identifier: Apache-2.0
tests_unit_build := engine/api/files_msg.o engine/api/store_msg.o
tests_unit_build_objs = engine/http/url.o engine/git/source.o $(engine_dockerfile_OBJS) $(engine_json_OBJS) $(engine_oci_OBJS)

UNIT += tests/unit/engine_build/test_dockerfile tests/unit/engine_build/test_plan tests/unit/engine_build/test_plan_from \
	tests/unit/engine_build/test_build tests/unit/engine_build/test_table \
	tests/unit/engine_build/test_cache tests/unit/engine_build/test_graph
tests/unit/engine_build/test_graph_OBJS = tests/unit/engine_build/test_graph.o $(tests_unit_build) \
	$(tests_unit_build_objs) $(engine_build_OBJS)
tests/unit/engine_build/test_graph_LIBS = -lyyjson
tests/unit/engine_build/test_cache_OBJS = tests/unit/engine_build/test_cache.o engine/build/cache.o
tests/unit/engine_build/test_dockerfile_OBJS = tests/unit/engine_build/test_dockerfile.o \
	$(tests_unit_build_objs)
tests/unit/engine_build/test_dockerfile_LIBS = -lyyjson
tests/unit/engine_build/test_table_OBJS = tests/unit/engine_build/test_table.o \
	$(tests_unit_build_objs)
tests/unit/engine_build/test_table_LIBS = -lyyjson
tests/unit/engine_build/test_plan_OBJS = tests/unit/engine_build/test_plan.o $(tests_unit_build) \
	$(tests_unit_build_objs) $(engine_build_OBJS)
tests/unit/engine_build/test_plan_LIBS = -lyyjson
tests/unit/engine_build/test_plan_from_OBJS = tests/unit/engine_build/test_plan_from.o \
	$(tests_unit_build) $(tests_unit_build_objs) $(engine_build_OBJS)
tests/unit/engine_build/test_plan_from_LIBS = -lyyjson
tests/unit/engine_build/test_build_OBJS = tests/unit/engine_build/test_build.o \
	$(tests_unit_build) $(tests_unit_build_objs) $(engine_build_OBJS)
tests/unit/engine_build/test_build_LIBS = -lyyjson

FUZZ += tests/fuzz/fuzz_dockerfile tests/fuzz/fuzz_ignore tests/fuzz/fuzz_expand
tests/fuzz/fuzz_expand_OBJS = tests/fuzz/fuzz_expand.o $(tests_unit_build_objs)
tests/fuzz/fuzz_expand_LIBS = -lyyjson
tests/fuzz/fuzz_dockerfile_OBJS = tests/fuzz/fuzz_dockerfile.o $(tests_unit_build) \
	$(tests_unit_build_objs) $(engine_build_OBJS)
tests/fuzz/fuzz_dockerfile_LIBS = -lyyjson
tests/fuzz/fuzz_ignore_OBJS = tests/fuzz/fuzz_ignore.o engine/dockerfile/ignore.o

FUZZ += tests/fuzz/fuzz_build_plan
tests/fuzz/fuzz_build_plan_OBJS = tests/fuzz/fuzz_build_plan.o $(tests_unit_build) \
	$(tests_unit_build_objs) $(engine_build_OBJS)
tests/fuzz/fuzz_build_plan_LIBS = -lyyjson

UNIT += tests/unit/engine_build/test_git
tests_unit_git = $(engine_git_OBJS) engine/api/entry.o
tests/unit/engine_build/test_git_OBJS = tests/unit/engine_build/test_git.o $(tests_unit_git)
tests/unit/engine_build/test_git_LIBS = -lz -lmbedcrypto
FUZZ += tests/fuzz/fuzz_git
tests/fuzz/fuzz_git_OBJS = tests/fuzz/fuzz_git.o $(tests_unit_git)
tests/fuzz/fuzz_git_LIBS = -lz -lmbedcrypto
