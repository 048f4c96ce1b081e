# SPDX-License-Identifier: Apache-2.0
engine_files_OBJS := engine/files/walk.o engine/files/diff.o engine/files/xattr.o \
	engine/files/copy.o engine/files/mode.o engine/files/archive.o engine/files/extract.o \
	engine/files/fill.o engine/files/hash.o engine/files/user.o engine/files/mkdir.o \
	engine/files/stub.o engine/files/links.o engine/files/tree.o
