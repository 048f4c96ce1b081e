# SPDX-License-Identifier: Apache-2.0
# Used by engine main: from a spec to a plan, layers and overlays, control groups. Used by the shim:
# the plan carried out, streams, log, exit status; it takes no library but L0.

engine_run_OBJS := engine/run/spec.o engine/run/spec_check.o engine/run/caps.o \
	engine/run/plan_encode.o engine/run/plan_listed.o engine/run/plan_decode.o \
	engine/run/plan_print.o engine/run/seccomp.o engine/run/seccomp_program.o \
	engine/run/seccomp_table.o engine/run/device.o engine/run/device_attach.o engine/run/kernel.o engine/run/cgroup.o \
	engine/run/cgroup_resource.o engine/run/cgroup_path.o engine/run/rootfs.o engine/run/rootfs_map.o \
	engine/run/user_namespace.o \
	engine/run/quota.o
engine_run_LIBS := -lseccomp
# Profiles that a person wrote: the api role and hoy-oci's parser (which lists them itself).
engine_seccomp_profile_OBJS := engine/run/seccomp_profile.o engine/oci/runtime_linux.o engine/oci/runtime_read.o

# The plan carried out: the shim's part, and hoy-oci's besides engine_run_OBJS.
engine_apply_OBJS := engine/run/apply_start.o engine/run/apply_container.o \
	engine/run/apply_exec.o engine/run/apply_process.o engine/run/apply_mount.o \
	engine/run/apply_dev.o engine/run/apply_guard.o engine/run/apply_source.o \
	engine/run/apply_namespace.o engine/run/apply_gate.o engine/run/apply_hook.o \
	engine/run/apply_caps.o engine/run/apply_reaper.o engine/run/apply_copy.o \
	engine/run/apply_listed.o engine/run/apply_home.o engine/run/apply_group.o engine/run/own_file.o

PROGS += shim
shim_OBJS := engine/role_shim.o engine/api/shim_msg.o engine/run/shim_exec.o \
	engine/run/shim_call.o engine/run/shim_log.o engine/run/shim_syslog.o engine/run/shim_stream.o \
	engine/run/plan_decode.o engine/run/device_attach.o engine/run/kernel.o engine/run/user_namespace.o \
	$(engine_apply_OBJS)

# The filter of the default capabilities, compiled while Hoy is built by a program of the host.
engine_run_OBJS += engine/run/seccomp_default.o gen/seccomp_default_program.o
engine_run_GEN := engine/run/seccomp_default_gen.c engine/run/seccomp.c \
	engine/run/seccomp_program.c engine/run/seccomp_table.c engine/run/caps.c lib/buf.c lib/err.c lib/own.c lib/str.c \
	lib/str_escape.c
$(B)/gen/seccomp_default_gen: $(engine_run_GEN) $(wildcard engine/run/s*.h lib/*.h) $(LIBS_HOST)
	@mkdir -p $(@D)
	$(Q)$(HOSTCC) $(filter-out -MMD -MP,$(BASE)) -O1 -isystem $(HSYS)/include -o $@ \
		$(engine_run_GEN) -L$(HSYS)/lib -lseccomp
$(B)/gen/seccomp_default_program.c: $(B)/gen/seccomp_default_gen
	$(Q)$< $(ARCH) >$@.new && mv $@.new $@
$(B)/obj/gen/%.o: $(B)/gen/%.c $(LIBS_TARGET)
	@mkdir -p $(@D)
	$(Q)$(CC) $(CFLAGS) -c -o $@ $<
$(B)/san/gen/%.o: $(B)/gen/%.c $(LIBS_HOST)
	@mkdir -p $(@D)
	$(Q)$(HOSTCC) $(SANFLAGS) -c -o $@ $<
