/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Getting the image of a service: from the store when it is there, else pulled, or built from its
 * context. Also the archives of the config media, taken in once. Runs in engine main.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include "engine/api/store_msg.h"
#include "engine/oci/reference.h"
#include "engine/service/manager.h"
#include "lib/fs.h"
#include "lib/log.h"
#include "lib/own.h"

enum { IMAGE_ARENA_MAX = 8 << 20, BUILD_AFTER_FAILURES = 3 };

static void failed(struct service *service, const struct err *err)
{
	service_reason(service, err_text(err));
	service_event(service, SERVICE_EVENT_FAILED);
}

/* ---- pull ---- */

static void on_progress(void *owner, const char *line)
{
	struct service *service = owner;

	service_update_heard(service);
	(void)str_copy(str_head(str_from(line), sizeof(service->progress) - 1), service->progress,
		       sizeof(service->progress));
}

static void image_ask(struct service *service);
static void build_begin(struct service *service);

static void on_pulled(void *owner, const struct err *err)
{
	struct service *service = owner;

	service->take = NULL;
	service->progress[0] = 0;
	service_update_heard(service);
	if (err && !service->update.first) {
		failed(service, err);
		return;
	}
	if (err) {
		service_keep_stored(service, err);
		return;
	}
	service->update.first = false;
	log_notice("service %s: image %s is here", service->name, service->spec->image);
	image_ask(service);
}

struct image_take *service_pull(struct service *service, const struct image_take_ops *ops,
				struct err *err)
{
	struct manager *manager = service->manager;
	struct image_take_env env = { .loop = manager->env.loop,
				      .store = manager->env.store,
				      .leases = manager->env.containers->leases,
				      .keep_blobs = manager->keep_blobs };
	struct arena arena OWN(arena_done) = { 0 };
	struct pull_start start;

	arena_init(&arena, 4 << 20);
	manager_pull_hosts(manager, service->spec->image, &arena, &start);
	return image_take_pull(&env, &start, ops, service, err);
}

static void pull(struct service *service)
{
	static const struct image_take_ops ops = { .progress = on_progress, .done = on_pulled };
	struct err err = { 0 };

	log_notice("service %s: pulling %s", service->name, service->spec->image);
	service->take = service_pull(service, &ops, &err);
	if (!service->take)
		failed(service, &err);
}

/* ---- what the store has ---- */

static int take_record(struct service *service, struct str record, struct err *err)
{
	struct wire in;

	arena_done(&service->image_arena);
	arena_init(&service->image_arena, IMAGE_ARENA_MAX);
	wire_init(&in, record.ptr, record.len);
	return image_decode(&in, &service->image_arena, &service->image, err);
}

static void on_image(struct msg_peer *peer, void *owner, struct msg *reply, const struct err *err)
{
	struct service *service = owner;
	struct err bad = { 0 };

	(void)peer;
	if (service->state != SERVICE_STATE_PREPARING || service->take || service->build ||
	    !service->spec)
		return;
	if (!reply && err->code == -ENOENT && !service->manager->preloading) {
		if (*service->spec->build)
			build_begin(service);
		else
			pull(service);
		return;
	}
	if (!reply && err->code == -ENOENT)
		return; /* asked again when the archives are in */
	if (!reply) {
		failed(service, err);
		return;
	}
	if (take_record(service, reply->body, &bad) < 0) {
		failed(service, &bad);
		return;
	}
	service_event(service, SERVICE_EVENT_PREPARED);
}

static void image_ask(struct service *service)
{
	struct buf body OWN(buf_done) = { 0 };
	char reference[OCI_REFERENCE_MAX];
	struct err err = { 0 };
	int64_t r = service_image_name(service, reference, &err);

	if (r < 0) {
		failed(service, &err);
		return;
	}
	buf_init(&body, 1024);
	wire_put_text(&body, reference);
	r = msg_peer_call(service->manager->env.store, STORE_MSG_IMAGE_GET, buf_str(&body), NULL, 0,
			  on_image, service, &err);
	if (r < 0)
		failed(service, &err);
}

/* ---- build ---- */

static void on_built(void *owner, const struct image *image, const struct err *err)
{
	struct service *service = owner;
	struct err bad = { 0 };

	service->build = NULL;
	service->progress[0] = 0;
	if (!image) {
		failed(service, err);
		return;
	}
	arena_done(&service->image_arena);
	arena_init(&service->image_arena, IMAGE_ARENA_MAX);
	if (image_copy(&service->image_arena, image, &service->image, &bad) < 0) {
		failed(service, &bad);
		return;
	}
	service->stale = false;
	log_notice("service %s: built from %s", service->name, service->spec->build);
	service_event(service, SERVICE_EVENT_PREPARED);
}

static void build_begin(struct service *service)
{
	static const struct build_job_ops ops = { .progress = on_progress, .done = on_built };
	struct err err = { 0 };

	service->build = service_build(service, &ops, &err);
	if (!service->build)
		failed(service, &err);
}

/* One that ends by itself is run from what its context is now; another one starts from the image
 * that is there, and is built anew while it runs. Where that one never starts, by turns: its
 * context may have been mended, or the build may fail. */
static bool builds_first(const struct service *service)
{
	const struct service_spec *spec = service->spec;

	if (!service->stale)
		return false;
	if (service->failures >= BUILD_AFTER_FAILURES && service->failures % 2)
		return true;
	return !service->image_stays && (*spec->schedule || spec->restart == SERVICE_RESTART_NO ||
					 spec->restart == SERVICE_RESTART_ON_FAILURE);
}

/* What was tried is written down, and the store is asked; it fails only if that has none. */
void service_keep_stored(struct service *service, const struct err *err)
{
	service->update.first = false;
	image_take_cancel(service->take);
	service->take = NULL;
	service->progress[0] = 0;
	log_warn("service %s: no newer %s: %s; starting with what the store has", service->name,
		 service->spec->image, err_text(err));
	image_ask(service);
}

void service_prepare(struct service *service)
{
	bool built = *service->spec->build != 0, waits = service->manager->preloading;
	bool always = !built && service->spec->pull == SERVICE_PULL_ALWAYS &&
		      !update_pinned(service->spec->image);

	service->update.first = always && !waits;
	if (always && waits)
		return; /* comes back when the archives are in */
	if (always) {
		service_update_first(service);
		pull(service);
	} else if (!built || !builds_first(service))
		image_ask(service);
	else if (!waits)
		build_begin(service); /* its base may be in an archive */
}

void service_cancel(struct service *service)
{
	service_update_stop(service);
	image_take_cancel(service->take);
	service->take = NULL;
	build_job_cancel(service->build);
	service->build = NULL;
	service->progress[0] = 0;
	loop_timer_stop(service->manager->env.loop, &service->late);
	turn_leave(&service->manager->starts, &service->start);
	if (service->container && service->state != SERVICE_STATE_RUNNING) {
		container_release(service->container);
		container_free(service->container);
		service->container = NULL;
	}
	if (msg_peer_alive(service->manager->env.store))
		msg_peer_forget(service->manager->env.store, service);
}

/* ---- archives of the config media ---- */

/*
 * /data/state/preloaded: one line "NAME SIZE MTIME" for each archive that was taken in. An archive
 * that is the same in all three is not opened again.
 */
enum { PRELOAD_MAX = 64, PRELOAD_FILE_MAX = 65536 };

struct preload_list {
	char names[PRELOAD_MAX][256];
	uint32_t count;
};

static int preload_entry(int dirfd, const char *name, unsigned char d_type, void *owner,
			 struct err *err)
{
	struct preload_list *list = owner;
	struct str text = str_from(name);

	(void)dirfd;
	(void)d_type;
	(void)err;
	if (list->count < PRELOAD_MAX &&
	    (str_ends(text, STR(".tar")) || str_ends(text, STR(".tar.gz")) ||
	     str_ends(text, STR(".tgz"))))
		(void)str_copy(text, list->names[list->count++], 256);
	return 0;
}

static int name_order(const void *a, const void *b)
{
	return strcmp(a, b);
}

static void preload_line(int dirfd, const char *name, struct buf *out)
{
	struct stat st = { 0 };

	(void)fs_stat(dirfd, name, FS_BENEATH_XDEV, &st, NULL);
	(void)buf_printf(out, "%s %lld %lld\n", name, (long long)st.st_size,
			 (long long)st.st_mtime);
}

static bool preload_known(struct manager *manager, int dirfd, const char *name)
{
	struct buf known OWN(buf_done) = { 0 }, line OWN(buf_done) = { 0 };

	buf_init(&known, PRELOAD_FILE_MAX);
	buf_init(&line, 1024);
	preload_line(dirfd, name, &line);
	if (fs_read(manager->env.containers->data_fd, "state/preloaded", FS_BENEATH,
		    PRELOAD_FILE_MAX, &known, NULL) < 0)
		return false;
	return line.len && strstr(buf_text(&known), buf_text(&line)) != NULL;
}

static void preload_remember(struct manager *manager, int dirfd, const char *name)
{
	int state OWN_FD =
		fs_open_dir(manager->env.containers->data_fd, "state", FS_BENEATH, 0700, NULL);
	struct buf known OWN(buf_done) = { 0 };
	struct err err = { 0 };

	buf_init(&known, PRELOAD_FILE_MAX);
	if (state < 0)
		return;
	(void)fs_read(state, "preloaded", FS_BENEATH, PRELOAD_FILE_MAX, &known, NULL);
	preload_line(dirfd, name, &known);
	if (buf_error(&known) ||
	    fs_replace(state, "preloaded", known.data, known.len, 0600, &err) < 0)
		log_warn("archive %s will be taken in again at the next boot: %s", name,
			 err_text(&err));
}

static void preload_next(struct manager *manager);

static void on_preload_image(void *owner, const struct image *image)
{
	(void)owner;
	log_notice("image %s taken in from the config media", image->reference);
}

static struct preload_list preload_archives;
static int preload_dir = -1;

static void on_preloaded(void *owner, const struct err *err)
{
	struct manager *manager = owner;
	const char *name = preload_archives.names[manager->preload_next];
	char shown[300];

	manager->preload = NULL;
	(void)str_escape(str_from(name), shown, sizeof(shown));
	if (err)
		log_err("archive /config/images/%s: %s", shown, err_text(err));
	else
		preload_remember(manager, preload_dir, name);
	manager->preload_next++;
	preload_next(manager);
}

static void preload_finish(struct manager *manager)
{
	own_close(&preload_dir);
	manager->preloading = false;
	for (struct service *s = manager->services; s; s = s->next) {
		if (s->state == SERVICE_STATE_PREPARING && !s->take && !s->build && s->spec)
			service_prepare(s);
	}
}

static void preload_next(struct manager *manager)
{
	static const struct image_take_ops ops = { .image = on_preload_image,
						   .done = on_preloaded };
	struct image_take_env env = { .loop = manager->env.loop,
				      .store = manager->env.store,
				      .leases = manager->env.containers->leases,
				      .keep_blobs = manager->keep_blobs };
	struct err err = { 0 };

	while (manager->preload_next < preload_archives.count) {
		const char *name = preload_archives.names[manager->preload_next];
		int fd OWN_FD = -1;

		if (!preload_known(manager, preload_dir, name)) {
			fd = fs_open(preload_dir, name, FS_BENEATH_XDEV, O_RDONLY, 0, &err);
			if (fd >= 0)
				manager->preload =
					image_take_archive(&env, fd, "", &ops, manager, &err);
			if (manager->preload)
				return;
			log_err("archive /config/images/%s: %s", name, err_text(&err));
		}
		manager->preload_next++;
	}
	preload_finish(manager);
}

void manager_preload(struct manager *manager)
{
	const struct ini_section *engine = ini_find(&manager->engine_config, "engine", "");

	if (manager->preloading || (engine && !ini_number(&engine_schema, engine, "preload", 1)))
		return;
	preload_dir = fs_open(-1, "/config/images", FS_HOST, O_RDONLY | O_DIRECTORY, 0, NULL);
	if (preload_dir < 0)
		return;
	preload_archives.count = 0;
	manager->preload_next = 0;
	if (fs_each(preload_dir, preload_entry, &preload_archives, NULL) < 0)
		log_warn("/config/images cannot be read to its end");
	qsort(preload_archives.names, preload_archives.count, 256, name_order);
	manager->preloading = true;
	preload_next(manager);
}
