engine_docker_OBJS := engine/docker/server.o engine/docker/query.o engine/docker/platform.o engine/docker/spell.o engine/docker/json_fault.o engine/docker/reply.o engine/docker/call.o engine/docker/routes.o \
	engine/docker/rfc3339.o engine/docker/moment.o engine/docker/text.o engine/docker/watch.o engine/docker/record.o \
	engine/docker/filter.o engine/docker/view.o engine/docker/create.o engine/docker/policy.o \
	engine/docker/create_config.o engine/docker/create_host.o engine/docker/create_limits.o engine/docker/create_log.o engine/docker/create_check.o engine/docker/create_mount.o engine/docker/create_from.o \
	engine/docker/create_net.o engine/docker/create_link.o engine/docker/create_seccomp.o engine/docker/create_api.o engine/docker/box_list.o engine/docker/box_row.o engine/docker/row_cache.o \
	engine/docker/box_inspect.o engine/docker/box_host.o engine/docker/box_size.o engine/docker/box_act.o engine/docker/box_wait.o \
	engine/docker/box_logs.o engine/docker/log_lines.o engine/docker/detach.o engine/docker/box_attach.o engine/docker/pump.o engine/docker/websocket.o \
	engine/docker/exec.o engine/docker/exec_view.o engine/docker/system.o engine/docker/metrics.o engine/docker/image.o engine/docker/image_act.o \
	engine/docker/image_pull.o engine/docker/registry.o engine/docker/volume.o engine/docker/volume_options.o engine/docker/network.o engine/docker/network_wish.o engine/docker/network_join.o \
	engine/docker/events.o engine/docker/box_change.o engine/docker/box_link.o engine/docker/box_top.o \
	engine/docker/box_stats.o engine/docker/transfer.o engine/docker/upload.o \
	engine/docker/base64.o engine/docker/progress.o engine/docker/box_archive.o \
	engine/docker/image_archive.o engine/docker/new_image.o \
	engine/docker/build.o engine/docker/build_limits.o engine/docker/build_stream.o \
	engine/docker/prune.o engine/docker/cache.o engine/docker/usage.o engine/docker/image_prune.o engine/docker/box_prune.o engine/docker/system_df.o
