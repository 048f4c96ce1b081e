engine_container_OBJS := engine/container/def.o engine/container/def_wire.o engine/container/def_host.o \
	engine/container/state.o engine/container/state_wire.o engine/container/layers.o engine/container/userns.o engine/container/net.o engine/container/link.o engine/container/reattach.o engine/container/join.o engine/container/launch.o engine/container/launch_host.o engine/container/launch_io.o engine/container/table.o \
	engine/container/table_act.o engine/container/table_adopt.o \
	engine/container/adopt.o engine/container/volume.o engine/container/image_mounts.o engine/container/exec.o engine/container/user.o engine/container/container.o engine/container/group.o engine/container/volume_mount.o engine/container/volume_place.o engine/container/log_route.o
