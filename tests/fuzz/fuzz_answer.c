/* SPDX-License-Identifier: Apache-2.0 */
/* The first line of an HTTPS server's answer: what is taken as a status is one, its reason lies
 * within the bytes, more of them never unmake it, and what is said of it holds no control
 * character. */
#include "init/ship/answer.h"
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const struct send_wish wish = { .host = "h" };
	struct str in = str_make(data, size), reason = { 0 }, same = { 0 };
	unsigned status = 0, again = 0;
	struct err err = { 0 };
	int r;

	if (size > ANSWER_MAX)
		return 0;
	r = answer_status(in, &status, &reason);
	for (size_t n = 0; n < size && r == 1; n++)
		if (answer_status(str_head(in, n), &again, &same) == 1 && again != status)
			abort();
	if (r != 1)
		return 0;
	if (status < 200 || status > 599 || reason.len > size ||
	    (reason.len > 0 && (reason.ptr < in.ptr || reason.ptr + reason.len > in.ptr + size)))
		abort();
	if (answer_proxy(in, &wish, &err) == 1 &&
	    (status >= 300 || memcmp(in.ptr + size - 4, "\r\n\r\n", 4) != 0))
		abort();
	if (answer_judge(status, reason, &wish, &err) < 0)
		for (const char *c = err_text(&err); *c; c++)
			if ((unsigned char)*c < ' ' || *c == 0x7f)
				abort();
	return 0;
}
