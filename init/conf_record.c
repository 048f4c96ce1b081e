/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The bytes of the files that keep configuration revisions. Runs in init's disk role. Pure: must
 * never take a damaged file for a whole one.
 */
#include "init/conf_record.h"
#include <errno.h>
#include <string.h>
#include "lib/own.h"
#include "lib/sha256.h"

enum { KIND_LEN = 8, SUM_LEN = 64, HEAD_LEN = KIND_LEN + 1 + SUM_LEN + 1 };

static void sum_of(struct str text, char ret_hex[SUM_LEN + 1])
{
	struct digest digest;
	struct sha256 hash;

	sha256_init(&hash);
	sha256_add(&hash, text.ptr, text.len);
	sha256_end(&hash, &digest);
	str_hex(digest.bytes, sizeof(digest.bytes), ret_hex);
}

int conf_record_encode(const char *kind, const struct conf_record *record, struct buf *out)
{
	struct buf body OWN(buf_done) = { 0 };
	char sum[SUM_LEN + 1];

	buf_init(&body, out->max);
	(void)buf_printf(&body, "%u %u %lld %s\n", record->first, record->second,
			 (long long)record->seconds, record->note);
	(void)buf_add_str(&body, record->text);
	if (buf_error(&body))
		return buf_error(&body);
	sum_of(buf_str(&body), sum);
	(void)buf_printf(out, "%s %s ", kind, sum);
	return buf_add_str(out, buf_str(&body));
}

static int damaged(const char *kind, struct err *err)
{
	return err_set(err, -EBADMSG, "a configuration file (%s) is damaged", kind);
}

int conf_record_decode(const char *kind, struct str file, struct conf_record *ret_record,
		       struct err *err)
{
	struct conf_record record = { 0 };
	struct str rest, line, part;
	char sum[SUM_LEN + 1];
	uint64_t first, second;

	if (file.len < HEAD_LEN || !str_starts(file, str_from(kind)) || file.ptr[KIND_LEN] != ' ' ||
	    file.ptr[HEAD_LEN - 1] != ' ')
		return damaged(kind, err);
	rest = str_skip(file, HEAD_LEN);
	sum_of(rest, sum);
	if (memcmp(sum, file.ptr + KIND_LEN + 1, SUM_LEN) != 0 || str_find(rest, '\n') < 0 ||
	    !str_cut(&rest, '\n', &line))
		return damaged(kind, err);
	record.text = rest;
	if (!str_cut(&line, ' ', &part) || str_to_u64(part, 0, UINT32_MAX, &first) < 0 ||
	    !str_cut(&line, ' ', &part) || str_to_u64(part, 0, UINT32_MAX, &second) < 0 ||
	    str_find(line, ' ') < 0 || !str_cut(&line, ' ', &part) ||
	    str_to_i64(part, INT64_MIN, INT64_MAX, &record.seconds) < 0 ||
	    str_copy(line, record.note, sizeof(record.note)) < 0 || strlen(record.note) != line.len)
		return damaged(kind, err);
	record.first = (uint32_t)first;
	record.second = (uint32_t)second;
	*ret_record = record;
	return 0;
}
