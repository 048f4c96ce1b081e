/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HOY_NETD_PROBE_PROBE_H
#define HOY_NETD_PROBE_PROBE_H

#include <stdbool.h>
#include <sys/socket.h>
#include "lib/buf.h"
#include "lib/err.h"
#include "lib/mono.h"
#include "netd/api/probe_msg.h"

/*
 * One question of a person's, in a process of its own. Packets are waited for together with whoever
 * asked: when that one goes away or says STOP, every wait ends at once.
 */
enum { PROBE_TEXT_MAX = 64 };

struct probe {
	int fd; /* to whoever asked, does not block */
	struct probe_ask ask;
	bool stopped, gone;
	struct mono end;	       /* of everything */
	char resolver[PROBE_TEXT_MAX]; /* the machine's first name server, "" = it has none */
};

/* A place to send to. */
struct probe_place {
	struct sockaddr_storage address;
	socklen_t len;
	bool v6;
	char text[PROBE_TEXT_MAX];
};

/* Waits until fd has one of the events (poll(2); errors count): 1. 0 = it is `until`, or over. */
int probe_wait(struct probe *probe, int fd, short events, struct mono until);
/* No more packets are to be sent. */
bool probe_over(const struct probe *probe);
int64_t probe_us_since(struct mono then);

/* A row: begin, fields, end. A reader that is too slow loses rows, nothing else. */
void probe_row_begin(struct buf *row, const char *event);
void probe_row_text(struct buf *row, const char *name, const char *text);
void probe_row_number(struct buf *row, const char *name, int64_t number);
void probe_row_end(struct probe *probe, struct buf *row);

/* An address or a name, by the machine's resolver. -ENOENT, -ETIMEDOUT. */
int probe_resolve(struct str host, uint8_t family, struct probe_place *ret_place, struct err *err);
const char *probe_address_text(const struct sockaddr_storage *address, char dst[PROBE_TEXT_MAX]);

/* The next control message of a received one, NULL behind the last. */
struct cmsghdr *probe_control_next(const struct msghdr *message, struct cmsghdr *control);

/* What an error queue holds; a local error has no ICMP type. */
struct probe_icmp {
	bool remote, v6;
	uint8_t type, code;
	int code_errno;
	struct sockaddr_storage from;
	char data[128]; /* the beginning of what we had sent */
	size_t len;
};
/* 1 = an error of an earlier packet, 0 = none. */
int probe_take_error(int fd, struct probe_icmp *ret_icmp);

/* 0, or what to end with. */
int probe_ping(struct probe *probe, struct err *err);
int probe_trace(struct probe *probe, struct err *err);
int probe_dig(struct probe *probe, struct err *err);

#endif
