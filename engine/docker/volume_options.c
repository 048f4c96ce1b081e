/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Driver options of a volume, as Docker's local driver reads them: type, device and o. Runs in the
 * api role, on foreign JSON. Must never take an option that would not be carried out.
 */
#include "engine/docker/volume_options.h"

#include <errno.h>
#include <string.h>
#include <sys/mount.h>
#include "engine/container/volume_mount.h"
#include "engine/docker/create.h"
#include "lib/own.h"

static int check_keys(const struct json *options, struct err *err)
{
	static const char *const known[] = { "type", "o", "device", "size" };
	static const char *const needs[][2] = {
		{ "device", "type" },
		{ "type", "device" },
		{ "o", "device" },
		{ "o", "type" },
	};
	const struct json *value;
	struct json_iter iter;
	struct str key;

	json_iter_init(&iter, options);
	while (json_iter_next(&iter, &key, &value)) {
		bool found = false;

		for (size_t i = 0; i < ARRAY_LEN(known); i++)
			found |= str_is(key, known[i]);
		if (!found)
			return err_set(err, -EINVAL, "invalid option: \"%.*s\"", STR_ARG(key));
		if (json_type(value) != JSON_STRING)
			return err_set(err, -EINVAL, "option \"%.*s\": a string is expected",
				       STR_ARG(key));
	}
	if (json_get(options, "size"))
		return err_set(err, -EINVAL, "quota size requested but no quota support");
	for (size_t i = 0; i < ARRAY_LEN(needs); i++) {
		if (json_get(options, needs[i][0]) && !json_get(options, needs[i][1]))
			return err_set(err, -EINVAL, "missing required option: \"%s\"",
				       needs[i][1]);
	}
	return 0;
}

/* `o`: the words that are flags, and the rest for the file system. */
static int read_words(struct str words, struct arena *arena, struct volume_mount *mount,
		      struct err *err)
{
	struct buf data OWN(buf_done) = { 0 };
	struct str word;

	buf_init(&data, VOLUME_MOUNT_TEXT_MAX);
	while (str_cut(&words, ',', &word)) {
		uint32_t flag = 0;
		bool clear = false;

		if (!word.len)
			continue;
		if (!volume_mount_flag(word, &flag, &clear)) {
			(void)buf_printf(&data, "%s%.*s", data.len ? "," : "", STR_ARG(word));
			continue;
		}
		mount->flags = clear ? mount->flags & ~flag : mount->flags | flag;
	}
	if (buf_error(&data))
		return err_set(err, -EINVAL, "option \"o\": at most %d bytes",
			       VOLUME_MOUNT_TEXT_MAX);
	mount->data = arena_text(arena, buf_str(&data));
	return mount->data ? 0 : err_set(err, -ENOMEM, "no memory for a volume's options");
}

/* A deployer's containers keep to themselves; memory is all that such a volume may take. */
static int check_role(enum docker_role role, const struct volume_mount *mount, struct err *err)
{
	if (role >= DOCKER_ROLE_ADMIN ||
	    (!(mount->flags & MS_BIND) && !strcmp(mount->type, "tmpfs")))
		return 0;
	return err_set(err, -EACCES, "access denied: a volume that is %s needs the role admin",
		       mount->flags & MS_BIND ? "a path of the machine" : "a file system of it");
}

/* Whose servers may not answer for long: engine main waits for nobody. */
static bool is_remote(const char *type)
{
	static const char *const types[] = { "nfs", "nfs4", "cifs", "smb3", "9p", "ceph", "fuse" };

	for (size_t i = 0; i < ARRAY_LEN(types); i++) {
		if (!strcmp(type, types[i]))
			return true;
	}
	return false;
}

static int check_mount(const struct volume_mount *mount, struct err *err)
{
	bool bind = mount->flags & MS_BIND;

	if (bind && *mount->device != '/')
		return err_set(err, -EINVAL, "option \"device\": an absolute path is expected");
	if (!bind && is_remote(mount->type))
		return err_set(err, -EINVAL,
			       "volumes of type %.40s are not supported by this engine",
			       mount->type);
	return 0;
}

int docker_volume_options(const struct json *options, enum docker_role role, struct arena *arena,
			  struct buf *out, struct err *err)
{
	struct volume_mount mount = { 0 };
	int r;

	if (!json_count(options))
		return 0;
	r = check_keys(options, err);
	if (r < 0)
		return r;
	mount.type = arena_text(arena, json_str(json_get(options, "type")));
	mount.device = arena_text(arena, json_str(json_get(options, "device")));
	if (!mount.type || !mount.device)
		return err_set(err, -ENOMEM, "no memory for a volume's options");
	if (!*mount.type || !*mount.device)
		return err_set(err, -EINVAL, "missing required option: \"%s\"",
			       *mount.type ? "device" : "type");
	if (strlen(mount.type) >= VOLUME_MOUNT_TEXT_MAX ||
	    strlen(mount.device) >= VOLUME_MOUNT_TEXT_MAX)
		return err_set(err, -EINVAL, "a volume's options are too long");
	r = read_words(json_str(json_get(options, "o")), arena, &mount, err);
	if (r >= 0)
		r = check_mount(&mount, err);
	if (r >= 0)
		r = check_role(role, &mount, err);
	if (r < 0)
		return r;
	volume_mount_encode(&mount, out);
	return buf_error(out) ? err_set(err, -EINVAL, "a volume's options are too long") : 0;
}

/* One without a name is marked as Docker marks it: `volume prune` takes it. */
static void put_labels(struct json_writer *w, const struct json *labels, bool anonymous)
{
	const struct json *value;
	struct json_iter iter;
	struct str key;

	if (!anonymous) {
		json_put_value(w, labels);
		return;
	}
	json_begin_object(w);
	json_iter_init(&iter, labels);
	while (json_iter_next(&iter, &key, &value)) {
		json_key_str(w, key);
		json_put_value(w, value);
	}
	json_member_text(w, "com.docker.volume.anonymous", "");
	json_end_object(w);
}

int docker_volume_body(const struct docker_volume_wish *wish, enum docker_role role,
		       struct arena *arena, struct buf *out, struct err *err)
{
	struct buf api OWN(buf_done) = { 0 }, options OWN(buf_done) = { 0 };
	struct json_writer w;
	int r;

	buf_init(&options, VOLUME_MOUNT_BYTES_MAX);
	buf_init(&api, DOCKER_VOLUME_API_MAX);
	r = docker_volume_options(wish->options, role, arena, &options, err);
	if (r < 0)
		return err_prefix(err, "create %.128s", wish->name);
	json_writer_init(&w, &api);
	json_begin_object(&w);
	json_key(&w, "Labels");
	put_labels(&w, wish->labels, wish->anonymous);
	json_key(&w, "Options");
	json_put_value(&w, wish->options);
	json_end_object(&w);
	wire_put_text(out, wish->name);
	wire_put_str(out, buf_str(&api));
	wire_put_str(out, buf_str(&options));
	if (buf_error(&api) || buf_error(out))
		return err_set(err, -EINVAL, "volume name or labels are too long");
	return 0;
}
