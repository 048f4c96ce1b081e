/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns the way of the kernel's log to a person: /dev/kmsg is read when somebody asks, nothing of it
 * is kept. Run by PID 1. Must never wait: for the kernel's next line, or for a reader.
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>
#include "init/sup_calls.h"
#include "init/unit/kmsg.h"
#include "lib/fs.h"
#include "lib/own.h"

enum { RECORD_MAX = 8192, BATCH_MAX = 16384 };

/* The next record of the log; false at its end. One that was overwritten meanwhile is passed over.
 */
static bool next_line(int fd, struct ring_line *ret_line)
{
	static char record[RECORD_MAX];
	ssize_t n;

	for (;;) {
		n = read(fd, record, sizeof(record));
		if (n < 0 && (errno == EPIPE || errno == EINTR))
			continue;
		if (n <= 0)
			return false;
		if (kmsg_parse(str_make(record, (size_t)n), ret_line))
			return true;
	}
}

static struct buf new_batch(void)
{
	struct buf body = sup_body();

	wire_put_u32(&body, 0);
	return body;
}

static void set_count(struct buf *body, uint32_t count)
{
	for (size_t i = 0; i < 4; i++)
		body->data[i] = (char)(count >> 8 * i);
}

int sup_kmsg_send(struct msg_peer *peer, uint32_t serial, uint32_t lines, struct err *err)
{
	static struct ring_line line;
	OWN_FD int fd = fs_open(AT_FDCWD, "/dev/kmsg", FS_HOST, O_RDONLY | O_NONBLOCK, 0, err);
	uint64_t total = 0, skip;
	uint32_t count = 0;
	struct buf body;

	if (fd < 0)
		return fd;
	while (lines > 0 && next_line(fd, &line))
		total++;
	skip = total > lines ? total - lines : 0;
	if (lseek(fd, 0, SEEK_SET) < 0)
		return err_sys(err, -errno, "/dev/kmsg");
	body = new_batch();
	while (next_line(fd, &line)) {
		if (skip > 0) {
			skip--;
			continue;
		}
		sup_log_put(&body, &line);
		count++;
		if (body.len + RING_TEXT_MAX + 64 < BATCH_MAX)
			continue;
		set_count(&body, count);
		/* A reader whose socket is full gets what fits: it asked for a picture, not a film.
		 */
		if (msg_reply_more(peer, INIT_MSG_LOG, serial, buf_str(&body)) < 0)
			break;
		body = new_batch();
		count = 0;
	}
	set_count(&body, count);
	return msg_reply(peer, INIT_MSG_LOG, serial, buf_str(&body), NULL, 0);
}

/*
 * A line of the kernel's on the serial line would tear what a person types and reads: from the
 * first console on it prints there only what it dies of. Where more than errors were asked for on
 * the command line (loglevel=7) it stays as it is.
 */
void sup_kmsg_hush(void)
{
	OWN_FD int fd = fs_open(AT_FDCWD, "/proc/sys/kernel/printk", FS_HOST, O_RDWR, 0, NULL);
	char text[64] = "";

	if (fd < 0 || read(fd, text, sizeof(text) - 1) < 2 || text[0] < '2' || text[0] > '4' ||
	    text[1] < '\t' || text[1] > ' ')
		return;
	(void)!pwrite(fd, "1", 1, 0);
}
