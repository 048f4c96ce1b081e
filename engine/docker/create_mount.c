/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Mounts of a create request: Binds, Mounts, Tmpfs, Config.Volumes and the image's own. Runs in the
 * api role, on foreign JSON. Must never let two mounts have one target.
 */
#include <errno.h>
#include <string.h>
#include "engine/docker/create.h"
#include "engine/docker/volume_options.h"
#include "engine/run/spec_mount.h"
#include "lib/own.h"
#include "lib/random.h"

enum { IMAGE_MINOR = 48 };	/* of the first API version with mounts of images */
enum { ANONYMOUS_DIGITS = 64 }; /* of the name of a volume that nobody named */

bool create_mount_taken(const struct create *create, struct str target)
{
	for (uint32_t i = 0; i < create->def.mount_count; i++) {
		if (str_is(target, create->def.mounts[i].target))
			return true;
	}
	return false;
}

/* A clean absolute path in the arena: no empty component, no slash at the end. */
static const char *clean(struct create *create, struct str path)
{
	struct buf text OWN(buf_done) = { 0 };
	struct str rest = path, part;

	buf_init(&text, 4096);
	while (str_cut(&rest, '/', &part)) {
		if (!part.len || str_is(part, "."))
			continue;
		(void)buf_add_byte(&text, '/');
		(void)buf_add_str(&text, part);
	}
	return buf_error(&text) ? NULL
				: arena_text(create->arena, text.len ? buf_str(&text) : STR("/"));
}

int create_mount_add(struct create *create, const struct def_mount *mount,
		     const struct def_mount_more *more, struct err *err)
{
	struct container_def *def = &create->def;

	if (!mount->target || !mount->source)
		return err_set(err, -ENOMEM, "no memory for mounts");
	if (!strcmp(mount->target, "/"))
		return err_set(err, -EINVAL, "invalid specification: destination can't be '/'");
	if (create_mount_taken(create, str_from(mount->target)))
		return err_set(err, -EINVAL, "Duplicate mount point: %s", mount->target);
	if (def->mount_count == DEF_MOUNTS_MAX)
		return err_set(err, -EINVAL, "too many mounts: at most %d", DEF_MOUNTS_MAX);
	def->mounts[def->mount_count] = *mount;
	def->mounts_more[def->mount_count] = *more;
	if (!def->mounts_more[def->mount_count].subpath)
		def->mounts_more[def->mount_count].subpath = "";
	def->mount_count++;
	return 0;
}

static const char *random_name(struct create *create)
{
	char name[ANONYMOUS_DIGITS + 1];

	if (random_hex(name, ANONYMOUS_DIGITS, "the name of a volume", NULL) < 0)
		return NULL;
	return arena_text(create->arena, str_from(name));
}

static int volume_name(struct str name, struct err *err)
{
	if (name.len && !str_is_name(name))
		return err_set(
			err, -EINVAL,
			"create %.*s: \"%.*s\" includes invalid characters for a local volume "
			"name, only \"[a-zA-Z0-9][a-zA-Z0-9_.-]\" are allowed. If you intended "
			"to pass a host directory, use absolute path",
			STR_ARG(name), STR_ARG(name));
	if (name.len < 2 || name.len > 127)
		return err_set(err, -EINVAL,
			       "create %.*s: volume name is too short, names should be at least "
			       "two alphanumeric characters",
			       STR_ARG(name));
	return 0;
}

static uint8_t propagation(struct str word)
{
	static const struct {
		const char *name;
		enum run_propagation kind;
	} words[] = {
		{ "private", RUN_PROPAGATION_PRIVATE }, { "rprivate", RUN_PROPAGATION_PRIVATE },
		{ "slave", RUN_PROPAGATION_SLAVE },	{ "rslave", RUN_PROPAGATION_SLAVE },
		{ "shared", RUN_PROPAGATION_SHARED },	{ "rshared", RUN_PROPAGATION_SHARED },
	};

	for (size_t i = 0; i < ARRAY_LEN(words); i++) {
		if (str_is(word, words[i].name))
			return (uint8_t)words[i].kind;
	}
	return RUN_PROPAGATION_DEFAULT;
}

/* ---- Binds: "SOURCE:TARGET[:OPTIONS]" ---- */

static int bind_options(struct str options, struct def_mount *mount, struct def_mount_more *more,
			struct err *err)
{
	static const char *const ignored[] = { "rw",	 "z",	      "Z",    "consistent",
					       "cached", "delegated", "rbind" };
	struct str word;

	while (str_cut(&options, ',', &word)) {
		bool fine = !word.len;

		for (size_t i = 0; i < ARRAY_LEN(ignored); i++)
			fine |= str_is(word, ignored[i]);
		if (str_is(word, "ro"))
			mount->read_only = true;
		else if (str_is(word, "nocopy"))
			more->flags |= DEF_MOUNT_NO_COPY;
		else if (propagation(word))
			more->propagation = propagation(word);
		else if (!fine)
			return err_set(err, -EINVAL, "invalid mode: %.*s", STR_ARG(word));
	}
	return 0;
}

static int one_bind(struct create *create, struct str text, struct err *err)
{
	struct def_mount_more more = { .subpath = "" };
	struct def_mount mount = { .kind = DEF_MOUNT_VOLUME };
	struct str rest = text, source, target;
	int r;

	(void)str_cut(&rest, ':', &source);
	(void)str_cut(&rest, ':', &target);
	if (!target.len) {
		target = source;
		source = STR("");
	}
	if (!target.len || target.ptr[0] != '/')
		return err_set(err, -EINVAL,
			       "invalid volume specification: '%.*s': invalid mount config for "
			       "type \"volume\": invalid mount path: '%.*s' mount path must be "
			       "absolute",
			       STR_ARG(text), STR_ARG(target));
	r = bind_options(rest, &mount, &more, err);
	if (r >= 0 && source.len && source.ptr[0] != '/')
		r = volume_name(source, err);
	if (r < 0)
		return r;
	mount.target = clean(create, target);
	if (!source.len) {
		mount.source = random_name(create);
		more.flags |= DEF_MOUNT_ANONYMOUS;
	} else if (source.ptr[0] == '/') {
		mount.kind = DEF_MOUNT_BIND;
		mount.source = clean(create, source);
		more.flags |= DEF_MOUNT_MAKE;
	} else {
		mount.source = arena_text(create->arena, source);
	}
	return create_mount_add(create, &mount, &more, err);
}

/* ---- Mounts ---- */

/* Docker says volume of an image too. A client's word: with ".." a volume would be the way to any
 * directory of the machine. */
static int check_subpath(const char *subpath, const char *type, struct err *err)
{
	struct str rest = str_from(subpath), part;
	bool stays = *subpath != '/';

	while (str_cut(&rest, '/', &part))
		stays = stays && !str_is(part, "..");
	return stays ? 0
		     : err_set(err, -EINVAL,
			       "invalid mount config for type \"%s\": subpath must be a "
			       "relative path within the volume",
			       type);
}

/* One with labels or options of its own is made before the container is. */
static int wish_volume(struct create *create, const struct json *options, const char *name,
		       bool anonymous, struct err *err)
{
	struct docker_volume_wish wish = {
		name ? name : "",
		anonymous,
		json_get(options, "Labels"),
		json_get(json_get(options, "DriverConfig"), "Options"),
	};
	struct buf body OWN(buf_done) = { 0 };
	char *copy;
	int r;

	if (!json_count(wish.labels) && !json_count(wish.options))
		return 0;
	if (create->volume_count == DEF_MOUNTS_MAX)
		return err_set(err, -EINVAL, "too many mounts: at most %d", DEF_MOUNTS_MAX);
	if (!create->volumes)
		create->volumes =
			arena_array(create->arena, DEF_MOUNTS_MAX, sizeof(*create->volumes));
	buf_init(&body, DOCKER_VOLUME_BODY_MAX);
	r = docker_volume_body(&wish, create->role, create->arena, &body, err);
	copy = r < 0 ? NULL : arena_alloc(create->arena, body.len);
	if (r >= 0 && (!copy || !create->volumes))
		r = err_set(err, -ENOMEM, "no memory for mounts");
	if (r < 0)
		return r;
	memcpy(copy, body.data, body.len);
	create->volumes[create->volume_count++] = str_make(copy, body.len);
	return 0;
}

static int mount_volume(struct create *create, const struct json *value, struct def_mount *mount,
			struct def_mount_more *more, struct err *err)
{
	const struct json *options = json_get(value, "VolumeOptions");
	struct str driver = json_str(json_get(json_get(options, "DriverConfig"), "Name"));
	int r = create_text(create, options, "Subpath", &more->subpath, err);

	mount->kind = DEF_MOUNT_VOLUME;
	if (r >= 0)
		r = check_subpath(more->subpath, "volume", err);
	if (r >= 0 && driver.len && !str_is(driver, "local"))
		r = err_set(err, -ENOENT,
			    "error looking up volume plugin %.*s: plugin \"%.*s\" "
			    "not found",
			    STR_ARG(driver), STR_ARG(driver));
	if (json_true(json_get(options, "NoCopy")))
		more->flags |= DEF_MOUNT_NO_COPY;
	if (r >= 0 && *mount->source) {
		r = volume_name(str_from(mount->source), err);
	} else if (r >= 0) {
		mount->source = random_name(create);
		more->flags |= DEF_MOUNT_ANONYMOUS;
	}
	return r < 0 ? r
		     : wish_volume(create, options, mount->source,
				   more->flags & DEF_MOUNT_ANONYMOUS, err);
}

static int mount_bind(const struct json *value, struct def_mount *mount,
		      struct def_mount_more *more, struct err *err)
{
	const struct json *options = json_get(value, "BindOptions");

	mount->kind = DEF_MOUNT_BIND;
	if (!*mount->source)
		return err_set(err, -EINVAL,
			       "invalid mount config for type \"bind\": field Source "
			       "must not be empty");
	if (*mount->source != '/')
		return err_set(err, -EINVAL,
			       "invalid mount config for type \"bind\": invalid mount "
			       "path: '%s' mount path must be absolute",
			       mount->source);
	more->propagation = propagation(json_str(json_get(options, "Propagation")));
	if (json_true(json_get(options, "NonRecursive")))
		more->flags |= DEF_MOUNT_FLAT;
	if (json_true(json_get(options, "CreateMountpoint")))
		more->flags |= DEF_MOUNT_MAKE;
	return 0;
}

static int mount_tmpfs(const struct json *value, struct def_mount *mount,
		       struct def_mount_more *more, struct err *err)
{
	const struct json *options = json_get(value, "TmpfsOptions");
	int64_t size = 0, mode = 0;
	int r = create_number(options, "SizeBytes", 0, INT64_MAX, &size, err);

	mount->kind = DEF_MOUNT_TMPFS;
	if (r >= 0)
		r = create_number(options, "Mode", 0, 07777, &mode, err);
	if (r >= 0 && *mount->source)
		r = err_set(err, -EINVAL,
			    "invalid mount config for type \"tmpfs\": field Source must "
			    "not be specified");
	more->size_bytes = (uint64_t)size;
	more->mode = (uint32_t)mode;
	return r;
}

/* Its files as they are now: another image of this name later does not change them. */
static int mount_image(struct create *create, const struct json *value, struct def_mount *mount,
		       struct def_mount_more *more, struct err *err)
{
	const struct docker_image *found = NULL;
	struct err why = { 0 };
	int r = create_text(create, json_get(value, "ImageOptions"), "Subpath", &more->subpath,
			    err);

	if (r >= 0 && !*mount->source)
		r = err_set(err, -EINVAL,
			    "invalid mount config for type \"image\": field Source must not be "
			    "empty");
	if (r >= 0)
		r = check_subpath(more->subpath, "image", err);
	if (r < 0)
		return r;
	/* 404 would say to the CLI that the container's image has to be pulled. */
	if (!create->images || docker_images_find(create->images, mount->source, &found, &why) < 0)
		return err_set(err, -EINVAL, "%s",
			       create->images ? err_text(&why) : "No such image");
	mount->kind = DEF_MOUNT_IMAGE;
	mount->read_only = true;
	more->layers =
		arena_array(create->arena, found->image.layer_count + 1U, sizeof(*more->layers));
	if (!more->layers)
		return err_set(err, -ENOMEM, "no memory for mounts");
	for (uint32_t i = 0; i < found->image.layer_count; i++)
		more->layers[more->layer_count++] = found->image.layers[i].blob;
	return 0;
}

static int one_mount(struct create *create, const struct json *value, struct err *err)
{
	struct str type = json_str(json_get(value, "Type"));
	struct def_mount_more more = { .subpath = "" };
	struct def_mount mount = { .read_only = json_true(json_get(value, "ReadOnly")) };
	struct str target = json_str(json_get(value, "Target"));
	int r = create_text(create, value, "Source", &mount.source, err);

	if (r < 0)
		return r;
	if (!target.len || target.ptr[0] != '/')
		return err_set(err, -EINVAL, "invalid mount config for type \"%.*s\": %s",
			       STR_ARG(type),
			       target.len ? "mount path must be absolute"
					  : "field Target must not be empty");
	mount.target = clean(create, target);
	if (str_is(type, "volume"))
		r = mount_volume(create, value, &mount, &more, err);
	else if (str_is(type, "bind"))
		r = mount_bind(value, &mount, &more, err);
	else if (str_is(type, "tmpfs"))
		r = mount_tmpfs(value, &mount, &more, err);
	else if (str_is(type, "image") && create->client && create->client->minor < IMAGE_MINOR)
		r = err_set(err, -EINVAL, "Mount type \"Image\" needs API v1.48 or newer");
	else if (str_is(type, "image"))
		r = mount_image(create, value, &mount, &more, err);
	else
		r = err_set(err, -EINVAL, "mount type \"%.*s\" is not supported by this engine",
			    STR_ARG(type));
	return r < 0 ? r : create_mount_add(create, &mount, &more, err);
}

/* ---- Tmpfs: {"/run":"rw,noexec,size=65536k"} ---- */

static int tmpfs_option(struct str word, struct def_mount *mount, struct def_mount_more *more,
			struct err *err)
{
	static const char *const plain[] = { "rw",	"noexec",      "nodev",	  "nosuid",
					     "noatime", "strictatime", "relatime" };
	uint64_t number = 0;
	bool fine = !word.len;

	for (size_t i = 0; i < ARRAY_LEN(plain); i++)
		fine |= str_is(word, plain[i]);
	if (fine)
		return 0;
	if (str_is(word, "ro"))
		mount->read_only = true;
	else if (str_is(word, "exec"))
		more->flags |= DEF_MOUNT_EXEC;
	else if (str_is(word, "dev"))
		more->flags |= DEF_MOUNT_DEV;
	else if (str_is(word, "suid"))
		more->flags |= DEF_MOUNT_SUID;
	else if (str_starts(word, STR("size=")) &&
		 str_to_size(str_skip(word, 5), INT64_MAX, &number) >= 0)
		more->size_bytes = number;
	else if (str_starts(word, STR("mode=")) && word.len <= 10) {
		for (size_t i = 5; i < word.len; i++) {
			if (word.ptr[i] < '0' || word.ptr[i] > '7')
				return err_set(err, -EINVAL, "invalid tmpfs option [\"%.*s\"]",
					       STR_ARG(word));
			more->mode = more->mode * 8 + (uint32_t)(word.ptr[i] - '0');
		}
	} else {
		return err_set(err, -EINVAL, "invalid tmpfs option [\"%.*s\"]", STR_ARG(word));
	}
	return 0;
}

static int tmpfs_all(struct create *create, struct err *err)
{
	const struct json *value;
	struct json_iter iter;
	struct str key, word;
	int r = 0;

	json_iter_init(&iter, json_get(create->host, "Tmpfs"));
	while (r >= 0 && json_iter_next(&iter, &key, &value)) {
		struct def_mount_more more = { .subpath = "" };
		struct def_mount mount = { .kind = DEF_MOUNT_TMPFS,
					   .source = "",
					   .target = clean(create, key) };
		struct str options = json_str(value);

		if (!key.len || key.ptr[0] != '/')
			return err_set(err, -EINVAL,
				       "invalid mount path: '%.*s' mount path must "
				       "be absolute",
				       STR_ARG(key));
		while (r >= 0 && str_cut(&options, ',', &word))
			r = tmpfs_option(word, &mount, &more, err);
		if (r >= 0)
			r = create_mount_add(create, &mount, &more, err);
	}
	return r;
}

/* ---- volumes that nobody named ---- */

static int anonymous(struct create *create, struct str path, struct err *err)
{
	const struct def_mount_more more = { .flags = DEF_MOUNT_ANONYMOUS, .subpath = "" };
	struct def_mount mount = { .kind = DEF_MOUNT_VOLUME, .target = clean(create, path) };

	if (!mount.target || !path.len || path.ptr[0] != '/')
		return err_set(err, -EINVAL, "invalid volume specification: '%.*s'", STR_ARG(path));
	if (create_mount_taken(create, str_from(mount.target)))
		return 0;
	mount.source = random_name(create);
	return create_mount_add(create, &mount, &more, err);
}

/* The driver for volumes without one of their own: looked up where there is such a volume. */
static int volume_driver(const struct create *create, struct err *err)
{
	struct str driver = json_str(json_get(create->host, "VolumeDriver"));
	bool volumes = false;

	for (uint32_t i = 0; i < create->def.mount_count; i++)
		volumes |= create->def.mounts[i].kind == DEF_MOUNT_VOLUME;
	if (!volumes || !driver.len || str_is(driver, "local"))
		return 0;
	return err_set(err, -ENOENT,
		       "error looking up volume plugin %.*s: plugin \"%.*s\" not found",
		       STR_ARG(driver), STR_ARG(driver));
}

int create_mounts(struct create *create, struct err *err)
{
	struct container_def *def = &create->def;
	const struct image_texts *own = &create->image->volumes;
	const struct json *value;
	struct json_iter iter;
	struct str key;
	int r = 0;

	def->mounts = arena_array(create->arena, DEF_MOUNTS_MAX, sizeof(*def->mounts));
	def->mounts_more = arena_array(create->arena, DEF_MOUNTS_MAX, sizeof(*def->mounts_more));
	if (!def->mounts || !def->mounts_more)
		return err_set(err, -ENOMEM, "no memory for mounts");
	json_iter_init(&iter, json_get(create->host, "Binds"));
	while (r >= 0 && json_iter_next(&iter, &key, &value))
		r = one_bind(create, json_str(value), err);
	json_iter_init(&iter, json_get(create->host, "Mounts"));
	while (r >= 0 && json_iter_next(&iter, &key, &value))
		r = one_mount(create, value, err);
	if (r >= 0)
		r = tmpfs_all(create, err);
	if (r >= 0)
		r = create_volumes_from(create, err);
	json_iter_init(&iter, json_get(create->body, "Volumes"));
	while (r >= 0 && json_iter_next(&iter, &key, &value))
		r = anonymous(create, key, err);
	for (uint32_t i = 0; r >= 0 && i < own->count; i++)
		r = anonymous(create, str_from(own->items[i]), err);
	return r < 0 ? r : volume_driver(create, err);
}
