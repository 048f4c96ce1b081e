# SPDX-License-Identifier: Apache-2.0
engine_tar_OBJS := engine/tar/stream.o engine/tar/name.o engine/tar/unpack.o engine/tar/walk.o \
	engine/tar/write.o \
	engine/api/entry.o engine/api/unpack_msg.o engine/role_unpack.o
engine_tar_LIBS := -larchive -lz -lzstd
