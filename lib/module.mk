# SPDX-License-Identifier: Apache-2.0
# lib.a stands on every link line; an archive gives only the members that something asks for, so a
# program that reads no INI file takes nothing from inih.

lib_OBJS := lib/err.o lib/own.o lib/buf.o lib/wire.o lib/str.o lib/str_escape.o lib/signame.o lib/arena.o \
	lib/log.o lib/last_words.o lib/random.o lib/loop.o lib/mono.o lib/sys.o lib/fs.o lib/fs_tree.o lib/fs_mount.o \
	lib/msg.o lib/msg_peer.o lib/msg_socket.o lib/spawn.o lib/vchild.o lib/sandbox.o lib/sandbox_filter.o \
	lib/sandbox_calls.o lib/sha256.o lib/sha256_block.o lib/ini.o lib/ini_kind.o lib/ini_value.o lib/ini_load.o lib/ini_diff.o \
	lib/tls_base.o
lib_LIBS := -linih

# Test builds carry the fault-injection points of lib/sys.c.
$(B)/san/lib/sys.o: SANFLAGS += -DHOY_TORTURE
