/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns `features` (features.md) and `spec`: what this program can do, and a config.json to begin
 * with. It must never name what the program or the running kernel does not do.
 */
#include <errno.h>
#include <fcntl.h>
#include <seccomp.h>
#include <string.h>
#include <unistd.h>
#include "engine/bundle/command.h"
#include "engine/bundle/convert.h"
#include "engine/bundle/print.h"
#include "engine/bundle/template.h"
#include "engine/json/json.h"
#include "engine/run/seccomp_profile.h"
#include "lib/fs.h"
#include "lib/own.h"

enum { OUTPUT_MAX = 1 << 20, API_LOG = 3, API_NOTIFY = 5, API_WAIT_KILLABLE = 7 };

static void put_names(struct json_writer *w, const char *key, const char *const *names)
{
	json_key(w, key);
	json_begin_array(w);
	for (; *names; names++)
		json_put_text(w, *names);
	json_end_array(w);
}

static void put_enabled(struct json_writer *w, const char *key, bool enabled)
{
	json_key(w, key);
	json_begin_object(w);
	json_member_bool(w, "enabled", enabled);
	json_end_object(w);
}

static void put_cgroup(struct json_writer *w)
{
	json_key(w, "cgroup");
	json_begin_object(w);
	json_member_bool(w, "v1", false);
	json_member_bool(w, "v2", true);
	json_member_bool(w, "systemd", false);
	json_member_bool(w, "systemdUser", false);
	json_member_bool(w, "rdma", true);
	json_end_object(w);
}

/* Flags that the library cannot set are known, not supported. */
static void put_seccomp_flags(struct json_writer *w)
{
	unsigned api = seccomp_api_get();
	bool can[] = { true, api >= API_LOG, true, api >= API_NOTIFY };

	put_names(w, "knownFlags", runtime_seccomp_flags);
	json_key(w, "supportedFlags");
	json_begin_array(w);
	for (size_t i = 0; i < ARRAY_LEN(can) && runtime_seccomp_flags[i]; i++)
		if (can[i])
			json_put_text(w, runtime_seccomp_flags[i]);
	json_end_array(w);
}

/* Those that the library was built for. */
static void put_arches(struct json_writer *w)
{
	json_key(w, "archs");
	json_begin_array(w);
	for (size_t i = 0; runtime_seccomp_arches[i]; i++)
		if (seccomp_profile_arch(runtime_seccomp_arches[i]))
			json_put_text(w, runtime_seccomp_arches[i]);
	json_end_array(w);
}

static void put_linux(struct json_writer *w)
{
	json_key(w, "linux");
	json_begin_object(w);
	put_names(w, "namespaces", runtime_namespace_names);
	json_key(w, "capabilities");
	json_begin_array(w);
	for (unsigned cap = 0; run_cap_name(cap); cap++)
		json_put_text(w, run_cap_name(cap));
	json_end_array(w);
	put_cgroup(w);
	json_key(w, "seccomp");
	json_begin_object(w);
	json_member_bool(w, "enabled", true);
	put_names(w, "actions", runtime_seccomp_actions);
	put_names(w, "operators", runtime_seccomp_operators);
	put_arches(w);
	put_seccomp_flags(w);
	json_end_object(w);
	put_enabled(w, "apparmor", false);
	put_enabled(w, "selinux", false);
	put_enabled(w, "intelRdt", false);
	json_key(w, "mountExtensions");
	json_begin_object(w);
	put_enabled(w, "idmap", true);
	json_end_object(w);
	put_enabled(w, "netDevices", false);
	json_end_object(w);
}

int command_features(struct command *cmd, struct err *err)
{
	struct buf out OWN(buf_done) = { 0 };
	struct json_writer w;

	(void)cmd;
	buf_init(&out, OUTPUT_MAX);
	json_writer_init(&w, &out);
	json_begin_object(&w);
	json_member_text(&w, "ociVersionMin", "1.0.0");
	json_member_text(&w, "ociVersionMax", "1.3.0");
	put_names(&w, "hooks", runtime_hook_names);
	json_key(&w, "mountOptions");
	json_begin_array(&w);
	for (size_t i = 0; convert_option_name(i); i++)
		json_put_text(&w, convert_option_name(i));
	json_end_array(&w);
	put_linux(&w);
	json_key(&w, "annotations");
	json_begin_object(&w);
	json_member_text(&w, "io.github.seccomp.libseccomp.version", seccomp_profile_library());
	json_member_text(&w, "org.opencontainers.runc.checkpoint.enabled", "false");
	json_end_object(&w);
	json_key(&w, "potentiallyUnsafeConfigAnnotations");
	json_begin_array(&w);
	json_end_array(&w);
	json_end_object(&w);
	return print_json(&out, err);
}

int command_unsupported(struct command *cmd, struct err *err)
{
	(void)cmd;
	return err_set(err, -ENOTSUP,
		       "checkpoint and restore are not supported: a checkpoint is an archive that "
		       "whoever can write it runs as root");
}

int command_spec(struct command *cmd, struct err *err)
{
	const char *bundle = cmd->options.bundle ? cmd->options.bundle : ".";
	/* The operator's own path. */
	OWN_FD int dir = fs_open(AT_FDCWD, bundle, FS_HOST, O_RDONLY | O_DIRECTORY, 0, err);
	OWN_FD int fd = -1;
	struct buf text OWN(buf_done) = { 0 };

	if (dir < 0)
		return dir;
	buf_init(&text, TEMPLATE_MAX);
	template_put(cmd->options.users, getuid(), getgid(), &text);
	if (buf_error(&text))
		return err_sys(err, buf_error(&text), "spec");
	fd = fs_open(dir, STATE_CONFIG, FS_BENEATH, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW, 0666,
		     NULL);
	if (fd == -EEXIST)
		return err_set(err, fd, "file config.json exists. Remove it first");
	if (fd < 0)
		return err_sys(err, fd, "make %s/config.json", bundle);
	return fs_write_fd(fd, text.data, text.len, err);
}
