# SPDX-License-Identifier: Apache-2.0
# store_tool is no test: it lets tests/ns/store_*.py call single functions of the engine.
NS += tests/tool/store_tool
tests/tool/store_tool_OBJS = tests/ns/store_tool.o $(engine_erofs_OBJS) engine/api/entry.o \
	engine/api/pack_msg.o
