UNIT += tests/unit/console/test_script
tests/unit/console/test_script_OBJS := tests/unit/console/test_script.o init/console/script.o
UNIT += tests/unit/console/test_screen
tests/unit/console/test_screen_OBJS := tests/unit/console/test_screen.o init/console/screen.o
UNIT += tests/unit/console/test_edit tests/unit/console/test_words
tests/unit/console/test_edit_OBJS := tests/unit/console/test_edit.o init/console/edit.o
tests/unit/console/test_words_OBJS := tests/unit/console/test_words.o init/console/words.o init/unit/boxline.o
FUZZ += tests/fuzz/fuzz_console
tests/fuzz/fuzz_console_OBJS := tests/fuzz/fuzz_console.o init/console/edit.o init/console/words.o init/console/alias.o init/console/disks.o init/console/pipe.o init/unit/logline.o init/unit/boxline.o \
	init/console/run_words.o init/console/script.o
UNIT += tests/unit/console/test_log
tests/unit/console/test_log_OBJS := tests/unit/console/test_log.o init/console/log_options.o init/console/log_reader.o \
	init/console/words.o init/unit/logline.o
UNIT += tests/unit/console/test_chart tests/unit/console/test_support
tests/unit/console/test_chart_OBJS := tests/unit/console/test_chart.o init/console/chart.o
tests/unit/console/test_support_OBJS := tests/unit/console/test_support.o init/console/redact.o init/console/ustar.o \
	init/unit/logline.o
FUZZ += tests/fuzz/fuzz_redact
tests/fuzz/fuzz_redact_OBJS := tests/fuzz/fuzz_redact.o init/console/redact.o init/unit/logline.o
UNIT += tests/unit/console/test_gateway
tests/unit/console/test_gateway_OBJS := tests/unit/console/test_gateway.o init/console/gateway.o
UNIT += tests/unit/console/test_pipe
tests/unit/console/test_pipe_OBJS := tests/unit/console/test_pipe.o init/console/pipe.o init/console/words.o \
	init/unit/logline.o
UNIT += tests/unit/console/test_stats
tests/unit/console/test_stats_OBJS := tests/unit/console/test_stats.o init/console/stats.o
FUZZ += tests/fuzz/fuzz_stats
tests/fuzz/fuzz_stats_OBJS := tests/fuzz/fuzz_stats.o init/console/stats.o
UNIT += tests/unit/console/test_editor
tests/unit/console/test_editor_OBJS := tests/unit/console/test_editor.o init/console/editor.o init/console/key_words.o init/console/key_table.o init/console/screen.o
FUZZ += tests/fuzz/fuzz_editor
tests/fuzz/fuzz_editor_OBJS := tests/fuzz/fuzz_editor.o init/console/editor.o init/console/key_words.o init/console/key_table.o init/console/screen.o
UNIT += tests/unit/console/test_packages
tests/unit/console/test_packages_OBJS := tests/unit/console/test_packages.o init/console/packages.o init/console/script.o
FUZZ += tests/fuzz/fuzz_packages
tests/fuzz/fuzz_packages_OBJS := tests/fuzz/fuzz_packages.o init/console/packages.o init/console/script.o
UNIT += tests/unit/console/test_remote
tests/unit/console/test_remote_OBJS := tests/unit/console/test_remote.o init/console/remote.o init/console/words.o \
	engine/api/gate_msg.o
FUZZ += tests/fuzz/fuzz_remote
tests/fuzz/fuzz_remote_OBJS := tests/fuzz/fuzz_remote.o init/console/remote.o engine/api/gate_msg.o
UNIT += tests/unit/console/test_alias
tests/unit/console/test_alias_OBJS := tests/unit/console/test_alias.o init/console/alias.o init/console/disks.o init/console/words.o
UNIT += tests/unit/console/test_progress
tests/unit/console/test_progress_OBJS := tests/unit/console/test_progress.o init/console/progress.o
UNIT += tests/unit/console/test_build_view
tests/unit/console/test_build_view_OBJS := tests/unit/console/test_build_view.o init/console/build_view.o init/unit/boxline.o
UNIT += tests/unit/console/test_compose
tests/unit/console/test_compose_OBJS := tests/unit/console/test_compose.o init/console/compose_text.o init/conf_text.o
UNIT += tests/unit/console/test_run
tests/unit/console/test_run_OBJS := tests/unit/console/test_run.o init/console/run_words.o init/console/script.o init/console/words.o
UNIT += tests/unit/console/test_key_words
tests/unit/console/test_key_words_OBJS := tests/unit/console/test_key_words.o init/console/key_words.o init/console/key_table.o
FUZZ += tests/fuzz/fuzz_key_words
tests/fuzz/fuzz_key_words_OBJS := tests/fuzz/fuzz_key_words.o init/console/key_words.o init/console/key_table.o
UNIT += tests/unit/console/test_carrier
tests/unit/console/test_carrier_OBJS := tests/unit/console/test_carrier.o init/console/carrier.o
