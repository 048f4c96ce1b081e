/* SPDX-License-Identifier: Apache-2.0 */
/* The words of exec, as docker's. */
#include <errno.h>
#include <string.h>
#include "init/console/exec_words.h"
#include "tests/unit/tap.h"

static struct words words;
static struct exec_wish wish;

static int parse(const char *line)
{
	int r = words_split(str_from(line), &words, NULL);

	return r < 0 ? r : exec_words_parse(&words, &wish, NULL);
}

static void flags(void)
{
	ok(parse("exec web id -t") == 0 && !wish.tty && !wish.input && !*wish.user &&
		   !strcmp(wish.name, "web") && !strcmp(wish.command[1], "-t") &&
		   !wish.command[2] && !wish.env[0],
	   "what stands behind the name is the command's");
	ok(parse("exec -i web cat") == 0 && wish.input && !wish.tty, "-i is no -t");
	ok(parse("exec -it web sh") == 0 && wish.input && wish.tty, "-it");
	ok(parse("exec -ti web sh") == 0 && wish.input && wish.tty, "-ti");
	ok(parse("exec --interactive --tty --privileged web sh") == 0 && wish.input && wish.tty &&
		   wish.privileged,
	   "long names");
}

static void values(void)
{
	ok(parse("exec -u 5:6 -w /tmp -e A=1 -e B= web env") == 0 && !strcmp(wish.user, "5:6") &&
		   !strcmp(wish.cwd, "/tmp") && !strcmp(wish.env[0], "A=1") &&
		   !strcmp(wish.env[1], "B=") && !wish.env[2],
	   "values behind their options");
	ok(parse("exec --user=web --workdir=/x --env=A=b -uroot web env") == 0 &&
		   !strcmp(wish.user, "root") && !strcmp(wish.env[0], "A=b"),
	   "with '=', or at once behind the letter");
	is_int(parse("exec -e A web env"), -EINVAL, "a variable without its value");
	is_int(parse("exec -e =x web env"), -EINVAL, "a value without its variable");
	is_int(parse("exec -u \"\" web env"), -EINVAL, "an empty user");
	is_int(parse("exec web -u"), 0, "an option of the command's");
	is_int(parse("exec -u"), -EINVAL, "nothing behind an option");
}

static void wrong(void)
{
	is_int(parse("exec"), -EINVAL, "no words");
	is_int(parse("exec web"), -EINVAL, "no command");
	is_int(parse("exec -d web id"), -EINVAL, "an option that is none of ours");
	is_int(parse("exec - web id"), -EINVAL, "a dash alone");
	is_int(parse("exec -- web id"), -EINVAL, "two of them");
	is_int(parse("exec --usex a web id"), -EINVAL, "nearly an option");
}

int main(void)
{
	flags();
	values();
	wrong();
	return tap_done();
}
