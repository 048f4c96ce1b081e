/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Variables of Compose files: where they come from and what they stand for. Runs in the api role,
 * on foreign text. Pure; must never take a variable of the process itself.
 */
#include "engine/compose/env.h"

#include <errno.h>
#include <string.h>
#include "lib/own.h"

static bool name_byte(char c, bool first)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' ||
	       (!first && c >= '0' && c <= '9');
}

static struct env_variable *find(const struct env *env, struct str name)
{
	for (uint32_t i = 0; i < env->count; i++)
		if (str_is(name, env->variables[i].name))
			return &env->variables[i];
	return NULL;
}

const char *env_get(const struct env *env, struct str name)
{
	const char *above = env && env->above ? env_get(env->above, name) : NULL;
	const struct env_variable *own = env && !above ? find(env, name) : NULL;

	return own ? own->value : above;
}

int env_set(struct env *env, struct str name, const char *value, unsigned line, struct err *err)
{
	struct env_variable *variable = find(env, name), *more;
	const char *copy = value ? arena_text(env->arena, str_from(value)) : NULL;

	if (!variable && env->count == env->room) {
		if (env->room == ENV_VARIABLES_MAX)
			return err_set(err, -E2BIG, "more than %d variables", ENV_VARIABLES_MAX);
		env->room = env->room ? 2 * env->room : 16;
		more = arena_array(env->arena, env->room, sizeof(*more));
		if (more && env->count)
			memcpy(more, env->variables, env->count * sizeof(*more));
		if (more)
			env->variables = more;
		if (!more)
			return err_set(err, -ENOMEM, "no memory for variables");
	}
	if (!variable) {
		variable = &env->variables[env->count];
		variable->name = arena_text(env->arena, name);
		if (variable->name)
			env->count++;
	}
	if (!variable->name || (value && !copy))
		return err_set(err, -ENOMEM, "no memory for variables");
	variable->value = copy;
	variable->line = line;
	return 0;
}

/* ---- variables in a text ---- */

/* Where the variables of a text come from, and where it goes. */
struct expansion {
	const struct env *env;
	struct buf *out, *unset;
};

static int expand(const struct expansion *to, struct str text, unsigned depth, struct err *err);

/* Where the brace ends that was opened in front of `rest`; -1 when it does not. */
static ptrdiff_t closing(struct str rest)
{
	unsigned open = 1;

	for (size_t i = 0; i < rest.len; i++) {
		if (rest.ptr[i] == '$' && i + 1 < rest.len && rest.ptr[i + 1] == '$')
			i++;
		else if (rest.ptr[i] == '$' && i + 1 < rest.len && rest.ptr[i + 1] == '{')
			open++;
		else if (rest.ptr[i] == '}' && !--open)
			return (ptrdiff_t)i;
	}
	return -1;
}

/* Blank, as Docker Compose takes it. */
static void not_set(const struct expansion *to, struct str name)
{
	if (to->unset)
		(void)buf_printf(to->unset, "%.*s\n", STR_ARG(name));
}

/* ${NAME:?text}: the text is what is said. */
static int demanded(const struct expansion *to, struct str name, struct str text, unsigned depth,
		    struct err *err)
{
	struct buf said OWN(buf_done) = { 0 };
	int r;

	buf_init(&said, 300);
	r = expand(&(struct expansion){ to->env, &said, NULL }, text, depth, err);
	if (r < 0 && r != -ENOSPC)
		return r;
	return err_set(err, -EINVAL, "%.*s is not set%s%s", (int)(name.len < 100 ? name.len : 100),
		       name.ptr, said.len ? ": " : "", buf_text(&said));
}

/* What stands between braces. */
static int braced(const struct expansion *to, struct str inner, unsigned depth, struct err *err)
{
	struct str name = inner, rest;
	const char *value;
	bool colon, set;
	char sign;

	name.len = 0;
	while (name.len < inner.len && name_byte(inner.ptr[name.len], !name.len))
		name.len++;
	rest = str_skip(inner, name.len);
	colon = rest.len > 1 && rest.ptr[0] == ':';
	rest = str_skip(rest, colon);
	sign = rest.len ? rest.ptr[0] : 0;
	if (!name.len || depth > ENV_DEPTH_MAX || (rest.len && !strchr("-+?", sign)))
		return err_set(err, -EINVAL, "'${%.*s}' is no variable",
			       (int)(inner.len < 100 ? inner.len : 100), inner.ptr);
	value = env_get(to->env, name);
	set = value && (!colon || *value);
	rest = str_skip(rest, 1);
	if (sign == '+')
		return set ? expand(to, rest, depth, err) : 0;
	if (set)
		return buf_add_text(to->out, value);
	if (sign == '-')
		return expand(to, rest, depth, err);
	if (sign == '?')
		return demanded(to, name, rest, depth, err);
	not_set(to, name);
	return 0;
}

/* Behind a '$': bytes that were read. */
static int64_t variable(const struct expansion *to, struct str rest, unsigned depth,
			struct err *err)
{
	struct str name = rest;
	const char *value;
	ptrdiff_t end;
	int r;

	if (rest.len && rest.ptr[0] == '$')
		return buf_add_byte(to->out, '$') < 0 ? -ENOSPC : 1;
	if (rest.len && rest.ptr[0] == '{') {
		end = closing(str_skip(rest, 1));
		if (end < 0)
			return err_set(err, -EINVAL, "'${' without its '}'");
		r = braced(to, str_head(str_skip(rest, 1), (size_t)end), depth + 1, err);
		return r < 0 ? r : end + 2;
	}
	name.len = 0;
	while (name.len < rest.len && name_byte(rest.ptr[name.len], !name.len))
		name.len++;
	if (!name.len)
		return err_set(err, -EINVAL, "a '$' that begins no variable ('$$' is a dollar)");
	value = env_get(to->env, name);
	if (!value)
		not_set(to, name);
	return value && buf_add_text(to->out, value) < 0 ? -ENOSPC : (int64_t)name.len;
}

static int expand(const struct expansion *to, struct str text, unsigned depth, struct err *err)
{
	for (size_t i = 0; i < text.len && !buf_error(to->out);) {
		int64_t n;

		if (text.ptr[i] != '$') {
			(void)buf_add_byte(to->out, (unsigned char)text.ptr[i++]);
			continue;
		}
		n = variable(to, str_skip(text, i + 1), depth, err);
		if (n < 0)
			return (int)n;
		i += (size_t)n + 1;
	}
	return buf_error(to->out) ? err_set(err, -ENOSPC, "too long") : 0;
}

int env_expand(const struct env *env, struct str text, struct buf *out, struct buf *unset,
	       struct err *err)
{
	return expand(&(struct expansion){ env, out, unset }, text, 0, err);
}

/* ---- files ---- */

struct env_reader {
	struct env *env;
	struct env within; /* nothing of its own: what lines may name */
	struct str rest;   /* of the file */
	const char *end;
	unsigned line;
};

static struct str next_line(struct env_reader *reader)
{
	struct str line = { 0 };

	(void)str_cut(&reader->rest, '\n', &line);
	reader->line++;
	if (line.len && line.ptr[line.len - 1] == '\r')
		line.len--;
	return line;
}

/* What stands in quotes, over lines if need be; '$' keeps its sense in double ones alone. */
static int quoted(struct env_reader *reader, struct str value, struct buf *out, struct err *err)
{
	char quote = value.ptr[0];
	unsigned line = reader->line;
	const char *end = reader->end, *p = value.ptr + 1;

	for (; p < end && *p != quote; p++) {
		reader->line += *p == '\n';
		if (quote == '\'' || *p != '\\' || p + 1 == end) {
			(void)buf_add_byte(out, (unsigned char)*p);
			continue;
		}
		p++;
		if (*p == '$')
			(void)buf_add_text(out, "$$");
		else
			(void)buf_add_byte(out, *p == 'n'   ? '\n'
						: *p == 'r' ? '\r'
						: *p == 't' ? '\t'
							    : (unsigned char)*p);
	}
	if (p >= end)
		return err_set(err, -EBADMSG, "line %u: quotes that do not end", line);
	reader->rest = str_make(p + 1, (size_t)(end - p - 1));
	value = str_trim(next_line(reader));
	reader->line--;
	return value.len && value.ptr[0] != '#'
		       ? err_set(err, -EBADMSG, "line %u: text behind the quotes", reader->line)
		       : 0;
}

/* Without a comment behind it. */
static struct str unquoted(struct str value)
{
	for (size_t i = 0; i < value.len; i++)
		if (value.ptr[i] == '#' &&
		    (!i || value.ptr[i - 1] == ' ' || value.ptr[i - 1] == '\t'))
			return str_trim(str_head(value, i));
	return str_trim(value);
}

static int take_value(struct env_reader *reader, struct str name, struct str value, struct err *err)
{
	struct buf text OWN(buf_done) = { 0 }, out OWN(buf_done) = { 0 };
	char quote = value.len ? value.ptr[0] : 0;
	unsigned line = reader->line;
	int r = 0;

	buf_init(&text, ENV_VALUE_MAX);
	buf_init(&out, ENV_VALUE_MAX);
	if (quote == '\'' || quote == '"')
		r = quoted(reader, value, &text, err);
	else
		(void)buf_add_str(&text, unquoted(value));
	if (r >= 0 && quote == '\'')
		(void)buf_add_str(&out, buf_str(&text));
	else if (r >= 0 && env_expand(&reader->within, buf_str(&text), &out, NULL, err) < 0)
		return err ? err_prefix(err, "line %u", line) : -EINVAL;
	if (r >= 0 && (buf_error(&text) || buf_error(&out)))
		r = err_set(err, -E2BIG, "line %u: too long", line);
	return r < 0 ? r : env_set(reader->env, name, buf_text(&out), line, err);
}

static struct str name_of(struct str line)
{
	size_t len = 0;

	while (len < line.len && line.ptr[len] != '=' && line.ptr[len] != ':' &&
	       line.ptr[len] != ' ' && line.ptr[len] != '\t')
		len++;
	return str_head(line, len);
}

static int take_line(struct env_reader *reader, struct str line, bool raw, struct err *err)
{
	struct str name, rest;

	line = raw ? line : str_trim(line);
	if (!line.len || line.ptr[0] == '#')
		return 0;
	if (!raw && str_starts(line, STR("export ")))
		line = str_trim(str_skip(line, 7));
	name = raw && str_find(line, '=') >= 0 ? str_head(line, (size_t)str_find(line, '='))
					       : name_of(line);
	rest = raw ? str_skip(line, name.len) : str_trim(str_skip(line, name.len));
	if (!name.len || name.len > ENV_NAME_MAX ||
	    (rest.len && rest.ptr[0] != '=' && (raw || rest.ptr[0] != ':')))
		return err_set(err, -EBADMSG, "line %u: NAME=value is expected", reader->line);
	if (!rest.len)
		return env_set(reader->env, name, env_get(&reader->within, name), reader->line,
			       err);
	rest = str_skip(rest, 1);
	if (raw) {
		const char *value = arena_text(reader->env->arena, rest);

		return value ? env_set(reader->env, name, value, reader->line, err)
			     : err_set(err, -ENOMEM, "no memory for variables");
	}
	return take_value(reader, name, str_trim(rest), err);
}

int env_read(struct env *env, const struct env *with, struct str text, bool raw, struct err *err)
{
	struct env both = { .above = with, .variables = env->variables, .count = env->count };
	struct env_reader reader = { .env = env,
				     .rest = text,
				     .end = text.len ? text.ptr + text.len : NULL };
	int r = 0;

	if (str_find(text, 0) >= 0)
		return err_set(err, -EBADMSG, "a file of variables holds no zero bytes");
	if (str_starts(text, STR("\xef\xbb\xbf")))
		reader.rest = str_skip(text, 3);
	while (r >= 0 && reader.rest.len) {
		struct str line = next_line(&reader);

		both.variables = env->variables;
		both.count = env->count;
		reader.within = both;
		r = take_line(&reader, line, raw, err);
	}
	return r;
}
