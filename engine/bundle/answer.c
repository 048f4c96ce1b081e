/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns the record that comes out of the sandboxed parser. Written there, read in hoy-oci with its
 * capabilities: the reader trusts no count and no length. It must never let a text through that has
 * no end.
 */
#include "engine/bundle/answer.h"

#include <errno.h>
#include <stdlib.h>
#include "lib/wire.h"

enum { ANSWER_MAGIC = 0x31414f48, FD_MAX = 250 };

void answer_put_text(struct buf *out, const char *text)
{
	struct str s = str_from(text);

	wire_put_u32(out, (uint32_t)s.len + 1);
	wire_put_bytes(out, s.len ? s.ptr : "", s.len);
	wire_put_u8(out, 0);
}

void answer_encode_error(const struct err *why, struct buf *out)
{
	wire_put_u32(out, ANSWER_MAGIC);
	wire_put_u32(out, (uint32_t)(why->code < 0 ? why->code : -EINVAL));
	answer_put_text(out, why->text);
}

/* The plain numbers, in one order for writer and reader. */
enum { NUMBERS = 12 };

static void numbers(struct cgroup_resources *res, int64_t *ret_numbers[NUMBERS])
{
	int64_t *const list[NUMBERS] = {
		&res->memory_max,   &res->memory_low, &res->memory_min,	  &res->memory_high,
		&res->swap_max,	    &res->cpu_weight, &res->cpu_quota_us, &res->cpu_period_us,
		&res->cpu_burst_us, &res->cpu_idle,   &res->pids_max,	  &res->io_weight,
	};

	for (int i = 0; i < NUMBERS; i++)
		ret_numbers[i] = list[i];
}

static void put_resources(const struct cgroup_resources *given, struct buf *out)
{
	struct cgroup_resources res = *given;
	int64_t *list[NUMBERS];

	numbers(&res, list);
	for (int i = 0; i < NUMBERS; i++)
		wire_put_i64(out, *list[i]);
	wire_put_u8(out, res.memory_check);
	answer_put_text(out, res.cpus);
	answer_put_text(out, res.mems);
	wire_put_u32(out, (uint32_t)res.io_limit_count);
	for (size_t i = 0; i < res.io_limit_count; i++) {
		wire_put_u32(out, res.io_limits[i].major);
		wire_put_u32(out, res.io_limits[i].minor);
		wire_put_i64(out, res.io_limits[i].rbps);
		wire_put_i64(out, res.io_limits[i].wbps);
		wire_put_i64(out, res.io_limits[i].riops);
		wire_put_i64(out, res.io_limits[i].wiops);
	}
	wire_put_u32(out, (uint32_t)res.io_weight_count);
	for (size_t i = 0; i < res.io_weight_count; i++) {
		wire_put_u32(out, res.io_weights[i].major);
		wire_put_u32(out, res.io_weights[i].minor);
		wire_put_i64(out, res.io_weights[i].weight);
	}
	wire_put_u32(out, (uint32_t)res.hugetlb_count);
	for (size_t i = 0; i < res.hugetlb_count; i++) {
		answer_put_text(out, res.hugetlb[i].size);
		wire_put_i64(out, res.hugetlb[i].limit_bytes);
	}
	wire_put_u32(out, (uint32_t)res.rdma_count);
	for (size_t i = 0; i < res.rdma_count; i++) {
		answer_put_text(out, res.rdma[i].device);
		wire_put_i64(out, res.rdma[i].handles);
		wire_put_i64(out, res.rdma[i].objects);
	}
	wire_put_u32(out, (uint32_t)res.unified_count);
	for (size_t i = 0; i < res.unified_count; i++) {
		answer_put_text(out, res.unified[i].file);
		answer_put_text(out, res.unified[i].value);
	}
}

void answer_encode(const struct answer *answer, struct buf *out)
{
	wire_put_u32(out, ANSWER_MAGIC);
	wire_put_u32(out, 0);
	answer_put_text(out, "");
	wire_put_u32(out, (uint32_t)answer->warning_count);
	for (size_t i = 0; i < answer->warning_count; i++)
		answer_put_text(out, answer->warnings[i]);
	answer_put_text(out, answer->root);
	answer_put_text(out, answer->cgroups_path);
	wire_put_u8(out, answer->terminal);
	answer_put_text(out, answer->listener_path);
	answer_put_text(out, answer->listener_metadata);
	wire_put_u32(out, (uint32_t)answer->namespace_count);
	for (size_t i = 0; i < answer->namespace_count; i++) {
		wire_put_u8(out, answer->namespaces[i].fd);
		answer_put_text(out, answer->namespaces[i].path);
	}
	wire_put_u32(out, (uint32_t)answer->pair_count);
	for (size_t i = 0; i < answer->pair_count; i++) {
		answer_put_text(out, answer->pairs[i].key);
		answer_put_text(out, answer->pairs[i].value);
	}
	wire_put_u8(out, answer->hooks);
	put_resources(&answer->resources, out);
	wire_put_str(out, answer->plan);
}

/* ---- reader ---- */

const char *answer_get_text(struct wire *in)
{
	struct str s = wire_blob(in, ANSWER_TEXT_MAX);

	if (in->error == 0 &&
	    (s.len == 0 || s.ptr[s.len - 1] != '\0' || str_find(s, '\0') != (ptrdiff_t)s.len - 1))
		in->error = -EBADMSG;
	return in->error ? "" : s.ptr;
}

/* NULL for the empty text. */
static const char *get_some(struct wire *in)
{
	const char *text = answer_get_text(in);

	return text[0] ? text : NULL;
}

static void get_rows(struct wire *in, struct answer *answer)
{
	struct cgroup_resources *res = &answer->resources;

	res->io_limit_count = wire_count(in, CGROUP_ROWS_MAX);
	for (size_t i = 0; i < res->io_limit_count; i++) {
		struct cgroup_io_limit *row = &answer->io_limits[i];

		row->major = wire_u32(in);
		row->minor = wire_u32(in);
		row->rbps = wire_i64(in);
		row->wbps = wire_i64(in);
		row->riops = wire_i64(in);
		row->wiops = wire_i64(in);
	}
	res->io_weight_count = wire_count(in, CGROUP_ROWS_MAX);
	for (size_t i = 0; i < res->io_weight_count; i++) {
		answer->io_weights[i].major = wire_u32(in);
		answer->io_weights[i].minor = wire_u32(in);
		answer->io_weights[i].weight = wire_i64(in);
	}
	res->hugetlb_count = wire_count(in, CGROUP_ROWS_MAX);
	for (size_t i = 0; i < res->hugetlb_count; i++) {
		answer->hugetlb[i].size = answer_get_text(in);
		answer->hugetlb[i].limit_bytes = wire_i64(in);
	}
	res->rdma_count = wire_count(in, CGROUP_ROWS_MAX);
	for (size_t i = 0; i < res->rdma_count; i++) {
		answer->rdma[i].device = answer_get_text(in);
		answer->rdma[i].handles = wire_i64(in);
		answer->rdma[i].objects = wire_i64(in);
	}
	res->unified_count = wire_count(in, CGROUP_ROWS_MAX);
	for (size_t i = 0; i < res->unified_count; i++) {
		answer->unified[i].file = answer_get_text(in);
		answer->unified[i].value = answer_get_text(in);
	}
	res->io_limits = answer->io_limits;
	res->io_weights = answer->io_weights;
	res->hugetlb = answer->hugetlb;
	res->rdma = answer->rdma;
	res->unified = answer->unified;
}

static void get_resources(struct wire *in, struct answer *answer)
{
	struct cgroup_resources *res = &answer->resources;
	int64_t *list[NUMBERS];

	numbers(res, list);
	for (int i = 0; i < NUMBERS; i++)
		*list[i] = wire_i64(in);
	res->memory_check = wire_bool(in);
	res->cpus = get_some(in);
	res->mems = get_some(in);
	get_rows(in, answer);
}

static int get_pairs(struct wire *in, struct answer *answer)
{
	size_t count = wire_count(in, ANSWER_PAIRS_MAX);

	if (count == 0)
		return 0;
	answer->pairs = calloc(count, sizeof(*answer->pairs));
	if (!answer->pairs)
		return -ENOMEM;
	for (size_t i = 0; i < count; i++) {
		answer->pairs[i].key = answer_get_text(in);
		answer->pairs[i].value = answer_get_text(in);
	}
	answer->pair_count = count;
	return 0;
}

static void get_namespaces(struct wire *in, struct answer *answer)
{
	answer->namespace_count = wire_count(in, ANSWER_NAMESPACES_MAX);
	for (size_t i = 0; i < answer->namespace_count; i++) {
		answer->namespaces[i].fd = wire_u8(in);
		answer->namespaces[i].path = answer_get_text(in);
		if (answer->namespaces[i].fd < ANSWER_FD_FIRST || answer->namespaces[i].fd > FD_MAX)
			in->error = -EBADMSG;
	}
}

int answer_decode(const void *data, size_t len, struct answer *ret_answer, struct err *err)
{
	struct wire in;
	const char *message;
	int32_t code;
	int r;

	*ret_answer = (struct answer){ 0 };
	wire_init(&in, data, len);
	if (wire_u32(&in) != ANSWER_MAGIC)
		return err_set(err, -EBADMSG, "the parser's answer cannot be read");
	code = (int32_t)wire_u32(&in);
	message = answer_get_text(&in);
	if (code < 0 && wire_end(&in) == 0)
		return err_set(err, code, "%s", message);
	ret_answer->warning_count = wire_count(&in, ANSWER_WARNINGS_MAX);
	for (size_t i = 0; i < ret_answer->warning_count; i++)
		ret_answer->warnings[i] = answer_get_text(&in);
	ret_answer->root = answer_get_text(&in);
	ret_answer->cgroups_path = get_some(&in);
	ret_answer->terminal = wire_bool(&in);
	ret_answer->listener_path = get_some(&in);
	ret_answer->listener_metadata = get_some(&in);
	get_namespaces(&in, ret_answer);
	r = get_pairs(&in, ret_answer);
	if (r == 0) {
		ret_answer->hooks = wire_u8(&in);
		get_resources(&in, ret_answer);
		ret_answer->plan = wire_blob(&in, ANSWER_MAX);
		r = wire_end(&in);
	}
	if (r == 0)
		return 0;
	answer_done(ret_answer);
	return err_set(err, r, "the parser's answer cannot be read");
}

void answer_done(struct answer *answer)
{
	if (!answer)
		return;
	free(answer->pairs);
	*answer = (struct answer){ 0 };
}
