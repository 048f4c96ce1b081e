/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Encoding of the call for a build whose context comes as a tar. Pure; linked by engine main and
 * the api role. Must never trust a length or count of a message.
 */
#include "engine/api/context_msg.h"

#include <errno.h>
#include "engine/api/engine_msg.h"
#include "engine/api/image_msg.h"
#include "engine/api/pull_msg.h"
#include "lib/own.h"

enum { KEY_MAX = 1024 };

static const char *get_text(struct wire *in, struct arena *arena, size_t max)
{
	struct str s = wire_str(in, max);
	const char *text = in->error ? "" : arena_text(arena, s);

	if (!text)
		in->error = -EBADMSG;
	return text ? text : "";
}

static void put_pairs(struct buf *out, const struct image_pairs *pairs)
{
	wire_put_u32(out, pairs->count);
	for (uint32_t i = 0; i < pairs->count; i++) {
		wire_put_text(out, pairs->items[i].key);
		wire_put_text(out, pairs->items[i].value);
	}
}

static int get_pairs(struct wire *in, struct arena *arena, struct image_pairs *pairs,
		     struct err *err)
{
	uint32_t count = wire_count(in, ENGINE_CONTEXT_PAIRS_MAX);
	int r = 0;

	*pairs = (struct image_pairs){ 0 };
	for (uint32_t i = 0; r >= 0 && !in->error && i < count; i++) {
		const char *key = get_text(in, arena, KEY_MAX);
		const char *value = get_text(in, arena, IMAGE_TEXT_MAX);

		r = image_pairs_set(arena, pairs, key, value, err);
	}
	return r;
}

static void put_limits(struct buf *out, const struct build_limits *limits)
{
	const int64_t numbers[] = { limits->memory,	  limits->memory_and_swap,
				    limits->shm_bytes,	  limits->cpu_shares,
				    limits->cpu_quota_us, limits->cpu_period_us };
	const char *const texts[] = { limits->cpuset_cpus, limits->cpuset_mems, limits->ulimits,
				      limits->network };

	for (size_t i = 0; i < ARRAY_LEN(numbers); i++)
		wire_put_i64(out, numbers[i]);
	for (size_t i = 0; i < ARRAY_LEN(texts); i++)
		wire_put_text(out, texts[i] ? texts[i] : "");
}

static void get_limits(struct wire *in, struct arena *arena, struct build_limits *limits)
{
	int64_t *const numbers[] = { &limits->memory,	    &limits->memory_and_swap,
				     &limits->shm_bytes,    &limits->cpu_shares,
				     &limits->cpu_quota_us, &limits->cpu_period_us };
	const char **const texts[] = { &limits->cpuset_cpus, &limits->cpuset_mems, &limits->ulimits,
				       &limits->network };

	for (size_t i = 0; i < ARRAY_LEN(numbers); i++)
		*numbers[i] = wire_i64(in);
	for (size_t i = 0; i < ARRAY_LEN(texts); i++)
		*texts[i] = get_text(in, arena, KEY_MAX);
}

void engine_context_put(struct buf *out, const struct engine_context *context)
{
	wire_put_u64(out, context->token);
	wire_put_text(out, context->dockerfile);
	wire_put_text(out, context->target);
	wire_put_u8(out, context->no_cache);
	wire_put_u8(out, context->pull);
	wire_put_u8(out, context->network_none);
	put_pairs(out, &context->args);
	put_pairs(out, &context->labels);
	put_pairs(out, &context->hosts);
	wire_put_u32(out, context->name_count);
	for (uint32_t i = 0; i < context->name_count; i++)
		wire_put_text(out, context->names[i]);
	wire_put_u32(out, context->login_count);
	for (uint32_t i = 0; i < context->login_count; i++) {
		wire_put_text(out, context->logins[i].host);
		wire_put_text(out, context->logins[i].user);
		wire_put_text(out, context->logins[i].password);
		wire_put_text(out, context->logins[i].token);
	}
	wire_put_u8(out, context->text.ptr != NULL);
	wire_put_str(out, context->text);
	wire_put_u8(out, context->parted);
	put_pairs(out, &context->contexts);
	wire_put_u32(out, context->secret_count);
	for (uint32_t i = 0; i < context->secret_count; i++) {
		wire_put_text(out, context->secrets[i].id);
		wire_put_str(out, context->secrets[i].value);
	}
	put_pairs(out, &context->cache_from);
	put_pairs(out, &context->cache_to);
	wire_put_text(out, context->remote ? context->remote : "");
	wire_put_u8(out, context->held);
	wire_put_u8(out, context->check);
	wire_put_u8(out, context->network_host);
	wire_put_u8(out, context->host_allowed);
	put_limits(out, &context->limits);
	wire_put_u32(out, context->agent_count);
	for (uint32_t i = 0; i < context->agent_count; i++)
		wire_put_text(out, context->agents[i]);
}

static void get_lists(struct wire *in, struct arena *arena, struct engine_context *context)
{
	uint32_t count = wire_count(in, ENGINE_CONTEXT_NAMES_MAX);

	for (uint32_t i = 0; i < count; i++)
		context->names[context->name_count++] = get_text(in, arena, ENGINE_REF_MAX);
	count = wire_count(in, ENGINE_CONTEXT_LOGINS_MAX);
	for (uint32_t i = 0; i < count; i++) {
		struct engine_context_login *login = &context->logins[context->login_count++];

		login->host = get_text(in, arena, KEY_MAX);
		login->user = get_text(in, arena, PULL_SECRET_MAX);
		login->password = get_text(in, arena, PULL_SECRET_MAX);
		login->token = get_text(in, arena, PULL_SECRET_MAX);
	}
}

static void get_secrets(struct wire *in, struct arena *arena, struct engine_context *context)
{
	uint32_t count = wire_count(in, ENGINE_CONTEXT_SECRETS_MAX);

	for (uint32_t i = 0; i < count; i++) {
		struct engine_context_secret *secret = &context->secrets[context->secret_count++];

		secret->id = get_text(in, arena, KEY_MAX);
		secret->value = wire_blob(in, ENGINE_CONTEXT_SECRET_MAX);
	}
}

static void get_agents(struct wire *in, struct arena *arena, struct engine_context *context)
{
	uint32_t count = wire_count(in, ENGINE_CONTEXT_AGENTS_MAX);

	for (uint32_t i = 0; i < count; i++)
		context->agents[context->agent_count++] = get_text(in, arena, KEY_MAX);
}

static void get_text_of(struct wire *in, struct engine_context *context)
{
	bool given = wire_bool(in);
	struct str text = wire_blob(in, ENGINE_CONTEXT_TEXT_MAX);

	if (given)
		context->text = text.len ? text : STR("");
	else if (text.len)
		in->error = -EBADMSG;
}

int engine_context_get(struct wire *in, struct arena *arena, struct engine_context *ret_context,
		       struct err *err)
{
	int r;

	*ret_context = (struct engine_context){ .token = wire_u64(in) };
	ret_context->dockerfile = get_text(in, arena, ENGINE_PATH_MAX);
	ret_context->target = get_text(in, arena, KEY_MAX);
	ret_context->no_cache = wire_bool(in);
	ret_context->pull = wire_bool(in);
	ret_context->network_none = wire_bool(in);
	r = get_pairs(in, arena, &ret_context->args, err);
	if (r >= 0)
		r = get_pairs(in, arena, &ret_context->labels, err);
	if (r >= 0)
		r = get_pairs(in, arena, &ret_context->hosts, err);
	if (r < 0)
		return r;
	get_lists(in, arena, ret_context);
	get_text_of(in, ret_context);
	ret_context->parted = wire_bool(in);
	r = get_pairs(in, arena, &ret_context->contexts, err);
	if (r < 0)
		return r;
	get_secrets(in, arena, ret_context);
	r = get_pairs(in, arena, &ret_context->cache_from, err);
	if (r >= 0)
		r = get_pairs(in, arena, &ret_context->cache_to, err);
	if (r < 0)
		return r;
	ret_context->remote = get_text(in, arena, ENGINE_PATH_MAX);
	ret_context->held = wire_bool(in);
	ret_context->check = wire_bool(in);
	ret_context->network_host = wire_bool(in);
	ret_context->host_allowed = wire_bool(in);
	get_limits(in, arena, &ret_context->limits);
	get_agents(in, arena, ret_context);
	if (wire_end(in) < 0 || !ret_context->token)
		return err_set(err, -EBADMSG, "malformed request");
	return 0;
}
