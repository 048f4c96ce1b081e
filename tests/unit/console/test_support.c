/* SPDX-License-Identifier: Apache-2.0 */
/* What goes into a support archive: no secret, and a tar that others read. */
#include <errno.h>
#include <string.h>
#include "init/console/redact.h"
#include "init/console/ustar.h"
#include "tests/unit/tap.h"

static void expect(const char *text, const char *want)
{
	struct buf out;

	buf_init(&out, 4096);
	redact_text(str_from(text), &out);
	is_text(buf_text(&out), want, "'%.40s'", text);
	buf_done(&out);
}

static void test_redact(void)
{
	expect("web running", "web running\n");
	expect("password = hush", "password = (redacted)\n");
	expect("DB_PASSWORD=hush more", "DB_PASSWORD= (redacted)\n");
	expect("{\"identityToken\":\"hush\"}", "{\"identityToken\": (redacted)\n");
	expect("X-Registry-Auth: hush", "X-Registry-Auth: (redacted)\n");
	expect("environment = MODE=hush", "environment = MODE= (redacted)\n");
	expect("environment=hush", "environment= (redacted)\n");
	expect("pull https://me:hush@host/x and ftp://you:hush@other/",
	       "pull https://(redacted)@host/x and ftp://(redacted)@other/\n");
	expect("see https://host/path@2x", "see https://host/path@2x\n");
	expect("header Bearer hush", "header Bearer  (redacted)\n");
	expect("hash $2b$10$hush", "hash $2b$ (redacted)\n");
	expect("a\n-----BEGIN EC PRIVATE KEY-----\nhush\n-----END EC PRIVATE KEY-----\nb",
	       "a\n(redacted)\n(redacted)\n(redacted)\nb\n");
	expect("-----BEGIN CERTIFICATE-----", "-----BEGIN CERTIFICATE-----\n");
	expect("", "");
}

static void test_tar(void)
{
	char longest[USTAR_NAME_MAX + 2];
	struct buf out;

	buf_init(&out, 8192);
	is_int(ustar_put_file(&out, "a/status.txt", STR("hello\n"), 1000), 0, "a file");
	is_int((long)out.len, 2 * USTAR_BLOCK, "is whole blocks");
	is_text(out.data, "a/status.txt", "its name");
	is_text(out.data + 124, "00000000006", "its size");
	is_text(out.data + 136, "00000001750", "its time");
	is_text(out.data + 257, "ustar", "its kind");
	is_text(out.data + 148, "010252", "its checksum");
	ok(!memcmp(out.data + USTAR_BLOCK, "hello\n", 7), "its bytes, padded");
	is_int(ustar_put_file(&out, "empty", STR(""), 0), 0, "an empty one");
	is_int((long)out.len, 3 * USTAR_BLOCK, "is a header alone");
	is_int(ustar_put_end(&out), 0, "the end");
	is_int((long)out.len, 5 * USTAR_BLOCK, "is two blocks");
	memset(longest, 'x', sizeof(longest));
	longest[sizeof(longest) - 1] = '\0';
	is_int(ustar_put_file(&out, longest, STR(""), 0), -ENAMETOOLONG, "a name that is too long");
	buf_done(&out);
}

int main(void)
{
	test_redact();
	test_tar();
	return tap_done();
}
