# SPDX-License-Identifier: Apache-2.0
engine_dockerfile_OBJS := engine/dockerfile/dockerfile.o engine/dockerfile/arguments.o \
	engine/dockerfile/flags.o engine/dockerfile/mount.o engine/dockerfile/heredoc.o \
	engine/dockerfile/line.o engine/dockerfile/expand.o engine/dockerfile/pattern.o \
	engine/dockerfile/strings.o engine/dockerfile/ignore.o \
	engine/dockerfile/rules.o engine/dockerfile/lint.o
