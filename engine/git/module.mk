# SPDX-License-Identifier: Apache-2.0
engine_git_OBJS := engine/git/source.o engine/git/dialog.o engine/git/delta.o engine/git/pack.o engine/git/pack_load.o engine/git/pack_index.o engine/git/tree.o \
	engine/git/keep.o engine/git/modules.o engine/api/git_msg.o
