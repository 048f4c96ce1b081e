/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The names of signals, as Docker and the kernel have them. Pure. Must never depend on the C
 * library's own real-time range: it keeps some of it for itself, a container's kernel does not.
 */
#include "lib/signame.h"

#include <signal.h>
#include "lib/own.h"

enum { SIGNAL_LAST = 64, SIGNAL_RTMIN = 34 };

static const struct {
	const char *name;
	int number;
} names[] = {
	{ "HUP", SIGHUP },	 { "INT", SIGINT },	  { "QUIT", SIGQUIT },
	{ "ILL", SIGILL },	 { "TRAP", SIGTRAP },	  { "ABRT", SIGABRT },
	{ "IOT", SIGABRT },	 { "BUS", SIGBUS },	  { "FPE", SIGFPE },
	{ "KILL", SIGKILL },	 { "USR1", SIGUSR1 },	  { "SEGV", SIGSEGV },
	{ "USR2", SIGUSR2 },	 { "PIPE", SIGPIPE },	  { "ALRM", SIGALRM },
	{ "TERM", SIGTERM },	 { "STKFLT", SIGSTKFLT }, { "CHLD", SIGCHLD },
	{ "CLD", SIGCHLD },	 { "CONT", SIGCONT },	  { "STOP", SIGSTOP },
	{ "TSTP", SIGTSTP },	 { "TTIN", SIGTTIN },	  { "TTOU", SIGTTOU },
	{ "URG", SIGURG },	 { "XCPU", SIGXCPU },	  { "XFSZ", SIGXFSZ },
	{ "VTALRM", SIGVTALRM }, { "PROF", SIGPROF },	  { "WINCH", SIGWINCH },
	{ "IO", SIGIO },	 { "POLL", SIGIO },	  { "PWR", SIGPWR },
	{ "SYS", SIGSYS },
};

/* "RTMIN+3", "RTMAX-1"; 0 = neither. */
static int realtime(struct str text)
{
	bool low = text.len >= 5 && str_is_nocase(str_head(text, 5), "RTMIN");
	bool high = text.len >= 5 && str_is_nocase(str_head(text, 5), "RTMAX");
	struct str rest = str_skip(text, 5);
	uint64_t more = 0;

	if (!low && !high)
		return 0;
	if (rest.len > 0 &&
	    (rest.ptr[0] != (low ? '+' : '-') ||
	     str_to_u64(str_skip(rest, 1), 0, SIGNAL_LAST - SIGNAL_RTMIN, &more) < 0))
		return 0;
	return low ? SIGNAL_RTMIN + (int)more : SIGNAL_LAST - (int)more;
}

int signame_number(struct str name)
{
	uint64_t number = 0;

	if (str_to_u64(name, 1, SIGNAL_LAST, &number) == 0)
		return (int)number;
	if (name.len > 3 && str_is_nocase(str_head(name, 3), "SIG"))
		name = str_skip(name, 3);
	for (size_t i = 0; i < ARRAY_LEN(names); i++)
		if (str_is_nocase(name, names[i].name))
			return names[i].number;
	return realtime(name);
}
