# SPDX-License-Identifier: Apache-2.0
# Programs in which one defence can be switched off (tests/mutant/lib/defence.h stands before the
# product's): as the product's are compiled, for tests/ns/run_mutant.py alone.
MUTANTS := hoy-oci shim run_tool run_direct files engine
mutant_hoy-oci = $(hoy-oci_OBJS)
mutant_hoy-oci_LIBS = $(hoy-oci_LIBS)
mutant_shim = $(shim_OBJS)
mutant_run_tool = $(tests/tool/run_tool_OBJS)
mutant_run_tool_LIBS = -lseccomp
mutant_run_direct = $(tests/tool/run_direct_OBJS)
mutant_run_direct_LIBS = -lseccomp
mutant_files = tests/mutant/files.o engine/role_files.o engine/role_start.o \
	engine/api/files_msg.o engine/api/entry.o $(engine_files_OBJS) $(engine_dockerfile_OBJS)

# Its roles start without an environment: the switch is handed on.
mutant_engine = tests/mutant/engine.o $(engine_OBJS)
mutant_engine_LIBS = $(engine_LIBS) -Wl,--wrap=execve

$(B)/obj/mutant/%.o: %.c $(LIBS_TARGET)
	@mkdir -p $(@D)
	$(Q)$(CC) -Itests/mutant $(CFLAGS) -c -o $@ $<
$(B)/obj/mutant/gen/%.o: $(B)/gen/%.c $(LIBS_TARGET)
	@mkdir -p $(@D)
	$(Q)$(CC) $(CFLAGS) -c -o $@ $<
$(B)/obj/mutant/lib.a: $(lib_OBJS:%=$(B)/obj/mutant/%) $(B)/obj/mutant/tests/mutant/defence.o
	$(Q)rm -f $@ && ar rcsD $@ $^
$(MUTANTS:%=$(B)/mutant/%): $(B)/mutant/%: $$(addprefix $(B)/obj/mutant/,$$(mutant_$$*)) \
		$(B)/obj/mutant/lib.a
	@mkdir -p $(@D)
	$(Q)umask 022; $(CC) $(CFLAGS) $(LDFLAGS) -o $@ $^ $(mutant_$*_LIBS) $(lib_LIBS)
# run_direct as the product is compiled, for tests/ns/run_race.py.
$(B)/plain/run_direct: $$(addprefix $(B)/obj/,$$(tests/tool/run_direct_OBJS)) $(B)/obj/lib.a
	@mkdir -p $(@D)
	$(Q)umask 022; $(CC) $(CFLAGS) $(LDFLAGS) -o $@ $^ -lseccomp $(lib_LIBS)
tests-all: $(B)/plain/run_direct $(MUTANTS:%=$(B)/mutant/%)
