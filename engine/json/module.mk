# SPDX-License-Identifier: Apache-2.0
engine_json_OBJS := engine/json/json.o engine/json/json_write.o
engine_json_LIBS := -lyyjson
