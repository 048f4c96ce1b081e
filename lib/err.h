/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HOY_LIB_ERR_H
#define HOY_LIB_ERR_H

/*
 * An error is an int result (0, a count, or a negative errno) plus a text for a person.
 * The text is written once, where the errno is born; callers may put context in front of it.
 * The caller owns `struct err`; it is untouched on success. Passing NULL is allowed everywhere.
 */
enum { ERR_TEXT_MAX = 480 };

struct err {
	int code; /* negative errno */
	char text[ERR_TEXT_MAX];
};

/* Sets code (negative errno) and text, returns code. A code >= 0 is turned into -EINVAL. */
int err_set(struct err *err, int code, const char *fmt, ...) __attribute__((format(printf, 3, 4)));

/* As err_set, and appends ": " and the errno's own text. Use it where a system call failed. */
int err_sys(struct err *err, int code, const char *fmt, ...) __attribute__((format(printf, 3, 4)));

/* Puts "fmt: " in front of the text that is there; truncates at the end. Returns err->code. */
int err_prefix(struct err *err, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* The text, or "unknown error" where err is NULL or empty. Never NULL. */
const char *err_text(const struct err *err);

/* A short fixed text for a negative or positive errno ("No space left on device"). */
const char *err_name(int code);

#endif
