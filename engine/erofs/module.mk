# SPDX-License-Identifier: Apache-2.0
engine_erofs_OBJS := engine/erofs/format.o engine/erofs/tree.o engine/erofs/writer.o \
	engine/erofs/layout.o engine/erofs/pack.o
