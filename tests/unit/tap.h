/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HOY_TESTS_UNIT_TAP_H
#define HOY_TESTS_UNIT_TAP_H

#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

/*
 * TAP for unit tests, one C file per program:
 *
 *	int main(void)
 *	{
 *		ok(2 > 1, "two is more than one");
 *		is_int(1 + 1, 2, "the sum of %d and %d", 1, 1);
 *		is_text(name, "web", "the name");
 *		return tap_done();
 *	}
 *
 * Every check returns whether it held and goes on when it did not. A name must not contain '#'.
 */

static unsigned tap_count, tap_failures;

__attribute__((format(printf, 2, 0))) static inline void tap_line(bool good, const char *fmt,
								  va_list ap)
{
	tap_count++;
	if (!good)
		tap_failures++;
	printf("%sok %u - ", good ? "" : "not ", tap_count);
	(void)vprintf(fmt, ap);
	(void)putchar('\n');
	(void)fflush(stdout);
}

/* A note for who reads the log; no result. */
__attribute__((format(printf, 1, 2))) static inline void note(const char *fmt, ...)
{
	va_list ap;

	printf("# ");
	va_start(ap, fmt);
	(void)vprintf(fmt, ap);
	va_end(ap);
	(void)putchar('\n');
	(void)fflush(stdout);
}

__attribute__((format(printf, 2, 3))) static inline bool ok(bool good, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	tap_line(good, fmt, ap);
	va_end(ap);
	return good;
}

__attribute__((format(printf, 3, 4))) static inline bool is_int(long long got, long long want,
								const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	tap_line(got == want, fmt, ap);
	va_end(ap);
	if (got != want)
		note("got %lld, expected %lld", got, want);
	return got == want;
}

/* NULL equals only NULL. */
__attribute__((format(printf, 3, 4))) static inline bool is_text(const char *got, const char *want,
								 const char *fmt, ...)
{
	bool good = got && want ? strcmp(got, want) == 0 : got == want;
	va_list ap;

	va_start(ap, fmt);
	tap_line(good, fmt, ap);
	va_end(ap);
	if (!good)
		note("got '%s', expected '%s'", got ? got : "(null)", want ? want : "(null)");
	return good;
}

/* One test that cannot run here; the reason has to stand in tests/skips.txt. */
static inline void skip(const char *name, const char *why)
{
	tap_count++;
	printf("ok %u - %s # SKIP %s\n", tap_count, name, why);
	(void)fflush(stdout);
}

/* The plan, and the exit status for main(): 0 when there were tests and all of them held. */
static inline int tap_done(void)
{
	printf("1..%u\n", tap_count);
	(void)fflush(stdout);
	return tap_failures > 0 || tap_count == 0 ? 1 : 0;
}

#endif
