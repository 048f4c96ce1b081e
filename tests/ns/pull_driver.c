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
 *	pull_driver [--engine PROGRAM] --known RECORD [--raw] save ARCHIVE FOLDER
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

struct driver_options driver_options;
struct arena driver_arena;
pid_t driver_pid;

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
	copy = str_make(arena_text(&driver_arena, buf_str(&text)), text.len);
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
	struct str bundle =
		str_from(driver_options.system_ca ? read_text(driver_options.system_ca) : "");

	signal(SIGPIPE, SIG_IGN);
	exit(strcmp(role, "pull") == 0 ? serve_pull(3, bundle) : serve_load(3));
}

int driver_start(const char *role)
{
	struct err err = { 0 };
	int fds[2];

	if (msg_pair(fds, &err) < 0)
		driver_die("socket pair", &err);
	driver_pid = fork();
	if (driver_pid == 0) {
		dup2(fds[1], 3);
		if (driver_options.engine) {
			execl(driver_options.engine, "hoy-engine", role, (char *)NULL);
			_exit(127);
		}
		run_inside(role);
	}
	close(fds[1]);
	return fds[0];
}

/* ---- jobs ---- */

static void print_image(struct str body)
{
	char manifest[DIGEST_TEXT_MAX], config[DIGEST_TEXT_MAX], source[DIGEST_TEXT_MAX];
	struct image image;
	struct err err = { 0 };
	struct wire in;

	wire_init(&in, body.ptr, body.len);
	if (image_decode(&in, &driver_arena, &image, &err) < 0)
		driver_die("image record", &err);
	printf("image %s %s %s %s %u %s/%s\n", image.reference[0] ? image.reference : "-",
	       digest_text(&image.source, source), digest_text(&image.manifest, manifest),
	       digest_text(&image.config, config), image.layer_count, image.os, image.architecture);
}

static void save_record(struct str record)
{
	FILE *out = fopen(driver_options.save, "w");

	if (!out || fwrite(record.ptr, 1, record.len, out) != record.len || fclose(out) != 0)
		exit(3);
}

int driver_end(int fd, int result)
{
	int status = 0;

	close(fd);
	waitpid(driver_pid, &status, 0);
	if (WIFSIGNALED(status) && !driver_options.kill_at)
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
	if (driver_options.save && msg->type == PULL_MSG_START)
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
		driver_flow(fd);
		r = msg_recv(fd, &msg, &err);
		if (r <= 0) {
			driver_drain(fd);
			printf("gone\n");
			return driver_end(fd, 2);
		}
		r = -1;
		if (msg.flags & MSG_FLAG_REPLY)
			r = driver_reply(fd, &msg);
		else if (msg.type == PULL_MSG_BLOB)
			driver_blob(fd, &msg);
		else if (msg.type == PULL_MSG_BLOB_END)
			driver_blob_end(fd, &msg);
		else if (msg.type == PULL_MSG_SOURCE)
			driver_source(fd, &msg);
		else if (msg.type == PULL_MSG_NEED)
			driver_need(fd, &msg);
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

	driver_options.start.reference = driver_options.name;
	buf_init(&body, PULL_START_MAX);
	pull_start_encode(&driver_options.start, &body);
	if (driver_options.known)
		pull_start_add_known(&body, read_bytes(driver_options.known));
	r = run_job(fd, PULL_MSG_START, buf_str(&body), -1);
	buf_done(&body);
	return r;
}

static int run_load(void)
{
	const struct pull_archive archive = { driver_options.start.reference,
					      driver_options.start.os,
					      driver_options.start.architecture,
					      driver_options.start.variant };
	int fd = driver_start("load"), in = open(driver_options.name, O_RDONLY | O_CLOEXEC), r;
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

	driver_options.start.reference = driver_options.name;
	buf_init(&body, PULL_START_MAX);
	pull_start_encode(&driver_options.start, &body);
	pull_start_add_known(&body, read_bytes(driver_options.known));
	r = run_job(fd, PULL_MSG_PUSH, buf_str(&body), -1);
	buf_done(&body);
	return r;
}

/* The image of a record as an archive; raw: an OCI layout only. */
static int run_save(void)
{
	const struct pull_save save = { .docker = !driver_options.raw,
					.records = { read_bytes(driver_options.known) },
					.count = 1 };
	int fd = driver_start("load"), r; /* first: what is open here the role would keep open */
	int out = open(driver_options.name, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
	struct buf body;

	buf_init(&body, PULL_SAVE_BODY_MAX);
	pull_save_encode(&save, &body);
	r = run_job(fd, PULL_MSG_SAVE, buf_str(&body), out);
	buf_done(&body);
	close(out);
	return r;
}

/* ---- command line ---- */

static struct pull_host *last_host(void)
{
	if (driver_options.start.host_count == 0)
		driver_die("an option of a registry without --host", NULL);
	return &driver_options.start.hosts[driver_options.start.host_count - 1];
}

/* A registry, or what belongs to the last one named. */
static bool take_host_option(int option)
{
	switch (option) {
	case 'h':
		if (driver_options.start.host_count < PULL_HOSTS_MAX)
			pull_host_init(
				&driver_options.start.hosts[driver_options.start.host_count++],
				optarg);
		return true;
	case 'c':
		last_host()->ca_pem = read_text(optarg);
		return true;
	case 'u':
		last_host()->user = optarg;
		return true;
	case 'p':
		last_host()->password = optarg;
		return true;
	case 't':
		last_host()->token = optarg;
		return true;
	case 'C':
		last_host()->client_cert = read_text(optarg);
		return true;
	case 'K':
		last_host()->client_key = read_text(optarg);
		return true;
	case 'i':
		last_host()->insecure = true;
		return true;
	default:
		return false;
	}
}

/* What the message to the pull role holds. */
static bool take_start_option(int option)
{
	switch (option) {
	case 'G':
		driver_options.start.signature.keys = read_text(optarg);
		return true;
	case 'R':
		driver_options.start.signature.policy =
			strcmp(optarg, "warn") == 0 ? PULL_SIGNATURE_WARN : PULL_SIGNATURE_REQUIRE;
		return true;
	case 'D':
		driver_options.start.docker_config = read_text(optarg);
		return true;
	case 'P':
		driver_options.start.proxy.http = optarg;
		return true;
	case 'S':
		driver_options.start.proxy.https = optarg;
		return true;
	case 'N':
		driver_options.start.proxy.none = optarg;
		return true;
	case 'a':
		driver_options.start.architecture = optarg;
		return true;
	case 'v':
		driver_options.start.variant = optarg;
		return true;
	case 'r':
		driver_options.start.reference = optarg;
		return true;
	default:
		return false;
	}
}

static void take_option(int option)
{
	if (take_host_option(option) || take_start_option(option))
		return;
	switch (option) {
	case 'e':
		driver_options.engine = optarg;
		break;
	case 's':
		driver_options.system_ca = optarg;
		break;
	case 'f':
		driver_options.refuse = true;
		break;
	case 'w':
		driver_options.raw = true;
		break;
	case 'k':
		driver_options.kill_at = (int)strtoull(optarg, NULL, 10);
		break;
	case 'o':
		driver_options.save = optarg;
		break;
	case 'n':
		driver_options.known = optarg;
		break;
	case 'Q':
		driver_options.room = strtoull(optarg, NULL, 10);
		break;
	case 'z':
		driver_options.pause_at = (int)strtoull(optarg, NULL, 10);
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
		{ "room", 1, NULL, 'Q' },
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

	arena_init(&driver_arena, 64 << 20);
	setvbuf(stdout, NULL, _IOLBF, 0);
	driver_options.start =
		(struct pull_start){ .reference = "", .os = "linux", .architecture = "amd64" };
	while ((option = getopt_long(argc, argv, "", names, NULL)) != -1)
		take_option(option);
	if (argc - optind < 2)
		return 64;
	verb = argv[optind];
	driver_options.name = argv[optind + 1];
	driver_options.folder = argc - optind > 2 ? argv[optind + 2] : ".";
	signal(SIGPIPE, SIG_IGN);
	if (strcmp(verb, "pull") == 0)
		return run_pull();
	if (strcmp(verb, "load") == 0)
		return run_load();
	if (strcmp(verb, "push") == 0)
		return run_push();
	if (strcmp(verb, "save") == 0)
		return run_save();
	return strcmp(verb, "unpack") == 0 ? driver_unpack(driver_options.engine,
							   driver_options.name, driver_options.raw)
					   : 64;
}
