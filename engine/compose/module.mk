# SPDX-License-Identifier: Apache-2.0
engine_compose_OBJS := engine/compose/yaml.o engine/compose/compose.o engine/compose/keys.o engine/compose/serve.o
