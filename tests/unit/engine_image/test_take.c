/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A pull that finds its image unchanged while somebody removes the name. This program plays the
 * store, and, started again as "pull", the role: the two seams of image_take_pull().
 */
#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include "engine/api/store_msg.h"
#include "engine/image/take.h"
#include "lib/own.h"
#include "tests/unit/tap.h"

#define NAME "registry.example/shop/web:1"

/* ---- the role: what the reference means has not changed ---- */

static int play_role(void)
{
	struct pollfd watch = { .fd = 3, .events = POLLIN };
	struct pull_start start;
	struct arena arena = { 0 };
	struct err err = { 0 };
	struct msg msg = { 0 };

	arena_init(&arena, 1 << 20);
	while (msg_recv(3, &msg, &err) == -EAGAIN)
		(void)poll(&watch, 1, -1);
	if (msg.type != PULL_MSG_START || pull_start_decode(msg.body, &arena, &start, &err) < 0)
		return 1;
	struct msg reply = {
		.type = msg.type, .flags = MSG_FLAG_REPLY, .serial = msg.serial, .body = start.known
	};
	return msg_send(3, &reply, &err) < 0;
}

/* ---- the store ---- */

static struct loop loop;
static struct msg_peer ours, theirs;
static struct image_leases leases;
static struct buf record;
static bool named = true, leased, lease_first, done;
static unsigned gets, sets;
static int result;

static void on_get(struct msg_peer *peer, struct msg *msg)
{
	struct err err = { 0 };

	if (gets++ > 0)
		lease_first = leased;
	if (named) {
		(void)msg_reply(peer, msg->type, msg->serial, buf_str(&record), NULL, 0);
	} else {
		err_set(&err, -ENOENT, "no such image");
		(void)msg_reply_err(peer, msg->type, msg->serial, &err);
	}
	if (gets == 2)
		named = false; /* rmi, while the role asks its registry */
}

static void on_set(struct msg_peer *peer, struct msg *msg)
{
	char name[STORE_REFERENCE_MAX];
	struct wire in;

	wire_init(&in, msg->body.ptr, msg->body.len);
	wire_text(&in, name, sizeof(name));
	sets++;
	is_text(name, NAME, "the name that is given");
	ok(str_eq(str_make(in.ptr, in.left), buf_str(&record)), "it means what it meant before");
	named = true;
	(void)msg_reply(peer, msg->type, msg->serial, STR("\0"), NULL, 0);
}

static void on_lease(struct msg_peer *peer, struct msg *msg)
{
	leased = true;
	(void)msg_reply(peer, msg->type, msg->serial, STR(""), NULL, 0);
}

static const struct msg_rule rules[] = {
	{ STORE_MSG_IMAGE_GET, "get", 4, 4096, 0, 0, 1, on_get },
	{ STORE_MSG_IMAGE_SET, "set", 4, STORE_RECORD_MAX, 0, 0, 1, on_set },
	{ STORE_MSG_LEASE, "lease", 8, 1 << 20, 0, 0, 1, on_lease },
};

static void on_done(void *owner, const struct err *err)
{
	(void)owner;
	result = err ? err->code : 0;
	if (err)
		note("%s", err->text);
	done = true;
}

static void collect(void *owner)
{
	(void)owner;
}

static void make_record(void)
{
	struct image_layer layer = { .media_type = "application/vnd.oci.image.layer.v1.tar",
				     .size = 7 };
	struct image image;

	image_init(&image);
	memset(layer.blob.bytes, 4, sizeof(layer.blob.bytes));
	image.reference = NAME;
	image.layers = &layer;
	image.layer_count = 1;
	buf_init(&record, STORE_RECORD_MAX);
	image_encode(&image, &record);
}

int main(int argc, char **argv)
{
	static const struct image_take_ops ops = { .done = on_done };
	const struct image_take_env env = { .loop = &loop, .store = &ours, .leases = &leases };
	struct pull_start start = { .reference = NAME,
				    .os = "linux",
				    .architecture = "amd64",
				    .variant = "",
				    .docker_config = "",
				    .proxy = { "", "", "" },
				    .signature = { .keys = "", .keys_missing = "" } };
	struct err err = { 0 };
	int pair[2];

	if (argc > 1 && strcmp(argv[1], "pull") == 0)
		return play_role();
	leases = (struct image_leases){ .store = &ours, .collect = collect };
	make_record();
	if (loop_init(&loop, NULL) < 0 || msg_pair(pair, NULL) < 0 ||
	    msg_peer_init(&ours, &loop, pair[0], 1, NULL, 0, 1 << 20, NULL, NULL, NULL) < 0 ||
	    msg_peer_init(&theirs, &loop, pair[1], 1, rules, ARRAY_LEN(rules), 1 << 20, NULL, NULL,
			  NULL) < 0)
		return 1;
	ok(image_take_pull(&env, &start, &ops, NULL, &err) != NULL, "a pull begins");
	for (int i = 0; i < 6000 && !done; i++)
		(void)loop_step(&loop, 10, NULL);
	ok(done && result == 0, "it ends well");
	is_int(sets, 1, "the name is set, although the image did not change");
	ok(named, "a name removed meanwhile is there again");
	ok(lease_first, "its blobs are held before the store is asked for good");
	(void)loop_step(&loop, 10, NULL);
	ok(!leases.first, "and are let go at the end");
	msg_peer_done(&ours);
	msg_peer_done(&theirs);
	loop_done(&loop);
	buf_done(&record);
	return tap_done();
}
