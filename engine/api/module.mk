# Encoding of the messages between the roles; entry and shim messages stand in their users' lists.
engine_api_OBJS := engine/api/engine_msg.o engine/api/view_msg.o engine/api/gate_msg.o engine/api/access_msg.o engine/api/image_msg.o engine/api/context_msg.o engine/api/compose_msg.o engine/api/files_msg.o engine/api/pack_msg.o \
	engine/api/pull_msg.o engine/api/shim_msg.o engine/api/store_msg.o engine/api/unpack_msg.o
