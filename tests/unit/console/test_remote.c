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
	static struct words words;
	struct err err = { 0 };
	size_t size = 0;

	buf_init(&out, 4096);
	ok(remote_request_put(&out, request, 4, &err) == 0 &&
		   remote_request_size((const unsigned char *)out.data, &size, &err) == 0 &&
		   size + 4 == out.len,
	   "a request has its length in front");
	ok(remote_request_get(str_make(out.data + 4, size), &words, &err) == 0 &&
		   words.count == 4 && !strcmp(words.items[2], request[2]) && !*words.items[3] &&
		   !words.items[4],
	   "words come over as they are, empty ones too");
	is_int(remote_request_get(str_make("ps", 2), &words, &err), -EBADMSG, "no end");
	is_int(remote_request_get(str_make("\0a\0", 3), &words, &err), -EBADMSG, "no name");
	is_int(remote_request_put(&out, request, 0, &err), -E2BIG, "no words");
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
