/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How each instruction reads in the image's history: as BuildKit's frontend writes it, so that
 * `docker history` shows what its users know. Pure; runs in the api role. Must never write a build
 * argument down whose name tells that it is a secret.
 */
#include <ctype.h>
#include <stdio.h>
#include <string.h>
#include "engine/build/plan_lint.h"
#include "engine/build/staging.h"
#include "lib/own.h"

enum { HISTORY_TEXT_MAX = 1 << 20 };

/* A text as Go's %q prints it. */
static void put_quoted(struct buf *out, const char *text)
{
	static const char plain[] = "\"\\\n\t\r\a\b\f\v", letters[] = "\"\\ntrabfv";

	(void)buf_add_byte(out, '"');
	for (; *text; text++) {
		const char *special = strchr(plain, *text);

		if (special)
			(void)buf_printf(out, "\\%c", letters[special - plain]);
		else if ((unsigned char)*text < ' ' || *text == 0x7f)
			(void)buf_printf(out, "\\x%02x", (unsigned)(unsigned char)*text);
		else
			(void)buf_add_byte(out, (unsigned char)*text);
	}
	(void)buf_add_byte(out, '"');
}

static void put_list(struct buf *out, const struct image_texts *texts, bool quoted)
{
	(void)buf_add_text(out, " [");
	for (uint32_t i = 0; i < texts->count; i++) {
		(void)buf_add_text(out, i ? " " : "");
		if (quoted)
			put_quoted(out, texts->items[i]);
		else
			(void)buf_add_text(out, texts->items[i]);
	}
	(void)buf_add_byte(out, ']');
}

/* A time as Go prints a Duration: 1h0m0s, 1.5s, 100ms. */
static void put_time(struct buf *out, const char *name, int64_t ns)
{
	int64_t hours = ns / INT64_C(3600000000000), minutes = ns / INT64_C(60000000000) % 60;
	double seconds = (double)(ns % INT64_C(60000000000)) / 1e9;

	(void)buf_printf(out, " %s:", name);
	if (ns > 0 && ns < 1000000000) {
		(void)buf_printf(out, "%.10gms", (double)ns / 1e6);
		return;
	}
	if (hours)
		(void)buf_printf(out, "%lldh", (long long)hours);
	if (hours || minutes)
		(void)buf_printf(out, "%lldm", (long long)minutes);
	(void)buf_printf(out, "%.12gs", seconds);
}

static void put_health(struct buf *out, const struct image_health *health)
{
	struct buf test OWN(buf_done) = { 0 };

	buf_init(&test, HISTORY_TEXT_MAX);
	put_list(&test, &health->test, false);
	(void)buf_printf(out, "HEALTHCHECK {Test:%s", test.len ? buf_text(&test) + 1 : "[]");
	put_time(out, "Interval", health->interval_ns);
	put_time(out, "Timeout", health->timeout_ns);
	put_time(out, "StartPeriod", health->start_period_ns);
	put_time(out, "StartInterval", health->start_interval_ns);
	(void)buf_printf(out, " Retries:%u}", health->retries);
}

static const char *arg_value(const struct staging *s, const char *name)
{
	const char *value =
		scope_is_later(&s->scope, name) ? NULL : image_env_get(&s->stage->image.env, name);

	for (uint32_t i = 0; !value && i < s->scope.args.count; i++)
		if (!strcmp(s->scope.args.items[i].key, name))
			value = s->scope.args.items[i].value;
	if (value && *value && plan_is_secret(str_from(name)))
		return "***";
	return value;
}

static struct str arg_name(const char *word)
{
	struct str name = str_from(word);
	ptrdiff_t equals = str_find(name, '=');

	return equals < 0 ? name : str_head(name, (size_t)equals);
}

static void put_args(struct staging *s, struct buf *out, const struct dockerfile_step *step)
{
	(void)buf_add_text(out, "ARG");
	for (uint32_t i = 0; i < step->words.count; i++) {
		const char *name = arena_text(s->arena, arg_name(step->words.items[i]));
		const char *value = name ? arg_value(s, name) : NULL;

		(void)buf_printf(out, " %s%s%s", name ? name : "", value ? "=" : "",
				 value ? value : "");
	}
}

/* "|1 NAME=value " in front of the words: what ARG has declared by now. */
static void put_run(struct staging *s, struct buf *out, const struct build_op *op)
{
	const struct image_texts *declared = &s->scope.declared;

	(void)buf_add_text(out, "RUN");
	if (declared->count > 0)
		(void)buf_printf(out, " |%u", declared->count);
	for (uint32_t i = 0; i < declared->count; i++) {
		const char *value = arg_value(s, declared->items[i]);

		(void)buf_printf(out, " %s=%s", declared->items[i], value ? value : "");
	}
	for (uint32_t i = 0; i < op->argv.count; i++)
		(void)buf_printf(out, " %s", op->argv.items[i]);
	(void)buf_add_text(out, " # buildkit");
}

/* The destination as it was written, with its variables' values. */
static void put_copy(struct staging *s, struct buf *out, const struct dockerfile_step *step,
		     const struct build_op *op)
{
	const char *dest = op->dest;
	struct scope shown = s->scope;

	shown.masked = true; /* a URL may carry what an argument says */
	(void)scope_expand(&s->scope, step->words.items[step->words.count - 1], &dest, NULL);
	(void)buf_printf(out, "%s%s", dockerfile_kind_name(step->kind),
			 op->parents ? " --parents" : "");
	if (*op->chown)
		(void)buf_printf(out, " --chown=%s", op->chown);
	if (*op->chmod)
		(void)buf_printf(out, " --chmod=%s", op->chmod);
	for (uint32_t i = 0; i + 1 < step->words.count; i++) {
		const char *source = step->words.items[i];

		(void)scope_expand(&shown, source, &source, NULL);
		(void)buf_printf(out, " %s", source);
	}
	for (uint32_t i = 0; i < op->file_count; i++)
		(void)buf_printf(out, " <<%s", op->files[i].name);
	(void)buf_printf(out, " %s # buildkit", dest);
}

static void put_words(struct staging *s, struct buf *out, const struct dockerfile_step *step)
{
	(void)buf_add_text(out, dockerfile_kind_name(step->kind));
	for (uint32_t i = 0; i < step->words.count; i++) {
		const char *text = step->words.items[i];

		(void)scope_expand(&s->scope, text, &text, NULL);
		(void)buf_printf(out, " %s", text);
	}
}

/* With the values of before: a name that the line itself sets counts behind it. */
static void put_pairs(struct staging *s, struct buf *out, const struct dockerfile_step *step)
{
	(void)buf_add_text(out, dockerfile_kind_name(step->kind));
	for (uint32_t i = 0; i < s->pairs.count; i++)
		(void)buf_printf(out, "%c%s", i % 2 ? '=' : ' ', s->pairs.items[i]);
}

static void put_volumes(struct staging *s, struct buf *out, const struct dockerfile_step *step)
{
	struct image_texts words = { 0 };

	(void)staging_expand(s, &step->words, &words, NULL);
	(void)buf_add_text(out, "VOLUME");
	put_list(out, &words, false);
}

/* What words of the instruction became, not how they are written. */
static void put_lists(struct staging *s, struct buf *out, const struct dockerfile_step *step,
		      const struct image_texts *ports)
{
	const struct image *image = &s->stage->image;
	bool quoted = step->kind == DOCKERFILE_KIND_CMD || step->kind == DOCKERFILE_KIND_ENTRYPOINT;
	const struct image_texts *list = step->kind == DOCKERFILE_KIND_CMD     ? &image->cmd
					 : quoted			       ? &image->entrypoint
					 : step->kind == DOCKERFILE_KIND_SHELL ? &image->shell
									       : ports;

	(void)buf_add_text(out, dockerfile_kind_name(step->kind));
	put_list(out, list, quoted);
}

/* false: it leaves no trace of its own. */
static bool put_line(struct staging *s, struct buf *out, const struct dockerfile_step *step,
		     const struct image_texts *ports)
{
	const struct build_op *op =
		s->stage->op_count ? &s->stage->ops[s->stage->op_count - 1] : NULL;

	switch (step->kind) {
	case DOCKERFILE_KIND_RUN:
		put_run(s, out, op);
		break;
	case DOCKERFILE_KIND_COPY:
	case DOCKERFILE_KIND_ADD:
		put_copy(s, out, step, op);
		break;
	case DOCKERFILE_KIND_CMD:
	case DOCKERFILE_KIND_ENTRYPOINT:
	case DOCKERFILE_KIND_SHELL:
	case DOCKERFILE_KIND_EXPOSE:
		put_lists(s, out, step, ports);
		break;
	case DOCKERFILE_KIND_HEALTHCHECK:
		put_health(out, &s->stage->image.health);
		break;
	case DOCKERFILE_KIND_ARG:
		put_args(s, out, step);
		break;
	case DOCKERFILE_KIND_WORKDIR:
		(void)buf_printf(out, "WORKDIR %s", s->stage->image.workdir);
		break;
	case DOCKERFILE_KIND_VOLUME:
		put_volumes(s, out, step);
		break;
	case DOCKERFILE_KIND_USER:
	case DOCKERFILE_KIND_STOPSIGNAL:
		put_words(s, out, step);
		break;
	case DOCKERFILE_KIND_MAINTAINER:
		(void)buf_printf(out, "MAINTAINER %s", step->words.items[0]);
		break;
	case DOCKERFILE_KIND_ENV:
	case DOCKERFILE_KIND_LABEL:
		put_pairs(s, out, step);
		break;
	case DOCKERFILE_KIND_FROM:
	case DOCKERFILE_KIND_ONBUILD:
		return false;
	}
	return true;
}

const char *plan_history(struct staging *s, const struct dockerfile_step *step,
			 const struct image_texts *ports)
{
	struct buf out OWN(buf_done) = { 0 };

	buf_init(&out, HISTORY_TEXT_MAX);
	if (!put_line(s, &out, step, ports))
		return "";
	if (buf_error(&out) < 0 || out.len >= IMAGE_TEXT_MAX)
		return step->text;
	return arena_text(s->arena, buf_str(&out));
}
