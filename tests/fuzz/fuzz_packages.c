/* SPDX-License-Identifier: Apache-2.0 */
/* An image's package database: whatever it holds, the document has printable bytes only, and as
 * many packages as the reader found. */
#include "init/console/packages.h"
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct packages_document document = { .image = "x",
					      .digest = "sha256:00",
					      .created = "",
					      .database = str_make(data, size),
					      .os_release = str_make(data, size) };

	for (int kind = PACKAGES_DPKG; kind <= PACKAGES_APK; kind++) {
		struct str rest = document.database;
		struct package package;
		struct buf out = { 0 };
		unsigned found = 0, count = 0;

		document.kind = (enum packages_kind)kind;
		while (packages_next(document.kind, &rest, &package))
			found++;
		buf_init(&out, 64 << 20);
		if (packages_spdx(&document, &out, &count) == 0 && count != found)
			abort();
		for (size_t i = 0; i < out.len; i++) {
			unsigned char c = (unsigned char)out.data[i];

			if ((c < ' ' && c != '\n') || c > '~')
				abort();
		}
		buf_done(&out);
	}
	return 0;
}
