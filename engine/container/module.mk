engine_container_OBJS := engine/container/def.o engine/container/def_wire.o \
	engine/container/state.o engine/container/state_wire.o engine/container/layers.o engine/container/net.o engine/container/launch.o \
	engine/container/adopt.o engine/container/volume.o engine/container/exec.o engine/container/container.o
