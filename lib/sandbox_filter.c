/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns the system-call lists of the profiles and their translation to BPF (seccomp(2)). Every role
 * runs it once, before it takes anything foreign. It must never fall back to a wider list: what a
 * profile does not name kills the process.
 *
 * The program is two runs of compare-and-return, for small numbers and for large ones: the kernel
 * keeps a bitmap of the numbers that are always allowed, so that only calls with checked arguments
 * ever run it. To make the bitmap it tries each number that it has: most are behind the last one.
 */
#include "lib/sandbox_filter.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/audit.h>
#include <linux/fs.h>
#include <linux/seccomp.h>
#include <linux/sockios.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include "lib/defence.h"
#include "lib/own.h"
#include "lib/sandbox_calls.h"

#if defined(__x86_64__)
#define NATIVE_ARCH AUDIT_ARCH_X86_64
#elif defined(__aarch64__)
#define NATIVE_ARCH AUDIT_ARCH_AARCH64
#else
#error "the sandbox knows x86_64 and aarch64"
#endif

/* ASan and LSan call more than the program does; such builds are for tests only. */
#if defined(__SANITIZE_ADDRESS__)
#define SANITIZED 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define SANITIZED 1
#endif
#endif
#ifndef SANITIZED
#define SANITIZED 0
#endif

enum { X32_BIT = 0x40000000 };

/* In sanitised builds a handler names the call before the process dies of the signal. */
static const uint32_t kill_action = SANITIZED ? SECCOMP_RET_TRAP : SECCOMP_RET_KILL_PROCESS;

static const unsigned profile_groups[] = {
	[SANDBOX_PROFILE_PARSER] = GROUP_PURE,
	[SANDBOX_PROFILE_COMPUTE] = GROUP_BASE,
	[SANDBOX_PROFILE_STORE] = GROUP_BASE | GROUP_FS,
	[SANDBOX_PROFILE_FILES] = GROUP_BASE | GROUP_FS | GROUP_OWNER,
	[SANDBOX_PROFILE_INET] = GROUP_BASE | GROUP_READ | GROUP_ACCEPT | GROUP_INET,
	[SANDBOX_PROFILE_SERVER] = GROUP_BASE | GROUP_ACCEPT,
	[SANDBOX_PROFILE_TTY] = GROUP_BASE | GROUP_READ | GROUP_TTY | GROUP_LOCAL,
	[SANDBOX_PROFILE_NETLINK] = GROUP_BASE | GROUP_FS | GROUP_ACCEPT | GROUP_INET |
				    GROUP_LOCAL | GROUP_LINK | GROUP_SPAWN,
};

/* Values that a checked argument may have, for those who are in one of the groups. */
struct allowed_value {
	uint32_t value;
	unsigned groups;
};

static const struct allowed_value socket_domains[] = {
	{ AF_INET, GROUP_INET },    { AF_INET6, GROUP_INET },  { AF_UNIX, GROUP_LOCAL },
	{ AF_NETLINK, GROUP_LINK }, { AF_PACKET, GROUP_LINK },
};

static const struct allowed_value ioctl_requests[] = {
	{ FIONREAD, GROUP_BASE },
	{ FIONBIO, GROUP_BASE },
	{ (uint32_t)FICLONE, GROUP_FS },
	{ (uint32_t)FICLONERANGE, GROUP_FS },
	{ (uint32_t)FS_IOC_GETFLAGS, GROUP_FS },
	{ (uint32_t)FS_IOC_SETFLAGS, GROUP_FS },
	{ (uint32_t)FS_IOC_FSGETXATTR, GROUP_FS },
	{ (uint32_t)FS_IOC_FSSETXATTR, GROUP_FS },
	{ 0x40806685, GROUP_FS }, /* FS_IOC_ENABLE_VERITY */
	{ 0xc0046686, GROUP_FS }, /* FS_IOC_MEASURE_VERITY */
	{ TCGETS, GROUP_TTY },
	{ TCSETS, GROUP_TTY },
	{ TCSETSW, GROUP_TTY },
	{ TCSETSF, GROUP_TTY },
	{ TCFLSH, GROUP_TTY },
	{ TCXONC, GROUP_TTY },
	{ TCSBRK, GROUP_TTY },
	{ TIOCGWINSZ, GROUP_TTY },
	{ TIOCSWINSZ, GROUP_TTY },
	{ TIOCSCTTY, GROUP_TTY },
	{ TIOCGPGRP, GROUP_TTY },
	{ TIOCSPGRP, GROUP_TTY },
	{ TIOCGSID, GROUP_TTY },
	{ TIOCMGET, GROUP_TTY }, /* its carrier */
	{ SIOCGIFINDEX, GROUP_LINK },
	{ SIOCGIFHWADDR, GROUP_LINK },
	{ SIOCGIFFLAGS, GROUP_LINK },
	{ SIOCETHTOOL, GROUP_LINK },
};

/*
 * Code for the kernel, and a kernel in its place: nothing that runs here has any business with
 * those. The rest of what root can do (mount, swapon, reboot of its own pid namespace, ports) is
 * what `privileged = yes` is asked for. Each container inherits this: it stays short.
 */
static const uint32_t denied_calls[] = {
	SYS_kexec_load, SYS_kexec_file_load, SYS_init_module, SYS_finit_module, SYS_delete_module,
};

/* ---- emitting ---- */

static void emit(struct sandbox_filter *filter, uint16_t code, uint32_t k, uint8_t yes, uint8_t no)
{
	if (filter->len >= SANDBOX_FILTER_MAX) {
		filter->overflow = true;
		return;
	}
	filter->code[filter->len++] = (struct sock_filter){ code, yes, no, k };
}

static void emit_load(struct sandbox_filter *filter, size_t offset)
{
	emit(filter, BPF_LD | BPF_W | BPF_ABS, (uint32_t)offset, 0, 0);
}

/* The low half of an argument: flags, domains, requests and pids are 32 bits for the kernel. */
static void emit_load_arg(struct sandbox_filter *filter, unsigned arg)
{
	emit_load(filter, offsetof(struct seccomp_data, args) + arg * sizeof(uint64_t));
}

static void emit_return(struct sandbox_filter *filter, uint32_t action)
{
	emit(filter, BPF_RET | BPF_K, action, 0, 0);
}

/* If the loaded value is `value`, return action. */
static void emit_case(struct sandbox_filter *filter, uint32_t value, uint32_t action)
{
	emit(filter, BPF_JMP | BPF_JEQ | BPF_K, value, 0, 1);
	emit_return(filter, action);
}

/* Allows when none of the bits (`set` = false), or any of them, is in the argument; else action. */
static void emit_bits(struct sandbox_filter *filter, unsigned arg, uint32_t bits, bool set,
		      uint32_t action)
{
	emit_load_arg(filter, arg);
	emit(filter, BPF_JMP | BPF_JSET | BPF_K, bits, set ? 0 : 1, set ? 1 : 0);
	emit_return(filter, SECCOMP_RET_ALLOW);
	emit_return(filter, action);
}

static void emit_values(struct sandbox_filter *filter, const struct allowed_value *values,
			size_t count, unsigned groups)
{
	for (size_t i = 0; i < count; i++)
		if (values[i].groups & groups)
			emit_case(filter, values[i].value, SECCOMP_RET_ALLOW);
}

static void emit_head(struct sandbox_filter *filter, uint32_t foreign_arch)
{
	*filter = (struct sandbox_filter){ .len = 0 };
	emit_load(filter, offsetof(struct seccomp_data, arch));
	emit(filter, BPF_JMP | BPF_JEQ | BPF_K, NATIVE_ARCH, 1, 0);
	emit_return(filter, foreign_arch);
	emit_load(filter, offsetof(struct seccomp_data, nr));
#if defined(__x86_64__)
	emit(filter, BPF_JMP | BPF_JGE | BPF_K, X32_BIT, 0, 1);
	emit_return(filter, foreign_arch);
#endif
}

/* ---- one call with its condition; each body ends in a return ---- */

static uint32_t errno_action(int code)
{
	return SECCOMP_RET_ERRNO | (uint32_t)code;
}

static void emit_ioctl(struct sandbox_filter *filter, unsigned groups)
{
	emit_load_arg(filter, 1);
	emit_values(filter, ioctl_requests, ARRAY_LEN(ioctl_requests), groups);
	/* The C library asks each stream whether it is a terminal. */
	emit_case(filter, TCGETS, errno_action(ENOTTY));
	emit_case(filter, TIOCGWINSZ, errno_action(ENOTTY));
	emit_return(filter, kill_action);
}

static void emit_condition(struct sandbox_filter *filter, const struct sandbox_call *call,
			   unsigned groups, uint32_t self)
{
	const uint32_t writes = O_WRONLY | O_RDWR | O_CREAT | O_TRUNC | (O_TMPFILE & ~O_DIRECTORY);

	switch (call->when) {
	case WHEN_ALWAYS:
		emit_return(filter, SECCOMP_RET_ALLOW);
		break;
	case WHEN_NOT_EXEC:
		emit_bits(filter, 2, SANITIZED ? 0 : PROT_EXEC, false, kill_action);
		break;
	case WHEN_SELF:
		emit_load_arg(filter, 0);
		emit_case(filter, self, SECCOMP_RET_ALLOW);
		emit_return(filter, errno_action(EPERM));
		break;
	case WHEN_DOMAIN:
		emit_load_arg(filter, 0);
		emit_values(filter, socket_domains, ARRAY_LEN(socket_domains), groups);
		emit_return(filter, errno_action(EAFNOSUPPORT));
		break;
	case WHEN_REQUEST:
		emit_ioctl(filter, groups);
		break;
	case WHEN_READING_1:
		emit_bits(filter, 1, writes, false, errno_action(EROFS));
		break;
	case WHEN_READING_2:
		emit_bits(filter, 2, writes, false, errno_action(EROFS));
		break;
	case WHEN_EMPTY_PATH_3:
		emit_bits(filter, 3, AT_EMPTY_PATH, true, errno_action(EACCES));
		break;
	case WHEN_ABSENT:
		emit_return(filter, errno_action(ENOSYS));
		break;
	}
}

static void emit_call(struct sandbox_filter *filter, const struct sandbox_call *call,
		      unsigned groups, uint32_t self)
{
	size_t test = filter->len;

	emit(filter, BPF_JMP | BPF_JEQ | BPF_K, call->nr, 0, 0);
	emit_condition(filter, call, groups, self);
	if (filter->len - test - 1 > UINT8_MAX)
		filter->overflow = true;
	if (!filter->overflow)
		filter->code[test].jf = (uint8_t)(filter->len - test - 1);
}

/* The first row that fits decides, so that a wider group stands before a narrower one. */
static void emit_calls(struct sandbox_filter *filter, unsigned groups, uint32_t self,
		       uint32_t first, uint32_t last)
{
	for (size_t i = 0; i < sandbox_call_count; i++)
		if (sandbox_calls[i].groups & groups && sandbox_calls[i].nr >= first &&
		    sandbox_calls[i].nr <= last)
			emit_call(filter, &sandbox_calls[i], groups, self);
	emit_return(filter, kill_action);
}

void sandbox_filter_profile(struct sandbox_filter *filter, enum sandbox_profile profile,
			    uint32_t self)
{
	unsigned groups = profile_groups[profile] | (SANITIZED ? GROUP_SANITIZER : 0) |
			  (defence_on(DEFENCE_A14_NO_PROGRAM) ? 0 : GROUP_SPAWN);
	uint32_t last = 0;
	size_t jump;

	for (size_t i = 0; i < sandbox_call_count; i++)
		if (sandbox_calls[i].groups & groups && sandbox_calls[i].nr > last)
			last = sandbox_calls[i].nr;
	emit_head(filter, kill_action);
	emit(filter, BPF_JMP | BPF_JGT | BPF_K, last, 0, 1);
	emit_return(filter, kill_action);
	emit(filter, BPF_JMP | BPF_JGT | BPF_K, last / 2, 0, 1);
	jump = filter->len;
	emit(filter, BPF_JMP | BPF_JA, 0, 0, 0);
	emit_calls(filter, groups, self, 0, last / 2);
	if (!filter->overflow)
		filter->code[jump].k = (uint32_t)(filter->len - jump - 1);
	emit_calls(filter, groups, self, last / 2 + 1, last);
}

void sandbox_filter_deny(struct sandbox_filter *filter)
{
	emit_head(filter, errno_action(ENOSYS));
	for (size_t i = 0; i < ARRAY_LEN(denied_calls); i++)
		emit_case(filter, denied_calls[i], errno_action(EPERM));
	emit_return(filter, SECCOMP_RET_ALLOW);
}
