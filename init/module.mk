# SPDX-License-Identifier: Apache-2.0
# PID 1 with its disk role: one program. The pure parts are listed apart for the tests.
init_PURE := init/unit/machine.o init/unit/ring.o init/unit/kmsg.o init/unit/logline.o init/unit/watch.o init/boot_cmdline.o init/boot_layer.o \
	init/boot_gpt.o init/boot_probe.o init/api/init_msg.o init/api/ship_msg.o init/api/send_msg.o
init_OBJS := init/main.o init/fault.o init/boot_root.o init/boot_mount.o init/boot_kernel.o \
	init/boot_disk.o init/boot_search.o init/boot_data.o init/boot_mounts.o init/boot_config.o init/boot_settings.o init/boot_show.o \
	init/boot_media.o init/boot_trust.o init/conf_text.o init/conf_record.o init/conf_revision.o \
	init/conf_serve.o init/conf_cover.o init/boot_cover.o init/boot_history.o init/boot_lockout.o init/boot_pstore.o init/boot_reset.o \
	init/boot_schema.o init/boot_state.o init/role_disk.o init/role_disk_files.o init/role_disk_say.o init/sup_unit.o init/sup_log.o init/sup_kmsg.o \
	init/sup_tty.o init/sup_power.o init/sup_watch.o init/ctl.o init/ctl_status.o init/ctl_log.o init/ctl_audit.o init/ctl_name.o \
	init/ctl_power.o init/ctl_send.o $(init_PURE)
PROGS += init

# Role syslog of the `hoy` program.
init_ship_PURE := init/ship/rfc5424.o init/ship/queue.o init/api/ship_msg.o
init_ship_OBJS := $(init_ship_PURE) init/api/send_msg.o init/ship/answer.o init/ship/role_send.o init/ship/role_ship.o init/ship/role_files.o init/ship/place.o init/ship/source.o init/ship/tail.o init/ship/stream.o \
	init/ship/tls.o init/unit/kmsg.o

include $(wildcard init/console/module.mk)
