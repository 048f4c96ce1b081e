# SPDX-License-Identifier: Apache-2.0
compose_objs = engine/compose/yaml.o engine/compose/compose.o engine/compose/keys.o $(engine_json_OBJS)
UNIT += tests/unit/engine_compose/test_compose
tests/unit/engine_compose/test_compose_OBJS = tests/unit/engine_compose/test_compose.o $(compose_objs)
tests/unit/engine_compose/test_compose_LIBS := -lyaml -lyyjson
FUZZ += tests/fuzz/fuzz_compose
tests/fuzz/fuzz_compose_OBJS = tests/fuzz/fuzz_compose.o $(compose_objs)
tests/fuzz/fuzz_compose_LIBS := -lyaml -lyyjson
