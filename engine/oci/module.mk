# SPDX-License-Identifier: Apache-2.0
engine_oci_OBJS := engine/oci/image.o engine/oci/reference.o engine/oci/manifest.o \
	engine/oci/platform.o engine/oci/config.o engine/oci/oci_write.o \
	engine/oci/build_cache.o engine/oci/referrers.o
# config.json of the runtime: hoy-oci's parser only
engine_oci_runtime_OBJS := engine/oci/runtime_config.o engine/oci/runtime_linux.o \
	engine/oci/runtime_read.o engine/oci/runtime_check.o engine/json/json.o
