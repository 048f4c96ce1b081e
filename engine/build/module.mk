# SPDX-License-Identifier: Apache-2.0
engine_build_OBJS := engine/build/plan.o engine/build/plan_op.o engine/build/plan_add.o engine/build/plan_order.o engine/build/plan_from.o engine/build/plan_trigger.o \
	engine/build/plan_steps.o engine/build/plan_expose.o engine/build/plan_wire.o \
	engine/build/plan_lint.o engine/build/plan_history.o engine/build/serve.o engine/build/build.o \
	engine/build/build_key.o engine/build/build_result.o engine/build/build_take.o
engine_build_exec_OBJS := engine/build/exec.o engine/build/exec_files.o engine/build/exec_request.o engine/build/exec_step.o engine/build/exec_add.o engine/build/exec_agent.o engine/build/exec_memory.o engine/build/exec_log.o engine/build/exec_login.o engine/build/exec_cache.o \
	engine/build/exec_mount.o engine/build/exec_fetch.o engine/build/exec_git.o engine/build/exec_context.o engine/build/exec_measure.o engine/build/cache.o
