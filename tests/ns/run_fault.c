/* SPDX-License-Identifier: Apache-2.0 */
/*
 * No test: lets tests break one system call of a program and of the processes that it makes.
 *   run_fault NUMBER ERRNO|kill PROGRAM ARGUMENT...   the NUMBERth call fails with this errno, or
 *       its process is killed before it; ends as the program does. Number 0 breaks nothing.
 *   run_fault take PID   has a process that waits in the kernel call execve instead.
 * A process counts until it executes another program, but for the first one. What happened stands
 * in the file RUN_FAULT_LOG afterwards: "calls N hit NAME-OF-THE-CALL". Without arguments but a
 * name, number and action come from RUN_FAULT and the program from RUN_FAULT_PROGRAM.
 */
#include <errno.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/user.h>
#include <sys/wait.h>
#include <unistd.h>

enum { TASKS_MAX = 256, SYSCALL_STOP = SIGTRAP | 0x80, KILL = -1, FAILED = 99 };

static struct task {
	pid_t pid;
	bool inside, skipped;
} tasks[TASKS_MAX];

static long wanted, calls, hit = -1;
static int action;
static pid_t root;
static bool started; /* the program itself runs */

static struct task *task_of(pid_t pid)
{
	struct task *unused = NULL;

	for (int i = 0; i < TASKS_MAX; i++) {
		if (tasks[i].pid == pid)
			return &tasks[i];
		if (!tasks[i].pid && !unused)
			unused = &tasks[i];
	}
	if (!unused)
		exit(FAILED);
	*unused = (struct task){ .pid = pid };
	return unused;
}

static void go_on(pid_t pid, int signal_number)
{
	(void)ptrace(PTRACE_SYSCALL, pid, NULL, (void *)(long)signal_number);
}

static void on_entry(struct task *task)
{
	struct user_regs_struct regs;

	if (!started || ptrace(PTRACE_GETREGS, task->pid, NULL, &regs) < 0 || ++calls != wanted)
		return;
	hit = (long)regs.orig_rax;
	if (action == KILL) {
		(void)kill(task->pid, SIGKILL);
		return;
	}
	task->skipped = true;
	if (hit == SYS_close) /* it closes whatever it answers */
		return;
	regs.orig_rax = (unsigned long long)-1; /* no call at all */
	(void)ptrace(PTRACE_SETREGS, task->pid, NULL, &regs);
}

static void on_exit_of_call(struct task *task)
{
	struct user_regs_struct regs;

	if (!task->skipped || ptrace(PTRACE_GETREGS, task->pid, NULL, &regs) < 0)
		return;
	task->skipped = false;
	regs.rax = (unsigned long long)-(long long)action;
	(void)ptrace(PTRACE_SETREGS, task->pid, NULL, &regs);
}

static void on_stop(pid_t pid, int status)
{
	struct task *task = task_of(pid);
	int number = WSTOPSIG(status), event = status >> 16;

	if (number == SYSCALL_STOP) {
		task->inside = !task->inside;
		if (task->inside)
			on_entry(task);
		else
			on_exit_of_call(task);
		go_on(pid, 0);
	} else if (event == PTRACE_EVENT_EXEC && pid != root) {
		task->pid = 0; /* another program: not our matter */
		(void)ptrace(PTRACE_DETACH, pid, NULL, NULL);
	} else if (event == PTRACE_EVENT_EXEC) {
		started = true;
		go_on(pid, 0);
	} else if (event == PTRACE_EVENT_STOP && number != SIGTRAP) {
		(void)ptrace(PTRACE_LISTEN, pid, NULL, NULL);
	} else {
		go_on(pid, event ? 0 : number);
	}
}

static void write_log(void)
{
	const char *path = getenv("RUN_FAULT_LOG");
	FILE *log = path ? fopen(path, "we") : NULL;

	if (!log)
		return;
	(void)fprintf(log, "calls %ld hit %ld\n", calls, hit);
	(void)fclose(log);
}

/* Until the program itself ends; what it leaves behind goes on untraced. */
static int follow(void)
{
	int status;
	pid_t pid;

	while ((pid = waitpid(-1, &status, __WALL)) > 0 || errno == EINTR) {
		if (pid > 0 && WIFSTOPPED(status)) {
			on_stop(pid, status);
			continue;
		}
		if (pid > 0)
			task_of(pid)->pid = 0;
		if (pid == root)
			break;
	}
	write_log();
	return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

static int run(char **argv)
{
	const long options = PTRACE_O_TRACESYSGOOD | PTRACE_O_TRACEFORK | PTRACE_O_TRACEVFORK |
			     PTRACE_O_TRACECLONE | PTRACE_O_TRACEEXEC;

	root = fork();
	if (root == 0) {
		(void)raise(SIGSTOP);
		execv(argv[0], argv);
		_exit(FAILED);
	}
	(void)waitpid(root, NULL, WUNTRACED);
	if (ptrace(PTRACE_SEIZE, root, NULL, (void *)options) < 0)
		return FAILED;
	/* Who waits for the end of a file shall not wait for us. */
	(void)close(STDIN_FILENO);
	(void)syscall(SYS_close_range, 3, ~0u, 0);
	(void)kill(root, SIGCONT);
	(void)ptrace(PTRACE_SYSCALL, root, NULL, NULL);
	return follow();
}

/* The call that the process makes next becomes execve. Prints how that went. */
static int take(pid_t pid)
{
	struct user_regs_struct regs;
	int status;

	if (ptrace(PTRACE_SEIZE, pid, NULL, (void *)(long)PTRACE_O_TRACESYSGOOD) < 0 ||
	    ptrace(PTRACE_INTERRUPT, pid, NULL, NULL) < 0 || waitpid(pid, &status, __WALL) != pid)
		return FAILED;
	do { /* at its entry a call's answer is not known yet */
		if (ptrace(PTRACE_SYSCALL, pid, NULL, NULL) < 0 ||
		    waitpid(pid, &status, __WALL) != pid || !WIFSTOPPED(status) ||
		    ptrace(PTRACE_GETREGS, pid, NULL, &regs) < 0)
			return FAILED;
	} while (WSTOPSIG(status) != SYSCALL_STOP || (long long)regs.rax != -ENOSYS);
	regs.orig_rax = SYS_execve;
	regs.rdi = regs.rsi = regs.rdx = 0;
	(void)ptrace(PTRACE_SETREGS, pid, NULL, &regs);
	/* A call that kills is left once, too, before the process ends by it. */
	for (int stops = 0; ptrace(PTRACE_SYSCALL, pid, NULL, NULL) == 0 &&
			    waitpid(pid, &status, __WALL) == pid && WIFSTOPPED(status);) {
		if (WSTOPSIG(status) != SYSCALL_STOP)
			break;
		if (++stops == 1) {
			(void)ptrace(PTRACE_GETREGS, pid, NULL, &regs);
			continue;
		}
		(void)printf("execve answered %lld\n", (long long)regs.rax);
		(void)ptrace(PTRACE_DETACH, pid, NULL, NULL);
		return 0;
	}
	if (WIFSTOPPED(status)) /* by the signal: that is what it would end by */
		(void)printf("killed by signal %d\n", WSTOPSIG(status));
	if (WIFSIGNALED(status))
		(void)printf("killed by signal %d\n", WTERMSIG(status));
	return 0;
}

static void set_action(const char *number, const char *name)
{
	wanted = strtol(number, NULL, 10);
	action = strcmp(name, "kill") == 0 ? KILL : (int)strtol(name, NULL, 10);
}

int main(int argc, char **argv)
{
	char *plan = getenv("RUN_FAULT"), *program = getenv("RUN_FAULT_PROGRAM");

	if (argc == 3 && strcmp(argv[1], "take") == 0)
		return take((pid_t)strtol(argv[2], NULL, 10));
	if (plan && program && strchr(plan, ' ')) {
		set_action(plan, strchr(plan, ' ') + 1);
		argv[0] = program;
		return run(argv);
	}
	if (argc < 4)
		return FAILED;
	set_action(argv[1], argv[2]);
	return run(argv + 3);
}
