/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns the processes of role probe: one for each ping, traceroute or dig. Run by netd main, which
 * starts and reaps them and reads nothing of theirs. It must never have more than a few of them.
 */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <sys/epoll.h>
#include <sys/wait.h>
#include <unistd.h>
#include "lib/log.h"
#include "lib/own.h"
#include "lib/spawn.h"
#include "netd/main.h"
#include "netd/role.h"

enum { PROBES_MAX = 4, PROBE_OOM_SCORE = 500 };

struct main_probe {
	struct netd *netd;
	int pidfd;
	struct loop_io io;
	bool used;
};

static struct main_probe probes[PROBES_MAX];

static void probe_ended(struct loop_io *io, uint32_t events)
{
	struct main_probe *probe = io->owner;
	siginfo_t info = { 0 };
	char how[64];

	(void)events;
	if (waitid(P_PIDFD, (id_t)probe->pidfd, &info, WEXITED | WNOHANG) < 0 || !info.si_pid)
		return;
	if (info.si_code != CLD_EXITED || info.si_status != 0) {
		spawn_describe_exit(info.si_code, info.si_status, how, sizeof(how));
		log_err("role probe ended: %s", how);
	}
	loop_remove(&probe->netd->loop, &probe->io);
	own_close(&probe->pidfd);
	probe->used = false;
}

static int spawn_probe(struct main_probe *probe, int *ret_fd, struct err *err)
{
	static const char *const argv[] = { "hoy-netd", "probe", NULL };
	OWN_FD int ours = -1, theirs = -1;
	struct spawn spawn;
	int pair[2], r;
	pid_t pid;

	r = msg_pair(pair, err);
	if (r < 0)
		return r;
	ours = pair[0];
	theirs = pair[1];
	spawn_init(&spawn, "/proc/self/exe", argv);
	spawn.fds[0] = theirs;
	spawn.nfds = 1;
	spawn.log_fd = STDERR_FILENO;
	spawn.envp = (const char *const *)environ; /* as the other roles */
	spawn.oom_score_adj = PROBE_OOM_SCORE;
	spawn.parent_death_signal = SIGKILL;
	r = spawn_start(&spawn, &pid, &probe->pidfd, err);
	if (r < 0)
		return err_prefix(err, "start role probe");
	*ret_fd = take_fd(&ours);
	return 0;
}

/* One that nobody would watch: not left behind, neither running nor as a zombie. */
static void end_probe(struct main_probe *probe)
{
	struct err err = { 0 };
	siginfo_t info;

	if (probe->pidfd < 0)
		return;
	(void)spawn_signal(probe->pidfd, SIGKILL, &err);
	while (waitid(P_PIDFD, (id_t)probe->pidfd, &info, WEXITED) < 0 && errno == EINTR)
		;
	own_close(&probe->pidfd);
}

int main_probe_start(struct netd *netd, struct err *err)
{
	OWN_FD int fd = -1;
	int r;

	for (size_t i = 0; i < PROBES_MAX; i++) {
		struct main_probe *probe = &probes[i];

		if (probe->used)
			continue;
		*probe = (struct main_probe){ .netd = netd, .pidfd = -1 };
		r = spawn_probe(probe, &fd, err);
		if (r == 0)
			r = loop_add(&netd->loop, &probe->io, probe->pidfd, EPOLLIN, probe_ended,
				     probe, err);
		if (r < 0) {
			end_probe(probe);
			return r;
		}
		probe->used = true;
		return take_fd(&fd);
	}
	return err_set(err, -EBUSY, "%d of ping, traceroute and dig are under way; wait for one",
		       PROBES_MAX);
}

void main_probe_sysctls(struct netd *netd)
{
	char range[32];
	struct err err;

	(void)snprintf(range, sizeof(range), "%d %d", ROLE_UID_PROBE, ROLE_UID_PROBE);
	if (sysctl_set(netd->sysctl_fd, "net/ipv4/ping_group_range", range, true, &err) < 0)
		log_warn("ping will not work: %s", err_text(&err));
}
