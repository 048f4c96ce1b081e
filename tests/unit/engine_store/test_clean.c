/* SPDX-License-Identifier: Apache-2.0 */
/* What goes by itself, in which order, and what a name can go back to: on a store of its own. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "engine/oci/image.h"
#include "engine/store/store.h"
#include "lib/fs.h"
#include "lib/own.h"
#include "tests/unit/tap.h"

enum { MINUTE_MS = 60000, DAY_S = 86400 };

static int work = -1;
static char root_name[32];
static struct mono now = { INT64_C(3600000000000) };

static struct digest digest_of(const char *text)
{
	struct digest digest;
	struct sha256 hash;
	sha256_init(&hash);
	sha256_add(&hash, text, strlen(text));
	sha256_end(&hash, &digest);
	return digest;
}

/* An image whose manifest is a blob of one block; `layer`: a layer that nobody made. */
static void record(const char *tag, bool layer, struct buf *out)
{
	struct image_layer missing = { .media_type = "application/vnd.oci.image.layer.v1.tar" };
	struct image image;
	image_init(&image);
	image.reference = tag;
	image.manifest = image.config = digest_of(tag);
	missing.blob = missing.diff = digest_of("missing");
	image.layers = &missing;
	image.layer_count = layer;
	image.manifest_type = "application/vnd.oci.image.manifest.v1+json";
	image.config_type = "application/vnd.oci.image.config.v1+json";
	image.os = "linux";
	image.architecture = "amd64";
	buf_init(out, 1 << 20);
	image_encode(&image, out);
}

static void set(struct store *store, const char *name, const char *tag, bool layer)
{
	struct buf body OWN(buf_done) = { 0 };
	struct digest digest = digest_of(tag);
	struct err err = { 0 };
	bool replaced = false;
	OWN_FD int fd = store_blob_new(store, &err);
	int r = fd < 0 ? fd : fs_write_fd(fd, tag, strlen(tag), &err);
	if (r == 0)
		r = store_blob_publish(store, fd, &digest, &err);
	record(tag, layer, &body);
	if (r == 0)
		r = store_image_set(store, str_from(name), buf_str(&body), &replaced, &err);
	is_int(r, 0, "%s is %s: %s", name, tag, err.text);
}

static bool is_stored(const struct store *store, const char *tag)
{
	struct digest digest = digest_of(tag);
	uint64_t size = 0;
	return store_blob_stat(store, &digest, &size, NULL) == 0;
}

static int open_again(struct store *store, struct buf *notes)
{
	int root = fs_open_dir(work, root_name, FS_BENEATH, 0700, NULL);
	return root < 0 ? root : store_open(store, root, notes, NULL);
}

static void fresh(struct store *store)
{
	static unsigned number;
	if (*root_name)
		(void)fs_remove_tree(work, root_name, NULL);
	(void)snprintf(root_name, sizeof(root_name), "s%u", ++number);
	is_int(open_again(store, NULL), 0, "a store is made");
}

static char went[400];

static void on_gone(void *owner, const char *reference, enum store_gone why, int64_t idle_s)
{
	size_t len = strlen(went);
	(void)owner;
	(void)idle_s;
	(void)snprintf(went + len, sizeof(went) - len, "%s:%d ", reference, (int)why);
}

static void clean(struct store *store, const struct store_clean *args, const char *expected)
{
	struct store_collected sum = { 0 };
	struct err err = { 0 };
	went[0] = 0;
	is_int(store_clean(store, args, on_gone, NULL, &sum, &err), 0, "cleans %s", err.text);
	ok(strcmp(went, expected) == 0, "went: \"%s\", expected \"%s\"", went, expected);
}

static void pass_minutes(int64_t minutes)
{
	now = mono_add_ms(now, minutes * MINUTE_MS);
}

static void test_age(void)
{
	const char *used[] = { "used" };
	struct store_clean args = { .now_s = 1000 * DAY_S,
				    .age_s = 7 * DAY_S,
				    .keep_ms = 10 * MINUTE_MS,
				    .used = used,
				    .used_count = 1 };
	struct store store;
	struct str found;
	fresh(&store);
	set(&store, "used", "u", false);
	set(&store, "idle", "i", false);
	set(&store, "late", "l", false);
	pass_minutes(60);
	clean(&store, &args, "");
	args.now_s += 6 * DAY_S;
	clean(&store, &args, "");
	store_done(&store);
	is_int(open_again(&store, NULL), 0, "the time is known over a restart");
	is_int(store_image_get(&store, "late", &found, NULL), 0, "somebody asks for one");
	args.now_s += DAY_S;
	clean(&store, &args, "idle:1 ");
	ok(!is_stored(&store, "i") && is_stored(&store, "l"), "what only it had is gone");
	pass_minutes(60);
	args.now_s -= 100 * DAY_S;
	clean(&store, &args, "");
	args.now_s = 0;
	clean(&store, &args, "");
	args.now_s = 1000 * DAY_S;
	args.used[0] = "late";
	clean(&store, &args, "");
	args.now_s += 8 * DAY_S;
	clean(&store, &args, "used:1 ");
	args.now_s += 8 * DAY_S;
	clean(&store, &args, "");
	store_done(&store);
}

static void test_room(void)
{
	const char *used[] = { "used" };
	struct store_clean args = { .keep_ms = 0, .used = used, .used_count = 1 };
	struct store store;
	fresh(&store);
	set(&store, "used", "u", false);
	set(&store, "young", "y", false);
	set(&store, "old", "o", false);
	args.now_s = 100 * DAY_S;
	used[0] = "young";
	clean(&store, &args, "");
	args.now_s = 200 * DAY_S;
	used[0] = "used";
	clean(&store, &args, "");
	set(&store, "used", "u2", false);
	args.need = 1;
	clean(&store, &args, "used:3 ");
	ok(!is_stored(&store, "u") && is_stored(&store, "u2"), "first what was replaced");
	clean(&store, &args, "old:2 ");
	ok(is_stored(&store, "y"), "no more than is needed, the longest idle first");
	args.need = UINT64_C(1) << 40;
	clean(&store, &args, "young:2 ");
	ok(is_stored(&store, "u2"), "what is used stays whatever is needed");
	store_done(&store);
}

static void test_back(void)
{
	struct buf notes OWN(buf_done) = { 0 };
	struct store store;
	struct store_collected sum = { 0 };
	struct err err = { 0 };
	struct digest config, good = digest_of("good");
	fresh(&store);
	set(&store, "app", "good", false);
	is_int(store_fall_back(&store, "app", &config, &err), -ENOENT, "%s", err.text);
	set(&store, "app", "bad", true);
	is_int(store_gc(&store, &sum, &err), 0, "collects");
	store_done(&store);
	is_int(open_again(&store, NULL), 0, "opens again");
	ok(is_stored(&store, "good"), "the one before is kept");
	is_int(store_fall_back(&store, "app", &config, &err), 0, "goes back %s", err.text);
	ok(memcmp(&config, &good, sizeof(good)) == 0, "to the good one");
	is_int(store_fall_back(&store, "app", &config, &err), -ENOENT, "and no further");
	set(&store, "app", "bad", true);
	set(&store, "app", "worse", true);
	is_int(store_fall_back(&store, "app", &config, &err), -ENOENT,
	       "not to one that lacks a layer");
	ok(strstr(err.text, "the image before it"), "%s", err.text);
	is_int(store_image_remove(&store, "app", &err), 0, "removed");
	set(&store, "app", "good", false);
	store_done(&store);
	is_int(open_again(&store, NULL), 0, "opens again");
	is_int(store_fall_back(&store, "app", &config, &err), -ENOENT, "a new name has no past");
	set(&store, "app", "bad", true);
	is_int(fs_replace(store.refs_dir, "aside", "HOYASIDEgarbage", 15, 0600, &err), 0,
	       "damaged");
	store_done(&store);
	buf_init(&notes, 4096);
	is_int(open_again(&store, &notes), 0, "opens all the same");
	ok(strstr(buf_text(&notes), "refs/aside") && store.refs.image_count == 1, "%s",
	   buf_text(&notes));
	store_done(&store);
}

int main(void)
{
	/* Memory where there is some, as test_store. */
	OWN_FD int shm = fs_open(AT_FDCWD, "/dev/shm", FS_HOST, O_RDONLY | O_DIRECTORY, 0, NULL);
	OWN_FD int place = shm >= 0 ? take_fd(&shm)
				    : fs_open_dir(AT_FDCWD, "build", FS_BENEATH_XDEV, 0755, NULL);
	char name[40];
	(void)snprintf(name, sizeof(name), "hoy-unit-clean-%d", (int)getpid());
	work = place < 0 ? -1 : fs_open_dir(place, name, FS_BENEATH, 0755, NULL);
	if (!ok(work >= 0, "a place to write"))
		return tap_done();
	mono_fake(&now);
	test_age();
	test_room();
	test_back();
	mono_fake(NULL);
	own_close(&work);
	(void)fs_remove_tree(place, name, NULL);
	return tap_done();
}
