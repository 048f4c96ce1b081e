/* SPDX-License-Identifier: Apache-2.0 */
/* The examples of FIPS 180-4 and of NIST's test vectors, and each form against the portable one. */
#include <errno.h>
#include <stdlib.h>
#include "lib/own.h"
#include "lib/sha256.h"
#include "lib/sha256_block.h"
#include "tests/unit/tap.h"

static const struct {
	const char *what, *text;
	size_t repeat;
	const char *hex;
} vectors[] = {
	{ "nothing", "", 1, "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855" },
	{ "abc", "abc", 1, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad" },
	{ "56 bytes: the length needs a block of its own",
	  "abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq", 1,
	  "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1" },
	{ "112 bytes",
	  "abcdefghbcdefghicdefghijdefghijkefghijklfghijklmghijklmnhijklmnoijklmnopjklmnopq"
	  "klmnopqrlmnopqrsmnopqrstnopqrstu",
	  1, "cf5b16a778af8380036ce59e7b0492370b249b11e8f07a51afac45037afee9d1" },
	{ "a million a", "aaaaaaaaaa", 100000,
	  "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0" },
};

static void test_vectors(void)
{
	for (size_t i = 0; i < ARRAY_LEN(vectors); i++) {
		char text[DIGEST_TEXT_MAX];
		struct sha256 ctx;
		struct digest digest;

		sha256_init(&ctx);
		for (size_t n = 0; n < vectors[i].repeat; n++)
			sha256_add(&ctx, vectors[i].text, strlen(vectors[i].text));
		sha256_end(&ctx, &digest);
		is_text(digest_text(&digest, text) + 7, vectors[i].hex, "%s", vectors[i].what);
	}
}

/* However the input is cut, the digest is the same. */
static void test_pieces(void)
{
	unsigned char data[300];
	struct digest whole, pieces;
	struct sha256 ctx;
	bool same = true;

	for (size_t i = 0; i < sizeof(data); i++)
		data[i] = (unsigned char)(i * 7);
	for (size_t len = 0; len <= sizeof(data); len++) {
		sha256_init(&ctx);
		sha256_add(&ctx, data, len);
		sha256_end(&ctx, &whole);
		sha256_init(&ctx);
		for (size_t at = 0, step = 1; at < len; at += step, step = step % 67 + 1) {
			step = step < len - at ? step : len - at;
			sha256_add(&ctx, data + at, step);
		}
		sha256_end(&ctx, &pieces);
		same = same && memcmp(&whole, &pieces, sizeof(whole)) == 0;
	}
	ok(same, "pieces of all lengths give the digest of the whole");
}

static void test_forms(void)
{
	sha256_block_fn *hardware = sha256_hardware();
	uint32_t a[8], b[8];
	unsigned char data[64 * 5];
	bool same = true;

	if (!hardware) {
		skip("the CPU's instructions agree with the portable form", "no SHA instructions");
		return;
	}
	srandom(1);
	for (int round = 0; round < 2000; round++) {
		for (size_t i = 0; i < sizeof(data); i++)
			data[i] = (unsigned char)random();
		for (int i = 0; i < 8; i++)
			a[i] = b[i] = (uint32_t)random() << 1 | (uint32_t)(random() & 1);
		sha256_blocks_portable(a, data, (size_t)round % 6);
		hardware(b, data, (size_t)round % 6);
		same = same && memcmp(a, b, sizeof(a)) == 0;
	}
	ok(same, "the CPU's instructions agree with the portable form");
}

static void test_parse(void)
{
	static const char good[] =
		"sha256:ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
	static const char *const bad[] = {
		"",
		"sha256:",
		"ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad",
		"sha256:ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015a",
		"sha256:ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad0",
		"sha256:BA7816BF8F01CFEA414140DE5DAE2223B00361A396177A9CB410FF61F20015AD",
		"sha512:ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad",
		"sha256:../../../../../../../../../../../../../../../../../../../../etc/p",
		"SHA256:ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad",
	};
	char text[DIGEST_TEXT_MAX];
	struct digest digest;
	struct err err = { 0 };

	is_int(digest_parse(str_from(good), &digest, NULL), 0, "a digest");
	is_text(digest_text(&digest, text), good, "and back");
	for (size_t i = 0; i < ARRAY_LEN(bad); i++)
		is_int(digest_parse(str_from(bad[i]), &digest, &err), -EINVAL, "refused: '%s'",
		       bad[i]);
	(void)digest_parse(STR("x\x1b"), &digest, &err);
	is_text(err.text, "'x\\x1b' is not a digest: expected sha256: and 64 hex digits",
		"the message shows it escaped");
}

int main(void)
{
	test_vectors();
	test_pieces();
	test_forms();
	test_parse();
	return tap_done();
}
