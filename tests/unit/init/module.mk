# SPDX-License-Identifier: Apache-2.0
tests_unit_init := machine ring cmdline gpt state media kmsg
UNIT += $(tests_unit_init:%=tests/unit/init/test_%)
tests/unit/init/test_machine_OBJS := tests/unit/init/test_machine.o init/unit/machine.o
tests/unit/init/test_ring_OBJS := tests/unit/init/test_ring.o init/unit/ring.o
tests/unit/init/test_cmdline_OBJS := tests/unit/init/test_cmdline.o init/boot_cmdline.o \
	init/boot_layer.o
tests/unit/init/test_gpt_OBJS := tests/unit/init/test_gpt.o init/boot_gpt.o init/boot_probe.o
tests/unit/init/test_state_OBJS := tests/unit/init/test_state.o init/api/init_msg.o \
	init/boot_mounts.o init/boot_state.o init/boot_schema.o init/boot_history.o init/api/ship_msg.o
tests/unit/init/test_kmsg_OBJS := tests/unit/init/test_kmsg.o init/unit/kmsg.o
tests/unit/init/test_media_OBJS := tests/unit/init/test_media.o init/boot_media.o

FUZZ += tests/fuzz/fuzz_gpt tests/fuzz/fuzz_cmdline tests/fuzz/fuzz_boot_layer \
	tests/fuzz/fuzz_mounts tests/fuzz/fuzz_media tests/fuzz/fuzz_kmsg
tests/fuzz/fuzz_kmsg_OBJS := tests/fuzz/fuzz_kmsg.o init/unit/kmsg.o
tests/fuzz/fuzz_media_OBJS := tests/fuzz/fuzz_media.o init/boot_media.o
tests/fuzz/fuzz_gpt_OBJS := tests/fuzz/fuzz_gpt.o init/boot_gpt.o init/boot_probe.o
tests/fuzz/fuzz_cmdline_OBJS := tests/fuzz/fuzz_cmdline.o init/boot_cmdline.o init/boot_layer.o \
	init/boot_probe.o
tests/fuzz/fuzz_boot_layer_OBJS := tests/fuzz/fuzz_boot_layer.o init/boot_layer.o
tests/fuzz/fuzz_mounts_OBJS := tests/fuzz/fuzz_mounts.o init/boot_mounts.o

# PID 1 and its fake peers for the namespace tests.
NS += tests/ns/init_pid1 tests/ns/init_fake
tests/ns/init_pid1_OBJS := $(init_OBJS)
tests/ns/init_fake_OBJS := tests/ns/init_fake.o init/api/init_msg.o

UNIT += tests/unit/init/test_conf
tests/unit/init/test_conf_OBJS := tests/unit/init/test_conf.o init/conf_text.o init/conf_diff.o init/conf_cover.o \
	init/conf_record.o init/conf_revision.o
FUZZ += tests/fuzz/fuzz_conf
tests/fuzz/fuzz_conf_OBJS := tests/fuzz/fuzz_conf.o init/conf_text.o init/conf_cover.o init/conf_record.o

UNIT += tests/unit/init/test_history
tests/unit/init/test_history_OBJS := tests/unit/init/test_history.o init/boot_history.o
UNIT += tests/unit/init/test_lockout
tests/unit/init/test_lockout_OBJS := tests/unit/init/test_lockout.o init/boot_lockout.o
UNIT += tests/unit/init/test_edits
tests/unit/init/test_edits_OBJS = tests/unit/init/test_edits.o init/conf_text.o init/boot_schema.o \
	init/boot_state.o init/boot_history.o init/api/init_msg.o init/api/ship_msg.o $(netd_CONF) $(netd_PURE) engine/service/schema.o engine/service/schema_engine.o engine/service/window.o \
	engine/service/parse.o engine/health/test.o engine/oci/image.o $(engine_json_OBJS)
tests/unit/init/test_edits_LIBS := -lyyjson
UNIT += tests/unit/init/test_logline
tests/unit/init/test_logline_OBJS := tests/unit/init/test_logline.o init/unit/logline.o
FUZZ += tests/fuzz/fuzz_logline
tests/fuzz/fuzz_logline_OBJS := tests/fuzz/fuzz_logline.o init/unit/logline.o
UNIT += tests/unit/init/test_watch
tests/unit/init/test_watch_OBJS := tests/unit/init/test_watch.o init/unit/watch.o
# The man pages' sections KEYS, held against the schema tables or, with HOY_MAN_WRITE=1, made anew.
UNIT += tests/unit/init/test_man
tests/unit/init/test_man_OBJS = tests/unit/init/test_man.o init/boot_layer.o $(filter-out tests/unit/init/test_edits.o,$(tests/unit/init/test_edits_OBJS))
tests/unit/init/test_man_LIBS := -lyyjson
# Role syslog: what is pure of it, and the role alone, with PID 1 and servers played by a test.
UNIT += tests/unit/init/test_ship
tests/unit/init/test_ship_OBJS := tests/unit/init/test_ship.o $(init_ship_PURE)
UNIT += tests/unit/init/test_ship_cut
tests/unit/init/test_ship_cut_OBJS := tests/unit/init/test_ship_cut.o init/ship/rfc5424.o init/ship/queue.o
tests/unit/init/test_ship_cut_LIBS := -Wl,--wrap=pwrite,--wrap=fdatasync,--wrap=posix_fallocate
UNIT += tests/unit/init/test_ship_tail
tests/unit/init/test_ship_tail_OBJS := tests/unit/init/test_ship_tail.o init/ship/place.o init/ship/tail.o init/ship/queue.o
FUZZ += tests/fuzz/fuzz_places
tests/fuzz/fuzz_places_OBJS := tests/fuzz/fuzz_places.o init/ship/place.o init/ship/queue.o
FUZZ += tests/fuzz/fuzz_ship
tests/fuzz/fuzz_ship_OBJS := tests/fuzz/fuzz_ship.o init/ship/rfc5424.o init/ship/queue.o
UNIT += tests/unit/init/test_answer
tests/unit/init/test_answer_OBJS := tests/unit/init/test_answer.o init/ship/answer.o
FUZZ += tests/fuzz/fuzz_answer
tests/fuzz/fuzz_answer_OBJS := tests/fuzz/fuzz_answer.o init/ship/answer.o
NS += tests/ns/ship_role
tests/ns/ship_role_OBJS := tests/ns/ship_role.o $(init_ship_OBJS) init/unit/boxline.o init/unit/logline.o engine/api/engine_msg.o
tests/ns/ship_role_LIBS := -Wl,--wrap=mbedtls_hardware_poll -lmbedtls -lmbedx509 -lmbedcrypto
UNIT += tests/unit/init/test_reset
tests/unit/init/test_reset_OBJS := tests/unit/init/test_reset.o init/boot_reset.o
UNIT += tests/unit/init/test_pstore
tests/unit/init/test_pstore_OBJS := tests/unit/init/test_pstore.o init/boot_pstore.o
