/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns init's own files on the data partition. Runs in init's disk role. Must never fail a boot:
 * what cannot be read counts as absent, what cannot be written is logged.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>
#include <sys/statvfs.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>
#include "init/boot_state.h"
#include "init/boot_history.h"
#include "lib/fs.h"
#include "lib/log.h"
#include "lib/mono.h"
#include "lib/own.h"

enum {
	SEED_BYTES = 512,
	BALLAST_MAX = 64 << 20,
	BALLAST_SHARE = 50, /* one part of so many of the disk */
};

void boot_state_init(struct boot_state *state)
{
	*state = (struct boot_state){ .data_fd = -1, .log_fd = -1, .log_max = BOOT_LOG_MAX };
}

void boot_state_done(struct boot_state *state)
{
	own_close(&state->log_fd);
	own_close(&state->data_fd);
}

static int sub_dir(const struct boot_state *state, const char *name)
{
	return fs_open(state->data_fd, name, FS_BENEATH, O_RDONLY | O_DIRECTORY, 0, NULL);
}

static void make_ballast(int data_fd)
{
	OWN_FD int fd = -1;
	struct statvfs st;
	uint64_t want;

	if (fs_exists(data_fd, "ballast", FS_BENEATH) || fstatvfs(data_fd, &st) < 0)
		return;
	want = (uint64_t)st.f_blocks * st.f_frsize / BALLAST_SHARE;
	if (want > BALLAST_MAX)
		want = BALLAST_MAX;
	if (want > (uint64_t)st.f_bavail * st.f_frsize / 4)
		return; /* full already: it comes back with a later boot */
	fd = fs_open(data_fd, "ballast", FS_BENEATH, O_WRONLY | O_CREAT, 0600, NULL);
	if (fd < 0 || posix_fallocate(fd, 0, (off_t)want) != 0)
		log_warn("cannot reserve space for emergencies in /data/ballast");
}

int boot_state_open(struct boot_state *state, struct err *err)
{
	static const struct {
		const char *name;
		mode_t mode;
	} dirs[] = { { "config", 0700 },  { "store", 0711 }, { "containers", 0711 },
		     { "volumes", 0711 }, { "state", 0700 }, { "trash", 0700 },
		     { "log", 0700 } };

	state->data_fd = fs_open(AT_FDCWD, "/data", FS_HOST, O_RDONLY | O_DIRECTORY, 0, err);
	if (state->data_fd < 0)
		return state->data_fd;
	for (size_t i = 0; i < ARRAY_LEN(dirs); i++) {
		int fd = fs_open_dir(state->data_fd, dirs[i].name, FS_BENEATH, dirs[i].mode, err);

		if (fd < 0) {
			boot_state_done(state);
			return fd;
		}
		own_close(&fd);
	}
	make_ballast(state->data_fd);
	return 0;
}

static void read_small(int dir_fd, const char *name, char *dst, size_t cap)
{
	struct buf text;
	struct str line, rest;

	dst[0] = '\0';
	buf_init(&text, 4096);
	if (fs_read(dir_fd, name, FS_BENEATH, 4096, &text, NULL) == 0) {
		rest = buf_str(&text);
		if (str_cut(&rest, '\n', &line))
			str_escape(str_head(line, cap - 1), dst, cap);
	}
	buf_done(&text);
}

static void write_small(int dir_fd, const char *name, struct str text, mode_t mode)
{
	struct err err;

	if (fs_replace(dir_fd, name, text.ptr, text.len, mode, &err) < 0)
		log_warn("state file %s not written: %s", name, err_text(&err));
}

/* Mixed into the kernel's pool without credit: a copied disk must not count as randomness. */
static void stir_seed(int dir_fd)
{
	OWN_FD int out = fs_open(AT_FDCWD, "/dev/urandom", FS_HOST, O_WRONLY, 0, NULL);
	uint8_t seed[SEED_BYTES];
	struct buf old;

	buf_init(&old, SEED_BYTES);
	if (fs_read(dir_fd, "seed", FS_BENEATH, SEED_BYTES, &old, NULL) == 0 && out >= 0)
		(void)fs_write_fd(out, old.data, old.len, NULL);
	buf_done(&old);
	if (getrandom(seed, sizeof(seed), GRND_NONBLOCK) == (ssize_t)sizeof(seed))
		write_small(dir_fd, "seed", str_make(seed, sizeof(seed)), 0600);
}

void boot_state_begin(struct boot_state *state, int64_t *ret_saved_s,
		      char ret_reason[DISK_REASON_MAX])
{
	OWN_FD int dir_fd = sub_dir(state, "state");
	char text[DISK_REASON_MAX];

	*ret_saved_s = 0;
	snprintf(ret_reason, DISK_REASON_MAX, "first start with this disk");
	if (dir_fd < 0)
		return;
	read_small(dir_fd, "clock", text, sizeof(text));
	if (str_to_i64(str_from(text), 0, (int64_t)1 << 40, ret_saved_s) < 0)
		*ret_saved_s = 0;
	read_small(dir_fd, "reason", text, sizeof(text));
	if (strcmp(text, "running") == 0)
		snprintf(ret_reason, DISK_REASON_MAX, "%s",
			 boot_history_watchdog() ? "the watchdog reset the machine"
						 : "power was lost or the machine was reset");
	else if (text[0] != '\0')
		snprintf(ret_reason, DISK_REASON_MAX, "%s", text);
	read_small(dir_fd, "fault", text, sizeof(text));
	if (text[0] != '\0')
		snprintf(ret_reason, DISK_REASON_MAX, "%s", text);
	state->fault_blank = text[0] == '\0' && fs_exists(dir_fd, "fault", FS_BENEATH);
}

void boot_state_running(struct boot_state *state)
{
	OWN_FD int dir_fd = state->data_fd >= 0 ? sub_dir(state, "state") : -1;
	char text[DISK_REASON_MAX];

	if (dir_fd < 0)
		return;
	/* Room for the fault handler: it may only overwrite, not allocate. */
	memset(text, '\n', sizeof(text));
	if (!state->fault_blank)
		write_small(dir_fd, "fault", str_make(text, sizeof(text)), 0600);
	write_small(dir_fd, "reason", STR("running\n"), 0600);
	stir_seed(dir_fd);
}

void boot_state_save_clock(struct boot_state *state)
{
	OWN_FD int dir_fd = state->data_fd >= 0 ? sub_dir(state, "state") : -1;
	char text[32];
	int n = snprintf(text, sizeof(text), "%lld\n", (long long)wall_now_s());

	if (dir_fd >= 0)
		write_small(dir_fd, "clock", str_make(text, (size_t)n), 0600);
}

void boot_state_note(struct boot_state *state, struct str reason)
{
	OWN_FD int dir_fd = state->data_fd >= 0 ? sub_dir(state, "state") : -1;

	if (dir_fd >= 0)
		write_small(dir_fd, "reason", reason, 0600);
}

/* hoy.log.6 -> hoy.log.7 ... hoy.log -> hoy.log.1. */
static void rotate(int dir_fd)
{
	char from[24], to[24];

	for (int i = BOOT_LOG_FILES - 1; i >= 1; i--) {
		if (i == 1)
			snprintf(from, sizeof(from), "hoy.log");
		else
			snprintf(from, sizeof(from), "hoy.log.%d", i - 1);
		snprintf(to, sizeof(to), "hoy.log.%d", i);
		if (fs_exists(dir_fd, from, FS_BENEATH))
			(void)fs_rename(dir_fd, from, dir_fd, to, NULL);
	}
}

int boot_state_log(struct boot_state *state, struct str lines)
{
	OWN_FD int dir_fd = state->data_fd >= 0 ? sub_dir(state, "log") : -1;
	struct stat st;
	int r;

	if (dir_fd < 0)
		return dir_fd;
	if (state->log_fd >= 0 && state->log_bytes > 0 &&
	    state->log_bytes + lines.len > state->log_max / BOOT_LOG_FILES) {
		own_close(&state->log_fd);
		rotate(dir_fd);
	}
	if (state->log_fd < 0) {
		state->log_fd = fs_open(dir_fd, "hoy.log", FS_BENEATH,
					O_WRONLY | O_CREAT | O_APPEND, 0600, NULL);
		state->log_bytes = state->log_fd >= 0 && fstat(state->log_fd, &st) == 0
					   ? (uint64_t)st.st_size
					   : 0;
	}
	/* A full disk loses log lines here, the ring in memory still has them. */
	if (state->log_fd < 0)
		return -ENODEV;
	r = fs_write_fd(state->log_fd, lines.ptr, lines.len, NULL);
	if (r == 0)
		state->log_bytes += lines.len;
	return r;
}

int boot_state_log_files(const struct boot_state *state, int ret_fds[BOOT_LOG_FILES],
			 struct err *err)
{
	OWN_FD int dir_fd = state->data_fd >= 0 ? sub_dir(state, "log") : -1;
	char name[24] = "hoy.log";
	int count = 0;

	if (dir_fd < 0)
		return err_set(err, -ENODEV, "there is no data partition that keeps the log");
	for (int i = BOOT_LOG_FILES - 1; i >= 0; i--) {
		int fd;

		if (i > 0)
			snprintf(name, sizeof(name), "hoy.log.%d", i);
		else
			memcpy(name, "hoy.log", sizeof("hoy.log"));
		fd = fs_open(dir_fd, name, FS_BENEATH, O_RDONLY | O_NOFOLLOW, 0, NULL);
		if (fd >= 0)
			ret_fds[count++] = fd;
	}
	return count;
}

int boot_state_support_file(const struct boot_state *state, char ret_path[BOOT_SUPPORT_PATH_MAX],
			    struct err *err)
{
	time_t now = (time_t)wall_now_s();
	OWN_FD int dir_fd = -1;
	struct tm tm = { 0 };
	char name[48];

	if (state->data_fd < 0)
		return err_set(err, -ENODEV, "there is no data partition to put the archive on");
	dir_fd = fs_open_dir(state->data_fd, "transfer", FS_BENEATH, 0700, err);
	if (dir_fd < 0)
		return dir_fd;
	(void)gmtime_r(&now, &tm);
	(void)strftime(name, sizeof(name), "support-%Y%m%d-%H%M%S.tar", &tm);
	snprintf(ret_path, BOOT_SUPPORT_PATH_MAX, "/data/transfer/%s", name);
	return fs_open(dir_fd, name, FS_BENEATH, O_WRONLY | O_CREAT | O_EXCL, 0600, err);
}

bool boot_state_is_hash(struct str text)
{
	static const char alphabet[] =
		"./ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";

	if (text.len != 60 || (!str_starts(text, STR("$2b$")) && !str_starts(text, STR("$2y$"))))
		return false;
	if (text.ptr[4] < '0' || text.ptr[4] > '3' || text.ptr[5] < '0' || text.ptr[5] > '9' ||
	    text.ptr[6] != '$')
		return false;
	for (size_t i = 7; i < text.len; i++)
		if (text.ptr[i] == '\0' || strchr(alphabet, text.ptr[i]) == NULL)
			return false;
	return true;
}

void boot_state_auth(const struct boot_state *state, char ret_hash[INIT_HASH_MAX])
{
	OWN_FD int dir_fd = state->data_fd >= 0 ? sub_dir(state, "config") : -1;

	ret_hash[0] = '\0';
	if (dir_fd >= 0)
		read_small(dir_fd, "auth", ret_hash, INIT_HASH_MAX);
}

int boot_state_set_auth(struct boot_state *state, struct str hash, struct err *err)
{
	OWN_FD int dir_fd = state->data_fd >= 0 ? sub_dir(state, "config") : -1;
	char line[INIT_HASH_MAX + 2];

	if (dir_fd < 0)
		return err_set(err, -ENODEV, "there is no data partition to keep the password on");
	if (!boot_state_is_hash(hash))
		return err_set(err, -EINVAL, "the password hash is not of the form $2b$");
	snprintf(line, sizeof(line), "%.*s\n", STR_ARG(hash));
	return fs_replace(dir_fd, "auth", line, strlen(line), 0600, err);
}

/* ---- the configuration ---- */

#define GOOD_CONFIG "config-good"

void boot_state_good_config(void)
{
	OWN_FD int fd = fs_open_dir(AT_FDCWD, "/run/hoy", FS_HOST, 0755, NULL);

	if (fd >= 0 && !fs_exists(fd, GOOD_CONFIG, FS_BENEATH))
		(void)fs_replace(fd, GOOD_CONFIG, "", 0, 0600, NULL);
}

bool boot_state_had_good_config(void)
{
	return fs_exists(AT_FDCWD, "/run/hoy/" GOOD_CONFIG, FS_HOST);
}
