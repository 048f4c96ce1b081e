/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The disk role of init: owns the data partition, the configuration layers and init's files on
 * disk, and tells PID 1 about them. It may block, crash and be restarted: the mounts stay, it finds
 * them again. It must never parse anything but INI files, partition tables and signatures.
 */
#include "init/role_disk.h"
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/inotify.h>
#include <unistd.h>
#include "init/boot_cmdline.h"
#include "init/boot_config.h"
#include "init/boot_data.h"
#include "init/boot_history.h"
#include "init/boot_lockout.h"
#include "init/boot_reset.h"
#include "init/boot_state.h"
#include "init/boot_trust.h"
#include "init/conf_serve.h"
#include "init/disk_msg.h"
#include "init/role_disk_files.h"
#include "init/role_disk_say.h"
#include "lib/fs.h"
#include "lib/log.h"
#include "lib/mono.h"
#include "lib/msg.h"
#include "lib/own.h"

enum {
	MAIN_FD = 3,
	CMDLINE_MAX = 16384,
	QUEUE_MAX = 256 * 1024,
	SETTLE_MS = 200,
	SAVE_EVERY_MS = 600000,
	LATE_DISK_MS = 2000,   /* media wait this long for a disk that says whose machine it is */
	RUNNING_MS = 2000,     /* what init writes: not while containers start */
	MEDIA_CHECK_MS = 3000, /* behind the boot, which shall not wait for their hashing */
	UNMOUNT_SHARE = 2,     /* half of the grace is for the unmount */
};

struct role_disk {
	struct loop loop;
	struct msg_peer main;
	struct buf cmdline_text;
	struct boot_cmdline cmdline;
	struct boot_config config;
	struct boot_settings settings;
	struct boot_data data;
	struct boot_state state;
	struct boot_trust trust;
	struct boot_reset at_machine;
	struct conf_serve conf;
	struct boot_lockout lockout;
	struct loop_io watch; /* inotify of /dev */
	int watch_fd;
	struct loop_timer settle, save, late, check, running;
	bool reset, keep;		  /* at STOP; keep images and volumes */
	char failsafe[DISK_FAILSAFE_MAX]; /* why the fail-safe profile counts, "" = it does not */
	char pstore[DISK_REASON_MAX];
	char reason[DISK_REASON_MAX]; /* why this boot began */
	bool began;		      /* the state files of this boot were read */
};

static struct role_disk role;

/* ---- to PID 1 ---- */

/* One more issue that no schema knows. */
static const char *issue_note(void)
{
	const char *note = role.failsafe;

	note = note[0] != '\0' ? note : boot_config_lost(&role.config);
	note = note[0] != '\0' ? note : role.trust.note;
	return note[0] != '\0' ? note : conf_serve_note(&role.conf);
}

static void send_config(bool changed)
{
	char hash[INIT_HASH_MAX];
	struct role_disk_config config = {
		.changed = changed,
		.settings = &role.settings,
		.hash = role.settings.hash,
		.failsafe = role.failsafe,
		.issues = role.settings.issues + (*issue_note() != '\0'),
	};

	boot_state_auth(&role.state, hash);
	if (hash[0] != '\0')
		config.hash = hash;
	role_disk_say_config(&role.main, &config);
}

/* ---- layers ---- */

static bool layer_changed(int result, const char *name, const struct err *err)
{
	if (result < 0)
		log_err("configuration layer %s not made: %s", name, err_text(err));
	return result == 1;
}

static void read_settings(void)
{
	struct err err;

	if (boot_config_read(&role.settings, &err) < 0)
		log_err("hoy.ini not read: %s", err_text(&err));
	else
		role.state.log_max = role.settings.log_max;
}

/*
 * A configuration that cannot be believed at boot makes room for the fail-safe profile. One that
 * was good once in this boot never does: what runs goes on. The password that the layers gave holds
 * on, lest a broken file opens the console.
 */
static void judge_config(void)
{
	const char *why = role.cmdline.failsafe ? "hoy.failsafe=yes is on the kernel command line"
						: boot_config_broken(&role.config);
	char hash[INIT_HASH_MAX];
	struct err err = { 0 };

	role.failsafe[0] = '\0';
	if (why[0] == '\0')
		boot_state_good_config();
	if (why[0] == '\0' || boot_state_had_good_config())
		return;
	(void)snprintf(role.failsafe, sizeof(role.failsafe), "%s", why);
	memcpy(hash, role.settings.hash, sizeof(hash));
	if (boot_config_failsafe(&role.config, &err) < 0)
		log_err("fail-safe profile: %s", err_text(&err));
	read_settings();
	if (role.settings.hash[0] == '\0')
		memcpy(role.settings.hash, hash, sizeof(hash));
}

static void publish_config(bool changed)
{
	read_settings();
	if (role.trust.decided)
		judge_config();
	send_config(changed);
}

/* What needs no disk. */
static void first_layers(void)
{
	struct err err;

	layer_changed(boot_config_image(&role.config, &err), "image", &err);
	layer_changed(boot_config_cmdline(&role.config, buf_str(&role.cmdline_text), &err),
		      "cmdline", &err);
}

static bool has_password(void)
{
	char hash[INIT_HASH_MAX];

	boot_state_auth(&role.state, hash);
	return hash[0] != '\0';
}

/* The password is the data partition's, or one of the layers': then the media's are its own. */
static void note_claim(void)
{
	struct err err = { 0 };

	if (role.state.data_fd < 0 || (!has_password() && role.settings.hash[0] == '\0'))
		return;
	if (boot_trust_claim(&role.trust, role.state.data_fd, &err) < 0)
		log_err("%s", err_text(&err));
}

static void check_due(struct loop_timer *timer)
{
	(void)timer;
	if (boot_trust_check(&role.trust, role.state.data_fd))
		send_config(false);
}

/* Once it is known whose machine this is: before that no media count. */
static void media_layer(bool changed)
{
	struct err err = { 0 };
	bool first = !role.trust.decided;
	int r = boot_trust_apply(&role.trust, role.state.data_fd, has_password(), &err);

	layer_changed(r, "media", &err);
	if (first || changed || r != 0)
		publish_config(true);
	else
		send_config(false);
	note_claim();
	if (role.trust.kept)
		loop_timer_set(&role.loop, &role.check, MEDIA_CHECK_MS, check_due, NULL);
	if (first) {
		role_disk_last_words(role.pstore, sizeof(role.pstore));
		if (role.pstore[0] != '\0')
			role_disk_say_saved(&role.main, 0, role.pstore);
	}
}

/* ---- data ---- */

/* The files of /data/config and the revision that counts. */
static bool data_layer(void)
{
	struct buf text OWN(buf_done) = { 0 };
	struct err err = { 0 };

	buf_init(&text, 512 * 1024);
	if (revisions_layer(&role.conf.revisions, &text, &err) < 0 &&
	    role.conf.revisions.dir_fd >= 0)
		log_err("configuration: %s", err_text(&err));
	return layer_changed(boot_config_data(&role.config, buf_str(&text), &err), "data", &err);
}

/*
 * Whoever can plug a volume in can do anything to the machine but read what is on its disk: so all
 * of that goes, too. A machine that nobody claimed has an open console instead.
 */
static void look_for_reset(void)
{
	if (boot_reset_asked(&role.at_machine, role.state.data_fd))
		role_disk_say(&role.main, DISK_MSG_RESET_ASKED, &(struct buf){ 0 });
}

static void plugged(void)
{
	struct err err;

	look_for_reset();
	if (!layer_changed(boot_trust_plugged(&role.trust, &err), "media", &err))
		return;
	if (role.failsafe[0] != '\0')
		(void)data_layer();
	publish_config(true);
}

static void late_due(struct loop_timer *timer)
{
	(void)timer;
	if (!role.trust.decided)
		media_layer(false);
	else
		plugged();
}

/* Media are believed once no disk turned up that says whose machine this is. */
static void wait_for_disk(void)
{
	bool none =
		strcmp(role.cmdline.data, "none") == 0 || !boot_config_present(role.cmdline.config);

	loop_timer_set(&role.loop, &role.late, none ? 0 : LATE_DISK_MS, late_due, NULL);
}

static int state_dir(struct err *err)
{
	if (role.state.data_fd < 0)
		return err_set(err, -ENODEV, "there is no data partition");
	return fs_open_dir(role.state.data_fd, "state", FS_BENEATH, 0755, err);
}

static void note_start(void)
{
	struct err err = { 0 };
	OWN_FD int dir_fd = state_dir(&err);

	if (dir_fd < 0 || boot_history_add(dir_fd, wall_now_s(), role.reason, &err) < 0)
		log_warn("reason of this start not noted: %s", err_text(&err));
}

static void running_due(struct loop_timer *timer)
{
	(void)timer;
	note_start();
	boot_state_running(&role.state);
	role_disk_say(&role.main, DISK_MSG_FAULT_FILE, &(struct buf){ 0 });
}

static void conf_changed(void)
{
	bool again = role.failsafe[0] != '\0', changed = data_layer();

	role.cmdline.failsafe = false; /* a person has set it right */
	if (again)
		media_layer(changed);
	else if (changed)
		publish_config(true);
	note_claim();
}

/* A reset of the settings that was begun is ended before any of them counts. */
static int open_state(struct err *err)
{
	int r = boot_state_open(&role.state, err);

	if (r < 0 || !boot_reset_pending(role.state.data_fd))
		return r;
	log_notice("the reset of the settings goes on");
	if (boot_reset_settings(role.state.data_fd, err) < 0)
		log_err("settings not all removed, do it again: %s", err_text(err));
	boot_state_done(&role.state);
	return boot_state_open(&role.state, err);
}

static void data_ready(void)
{
	char reason[DISK_REASON_MAX];
	int64_t saved_s;
	struct err err;

	if (open_state(&err) < 0) {
		log_err("/data: %s", err_text(&err));
		late_due(NULL);
		return;
	}
	boot_reset_begin(&role.at_machine, role.state.data_fd, has_password());
	conf_serve_open(&role.conf, role.state.data_fd);
	media_layer(data_layer());
	role_disk_say_data(&role.main,
			   &role.data); /* the engine may begin; what follows waits for the disk */
	if (!role.began) {
		boot_state_begin(&role.state, &saved_s, reason);
		role_disk_reason(role.reason, role.pstore[0] != '\0' ? role.pstore : reason,
				 boot_data_remark(&role.data));
		role_disk_say_saved(&role.main, saved_s, role.reason);
		role.began = true;
		loop_timer_set(&role.loop, &role.running, RUNNING_MS, running_due, NULL);
	}
	boot_data_grow(&role.data);
	look_for_reset();
}

static void data_changed(struct boot_data *data)
{
	switch (data->state) {
	case INIT_DATA_READY:
		data_ready();
		return;
	case INIT_DATA_SEARCHING:
	case INIT_DATA_CHECKING:
	case INIT_DATA_LOST:
		break;
	case INIT_DATA_ABSENT: /* it may only be slow to show up */
		wait_for_disk();
		break;
	case INIT_DATA_FORMATTING:
	case INIT_DATA_DAMAGED:
	case INIT_DATA_FAILED:
		late_due(NULL);
		break;
	}
	role_disk_say_data(&role.main,
			   &role.data); /* behind the layers: the password may stand in one */
}

/* ---- disks that come later ---- */

static void settled(struct loop_timer *timer)
{
	(void)timer;
	boot_data_start(&role.data);
	if (role.data.state == INIT_DATA_ABSENT)
		wait_for_disk();
	else
		plugged();
	if (role.trust.kept)
		loop_timer_set(&role.loop, &role.check, SETTLE_MS, check_due, NULL);
}

static void dev_changed(struct loop_io *io, uint32_t events)
{
	char drain[4096];

	(void)events;
	while (read(io->fd, drain, sizeof(drain)) > 0)
		;
	loop_timer_set(&role.loop, &role.settle, SETTLE_MS, settled, NULL);
}

/* devtmpfs makes the nodes in the kernel, inotify sees them: no netlink is needed here. */
static void watch_dev(void)
{
	struct err err;

	role.watch_fd = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
	if (role.watch_fd < 0 || inotify_add_watch(role.watch_fd, "/dev", IN_CREATE) < 0 ||
	    loop_add(&role.loop, &role.watch, role.watch_fd, EPOLLIN, dev_changed, NULL, &err) < 0)
		log_warn("disks that are plugged in later will not be seen");
}

/* ---- timers ---- */

static void save_due(struct loop_timer *timer)
{
	boot_state_save_clock(&role.state);
	loop_timer_set(&role.loop, timer, SAVE_EVERY_MS, save_due, NULL);
}

/* ---- requests of PID 1 ---- */

static void on_stop(struct msg_peer *peer, struct msg *msg)
{
	struct wire in;
	struct err err;
	int64_t grace_ms;
	bool clean;

	(void)peer;
	wire_init(&in, msg->body.ptr, msg->body.len);
	grace_ms = wire_i64(&in);
	loop_timer_stop(&role.loop, &role.running);
	conf_serve_done(&role.conf);
	boot_state_save_clock(&role.state);
	if (role.reset && role.keep && boot_reset_settings(role.state.data_fd, &err) < 0)
		log_err("settings not all removed, do it again: %s", err_text(&err));
	boot_state_done(&role.state);
	boot_config_unmount(&role.config);
	clean = boot_data_unmount(&role.data, grace_ms / UNMOUNT_SHARE);
	if (role.data.state == INIT_DATA_READY)
		log_notice("/data %s", clean ? "unmounted clean" : "was busy to the end");
	if (role.reset && !role.keep && clean && boot_data_reset(&role.data, &err) < 0)
		log_err("factory reset failed: %s", err_text(&err));
	role.loop.quit = true;
}

static void on_log(struct msg_peer *peer, struct msg *msg)
{
	struct str number = str_head(msg->body, sizeof(uint64_t));

	if (boot_state_log(&role.state, str_skip(msg->body, number.len)) == 0)
		role_disk_say_logged(peer, number);
}

static void on_note(struct msg_peer *peer, struct msg *msg)
{
	struct wire in;
	struct str reason;

	(void)peer;
	wire_init(&in, msg->body.ptr, msg->body.len);
	reason = wire_str(&in, DISK_REASON_MAX);
	if (wire_end(&in) == 0)
		boot_state_note(&role.state, reason);
}

static void on_reset(struct msg_peer *peer, struct msg *msg)
{
	(void)peer;
	role.reset = true;
	role.keep = (uint8_t)msg->body.ptr[0] != 0;
}

static void on_auth_set(struct msg_peer *peer, struct msg *msg)
{
	struct err err = { 0 };
	struct str hash;
	struct wire in;
	int r;

	wire_init(&in, msg->body.ptr, msg->body.len);
	hash = wire_str(&in, INIT_HASH_MAX);
	r = wire_end(&in);
	if (r < 0)
		(void)err_set(&err, r, "malformed body");
	else
		r = boot_state_set_auth(&role.state, hash, &err);
	if (r < 0) {
		(void)msg_reply_err(peer, msg->type, msg->serial, &err);
		return;
	}
	(void)msg_reply(peer, msg->type, msg->serial, (struct str){ 0 }, NULL, 0);
	note_claim();
}

static void on_media(struct msg_peer *peer, struct msg *msg)
{
	char text[BOOT_TRUST_NOTE_MAX];
	struct err err = { 0 };
	struct buf body;

	if (boot_trust_confirm(&role.trust, role.state.data_fd, text, &err) < 0) {
		(void)msg_reply_err(peer, msg->type, msg->serial, &err);
		return;
	}
	log_notice("config media: %s", text);
	buf_init(&body, 512);
	wire_put_text(&body, text);
	(void)msg_reply(peer, msg->type, msg->serial, buf_str(&body), NULL, 0);
	buf_done(&body);
	publish_config(true);
}

static void on_config_act(struct msg_peer *peer, struct msg *msg)
{
	conf_serve_act(&role.conf, peer, msg);
}

static void on_auth_try(struct msg_peer *peer, struct msg *msg)
{
	OWN_FD int dir_fd = state_dir(NULL);

	role_disk_auth_try(&role.lockout, dir_fd, peer, msg);
}

static void on_boots(struct msg_peer *peer, struct msg *msg)
{
	struct err err = { 0 };
	OWN_FD int dir_fd = state_dir(&err);

	role_disk_boots(dir_fd, &err, peer, msg);
}

static void on_log_files(struct msg_peer *peer, struct msg *msg)
{
	role_disk_log_files(&role.state, peer, msg);
}

static void on_support_file(struct msg_peer *peer, struct msg *msg)
{
	role_disk_support_file(&role.state, peer, msg);
}

static void on_support_send(struct msg_peer *peer, struct msg *msg)
{
	role_disk_support_send(&role.state, &role.settings.send, peer, msg);
}

static void on_config_get(struct msg_peer *peer, struct msg *msg)
{
	role_disk_config_get(issue_note(), peer, msg);
}

static const struct msg_rule rules[] = {
	{ INIT_MSG_STOP, "STOP", 8, 8, 0, 0, DISK_PEER_MAIN, on_stop },
	{ DISK_MSG_LOG, "LOG", 9, DISK_LOG_BATCH_MAX, 0, 0, DISK_PEER_MAIN, on_log },
	{ DISK_MSG_NOTE, "NOTE", 4, 4 + DISK_REASON_MAX, 0, 0, DISK_PEER_MAIN, on_note },
	{ DISK_MSG_RESET, "RESET", 1, 1, 0, 0, DISK_PEER_MAIN, on_reset },
	{ DISK_MSG_AUTH_SET, "AUTH_SET", 4, 4 + INIT_HASH_MAX, 0, 0, DISK_PEER_MAIN, on_auth_set },
	{ DISK_MSG_CONFIG_GET, "CONFIG_GET", 4, 36, 0, 0, DISK_PEER_MAIN, on_config_get },
	{ DISK_MSG_CONFIG_ACT, "CONFIG_ACT", 17, MSG_BODY_INLINE_MAX, 0, 0, DISK_PEER_MAIN,
	  on_config_act },
	{ DISK_MSG_AUTH_TRY, "AUTH_TRY", 1, 1, 0, 0, DISK_PEER_MAIN, on_auth_try },
	{ DISK_MSG_LOG_FILES, "LOG_FILES", 0, 0, 0, 0, DISK_PEER_MAIN, on_log_files },
	{ DISK_MSG_SUPPORT_FILE, "SUPPORT_FILE", 0, 0, 0, 0, DISK_PEER_MAIN, on_support_file },
	{ DISK_MSG_SUPPORT_SEND, "SUPPORT_SEND", 5, 260, 0, 0, DISK_PEER_MAIN, on_support_send },
	{ DISK_MSG_BOOTS, "BOOTS", 0, 0, 0, 0, DISK_PEER_MAIN, on_boots },
	{ DISK_MSG_MEDIA, "MEDIA", 0, 0, 0, 0, DISK_PEER_MAIN, on_media },
	/* Every unit is told of these; they concern the daemons. */
	{ INIT_MSG_RELOAD, "RELOAD", 0, 0, 0, 0, 0, NULL },
};

static void main_gone(struct msg_peer *peer)
{
	(void)peer;
	role.loop.quit = true;
}

int role_disk_main(void)
{
	struct buf ready;
	struct err err;

	log_init("disk", LOG_PRIO_DEBUG);
	buf_init(&role.cmdline_text, CMDLINE_MAX);
	boot_state_init(&role.state);
	boot_config_init(&role.config);
	conf_serve_init(&role.conf, &role.loop, conf_changed);
	role.watch_fd = -1;
	if (loop_init(&role.loop, &err) < 0 ||
	    msg_peer_init(&role.main, &role.loop, MAIN_FD, DISK_PEER_MAIN, rules, ARRAY_LEN(rules),
			  QUEUE_MAX, main_gone, NULL, &err) < 0)
		fatal("start: %s", err_text(&err));
	if (fs_read(AT_FDCWD, "/proc/cmdline", FS_HOST, CMDLINE_MAX, &role.cmdline_text, &err) < 0)
		log_warn("kernel command line: %s", err_text(&err));
	boot_cmdline_parse(buf_str(&role.cmdline_text), &role.cmdline);
	boot_trust_init(&role.trust, &role.config, role.cmdline.config);
	boot_data_init(&role.data, &role.loop, role.cmdline.data, data_changed, NULL);
	watch_dev();
	first_layers();
	boot_data_start(&role.data);
	loop_timer_set(&role.loop, &role.save, SAVE_EVERY_MS, save_due, NULL);
	buf_init(&ready, 64);
	wire_put_text(&ready, "watching disks");
	role_disk_say(&role.main, INIT_MSG_READY, &ready);
	if (loop_run(&role.loop, &err) < 0)
		fatal("loop: %s", err_text(&err));
	return 0;
}
