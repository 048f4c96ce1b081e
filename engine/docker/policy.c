/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Whether a container keeps to itself. Runs in the api role, on the definition that engine main is
 * asked to carry out, not on what the client wrote. Pure; what it does not know it must refuse.
 */
#include "engine/docker/policy.h"

#include <errno.h>
#include <string.h>
#include "lib/own.h"

int docker_policy_refuse(const char *what, struct err *err)
{
	return err_set(err, -EACCES, "access denied: a container with %s needs the role admin",
		       what);
}

/* What a container has without asking (Docker's default set). */
static bool is_default_capability(const char *name)
{
	static const char *const names[] = { "CHOWN",	    "DAC_OVERRIDE",    "FSETID",
					     "FOWNER",	    "MKNOD",	       "NET_RAW",
					     "SETGID",	    "SETUID",	       "SETFCAP",
					     "SETPCAP",	    "SYS_CHROOT",      "KILL",
					     "AUDIT_WRITE", "NET_BIND_SERVICE" };
	struct str text = str_from(name);

	if (str_starts(text, STR("CAP_")) || str_starts(text, STR("cap_")))
		text = str_skip(text, 4);
	for (size_t i = 0; i < ARRAY_LEN(names); i++) {
		if (str_is_nocase(text, names[i]))
			return true;
	}
	return false;
}

static int check_host(const struct def_host *host, struct err *err)
{
	const char *const spaces[] = { host->pid_mode, host->uts_mode, host->cgroup_mode,
				       host->userns_mode };

	for (size_t i = 0; i < ARRAY_LEN(spaces); i++) {
		if (*spaces[i] && strcmp(spaces[i], "private") != 0)
			return docker_policy_refuse("a namespace that is not its own", err);
	}
	if (*host->ipc_mode && strcmp(host->ipc_mode, "private") != 0 &&
	    strcmp(host->ipc_mode, "shareable") != 0 && strcmp(host->ipc_mode, "none") != 0)
		return docker_policy_refuse("an IPC namespace that is not its own", err);
	if (*host->network_from)
		return docker_policy_refuse("the network of another container", err);
	if (host->seccomp.len)
		return docker_policy_refuse("a seccomp profile of its own", err);
	for (uint32_t i = 0; i < host->security_opt.count; i++) {
		if (strncmp(host->security_opt.items[i], "no-new-privileges", 17) != 0)
			return docker_policy_refuse("options of its confinement", err);
	}
	if (host->paths_set)
		return docker_policy_refuse("paths below /proc or /sys laid open", err);
	/* Its lines leave from the machine's network, past whatever holds the container's. */
	if (!strncmp(host->log_driver, "syslog", 6))
		return docker_policy_refuse("the log driver syslog", err);
	if (*host->cgroup_parent)
		return docker_policy_refuse("a control group outside of the engine's", err);
	if (host->device_rules.count)
		return docker_policy_refuse("rules for devices", err);
	/* Engine main looks at their paths for it: its answer would tell which are there. */
	if (host->blkio.count)
		return docker_policy_refuse("limits of block devices", err);
	return host->oom_score_adj < 0 ? docker_policy_refuse("protection from the OOM killer", err)
				       : 0;
}

int docker_policy_check(enum docker_role role, const struct container_def *def, struct err *err)
{
	if (role >= DOCKER_ROLE_ADMIN)
		return 0;
	if (def->privileged)
		return docker_policy_refuse("all privileges", err);
	if (def->network_mode == DEF_NETWORK_HOST)
		return docker_policy_refuse("the machine's network", err);
	if (def->devices.count)
		return docker_policy_refuse("devices", err);
	for (uint32_t i = 0; i < def->cap_add.count; i++) {
		if (!is_default_capability(def->cap_add.items[i]))
			return docker_policy_refuse("further capabilities", err);
	}
	for (uint32_t i = 0; i < def->mount_count; i++) {
		if (def->mounts[i].kind != DEF_MOUNT_VOLUME &&
		    def->mounts[i].kind != DEF_MOUNT_TMPFS &&
		    def->mounts[i].kind != DEF_MOUNT_IMAGE)
			return docker_policy_refuse("a path of the machine", err);
	}
	return def->host_set ? check_host(&def->host, err) : 0;
}
