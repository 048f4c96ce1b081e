/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The shim: one process for each container, started by engine main and living on without it. Owns
 * the container's first process, its streams, its log and the record of its end. No heap, one loop.
 * Parses nothing that came from an image, a network or the container. Must never end before the
 * container is gone and its end is written down or known to main.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>
#include "engine/api/shim_version.h"
#include "engine/run/kernel.h"
#include "engine/run/own_file.h"
#include "engine/run/shim.h"
#include "lib/fs.h"
#include "lib/log.h"
#include "lib/own.h"
#include "lib/wire.h"

enum {
	DRAIN_MS = 2000,      /* output that somebody outside still holds open */
	RETRY_EXIT_MS = 1000, /* the status file, while the disk is full */
	IDENTITY_MAIN = 1,
	SHELL_SIGNAL_BASE = 128,
	PAGE_BYTES = 4096,
	STACK_OURS = 1024,
	STACK_USED = 128 << 10, /* more than any call needs */
	SEALS = F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE,
};

static struct shim the_shim;

static void maybe_quit(struct shim *shim);

static int64_t now_ns(void)
{
	struct timespec ts;

	(void)clock_gettime(CLOCK_REALTIME, &ts);
	return (int64_t)ts.tv_sec * 1000000000 + ts.tv_nsec;
}

void shim_body(struct buf *body, char memory[SHIM_BODY_MAX])
{
	memory[0] = '\0';
	*body = (struct buf){ .data = memory, .cap = SHIM_BODY_MAX, .max = SHIM_BODY_MAX - 1 };
}

void shim_tell(struct shim *shim, uint16_t type, const struct buf *body)
{
	struct msg_peer *peer = &shim->peers[shim->newest];

	if (msg_peer_alive(peer))
		(void)msg_peer_send(peer, type, buf_str(body), NULL, 0, NULL);
}

/* ---- what the container and exec share ---- */

int shim_map_plan(int fd, const void **ret_data, size_t *ret_len, struct plan *ret_plan,
		  struct err *err)
{
	struct stat st;
	void *data;
	int r;

	if (fcntl(fd, F_GET_SEALS) != SEALS)
		return err_set(err, -EPERM, "plan: the memfd is not sealed");
	if (fstat(fd, &st) < 0 || st.st_size <= 0 || st.st_size > PLAN_SIZE_MAX)
		return err_set(err, -EBADMSG, "plan: its size is out of bounds");
	data = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
	if (data == MAP_FAILED)
		return err_sys(err, -errno, "plan: map");
	r = plan_decode(data, (size_t)st.st_size, ret_plan, err);
	if (r < 0) {
		(void)munmap(data, (size_t)st.st_size);
		return r;
	}
	*ret_data = data;
	*ret_len = (size_t)st.st_size;
	return 0;
}

void shim_unmap_plan(const void *data, size_t len)
{
	(void)munmap((void *)(uintptr_t)data, len);
}

int shim_reap(int pidfd, int32_t *ret_code, uint32_t *ret_signal)
{
	siginfo_t info = { 0 };

	if (waitid(P_PIDFD, (id_t)pidfd, &info, WEXITED | WNOHANG) < 0 || info.si_pid == 0)
		return 0;
	*ret_signal = info.si_code == CLD_EXITED ? 0 : (uint32_t)info.si_status;
	*ret_code =
		info.si_code == CLD_EXITED ? info.si_status : SHELL_SIGNAL_BASE + info.si_status;
	return 1;
}

void shim_kill_all(struct shim *shim)
{
	(void)fs_write_control(SHIM_FD_CGROUP, "cgroup.kill", STR("1"), NULL);
	if (shim->pidfd >= 0)
		(void)k_pidfd_signal(shim->pidfd, SIGKILL);
}

/* ---- memory events ---- */

static uint64_t read_oom_kills(struct shim *shim)
{
	char text[512];
	struct str rest, line;
	uint64_t kills = 0;
	ssize_t n = shim->oom_fd < 0 ? -1 : pread(shim->oom_fd, text, sizeof(text), 0);

	if (n <= 0)
		return 0;
	rest = str_make(text, (size_t)n);
	while (str_cut(&rest, '\n', &line))
		if (str_starts(line, STR("oom_kill ")))
			(void)str_to_u64(str_skip(line, 9), 0, UINT64_MAX, &kills);
	return kills;
}

static void on_memory_event(struct loop_io *io, uint32_t events)
{
	struct shim *shim = io->owner;
	uint64_t kills = read_oom_kills(shim);
	char memory[SHIM_BODY_MAX];
	struct buf body;

	(void)events;
	if (kills <= shim->oom_kills)
		return;
	shim->oom_kills = kills;
	shim_body(&body, memory);
	wire_put_u64(&body, kills);
	shim_tell(shim, SHIM_MSG_OOM, &body);
}

static void watch_memory(struct shim *shim)
{
	shim->oom_fd = fs_open(SHIM_FD_CGROUP, "memory.events", FS_BENEATH, O_RDONLY, 0, NULL);
	if (shim->oom_fd >= 0)
		(void)loop_add(&shim->loop, &shim->oom_io, shim->oom_fd, EPOLLPRI, on_memory_event,
			       shim, NULL);
}

/* ---- the end ---- */

static void write_exit(struct loop_timer *timer)
{
	struct shim *shim = timer->owner;
	char text[SHIM_EXIT_TEXT_MAX];
	struct err err = { 0 };
	int n = shim_exit_format(&shim->exit, text);

	if (fs_replace(SHIM_FD_DIR, SHIM_EXIT_FILE, text, (size_t)n, 0640, &err) < 0) {
		log_warn("cannot write the exit status yet: %s", err_text(&err));
		loop_timer_set(&shim->loop, &shim->retry, RETRY_EXIT_MS, write_exit, shim);
		return;
	}
	shim->durable = true;
	maybe_quit(shim);
}

/* All output is in the log: now the end may be known. */
static void announce(struct shim *shim)
{
	char memory[SHIM_BODY_MAX];
	struct buf body;

	if (shim->announced)
		return;
	shim->announced = true;
	loop_timer_stop(&shim->loop, &shim->drain);
	shim_log_flush(&shim->log, true);
	shim_streams_close(&shim->streams);
	shim_body(&body, memory);
	shim_exit_put(&body, &shim->exit);
	shim_tell(shim, SHIM_MSG_EXITED, &body);
	loop_timer_set(&shim->loop, &shim->retry, 0, write_exit, shim);
}

static void on_drain_end(struct loop_timer *timer)
{
	announce(timer->owner);
}

static void on_output_end(void *owner)
{
	struct shim *shim = owner;

	if (shim->state == SHIM_STATE_EXITED)
		announce(shim);
}

/* The start failed and main was told, or the end is safe. */
static void maybe_quit(struct shim *shim)
{
	if (shim->state == SHIM_STATE_EXITED && shim->announced && shim->durable)
		shim->loop.quit = true;
}

static void on_container_end(struct loop_io *io, uint32_t events)
{
	struct shim *shim = io->owner;

	(void)events;
	if (shim->report >= 0) /* the report says why; it comes first */
		shim->report_io.fn(&shim->report_io, EPOLLIN);
	if (shim->loop.quit || !shim_reap(shim->pidfd, &shim->exit.code, &shim->exit.signal))
		return;
	loop_remove(&shim->loop, io);
	/* With the host's PID namespace others of it may still run. */
	shim_kill_all(shim);
	shim->state = SHIM_STATE_EXITED;
	shim->exit.finished_ns = now_ns();
	shim->exit.oom = read_oom_kills(shim) > 0;
	loop_timer_set(&shim->loop, &shim->drain, DRAIN_MS, on_drain_end, shim);
	shim_streams_finish(&shim->streams);
}

/* ---- the start ---- */

static void fail_start(struct shim *shim, const struct err *err)
{
	log_warn("start failed: %s", err_text(err));
	if (shim->start_peer)
		(void)msg_reply_err(shim->start_peer, SHIM_MSG_START, shim->start_serial, err);
	shim_kill_all(shim);
	shim->state = SHIM_STATE_EXITED;
	shim->loop.quit = true;
}

static void on_report(struct loop_io *io, uint32_t events)
{
	struct shim *shim = io->owner;
	struct err err = { 0 };
	char memory[SHIM_BODY_MAX];
	struct buf body;
	int r;

	(void)events;
	r = apply_read_report(shim->report, &err);
	loop_remove(&shim->loop, io);
	own_close(&shim->report);
	if (r > 0)
		r = err_set(&err, -ENOTSUP, "start: hooks are for hoy-oci");
	if (r < 0) {
		fail_start(shim, &err);
		return;
	}
	shim->state = SHIM_STATE_RUNNING;
	shim->exit.started_ns = now_ns();
	shim_body(&body, memory);
	wire_put_u32(&body, shim->pid);
	if (shim->start_peer)
		(void)msg_reply(shim->start_peer, SHIM_MSG_START, shim->start_serial,
				buf_str(&body), &shim->pidfd, 1);
	shim->start_peer = NULL;
}

static int make_pipe(int *ret_read, int *ret_write, struct err *err)
{
	int ends[2];

	if (pipe2(ends, O_CLOEXEC) < 0)
		return err_sys(err, -errno, "make a pipe");
	*ret_read = ends[0];
	*ret_write = ends[1];
	return 0;
}

/* The container's ends go into apply, ours to the streams. */
static int make_streams(struct shim *shim, struct apply *apply, struct err *err)
{
	uint32_t flags = apply->plan->flags;
	int out[2] = { -1, -1 }, in = -1, slave = -1, r;

	if (flags & PLAN_FLAG_TTY) {
		r = apply_open_tty(apply, shim->pts, &out[0], err);
		if (r < 0)
			return r;
		in = fcntl(out[0], F_DUPFD_CLOEXEC, 3);
		slave = fcntl(apply->slave, F_DUPFD_CLOEXEC, 3);
		shim->master = out[0];
		if (in < 0 || slave < 0)
			return err_sys(err, -errno, "copy the terminal");
	} else {
		r = make_pipe(&out[0], &apply->stdio[1], err);
		if (r == 0)
			r = make_pipe(&out[1], &apply->stdio[2], err);
		if (r == 0 && flags & PLAN_FLAG_STDIN)
			r = make_pipe(&apply->stdio[0], &in, err);
		if (r < 0)
			return r;
	}
	return shim_streams_start(&shim->streams, flags & PLAN_FLAG_TTY, out, in, slave, err);
}

static int start_planned(struct shim *shim, const struct plan *plan, struct err *err)
{
	struct apply apply;
	pid_t pid = -1;
	int r;

	if (plan->kind != PLAN_KIND_CONTAINER)
		return err_set(err, -EINVAL, "plan: it is not one of a container");
	apply_init(&apply, plan);
	apply.cgroup = SHIM_FD_CGROUP;
	r = apply_prepare(&apply, SHIM_FD_ROOT, &shim->pts, err);
	if (r == 0)
		r = make_pipe(&shim->report, &apply.report, err);
	if (r == 0)
		r = make_streams(shim, &apply, err);
	if (r == 0) {
		pid = apply_start(&apply, shim->own_pidns, &shim->pidfd, err);
		r = pid < 0 ? pid : 0;
	}
	apply_close(&apply);
	own_close(&apply.sync[1]);
	if (r < 0)
		return r;
	shim->pid = (uint32_t)pid;
	r = loop_add(&shim->loop, &shim->report_io, shim->report, EPOLLIN, on_report, shim, err);
	if (r == 0)
		r = loop_add(&shim->loop, &shim->pidfd_io, shim->pidfd, EPOLLIN, on_container_end,
			     shim, err);
	return r;
}

static void on_start(struct msg_peer *peer, struct msg *msg)
{
	struct shim *shim = peer->owner;
	struct err err = { 0 };
	struct plan plan;
	struct wire in;
	const void *data;
	size_t len;
	uint64_t max_size;
	uint32_t max_file;
	uint16_t version;
	bool off;
	int r;

	wire_init(&in, msg->body.ptr, msg->body.len);
	version = wire_u16(&in);
	max_size = wire_u64(&in);
	max_file = wire_u32(&in);
	off = wire_bool(&in);
	if (version != shim_version())
		(void)err_set(&err, -EPROTO,
			      "start: the shim on disk speaks version %u, this engine version %u: "
			      "restart the engine",
			      shim_version(), version);
	else if (in.error || shim->state != SHIM_STATE_CREATED ||
		 (shim_syslog_open(&shim->syslog, &shim->loop, &shim->room, &in, &err) == 0 &&
		  wire_end(&in) < 0))
		(void)err_set(&err, -EINVAL, "start: malformed, or started already");
	if (err.code) {
		(void)msg_reply_err(peer, SHIM_MSG_START, msg->serial, &err);
		return;
	}
	shim->state = SHIM_STATE_STARTING;
	shim->start_peer = peer;
	shim->start_serial = msg->serial;
	shim_log_open(&shim->log, SHIM_FD_DIR, max_size, max_file, off);
	r = shim_map_plan(SHIM_FD_PLAN, &data, &len, &plan, &err);
	if (r == 0) {
		r = start_planned(shim, &plan, &err);
		shim_unmap_plan(data, len);
	}
	if (r < 0)
		fail_start(shim, &err);
	/* What only the start needed would keep the root and the network busy, and the plan's
	 * memory. */
	(void)close(SHIM_FD_PLAN);
	for (int fd = SHIM_FD_NETNS; fd <= SHIM_FD_MAX; fd++)
		(void)close(fd);
}

static const struct msg_rule rules[] = {
	{ SHIM_MSG_START, "start", 2, SHIM_BODY_MAX, 0, 0, IDENTITY_MAIN, on_start },
	{ SHIM_MSG_SIGNAL, "signal", 8, 8, 0, 0, IDENTITY_MAIN, shim_signal_message },
	{ SHIM_MSG_RESIZE, "resize", 8, 8, 0, 0, IDENTITY_MAIN, shim_resize_message },
	{ SHIM_MSG_ATTACH, "attach", 1, 1, 0, 0, IDENTITY_MAIN, shim_attach_message },
	{ SHIM_MSG_EXEC, "exec", 0, 0, 1, 1, IDENTITY_MAIN, shim_exec_message },
	{ SHIM_MSG_STATE, "state", 0, 0, 0, 0, IDENTITY_MAIN, shim_state_message },
	{ SHIM_MSG_STOP, "stop", 0, 0, 0, 0, IDENTITY_MAIN, shim_stop_message },
	{ SHIM_MSG_RELEASE, "release", 0, 0, 0, 0, IDENTITY_MAIN, shim_release_message },
};

/* ---- connections ---- */

static void on_gone(struct msg_peer *peer)
{
	struct shim *shim = peer->owner;

	shim_exec_forget(shim, peer);
	if (shim->start_peer == peer)
		shim->start_peer = NULL;
	if (shim->state == SHIM_STATE_CREATED)
		shim->loop.quit = true;
}

static int add_peer(struct shim *shim, int fd, struct err *err)
{
	unsigned place = (shim->newest + 1) % SHIM_PEERS;
	struct msg_peer *peer;

	for (unsigned i = SHIM_PEERS; i-- > 0;)
		if (!msg_peer_alive(&shim->peers[i]))
			place = i;
	peer = &shim->peers[place];
	if (msg_peer_alive(peer)) { /* the oldest makes room */
		shim_exec_forget(shim, peer);
		if (shim->start_peer == peer)
			shim->start_peer = NULL;
		msg_peer_done(peer);
	}
	shim->newest = place;
	return msg_peer_init(peer, &shim->loop, fd, IDENTITY_MAIN, rules, ARRAY_LEN(rules), 0,
			     on_gone, shim, err);
}

static void on_connect(struct loop_io *io, uint32_t events)
{
	struct shim *shim = io->owner;
	int fd = accept4(io->fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
	uint32_t uid = UINT32_MAX;

	(void)events;
	if (fd < 0)
		return;
	if (msg_credentials(fd, &uid, NULL, NULL, NULL) < 0 || uid != 0) {
		own_close(&fd);
		return;
	}
	if (add_peer(shim, fd, NULL) < 0)
		log_warn("a connection could not be taken");
}

/* ---- life ---- */

/* Numbers that main did not use are filled, so that none of our own fds comes to stand there. */
static void reserve_fds(void)
{
	for (int fd = SHIM_FD_MAIN; fd <= SHIM_FD_MAX; fd++) {
		if (fcntl(fd, F_SETFD, FD_CLOEXEC) == 0)
			continue;
		/* Any other error is of one that is in use, and would be lost here. */
		if (errno != EBADF || dup3(STDIN_FILENO, fd, O_CLOEXEC) < 0)
			fatal("cannot reserve fd %d", fd);
	}
}

static void init(struct shim *shim)
{
	struct err err = { 0 };

	shim->pidfd = shim->report = shim->pts = shim->oom_fd = shim->master = -1;
	(void)signal(SIGPIPE, SIG_IGN);
	/* Nothing of the container shall ever trace or read this process or its young children. */
	if (prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) < 0)
		fatal("cannot become non-dumpable");
	reserve_fds();
	shim->own_pidns = fs_open(AT_FDCWD, "/proc/self/ns/pid", FS_HOST, O_RDONLY, 0, &err);
	if (shim->own_pidns < 0 || loop_init(&shim->loop, &err) < 0)
		fatal("%s", err_text(&err));
	shim_streams_init(&shim->streams, &shim->loop, &shim->log);
	shim->log.room = shim->streams.room = &shim->room;
	shim->log.syslog = &shim->syslog;
	shim->streams.ended = on_output_end;
	shim->streams.owner = shim;
	watch_memory(shim);
	if (add_peer(shim, SHIM_FD_MAIN, &err) < 0 ||
	    loop_add(&shim->loop, &shim->listen_io, SHIM_FD_LISTEN, EPOLLIN, on_connect, shim,
		     &err) < 0)
		fatal("%s", err_text(&err));
}

/*
 * Gives the pages of the stack back that only the start of a process needed: they would be ours for
 * as long as the container runs. The kernel passes over those that are not there.
 */
static void trim_stack(void)
{
	char here;
	/* Below what this call and the next one stand on. */
	uintptr_t end = ((uintptr_t)&here - STACK_OURS) & ~(uintptr_t)(PAGE_BYTES - 1);

	(void)madvise((void *)(end - STACK_USED), STACK_USED, MADV_DONTNEED);
}

static int run(struct shim *shim, struct err *err)
{
	int r = 0;

	while (r == 0 && !shim->loop.quit) {
		shim->streams.carried = false;
		r = loop_step(&shim->loop, -1, err);
		/* Output is carried often, and on little stack. */
		if (!shim->streams.carried)
			trim_stack();
	}
	return r;
}

int main(int argc, char **argv)
{
	struct shim *shim = &the_shim;
	struct err err = { 0 };

	(void)argc;
	log_init("shim", LOG_PRIO_INFO);
	if (own_file_protect(argv, &err) < 0)
		fatal("%s", err_text(&err));
	init(shim);
	if (run(shim, &err) < 0) {
		log_err("%s", err_text(&err));
		shim_kill_all(shim);
		return 1;
	}
	return 0;
}
