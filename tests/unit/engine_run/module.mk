# SPDX-License-Identifier: Apache-2.0
# run_tool is no test: it lets tests/ns/run_*.py call single functions of the engine.
NS += tests/tool/run_tool tests/tool/run_shim
tests/tool/run_tool_OBJS = tests/ns/run_tool.o $(engine_run_OBJS) engine/api/shim_msg.o
tests/tool/run_tool_LIBS = -lseccomp
# The shim with ASan and UBSan.
tests/tool/run_shim_OBJS = $(shim_OBJS)
