/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns what a role says before one of its own faults ends it: without that line a crash leaves
 * nothing but a process that is gone. Each role of the engine and of netd asks for it in main().
 * Must do nothing in the handler but write the line, and must never keep the fault from ending the
 * process.
 */
#include <signal.h>
#include <stdint.h>
#include <ucontext.h>
#include <unistd.h>
#include "lib/log.h"
#include "lib/own.h"

enum { LAST_STACK_SIZE = 16384 };

/* Where the program was loaded: it is position-independent, and its map counts from here. */
extern const char __ehdr_start[] __attribute__((visibility("hidden")));

static uintptr_t place(const void *context)
{
	const ucontext_t *at = context;

#if defined(__x86_64__)
	return (uintptr_t)at->uc_mcontext.gregs[REG_RIP];
#elif defined(__aarch64__)
	return (uintptr_t)at->uc_mcontext.pc;
#else
	(void)at;
	return 0;
#endif
}

static void last_words(int signal, siginfo_t *info, void *context)
{
	log_err("ended by signal %d: at +0x%lx, address 0x%lx, code %d", signal,
		(unsigned long)(place(context) - (uintptr_t)__ehdr_start),
		(unsigned long)(uintptr_t)info->si_addr, info->si_code);
	/* A fault comes again by itself; what somebody sent does not, and the first process of a
	 * PID namespace is not ended by what it sends itself. */
	(void)raise(signal);
	if (info->si_code <= 0)
		_exit(128 + signal);
}

void log_last_words(void)
{
	static const int faults[] = { SIGSEGV, SIGBUS, SIGILL, SIGFPE, SIGABRT, SIGSYS };
	static char stack[LAST_STACK_SIZE]; /* its own may be what ran out */
	const stack_t own = { .ss_sp = stack, .ss_size = sizeof(stack) };
	struct sigaction action = { .sa_sigaction = last_words,
				    .sa_flags = (int)(SA_SIGINFO | SA_ONSTACK | SA_NODEFER |
						      SA_RESETHAND) };

	(void)sigaltstack(&own, NULL);
	for (size_t i = 0; i < ARRAY_LEN(faults); i++)
		(void)sigaction(faults[i], &action, NULL);
}
