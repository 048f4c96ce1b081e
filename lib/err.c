/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns the error object's text. Every role runs it, PID 1 included. It must never allocate, log or
 * end the process.
 */
#include "lib/err.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

const char *err_name(int code)
{
	if (code == 0)
		return "success";
	return strerror(code < 0 ? -code : code);
}

int err_set(struct err *err, int code, const char *fmt, ...)
{
	va_list ap;

	if (code >= 0)
		code = -EINVAL;
	if (!err)
		return code;
	err->code = code;
	va_start(ap, fmt);
	(void)vsnprintf(err->text, sizeof(err->text), fmt, ap);
	va_end(ap);
	return code;
}

int err_sys(struct err *err, int code, const char *fmt, ...)
{
	const char *name;
	size_t len, room;
	va_list ap;

	if (code >= 0)
		code = -EINVAL;
	if (!err)
		return code;
	err->code = code;
	va_start(ap, fmt);
	(void)vsnprintf(err->text, sizeof(err->text), fmt, ap);
	va_end(ap);

	/* The errno's text is worth more than the end of a long path: it always fits. */
	name = err_name(code);
	len = strlen(err->text);
	room = strlen(name) + 3;
	if (len + room > sizeof(err->text))
		len = room < sizeof(err->text) ? sizeof(err->text) - room : 0;
	(void)snprintf(err->text + len, sizeof(err->text) - len, ": %s", name);
	return code;
}

int err_prefix(struct err *err, const char *fmt, ...)
{
	char old[ERR_TEXT_MAX];
	size_t len;
	va_list ap;

	if (!err)
		return -EINVAL;
	memcpy(old, err->text, sizeof(old));
	old[sizeof(old) - 1] = '\0';
	va_start(ap, fmt);
	(void)vsnprintf(err->text, sizeof(err->text), fmt, ap);
	va_end(ap);
	len = strlen(err->text);
	(void)snprintf(err->text + len, sizeof(err->text) - len, ": %s", old);
	return err->code;
}

const char *err_text(const struct err *err)
{
	return err && err->text[0] ? err->text : "unknown error";
}
