/* SPDX-License-Identifier: Apache-2.0 */
/* hoy -H: the words of a command, heads of frames, who may do what. */
#include <errno.h>
#include <string.h>
#include "init/console/remote.h"
#include "init/console/console.h"
#include "tests/unit/tap.h"

static char *const request[] = { (char[]){ "exec" }, (char[]){ "box" }, (char[]){ "it's | \"it\"" },
				 (char[]){ "" } };

static void words_go_over(void)
{
	struct buf out = { 0 };
	const struct remote_screen screen = { 50, 300, true };
	struct remote_screen back;
	static struct words words;
	struct err err = { 0 };
	size_t size = 0;

	buf_init(&out, 4096);
	ok(remote_request_put(&out, request, 4, &screen, &err) == 0 &&
		   remote_request_size((const unsigned char *)out.data, &size, &err) == 0 &&
		   size + 4 + REMOTE_SCREEN_SIZE == out.len,
	   "a request has its length in front, its screen behind");
	remote_screen_get((const unsigned char *)out.data + 4 + size, &back);
	ok(back.rows == 50 && back.columns == 300 && back.keys, "the screen comes over");
	ok(remote_request_get(str_make(out.data + 4, size), &words, &err) == 0 &&
		   words.count == 4 && !strcmp(words.items[2], request[2]) && !*words.items[3] &&
		   !words.items[4],
	   "words come over as they are, empty ones too");
	is_int(remote_request_get(str_make("ps", 2), &words, &err), -EBADMSG, "no end");
	is_int(remote_request_get(str_make("\0a\0", 3), &words, &err), -EBADMSG, "no name");
	is_int(remote_request_put(&out, request, 0, &screen, &err), -E2BIG, "no words");
	buf_done(&out);
}

static void heads(void)
{
	unsigned char head[REMOTE_HEAD_SIZE];
	enum remote_frame kind = REMOTE_FRAME_END;
	struct err err = { 0 };
	size_t size = 0;

	remote_head_put(head, REMOTE_FRAME_OUTPUT, 70000);
	ok(remote_head_get(head, &kind, &size, &err) == 0 && kind == REMOTE_FRAME_OUTPUT &&
		   size == 70000,
	   "a head comes back");
	remote_head_put(head, REMOTE_FRAME_END, 2);
	is_int(remote_head_get(head, &kind, &size, &err), -EBADMSG, "an end has one byte");
	is_int(remote_head_get((const unsigned char *)"HTTP/", &kind, &size, &err), -EBADMSG,
	       "another protocol");
}

/* ---- what a client sends behind its words ---- */

/* Feeds all bytes, `step` at a time; input into taken, "S" for a screen, "." for the end. */
static int feed(const char *bytes, size_t len, size_t step, char *taken)
{
	struct remote_input input = { 0 };
	size_t at = 0;

	while (at < len) {
		size_t want = remote_input_want(&input, step);
		int got = remote_input_take(&input, (const unsigned char *)bytes + at, want, NULL);

		if (got < 0)
			return got;
		for (size_t i = 0; got == REMOTE_GOT_BYTES && i < want; i++)
			*taken++ = bytes[at + i];
		if (got == REMOTE_GOT_SCREEN || got == REMOTE_GOT_END)
			*taken++ = got == REMOTE_GOT_END ? '.' : 'S';
		at += want;
	}
	*taken = 0;
	return 0;
}

static void input(void)
{
	static const char frames[] = "\4\0\0\0\5hello\5\0\0\0\5\0\30\0\120\1\4\0\0\0\1!\4\0\0\0";
	char taken[64];

	for (size_t step = 1; step < 8; step++)
		ok(feed(frames, sizeof(frames), step, taken) == 0 && !strcmp(taken, "helloS!."),
		   "input, a screen and the end, %zu bytes at once", step);
	is_int(feed("\1\0\0\0\1", 5, 5, taken), -EBADMSG, "a client has no output");
	is_int(feed("\5\0\0\0\4", 5, 5, taken), -EBADMSG, "half a screen");
	is_int(feed("\4\1\0\0\0", 5, 5, taken), -EBADMSG, "more than a frame holds");
}

static enum remote_need need(const char *line)
{
	static struct words words;

	return words_split(str_from(line), &words, NULL) < 0 ? REMOTE_NEED_NOTHING
							     : remote_need(&words);
}

static void needs(void)
{
	is_int(need("ps"), REMOTE_NEED_NOTHING, "ps wants no input");
	is_int(need("exec web cat"), REMOTE_NEED_NOTHING, "nor exec");
	is_int(need("exec -i web cat"), REMOTE_NEED_BYTES, "exec -i does");
	is_int(need("--json exec -i -u 0 web cat"), REMOTE_NEED_BYTES, "also behind --json");
	is_int(need("exec -ti web cat"), REMOTE_NEED_KEYS, "exec -t wants keys");
	is_int(need("exec web cat -t"), REMOTE_NEED_NOTHING, "not the command's -t");
	is_int(need("run -i --name x busybox cat"), REMOTE_NEED_BYTES, "run -i");
	is_int(need("run --rm -it busybox"), REMOTE_NEED_KEYS, "run -it");
	is_int(need("run -d -i busybox"), REMOTE_NEED_NOTHING, "run -d");
	is_int(need("run busybox -it"), REMOTE_NEED_SCREEN, "run: Ctrl-C");
	is_int(need("config edit"), REMOTE_NEED_SCREEN, "config edit");
	is_int(need("config import"), REMOTE_NEED_BYTES, "config import");
	is_int(need("config show"), REMOTE_NEED_NOTHING, "config show");
	is_int(need("top"), REMOTE_NEED_SCREEN, "top");
	is_int(need("--json"), REMOTE_NEED_NOTHING, "no verb at all");
}

/* The least role that may say this line; 0 = none may. */
static enum gate_role least(const char *line)
{
	static struct words words;

	if (words_split(str_from(line), &words, NULL) < 0)
		return GATE_ROLE_COUNT;
	for (int role = GATE_ROLE_READER; role < GATE_ROLE_COUNT; role++)
		if (remote_may(&words, (enum gate_role)role, NULL) >= 0)
			return (enum gate_role)role;
	return 0;
}

int main(void)
{
	words_go_over();
	heads();
	input();
	needs();
	is_int(least("ps"), GATE_ROLE_READER, "a reader reads");
	is_int(least("--json config show hoy"), GATE_ROLE_READER,
	       "--json in front counts for nothing");
	is_int(least("config set hoy hostname x"), GATE_ROLE_ADMIN, "and does not change it");
	is_int(least("--json restart web"), GATE_ROLE_OPERATOR, "an operator restarts");
	is_int(least("tag a b"), GATE_ROLE_DEPLOYER, "a deployer names images");
	is_int(least("exec web id"), GATE_ROLE_ADMIN, "an admin gets into a container");
	is_int(least("claim"), 0, "nobody claims a machine from elsewhere");
	is_int(least("--json"), GATE_ROLE_ADMIN, "what has no row is an admin's");
	is_int(least("nonsense"), GATE_ROLE_ADMIN, "a verb that is none too");
	return tap_done();
}
