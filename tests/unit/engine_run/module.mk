# SPDX-License-Identifier: Apache-2.0
UNIT += tests/unit/engine_run/test_plan tests/unit/engine_run/test_device \
	tests/unit/engine_run/test_seccomp tests/unit/engine_run/test_cgroup \
	tests/unit/engine_run/test_sysctl
tests/unit/engine_run/test_plan_OBJS = tests/unit/engine_run/test_plan.o $(engine_run_OBJS) \
	engine/api/shim_msg.o
tests/unit/engine_run/test_plan_LIBS = -lseccomp
tests/unit/engine_run/test_device_OBJS = tests/unit/engine_run/test_device.o engine/run/device.o
tests/unit/engine_run/test_seccomp_OBJS = tests/unit/engine_run/test_seccomp.o \
	engine/run/seccomp.o engine/run/seccomp_program.o engine/run/seccomp_table.o engine/run/seccomp_default.o \
	gen/seccomp_default_program.o engine/run/caps.o
tests/unit/engine_run/test_seccomp_LIBS = -lseccomp
tests/unit/engine_run/test_cgroup_OBJS = tests/unit/engine_run/test_cgroup.o engine/run/cgroup.o \
	engine/run/cgroup_resource.o engine/run/cgroup_path.o engine/run/kernel.o

tests/unit/engine_run/test_sysctl_OBJS = tests/unit/engine_run/test_sysctl.o \
	engine/run/spec.o engine/run/caps.o

FUZZ += tests/fuzz/fuzz_plan tests/fuzz/fuzz_home
tests/fuzz/fuzz_home_OBJS = tests/fuzz/fuzz_home.o engine/run/apply_home.o \
	engine/run/plan_decode.o
tests/fuzz/fuzz_plan_OBJS = tests/fuzz/fuzz_plan.o engine/run/plan_decode.o engine/run/plan_print.o

# run_tool is no test: it lets tests/ns/run_*.py call single functions of the engine; run_shim is
# the shim with ASan and UBSan, run_direct carries a plan out without one.
# tests/golden asks run_tool and run_direct, and is among the quick suites.
UNIT += tests/tool/run_tool tests/tool/run_direct
NS += tests/tool/run_shim tests/tool/device_tool
tests/tool/device_tool_OBJS = tests/ns/device_tool.o engine/run/device_attach.o
tests/tool/run_tool_OBJS = tests/ns/run_tool.o $(engine_run_OBJS) engine/api/shim_msg.o
tests/tool/run_tool_LIBS = -lseccomp
tests/tool/run_shim_OBJS = $(shim_OBJS)
tests/tool/run_direct_OBJS = tests/ns/run_direct.o $(engine_run_OBJS) \
	$(engine_apply_OBJS)
tests/tool/run_direct_LIBS = -lseccomp
