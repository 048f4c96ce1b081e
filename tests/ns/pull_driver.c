/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Plays engine main towards the pull, load and unpack roles, for tests/ns/pull_*.py. Blobs go into
 * a folder under their hex digest, only if size and digest are right. Prints one line for each
 * thing that happens; exit 0 when the job ended well.
 *
 *	pull_driver [--engine PROGRAM] [OPTION...] pull REFERENCE FOLDER
 *	pull_driver [--engine PROGRAM] [OPTION...] load ARCHIVE FOLDER
 *	pull_driver [--engine PROGRAM] [OPTION...] --known RECORD push REFERENCE FOLDER
 *	pull_driver [--engine PROGRAM] [OPTION...] unpack FILE
 *
 * --engine runs the real program (its sandbox too); without it the role's code runs in a child of
 * this one. Options of a registry belong to the --host before them.
 */
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>
#include "engine/api/pull_msg.h"
#include "engine/oci/image.h"
#include "engine/registry/serve.h"
#include "lib/fs.h"
#include "lib/msg.h"
#include "lib/own.h"
#include "tests/ns/pull_driver.h"

static struct options {
	const char *engine, *system_ca, *name, *folder;
	const char *save, *known; /* files: the image record, out and in */
	struct pull_start start;
	int kill_at;  /* bytes of a layer after which the role is killed; 0 = never */
	int pause_at; /* the same, after which "paused" is said and a line of stdin awaited */
	bool refuse;  /* the pipe of the first layer is closed and the layer called too big */
	bool raw;     /* unpack: no layer */
} options;

static struct arena arena;
static pid_t role_pid;

void driver_die(const char *what, const struct err *err)
{
	printf("broken %s: %s\n", what, err_text(err));
	exit(3);
}

static struct str read_bytes(const char *path)
{
	struct buf text;
	struct err err = { 0 };
	struct str copy;

	buf_init(&text, 4 << 20);
	if (fs_read(AT_FDCWD, path, FS_HOST, 4 << 20, &text, &err) < 0)
		driver_die(path, &err);
	copy = str_make(arena_text(&arena, buf_str(&text)), text.len);
	buf_done(&text);
	return copy;
}

static const char *read_text(const char *path)
{
	return read_bytes(path).ptr;
}

/* ---- the role ---- */

static void run_inside(const char *role)
{
	struct str bundle = str_from(options.system_ca ? read_text(options.system_ca) : "");

	signal(SIGPIPE, SIG_IGN);
	exit(strcmp(role, "pull") == 0 ? serve_pull(3, bundle) : serve_load(3));
}

int driver_start(const char *role)
{
	struct err err = { 0 };
	int fds[2];

	if (msg_pair(fds, &err) < 0)
		driver_die("socket pair", &err);
	role_pid = fork();
	if (role_pid == 0) {
		dup2(fds[1], 3);
		if (options.engine) {
			execl(options.engine, "hoy-engine", role, (char *)NULL);
			_exit(127);
		}
		run_inside(role);
	}
	close(fds[1]);
	return fds[0];
}

static void answer(int fd, const struct msg *call, uint16_t flags, struct str body, int pass_fd)
{
	struct msg msg = { .type = call->type,
			   .flags = (uint16_t)(MSG_FLAG_REPLY | flags),
			   .serial = call->serial,
			   .body = body };
	struct err err = { 0 };

	if (pass_fd >= 0) {
		msg.fds[0] = pass_fd;
		msg.nfds = 1;
	}
	if (msg_send(fd, &msg, &err) < 0)
		driver_die("answer", &err);
}

static void answer_error(int fd, const struct msg *call, int code, const char *text)
{
	struct buf body;

	buf_init(&body, 1024);
	wire_put_u32(&body, (uint32_t)code);
	wire_put_text(&body, text);
	answer(fd, call, MSG_FLAG_ERROR, buf_str(&body), -1);
	buf_done(&body);
}

/* ---- blobs ---- */

static const char *kinds[] = { "?", "config", "layer", "manifest" };

static bool interrupt(const struct pull_blob *blob, size_t done)
{
	char line[8];

	if (blob->kind != PULL_KIND_LAYER)
		return false;
	if (options.pause_at && done >= (size_t)options.pause_at) {
		options.pause_at = 0;
		puts("paused");
		if (!fgets(line, sizeof(line), stdin))
			exit(3);
	}
	if (!options.kill_at || done < (size_t)options.kill_at)
		return false;
	kill(role_pid, SIGKILL);
	return true;
}

/* A blob on its way in. */
struct taking {
	bool used, ended, good;
	int in, out;
	struct pull_blob blob;
	struct digest digest;
	char path[4200];
	struct sha256 hash;
	size_t done;
	struct msg end; /* the BLOB_END that waits, type 0 = none yet */
};

enum { TAKINGS_MAX = 8 };
static struct taking takings[TAKINGS_MAX];

static const char *hex_of(const struct taking *t)
{
	return t->path + strlen(options.folder) + 1;
}

static void answer_end(int fd, struct taking *t)
{
	if (!t->ended || !t->end.type)
		return;
	if (options.refuse)
		answer_error(fd, &t->end, -ENOSPC, "the data partition is full");
	else if (t->good)
		answer(fd, &t->end, 0, STR(""), -1);
	else
		answer_error(fd, &t->end, -EBADMSG,
			     "the blob that came is not the one that was named");
	t->used = false;
}

/* No more bytes: the file gets its name only when it is what was promised. */
static void end_taking(int fd, struct taking *t)
{
	char part[4300];
	struct digest is;

	own_close(&t->in);
	own_close(&t->out);
	snprintf(part, sizeof(part), "%s.part", t->path);
	sha256_end(&t->hash, &is);
	t->good = t->done == t->blob.size && memcmp(&is, &t->digest, sizeof(is)) == 0;
	t->ended = true;
	if (t->good)
		printf("blob %s %zu %s\n", kinds[t->blob.kind], t->done, hex_of(t));
	else
		printf("%s %s %zu of %llu %s\n", t->done == t->blob.size ? "wrong" : "short",
		       kinds[t->blob.kind], t->done, (unsigned long long)t->blob.size, hex_of(t));
	if (t->good ? rename(part, t->path) != 0 : unlink(part) != 0)
		exit(3);
	answer_end(fd, t);
}

/* Takes what is there now. */
static void take_some(int fd, struct taking *t)
{
	static char block[65536];
	ssize_t n = read(t->in, block, sizeof(block));

	if (n > 0) {
		sha256_add(&t->hash, block, (size_t)n);
		t->done += (size_t)n;
		if (write(t->out, block, (size_t)n) != n)
			exit(3);
	}
	if (n <= 0 || interrupt(&t->blob, t->done))
		end_taking(fd, t);
}

static struct taking *begin_taking(const struct pull_blob *blob, int in)
{
	for (size_t i = 0; i < TAKINGS_MAX; i++) {
		struct taking *t = &takings[i];
		char part[4300], text[DIGEST_TEXT_MAX];

		if (t->used)
			continue;
		*t = (struct taking){ .used = true, .in = in, .out = -1, .blob = *blob };
		t->digest = blob->digest;
		snprintf(t->path, sizeof(t->path), "%s/%s", options.folder,
			 digest_text(&blob->digest, text) + 7);
		snprintf(part, sizeof(part), "%s.part", t->path);
		t->out = open(part, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
		sha256_init(&t->hash);
		return t;
	}
	driver_die("more blobs at once than a driver takes", NULL);
	return NULL;
}

/* One that was given up and is offered again. */
static void drop_taking(const struct digest *digest)
{
	for (size_t i = 0; i < TAKINGS_MAX; i++) {
		struct taking *t = &takings[i];

		if (!t->used || memcmp(&t->digest, digest, sizeof(*digest)) != 0)
			continue;
		puts("again");
		own_close(&t->in);
		own_close(&t->out);
		t->used = false;
	}
}

static void on_blob(int fd, struct msg *msg)
{
	char text[DIGEST_TEXT_MAX], path[4200];
	struct msg call = { .type = msg->type, .serial = msg->serial };
	struct pull_blob blob;
	struct taking *t;
	struct err err = { 0 };
	int fds[2];

	if (pull_blob_decode(msg->body, &arena, &blob, &err) < 0)
		driver_die("blob message", &err);
	snprintf(path, sizeof(path), "%s/%s", options.folder, digest_text(&blob.digest, text) + 7);
	msg_done(msg);
	if (blob.probe || access(path, F_OK) == 0) {
		bool have = access(path, F_OK) == 0;

		printf("%s %s %s\n", have ? "have" : "have not", kinds[blob.kind], text + 7);
		answer(fd, &call, 0, have ? STR("\1") : STR("\0"), -1);
		return;
	}
	drop_taking(&blob.digest);
	if (pipe2(fds, O_CLOEXEC) < 0)
		driver_die("pipe", &err);
	t = begin_taking(&blob, fds[0]);
	answer(fd, &call, 0, STR("\0"), fds[1]);
	close(fds[1]);
	if (options.refuse && blob.kind == PULL_KIND_LAYER)
		end_taking(fd, t);
}

static void on_blob_end(int fd, const struct msg *msg)
{
	for (size_t i = 0; i < TAKINGS_MAX; i++) {
		struct taking *t = &takings[i];

		if (!t->used || msg->body.len != sizeof(t->digest) ||
		    memcmp(&t->digest, msg->body.ptr, sizeof(t->digest)) != 0)
			continue;
		t->end = (struct msg){ .type = msg->type, .serial = msg->serial };
		answer_end(fd, t);
		return;
	}
	answer_error(fd, msg, -EBADMSG, "end of a blob that was not begun");
}

/* A blob of the folder for a push. */
static void on_source(int fd, struct msg *msg)
{
	char text[DIGEST_TEXT_MAX], path[4200];
	struct msg call = { .type = msg->type, .serial = msg->serial };
	struct digest digest;
	struct stat st;
	struct buf body;
	int blob;

	memcpy(&digest, msg->body.ptr, sizeof(digest));
	snprintf(path, sizeof(path), "%s/%s", options.folder, digest_text(&digest, text) + 7);
	msg_done(msg);
	blob = open(path, O_RDONLY | O_CLOEXEC);
	if (blob < 0 || fstat(blob, &st) < 0) {
		answer_error(fd, &call, -ENOENT, "no such blob");
		return;
	}
	printf("source %s\n", text + 7);
	buf_init(&body, 16);
	wire_put_u64(&body, (uint64_t)st.st_size);
	answer(fd, &call, 0, buf_str(&body), blob);
	buf_done(&body);
	close(blob);
}

/* The role is gone: what it gave up is named. */
static void drain(int fd)
{
	for (size_t i = 0; i < TAKINGS_MAX; i++) {
		while (takings[i].used && !takings[i].ended)
			take_some(fd, &takings[i]);
	}
}

/* Until the role says something; blobs flow meanwhile. */
static void flow(int fd)
{
	struct pollfd watch[TAKINGS_MAX + 1];

	for (;;) {
		watch[0] = (struct pollfd){ .fd = fd, .events = POLLIN };
		for (size_t i = 0; i < TAKINGS_MAX; i++)
			watch[i + 1] = (struct pollfd){ .fd = takings[i].used && !takings[i].ended
								      ? takings[i].in
								      : -1,
							.events = POLLIN };
		if (poll(watch, TAKINGS_MAX + 1, -1) < 0)
			continue;
		for (size_t i = 0; i < TAKINGS_MAX; i++) {
			if (watch[i + 1].revents)
				take_some(fd, &takings[i]);
		}
		if (watch[0].revents)
			return;
	}
}

/* ---- jobs ---- */

static void print_image(struct str body)
{
	char manifest[DIGEST_TEXT_MAX], config[DIGEST_TEXT_MAX], source[DIGEST_TEXT_MAX];
	struct image image;
	struct err err = { 0 };
	struct wire in;

	wire_init(&in, body.ptr, body.len);
	if (image_decode(&in, &arena, &image, &err) < 0)
		driver_die("image record", &err);
	printf("image %s %s %s %s %u %s/%s\n", image.reference[0] ? image.reference : "-",
	       digest_text(&image.source, source), digest_text(&image.manifest, manifest),
	       digest_text(&image.config, config), image.layer_count, image.os, image.architecture);
}

static void save_record(struct str record)
{
	FILE *out = fopen(options.save, "w");

	if (!out || fwrite(record.ptr, 1, record.len, out) != record.len || fclose(out) != 0)
		exit(3);
}

int driver_end(int fd, int result)
{
	int status = 0;

	close(fd);
	waitpid(role_pid, &status, 0);
	if (WIFSIGNALED(status) && !options.kill_at)
		printf("broken role: killed by signal %d\n", WTERMSIG(status));
	else if (WIFEXITED(status) && WEXITSTATUS(status) != 0)
		printf("broken role: exit %d\n", WEXITSTATUS(status));
	else
		return result;
	return 3;
}

int driver_reply(int fd, const struct msg *msg)
{
	struct wire in;
	int code;

	wire_init(&in, msg->body.ptr, msg->body.len);
	if (msg->flags & MSG_FLAG_ERROR) {
		code = (int)wire_u32(&in);
		struct str text = wire_str(&in, 4096);

		printf("error %s: %.*s\n", strerrorname_np(-code), STR_ARG(text));
		return driver_end(fd, 1);
	}
	if ((msg->flags & MSG_FLAG_MORE) || msg->type == PULL_MSG_START)
		print_image(msg->body);
	if (options.save && msg->type == PULL_MSG_START)
		save_record(msg->body);
	else if (msg->type == PULL_MSG_PUSH)
		printf("pushed\n");
	else
		printf("images %u\n", wire_u32(&in));
	return (msg->flags & MSG_FLAG_MORE) ? -1 : driver_end(fd, 0);
}

static int run_job(int fd, uint16_t type, struct str body, int archive_fd)
{
	struct msg call = { .type = type, .flags = MSG_FLAG_CALL, .serial = 7, .body = body };
	struct err err = { 0 };
	struct msg msg = { 0 };
	unsigned progress = 0;
	int r = -1;

	if (archive_fd >= 0) {
		call.fds[0] = archive_fd;
		call.nfds = 1;
	}
	if (msg_send(fd, &call, &err) < 0)
		driver_die("call", &err);
	while (r < 0) {
		flow(fd);
		r = msg_recv(fd, &msg, &err);
		if (r <= 0) {
			drain(fd);
			printf("gone\n");
			return driver_end(fd, 2);
		}
		r = -1;
		if (msg.flags & MSG_FLAG_REPLY)
			r = driver_reply(fd, &msg);
		else if (msg.type == PULL_MSG_BLOB)
			on_blob(fd, &msg);
		else if (msg.type == PULL_MSG_BLOB_END)
			on_blob_end(fd, &msg);
		else if (msg.type == PULL_MSG_SOURCE)
			on_source(fd, &msg);
		else if (msg.type == PULL_MSG_PROGRESS && progress++ == 0)
			printf("progress\n");
		msg_done(&msg);
	}
	return r;
}

static int run_pull(void)
{
	struct buf body;
	int fd = driver_start("pull"), r;

	options.start.reference = options.name;
	buf_init(&body, PULL_START_MAX);
	pull_start_encode(&options.start, &body);
	if (options.known)
		pull_start_add_known(&body, read_bytes(options.known));
	r = run_job(fd, PULL_MSG_START, buf_str(&body), -1);
	buf_done(&body);
	return r;
}

static int run_load(void)
{
	const struct pull_archive archive = { options.start.reference, options.start.os,
					      options.start.architecture, options.start.variant };
	int fd = driver_start("load"), in = open(options.name, O_RDONLY | O_CLOEXEC), r;
	struct buf body;

	buf_init(&body, 4096);
	pull_archive_encode(&archive, &body);
	r = run_job(fd, PULL_MSG_ARCHIVE, buf_str(&body), in);
	buf_done(&body);
	return r;
}

static int run_push(void)
{
	struct buf body;
	int fd = driver_start("pull"), r;

	options.start.reference = options.name;
	buf_init(&body, PULL_START_MAX);
	pull_start_encode(&options.start, &body);
	pull_start_add_known(&body, read_bytes(options.known));
	r = run_job(fd, PULL_MSG_PUSH, buf_str(&body), -1);
	buf_done(&body);
	return r;
}

/* ---- command line ---- */

static struct pull_host *last_host(void)
{
	if (options.start.host_count == 0)
		driver_die("an option of a registry without --host", NULL);
	return &options.start.hosts[options.start.host_count - 1];
}

static void take_option(int option)
{
	switch (option) {
	case 'e':
		options.engine = optarg;
		break;
	case 'h':
		if (options.start.host_count < PULL_HOSTS_MAX)
			pull_host_init(&options.start.hosts[options.start.host_count++], optarg);
		break;
	case 'c':
		last_host()->ca_pem = read_text(optarg);
		break;
	case 'u':
		last_host()->user = optarg;
		break;
	case 'p':
		last_host()->password = optarg;
		break;
	case 't':
		last_host()->token = optarg;
		break;
	case 'C':
		last_host()->client_cert = read_text(optarg);
		break;
	case 'K':
		last_host()->client_key = read_text(optarg);
		break;
	case 'G':
		options.start.signature.keys = read_text(optarg);
		break;
	case 'R':
		options.start.signature.policy =
			strcmp(optarg, "warn") == 0 ? PULL_SIGNATURE_WARN : PULL_SIGNATURE_REQUIRE;
		break;
	case 'D':
		options.start.docker_config = read_text(optarg);
		break;
	case 'P':
		options.start.proxy.http = optarg;
		break;
	case 'S':
		options.start.proxy.https = optarg;
		break;
	case 'N':
		options.start.proxy.none = optarg;
		break;
	case 'i':
		last_host()->insecure = true;
		break;
	case 's':
		options.system_ca = optarg;
		break;
	case 'a':
		options.start.architecture = optarg;
		break;
	case 'v':
		options.start.variant = optarg;
		break;
	case 'r':
		options.start.reference = optarg;
		break;
	case 'f':
		options.refuse = true;
		break;
	case 'w':
		options.raw = true;
		break;
	case 'k':
		options.kill_at = (int)strtoull(optarg, NULL, 10);
		break;
	case 'o':
		options.save = optarg;
		break;
	case 'n':
		options.known = optarg;
		break;
	case 'z':
		options.pause_at = (int)strtoull(optarg, NULL, 10);
		break;
	default:
		exit(64);
	}
}

int main(int argc, char **argv)
{
	static const struct option names[] = {
		{ "engine", 1, NULL, 'e' },
		{ "host", 1, NULL, 'h' },
		{ "ca", 1, NULL, 'c' },
		{ "user", 1, NULL, 'u' },
		{ "password", 1, NULL, 'p' },
		{ "token", 1, NULL, 't' },
		{ "insecure", 0, NULL, 'i' },
		{ "system", 1, NULL, 's' },
		{ "arch", 1, NULL, 'a' },
		{ "variant", 1, NULL, 'v' },
		{ "reference", 1, NULL, 'r' },
		{ "refuse", 0, NULL, 'f' },
		{ "raw", 0, NULL, 'w' },
		{ "kill", 1, NULL, 'k' },
		{ "pause", 1, NULL, 'z' },
		{ "cert", 1, NULL, 'C' },
		{ "key", 1, NULL, 'K' },
		{ "signature", 1, NULL, 'R' },
		{ "signature-key", 1, NULL, 'G' },
		{ "docker-config", 1, NULL, 'D' },
		{ "http-proxy", 1, NULL, 'P' },
		{ "https-proxy", 1, NULL, 'S' },
		{ "no-proxy", 1, NULL, 'N' },
		{ "save", 1, NULL, 'o' },
		{ "known", 1, NULL, 'n' },
		{ NULL, 0, NULL, 0 },
	};
	const char *verb;
	int option;

	arena_init(&arena, 64 << 20);
	setvbuf(stdout, NULL, _IOLBF, 0);
	options.start =
		(struct pull_start){ .reference = "", .os = "linux", .architecture = "amd64" };
	while ((option = getopt_long(argc, argv, "", names, NULL)) != -1)
		take_option(option);
	if (argc - optind < 2)
		return 64;
	verb = argv[optind];
	options.name = argv[optind + 1];
	options.folder = argc - optind > 2 ? argv[optind + 2] : ".";
	signal(SIGPIPE, SIG_IGN);
	if (strcmp(verb, "pull") == 0)
		return run_pull();
	if (strcmp(verb, "load") == 0)
		return run_load();
	if (strcmp(verb, "push") == 0)
		return run_push();
	return strcmp(verb, "unpack") == 0
		       ? driver_unpack(options.engine, options.name, options.raw)
		       : 64;
}
