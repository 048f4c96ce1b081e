/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns what happens when PID 1 itself faults. The kernel would panic; this reboots and leaves the
 * reason where the next boot finds it. The handler must never allocate, lock or wait for a disk
 * longer than one small write.
 */
#include "init/fault.h"
#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/reboot.h>
#include <ucontext.h>
#include <unistd.h>
#include "lib/fs.h"
#include "lib/own.h"

enum { LINE_MAX_BYTES = 160, STACK_BYTES = 16384 };

static int pmsg_fd = -1, kmsg_fd = -1;
static volatile int file_fd = -1;

struct line {
	char text[LINE_MAX_BYTES];
	size_t len;
};

static void add(struct line *line, const char *text)
{
	while (*text != '\0' && line->len < sizeof(line->text) - 1)
		line->text[line->len++] = *text++;
	line->text[line->len] = '\0';
}

static void add_hex(struct line *line, uintptr_t value)
{
	static const char digits[] = "0123456789abcdef";
	bool begun = false;

	add(line, "0x");
	for (int shift = (int)sizeof(value) * 8 - 4; shift >= 0; shift -= 4) {
		char digit[2] = { digits[value >> shift & 15], '\0' };

		begun = begun || digit[0] != '0' || shift == 0;
		if (begun)
			add(line, digit);
	}
}

static void last_words(const struct line *line) __attribute__((noreturn));

static void last_words(const struct line *line)
{
	/* The quick ones first: the disk may hang. */
	if (pmsg_fd >= 0)
		(void)!write(pmsg_fd, line->text, line->len);
	if (kmsg_fd >= 0) {
		struct line urgent = { .len = 0 };

		add(&urgent, "<1>"); /* else the kernel does not show it on the console */
		add(&urgent, line->text);
		(void)!write(kmsg_fd, urgent.text, urgent.len);
	}
	(void)!write(STDERR_FILENO, line->text, line->len);
	if (file_fd >= 0) {
		(void)!pwrite(file_fd, line->text, line->len, 0);
		(void)fdatasync(file_fd);
	}
	(void)reboot(RB_AUTOBOOT);
	_exit(134);
}

static const char *signal_word(int number)
{
	switch (number) {
	case SIGSEGV:
		return "SIGSEGV";
	case SIGBUS:
		return "SIGBUS";
	case SIGILL:
		return "SIGILL";
	case SIGFPE:
		return "SIGFPE";
	case SIGABRT:
		return "SIGABRT";
	case SIGSYS:
		return "SIGSYS";
	default:
		return "signal";
	}
}

static void on_fault(int number, siginfo_t *info, void *context)
{
	const ucontext_t *uc = context;
	struct line line = { .len = 0 };

	add(&line, "init fault: ");
	add(&line, signal_word(number));
	add(&line, " at address ");
	add_hex(&line, (uintptr_t)info->si_addr);
	add(&line, ", pc ");
	add_hex(&line, (uintptr_t)uc->uc_mcontext.gregs[REG_RIP]);
	/* The load address is random: only the distance to something known names the place. */
	add(&line, ", base ");
	add_hex(&line, (uintptr_t)&fault_install);
	add(&line, "\n");
	last_words(&line);
}

void fault_install(void)
{
	static const int numbers[] = { SIGSEGV, SIGBUS, SIGILL, SIGFPE, SIGABRT, SIGSYS };
	static char stack[STACK_BYTES];
	stack_t alternate = { .ss_sp = stack, .ss_size = sizeof(stack) };
	struct sigaction action = { .sa_sigaction = on_fault,
				    .sa_flags = (int)(SA_SIGINFO | SA_ONSTACK | SA_RESETHAND) };

	/* The stack may be what broke. */
	(void)sigaltstack(&alternate, NULL);
	for (size_t i = 0; i < ARRAY_LEN(numbers); i++)
		(void)sigaction(numbers[i], &action, NULL);
}

void fault_open(void)
{
	pmsg_fd = fs_open(AT_FDCWD, "/dev/pmsg0", FS_HOST, O_WRONLY, 0, NULL);
	kmsg_fd = fs_open(AT_FDCWD, "/dev/kmsg", FS_HOST, O_WRONLY, 0, NULL);
}

void fault_use_file(void)
{
	if (file_fd < 0)
		file_fd = fs_open(AT_FDCWD, "/data/state/fault", FS_HOST, O_WRONLY, 0, NULL);
}

void fault_release_file(void)
{
	int fd = file_fd;

	file_fd = -1;
	own_close(&fd);
}

void fault_die(const char *what)
{
	struct line line = { .len = 0 };

	add(&line, "init fault: ");
	add(&line, what);
	add(&line, "\n");
	last_words(&line);
}
