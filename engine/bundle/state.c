/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns the state directory of hoy-oci: its record, its names, and the question whether a container
 * still lives. Runs in every command. It must never signal or enter a process by a pid alone.
 */
#include "engine/bundle/state.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>
#include "engine/run/cgroup.h"
#include "engine/run/user_namespace.h"
#include "lib/defence.h"
#include "lib/fs.h"
#include "lib/own.h"
#include "lib/sha256.h"
#include "lib/wire.h"

enum {
	STATE_MAGIC = 0x31534f48,
	STAT_MAX = 1024,
	STAT_START_FIELD = 22,
	PIDFD_OPEN = 434,
	ROOT_MAX = 4096
};

const char *state_root_path(const char *given)
{
	static char path[ROOT_MAX];
	const char *runtime = getenv("XDG_RUNTIME_DIR"), *user = getenv("USER");
	int n;

	if (given)
		return given;
	if (!runtime || runtime[0] != '/' || (user && strcmp(user, "root") == 0) ||
	    !user_namespace_is_nested())
		return "/run/hoy-oci";
	n = snprintf(path, sizeof(path), "%s/hoy-oci", runtime);
	return n > 0 && (size_t)n < sizeof(path) ? path : "/run/hoy-oci";
}

int state_id_check(const char *id, struct err *err)
{
	static const char allowed[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
				      "0123456789_+-.";
	size_t len = strlen(id), good = id[0] == '.' ? 0 : strspn(id, allowed);
	char shown[8];

	if (len > 0 && len <= STATE_ID_MAX && good == len)
		return 0;
	str_escape(str_make(id + good, good < len), shown, sizeof(shown));
	return err_set(err, -EINVAL,
		       "invalid container ID format: %s%s%sexpected 1 to %d letters, digits and "
		       "_+-. with no dot in front",
		       good < len ? "invalid character '" : "", good < len ? shown : "",
		       good < len ? "' in the container ID, " : "", STATE_ID_MAX);
}

int state_root_open(const char *path, struct err *err)
{
	/* The operator's own path, or ours. */
	int fd = fs_open(AT_FDCWD, path, FS_HOST, O_RDONLY | O_DIRECTORY, 0, NULL);

	return fd != -ENOENT ? (fd < 0 ? err_sys(err, fd, "--root %s", path) : fd)
			     : fs_open_dir(AT_FDCWD, path, FS_HOST, 0700, err);
}

int state_dir_make(int root_fd, const char *id, struct err *err)
{
	int r = fs_mkdir(root_fd, id, 0700, NULL);

	if (r == -EEXIST)
		return err_set(err, r, "container with given ID already exists: %s", id);
	if (r < 0)
		return err_sys(err, r, "make the state directory of %s", id);
	r = fs_open(root_fd, id, FS_BENEATH, O_RDONLY | O_DIRECTORY, 0, err);
	if (r < 0)
		(void)fs_rmdir(root_fd, id, NULL);
	return r;
}

int state_dir_open(int root_fd, const char *id, struct err *err)
{
	int fd;

	if (state_id_check(id, err) < 0)
		return -EINVAL;
	fd = fs_open(root_fd, id, FS_BENEATH, O_RDONLY | O_DIRECTORY, 0, NULL);
	if (fd == -ENOENT)
		return err_set(err, fd, "container \"%s\" does not exist", id);
	return fd < 0 ? err_sys(err, fd, "open the state directory of %s", id) : fd;
}

int state_file_make(int dirfd, const char *name, const void *data, size_t len, struct err *err)
{
	OWN_FD int fd = fs_open(dirfd, name, FS_BENEATH, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW,
				0600, err);

	return fd < 0 ? fd : fs_write_fd(fd, data, len, err);
}

int state_file_put(int dirfd, const char *name, const void *data, size_t len, struct err *err)
{
	char fresh[64];
	OWN_FD int fd = -1;
	int r;

	(void)snprintf(fresh, sizeof(fresh), ".%s.new", name);
	fd = fs_open(dirfd, fresh, FS_BENEATH, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW, 0600,
		     err);
	if (fd < 0)
		return fd;
	r = fs_write_fd(fd, data, len, err);
	return r < 0 ? r : fs_rename(dirfd, fresh, dirfd, name, err);
}

/* ---- the record ---- */

static void sum(struct str bytes, struct digest *ret_digest)
{
	struct sha256 ctx;

	sha256_init(&ctx);
	sha256_add(&ctx, bytes.ptr, bytes.len);
	sha256_end(&ctx, ret_digest);
}

int state_encode(const struct state *state, struct buf *out)
{
	struct digest digest;

	wire_put_u32(out, STATE_MAGIC);
	answer_put_text(out, state->id);
	answer_put_text(out, state->bundle);
	answer_put_text(out, state->root);
	answer_put_text(out, state->cgroup);
	wire_put_i64(out, state->created_ns);
	wire_put_u32(out, state->pid);
	wire_put_u64(out, state->start_time);
	wire_put_u32(out, state->uid);
	wire_put_u8(out, state->flags);
	wire_put_u8(out, state->hooks);
	wire_put_u32(out, (uint32_t)state->pair_count);
	for (size_t i = 0; i < state->pair_count; i++) {
		answer_put_text(out, state->pairs[i].key);
		answer_put_text(out, state->pairs[i].value);
	}
	sum(buf_str(out), &digest);
	wire_put_bytes(out, digest.bytes, sizeof(digest.bytes));
	return buf_error(out);
}

static int get_pairs(struct wire *in, struct state *state)
{
	size_t count = wire_count(in, ANSWER_PAIRS_MAX);

	state->pairs = count ? calloc(count, sizeof(*state->pairs)) : NULL;
	if (count && !state->pairs)
		return -ENOMEM;
	for (size_t i = 0; i < count; i++) {
		state->pairs[i].key = answer_get_text(in);
		state->pairs[i].value = answer_get_text(in);
	}
	state->pair_count = count;
	return 0;
}

int state_decode(struct str bytes, struct state *ret_state, struct err *err)
{
	struct state state = { 0 };
	struct digest digest;
	struct wire in;
	int r;

	if (bytes.len < SHA256_SIZE)
		return err_set(err, -EBADMSG, "the state file is cut off");
	bytes.len -= SHA256_SIZE;
	sum(bytes, &digest);
	if (memcmp(digest.bytes, bytes.ptr + bytes.len, SHA256_SIZE) != 0)
		return err_set(err, -EBADMSG, "the state file is damaged: its checksum is wrong");
	wire_init(&in, bytes.ptr, bytes.len);
	if (wire_u32(&in) != STATE_MAGIC)
		return err_set(err, -EBADMSG, "the state file is of another version");
	state.id = answer_get_text(&in);
	state.bundle = answer_get_text(&in);
	state.root = answer_get_text(&in);
	state.cgroup = answer_get_text(&in);
	state.created_ns = wire_i64(&in);
	state.pid = wire_u32(&in);
	state.start_time = wire_u64(&in);
	state.uid = wire_u32(&in);
	state.flags = wire_u8(&in) & STATE_FLAG_MASK;
	state.hooks = wire_u8(&in);
	r = get_pairs(&in, &state);
	if (r == 0)
		r = wire_end(&in);
	if (r < 0) {
		state_done(&state);
		return err_set(err, r, "the state file is damaged");
	}
	*ret_state = state;
	return 0;
}

int state_save(int dirfd, const char *name, const struct state *state, struct err *err)
{
	struct buf out OWN(buf_done) = { 0 };
	int r;

	buf_init(&out, STATE_SIZE_MAX);
	r = state_encode(state, &out);
	if (r < 0)
		return err_sys(err, r, "write down the state");
	/* Of a create that died in the midst of the first one nothing else is there yet. */
	return strcmp(name, STATE_CREATING) == 0
		       ? state_file_make(dirfd, name, out.data, out.len, err)
		       : state_file_put(dirfd, name, out.data, out.len, err);
}

int state_load(int dirfd, const char *name, struct state *ret_state, struct err *err)
{
	struct buf bytes OWN(buf_done) = { 0 };
	int r;

	*ret_state = (struct state){ 0 };
	buf_init(&bytes, STATE_SIZE_MAX);
	r = fs_read(dirfd, name, FS_BENEATH, STATE_SIZE_MAX - 1, &bytes, err);
	if (r == 0)
		r = state_decode(buf_str(&bytes), ret_state, err);
	if (r < 0)
		return r;
	ret_state->memory = bytes;
	bytes = (struct buf){ 0 };
	return 0;
}

void state_done(struct state *state)
{
	if (!state)
		return;
	buf_done(&state->memory);
	free(state->pairs);
	*state = (struct state){ 0 };
}

/* ---- the process ---- */

uint64_t state_start_time(struct str stat)
{
	struct str rest, field = { 0 };
	size_t close = stat.len;
	uint64_t value;

	/* The name in brackets may hold anything: count from the last one. */
	while (close > 0 && stat.ptr[close - 1] != ')')
		close--;
	if (close == 0 || close + 2 > stat.len)
		return 0;
	rest = str_skip(stat, close + 1);
	for (int number = 3; number <= STAT_START_FIELD; number++) {
		if (!str_cut(&rest, ' ', &field))
			return 0;
		if (number == 3 && (str_is(field, "Z") || str_is(field, "X")))
			return 0;
	}
	return str_to_u64(field, 0, UINT64_MAX, &value) < 0 ? 0 : value;
}

uint64_t state_start_time_of(uint32_t pid)
{
	struct buf text OWN(buf_done) = { 0 };
	char path[32];

	(void)snprintf(path, sizeof(path), "/proc/%u/stat", pid);
	buf_init(&text, STAT_MAX);
	if (fs_read(AT_FDCWD, path, FS_HOST, STAT_MAX - 1, &text, NULL) < 0)
		return 0;
	return state_start_time(buf_str(&text));
}

int state_process_open(const struct state *state, struct err *err)
{
	OWN_FD int pidfd = -1;

	if (state->pid == 0)
		return err_set(err, -ESRCH, "container not running");
	pidfd = (int)syscall(PIDFD_OPEN, state->pid, 0);
	/* First the fd, then the question who it is: so it cannot become somebody else. */
	if (pidfd < 0 ||
	    (defence_on(DEFENCE_A23_SAME) && state_start_time_of(state->pid) != state->start_time))
		return err_set(err, -ESRCH, "container not running");
	return take_fd(&pidfd);
}

int state_cgroup_open(const struct state *state, struct err *err)
{
	enum cgroup_host host;
	OWN_FD int top = -1;
	int r;

	if (!(state->flags & STATE_FLAG_CGROUP))
		return err_set(err, -ENOENT, "the container has no control group");
	r = cgroup_host_open(&host, &top, err);
	if (r < 0)
		return r;
	return cgroup_path_open(top, state->cgroup, err);
}

static bool is_paused(const struct state *state)
{
	struct cgroup_stats stats;
	OWN_FD int fd = state_cgroup_open(state, NULL);

	return fd >= 0 && cgroup_stats(fd, &stats, NULL) == 0 && stats.frozen;
}

enum state_status state_status(int dirfd, const struct state *state)
{
	OWN_FD int pidfd = state_process_open(state, NULL);

	if (pidfd < 0)
		return STATE_STATUS_STOPPED;
	if (is_paused(state))
		return STATE_STATUS_PAUSED;
	return fs_exists(dirfd, STATE_GATE, FS_BENEATH) ? STATE_STATUS_CREATED
							: STATE_STATUS_RUNNING;
}

const char *state_status_name(enum state_status status)
{
	static const char *const names[] = { "created", "running", "paused", "stopped" };

	return names[status];
}
