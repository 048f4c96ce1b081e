/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns the pauses of a child: for its user namespace's maps, for the hooks of the runtime, at the
 * gate between create and start; and the words it sends. Runs in the child and, reading, in the
 * shim and hoy-oci. Must never go on behind a pause because the other side died.
 */
#include "engine/run/apply.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#include "lib/own.h"

int apply_say(struct apply *apply, enum apply_state state)
{
	struct err word;
	ssize_t n;

	memset(&word, 0, sizeof(word));
	word.code = (int)state;
	n = write(apply->report, &word, sizeof(word));
	return n == (ssize_t)sizeof(word) ? 0 : -EIO;
}

int apply_read_report(int report_fd, struct err *err)
{
	struct err theirs = { 0 };
	ssize_t n;

	do {
		n = read(report_fd, &theirs, sizeof(theirs));
	} while (n < 0 && errno == EINTR);
	if (n == 0)
		return APPLY_RUNS;
	theirs.text[sizeof(theirs.text) - 1] = '\0';
	if (n != sizeof(theirs) || theirs.code == 0 || theirs.code > APPLY_CHILD)
		return err_set(err, -EIO, "start: the process ended before its program ran");
	if (theirs.code > 0)
		return theirs.code;
	if (err)
		*err = theirs;
	return theirs.code;
}

int apply_wait_word(struct apply *apply, struct err *err)
{
	char word = 0;
	ssize_t n;

	do {
		n = read(apply->sync[0], &word, 1);
	} while (n < 0 && errno == EINTR);
	return n == 1 ? 0 : err_set(err, -ECANCELED, "the runtime gave up");
}

int apply_proceed(struct apply *apply, struct err *err)
{
	ssize_t n = write(apply->sync[1], "g", 1);

	return n == 1 ? 0 : err_sys(err, n < 0 ? -errno : -EIO, "tell the process to go on");
}

int apply_gate(struct apply *apply, struct err *err)
{
	int connection, r;

	if (apply->gate < 0)
		return 0;
	r = apply_say(apply, APPLY_WAITS);
	if (r < 0)
		return err_sys(err, r, "tell that all is ready");
	do {
		connection = accept4(apply->gate, NULL, NULL, SOCK_CLOEXEC);
	} while (connection < 0 && (errno == EINTR || errno == ECONNABORTED));
	if (connection < 0)
		return err_sys(err, -errno, "wait for the start");
	/* From here on the one who started it hears the end. */
	r = dup3(connection, apply->report, O_CLOEXEC);
	own_close(&connection);
	own_close(&apply->gate);
	if (r < 0)
		return err_sys(err, -errno, "answer the start");
	if (apply->plan->flags & PLAN_FLAG_NO_PROGRAM)
		return err_set(err, -EINVAL, "config.json: process: missing");
	return 0;
}
