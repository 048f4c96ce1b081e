/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns the one way in which roles log. Every role runs it, PID 1 included; libraries never do. It
 * must never allocate, never block on anything but the pipe itself and never write two lines in one
 * call.
 */
#include "lib/log.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

enum { LOG_LINE_MAX = 1000, LOG_ROLE_MAX = 32, LOG_EXIT_STATUS = 70 };

static char log_role[LOG_ROLE_MAX] = "hoy";
static enum log_prio log_max = LOG_PRIO_INFO;

void log_init(const char *role, enum log_prio max)
{
	(void)snprintf(log_role, sizeof(log_role), "%s", role);
	log_max = max;
}

static void log_va(enum log_prio prio, const char *fmt, va_list ap)
	__attribute__((format(printf, 2, 0)));

static void log_va(enum log_prio prio, const char *fmt, va_list ap)
{
	char line[LOG_LINE_MAX + 1];
	int saved = errno;
	int head, n;
	size_t len;

	head = snprintf(line, LOG_LINE_MAX, "<%d>%s: ", (int)prio, log_role);
	n = vsnprintf(line + head, (size_t)(LOG_LINE_MAX - head), fmt, ap);
	len = (size_t)head + (n > 0 ? (size_t)n : 0);
	if (len > LOG_LINE_MAX - 1)
		len = LOG_LINE_MAX - 1;
	/* A control byte that slipped through must not become a second line or a terminal code. */
	for (size_t i = 0; i < len; i++)
		if ((unsigned char)line[i] < 0x20 || line[i] == 0x7f)
			line[i] = '?';
	line[len++] = '\n';
	while (write(STDERR_FILENO, line, len) < 0 && errno == EINTR)
		;
	errno = saved;
}

void log_line(enum log_prio prio, const char *fmt, ...)
{
	va_list ap;

	if (prio > log_max)
		return;
	va_start(ap, fmt);
	log_va(prio, fmt, ap);
	va_end(ap);
}

void fatal(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	log_va(LOG_PRIO_ERR, fmt, ap);
	va_end(ap);
	_exit(LOG_EXIT_STATUS);
}
