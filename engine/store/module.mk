# SPDX-License-Identifier: Apache-2.0
engine_store_OBJS := engine/store/store.o engine/store/refs.o engine/store/names.o engine/store/claim.o engine/store/look.o engine/store/cache.o \
	engine/store/gc.o engine/store/aside.o engine/store/clean.o engine/store/trailer.o engine/store/put.o engine/store/sum.o
