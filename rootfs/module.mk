# SPDX-License-Identifier: Apache-2.0
# Sysroots, kernels, image. The scripts beside this file decide what is out of date by hashes of their inputs;
# make only has to call them when a pin, a recipe or a fragment changed.
CC_TARGET   := $(B)/sysroot/bin/musl-gcc
LIBS_TARGET := $(B)/sysroot/.libs
LIBS_HOST   := $(B)/host-sysroot/.libs

rootfs_PINS := rootfs/sources.lock rootfs/libs $(wildcard rootfs/recipes/*)

$(LIBS_TARGET): $(rootfs_PINS) | rootfs-room
	@rootfs/libs target $(@D)
$(LIBS_HOST): $(rootfs_PINS) | rootfs-room
	@rootfs/libs host $(@D)

# Room on the disk and in memory, looked at once before the long steps.
rootfs-room:
	@rootfs/room

deps: ## install what this host lacks to build
	@rootfs/deps build
deps-run: deps
	@rootfs/deps run
fetch:
	@rootfs/fetch
bump:
	@rootfs/fetch --bump
libs: $(LIBS_TARGET) $(LIBS_HOST)

.PHONY: deps deps-run fetch bump libs rootfs-room
