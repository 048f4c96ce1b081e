/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Each system call of fs, spawn and msg fails once: whatever the moment, an error is told, no fd
 * stays open, and the state on disk is the old one or the new one.
 */
#include <errno.h>
#include <sys/wait.h>
#include "lib/msg.h"
#include "lib/spawn.h"
#include "lib/sys.h"
#include "tests/unit/lib/place.h"
#include "tests/unit/tap.h"

enum { CALLS_MAX = 2000 };

static int place;

struct tortured {
	const char *name;
	void (*prepare)(void);
	int (*act)(struct err *err);
	/* After an act that failed (or not): is everything as it may be? */
	bool (*intact)(bool failed);
	/* Calls whose failure may be overlooked, "" = none: it gave way to another means. */
	const char *tolerated;
};

static unsigned open_fds(void)
{
	unsigned count = 0;

	for (int fd = 0; fd < 256; fd++)
		count += fcntl(fd, F_GETFD) >= 0;
	return count;
}

static bool tolerates(const struct tortured *tortured, const char *call)
{
	struct str rest = str_from(tortured->tolerated), word;

	while (str_cut(&rest, ' ', &word))
		if (str_is(word, call))
			return true;
	return false;
}

/* The nth call fails with `code`; false once the act makes fewer calls. */
static bool torture_once(const struct tortured *tortured, unsigned nth, int code, bool *good)
{
	struct err err = { 0 };
	const char *fired;
	unsigned before;
	int r;

	tortured->prepare();
	before = open_fds();
	sys_fault_arm(nth, code);
	r = tortured->act(&err);
	fired = sys_fault_fired();
	sys_fault_arm(0, 0);
	if (!fired)
		return false;
	if (r >= 0 && !tolerates(tortured, fired)) {
		note("call %u, %s: its failure was overlooked", nth, fired);
		*good = false;
	}
	if (r < 0 && (err.code != r || !err.text[0])) {
		note("call %u, %s: no text (code %d, result %d)", nth, fired, err.code, r);
		*good = false;
	}
	if (open_fds() != before) {
		note("call %u, %s: an fd stays open", nth, fired);
		*good = false;
	}
	if (!tortured->intact(r < 0)) {
		note("call %u, %s: what is left is neither old nor new", nth, fired);
		*good = false;
	}
	return true;
}

static void torture(const struct tortured *tortured)
{
	static const int codes[] = { EIO, ENOSPC, ENOMEM };
	bool good = true;
	unsigned nth = 0;

	for (size_t i = 0; i < ARRAY_LEN(codes); i++)
		for (nth = 1; nth < CALLS_MAX; nth++)
			if (!torture_once(tortured, nth, codes[i], &good))
				break;
	ok(good && nth > 3 && nth < CALLS_MAX, "%s: each of %u calls failed once", tortured->name,
	   nth - 1);
}

/* ---- replacing a file ---- */

static void prepare_file(void)
{
	(void)fs_remove_tree(place, ".state.new", NULL);
	(void)fs_remove_tree(place, "state", NULL);
	place_write(place, "state", "old");
}

static int replace_file(struct err *err)
{
	return fs_replace(place, "state", "new!", 4, 0600, err);
}

static bool file_intact(bool failed)
{
	const char *text = place_read(place, "state");

	/* When the last sync failed the new content may be there; it is not acknowledged. */
	return strcmp(text, "new!") == 0 || (failed && strcmp(text, "old") == 0);
}

static void prepare_leftover(void)
{
	prepare_file();
	place_write(place, ".state.new", "torn");
}

/* ---- making directories ---- */

static void prepare_dirs(void)
{
	(void)fs_remove_tree(place, "dirs", NULL);
}

static int make_dirs(struct err *err)
{
	int fd = fs_open_dir(place, "dirs/a/b/c", FS_BENEATH, 0755, err);
	int r = fd;

	own_close(&fd);
	return r < 0 ? r : 0;
}

static bool dirs_intact(bool failed)
{
	return failed || fs_exists(place, "dirs/a/b/c", FS_BENEATH);
}

/* ---- removing a tree ---- */

static void prepare_tree(void)
{
	OWN_FD int dir = fs_open_dir(place, "tree/a/b/c", FS_BENEATH, 0755, NULL);

	place_write(place, "outside", "kept");
	place_write(dir, "file", "x");
	place_write(place, "tree/file", "x");
	(void)fs_symlink("../outside", dir, "link", NULL);
}

static int remove_tree(struct err *err)
{
	return fs_remove_tree(place, "tree", err);
}

static bool tree_intact(bool failed)
{
	/* What is left can be removed by the next try. */
	return strcmp(place_read(place, "outside"), "kept") == 0 &&
	       (failed || !fs_exists(place, "tree", FS_BENEATH)) &&
	       fs_remove_tree(place, "tree", NULL) == 0;
}

/* ---- starting a program ---- */

static void prepare_nothing(void)
{
}

static int start_program(struct err *err)
{
	static const char *const argv[] = { "true", NULL };
	struct spawn spawn;
	OWN_FD int pidfd = -1;
	siginfo_t info;
	int r;

	spawn_init(&spawn, "/bin/true", argv);
	r = spawn_start(&spawn, NULL, &pidfd, err);
	if (r == 0)
		(void)waitid((idtype_t)P_PIDFD, (id_t)pidfd, &info, WEXITED);
	return r;
}

static bool no_children(bool failed)
{
	(void)failed;
	return waitpid(-1, NULL, WNOHANG) == -1 && errno == ECHILD;
}

/* ---- messages ---- */

static int talk(struct err *err, size_t len)
{
	static char body[70000];
	struct msg sent = { .type = 1, .body = { body, len }, .nfds = 1 }, got = { 0 };
	int ends[2], r = msg_pair(ends, err);

	if (r < 0)
		return r;
	r = msg_send(ends[0], &sent, err);
	if (r == 0)
		r = msg_recv(ends[1], &got, err);
	if (r == 1 && (got.body.len != len || got.nfds != 1))
		abort();
	msg_done(&got);
	own_close(&ends[0]);
	own_close(&ends[1]);
	return r < 0 ? r : 0;
}

static int talk_short(struct err *err)
{
	return talk(err, 100);
}

static int talk_long(struct err *err)
{
	return talk(err, 70000);
}

static bool always(bool failed)
{
	(void)failed;
	return true;
}

static int listen_and_connect(struct err *err)
{
	OWN_FD int server = msg_listen(place, "torture.sock", 0600, err);
	OWN_FD int client = server < 0 ? server : msg_connect(place, "torture.sock", err);

	return client < 0 ? client : 0;
}

static bool same_cwd(bool failed)
{
	OWN_FD int here = fs_open(AT_FDCWD, ".", FS_HOST, O_PATH, 0, NULL);
	static struct stat first;
	struct stat now;

	(void)failed;
	if (fstat(here, &now) < 0)
		return false;
	if (first.st_ino == 0)
		first = now;
	return now.st_ino == first.st_ino;
}

static const struct tortured tortures[] = {
	{ "replace a file", prepare_file, replace_file, file_intact, "" },
	{ "replace a file over a leftover", prepare_leftover, replace_file, file_intact, "" },
	{ "make directories", prepare_dirs, make_dirs, dirs_intact, "" },
	/* The first unlink only finds out what it is; an entry's type may be asked in vain. */
	{ "remove a tree", prepare_tree, remove_tree, tree_intact, "sys_fstatat" },
	{ "start a program", prepare_nothing, start_program, no_children, "" },
	{ "a short message", prepare_nothing, talk_short, always, "" },
	{ "a long message", prepare_nothing, talk_long, always, "" },
	/* The way back to the old working directory is tried twice. */
	{ "a named socket", prepare_nothing, listen_and_connect, same_cwd, "sys_fchdir" },
};

/* The order in which the durable write makes its calls, as the failing ones name themselves. */
static void test_order(void)
{
	static const char *const want[] = { "sys_openat2", "sys_fchmod", "sys_write",
					    "sys_fsync",   "sys_linkat", "sys_renameat2",
					    "sys_fsync" };
	const char *fired = "";

	for (unsigned nth = 1; nth <= ARRAY_LEN(want); nth++) {
		prepare_file();
		sys_fault_arm(nth, EIO);
		(void)replace_file(NULL);
		fired = sys_fault_fired();
		sys_fault_arm(0, 0);
		is_text(fired, want[nth - 1], "call %u of the durable write", nth);
	}
}

int main(void)
{
	place = place_make("torture");
	(void)same_cwd(false);
	for (size_t i = 0; i < ARRAY_LEN(tortures); i++)
		torture(&tortures[i]);
	test_order();
	place_remove(place);
	return tap_done();
}
