/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns the names of capabilities and Docker's default set. Runs in engine main and in tests; pure.
 * Must never guess: an unknown name is an error, for a capability too many is a hole.
 */
#include "engine/run/spec.h"

#include <errno.h>
#include <string.h>
#include "lib/own.h"
#include "lib/str.h"

/* linux/capability.h, by number. */
static const char *const cap_names[] = {
	"CAP_CHOWN",
	"CAP_DAC_OVERRIDE",
	"CAP_DAC_READ_SEARCH",
	"CAP_FOWNER",
	"CAP_FSETID",
	"CAP_KILL",
	"CAP_SETGID",
	"CAP_SETUID",
	"CAP_SETPCAP",
	"CAP_LINUX_IMMUTABLE",
	"CAP_NET_BIND_SERVICE",
	"CAP_NET_BROADCAST",
	"CAP_NET_ADMIN",
	"CAP_NET_RAW",
	"CAP_IPC_LOCK",
	"CAP_IPC_OWNER",
	"CAP_SYS_MODULE",
	"CAP_SYS_RAWIO",
	"CAP_SYS_CHROOT",
	"CAP_SYS_PTRACE",
	"CAP_SYS_PACCT",
	"CAP_SYS_ADMIN",
	"CAP_SYS_BOOT",
	"CAP_SYS_NICE",
	"CAP_SYS_RESOURCE",
	"CAP_SYS_TIME",
	"CAP_SYS_TTY_CONFIG",
	"CAP_MKNOD",
	"CAP_LEASE",
	"CAP_AUDIT_WRITE",
	"CAP_AUDIT_CONTROL",
	"CAP_SETFCAP",
	"CAP_MAC_OVERRIDE",
	"CAP_MAC_ADMIN",
	"CAP_SYSLOG",
	"CAP_WAKE_ALARM",
	"CAP_BLOCK_SUSPEND",
	"CAP_AUDIT_READ",
	"CAP_PERFMON",
	"CAP_BPF",
	"CAP_CHECKPOINT_RESTORE",
};

_Static_assert(ARRAY_LEN(cap_names) == RUN_CAP_LAST + 1, "a name for each capability");

enum { CAP_PREFIX = 4 };

const char *run_cap_name(unsigned cap)
{
	return cap < ARRAY_LEN(cap_names) ? cap_names[cap] : NULL;
}

uint64_t run_caps_all(void)
{
	return ((uint64_t)1 << (RUN_CAP_LAST + 1)) - 1;
}

uint64_t run_caps_default(void)
{
	static const char *const names[] = {
		"CHOWN",   "DAC_OVERRIDE", "FSETID",	  "FOWNER",	      "MKNOD",
		"NET_RAW", "SETGID",	   "SETUID",	  "SETFCAP",	      "SETPCAP",
		"KILL",	   "SYS_CHROOT",   "AUDIT_WRITE", "NET_BIND_SERVICE",
	};
	uint64_t bits = 0;

	for (size_t i = 0; i < ARRAY_LEN(names); i++) {
		uint64_t bit = 0;

		(void)run_caps_parse(names[i], &bit, NULL);
		bits |= bit;
	}
	return bits;
}

int run_caps_parse(const char *name, uint64_t *ret_bits, struct err *err)
{
	struct str given = str_from(name);
	const char *near;
	char shown[64], full[64];

	if (str_is_nocase(given, "ALL")) {
		*ret_bits = run_caps_all();
		return 0;
	}
	for (unsigned i = 0; i < ARRAY_LEN(cap_names); i++) {
		if (str_is_nocase(given, cap_names[i]) ||
		    str_is_nocase(given, cap_names[i] + CAP_PREFIX)) {
			*ret_bits = (uint64_t)1 << i;
			return 0;
		}
	}
	str_escape(given, shown, sizeof(shown));
	/* Names are compared with the prefix, so that NET_ADMN finds CAP_NET_ADMIN. */
	near = NULL;
	if (given.len < sizeof(full) - CAP_PREFIX) {
		bool bare = !str_starts(given, STR("CAP_"));

		memcpy(full, "CAP_", CAP_PREFIX);
		memcpy(full + (bare ? CAP_PREFIX : 0), given.ptr, given.len);
		near = str_nearest(str_make(full, given.len + (bare ? CAP_PREFIX : 0)), cap_names,
				   ARRAY_LEN(cap_names));
	}
	return err_set(err, -EINVAL, "unknown capability '%s'%s%s%s", shown,
		       near ? "; did you mean " : "", near ? near + CAP_PREFIX : "",
		       near ? "?" : "");
}
