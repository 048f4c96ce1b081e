/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Bodies of the messages between engine main and the pull and load roles. Pure, both sides; what
 * comes from the role is taken as hostile.
 */
#include "engine/api/pull_msg.h"

#include <errno.h>
#include <stdio.h>
#include "engine/oci/image.h"
#include "lib/wire.h"

enum { PULL_TEXT_MAX = 1024, PULL_BAR = 10, PULL_AMOUNT = 48 };

/* A bounded text into the arena; *failed collects what went wrong. */
static const char *get_text(struct wire *in, struct arena *arena, size_t max, bool *failed)
{
	struct str s = wire_str(in, max);
	const char *text;

	if (s.len == 0)
		return "";
	text = arena_text(arena, s);
	if (!text)
		*failed = true;
	return text ? text : "";
}

static int finish(const struct wire *in, bool failed, const char *what, struct err *err)
{
	if (failed)
		return err_set(err, -ENOMEM, "no memory for a %s message", what);
	if (wire_end(in) < 0)
		return err_set(err, -EBADMSG, "malformed %s message", what);
	return 0;
}

void pull_host_init(struct pull_host *host, const char *name)
{
	*host = (struct pull_host){ .host = name,
				    .ca_pem = "",
				    .ca_missing = "",
				    .user = "",
				    .password = "",
				    .token = "",
				    .client_cert = "",
				    .client_key = "" };
}

void pull_start_encode(const struct pull_start *start, struct buf *out)
{
	wire_put_text(out, start->reference);
	wire_put_text(out, start->os);
	wire_put_text(out, start->architecture);
	wire_put_text(out, start->variant);
	wire_put_u32(out, start->host_count);
	for (uint32_t i = 0; i < start->host_count; i++) {
		const struct pull_host *host = &start->hosts[i];

		wire_put_text(out, host->host);
		wire_put_u8(out, host->insecure);
		wire_put_text(out, host->ca_pem);
		wire_put_text(out, host->ca_missing);
		wire_put_text(out, host->user);
		wire_put_text(out, host->password);
		wire_put_text(out, host->token);
		wire_put_text(out, host->client_cert);
		wire_put_text(out, host->client_key);
	}
	wire_put_text(out, start->proxy.http);
	wire_put_text(out, start->proxy.https);
	wire_put_text(out, start->proxy.none);
	wire_put_text(out, start->docker_config);
	wire_put_u8(out, (uint8_t)start->signature.policy);
	wire_put_text(out, start->signature.keys);
	wire_put_text(out, start->signature.keys_missing);
	wire_put_str(out, start->known);
}

void pull_start_add_known(struct buf *body, struct str known)
{
	/* It is the last field: a length of zero so far. */
	if (buf_error(body) || body->len < 4)
		return;
	body->len -= 4;
	wire_put_str(body, known);
}

static void get_host(struct wire *in, struct arena *arena, struct pull_host *host, bool *failed)
{
	host->host = get_text(in, arena, PULL_HOST_TEXT_MAX, failed);
	host->insecure = wire_bool(in);
	host->ca_pem = get_text(in, arena, PULL_CA_MAX, failed);
	host->ca_missing = get_text(in, arena, PULL_TEXT_MAX, failed);
	host->user = get_text(in, arena, PULL_SECRET_MAX, failed);
	host->password = get_text(in, arena, PULL_SECRET_MAX, failed);
	host->token = get_text(in, arena, PULL_SECRET_MAX, failed);
	host->client_cert = get_text(in, arena, PULL_PEM_MAX, failed);
	host->client_key = get_text(in, arena, PULL_PEM_MAX, failed);
}

int pull_start_decode(struct str body, struct arena *arena, struct pull_start *ret_start,
		      struct err *err)
{
	struct pull_start start = { 0 };
	struct wire in;
	bool failed = false;
	int r;

	wire_init(&in, body.ptr, body.len);
	start.reference = get_text(&in, arena, PULL_TEXT_MAX, &failed);
	start.os = get_text(&in, arena, PULL_TEXT_MAX, &failed);
	start.architecture = get_text(&in, arena, PULL_TEXT_MAX, &failed);
	start.variant = get_text(&in, arena, PULL_TEXT_MAX, &failed);
	start.host_count = wire_count(&in, PULL_HOSTS_MAX);
	for (uint32_t i = 0; i < start.host_count; i++)
		get_host(&in, arena, &start.hosts[i], &failed);
	start.proxy.http = get_text(&in, arena, PULL_PROXY_MAX, &failed);
	start.proxy.https = get_text(&in, arena, PULL_PROXY_MAX, &failed);
	start.proxy.none = get_text(&in, arena, PULL_PROXY_MAX, &failed);
	start.docker_config = get_text(&in, arena, PULL_DOCKER_CONFIG_MAX, &failed);
	start.signature.policy = (enum pull_signature_policy)wire_u8(&in);
	start.signature.keys = get_text(&in, arena, PULL_PEM_MAX, &failed);
	start.signature.keys_missing = get_text(&in, arena, PULL_TEXT_MAX, &failed);
	start.known = wire_blob(&in, IMAGE_RECORD_MAX);
	r = finish(&in, failed, "pull start", err);
	/* A policy that is not known must not read as none. */
	if (r == 0 && start.signature.policy > PULL_SIGNATURE_REQUIRE)
		r = err_set(err, -EBADMSG, "pull start message: signature policy %d",
			    (int)start.signature.policy);
	if (r == 0)
		*ret_start = start;
	return r;
}

void pull_archive_encode(const struct pull_archive *archive, struct buf *out)
{
	wire_put_text(out, archive->reference);
	wire_put_text(out, archive->os);
	wire_put_text(out, archive->architecture);
	wire_put_text(out, archive->variant);
}

int pull_archive_decode(struct str body, struct arena *arena, struct pull_archive *ret_archive,
			struct err *err)
{
	struct pull_archive archive = { 0 };
	struct wire in;
	bool failed = false;
	int r;

	wire_init(&in, body.ptr, body.len);
	archive.reference = get_text(&in, arena, PULL_TEXT_MAX, &failed);
	archive.os = get_text(&in, arena, PULL_TEXT_MAX, &failed);
	archive.architecture = get_text(&in, arena, PULL_TEXT_MAX, &failed);
	archive.variant = get_text(&in, arena, PULL_TEXT_MAX, &failed);
	r = finish(&in, failed, "pull archive", err);
	if (r == 0)
		*ret_archive = archive;
	return r;
}

void pull_save_encode(const struct pull_save *save, struct buf *out)
{
	wire_put_u8(out, save->docker);
	wire_put_u32(out, save->count);
	for (uint32_t i = 0; i < save->count; i++)
		wire_put_str(out, save->records[i]);
}

int pull_save_decode(struct str body, struct pull_save *ret_save, struct err *err)
{
	struct wire in;

	wire_init(&in, body.ptr, body.len);
	ret_save->docker = wire_bool(&in);
	ret_save->count = wire_count(&in, PULL_SAVE_MAX);
	for (uint32_t i = 0; i < ret_save->count; i++)
		ret_save->records[i] = wire_blob(&in, IMAGE_RECORD_MAX);
	return wire_end(&in) < 0 ? err_set(err, -EBADMSG, "malformed archive request") : 0;
}

void pull_blob_encode(const struct pull_blob *blob, struct buf *out)
{
	wire_put_bytes(out, blob->digest.bytes, sizeof(blob->digest.bytes));
	wire_put_u64(out, blob->size);
	wire_put_u8(out, (uint8_t)blob->kind);
	wire_put_u8(out, blob->probe);
	wire_put_text(out, blob->media_type);
	wire_put_u8(out, blob->has_diff);
	wire_put_bytes(out, blob->diff.bytes, sizeof(blob->diff.bytes));
	wire_put_u32(out, blob->index);
	wire_put_u32(out, blob->total);
}

int pull_blob_decode(struct str body, struct arena *arena, struct pull_blob *ret_blob,
		     struct err *err)
{
	struct pull_blob blob = { 0 };
	struct wire in;
	bool failed = false;
	int r;

	wire_init(&in, body.ptr, body.len);
	wire_bytes(&in, blob.digest.bytes, sizeof(blob.digest.bytes));
	blob.size = wire_u64(&in);
	blob.kind = (enum pull_kind)wire_u8(&in);
	blob.probe = wire_bool(&in);
	blob.media_type = get_text(&in, arena, PULL_TEXT_MAX, &failed);
	blob.has_diff = wire_bool(&in);
	wire_bytes(&in, blob.diff.bytes, sizeof(blob.diff.bytes));
	blob.index = wire_u32(&in);
	blob.total = wire_u32(&in);
	r = finish(&in, failed, "pull blob", err);
	if (r < 0)
		return r;
	if (blob.kind < PULL_KIND_CONFIG || blob.kind > PULL_KIND_MANIFEST)
		return err_set(err, -EBADMSG, "pull blob message: kind %d", (int)blob.kind);
	*ret_blob = blob;
	return 0;
}

void pull_progress_encode(const struct pull_progress *progress, struct buf *out)
{
	wire_put_bytes(out, progress->digest.bytes, sizeof(progress->digest.bytes));
	wire_put_u64(out, progress->done);
	wire_put_u64(out, progress->total);
	wire_put_u64(out, progress->rate);
	wire_put_text(out, progress->what);
	wire_put_u8(out, (uint8_t)progress->stage);
}

/* "40.1 MiB"; the unit is that of `scale`, so that two numbers share it. */
static unsigned unit_of(uint64_t scale)
{
	unsigned unit = 0;

	while (scale >= 1024 && unit < 4) {
		scale >>= 10;
		unit++;
	}
	return unit;
}

static void put_amount(uint64_t bytes, unsigned unit, char dst[PULL_AMOUNT])
{
	uint64_t whole = bytes >> (10 * unit);
	uint64_t rest = bytes & ((UINT64_C(1) << (10 * unit)) - 1);

	if (unit == 0)
		snprintf(dst, PULL_AMOUNT, "%llu", (unsigned long long)whole);
	else
		snprintf(dst, PULL_AMOUNT, "%llu.%llu", (unsigned long long)whole,
			 (unsigned long long)((rest >> (10 * unit - 10)) * 10 / 1024));
}

/* ", 9.8 MiB/s, 8 s left" */
static void put_speed(const struct pull_progress *progress, char *dst, size_t cap)
{
	static const char *const units[] = { "B", "KiB", "MiB", "GiB", "TiB" };
	uint64_t left = progress->total - progress->done, s;
	unsigned unit = unit_of(progress->rate);
	char speed[PULL_AMOUNT];
	int n;

	dst[0] = 0;
	if (progress->rate == 0 || left == 0)
		return;
	s = left / progress->rate + 1;
	put_amount(progress->rate, unit, speed);
	n = snprintf(dst, cap, ", %s %s/s, ", speed, units[unit]);
	if (s < 120)
		snprintf(dst + n, cap - (size_t)n, "%llu s left", (unsigned long long)s);
	else if (s < 7200)
		snprintf(dst + n, cap - (size_t)n, "%llu min left", (unsigned long long)(s / 60));
	else if (s < UINT64_C(1000) * 3600)
		snprintf(dst + n, cap - (size_t)n, "%llu h left", (unsigned long long)(s / 3600));
	else
		snprintf(dst + n, cap - (size_t)n, "stalled");
}

void pull_progress_line(const struct pull_progress *progress, char *dst, size_t cap)
{
	static const char *const units[] = { "B", "KiB", "MiB", "GiB", "TiB" };
	struct pull_progress p = *progress;
	char bar[PULL_BAR + 1], what[24], done[PULL_AMOUNT], total[PULL_AMOUNT], speed[96];
	unsigned unit = unit_of(p.total), filled = PULL_BAR;

	if (p.done > p.total)
		p.done = p.total;
	if (p.total > 0)
		filled = (unsigned)((double)p.done / (double)p.total * PULL_BAR);
	for (unsigned i = 0; i < PULL_BAR; i++)
		bar[i] = i < filled ? '=' : ' ';
	if (filled < PULL_BAR)
		bar[filled] = '>';
	bar[PULL_BAR] = 0;
	str_escape(str_from(p.what), what, sizeof(what));
	put_amount(p.done, unit, done);
	put_amount(p.total, unit, total);
	put_speed(&p, speed, sizeof(speed));
	snprintf(dst, cap, "%s [%s] %s of %s %s%s", what, bar, done, total, units[unit], speed);
}

int pull_progress_decode(struct str body, struct arena *arena, struct pull_progress *ret_progress,
			 struct err *err)
{
	struct pull_progress progress = { 0 };
	struct wire in;
	bool failed = false;
	int r;

	wire_init(&in, body.ptr, body.len);
	wire_bytes(&in, progress.digest.bytes, sizeof(progress.digest.bytes));
	progress.done = wire_u64(&in);
	progress.total = wire_u64(&in);
	progress.rate = wire_u64(&in);
	progress.what = get_text(&in, arena, PULL_TEXT_MAX, &failed);
	progress.stage = wire_u8(&in);
	r = finish(&in, failed, "pull progress", err);
	if (r == 0 && progress.stage > PULL_STAGE_MOUNTED)
		r = err_set(err, -EBADMSG, "pull progress: stage %d", (int)progress.stage);
	if (r == 0)
		*ret_progress = progress;
	return r;
}
