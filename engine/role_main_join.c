/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Networks that come to a container of the API and go. Runs in engine main. The definition on the
 * disk changes once netd has put it in force.
 */
#include <errno.h>
#include <string.h>
#include "engine/api/image_msg.h"
#include "engine/role_main_work.h"
#include "lib/own.h"

struct join_work {
	struct engine_work work;
	struct arena arena; /* of def */
	struct container_def def;
	char id[CONTAINER_ID_LEN + 1];
};

static void join_free(struct engine_work *work)
{
	struct join_work *join = (struct join_work *)(void *)work; /* its first member */

	arena_done(&join->arena);
}

static bool lists(const struct image_texts *texts, const char *text)
{
	for (uint32_t i = 0; i < texts->count; i++) {
		if (!strcmp(texts->items[i], text))
			return true;
	}
	return false;
}

static void tell(struct engine *engine, const struct container_def *from,
		 const struct container_def *to)
{
	for (uint32_t i = 0; i < from->networks.count; i++) {
		if (!lists(&to->networks, from->networks.items[i]))
			engine_event(engine, "network", "disconnect", from->networks.items[i],
				     from->networks.items[i], NULL, 0);
	}
	for (uint32_t i = 0; i < to->networks.count; i++) {
		if (!lists(&from->networks, to->networks.items[i]))
			engine_event(engine, "network", "connect", to->networks.items[i],
				     to->networks.items[i], NULL, 0);
	}
}

/* Everything but the networks stays as it is now: it may have changed while netd was asked. */
static void on_joined(void *owner, const struct err *err)
{
	struct join_work *join = owner;
	struct engine *engine = join->work.engine;
	bool many;
	struct table_entry *entry = table_find(&engine->table, join->id, &many);
	struct container_def def;
	struct err bad = { 0 };

	if (!err && !entry) {
		err_set(&bad, -ENOENT, "No such container: %s", join->id);
		err = &bad;
	}
	if (!err) {
		def = entry->def;
		def.networks = join->def.networks;
		def.aliases = join->def.aliases;
		def.host.addresses = join->def.host.addresses;
		def.host.api = join->def.host.api;
		tell(engine, &entry->def, &def);
		if (table_change(entry, &def, &bad) < 0)
			err = &bad;
	}
	if (err)
		work_fail(&join->work, err);
	else
		work_reply(&join->work, STR(""));
}

static int begin(struct join_work *join, struct wire *in, struct err *err)
{
	struct engine_target target = { 0 };
	char name[ENGINE_NAME_MAX];
	struct wire one;
	struct str bytes;
	int r;

	wire_text(in, name, sizeof(name));
	bytes = wire_blob(in, DEF_BYTES_MAX);
	if (wire_end(in) < 0)
		return err_set(err, -EBADMSG, "malformed request");
	wire_init(&one, bytes.ptr, bytes.len);
	r = container_def_decode(&one, &join->arena, &join->def, err);
	if (r >= 0)
		r = engine_target(join->work.engine, name, &target, err);
	if (r < 0)
		return r;
	if (!target.entry)
		return err_set(err, -EBUSY,
			       "%s is declared in services.ini: change its section instead",
			       target.service->name);
	(void)str_copy(str_from(target.entry->id), join->id, sizeof(join->id));
	if (target.entry->container)
		return container_join_networks(target.entry->container, &join->def, on_joined, join,
					       err);
	on_joined(join, NULL);
	return 0;
}

void engine_networks_of_call(struct msg_peer *peer, struct msg *msg)
{
	struct join_work *join = work_new(peer, msg, sizeof(*join), join_free);
	struct err err = { 0 };
	struct wire in;

	if (!join)
		return;
	arena_init(&join->arena, DEF_BYTES_MAX * 2);
	wire_init(&in, msg->body.ptr, msg->body.len);
	if (begin(join, &in, &err) < 0)
		work_fail(&join->work, &err);
}
