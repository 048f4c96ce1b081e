/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns role syslog: lines from PID 1 into the queue, out of the queue to the server, and what is
 * said about both. It opens the queue's file and reads the bytes of the authority's certificate,
 * then it gives up every capability and file, and only then looks at what stands in them. Must
 * never lose a line before it is known to have arrived, and never make PID 1 wait: what does not
 * fit is counted.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>
#include "init/api/init_msg.h"
#include "init/api/ship_msg.h"
#include "init/ship/queue.h"
#include "init/ship/ship.h"
#include "init/ship/source.h"
#include "init/ship/stream.h"
#include "lib/fs.h"
#include "lib/log.h"
#include "lib/msg.h"
#include "lib/own.h"
#include "lib/sandbox.h"

enum {
	MAIN_FD = 3,
	SHIP_UID = 936,
	FILES_MAX = 32,
	BOX_FILES_MAX = 4 * SHIP_PLACES_MAX, /* those of containers beside them */
	UNSENT_MAX = 64 << 10,
	PEM_MAX = 256 << 10,
	TICK_MS = 1000,
	SETTLE_MS = 5000, /* acknowledged for so long on a living connection = arrived */
	SYNC_TICKS = 5,
	BACKOFF_BASE_MS = 1000,
	BACKOFF_CAP_MS = 30000,
	FAR_AWAY_MS = 10000, /* a connection that held for so long was a good one */
	MARKS = 64,
	FILL = 8192,
	LAST_MS = 1500, /* for what is on its way at the end */
	WAIT_MS = 10000,
};

/* "The bytes up to `written` carry every line up to `sent`." */
struct mark {
	uint64_t written;
	struct ship_cursor sent;
	struct mono since; /* acknowledged */
	bool arrived;
};

static struct {
	struct loop loop;
	struct msg_peer main;
	struct ship_wish wish;
	struct ship_queue queue;
	struct ship_sources sources;
	struct ship_stream stream;
	struct ship_trust *trust;
	struct ship_cursor sent;
	struct mark marks[MARKS], last;
	size_t mark_count;
	struct loop_timer tick, retry, alive, bye;
	unsigned failures, ticks;
	struct mono up_since;
	bool said_away, clock_known, ending;
	int shown_fd;		    /* /run/hoy/syslog, for metrics */
	uint64_t told;		    /* dropped lines that the log was told of */
	char state[100], text[200]; /* of the connection; what was shown last */
} role;

/* ---- what is said ---- */

static void tell(uint16_t type, const char *text)
{
	char memory[sizeof(role.text) + 8];
	struct buf body = { .data = memory, .cap = sizeof(memory), .max = sizeof(memory) - 1 };

	wire_put_text(&body, text);
	(void)msg_peer_send(&role.main, type, buf_str(&body), NULL, 0, NULL);
}

/* For `status` and for metrics, when it differs from what was said last. */
static void show(void)
{
	char text[sizeof(role.text)], numbers[200];
	int n;

	(void)snprintf(text, sizeof(text), "%llu lines wait, %llu dropped; %s %.60s:%u %.60s",
		       (unsigned long long)role.queue.lines, (unsigned long long)role.queue.dropped,
		       role.wish.tls ? "tls" : "tcp", role.wish.host, role.wish.port, role.state);
	if (strcmp(text, role.text) == 0)
		return;
	memcpy(role.text, text, sizeof(text));
	n = snprintf(numbers, sizeof(numbers),
		     "connected %d\nqueue_lines %llu\nqueue_bytes %llu\ndropped %llu\n",
		     role.stream.state == SHIP_STREAM_UP, (unsigned long long)role.queue.lines,
		     (unsigned long long)(role.queue.tail.position - role.queue.head.position),
		     (unsigned long long)role.queue.dropped);
	/* Before the status: who has read that finds the same here. */
	if (role.shown_fd >= 0 && pwrite(role.shown_fd, numbers, (size_t)n, 0) == n)
		(void)ftruncate(role.shown_fd, n);
	tell(INIT_MSG_STATUS, text);
}

static void set_state(const char *text)
{
	(void)snprintf(role.state, sizeof(role.state), "%s", text);
	show();
}

/* ---- to the server ---- */

static int64_t wall_of(int64_t uptime_ms)
{
	return wall_now_s() * 1000 - mono_now().ns / 1000000 + uptime_ms;
}

static void put_lost(struct buf *out, uint64_t count, const char *hostname)
{
	char text[120];
	struct ship_line line = { .prio = LOG_PRIO_WARN,
				  .uptime_ms = mono_now().ns / 1000000,
				  .who = STR("syslog") };

	(void)snprintf(text, sizeof(text), "%llu lines were dropped before the next one",
		       (unsigned long long)count);
	line.text = str_from(text);
	line.wall_ms = role.clock_known ? wall_now_s() * 1000 : 0;
	rfc5424_put(out, &line, role.wish.facility, hostname);
}

static void on_room(struct ship_stream *stream)
{
	char text[SHIP_RECORD_MAX], hostname[64] = "";
	struct ship_line line;

	role.last = (struct mark){ .written = stream->written, .sent = role.sent };
	(void)gethostname(hostname, sizeof(hostname) - 1);
	while (stream->out.len < FILL) {
		uint64_t wanted = role.sent.number;

		if (!ship_queue_read(&role.queue, &role.sent, text, &line))
			return;
		if (line.number > wanted)
			put_lost(&stream->out, line.number - wanted, hostname);
		/* Of this boot, before the clock was set: now it can be told when that was. */
		if (line.wall_ms == 0 && role.clock_known && line.number >= role.queue.boot_first)
			line.wall_ms = wall_of(line.uptime_ms);
		rfc5424_put(&stream->out, &line, role.wish.facility, hostname);
	}
}

static void retry_due(struct loop_timer *timer)
{
	(void)timer;
	ship_stream_open(&role.stream);
}

static void on_up(struct ship_stream *stream)
{
	(void)stream;
	role.up_since = mono_now();
	role.sent = role.queue.head; /* what is not known to have arrived goes once more */
	role.mark_count = 0;
	log_notice("log server %s port %u connected, %llu lines wait", role.wish.host,
		   role.wish.port, (unsigned long long)role.queue.lines);
	role.said_away = false;
	set_state("connected");
}

static void on_down(struct ship_stream *stream, const struct err *why)
{
	uint32_t jitter = 0;
	int64_t delay_ms;

	(void)stream;
	if (role.up_since.ns != 0 && mono_diff_ms(mono_now(), role.up_since) > FAR_AWAY_MS)
		role.failures = 0;
	role.up_since = (struct mono){ 0 };
	role.sent = role.queue.head;
	role.mark_count = 0;
	role.last = (struct mark){ 0 };
	(void)getrandom(&jitter, sizeof(jitter), GRND_NONBLOCK);
	delay_ms = backoff_ms(role.failures++, BACKOFF_BASE_MS, BACKOFF_CAP_MS, jitter);
	/* Once for each time that it goes: these lines wait for the server, too. */
	if (!role.said_away)
		log_warn("log server %s port %u: %s; lines wait in the queue", role.wish.host,
			 role.wish.port, err_text(why));
	role.said_away = true;
	set_state(err_text(why));
	if (role.ending)
		role.loop.quit = true;
	else
		loop_timer_set(&role.loop, &role.retry, delay_ms, retry_due, NULL);
}

/* ---- what has arrived ---- */

/* TCP's acknowledgement means the server's kernel: the server itself gets some seconds more. */
static void settle(void)
{
	uint64_t arrived = ship_stream_arrived(&role.stream);
	struct mono now = mono_now();
	size_t done = 0;

	if (role.mark_count < MARKS &&
	    (role.mark_count == 0 ||
	     role.marks[role.mark_count - 1].sent.position < role.last.sent.position) &&
	    role.last.sent.position > role.queue.head.position)
		role.marks[role.mark_count++] = role.last;
	for (size_t i = 0; i < role.mark_count; i++) {
		struct mark *mark = &role.marks[i];

		if (!mark->arrived && arrived >= mark->written) {
			mark->arrived = true;
			mark->since = now;
		}
		if (mark->arrived && (role.ending || mono_diff_ms(now, mark->since) >= SETTLE_MS))
			done = i + 1;
	}
	if (done == 0)
		return;
	ship_queue_settle(&role.queue, role.marks[done - 1].sent);
	role.mark_count -= done;
	memmove(role.marks, role.marks + done, role.mark_count * sizeof(role.marks[0]));
}

static void tick_due(struct loop_timer *timer)
{
	if (role.stream.state == SHIP_STREAM_UP)
		settle();
	role.ticks++;
	/* While the server is away the disk is what keeps the lines. */
	ship_queue_save(&role.queue,
			role.stream.state != SHIP_STREAM_UP && role.ticks % SYNC_TICKS == 0);
	ship_places_save(&role.sources.places); /* behind the lines that it is about */
	if (role.queue.dropped != role.told) {
		log_warn("%llu lines of the log were dropped: the queue was full",
			 (unsigned long long)(role.queue.dropped - role.told));
		role.told = role.queue.dropped;
	}
	show();
	loop_timer_set(&role.loop, timer, TICK_MS, tick_due, NULL);
}

/* ---- the kernel's lines, and those of containers ---- */

static void add_line(struct ship_line *line)
{
	if (line->prio > role.wish.prio_max)
		return;
	if (line->wall_ms == 0 && role.clock_known)
		line->wall_ms = wall_of(line->uptime_ms);
	ship_queue_add(&role.queue, 0, line, &role.sent);
}

static void lines_added(void)
{
	if (role.stream.state == SHIP_STREAM_UP)
		ship_stream_flush(&role.stream);
}

static void files_gone(void)
{
	fatal("role syslog-files ended");
}

/* ---- from PID 1 ---- */

static void take_line(struct wire *in, uint64_t number)
{
	struct ship_line line = { .uptime_ms = wire_i64(in), .prio = wire_u8(in) };

	line.who = wire_str(in, INIT_LINE_MAX);
	line.text = wire_str(in, INIT_LINE_MAX);
	if (in->error != 0)
		return;
	if (line.prio > role.wish.prio_max) {
		ship_queue_skip(&role.queue, number);
		return;
	}
	if (role.clock_known)
		line.wall_ms = wall_of(line.uptime_ms);
	ship_queue_add(&role.queue, number, &line, &role.sent);
}

static void lines_came(struct msg_peer *peer, void *owner, struct msg *reply, const struct err *err)
{
	struct wire in;
	uint64_t first;
	uint32_t count;

	(void)peer;
	(void)owner;
	if (reply == NULL)
		fatal("no lines from init: %s", err_text(err));
	wire_init(&in, reply->body.ptr, reply->body.len);
	first = wire_u64(&in);
	count = wire_u32(&in);
	for (uint32_t i = 0; i < count && in.error == 0; i++)
		take_line(&in, first + i);
	if (wire_end(&in) < 0)
		fatal("malformed lines from init");
	lines_added();
}

static void on_clock(struct msg_peer *peer, struct msg *msg)
{
	(void)peer;
	role.clock_known = (uint8_t)msg->body.ptr[0] != INIT_CLOCK_FLOOR;
}

static void bye(struct loop_timer *timer)
{
	(void)timer;
	role.loop.quit = true;
}

/* Lines on their way get a moment to arrive; what stays in the queue goes with the next start. */
static void linger(struct loop_timer *timer)
{
	if (role.stream.state == SHIP_STREAM_UP)
		settle();
	if (role.stream.state != SHIP_STREAM_UP || role.queue.lines == 0)
		role.loop.quit = true;
	else
		loop_timer_set(&role.loop, timer, TICK_MS / 20, linger, NULL);
}

static void on_stop(struct msg_peer *peer, struct msg *msg)
{
	(void)peer;
	(void)msg;
	role.ending = true;
	ship_sources_read(&role.sources); /* the last words of containers */
	loop_timer_stop(&role.loop, &role.retry);
	loop_timer_set(&role.loop, &role.bye, LAST_MS, bye, NULL);
	loop_timer_set(&role.loop, &role.tick, 0, linger, NULL);
}

static void alive_due(struct loop_timer *timer)
{
	(void)msg_peer_send(&role.main, INIT_MSG_ALIVE, (struct str){ 0 }, NULL, 0, NULL);
	loop_timer_set(&role.loop, timer, INIT_ALIVE_EVERY_MS, alive_due, NULL);
}

static void main_gone(struct msg_peer *peer)
{
	(void)peer;
	role.loop.quit = true;
}

static const struct msg_rule rules[] = {
	{ INIT_MSG_STOP, "STOP", 8, 8, 0, 0, 1, on_stop },
	{ INIT_MSG_CLOCK, "CLOCK", 1, 1, 0, 0, 1, on_clock },
	/* Every unit is told of these; PID 1 starts this one anew when its settings change. */
	{ INIT_MSG_RELOAD, "RELOAD", 0, 0, 0, 0, 0, NULL },
};

/* ---- start-up, still with every right: files are opened, nothing in them is looked at ---- */

/* What is brought into the sandbox. */
struct luggage {
	int queue_fd;			    /* -1: see queue_err */
	int places_fd, kernel_fd, files_fd; /* -1 = none */
	char boot[SHIP_BOOT_ID];
	struct buf pem, cert, key;
	bool pem_read;
	struct err queue_err, pem_err;
};

/* The first message says where to send to. */
static void take_wish(void)
{
	struct msg msg OWN(msg_done) = { 0 };
	struct err err = { 0 };
	struct wire in;

	if (msg_recv(MAIN_FD, &msg, &err) <= 0 || msg.type != INIT_MSG_SHIP)
		fatal("no settings from init: %s", err_text(&err));
	wire_init(&in, msg.body.ptr, msg.body.len);
	if (ship_wish_get(&in, &role.wish) < 0)
		fatal("malformed settings from init");
}

static void pack_queue(struct luggage *luggage)
{
	char text[64] = "";
	struct buf id OWN(buf_done) = { 0 };
	int dir_fd OWN_FD = fs_open(-1, "/data/state", FS_HOST, O_RDONLY | O_DIRECTORY, 0, NULL);
	char *boot = luggage->boot;

	buf_init(&id, sizeof(text));
	if (fs_read(-1, "/proc/sys/kernel/random/boot_id", FS_HOST, sizeof(text), &id, NULL) >= 0)
		(void)memcpy(boot, buf_text(&id), id.len < SHIP_BOOT_ID ? id.len : SHIP_BOOT_ID);
	luggage->queue_fd = -1;
	if (dir_fd >= 0)
		luggage->queue_fd = fs_open(dir_fd, "syslog", FS_BENEATH, O_RDWR | O_CREAT, 0600,
					    &luggage->queue_err);
	else
		(void)err_set(&luggage->queue_err, -ENODEV, "there is no data partition");
	luggage->places_fd = -1;
	if (luggage->queue_fd >= 0)
		luggage->places_fd =
			fs_open(dir_fd, "syslog-places", FS_BENEATH, O_RDWR | O_CREAT, 0600, NULL);
}

static void pack_sources(struct luggage *luggage, const char *program)
{
	struct err err = { 0 };

	luggage->kernel_fd = luggage->files_fd = -1;
	if (role.wish.send & SHIP_SEND_KERNEL)
		luggage->kernel_fd =
			fs_open(-1, "/dev/kmsg", FS_HOST, O_RDONLY | O_NONBLOCK, 0, &err);
	if (role.wish.send & SHIP_SEND_KERNEL && luggage->kernel_fd < 0)
		log_err("the kernel's lines are not sent: %s", err_text(&err));
	if (role.wish.send & SHIP_SEND_CONTAINERS &&
	    ship_sources_spawn(program, &luggage->files_fd, &err) < 0)
		fatal("%s", err_text(&err));
}

static void pack_trust(struct luggage *luggage)
{
	const char *cert = role.wish.cert_file, *key = role.wish.key_file;
	struct err *err = &luggage->pem_err;

	buf_init(&luggage->pem, PEM_MAX);
	buf_init(&luggage->cert, PEM_MAX);
	buf_init(&luggage->key, PEM_MAX);
	if (!role.wish.tls)
		return;
	if (role.wish.ca_file[0] == '\0')
		(void)err_set(err, -EINVAL, "tls needs ca_file in [log]");
	else if ((cert[0] == '\0') != (key[0] == '\0'))
		(void)err_set(err, -EINVAL, "cert_file and key_file in [log] need each other");
	else
		luggage->pem_read =
			fs_read(-1, role.wish.ca_file, FS_HOST, PEM_MAX, &luggage->pem, err) >= 0 &&
			(cert[0] == '\0' ||
			 (fs_read(-1, cert, FS_HOST, PEM_MAX, &luggage->cert, err) >= 0 &&
			  fs_read(-1, key, FS_HOST, PEM_MAX, &luggage->key, err) >= 0));
}

/* No file that it holds may grow beyond the queue's size, or what that has from before. */
static void limit_files(int queue_fd)
{
	uint64_t bytes = SHIP_QUEUE_HEAD + role.wish.queue_bytes;
	struct rlimit limit;
	struct stat st;

	if (queue_fd >= 0 && fstat(queue_fd, &st) == 0 && (uint64_t)st.st_size > bytes)
		bytes = (uint64_t)st.st_size;
	limit = (struct rlimit){ .rlim_cur = bytes, .rlim_max = bytes };
	if (signal(SIGXFSZ, SIG_IGN) == SIG_ERR || setrlimit(RLIMIT_FSIZE, &limit) < 0)
		fatal("limit of the files' size: %s", err_name(errno));
}

static void confine(void)
{
	bool boxes = (role.wish.send & SHIP_SEND_CONTAINERS) != 0;
	const struct sandbox sandbox = { .profile = SANDBOX_PROFILE_INET,
					 .uid = SHIP_UID,
					 .gid = SHIP_UID,
					 .root = "/run/hoy/net",
					 .files_max = FILES_MAX + (boxes ? BOX_FILES_MAX : 0) };
	struct err err = { 0 };

	if (sandbox_enter(&sandbox, &err) < 0)
		fatal("%s", err_text(&err));
}

/* ---- start-up, without any right ---- */

static void open_queue(struct luggage *luggage)
{
	struct err *err = &luggage->queue_err;
	int r = ship_queue_open(&role.queue, take_fd(&luggage->queue_fd), role.wish.queue_bytes,
				luggage->boot, err);

	if (r < 0)
		fatal("%s", err_text(err));
	if (r > 0)
		log_warn("the queue is in memory and ends with the machine: %s", err_text(err));
	role.told = role.queue.dropped;
}

static void open_trust(struct luggage *luggage)
{
	struct err *err = &luggage->pem_err;

	if (luggage->pem_read)
		role.trust = ship_trust_new(buf_str(&luggage->pem), buf_str(&luggage->cert),
					    buf_str(&luggage->key), err);
	buf_done(&luggage->pem);
	buf_done(&luggage->cert);
	if (luggage->key.data)
		explicit_bzero(luggage->key.data, luggage->key.len);
	buf_done(&luggage->key);
	if (role.trust != NULL || !role.wish.tls)
		return;
	log_err("nothing is sent: TLS with ca_file %s: %s", role.wish.ca_file, err_text(err));
	(void)snprintf(role.state, sizeof(role.state), "nothing is sent: %.80s", err_text(err));
}

static void ask_for_lines(void)
{
	struct buf body OWN(buf_done) = { 0 };
	struct err err = { 0 };

	buf_init(&body, 16);
	wire_put_u64(&body, role.queue.boot_next);
	if (msg_peer_call(&role.main, INIT_MSG_LOG_FROM, buf_str(&body), NULL, 0, lines_came, NULL,
			  &err) < 0)
		fatal("%s", err_text(&err));
}

static void open_sources(struct luggage *luggage)
{
	struct ship_sources *sources = &role.sources;
	struct err err = { 0 };

	sources->loop = &role.loop;
	sources->queue = &role.queue;
	sources->add = add_line;
	sources->done = lines_added;
	sources->gone = files_gone;
	ship_places_open(&sources->places, take_fd(&luggage->places_fd), luggage->boot);
	if (ship_sources_begin(sources, take_fd(&luggage->kernel_fd), take_fd(&luggage->files_fd),
			       &err) < 0)
		fatal("%s", err_text(&err));
}

int ship_main(const char *program)
{
	struct luggage luggage = { 0 };
	struct err err = { 0 };

	log_init("syslog", LOG_PRIO_INFO);
	(void)snprintf(role.state, sizeof(role.state), "connecting");
	take_wish();
	pack_queue(&luggage);
	pack_trust(&luggage);
	pack_sources(&luggage, program);
	role.shown_fd =
		fs_open(-1, "/run/hoy/syslog", FS_HOST, O_WRONLY | O_CREAT | O_TRUNC, 0644, NULL);
	if (loop_init(&role.loop, &err) < 0 ||
	    msg_peer_init(&role.main, &role.loop, MAIN_FD, 1, rules, ARRAY_LEN(rules), UNSENT_MAX,
			  main_gone, NULL, &err) < 0)
		fatal("%s", err_text(&err));
	limit_files(luggage.queue_fd);
	confine();
	open_queue(&luggage);
	open_trust(&luggage);
	ship_stream_init(&role.stream, &role.loop, &role.wish, role.trust);
	role.stream.up = on_up;
	role.stream.room = on_room;
	role.stream.down = on_down;
	role.sent = role.queue.head;
	open_sources(&luggage);
	tell(INIT_MSG_READY, "");
	if (role.wish.send & SHIP_SEND_SYSTEM)
		ask_for_lines();
	alive_due(&role.alive);
	tick_due(&role.tick);
	if (!role.wish.tls || role.trust != NULL)
		loop_timer_set(&role.loop, &role.retry, 0, retry_due, NULL);
	if (loop_run(&role.loop, &err) < 0)
		fatal("%s", err_text(&err));
	ship_stream_close(&role.stream);
	ship_queue_save(&role.queue, true);
	ship_places_save(&role.sources.places);
	/* Nobody is connected any more; should it die before this, PID 1 takes the file away. */
	if (role.shown_fd >= 0)
		(void)!ftruncate(role.shown_fd, 0);
	return 0;
}
