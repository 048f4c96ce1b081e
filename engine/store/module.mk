# SPDX-License-Identifier: Apache-2.0
engine_store_OBJS := engine/store/store.o engine/store/refs.o engine/store/names.o \
	engine/store/gc.o engine/store/trailer.o engine/store/put.o engine/store/sum.o
