/* SPDX-License-Identifier: Apache-2.0 */
/* Images without a name: what leaves them behind, what takes them away, and each call failing. */
#define HOY_TORTURE
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include "engine/oci/image.h"
#include "engine/store/store.h"
#include "lib/fs.h"
#include "lib/own.h"
#include "lib/sys.h"
#include "tests/unit/tap.h"

enum { FAULTS_MAX = 200, DAY_S = 86400 };

static int work = -1;
static char root_name[32];

static void id_of(const char *tag, struct digest *ret_digest, char text[DIGEST_TEXT_MAX])
{
	struct sha256 hash;
	sha256_init(&hash);
	sha256_add(&hash, tag, strlen(tag));
	sha256_end(&hash, ret_digest);
	(void)digest_text(ret_digest, text);
}

static void record(const char *name, const char *tag, struct buf *out)
{
	char text[DIGEST_TEXT_MAX];
	struct image image;
	image_init(&image);
	image.reference = strncmp(name, "sha256:", 7) == 0 ? "" : name;
	id_of(tag, &image.config, text);
	image.manifest = image.config;
	image.manifest_type = "application/vnd.oci.image.manifest.v1+json";
	image.config_type = "application/vnd.oci.image.config.v1+json";
	image.os = "linux";
	image.architecture = "amd64";
	buf_init(out, 1 << 20);
	image_encode(&image, out);
}

typedef int set_fn(struct store *store, struct str reference, struct str record, bool *ret_replaced,
		   struct err *err);

static int give(struct store *store, set_fn *fn, const char *name, const char *tag, struct err *err)
{
	struct buf body OWN(buf_done) = { 0 };
	bool replaced;
	record(name, tag, &body);
	return fn(store, str_from(name), buf_str(&body), &replaced, err);
}

static void must(struct store *store, set_fn *fn, const char *name, const char *tag)
{
	struct err err = { 0 };
	is_int(give(store, fn, name, tag, &err), 0, "%s is %s %s", name, tag, err.text);
}

static bool has_row(const struct store *store, const char *tag)
{
	struct digest digest;
	char text[DIGEST_TEXT_MAX];
	id_of(tag, &digest, text);
	return refs_find(&store->refs, text) >= 0;
}

static bool is_found(const struct store *store, const char *tag)
{
	struct digest digest;
	char text[DIGEST_TEXT_MAX];
	struct str found;
	id_of(tag, &digest, text);
	return store_image_get(store, text, &found, NULL) == 0;
}

static int open_again(struct store *store)
{
	int root = fs_open_dir(work, root_name, FS_BENEATH, 0700, NULL);
	return root < 0 ? root : store_open(store, root, NULL, NULL);
}

static void fresh(struct store *store)
{
	if (*root_name)
		(void)fs_remove_tree(work, root_name, NULL);
	(void)snprintf(root_name, sizeof(root_name), "s");
	is_int(open_again(store), 0, "a store is made");
}

static void test_moves(void)
{
	struct store store;
	struct err err = { 0 };
	struct digest digest;
	char id[DIGEST_TEXT_MAX];
	fresh(&store);
	must(&store, store_image_move, "app", "one");
	must(&store, store_image_move, "app", "one");
	ok(store.refs.image_count == 1, "the same again leaves nothing");
	must(&store, store_image_set, "app", "two");
	ok(store.refs.image_count == 1 && !is_found(&store, "one"), "set leaves nothing");
	must(&store, store_image_move, "app", "three");
	ok(has_row(&store, "two"), "move leaves the one before");
	must(&store, store_image_move, "other", "three");
	must(&store, store_image_move, "app", "four");
	ok(!has_row(&store, "three"), "not one that has another name");
	store_done(&store);
	is_int(open_again(&store), 0, "opens again");
	ok(has_row(&store, "two") && store.refs.image_count == 3, "it is durable");
	must(&store, store_image_move, "back", "two");
	ok(!has_row(&store, "two") && is_found(&store, "two"), "a name takes its row");
	id_of("two", &digest, id);
	must(&store, store_image_set, id, "two");
	ok(!has_row(&store, "two"), "one with a name gets no row");
	is_int(store_image_untag(&store, "back", &err), 0, "untag %s", err.text);
	ok(has_row(&store, "two") && refs_find(&store.refs, "back") < 0, "leaves it");
	is_int(store_image_untag(&store, id, &err), -ENOENT, "an id is no name");
	is_int(store_image_untag(&store, "back", &err), -ENOENT, "nor one that is gone");
	is_int(store_image_remove(&store, id, &err), 0, "by its id it goes");
	ok(!is_found(&store, "two"), "whole");
	store_done(&store);
}

/* By its id also what a name could go back to goes: else prune would free nothing. */
static void test_before(void)
{
	struct store store;
	struct err err = { 0 };
	struct digest digest;
	char id[DIGEST_TEXT_MAX];
	fresh(&store);
	must(&store, store_image_move, "app", "one");
	must(&store, store_image_move, "app", "two");
	ok(store.refs.images[refs_find(&store.refs, "app")]->before.len > 0, "one is before two");
	id_of("one", &digest, id);
	is_int(store_image_remove(&store, id, &err), 0, "removed %s", err.text);
	is_int(store_fall_back(&store, "app", &digest, &err), -ENOENT, "nothing to go back to");
	store_done(&store);
	is_int(open_again(&store), 0, "opens again");
	is_int(store_fall_back(&store, "app", &digest, &err), -ENOENT, "for good");
	store_done(&store);
}

static void test_many(void)
{
	struct store store;
	char tag[24];
	fresh(&store);
	for (int i = 0; i <= STORE_UNNAMED_MAX; i++) {
		(void)snprintf(tag, sizeof(tag), "t%d", i);
		if (give(&store, store_image_move, "app", tag, NULL) < 0)
			ok(false, "move to %s", tag);
	}
	is_int(store.refs.image_count, STORE_UNNAMED_MAX + 1, "as many stay");
	must(&store, store_image_move, "app", "more");
	ok(is_found(&store, "t0") && !is_found(&store, "t256"), "all in use: the next does not");
	for (uint32_t i = 0; i < store.refs.image_count; i++)
		store.refs.images[i]->idle_s = 5000 + i;
	struct digest digest;
	char id[DIGEST_TEXT_MAX];
	id_of("t7", &digest, id);
	store.refs.images[refs_find(&store.refs, id)]->idle_s = 17;
	must(&store, store_image_move, "app", "most");
	ok(is_found(&store, "more") && !is_found(&store, "t7"), "the longest idle gives way");
	is_int(store.refs.image_count, STORE_UNNAMED_MAX + 1, "no more than that");
	store_done(&store);
}

static char went[400];

static void on_gone(void *owner, const char *reference, enum store_gone why, int64_t idle_s)
{
	size_t len = strlen(went);
	(void)owner;
	(void)idle_s;
	(void)snprintf(went + len, sizeof(went) - len, "%.10s:%d ", reference, (int)why);
}

/* For room they go first, also where a named one is idle for longer. */
static void test_clean(void)
{
	struct store_clean args = { .now_s = 100 * DAY_S };
	struct store_collected sum = { 0 };
	struct store store;
	struct err err = { 0 };
	char expected[64], id[DIGEST_TEXT_MAX];
	struct digest digest;
	OWN_FD int fd = -1;
	fresh(&store);
	must(&store, store_image_move, "idle", "long");
	is_int(store_clean(&store, &args, on_gone, NULL, &sum, &err), 0, "looks %s", err.text);
	must(&store, store_image_move, "app", "one");
	id_of("one", &digest, id);
	fd = store_blob_new(&store, &err);
	ok(fs_write_fd(fd, "one", 3, &err) == 0 &&
		   store_blob_publish(&store, fd, &digest, &err) == 0,
	   "it has a file %s", err.text);
	must(&store, store_image_move, "app", "two");
	args.now_s = 200 * DAY_S;
	args.need = 1;
	is_int(store_clean(&store, &args, on_gone, NULL, &sum, &err), 0, "cleans %s", err.text);
	(void)snprintf(expected, sizeof(expected), "%.10s:%d ", id, (int)STORE_GONE_ROOM);
	ok(strcmp(went, expected) == 0, "went: \"%s\", expected \"%s\"", went, expected);
	ok(!is_found(&store, "one") && refs_find(&store.refs, "idle") >= 0, "the others stay");
	store_done(&store);
}

enum act { ACT_MOVE, ACT_UNTAG, ACT_NAME, ACT_DROP, ACT_COUNT };

static int perform(struct store *store, enum act act, struct err *err)
{
	char id[DIGEST_TEXT_MAX];
	struct digest digest;
	id_of("lost", &digest, id);
	switch (act) {
	case ACT_MOVE:
		return give(store, store_image_move, "app", "new", err);
	case ACT_UNTAG:
		return store_image_untag(store, "app", err);
	case ACT_NAME:
		return give(store, store_image_move, "app", "lost", err);
	case ACT_DROP:
		return store_image_remove(store, id, err);
	case ACT_COUNT:
		break;
	}
	return 0;
}

/* Before (0) or after (1) the act, and nothing between: -1. */
static int which(const struct store *store, enum act act)
{
	bool app = is_found(store, "app"), lost = is_found(store, "lost");
	bool before = app && !has_row(store, "app") && has_row(store, "lost") &&
		      refs_find(&store->refs, "app") >= 0 && store->refs.image_count == 2;
	bool after = false;
	switch (act) {
	case ACT_MOVE:
		after = has_row(store, "app") && has_row(store, "lost") && is_found(store, "new");
		break;
	case ACT_UNTAG:
		after = has_row(store, "app") && has_row(store, "lost") &&
			refs_find(&store->refs, "app") < 0;
		break;
	case ACT_NAME:
		after = has_row(store, "app") && lost && !has_row(store, "lost");
		break;
	case ACT_DROP:
		after = app && !lost;
		break;
	case ACT_COUNT:
		break;
	}
	return before ? 0 : after ? 1 : -1;
}

static bool torture_one(enum act act, unsigned nth, int code, bool *ret_fired)
{
	struct store store;
	struct err err = { 0 };
	(void)fs_remove_tree(work, root_name, NULL);
	(void)open_again(&store);
	(void)give(&store, store_image_move, "app", "lost", NULL);
	(void)give(&store, store_image_move, "app", "app", NULL);
	sys_fault_arm(nth, code);
	int r = perform(&store, act, &err);
	*ret_fired = sys_fault_fired() != NULL;
	sys_fault_arm(0, 0);
	int live = which(&store, act);
	store_done(&store);
	bool good = open_again(&store) == 0;
	int kept = good ? which(&store, act) : -1;
	store_done(&store);
	/* An act that failed may stand on the disk where the power of the last sync is unknown. */
	good = good && (r == 0 ? live == 1 && kept == 1 : live == 0 && kept >= 0);
	if (!good)
		note("act %d, call %u fails with %d: result %d %s, then %d and %d", (int)act, nth,
		     code, r, err.text, live, kept);
	return good;
}

static void test_torture(void)
{
	static const int codes[] = { EIO, ENOSPC };
	for (int act = 0; act < ACT_COUNT; act++) {
		bool good = true;
		unsigned failures = 0;
		for (size_t c = 0; c < ARRAY_LEN(codes); c++) {
			bool fired = true;
			for (unsigned nth = 1; fired && nth < FAULTS_MAX; nth++) {
				good = torture_one((enum act)act, nth, codes[c], &fired) && good;
				failures += fired;
			}
		}
		ok(good && failures > 4, "act %d: %u failing calls, whole images in each case", act,
		   failures);
	}
}

int main(void)
{
	OWN_FD int shm = fs_open(AT_FDCWD, "/dev/shm", FS_HOST, O_RDONLY | O_DIRECTORY, 0, NULL);
	OWN_FD int place = shm >= 0 ? take_fd(&shm)
				    : fs_open_dir(AT_FDCWD, "build", FS_BENEATH_XDEV, 0755, NULL);
	char name[40];
	(void)snprintf(name, sizeof(name), "hoy-unit-unnamed-%d", (int)getpid());
	work = place < 0 ? -1 : fs_open_dir(place, name, FS_BENEATH, 0755, NULL);
	if (!ok(work >= 0, "a place to write"))
		return tap_done();
	test_moves();
	test_before();
	test_many();
	test_clean();
	test_torture();
	own_close(&work);
	(void)fs_remove_tree(place, name, NULL);
	return tap_done();
}
