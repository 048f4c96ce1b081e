/* SPDX-License-Identifier: Apache-2.0 */
/*
 * config pin: a service's image by its digest, as an edit of the candidate. Runs in the console
 * program.
 */
#include <errno.h>
#include <string.h>
#include "engine/api/engine_msg.h"
#include "init/console/config.h"
#include "init/console/verb_json.h"
#include "lib/own.h"

/* "docker.io/library/redis:7" is what "redis:7" means, "x/y:latest" what "x/y" does. */
static bool means(struct str reference, struct str given)
{
	static const char *const tails[] = { "", ":latest" };
	static const char *const heads[] = { "", "docker.io/", "docker.io/library/" };

	for (size_t h = 0; h < ARRAY_LEN(heads); h++) {
		struct str rest = reference;

		if (!str_starts(rest, str_from(heads[h])))
			continue;
		rest = str_skip(rest, strlen(heads[h]));
		for (size_t t = 0; t < ARRAY_LEN(tails); t++)
			if (str_starts(rest, given) && str_is(str_skip(rest, given.len), tails[t]))
				return true;
	}
	return false;
}

static int image_of(struct console *console, const char *service, struct engine_row *ret_row,
		    struct err *err)
{
	struct msg reply OWN(msg_done) = { 0 };
	struct wire in;
	uint32_t count;
	int r = console_call(console, CONSOLE_SERVER_ENGINE, ENGINE_MSG_PS, STR(""), &reply, err);

	if (r < 0)
		return r;
	wire_init(&in, reply.body.ptr, reply.body.len);
	count = wire_count(&in, 2 * ENGINE_ROWS_MAX);
	for (uint32_t i = 0; i < count && !in.error; i++) {
		engine_row_get(&in, ret_row);
		if (!in.error && ret_row->declared && !strcmp(ret_row->name, service))
			return 0;
	}
	return err_set(err, -ENOENT, "no service is called '%s'; `ps` lists them", service);
}

static int digest_of(struct console *console, const char *image, char *dst, size_t cap,
		     struct err *err)
{
	struct msg reply OWN(msg_done) = { 0 };
	struct engine_image row;
	struct wire in;
	uint32_t count;
	int r = console_call(console, CONSOLE_SERVER_ENGINE, ENGINE_MSG_IMAGES, STR(""), &reply,
			     err);

	if (r < 0)
		return r;
	wire_init(&in, reply.body.ptr, reply.body.len);
	count = wire_count(&in, 65536);
	for (uint32_t i = 0; i < count && !in.error; i++) {
		engine_image_get(&in, &row);
		if (!in.error && means(str_from(row.reference), str_from(image)))
			return str_copy(str_from(row.digest), dst, cap) < 0 ? -E2BIG : 0;
	}
	return err_set(err, -ENOENT, "%s is not on this machine; `pull` it first", image);
}

/* "host:5000/x/y:tag" without its tag. */
static struct str without_tag(struct str image)
{
	size_t cut = image.len;

	for (size_t i = image.len; i > 0 && image.ptr[i - 1] != '/'; i--)
		if (image.ptr[i - 1] == ':')
			cut = i - 1;
	return str_head(image, cut);
}

/* The store knows it under its new name, so that nothing has to be asked for. */
static int name_it(struct console *console, const char *image, const char *pinned, struct err *err)
{
	struct msg reply OWN(msg_done) = { 0 };
	struct buf body OWN(buf_done) = { 0 };

	buf_init(&body, 2048);
	wire_put_text(&body, image);
	wire_put_text(&body, pinned);
	return console_call(console, CONSOLE_SERVER_ENGINE, ENGINE_MSG_TAG, buf_str(&body), &reply,
			    err);
}

int console_config_pin(struct console *console, const char *service, struct err *err)
{
	struct buf section OWN(buf_done) = { 0 }, pinned OWN(buf_done) = { 0 };
	struct engine_row row;
	struct err tag = { 0 };
	char digest[80];
	int r = image_of(console, service, &row, err);

	if (r < 0)
		return r;
	if (strchr(row.image, '@'))
		return err_set(err, -EALREADY, "%s is pinned: %s", service, row.image);
	r = digest_of(console, row.image, digest, sizeof(digest), err);
	if (r < 0)
		return r;
	buf_init(&section, 128);
	buf_init(&pinned, 1024);
	(void)buf_printf(&section, "service %s", service);
	(void)buf_printf(&pinned, "%.*s@%s", STR_ARG(without_tag(str_from(row.image))), digest);
	r = console_config_key(console, buf_str(&section), STR("image"), buf_text(&pinned), err);
	if (r < 0)
		return r;
	console->json_name = "note";
	if (console->json)
		CONSOLE_OBJECT(console, JSON_TEXT("name", service),
			       JSON_TEXT("image", buf_text(&pinned)));
	else
		console_printf(console, "image = %s; `config apply` makes it count\n",
			       buf_text(&pinned));
	if (name_it(console, row.image, buf_text(&pinned), &tag) < 0)
		console_printf(console, "it will be asked for under that name: %s\n",
			       err_text(&tag));
	return 0;
}
