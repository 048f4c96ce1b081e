/* SPDX-License-Identifier: Apache-2.0 */
/* The words of `run` as a section of services.ini; frames of what runs. */
#include "init/console/run_words.h"
#include <errno.h>
#include <string.h>
#include "tests/unit/tap.h"

static struct words words;
static struct run_wish wish;
static struct buf section;
static struct err err;

static int parse(const char *line)
{
	err = (struct err){ 0 };
	buf_done(&section);
	buf_init(&section, RUN_SECTION_MAX);
	return words_split(str_from(line), &words, &err) < 0
		       ? -EINVAL
		       : run_words_parse(&words, &wish, &section, &err);
}

static bool gives(const char *line, const char *text)
{
	return parse(line) >= 0 && !strcmp(buf_text(&section), text);
}

static void test_words(void)
{
	ok(gives("run busybox", "[service run]\nimage = busybox\nrestart = no\n") && !wish.detach &&
		   !wish.remove && !*wish.name && !strcmp(wish.image, "busybox"),
	   "an image alone: it ends when its program ends");
	ok(gives("run -d --rm --name web -p 8080:80 -v data:/var -e A=b --network lan shop/web:1 "
		 "sh "
		 "-c 'echo \"a b\"; exit'",
		 "[service run]\nports = 8080:80\nvolumes = data:/var\nenvironment = A=b\n"
		 "networks = lan\nimage = shop/web:1\nrestart = no\n"
		 "command = [\"sh\", \"-c\", \"echo \\\"a b\\\"; exit\"]\n") &&
		   wish.detach && wish.remove && !strcmp(wish.name, "web"),
	   "docker's options are keys of a section");
	ok(gives("run --publish=80:80 -p81:81 -itw /tmp --net=host i",
		 "[service run]\nports = 80:80\nports = 81:81\ntty = yes\nworking_dir = /tmp\n"
		 "networks = host\nimage = i\nrestart = no\n") &&
		   wish.tty,
	   "each way docker takes them: --a=b, -ab, several letters in one word");
	ok(gives("run --restart always --label a.b=c=d i",
		 "[service run]\nrestart = always\nlabels.a.b = c=d\nimage = i\n"),
	   "a policy, and a label");
	ok(gives("run --restart no --rm i ls -d --rm",
		 "[service run]\nimage = i\nrestart = no\ncommand = [\"ls\", \"-d\", \"--rm\"]\n"),
	   "behind the image all words are the command's");
}

static void test_alone(void)
{
	ok(gives("run -iP -p 80 -p 53/udp -v /data -v /a:/b -p 1:1 i",
		 "[service run]\nvolumes = /a:/b\nports = 1:1\nimage = i\nrestart = no\n"),
	   "what has no side of this machine is no key of a section");
	ok(wish.input && wish.publish && !wish.tty, "input, and all ports");
	ok(wish.port_count == 2 && !strcmp(wish.ports[0], "80") && !strcmp(wish.ports[1], "53/udp"),
	   "ports by chance");
	ok(wish.volume_count == 1 && !strcmp(wish.volumes[0], "/data"), "a volume without a name");
}

static void test_mistakes(void)
{
	ok(parse("run") == -EINVAL && parse("run -d") == -EINVAL, "an image is wanted");
	ok(parse("run --netwrok x i") == -EINVAL && strstr(err_text(&err), "--network"),
	   "an unknown option, and the nearest one");
	ok(parse("run -z i") == -EINVAL && strstr(err_text(&err), "-z"), "an unknown letter");
	ok(parse("run i -p") == 0 && parse("run -p") == -EINVAL, "an option without its value");
	ok(parse("run --rm=1 i") == -EINVAL, "a flag takes none");
	ok(parse("run -e NAME i") == -EINVAL && parse("run -e =x i") == -EINVAL,
	   "an environment is NAME=VALUE");
	ok(parse("run -e 'A=b\nprivileged = yes' i") == -EINVAL,
	   "a line end cannot bring another key along");
	ok(parse("run -w ' /tmp' i") == -EINVAL && parse("run -w '' i") == -EINVAL,
	   "blanks that would be lost");
	ok(parse("run --label 'a]\n[b=c' i") == -EINVAL && parse("run --label x i") == -EINVAL,
	   "a label's name is a key");
	ok(parse("run --rm --restart always i") == -EINVAL, "--rm and a policy");
	ok(parse("run -d -t i") == -EINVAL, "a terminal, and nobody at it");
}

static void test_patience(void)
{
	ok(run_pause_ms(0) == 2000 && run_pause_ms(2) == 8000 && run_pause_ms(5) == 60000 &&
		   run_pause_ms(4000000000U) == 60000,
	   "pauses double up to a minute");
	ok(run_retry_helps(-ECONNREFUSED) && run_retry_helps(-ETIMEDOUT) &&
		   !run_retry_helps(-ENOENT) && !run_retry_helps(-EACCES),
	   "who does not answer is asked again, who says no is not");
}

static void test_frames(void)
{
	static const char two[] = "\1\0\0\0\0\0\0\3abc\2\0\0\0\0\0\0\2de";
	struct run_frames frames = { .stream = 0 };
	char seen[3][8] = { "", "", "" };
	struct str rest, piece;
	int stream = 0, r = 0;

	for (size_t i = 0; i < sizeof(two) - 1 && r >= 0; i++) { /* as slowly as can be */
		rest = str_make(two + i, 1);
		r = run_frames_next(&frames, &rest, &piece, &stream, &err);
		if (piece.len)
			strncat(seen[stream], piece.ptr, piece.len);
	}
	ok(r >= 0 && !strcmp(seen[1], "abc") && !strcmp(seen[2], "de"), "byte by byte");
	frames = (struct run_frames){ .stream = 0 };
	rest = str_make(two, sizeof(two) - 1);
	ok(run_frames_next(&frames, &rest, &piece, &stream, &err) == 0 && str_is(piece, "abc") &&
		   stream == 1 && run_frames_next(&frames, &rest, &piece, &stream, &err) == 0 &&
		   str_is(piece, "de") && stream == 2 && !rest.len,
	   "at once");
	frames = (struct run_frames){ .stream = 0 };
	rest = STR("\3\0\0\0\0\0\0\1x");
	ok(run_frames_next(&frames, &rest, &piece, &stream, &err) == -EBADMSG, "no such stream");
}

int main(void)
{
	test_words();
	test_alone();
	test_mistakes();
	test_patience();
	test_frames();
	buf_done(&section);
	return tap_done();
}
