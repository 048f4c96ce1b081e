/* SPDX-License-Identifier: Apache-2.0 */
/* A known secret behind a name never comes out, whatever stands around it. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include "init/console/redact.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const char secret[] = "password=Zq7hush7qZ";
	struct buf text, out;

	if (size > 4096 || memmem(data, size, "Zq7hush7qZ", 10))
		return 0;
	buf_init(&text, size + sizeof(secret));
	buf_init(&out, 64 * (size + sizeof(secret)));
	(void)buf_add(&text, data, size);
	(void)buf_add_text(&text, secret);
	redact_text(buf_str(&text), &out);
	if (buf_error(&out) || memmem(out.data, out.len, "Zq7hush7qZ", 10))
		abort();
	buf_done(&text);
	buf_done(&out);
	return 0;
}
