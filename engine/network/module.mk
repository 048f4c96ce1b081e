engine_network_OBJS := engine/network/client.o engine/network/namespace.o netd/api/netd_msg.o
