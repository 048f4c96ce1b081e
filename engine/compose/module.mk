# SPDX-License-Identifier: Apache-2.0
engine_compose_OBJS := engine/compose/yaml.o engine/compose/env.o engine/compose/merge.o engine/compose/load.o \
	engine/compose/compose.o engine/compose/keys.o engine/compose/keys_env.o engine/compose/keys_mount.o \
	engine/compose/keys_net.o engine/compose/serve.o
