# The console and command line program `hoy`.
PROGS += hoy
hoy_OBJS := init/console/main.o init/console/tty.o init/console/edit.o init/console/words.o \
	init/console/client.o init/console/progress.o init/console/login.o init/console/verbs.o init/console/complete.o init/console/name_words.o init/console/verb_help.o init/console/verb_show.o \
	init/console/verb_run.o init/console/gateway.o init/console/verb_gateway.o init/console/pipe.o init/console/verb_support.o init/console/chart.o \
	init/console/redact.o init/console/ustar.o init/console/verb_log.o \
	init/console/verb_logs.o init/console/log_options.o init/console/log_reader.o init/unit/logline.o init/unit/boxline.o init/console/verb_build.o init/console/build_view.o init/console/verb_compose.o init/console/compose_text.o init/console/verb_archive.o \
	init/console/verb_access.o init/console/verb_tree.o init/console/verb_store.o init/console/verb_exec.o \
	init/console/verb_config.o init/console/verb_issues.o init/console/script.o init/console/verb_json.o init/console/screen.o init/console/verb_dashboard.o init/conf_text.o init/conf_diff.o init/api/init_msg.o \
	engine/api/engine_msg.o engine/api/view_msg.o engine/api/compose_msg.o engine/api/access_msg.o engine/api/gate_msg.o engine/api/image_msg.o engine/oci/image.o netd/api/netd_msg.o netd/api/netd_rows_msg.o
hoy_OBJS += init/console/remote.o init/console/remote_serve.o init/console/remote_client.o init/console/remote_talk.o init/console/remote_input.o init/console/remote_tls.o
hoy_OBJS += $(init_ship_OBJS)
hoy_LIBS := -lmbedtls -lmbedx509 -lmbedcrypto
hoy_OBJS += init/console/verb_edit.o init/console/editor.o init/console/key_words.o init/console/key_table.o init/console/verb_pin.o init/console/verb_top.o init/console/stats.o init/console/verb_image.o init/console/packages.o
hoy_OBJS += init/console/alias.o init/console/disks.o init/console/verb_box.o init/console/verb_machine.o \
	init/console/verb_stats.o init/console/verb_who.o init/console/probe_words.o init/console/verb_probe.o netd/api/probe_msg.o
hoy_OBJS += init/console/verb_new.o init/console/run_words.o init/console/exec_words.o init/console/typed.o init/console/carrier.o
