/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns the defaults of a container and the rules of what it may ask for. Runs in engine main and in
 * tests; pure. Must never let through what would reach out of the container's own namespaces.
 */
#include "engine/run/spec.h"

#include <errno.h>
#include <string.h>
#include "engine/api/shim_msg.h"
#include "lib/defence.h"
#include "lib/own.h"
#include "lib/str.h"

enum { SPEC_SHM_BYTES = 64 << 20, SPEC_SYSCTL_KEY_MAX = 128, SPEC_UMASK = 022 };

void run_spec_init(struct run_spec *spec)
{
	*spec = (struct run_spec){
		.process = { .caps = run_caps_default(),
			     .seccomp = RUN_SECCOMP_DEFAULT,
			     .umask = SPEC_UMASK },
		.user = { .mode = RUN_NS_MODE_HOST },
		.net = { .mode = RUN_NS_MODE_FD, .fd = SHIM_FD_NETNS },
		.shm_bytes = SPEC_SHM_BYTES,
	};
}

void run_spec_init_listed(struct run_spec *spec)
{
	static const struct run_ns host = { .mode = RUN_NS_MODE_HOST };

	*spec = (struct run_spec){
		.layout = RUN_LAYOUT_LISTED,
		.process = { .seccomp = RUN_SECCOMP_UNCONFINED,
			     .umask = SPEC_UMASK,
			     .oom_score_inherit = true },
		.pid = host,
		.ipc = host,
		.uts = host,
		.net = host,
		.cgroup = host,
		.time = host,
		.user = host,
	};
}

static bool key_is_clean(const char *key)
{
	size_t len = strlen(key);

	if (len == 0 || len > SPEC_SYSCTL_KEY_MAX || key[0] == '.' || key[len - 1] == '.' ||
	    strstr(key, ".."))
		return false;
	return strspn(key, "abcdefghijklmnopqrstuvwxyz0123456789_.-") == len;
}

/* Those of kernel.* that belong to the IPC namespace (ipc_namespaces(7)). */
static bool key_is_ipc(struct str key)
{
	static const char *const names[] = {
		"kernel.msgmax", "kernel.msgmnb", "kernel.msgmni", "kernel.sem",
		"kernel.shmall", "kernel.shmmax", "kernel.shmmni", "kernel.shm_rmid_forced",
	};

	for (size_t i = 0; i < ARRAY_LEN(names); i++)
		if (str_is(key, names[i]))
			return true;
	return str_starts(key, STR("fs.mqueue."));
}

/* docker's --domainname is such a sysctl; the host name has a field only. */
static int check_domainname(const struct run_spec *spec, const char *shown, struct err *err)
{
	if (spec->uts.mode == RUN_NS_MODE_HOST)
		return err_set(err, -EINVAL, "sysctl '%s' needs an own UTS namespace", shown);
	if (!spec->domainname || !*spec->domainname)
		return 0;
	for (size_t i = 0; i < spec->sysctl_count; i++)
		if (strcmp(spec->sysctls[i].key, "kernel.domainname") == 0 &&
		    strcmp(spec->sysctls[i].value, spec->domainname) == 0)
			return 0;
	return err_set(err, -EINVAL, "sysctl '%s' conflicts with the field domainname", shown);
}

int run_sysctl_check(const struct run_spec *spec, const char *key, struct err *err)
{
	struct str s = str_from(key);
	char shown[160];

	str_escape(s, shown, sizeof(shown));
	if (!key_is_clean(key))
		return err_set(err, -EINVAL,
			       "sysctl '%s': expected a key such as net.core.somaxconn", shown);
	if (!defence_on(DEFENCE_A19_SYSCTL))
		return 0;
	if (key_is_ipc(s)) {
		if (spec->ipc.mode == RUN_NS_MODE_HOST)
			return err_set(err, -EINVAL, "sysctl '%s' needs an own IPC namespace",
				       shown);
		return 0;
	}
	if (str_starts(s, STR("net."))) {
		if (spec->net.mode == RUN_NS_MODE_HOST)
			return err_set(err, -EINVAL, "sysctl '%s' needs an own network namespace",
				       shown);
		return 0;
	}
	if (str_is(s, "kernel.domainname"))
		return check_domainname(spec, shown, err);
	if (str_is(s, "kernel.hostname"))
		return err_set(err, -EINVAL,
			       "sysctl '%s' conflicts with the field hostname: use that", shown);
	return err_set(
		err, -EINVAL,
		"sysctl '%s' would change the whole machine; a container may set kernel.shm*, "
		"kernel.msg*, kernel.sem, fs.mqueue.* and net.*",
		shown);
}
