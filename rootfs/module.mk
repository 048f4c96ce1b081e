# SPDX-License-Identifier: Apache-2.0
# Sysroots, kernels, images. The scripts beside this file decide what is out of date by hashes of
# their inputs; make only calls them when a pin, a recipe, a fragment or a program changed.
CC_TARGET   := $(B)/sysroot/bin/musl-gcc
LIBS_TARGET := $(B)/sysroot/.libs
LIBS_HOST   := $(B)/host-sysroot/.libs
IMAGE_VIRTIO := $(B)/image/virtio
IMAGE_METAL  := $(B)/image/metal

rootfs_PINS   := rootfs/sources.lock rootfs/libs $(filter-out %.md,$(wildcard rootfs/recipes/*))
rootfs_KERNEL := rootfs/sources.lock rootfs/kernel/build $(wildcard rootfs/kernel/*.config)
rootfs_SYSTEM := rootfs/image.list rootfs/assemble $(wildcard rootfs/etc/* config/*.ini VERSION)

$(CC_TARGET): $(LIBS_TARGET)
$(LIBS_TARGET): $(rootfs_PINS) | rootfs-room
	@rootfs/libs target $(@D)
$(LIBS_HOST): $(rootfs_PINS) | rootfs-room
	@rootfs/libs host $(@D)

$(B)/kernel/%/bzImage: $(rootfs_KERNEL) | rootfs-room
	@rootfs/kernel/build $* $(@D)

# One boot archive for both flavours: nothing in it depends on the drivers.
$(B)/image/initramfs.cpio.zst: $$(patsubst %,$(B)/bin/%,$$(PROGS)) $(LIBS_TARGET) $(LIBS_HOST) $(rootfs_SYSTEM)
	@rootfs/assemble initramfs $(B) $@
$(IMAGE_VIRTIO)/initramfs.cpio.zst $(IMAGE_METAL)/initramfs.cpio.zst: $(B)/image/initramfs.cpio.zst
	@mkdir -p $(@D) && ln -f $< $@
$(B)/image/%/bzImage: $(B)/kernel/%/bzImage
	@mkdir -p $(@D) && ln -f $< $@

# The disk image boots without a loader: kernel, boot archive and command line in one file on the
# ESP.
$(B)/image/metal/hoy.efi: $(B)/kernel/metal/bzImage $(B)/image/initramfs.cpio.zst
	@mkdir -p $(@D) && rootfs/kernel/build metal link $(B)/image/initramfs.cpio.zst $@
$(B)/image/hoy-metal.img: $(B)/image/metal/hoy.efi rootfs/assemble
	@rootfs/assemble disk $(B) $< $@

# Room on the disk and in memory, looked at once before the long steps.
rootfs-room:
	@rootfs/room

deps: ## install what this host lacks to build
	@rootfs/deps build
deps-run: ## the same, and what booting and testing needs
	@rootfs/deps run
fetch: ## every pinned source into the cache
	@rootfs/fetch
bump: ## newest versions and sums into rootfs/sources.lock
	@rootfs/fetch --bump
sbom: ## SPDX and CycloneDX from the lock
	@rootfs/sbom $(B)/sbom
libs: $(LIBS_TARGET) $(LIBS_HOST) ## both sysroots
kernel: $(IMAGE_VIRTIO)/bzImage ## the virtio kernel
kernel-metal: $(IMAGE_METAL)/bzImage
initramfs: $(IMAGE_VIRTIO)/bzImage $(IMAGE_VIRTIO)/initramfs.cpio.zst ## what qemu/run boots
image: $(IMAGE_METAL)/bzImage $(IMAGE_METAL)/initramfs.cpio.zst $(B)/image/hoy-metal.img ## UEFI disk image

prune-cache: ## what the cache no longer needs
	@rootfs/cache prune
clean-cache: ## the whole cache: the next build fetches and compiles everything
	@rootfs/cache clean

.PHONY: prune-cache clean-cache deps deps-run fetch bump libs kernel kernel-metal initramfs image sbom rootfs-room
.PRECIOUS: $(B)/kernel/%/bzImage $(B)/image/%/bzImage
