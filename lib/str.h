/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HOY_LIB_STR_H
#define HOY_LIB_STR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* A slice of bytes that somebody else owns. Not NUL-terminated. Zeroed = the empty slice. */
struct str {
	const char *ptr;
	size_t len;
};

#define STR(literal) ((struct str){ (literal), sizeof(literal) - 1 })
/* For printf("%.*s", STR_ARG(s)). */
#define STR_ARG(s) ((int)(s).len), ((s).ptr ? (s).ptr : "")

struct str str_from(const char *text); /* of a C string; NULL gives the empty slice */
struct str str_make(const void *ptr, size_t len);

bool str_eq(struct str a, struct str b);
bool str_is(struct str a, const char *text);
bool str_is_nocase(struct str a, const char *text); /* ASCII */
bool str_starts(struct str a, struct str prefix);
bool str_ends(struct str a, struct str suffix);
int str_cmp(struct str a, struct str b); /* bytewise, shorter first */

/* Index of byte in s, or -1. */
ptrdiff_t str_find(struct str s, char byte);
struct str str_trim(struct str s); /* space and tab, both ends */
struct str str_skip(struct str s, size_t n);
struct str str_head(struct str s, size_t n);

/*
 * Cuts *rest at the first `sep`: returns true with *ret_part the piece before it and *rest what
 * comes behind; the last piece is returned too; false once nothing is left. "a,,b" gives "a" ""
 * "b".
 */
bool str_cut(struct str *rest, char sep, struct str *ret_part);

/* [a-zA-Z0-9][a-zA-Z0-9_.-]*: what containers and volumes may be called; the length is not judged
 * but for the empty one, which is none. */
bool str_is_name(struct str s);

/* Strict decimal: digits only, no sign, no space, within [min, max]; -EINVAL or -ERANGE. */
int str_to_u64(struct str s, uint64_t min, uint64_t max, uint64_t *ret_value);
int str_to_i64(struct str s, int64_t min, int64_t max, int64_t *ret_value);

/* "64m", "1.5g" refused, "512k", "10b", plain bytes; 1024-based, either case. */
int str_to_size(struct str s, uint64_t max, uint64_t *ret_bytes);

/* "90s", "1m30s", "500ms", "2h", plain number = seconds. */
int str_to_duration_ms(struct str s, int64_t max_ms, int64_t *ret_ms);

/* Copies into dst[cap] with a NUL; -ENAMETOOLONG when it does not fit, -EINVAL on a NUL inside. */
int str_copy(struct str s, char *dst, size_t cap);

/*
 * Foreign bytes for a terminal or a log: printable ASCII and valid UTF-8 stay, all else becomes
 * \xHH, '\n' "\n", '"' and '\' are escaped. Truncates with "..." at cap; returns the length
 * written.
 */
size_t str_escape(struct str s, char *dst, size_t cap);

/* The entry of names[] nearest to `word` (edit distance at most 3 and below half its length). */
const char *str_nearest(struct str word, const char *const *names, size_t count);

/* Lower-case hex of n bytes into dst (2n + 1 bytes); and back: -EINVAL on a wrong length or digit.
 */
void str_hex(const void *data, size_t n, char *dst);
int str_unhex(struct str s, void *dst, size_t n);

#endif
