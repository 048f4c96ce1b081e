# SPDX-License-Identifier: Apache-2.0
engine_tar_OBJS := engine/tar/stream.o engine/tar/stream_gzip.o engine/tar/stream_xz.o engine/tar/stream_bzip2.o engine/tar/name.o engine/tar/unpack.o engine/tar/walk.o \
	engine/tar/write.o \
	engine/api/entry.o engine/api/unpack_msg.o engine/role_unpack.o
engine_tar_LIBS := -larchive -llzma -lbz2 -lisal -lz -lzstd
