# SPDX-License-Identifier: Apache-2.0
compose_objs = engine/compose/yaml.o engine/compose/env.o engine/compose/merge.o engine/compose/load.o \
	engine/compose/compose.o engine/compose/keys.o engine/compose/keys_env.o engine/compose/keys_mount.o \
	engine/compose/keys_net.o engine/api/compose_msg.o $(engine_json_OBJS)
UNIT += tests/unit/engine_compose/test_compose
tests/unit/engine_compose/test_compose_OBJS = tests/unit/engine_compose/test_compose.o $(compose_objs)
tests/unit/engine_compose/test_compose_LIBS := -lyaml -lyyjson
FUZZ += tests/fuzz/fuzz_compose
tests/fuzz/fuzz_compose_OBJS = tests/fuzz/fuzz_compose.o $(compose_objs)
tests/fuzz/fuzz_compose_LIBS := -lyaml -lyyjson
UNIT += tests/unit/engine_compose/test_files
tests/unit/engine_compose/test_files_OBJS = tests/unit/engine_compose/test_files.o $(compose_objs)
tests/unit/engine_compose/test_files_LIBS := -lyaml -lyyjson
FUZZ += tests/fuzz/fuzz_dotenv
tests/fuzz/fuzz_dotenv_OBJS = tests/fuzz/fuzz_dotenv.o engine/compose/env.o
