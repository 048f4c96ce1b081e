# SPDX-License-Identifier: Apache-2.0
# One non-recursive Makefile; each folder's module.mk lists its objects. Everything is built below
# build/<arch>/: obj/ and bin/ against our musl for the image, san/ with ASan and UBSan for tests.
#
#   make            build the programs, libraries and the kernel (virtio flavour)
#   make run        build and boot the demo in QEMU on this terminal
#   make test       every test            make check   the quick ones: no root, no network
#   make image      UEFI disk image       make bench   figures (SUITE=boot: one suite)
#   make sbom bump torture fuzz clean

ARCH   ?= x86_64
B      := build/$(ARCH)
SYS    := $(B)/sysroot
HSYS   := $(B)/host-sysroot
MAKEFLAGS += --no-builtin-rules
.SUFFIXES:
.DELETE_ON_ERROR:
.SECONDEXPANSION:
.DEFAULT_GOAL := all

VERSION   := $(shell cat VERSION 2>/dev/null || echo 0)
BUILD_EPOCH := $(shell git log -1 --format=%ct 2>/dev/null || echo 1760000000)

CC        := $(SYS)/bin/musl-gcc
HOSTCC    := gcc
FUZZCC    := clang
WARN      := -Wall -Wextra -Wshadow -Wconversion -Wcast-qual -Wstrict-prototypes \
	     -Wmissing-prototypes -Wvla -Wswitch-enum -Werror
BASE      := -std=c11 -D_GNU_SOURCE -I. $(WARN) -MMD -MP -pipe -fno-strict-aliasing \
	     -ffile-prefix-map=$(CURDIR)=. -DHOY_VERSION='"$(VERSION)"' \
	     -DHOY_BUILD_EPOCH=$(BUILD_EPOCH)
CFLAGS    := $(BASE) -Os -g0 -fPIE -ffunction-sections -fdata-sections \
	     -fstack-protector-strong -ftrivial-auto-var-init=zero -fstack-clash-protection
LDFLAGS   := -static-pie -Wl,--gc-sections -Wl,-z,relro,-z,now,-z,noexecstack -s
SANFLAGS  := $(BASE) -O1 -g -fno-omit-frame-pointer -fsanitize=address,undefined \
	     -fno-sanitize-recover=all -isystem $(HSYS)/include
SANLD     := -fsanitize=address,undefined -L$(HSYS)/lib
FUZZFLAGS := $(BASE) -O1 -g -fno-omit-frame-pointer -fsanitize=fuzzer,address,undefined \
	     -fno-sanitize-recover=all -Wno-unknown-warning-option -isystem $(HSYS)/include

# Filled by the module.mk files:
#   lib_OBJS                    objects of lib.a (static library L0)
#   PROGS                       names; NAME_OBJS, NAME_LIBS: programs of the image -> $(B)/bin/NAME
#   UNIT                        tests/unit/x/test_y; NAME_OBJS, NAME_LIBS -> $(B)/san/bin/NAME
#   NS                          programs of the namespace tests, the same way
#   FUZZ                        tests/fuzz/fuzz_x; NAME_OBJS, NAME_LIBS: replay -> $(B)/san/bin/NAME,
#                               campaign -> $(B)/fuzz/NAME
#   GENERATED                   headers that have to exist before anything is compiled
# An object is named by its source: lib/err.o is lib/err.c. lib.a is linked into everything.
PROGS :=
UNIT :=
NS :=
FUZZ :=
GENERATED :=
include rootfs/module.mk
include $(wildcard lib/module.mk init/module.mk netd/module.mk engine/module.mk \
	tests/module.mk tests/*/module.mk tests/unit/*/module.mk)

objs = $(patsubst %.o,$(B)/$(1)/%.o,$(2))

all: programs kernel ## libraries come before both
programs: $(PROGS:%=$(B)/bin/%)

# ---- objects
$(B)/obj/%.o: %.c $(LIBS_TARGET) | $(GENERATED)
	@mkdir -p $(@D)
	$(Q)$(CC) $(CFLAGS) -c -o $@ $<
$(B)/san/%.o: %.c $(LIBS_HOST) | $(GENERATED)
	@mkdir -p $(@D)
	$(Q)$(HOSTCC) $(SANFLAGS) -c -o $@ $<
$(B)/fuzz/%.o: %.c $(LIBS_HOST) | $(GENERATED)
	@mkdir -p $(@D)
	$(Q)$(FUZZCC) $(FUZZFLAGS) -c -o $@ $<
Q := @
ifdef V
Q :=
endif

$(B)/obj/lib.a: $(call objs,obj,$(lib_OBJS))
	$(Q)rm -f $@ && ar rcsD $@ $^
$(B)/san/lib.a: $(call objs,san,$(lib_OBJS))
	$(Q)rm -f $@ && ar rcsD $@ $^
$(B)/fuzz/lib.a: $(call objs,fuzz,$(lib_OBJS))
	$(Q)rm -f $@ && ar rcsD $@ $^

# ---- programs (other users run them too, whatever the umask)
$(PROGS:%=$(B)/bin/%): $(B)/bin/%: $$(call objs,obj,$$($$*_OBJS)) $(B)/obj/lib.a
	@mkdir -p $(@D)
	$(Q)umask 022; $(CC) $(CFLAGS) $(LDFLAGS) -o $@ $^ $($*_LIBS) $(lib_LIBS)
	@echo "  program  $* $$(stat -c %s $@) bytes"
$(UNIT:%=$(B)/san/bin/%) $(NS:%=$(B)/san/bin/%): $(B)/san/bin/%: $$(call objs,san,$$($$*_OBJS)) \
		$(B)/san/lib.a
	@mkdir -p $(@D)
	$(Q)umask 022; $(HOSTCC) $(SANLD) -o $@ $^ $($*_LIBS) $(lib_LIBS)
$(FUZZ:%=$(B)/san/bin/%): $(B)/san/bin/%: $$(call objs,san,$$($$*_OBJS)) \
		$(B)/san/tests/fuzz/replay.o $(B)/san/lib.a
	@mkdir -p $(@D)
	$(Q)umask 022; $(HOSTCC) $(SANLD) -o $@ $^ $($*_LIBS) $(lib_LIBS)
$(FUZZ:%=$(B)/fuzz/bin/%): $(B)/fuzz/bin/%: $$(call objs,fuzz,$$($$*_OBJS)) $(B)/fuzz/lib.a
	@mkdir -p $(@D)
	$(Q)$(FUZZCC) -fsanitize=fuzzer,address,undefined -L$(HSYS)/lib -o $@ $^ $($*_LIBS) $(lib_LIBS)

tests-quick: $(UNIT:%=$(B)/san/bin/%) $(FUZZ:%=$(B)/san/bin/%)
tests-all: tests-quick $(NS:%=$(B)/san/bin/%)
fuzz-programs: $(FUZZ:%=$(B)/fuzz/bin/%)

# ---- what people type
run: deps-run all initramfs
	@tests/fixture/demo run
check: tests-quick
	@tests/run --check
test: deps-run all initramfs image tests-all
	@tests/run
bench: deps-run all initramfs image $(B)/san/bin/tests/tool/run_tool
	@tests/bench/run $(SUITE)
torture: deps-run all initramfs tests-all
	@tests/run torture
fuzz: fuzz-programs
	@tests/fuzz/campaign
clean:
	rm -rf build
.PHONY: all programs run check test bench torture fuzz clean tests-quick tests-all fuzz-programs

-include $(shell find $(B) -name '*.d' -path '*/obj/*' -o -name '*.d' -path '*/san/*' \
	-o -name '*.d' -path '*/fuzz/*' 2>/dev/null)
