/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a client of `hoy -H` sends behind its words: its terminal's size and its input, in frames.
 * Pure; runs in the console program, the machine's side and the client's. Must never want more than
 * its caller has room for.
 */
#include "init/console/remote_input.h"

#include <errno.h>
#include <string.h>
#include "init/console/exec_words.h"
#include "init/console/remote.h"
#include "init/console/run_words.h"
#include "lib/own.h"

void remote_screen_put(unsigned char dst[REMOTE_SCREEN_SIZE], const struct remote_screen *screen)
{
	dst[0] = (unsigned char)(screen->rows >> 8);
	dst[1] = (unsigned char)screen->rows;
	dst[2] = (unsigned char)(screen->columns >> 8);
	dst[3] = (unsigned char)screen->columns;
	dst[4] = screen->keys;
}

void remote_screen_get(const unsigned char src[REMOTE_SCREEN_SIZE],
		       struct remote_screen *ret_screen)
{
	ret_screen->rows = (uint16_t)(src[0] << 8 | src[1]);
	ret_screen->columns = (uint16_t)(src[2] << 8 | src[3]);
	ret_screen->keys = src[4] != 0;
}

/* ---- frames ---- */

static bool is_screen(const struct remote_input *input)
{
	return input->head_len == sizeof(input->head) && input->head[0] == REMOTE_FRAME_SCREEN;
}

size_t remote_input_want(const struct remote_input *input, size_t cap)
{
	size_t want = input->left;

	if (input->head_len < sizeof(input->head))
		want = sizeof(input->head) - input->head_len;
	else if (is_screen(input))
		want = sizeof(input->size) - input->size_len;
	return want < cap ? want : cap;
}

/* The head is whole. */
static int begin_frame(struct remote_input *input, struct err *err)
{
	enum remote_frame kind;
	size_t size;
	int r = remote_head_get(input->head, &kind, &size, err);

	if (r < 0)
		return r;
	if (kind == REMOTE_FRAME_SCREEN) {
		input->size_len = 0;
		return REMOTE_GOT_NOTHING;
	}
	if (kind != REMOTE_FRAME_INPUT || size > REMOTE_INPUT_MAX)
		return err_set(err, -EBADMSG, "a client sends no such frame");
	input->left = size;
	if (size)
		return REMOTE_GOT_NOTHING;
	input->head_len = 0;
	input->over = true;
	return REMOTE_GOT_END;
}

int remote_input_take(struct remote_input *input, const unsigned char *bytes, size_t len,
		      struct err *err)
{
	if (input->head_len < sizeof(input->head)) {
		memcpy(input->head + input->head_len, bytes, len);
		input->head_len += len;
		return input->head_len < sizeof(input->head) ? (int)REMOTE_GOT_NOTHING
							     : begin_frame(input, err);
	}
	if (is_screen(input)) {
		memcpy(input->size + input->size_len, bytes, len);
		input->size_len += len;
		if (input->size_len < sizeof(input->size))
			return REMOTE_GOT_NOTHING;
		remote_screen_get(input->size, &input->screen);
		input->head_len = 0;
		return REMOTE_GOT_SCREEN;
	}
	input->left -= len;
	if (!input->left)
		input->head_len = 0;
	return REMOTE_GOT_BYTES;
}

/* ---- commands ---- */

static enum remote_need need_of_exec(const struct words *words)
{
	struct exec_wish wish;

	if (exec_words_parse(words, &wish, NULL) < 0)
		return REMOTE_NEED_NOTHING;
	return wish.tty ? REMOTE_NEED_KEYS : wish.input ? REMOTE_NEED_BYTES : REMOTE_NEED_NOTHING;
}

/* What runs in front of a person takes Ctrl-C as a wish to stop it. */
static enum remote_need need_of_run(const struct words *words)
{
	struct buf section OWN(buf_done) = { 0 };
	struct run_wish wish;

	buf_init(&section, RUN_SECTION_MAX);
	if (run_words_parse(words, &wish, &section, NULL) < 0 || wish.detach)
		return REMOTE_NEED_NOTHING;
	return wish.tty ? REMOTE_NEED_KEYS : wish.input ? REMOTE_NEED_BYTES : REMOTE_NEED_SCREEN;
}

enum remote_need remote_need(const struct words *words)
{
	static struct words rest;
	const char *verb;
	int skip = words->count > 1 && !strcmp(words->items[0], "--json");

	rest.count = words->count - skip;
	for (int i = 0; i <= rest.count; i++)
		rest.items[i] = words->items[i + skip];
	verb = rest.count ? rest.items[0] : "";
	if (!strcmp(verb, "exec"))
		return need_of_exec(&rest);
	if (!strcmp(verb, "run"))
		return need_of_run(&rest);
	if (!strcmp(verb, "config") && rest.count > 1 && !strcmp(rest.items[1], "import"))
		return REMOTE_NEED_BYTES;
	if (!strcmp(verb, "dashboard") || !strcmp(verb, "top") ||
	    (!strcmp(verb, "config") && rest.count > 1 && !strcmp(rest.items[1], "edit")))
		return REMOTE_NEED_SCREEN;
	return REMOTE_NEED_NOTHING;
}
