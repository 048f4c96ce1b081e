/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What engine main tells the api role about containers: one record for both kinds, and what the
 * kernel counts for a container, as bytes that are not read here. Runs in engine main.
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include "engine/api/view_msg.h"
#include "engine/role_main.h"
#include "lib/fs.h"
#include "lib/own.h"

enum {
	VIEW_REPLY_MAX = 15 << 20,
	VIEW_PROCESSES_MAX = 4096,
	VIEW_COUNTER_MAX = 65536,
	VIEW_ROW_GUESS = 6144, /* bytes */
	VIEW_BRIEF_GUESS = 320,
	NS_PER_S = 1000000000,
};

static void put_addresses(struct engine_view *view, const struct container *container)
{
	for (uint32_t i = 0; i < container->address_count && i < ENGINE_VIEW_NETWORKS_MAX; i++) {
		const struct container_address *from = &container->addresses[i];

		view->addresses[view->address_count++] = (struct engine_address){
			.network = str_from(from->network),
			.ip4 = str_from(from->ip4),
			.gateway = str_from(from->gateway),
			.mac = str_from(from->mac),
			.prefix = from->prefix,
			.ip6 = str_from(from->ip6),
			.gateway6 = str_from(from->gateway6),
			.prefix6 = from->prefix6,
			.host_ip = str_from(from->host_ip),
			.flags = from->flags,
		};
	}
}

/* An answer in the making, and room for the parts of each row: asked for once, not for each. */
struct views {
	struct buf body, def, one;
};

static void views_init(struct views *views)
{
	buf_init(&views->body, VIEW_REPLY_MAX);
	buf_init(&views->def, ENGINE_DEF_MAX);
	buf_init(&views->one, ENGINE_DEF_MAX + 16384);
}

static void views_done(struct views *views)
{
	buf_done(&views->body);
	buf_done(&views->def);
	buf_done(&views->one);
}

static void put_view(struct views *out, struct engine_view *view, const struct container_def *def)
{
	buf_clear(&out->def);
	buf_clear(&out->one);
	if (def)
		container_def_encode(def, &out->def);
	if (!buf_error(&out->def))
		view->def = buf_str(&out->def);
	engine_view_put(&out->one, view);
	wire_put_str(&out->body, buf_str(&out->one));
}

static enum engine_state entry_state(const struct table_entry *entry)
{
	if (entry->paused)
		return ENGINE_STATE_PAUSED;
	if (entry->removing)
		return ENGINE_STATE_REMOVING;
	switch (entry->state) {
	case TABLE_STATE_CREATED:
		return ENGINE_STATE_CREATED;
	case TABLE_STATE_STARTING:
		if (entry->restarts) /* by its policy: who waits for its end waits on */
			return ENGINE_STATE_RESTARTING;
		return entry->finished_ns ? ENGINE_STATE_EXITED : ENGINE_STATE_CREATED;
	case TABLE_STATE_RUNNING:
		return ENGINE_STATE_RUNNING;
	case TABLE_STATE_RESTARTING:
		return ENGINE_STATE_RESTARTING;
	case TABLE_STATE_EXITED:
		return ENGINE_STATE_EXITED;
	}
	return ENGINE_STATE_CREATED;
}

static void put_entry(struct views *out, const struct table_entry *entry, bool brief)
{
	const struct container *container = entry->container;
	struct engine_view view = {
		.id = str_from(entry->id),
		.name = str_from(entry->def.name),
		.reference = str_from(entry->def.reference),
		.error = str_from(entry->error),
		.state = entry_state(entry),
		.oom = entry->oom,
		.exit_code = entry->exit_code,
		.restarts = entry->restarts,
		.created_ns = entry->def.host.created_ns,
		.started_ns = entry->started_ns,
		.finished_ns = entry->finished_ns,
		.edition = entry->edition,
	};
	bool runs = container && entry->state == TABLE_STATE_RUNNING;

	if (runs) {
		view.health = str_from(health_word(container));
		view.pid = (int32_t)container->pid;
		put_addresses(&view, container);
	}
	if (brief) {
		put_view(out, &view, NULL);
	} else {
		struct container_def def = entry->def;

		if (runs) { /* as they were picked */
			def.ports = container->def.ports;
			def.port_count = container->def.port_count;
		}
		put_view(out, &view, &def);
	}
}

static enum engine_state service_view_state(const struct service *service)
{
	switch (service->state) {
	case SERVICE_STATE_RUNNING:
	case SERVICE_STATE_STOPPING:
	case SERVICE_STATE_CYCLING:
		return ENGINE_STATE_RUNNING;
	case SERVICE_STATE_RESTARTING:
		return ENGINE_STATE_RESTARTING;
	case SERVICE_STATE_EXITED:
		return ENGINE_STATE_EXITED;
	case SERVICE_STATE_STOPPED:
	case SERVICE_STATE_REFUSED:
	case SERVICE_STATE_WAITING:
	case SERVICE_STATE_PREPARING:
	case SERVICE_STATE_RETRYING:
	case SERVICE_STATE_SCHEDULED:
	case SERVICE_STATE_STARTING:
	case SERVICE_STATE_COUNT:
		break;
	}
	return service->ran ? ENGINE_STATE_EXITED : ENGINE_STATE_CREATED;
}

static void put_service(struct views *out, const struct service *service)
{
	static const char *const policies[] = {
		[SERVICE_RESTART_NO] = "no",
		[SERVICE_RESTART_ALWAYS] = "always",
		[SERVICE_RESTART_ON_FAILURE] = "on-failure",
		[SERVICE_RESTART_UNLESS_STOPPED] = "unless-stopped",
	};
	const struct container *container = service->container;
	struct arena arena OWN(arena_done) = { 0 };
	struct container_def def;
	struct engine_row row;
	struct engine_view view = { .declared = true };
	bool known = container != NULL;

	arena_init(&arena, DEF_BYTES_MAX);
	manager_row(service, &row);
	view.id = str_from(*service->container_id ? service->container_id : service->name);
	view.name = str_from(service->name);
	view.reference = str_from(row.image);
	view.status = str_from(row.status);
	view.state = service_view_state(service);
	view.exit_code = service->last_exit.code;
	view.oom = service->last_exit.oom;
	view.restarts = service->restarts;
	view.policy = str_from(service->spec ? policies[service->spec->restart] : "no");
	view.policy_max = service->spec ? service->spec->restart_max : 0;
	view.started_ns = container ? container->started_ns : service->last_exit.started_ns;
	view.finished_ns = container ? 0 : service->last_exit.finished_ns;
	view.created_ns = row.created_s * NS_PER_S;
	if (view.state != ENGINE_STATE_RUNNING)
		view.error = str_from(service->reason);
	if (container) {
		view.health = str_from(health_word(container));
		view.pid = (int32_t)container->pid;
		put_addresses(&view, container);
	} else if (service->spec && *service->image.os) {
		known = container_def_service(service->spec, &service->image, &arena, &def, NULL) >=
			0;
	}
	put_view(out, &view, container ? &container->def : known ? &def : NULL);
}

static void views_all(struct engine *engine, struct views *out, bool brief)
{
	uint32_t count = engine->table.count;

	for (const struct service *s = engine->manager.services; s; s = s->next)
		count += s->declared || s->container;
	/* A row has some KiB: doubled from nothing it would be copied again and again. */
	(void)buf_reserve(&out->body, 64 + (size_t)(count < 1024 ? count : 1024) *
						      (brief ? VIEW_BRIEF_GUESS : VIEW_ROW_GUESS));
	wire_put_u32(&out->body, count);
	for (const struct table_entry *e = engine->table.first; e; e = e->next)
		put_entry(out, e, brief);
	for (const struct service *s = engine->manager.services; s; s = s->next) {
		if (s->declared || s->container)
			put_service(out, s);
	}
}

void engine_views_call(struct msg_peer *peer, struct msg *msg)
{
	struct engine *engine = engine_of(peer);
	struct views views OWN(views_done) = { 0 };
	char name[ENGINE_NAME_MAX] = "";
	struct engine_target target;
	struct err err = { 0 };
	struct wire in;

	views_init(&views);
	wire_init(&in, msg->body.ptr, msg->body.len);
	if (in.left)
		wire_text(&in, name, sizeof(name));
	if (wire_end(&in) < 0) {
		err_set(&err, -EBADMSG, "malformed request");
	} else if (!msg->body.len) {
		views_all(engine, &views, msg->type == ENGINE_MSG_VIEWS_BRIEF);
	} else if (engine_target(engine, name, &target, &err) >= 0) {
		wire_put_u32(&views.body, 1);
		if (target.entry)
			put_entry(&views, target.entry, false);
		else
			put_service(&views, target.service);
	}
	if (buf_error(&views.body))
		err_set(&err, buf_error(&views.body), "the list of containers is too long");
	if (err.code)
		(void)msg_reply_err(peer, msg->type, msg->serial, &err);
	else
		(void)msg_reply(peer, msg->type, msg->serial, buf_str(&views.body), NULL, 0);
}

/* ---- what the kernel counts ---- */

static struct container *read_running(struct msg_peer *peer, const struct msg *msg, struct err *err)
{
	struct engine_target target;
	char name[ENGINE_NAME_MAX];
	struct container *container;
	struct wire in;

	wire_init(&in, msg->body.ptr, msg->body.len);
	wire_text(&in, name, sizeof(name));
	if (wire_end(&in) < 0) {
		err_set(err, -EBADMSG, "malformed request");
		return NULL;
	}
	if (engine_target(engine_of(peer), name, &target, err) < 0)
		return NULL;
	container = engine_target_container(&target);
	if (container && container->phase == CONTAINER_PHASE_RUNNING)
		return container;
	err_set(err, -EBUSY, "container %s is not running", engine_target_id(&target));
	return NULL;
}

/* What a file below /proc holds, unread. */
static void put_file(struct buf *out, const char *path)
{
	struct buf content OWN(buf_done) = { 0 };
	int fd OWN_FD = fs_open(-1, path, FS_HOST, O_RDONLY, 0, NULL);

	buf_init(&content, VIEW_COUNTER_MAX);
	if (fd >= 0)
		(void)fs_read_fd(fd, VIEW_COUNTER_MAX, &content, NULL);
	wire_put_str(out, buf_str(&content));
}

static void put_proc(struct buf *out, unsigned pid, const char *name)
{
	struct buf path OWN(buf_done) = { 0 };

	buf_init(&path, 64);
	(void)buf_printf(&path, "/proc/%u/%s", pid, name);
	put_file(out, buf_text(&path));
}

void engine_processes_call(struct msg_peer *peer, struct msg *msg)
{
	struct buf body OWN(buf_done) = { 0 }, pids OWN(buf_done) = { 0 };
	struct err err = { 0 };
	const struct container *container = read_running(peer, msg, &err);
	struct str rest, line;
	uint32_t count = 0;

	buf_init(&body, VIEW_REPLY_MAX);
	buf_init(&pids, VIEW_COUNTER_MAX);
	if (container)
		(void)fs_read(container->cgroup_fd, "cgroup.procs", FS_BENEATH_XDEV,
			      VIEW_COUNTER_MAX, &pids, &err);
	if (err.code) {
		(void)msg_reply_err(peer, msg->type, msg->serial, &err);
		return;
	}
	rest = buf_str(&pids);
	for (size_t i = 0; i < rest.len; i++)
		count += rest.ptr[i] == '\n';
	count = count > VIEW_PROCESSES_MAX ? VIEW_PROCESSES_MAX : count;
	wire_put_u32(&body, count);
	for (; count && str_cut(&rest, '\n', &line); count--) {
		uint64_t pid = 0;

		(void)str_to_u64(line, 1, UINT32_MAX, &pid);
		wire_put_u32(&body, (uint32_t)pid);
		put_proc(&body, (unsigned)pid, "stat");
		put_proc(&body, (unsigned)pid, "cmdline");
		put_proc(&body, (unsigned)pid, "status");
	}
	(void)msg_reply(peer, msg->type, msg->serial, buf_str(&body), NULL, 0);
}

void engine_counters_call(struct msg_peer *peer, struct msg *msg)
{
	static const char *const files[] = { "memory.current", "memory.max",   "memory.stat",
					     "cpu.stat",       "pids.current", "pids.max",
					     "io.stat" };
	struct buf body OWN(buf_done) = { 0 };
	struct err err = { 0 };
	const struct container *container = read_running(peer, msg, &err);

	if (!container) {
		(void)msg_reply_err(peer, msg->type, msg->serial, &err);
		return;
	}
	buf_init(&body, VIEW_REPLY_MAX);
	wire_put_u32(&body, ARRAY_LEN(files) + 2);
	for (size_t i = 0; i < ARRAY_LEN(files); i++) {
		struct buf content OWN(buf_done) = { 0 };

		buf_init(&content, VIEW_COUNTER_MAX);
		(void)fs_read(container->cgroup_fd, files[i], FS_BENEATH_XDEV, VIEW_COUNTER_MAX,
			      &content, NULL);
		wire_put_text(&body, files[i]);
		wire_put_str(&body, buf_str(&content));
	}
	wire_put_text(&body, "net/dev");
	put_proc(&body, (unsigned)container->pid, "net/dev");
	wire_put_text(&body, "host");
	put_file(&body, "/proc/stat");
	(void)msg_reply(peer, msg->type, msg->serial, buf_str(&body), NULL, 0);
}
