# SPDX-License-Identifier: Apache-2.0
engine_oci_OBJS := engine/oci/image.o engine/oci/reference.o engine/oci/manifest.o \
	engine/oci/platform.o engine/oci/config.o engine/oci/oci_write.o
