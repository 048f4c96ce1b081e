/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What console, CLI and api role ask engine main for. Each handler checks its body to the last byte
 * before it acts. Runs in engine main.
 */
#include <errno.h>
#include <string.h>
#include <sys/statvfs.h>
#include <unistd.h>
#include "engine/api/compose_msg.h"
#include "engine/api/access_msg.h"
#include "engine/api/build_call_msg.h"
#include "engine/api/context_msg.h"
#include "engine/api/engine_msg.h"
#include "engine/api/image_msg.h"
#include "engine/api/run_msg.h"
#include "engine/api/stream_msg.h"
#include "engine/api/view_msg.h"
#include "engine/role_main_access.h"
#include "engine/role_main_work.h"
#include "lib/own.h"

enum { CALLS_REPLY_MAX = 8 << 20, CALLS_LOGS_MAX = 8 };

/* ---- containers ---- */

static int read_target(struct msg_peer *peer, struct msg *msg, struct engine_target *ret_target,
		       struct err *err)
{
	struct engine *engine = engine_of(peer);
	char name[ENGINE_NAME_MAX];
	struct wire in;

	wire_init(&in, msg->body.ptr, msg->body.len);
	wire_text(&in, name, sizeof(name));
	if (wire_end(&in) < 0)
		return err_set(err, -EBADMSG, "malformed request 0x%x", msg->type);
	if (engine_target(engine, name, ret_target, err) < 0)
		return err->code == -ENOENT && peer->identity != ENGINE_PEER_API
			       ? manager_unknown(&engine->manager, name, err)
			       : err->code;
	return 0;
}

static void on_health(struct msg_peer *peer, struct msg *msg)
{
	static struct engine_health out;
	struct engine_target target = { 0 };
	struct buf body OWN(buf_done) = { 0 };
	const struct container *container;
	const struct health *health;
	struct err err = { 0 };

	if (read_target(peer, msg, &target, &err) < 0) {
		(void)msg_reply_err(peer, msg->type, msg->serial, &err);
		return;
	}
	container = engine_target_container(&target);
	health = container ? health_of(container) : NULL;
	memset(&out, 0, sizeof(out));
	(void)str_copy(str_from(container ? health_word(container) : "none"), out.state,
		       sizeof(out.state));
	out.streak = health ? health->streak : 0;
	for (uint32_t i = 0; health && i < health->result_count; i++) {
		const struct health_result *result = &health->results[i];

		out.results[i].start_s = result->start_ns / 1000000000;
		out.results[i].end_s = result->end_ns / 1000000000;
		out.results[i].code = result->code;
		(void)str_copy(str_from(result->output), out.results[i].output,
			       sizeof(out.results[i].output));
		out.count++;
	}
	buf_init(&body, sizeof(out) + 256);
	engine_health_put(&body, &out);
	(void)msg_reply(peer, msg->type, msg->serial, buf_str(&body), NULL, 0);
}

static void on_logs(struct msg_peer *peer, struct msg *msg)
{
	struct engine *engine = engine_of(peer);
	struct buf body OWN(buf_done) = { 0 };
	struct engine_target target = { 0 };
	const struct container *container;
	int fds[CALLS_LOGS_MAX], count;
	struct err err = { 0 };

	count = read_target(peer, msg, &target, &err);
	if (count >= 0 && !engine->data_ready)
		count = err_set(&err, -EAGAIN, "the data partition is not there");
	else if (count >= 0)
		count = container_logs(&engine->containers, engine_target_id(&target), fds,
				       CALLS_LOGS_MAX, &err);
	if (count < 0) {
		(void)msg_reply_err(peer, msg->type, msg->serial, &err);
		return;
	}
	buf_init(&body, 16);
	container = engine_target_container(&target);
	wire_put_u8(&body, target.entry ? target.entry->def.tty : container && container->def.tty);
	(void)msg_reply(peer, msg->type, msg->serial, buf_str(&body), fds, (size_t)count);
	for (int i = 0; i < count; i++)
		close(fds[i]);
}

/* ---- the rest ---- */

static void on_issues(struct msg_peer *peer, struct msg *msg)
{
	struct engine *engine = engine_of(peer);
	const struct ini_config *const configs[] = { &engine->manager.engine_config,
						     &engine->manager.config };
	struct buf body OWN(buf_done) = { 0 };

	buf_init(&body, CALLS_REPLY_MAX);
	wire_put_u32(&body, configs[0]->issue_count + configs[1]->issue_count);
	for (size_t c = 0; c < ARRAY_LEN(configs); c++) {
		for (const struct ini_issue *i = configs[c]->issues; i; i = i->next)
			wire_put_text(&body, i->text);
	}
	(void)msg_reply(peer, msg->type, msg->serial, buf_str(&body), NULL, 0);
}

static void on_check(struct msg_peer *peer, struct msg *msg)
{
	struct buf body OWN(buf_done) = { 0 };
	struct err err = { 0 };

	buf_init(&body, CALLS_REPLY_MAX);
	if (manager_try(&engine_of(peer)->manager, &body, &err) < 0)
		(void)msg_reply_err(peer, msg->type, msg->serial, &err);
	else
		(void)msg_reply(peer, msg->type, msg->serial, buf_str(&body), NULL, 0);
}

static void on_info(struct msg_peer *peer, struct msg *msg)
{
	struct engine *engine = engine_of(peer);
	struct buf body OWN(buf_done) = { 0 };
	uint32_t running = 0, declared = 0;
	struct statvfs fs = { 0 };

	for (const struct service *s = engine->manager.services; s; s = s->next) {
		running += s->state == SERVICE_STATE_RUNNING;
		declared += s->declared;
	}
	if (engine->data_ready)
		(void)fstatvfs(engine->containers.data_fd, &fs);
	buf_init(&body, 1024);
	wire_put_u32(&body, running);
	wire_put_u32(&body, declared);
	wire_put_u64(&body, (uint64_t)(fs.f_blocks - fs.f_bfree) * fs.f_frsize);
	wire_put_u64(&body, (uint64_t)fs.f_bavail * fs.f_frsize);
	wire_put_text(&body, engine->data_ready ? "ready" : "waits for the data partition");
	(void)msg_reply(peer, msg->type, msg->serial, buf_str(&body), NULL, 0);
}

void engine_calls_gone(struct engine *engine, struct msg_peer *peer)
{
	engine_image_calls_gone(engine, peer);
	engine_contexts_gone(peer);
	engine_works_gone(engine, peer);
	engine_waits_gone(peer);
	engine_builds_gone(engine, peer);
	for (size_t i = 0; i < ENGINE_EXECS_MAX; i++) {
		if (engine->execs[i].used && engine->execs[i].peer == peer)
			engine_exec_drop(&engine->execs[i]);
	}
	for (size_t i = 0; i < ARRAY_LEN(engine->listeners); i++) {
		if (engine->listeners[i].peer == peer)
			engine->listeners[i].peer = NULL;
	}
	engine_box_gone(engine, peer);
	engine_attach_gone(engine, peer);
}

enum { WHO_ALL = ENGINE_PEER_ROOT | ENGINE_PEER_CONSOLE | ENGINE_PEER_API };

const struct msg_rule engine_rules[] = {
	{ ENGINE_MSG_PS, "ps", 0, 0, 0, 0, WHO_ALL, engine_ps_call },
	{ ENGINE_MSG_ACT, "act", 13, 256, 0, 0, WHO_ALL, engine_act_call },
	{ ENGINE_MSG_LOGS, "logs", 4, 256, 0, 0, WHO_ALL, on_logs },
	{ ENGINE_MSG_EXEC, "exec", 21, 1 << 20, 0, 0, WHO_ALL, engine_exec_call },
	{ ENGINE_MSG_EXEC_TOLD, "exec-told", 21, 1 << 20, 0, 0, ENGINE_PEER_API, engine_exec_call },
	{ ENGINE_MSG_EXEC_USER, "exec-user", 21, 1 << 20, 0, 0, ENGINE_PEER_API, engine_exec_call },
	{ ENGINE_MSG_RESIZE, "resize", 8, 8, 0, 0, WHO_ALL, engine_resize_call },
	{ ENGINE_MSG_IMAGES, "images", 0, 0, 0, 0, WHO_ALL, engine_images_call },
	{ ENGINE_MSG_PULL, "pull", 4, 1024, 0, 0, WHO_ALL, engine_pull_call },
	{ ENGINE_MSG_PUSH, "push", 8, 2048, 0, 0, WHO_ALL, engine_pull_call },
	{ ENGINE_MSG_IMAGE_REMOVE, "image-remove", 4, 1024, 0, 0, WHO_ALL,
	  engine_image_remove_call },
	{ ENGINE_MSG_IMAGE_DROP, "image-drop", 9, 256 << 10, 0, 0, ENGINE_PEER_API,
	  engine_image_drop_call },
	{ ENGINE_MSG_ISSUES, "issues", 0, 0, 0, 0, WHO_ALL, on_issues },
	{ ENGINE_MSG_INFO, "info", 0, 0, 0, 0, WHO_ALL, on_info },
	{ ENGINE_MSG_CACHE, "cache", 0, 0, 0, 0, ENGINE_PEER_API, engine_cache_call },
	{ ENGINE_MSG_CACHE_PRUNE, "cache-prune", 17, 17, 0, 0, ENGINE_PEER_API, engine_cache_call },
	{ ENGINE_MSG_PRUNE, "prune", 0, 0, 0, 0, WHO_ALL, engine_prune_call },
	{ ENGINE_MSG_ENDS, "ends", 4, 256, 0, 0, WHO_ALL, engine_ends_call },
	{ ENGINE_MSG_METRICS, "metrics", 0, 0, 0, 0, WHO_ALL, engine_metrics_call },
	{ ENGINE_MSG_COMPOSE, "compose", 4, COMPOSE_BODY_MAX, 0, 0,
	  ENGINE_PEER_ROOT | ENGINE_PEER_CONSOLE, engine_compose_call },
	{ ENGINE_MSG_CHECK, "check", 0, 0, 0, 0, WHO_ALL, on_check },
	{ ENGINE_MSG_HEALTH, "health", 4, 256, 0, 0, WHO_ALL, on_health },
	{ ENGINE_MSG_INSPECT, "inspect", 4, 256, 0, 0, WHO_ALL, engine_inspect_call },
	{ ENGINE_MSG_VIEWS, "views", 0, 256, 0, 0, WHO_ALL, engine_views_call },
	{ ENGINE_MSG_VIEWS_BRIEF, "views-brief", 0, 0, 0, 0, WHO_ALL, engine_views_call },
	{ ENGINE_MSG_CREATE, "create", 8, 2 << 20, 0, 0, ENGINE_PEER_API, engine_create_call },
	{ ENGINE_MSG_RUN, "run", 9, ENGINE_RUN_SECTION_MAX + 256, 0, 0,
	  ENGINE_PEER_ROOT | ENGINE_PEER_CONSOLE, engine_run_call },
	{ ENGINE_MSG_WAIT, "wait", 4, 256, 0, 0, ENGINE_PEER_ROOT | ENGINE_PEER_CONSOLE,
	  engine_wait_call },
	{ ENGINE_MSG_START, "start", 4, 256, 0, 0, WHO_ALL, engine_start_call },
	{ ENGINE_MSG_STOP, "stop", 16, 256, 0, 0, ENGINE_PEER_API, engine_stop_call },
	{ ENGINE_MSG_RESTART, "restart", 16, 256, 0, 0, ENGINE_PEER_API, engine_stop_call },
	{ ENGINE_MSG_KILL, "kill", 8, 256, 0, 0, ENGINE_PEER_API, engine_kill_call },
	{ ENGINE_MSG_REMOVE, "remove", 6, 256, 0, 0, WHO_ALL, engine_remove_call },
	{ ENGINE_MSG_PAUSE, "pause", 5, 256, 0, 0, WHO_ALL, engine_pause_call },
	{ ENGINE_MSG_CHANGE, "change", 8, 2 << 20, 0, 0, ENGINE_PEER_API, engine_change_call },
	{ ENGINE_MSG_ATTACH, "attach", 5, 256, 0, 0, WHO_ALL, engine_attach_call },
	{ ENGINE_MSG_ATTACH_TOLD, "attach-told", 5, 256, 0, 0, ENGINE_PEER_API,
	  engine_attach_call },
	{ ENGINE_MSG_CANCEL, "cancel", 4, 4, 0, 0, ENGINE_PEER_API, engine_cancel_call },
	{ ENGINE_MSG_TTY, "tty", 8, 256, 0, 0, WHO_ALL, engine_tty_call },
	{ ENGINE_MSG_EVENTS, "events", 0, 0, 0, 0, ENGINE_PEER_API, engine_events_call },
	{ ENGINE_MSG_RECORDS, "records", 0, 0, 0, 0, ENGINE_PEER_API, engine_records_call },
	{ ENGINE_MSG_PROCESSES, "processes", 4, 256, 0, 0, ENGINE_PEER_API, engine_processes_call },
	{ ENGINE_MSG_COUNTERS, "counters", 4, 256, 0, 0, ENGINE_PEER_API, engine_counters_call },
	{ ENGINE_MSG_PULL_AS, "pull-as", 21, 65536, 0, 0, ENGINE_PEER_API, engine_pull_call },
	{ ENGINE_MSG_NETWORKS, "networks", 0, 0, 0, 0, WHO_ALL, engine_networks_call },
	{ ENGINE_MSG_NETWORK_MAKE, "network-make", 13, 1 << 20, 0, 0, ENGINE_PEER_API,
	  engine_network_make_call },
	{ ENGINE_MSG_NETWORK_REMOVE, "network-remove", 4, 256, 0, 0, ENGINE_PEER_API,
	  engine_network_remove_call },
	{ ENGINE_MSG_NETWORKS_OF, "networks-of", 8, 2 << 20, 0, 0, ENGINE_PEER_API,
	  engine_networks_of_call },
	{ ENGINE_MSG_REGISTRY, "registry", 20, 65536, 0, 0, ENGINE_PEER_API, engine_registry_call },
	{ ENGINE_MSG_REFERRERS, "referrers", 8, 4096, 0, 0, WHO_ALL, engine_registry_call },
	{ ENGINE_MSG_ID, "id", 0, 0, 0, 0, ENGINE_PEER_API, engine_id_call },
	{ ENGINE_MSG_VOLUMES, "volumes", 0, 0, 0, 0, WHO_ALL, engine_volumes_call },
	{ ENGINE_MSG_VOLUME_MAKE, "volume-make", 12, 1 << 20, 0, 0, ENGINE_PEER_API,
	  engine_volume_make_call },
	{ ENGINE_MSG_VOLUME_REMOVE, "volume-remove", 4, 256, 0, 0, ENGINE_PEER_API,
	  engine_volume_remove_call },
	{ ENGINE_MSG_BUILD, "build", 25, BUILD_CALL_BYTES_MAX, 0, 0,
	  ENGINE_PEER_ROOT | ENGINE_PEER_CONSOLE, engine_build_call },
	{ ENGINE_MSG_TAG, "tag", 8, 2048, 0, 0, WHO_ALL, engine_tag_call },
	{ ENGINE_MSG_HISTORY, "history", 4, 1024, 0, 0, WHO_ALL, engine_history_call },
	{ ENGINE_MSG_SAVE, "save", 9, 64 << 10, 0, 1, WHO_ALL, engine_save_call },
	{ ENGINE_MSG_LOAD, "load", 8, 8192, 0, 1, WHO_ALL, engine_load_call },
	{ ENGINE_MSG_CHANGES, "changes", 4, 256, 0, 0, WHO_ALL, engine_changes_call },
	{ ENGINE_MSG_EXPORT, "export", 8, 8192, 0, 1, WHO_ALL, engine_export_call },
	{ ENGINE_MSG_PATH_STAT, "path-stat", 8, 8192, 0, 0, WHO_ALL, engine_path_stat_call },
	{ ENGINE_MSG_PATH_GET, "path-get", 8, 8192, 1, 1, WHO_ALL, engine_path_get_call },
	{ ENGINE_MSG_PATH_PUT, "path-put", 9, 8192, 1, 1, WHO_ALL, engine_path_put_call },
	{ ENGINE_MSG_STORE_CHECK, "store-check", 1, 1, 0, 0, WHO_ALL, engine_check_call },
	{ ENGINE_MSG_IMAGE_FILE, "image-file", 8, 5000, 0, 0, WHO_ALL, engine_image_file_call },
	{ ENGINE_MSG_IMAGE_TREE, "image-tree", 5, 1024, 1, 1, ENGINE_PEER_API,
	  engine_image_tree_call },
	{ ENGINE_MSG_CLEAN, "clean", 0, 0, 0, 0, WHO_ALL, engine_clean_call },
	{ ENGINE_MSG_USAGE, "usage", 0, 0, 0, 0, WHO_ALL, engine_usage_call },
	{ ENGINE_MSG_PRUNE_KIND, "prune-kind", 5, 64 << 10, 0, 0, WHO_ALL, engine_prune_kind_call },
	{ ENGINE_MSG_COPY, "copy", 13, 16384, 0, 0, ENGINE_PEER_ROOT | ENGINE_PEER_CONSOLE,
	  engine_copy_call },
	{ ENGINE_MSG_COMMIT, "commit", 21, 3 << 20, 0, 0, WHO_ALL, engine_commit_call },
	{ ENGINE_MSG_BUILD_CONTEXT, "build-context", 129, ENGINE_CONTEXT_BODY_MAX, 0, 1,
	  ENGINE_PEER_API, engine_build_context_call },
	{ ENGINE_MSG_BUILD_GO, "build-go", 129, ENGINE_CONTEXT_BODY_MAX, 0, 0, ENGINE_PEER_API,
	  engine_build_go_call },
	{ ENGINE_MSG_BUILD_CANCEL, "build-cancel", 8, 8, 0, 0, ENGINE_PEER_API,
	  engine_build_cancel_call },
	{ ACCESS_MSG_ISSUE, "access-issue", 13, 8192, 0, 0, ENGINE_PEER_ROOT | ENGINE_PEER_CONSOLE,
	  engine_access_issue_call },
	{ ACCESS_MSG_LIST, "access-list", 0, 0, 0, 0, ENGINE_PEER_ROOT | ENGINE_PEER_CONSOLE,
	  engine_access_list_call },
	{ ACCESS_MSG_REVOKE, "access-revoke", 4, 256, 0, 0, ENGINE_PEER_ROOT | ENGINE_PEER_CONSOLE,
	  engine_access_revoke_call },
	{ ENGINE_MSG_IMPORT, "import", 25, 3 << 20, 0, 1, WHO_ALL, engine_import_call },
};
const size_t engine_rule_count = ARRAY_LEN(engine_rules);
