/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns the reading of a container's log files. Run by role syslog, on fds that others opened. Must
 * never keep more of a file than a chunk, and never give out half a line.
 */
#include "init/ship/tail.h"

#include <sys/stat.h>
#include <unistd.h>
#include "lib/own.h"

static char chunk[SHIP_TAIL_CHUNK];

static uint64_t inode_of(int fd)
{
	struct stat st;

	return fstat(fd, &st) == 0 ? st.st_ino : 0;
}

static void drop_first(struct ship_tail *tail)
{
	own_close(&tail->fds[0]);
	for (size_t i = 1; i < tail->count; i++)
		tail->fds[i - 1] = tail->fds[i];
	tail->count--;
	tail->offset = 0;
	tail->inode = tail->count > 0 ? inode_of(tail->fds[0]) : 0;
}

void ship_tail_done(struct ship_tail *tail)
{
	while (tail->count > 0)
		own_close(&tail->fds[--tail->count]);
}

bool ship_tail_renew(struct ship_tail *tail, struct msg *msg)
{
	size_t at = 0, count = msg->nfds;
	uint64_t inode = tail->inode;
	bool held = tail->count > 0, known;

	while (at < count && inode_of(msg->fds[at]) != inode)
		at++;
	known = inode != 0 && at < count;
	/* What is being read goes on, unless the same file came again; the rest is replaced. */
	while (tail->count > (held && !known ? 1 : 0))
		own_close(&tail->fds[--tail->count]);
	for (size_t i = known ? at : 0; i < count && tail->count < SHIP_TAIL_FILES; i++)
		tail->fds[tail->count++] = msg_take_fd(msg, i);
	if (known || (held && inode != 0))
		return !known && count > 0;
	tail->offset = 0;
	tail->inode = tail->count > 0 ? inode_of(tail->fds[0]) : 0;
	return inode != 0 && count > 0;
}

void ship_tail_skip(struct ship_tail *tail, uint64_t bytes)
{
	size_t first = tail->count;
	uint64_t size = 0;
	struct stat st;
	ssize_t n, i = 0;

	/* From the youngest file back to the one in which they begin. */
	while (first > 0 && size < bytes) {
		first--;
		size += fstat(tail->fds[first], &st) == 0 ? (uint64_t)st.st_size : 0;
	}
	for (; first > 0; first--)
		drop_first(tail);
	if (tail->count == 0 || size <= bytes)
		return;
	tail->offset = size - bytes;
	n = pread(tail->fds[0], chunk, sizeof(chunk), (off_t)tail->offset);
	while (i < n && chunk[i] != '\n')
		i++;
	tail->offset += i < n ? (uint64_t)i + 1 : 0;
}

/* Cut to nothing and written anew: a log of one file only is rotated so. */
static bool was_cut(const struct ship_tail *tail)
{
	struct stat st;

	return fstat(tail->fds[0], &st) == 0 && (uint64_t)st.st_size < tail->offset;
}

bool ship_tail_read(struct ship_tail *tail, ship_tail_fn *fn, void *owner)
{
	struct str rest;
	ptrdiff_t end;
	ssize_t n = 0;

	if (tail->count == 0)
		return false;
	if (was_cut(tail))
		tail->offset = 0;
	n = pread(tail->fds[0], chunk, sizeof(chunk), (off_t)tail->offset);
	if (n <= 0) {
		if (tail->count < 2)
			return false;
		drop_first(tail);
		return true;
	}
	rest = str_make(chunk, (size_t)n);
	while ((end = str_find(rest, '\n')) >= 0) {
		if (!fn(tail, str_head(rest, (size_t)end), owner))
			return false;
		tail->offset += (uint64_t)end + 1;
		rest = str_skip(rest, (size_t)end + 1);
	}
	if (rest.len == sizeof(chunk)) /* a line longer than any that the shim writes */
		tail->offset += rest.len;
	else if (rest.len == (size_t)n && tail->count > 1) /* half a line, and its file is over */
		drop_first(tail);
	else if (rest.len == (size_t)n)
		return false;
	return true;
}
