# SPDX-License-Identifier: Apache-2.0
UNIT += tests/unit/engine_store/test_store
tests/unit/engine_store/test_store_OBJS = tests/unit/engine_store/test_store.o \
	engine/api/store_msg.o engine/http/url.o $(engine_store_OBJS) $(engine_oci_OBJS) \
	$(engine_json_OBJS)
tests/unit/engine_store/test_store_LIBS = -lyyjson

UNIT += tests/unit/engine_store/test_clean
tests/unit/engine_store/test_clean_OBJS = tests/unit/engine_store/test_clean.o \
	engine/api/store_msg.o engine/http/url.o $(engine_store_OBJS) $(engine_oci_OBJS) \
	$(engine_json_OBJS)
tests/unit/engine_store/test_clean_LIBS = -lyyjson

# store_tool is no test: it lets tests/ns/store_*.py call single functions of the engine.
NS += tests/tool/store_tool
tests/tool/store_tool_OBJS = tests/ns/store_tool.o $(engine_erofs_OBJS) engine/api/entry.o \
	engine/api/pack_msg.o

FUZZ += tests/fuzz/fuzz_store_state
tests/fuzz/fuzz_store_state_OBJS = tests/fuzz/fuzz_store_state.o engine/api/store_msg.o \
	engine/store/refs.o engine/store/aside.o engine/store/trailer.o

FUZZ += tests/fuzz/fuzz_pack
tests/fuzz/fuzz_pack_OBJS = tests/fuzz/fuzz_pack.o $(engine_erofs_OBJS) engine/api/entry.o \
	engine/api/pack_msg.o

UNIT += tests/unit/engine_store/test_unnamed
tests/unit/engine_store/test_unnamed_OBJS = tests/unit/engine_store/test_unnamed.o \
	engine/api/store_msg.o engine/http/url.o $(engine_store_OBJS) $(engine_oci_OBJS) \
	$(engine_json_OBJS)
tests/unit/engine_store/test_unnamed_LIBS = -lyyjson

UNIT += tests/unit/engine_store/test_cache
tests/unit/engine_store/test_cache_OBJS = tests/unit/engine_store/test_cache.o \
	engine/api/store_msg.o engine/http/url.o $(engine_store_OBJS) $(engine_oci_OBJS) \
	$(engine_json_OBJS)
tests/unit/engine_store/test_cache_LIBS = -lyyjson
