/* SPDX-License-Identifier: Apache-2.0 */
/* Numbers, sizes, durations, digests, escaping, cutting: over any bytes. */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "lib/own.h"
#include "lib/sha256.h"
#include "lib/str.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool good)
{
	if (!good)
		abort();
}

static void check_numbers(struct str s)
{
	char text[32];
	uint64_t u = 0;
	int64_t i = 0;

	if (str_to_u64(s, 3, 1000000, &u) == 0) {
		require(u >= 3 && u <= 1000000);
		(void)snprintf(text, sizeof(text), "%llu", (unsigned long long)u);
		require(str_ends(s, str_from(text)));
	}
	if (str_to_i64(s, -1000, 1000, &i) == 0)
		require(i >= -1000 && i <= 1000);
	if (str_to_size(s, (uint64_t)1 << 40, &u) == 0)
		require(u <= (uint64_t)1 << 40 && s.len > 0);
	if (str_to_duration_ms(s, 86400000, &i) == 0)
		require(i >= 0 && i <= 86400000 && s.len > 0);
}

static void check_escape(struct str s)
{
	char whole[4 * 600 + 1], part[40];
	size_t len, cut;

	s = str_head(s, 600);
	len = str_escape(s, whole, sizeof(whole));
	require(whole[len] == '\0' && strlen(whole) == len && len >= s.len);
	for (size_t i = 0; i < len; i++)
		require((unsigned char)whole[i] >= 0x20 && whole[i] != 0x7f);
	/* What was escaped needs no escape but of its backslashes and quotes. */
	cut = str_escape(s, part, sizeof(part));
	require(part[cut] == '\0' && cut < sizeof(part));
	if (len < sizeof(part))
		require(strcmp(whole, part) == 0);
	else
		require(cut >= 3 && strcmp(part + cut - 3, "...") == 0 &&
			strncmp(whole, part, cut - 3) == 0);
}

static void check_cut(struct str s)
{
	struct str rest = s, piece;
	size_t total = 0, pieces = 0;

	while (str_cut(&rest, ',', &piece)) {
		require(str_find(piece, ',') < 0);
		total += piece.len;
		pieces++;
	}
	require(s.ptr == NULL || total + pieces - 1 == s.len);
}

static void check_words(struct str s)
{
	static const char *const names[] = { "image", "ports", "volumes", "stop_grace_period" };
	char text[DIGEST_TEXT_MAX], copy[16], hex[33];
	struct digest digest;
	uint8_t raw[16];

	(void)str_nearest(s, names, ARRAY_LEN(names));
	if (str_copy(s, copy, sizeof(copy)) == 0)
		require(strlen(copy) == s.len);
	if (digest_parse(s, &digest, NULL) == 0)
		require(str_is(s, digest_text(&digest, text)));
	if (str_unhex(s, raw, sizeof(raw)) == 0) {
		str_hex(raw, sizeof(raw), hex);
		require(str_is_nocase(s, hex));
	}
	require(str_trim(s).len <= s.len);
	require(str_cmp(s, s) == 0 && str_eq(s, s));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct str s = str_make(data, size);

	if (size > 4096)
		return 0;
	check_numbers(s);
	check_escape(s);
	check_cut(s);
	check_words(s);
	return 0;
}
