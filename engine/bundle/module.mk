# SPDX-License-Identifier: Apache-2.0
# The program hoy-oci: its commands, its sandboxed parser, and engine/run that carries plans out.
engine_bundle_parser_OBJS := engine/bundle/answer.o engine/bundle/convert.o \
	engine/bundle/convert_mount.o engine/bundle/convert_process.o \
	engine/bundle/convert_resources.o engine/run/seccomp_profile.o \
	engine/bundle/parser_work.o engine/oci/runtime_config.o engine/oci/runtime_linux.o \
	engine/oci/runtime_read.o engine/oci/runtime_check.o engine/json/json.o \
	engine/json/json_write.o
engine_bundle_OBJS := engine/bundle/main.o engine/bundle/args.o engine/bundle/say.o \
	engine/bundle/state.o engine/bundle/container.o engine/bundle/signals.o \
	engine/bundle/start.o engine/bundle/notify.o engine/bundle/launch.o engine/bundle/launch_parts.o \
	engine/bundle/group.o engine/bundle/agent.o engine/bundle/terminal.o engine/bundle/exec.o engine/bundle/hooks.o \
	engine/bundle/show.o engine/bundle/stats.o engine/bundle/print.o engine/bundle/update.o \
	engine/bundle/features.o engine/bundle/template.o engine/bundle/parser.o \
	$(engine_bundle_parser_OBJS)

PROGS += hoy-oci
hoy-oci_OBJS = $(engine_bundle_OBJS) $(engine_run_OBJS) $(engine_apply_OBJS)
hoy-oci_LIBS := -lseccomp -lyyjson

# The same with sanitizers, for tests/ns/oci_*.py.
NS += tests/tool/hoy-oci
tests/tool/hoy-oci_OBJS = $(hoy-oci_OBJS)
tests/tool/hoy-oci_LIBS := $(hoy-oci_LIBS)
