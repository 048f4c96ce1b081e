# The engine program: each folder names its own objects; only roles and main stand here.
include $(sort $(wildcard engine/*/module.mk))

PROGS += engine
engine_OBJS := engine/main.o engine/role_main.o engine/role_main_calls.o engine/role_main_image_calls.o engine/role_main_exec.o \
	engine/role_main_space.o engine/role_main_id.o \
	engine/role_main_build.o engine/role_main_context.o engine/role_main_download.o engine/role_main_box.o engine/role_main_run.o engine/role_main_view.o engine/role_main_metrics.o engine/role_main_attach.o \
	engine/role_main_event.o engine/role_main_compose.o engine/role_main_volume.o engine/role_main_network.o \
	engine/role_main_work.o engine/role_main_images.o engine/role_main_drop.o engine/role_main_join.o engine/role_main_list.o engine/role_main_registry.o engine/role_main_gate.o engine/role_main_remote.o engine/role_main_scrape.o engine/role_main_image_file.o engine/role_main_image_tree.o engine/role_main_access.o \
	engine/role_main_tree.o engine/role_main_tree_mount.o engine/role_main_trees.o engine/role_main_commit.o engine/role_main_check.o engine/role_main_clean.o engine/role_main_usage.o engine/role_main_prune.o \
	engine/role_start.o engine/role_sweep.o engine/role_store.o engine/role_store_names.o engine/role_store_keep.o engine/role_pack.o engine/role_files.o \
	engine/role_pull.o engine/role_load.o engine/role_unpack.o engine/role_api.o engine/role_gate.o engine/role_sign.o engine/role_compose.o \
	init/api/init_msg.o \
	$(engine_json_OBJS) $(engine_oci_OBJS) $(engine_http_OBJS) $(engine_tar_OBJS) $(engine_git_OBJS) \
	$(engine_dockerfile_OBJS) $(engine_registry_OBJS) $(engine_store_OBJS) \
	$(engine_erofs_OBJS) $(engine_files_OBJS) $(engine_build_OBJS) $(engine_build_exec_OBJS) \
	$(engine_run_OBJS) $(engine_seccomp_profile_OBJS) \
	$(engine_service_OBJS) $(engine_worker_OBJS) $(engine_image_OBJS) \
	$(engine_container_OBJS) $(engine_health_OBJS) $(engine_network_OBJS) $(engine_docker_OBJS) $(engine_buildkit_OBJS) $(engine_compose_OBJS) $(engine_gate_OBJS) $(engine_metrics_OBJS) $(engine_api_OBJS)
engine_LIBS := -larchive -llzma -lbz2 -lisal -lzstd -lz -lmbedtls -lmbedx509 -lmbedcrypto -lseccomp -lyyjson -lnghttp2 -lnanopb -lyaml
