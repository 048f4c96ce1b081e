/* SPDX-License-Identifier: Apache-2.0 */
/* The store in one process: names that survive, generations, the cache, what collection keeps, and
 * each operation with each of its system calls failing once. */
#define HOY_TORTURE
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include "engine/oci/image.h"
#include "engine/store/store.h"
#include "engine/store/sum.h"
#include "engine/store/trailer.h"
#include "lib/fs.h"
#include "lib/own.h"
#include "lib/sys.h"
#include "tests/unit/tap.h"

enum { TORTURE_MAX = 400 };

static int work = -1; /* the directory of this run */
static char root_name[32];

static struct digest digest_of(const char *text)
{
	struct digest digest;
	struct sha256 hash;
	sha256_init(&hash);
	sha256_add(&hash, text, strlen(text));
	sha256_end(&hash, &digest);
	return digest;
}

/* An image whose manifest, config and one layer are the digests of "m"+tag and so on. */
static void record(const char *tag, struct buf *out)
{
	char name[64];
	struct image_layer layer = { .media_type = "application/vnd.oci.image.layer.v1.tar+gzip" };
	struct image image;
	image_init(&image);
	image.reference = tag;
	(void)snprintf(name, sizeof(name), "m%s", tag);
	image.manifest = digest_of(name);
	name[0] = 'c';
	image.config = digest_of(name);
	name[0] = 'l';
	layer.blob = layer.diff = digest_of(name);
	image.layers = &layer;
	image.layer_count = 1;
	image.manifest_type = "application/vnd.oci.image.manifest.v1+json";
	image.config_type = "application/vnd.oci.image.config.v1+json";
	image.os = "linux";
	image.architecture = "amd64";
	buf_init(out, 1 << 20);
	image_encode(&image, out);
}

/* The same, its layer as registries have it. */
static void compressed(const char *tag, struct buf *out)
{
	struct arena arena OWN(arena_done) = { 0 };
	struct buf plain OWN(buf_done) = { 0 };
	struct image image;
	struct wire in;
	arena_init(&arena, 1 << 20);
	record(tag, &plain);
	wire_init(&in, plain.data, plain.len);
	is_int(image_decode(&in, &arena, &image, NULL), 0, "decoded");
	image.layers[0].diff = digest_of("tar");
	buf_init(out, 1 << 20);
	image_encode(&image, out);
}

static bool replaced; /* what the last set_image() said */

static int set_image(struct store *store, const char *tag, struct err *err)
{
	struct buf body OWN(buf_done) = { 0 };
	record(tag, &body);
	return store_image_set(store, str_from(tag), buf_str(&body), &replaced, err);
}

static int open_again(struct store *store, struct buf *notes, struct err *err)
{
	int root = fs_open_dir(work, root_name, FS_BENEATH, 0700, err);
	return root < 0 ? root : store_open(store, root, notes, err);
}

static void fresh(struct store *store)
{
	static unsigned number;
	if (*root_name)
		(void)fs_remove_tree(work, root_name, NULL);
	(void)snprintf(root_name, sizeof(root_name), "s%u", ++number);
	ok(open_again(store, NULL, NULL) == 0, "a store is made");
}

static int add_blob(struct store *store, const char *text, struct err *err)
{
	struct digest digest = digest_of(text);
	OWN_FD int fd = store_blob_new(store, err);
	int r = fd < 0 ? fd : fs_write_fd(fd, text, strlen(text), err);
	return r < 0 ? r : store_blob_publish(store, fd, &digest, err);
}

static bool has_blob(const struct store *store, const char *text)
{
	struct digest digest = digest_of(text);
	uint64_t size = 0;
	return store_blob_stat(store, &digest, &size, NULL) == 0 && size == strlen(text);
}

/* ---- layers through the queue ---- */

static int commit_result;

static void on_commit(void *owner, uint32_t serial, const struct store_layer *layer,
		      const struct err *err)
{
	(void)owner;
	(void)serial;
	commit_result = layer ? 0 : err->code;
}

static int add_layer(struct store *store, const char *name, struct err *err)
{
	static const struct sum_events events = { on_commit, NULL, NULL };
	struct loop loop;
	struct sum_queue queue;
	struct store_layer layer = { .digest = digest_of(name), .diff = digest_of("diff") };
	char block[8192] = "";
	(void)snprintf(block + 5000, 100, "layer %s", name);
	int fd = store_layer_new(store, 0, err);
	int r = fd < 0 ? fd : fs_write_fd(fd, block, sizeof(block), err);
	if (r < 0) {
		own_close(&fd);
		return r;
	}
	r = loop_init(&loop, err);
	if (r < 0) {
		own_close(&fd);
		return r;
	}
	sum_init(&queue, &loop, store, &events, NULL);
	commit_result = 1;
	r = sum_commit(&queue, fd, &layer, 7, err);
	for (int i = 0; r == 0 && i < 100 && commit_result == 1; i++)
		r = loop_step(&loop, 100, err);
	sum_done(&queue);
	loop_done(&loop);
	return r < 0 ? r : commit_result;
}

static bool has_layer(const struct store *store, const char *name)
{
	struct digest digest = digest_of(name);
	struct store_layer layer;
	OWN_FD int fd = store_layer_open(store, &digest, &layer, NULL);
	return fd >= 0 && layer.size == 8192;
}

/* ---- tests ---- */

static void test_names(void)
{
	struct store store;
	struct str got;
	struct err err = { 0 };
	char id[DIGEST_TEXT_MAX];
	struct digest config;
	fresh(&store);
	ok(set_image(&store, "b:1", &err) == 0 && set_image(&store, "a:1", &err) == 0, "set: %s",
	   err.text);
	store_done(&store);
	ok(open_again(&store, NULL, &err) == 0, "opened again");
	is_int(store.refs.image_count, 2, "both are there");
	is_text(store.refs.images[0]->reference, "a:1", "in order");
	is_int(store_image_get(&store, "b:1", &got, &err), 0, "get by name");
	config = digest_of("ca:1");
	is_int(store_image_get(&store, digest_text(&config, id), &got, &err), 0, "get by id");
	is_int(store_image_get(&store, "b:2", &got, &err), -ENOENT, "unknown");
	is_text(err_text(&err), "no such image: b:2; did you mean b:1?", "names the nearest");
	is_int(store_image_remove(&store, "a:1", &err), 0, "remove");
	is_int(store_image_remove(&store, "a:1", &err), -ENOENT, "twice");
	is_int(store_image_set(&store, STR("x"), STR("garbage"), &replaced, &err), -EBADMSG,
	       "a record that is none");
	store_done(&store);
	ok(open_again(&store, NULL, &err) == 0 && store.refs.image_count == 1, "removed for good");
	store_done(&store);
}

/* The newer table is damaged in every way: the one before counts, and is said to. */
static void test_damage(void)
{
	for (int way = 0; way < 3; way++) {
		struct store store;
		struct buf notes OWN(buf_done) = { 0 }, file OWN(buf_done) = { 0 };
		struct err err = { 0 };
		fresh(&store);
		(void)set_image(&store, "one", NULL);
		(void)set_image(&store, "two", NULL);
		const char *newest = store.slot == 0 ? "table.1" : "table.0";
		buf_init(&file, 1 << 20);
		buf_init(&notes, 4096);
		(void)fs_read(store.refs_dir, newest, FS_BENEATH, 1 << 20, &file, &err);
		if (way == 0)
			file.data[file.len - 1] ^= 1;
		if (way == 1)
			file.len /= 2;
		if (way == 2)
			file.len = 0;
		(void)fs_replace(store.refs_dir, newest, file.data, file.len, 0600, &err);
		store_done(&store);
		is_int(open_again(&store, &notes, &err), 0, "opens, way %d", way);
		ok(store.refs.image_count == 1, "the generation before, way %d", way);
		ok(strstr(buf_text(&notes), newest) != NULL, "noted: %s",
		   notes.len > 0 ? "yes" : "no");
		ok(set_image(&store, "three", &err) == 0, "and goes on");
		store_done(&store);
		ok(open_again(&store, NULL, &err) == 0 && store.refs.image_count == 2,
		   "from there");
		store_done(&store);
	}
}

/* Another image under the same name: said, and what only the one before the last used can go. */
static void test_replace(void)
{
	struct buf other OWN(buf_done) = { 0 };
	struct store store;
	struct err err = { 0 };
	struct store_collected sum = { 0 };
	uint64_t disk;
	int64_t made_s;
	fresh(&store);
	is_int(add_layer(&store, "lx", &err), 0, "a layer %s", err.text);
	is_int(add_layer(&store, "ly", &err), 0, "another %s", err.text);
	ok(set_image(&store, "x", &err) == 0 && !replaced, "a new name replaces nothing");
	ok(set_image(&store, "x", &err) == 0 && !replaced, "nor does the same record");
	disk = store_image_disk(&store, buf_str(&store.refs.images[0]->record), &made_s);
	ok(disk > 4096 && disk < 1 << 20, "on disk it takes %llu bytes", (unsigned long long)disk);
	ok(made_s > 0, "its own layer was written at %lld", (long long)made_s);
	compressed("x", &other);
	(void)store_image_disk(&store, buf_str(&other), &made_s);
	is_int(made_s, 0, "one that was pulled tells nothing");
	buf_done(&other);
	record("y", &other);
	disk = store_image_disk(&store, STR("garbage"), &made_s);
	is_int((long long)disk + made_s, 0, "what cannot be read takes none");
	is_int(store_image_set(&store, STR("x"), buf_str(&other), &replaced, &err), 0, "another");
	ok(replaced, "is said to replace");
	is_int(store_gc(&store, &sum, &err), 0, "collects");
	ok(sum.objects == 0 && has_layer(&store, "lx"), "nothing: it can be gone back to");
	ok(set_image(&store, "z", &err) == 0, "a name of its own");
	buf_clear(&other);
	buf_done(&other);
	record("z", &other);
	is_int(store_image_set(&store, STR("x"), buf_str(&other), &replaced, &err), 0, "a third");
	is_int(store_gc(&store, &sum, &err), 0, "collects");
	ok(sum.objects == 1 && sum.bytes > 0 && !has_layer(&store, "lx") && has_layer(&store, "ly"),
	   "the layer of the first");
	store_done(&store);
}

static void test_collect(void)
{
	struct store store;
	struct err err = { 0 };
	struct store_collected sum = { 0 };
	struct store_cached cached = { .has_layer = true,
				       .layer = { .digest = digest_of("cached") } };
	struct digest key = digest_of("key"), leased = digest_of("leased");
	bool found = false;
	fresh(&store);
	static const char *const blobs[] = { "mx", "cx", "lx", "orphan", "leased" };
	for (size_t i = 0; i < ARRAY_LEN(blobs); i++)
		ok(add_blob(&store, blobs[i], &err) == 0, "blob %s", blobs[i]);
	static const char *const layers[] = { "lx", "cached", "old" };
	for (size_t i = 0; i < ARRAY_LEN(layers); i++)
		is_int(add_layer(&store, layers[i], &err), 0, "layer %s %s", layers[i], err.text);
	ok(set_image(&store, "x", &err) == 0, "image");
	ok(store_cache_set(&store, &key, &cached, &err) == 0, "cache entry");
	ok(store_lease_set(&store, "job", &leased, 1, &err) == 0, "lease");
	is_int(store_gc(&store, &sum, &err), 0, "collects");
	is_int(sum.objects, 2, "orphan blob, old layer");
	is_int(sum.leased, 1, "one is there only for its lease");
	ok(has_blob(&store, "mx") && has_blob(&store, "lx") && has_blob(&store, "leased") &&
		   !has_blob(&store, "orphan"),
	   "blobs");
	ok(has_layer(&store, "lx") && has_layer(&store, "cached") && !has_layer(&store, "old"),
	   "layers");
	is_int(store_trash_step(&store, &err), 1, "trash");
	is_int(store_trash_step(&store, &err), 1, "trash");
	is_int(store_trash_step(&store, &err), 0, "and empty");
	ok(store_cache_get(&store, &key, &found, &cached, &err) == 0 && found, "cache hit");
	ok(store_image_remove(&store, "x", &err) == 0, "without the image");
	is_int(store_gc(&store, &sum, &err), 0, "collects");
	is_int(sum.objects, 4, "its manifest, config, blob and layer");
	key = digest_of("other");
	ok(store_cache_get(&store, &key, &found, &cached, &err) == 0 && !found, "cache miss");
	is_int(store_cache_clear(&store, &err), 0, "forgets the cache");
	is_int(store_gc(&store, &sum, &err), 0, "collects");
	ok(sum.objects == 1 && !has_layer(&store, "cached"), "what only the cache held");
	store_done(&store);
	ok(open_again(&store, NULL, &err) == 0 && store.refs.cache_count == 0, "for good");
	store_done(&store);
}

static void test_index(void)
{
	struct store store;
	struct buf text OWN(buf_done) = { 0 };
	struct err err = { 0 };
	fresh(&store);
	(void)add_blob(&store, "mx", NULL);
	(void)add_blob(&store, "cx", NULL);
	(void)add_blob(&store, "lx", NULL);
	(void)set_image(&store, "x", NULL);
	(void)set_image(&store, "not-whole", NULL);
	buf_init(&text, 1 << 20);
	ok(fs_read(store.root, "index.json", FS_BENEATH, 1 << 20, &text, &err) == 0, "index.json");
	ok(strstr(buf_text(&text), "\"x\"") && !strstr(buf_text(&text), "not-whole"),
	   "holds the image whose blobs are all there");
	store_done(&store);
}

static ino_t index_file(const struct store *store, const char *tag, bool *ret_named)
{
	struct buf text OWN(buf_done) = { 0 };
	struct stat st = { 0 };
	buf_init(&text, 1 << 20);
	*ret_named = fs_read(store->root, "index.json", FS_BENEATH, 1 << 20, &text, NULL) == 0 &&
		     strstr(buf_text(&text), tag);
	(void)fs_stat(store->root, "index.json", FS_BENEATH, &st, NULL);
	return st.st_ino;
}

/* The name got there, its directory did not get to the disk: the next change writes it anew. */
static void test_index_fault(void)
{
	int cases = 0, anew = 0;
	bool fired = true;
	for (unsigned nth = 1; fired && nth < TORTURE_MAX; nth++) {
		struct store store;
		bool named = false, still = false;
		fresh(&store);
		(void)add_blob(&store, "mx", NULL);
		(void)add_blob(&store, "cx", NULL);
		(void)add_blob(&store, "lx", NULL);
		sys_fault_arm(nth, EIO);
		(void)set_image(&store, "x", NULL);
		const char *call = sys_fault_fired();
		fired = call != NULL;
		bool sync = fired && strstr(call, "sync");
		sys_fault_arm(0, 0);
		ino_t first = index_file(&store, "\"x\"", &named);
		(void)set_image(&store, "not-whole", NULL);
		if (sync && named) {
			cases++;
			anew += index_file(&store, "\"x\"", &still) != first && still;
		}
		store_done(&store);
	}
	ok(cases > 0 && anew == cases,
	   "index.json whose directory was not synced is written anew by the next change");
}

/* A damaged layer does not count, and the cache forgets what it was for. */
static void test_damaged_layer(void)
{
	struct store store;
	struct err err = { 0 };
	struct store_cached cached = { .has_layer = true, .layer = { .digest = digest_of("l") } };
	struct digest key = digest_of("key");
	char name[STORE_NAME_MAX];
	bool found = true;
	fresh(&store);
	is_int(add_layer(&store, "l", &err), 0, "layer");
	(void)store_cache_set(&store, &key, &cached, &err);
	store_layer_name(&cached.layer.digest, name);
	OWN_FD int fd = fs_open(store.layers, name, FS_BENEATH, O_RDWR, 0, &err);
	if (fd < 0 || ftruncate(fd, 8192 + 4000) < 0) {
		skip("a damaged layer", "the layer is sealed by fs-verity");
	} else {
		ok(!has_layer(&store, "l"), "a cut layer does not count");
		ok(store_cache_get(&store, &key, &found, &cached, &err) == 0 && !found,
		   "nor what is cached of it");
		is_int(add_layer(&store, "l", &err), 0, "it is made again");
		ok(has_layer(&store, "l"), "and counts");
	}
	store_done(&store);
}

/* ---- torture ---- */

enum act {
	ACT_SET,
	ACT_REPLACE,
	ACT_BACK,
	ACT_REMOVE,
	ACT_BLOB,
	ACT_LAYER,
	ACT_CACHE,
	ACT_CLEAR,
	ACT_GC,
	ACT_OPEN,
	ACT_COUNT
};

/* Gives a name the image of another tag. */
static int set_as(struct store *store, const char *name, const char *tag, struct err *err)
{
	struct buf body OWN(buf_done) = { 0 };
	record(tag, &body);
	return store_image_set(store, str_from(name), buf_str(&body), &replaced, err);
}

static bool is_as(const struct store *store, const char *name, const char *tag)
{
	struct buf body OWN(buf_done) = { 0 };
	int64_t at = refs_find(&store->refs, name);
	record(tag, &body);
	return at >= 0 && str_eq(buf_str(&store->refs.images[at]->record), buf_str(&body));
}

static int perform(struct store *store, enum act act, struct err *err)
{
	struct digest config;
	struct store_cached cached = { .has_layer = false };
	struct digest key = digest_of("new key");
	struct store_collected sum = { 0 };
	switch (act) {
	case ACT_SET:
		return set_image(store, "new", err);
	case ACT_REPLACE:
		return set_as(store, "two", "y", err);
	case ACT_BACK:
		return store_fall_back(store, "two", &config, err);
	case ACT_REMOVE:
		return store_image_remove(store, "x", err);
	case ACT_BLOB:
		return add_blob(store, "new blob", err);
	case ACT_LAYER:
		return add_layer(store, "new layer", err);
	case ACT_CACHE:
		return store_cache_set(store, &key, &cached, err);
	case ACT_CLEAR:
		return store_cache_clear(store, err);
	case ACT_GC:
		return store_gc(store, &sum, err);
	case ACT_OPEN:
		store_done(store);
		return open_again(store, NULL, err);
	case ACT_COUNT:
		break;
	}
	return 0;
}

/* Whether what the act promises is there. */
static bool happened(struct store *store, enum act act)
{
	struct digest key = digest_of("new key");
	switch (act) {
	case ACT_SET:
		return refs_find(&store->refs, "new") >= 0;
	case ACT_REPLACE:
	case ACT_BACK:
		return is_as(store, "two", "y");
	case ACT_REMOVE:
		return refs_find(&store->refs, "x") < 0;
	case ACT_BLOB:
		return has_blob(store, "new blob");
	case ACT_LAYER:
		return has_layer(store, "new layer");
	case ACT_CACHE:
		return refs_cache_find(&store->refs, &key) != NULL;
	case ACT_CLEAR:
		return store->refs.cache_count == 0;
	case ACT_GC:
		return !has_blob(store, "orphan");
	case ACT_OPEN:
	case ACT_COUNT:
		break;
	}
	return true;
}

/* What was there before is there in any case. */
static bool rest_is_whole(struct store *store, enum act act)
{
	struct digest key = digest_of("old key");
	return (act == ACT_REMOVE || refs_find(&store->refs, "x") >= 0) &&
	       refs_find(&store->refs, "y") >= 0 &&
	       (is_as(store, "two", "x") ||
		((act == ACT_REPLACE || act == ACT_BACK) && is_as(store, "two", "y"))) &&
	       (act == ACT_CLEAR || refs_cache_find(&store->refs, &key)) && has_blob(store, "my") &&
	       has_layer(store, "ly");
}

static void prepare(struct store *store)
{
	const struct store_cached cached = { .has_layer = true,
					     .layer = { .digest = digest_of("old step") } };
	struct digest key = digest_of("old key");
	if (*root_name)
		(void)fs_remove_tree(work, root_name, NULL);
	(void)open_again(store, NULL, NULL);
	(void)set_image(store, "x", NULL);
	(void)set_image(store, "y", NULL);
	(void)set_as(store, "two", "y", NULL);
	(void)set_as(store, "two", "x", NULL);
	(void)store_cache_set(store, &key, &cached, NULL);
	(void)add_blob(store, "my", NULL);
	(void)add_blob(store, "orphan", NULL);
	(void)add_layer(store, "ly", NULL);
}

/* One act with its nth call failing: what is said must be what is on disk. */
static bool torture_one(enum act act, unsigned nth, int code, bool *ret_fired)
{
	struct store store;
	struct err err = { 0 };
	prepare(&store);
	sys_fault_arm(nth, code);
	int r = perform(&store, act, &err);
	*ret_fired = sys_fault_fired() != NULL;
	const char *call = *ret_fired ? sys_fault_fired() : "none";
	sys_fault_arm(0, 0);
	/* In memory and on disk have to be the same, so the verdict is taken after a restart too.
	 */
	bool good = act == ACT_OPEN || r < 0 || happened(&store, act);
	store_done(&store);
	good = good && open_again(&store, NULL, &err) == 0;
	if (good && r == 0)
		good = happened(&store, act);
	good = good && rest_is_whole(&store, act);
	/* A name that is there stands for a whole file, also when the act failed. */
	if (good && act == ACT_LAYER && r < 0)
		good = add_layer(&store, "new layer", &err) == 0 && has_layer(&store, "new layer");
	store_done(&store);
	if (!good)
		note("act %d, call %u (%s) fails with %d: result %d %s", (int)act, nth, call, code,
		     r, err.text);
	return good;
}

static void test_torture(void)
{
	static const int codes[] = { EIO, ENOSPC };
	(void)snprintf(root_name, sizeof(root_name), "torture");
	for (int act = 0; act < ACT_COUNT; act++) {
		bool good = true;
		unsigned failures = 0;
		for (size_t c = 0; c < ARRAY_LEN(codes); c++) {
			bool fired = true;
			for (unsigned nth = 1; fired && nth < TORTURE_MAX; nth++) {
				good = torture_one((enum act)act, nth, codes[c], &fired) && good;
				failures += fired;
			}
		}
		ok(good && failures > 4, "act %d: %u failing calls, nothing said is untrue", act,
		   failures);
	}
}

/* Memory where there is some: thousands of fsyncs say nothing more on a disk. */
static int open_place(void)
{
	int fd = fs_open(AT_FDCWD, "/dev/shm", FS_HOST, O_RDONLY | O_DIRECTORY, 0, NULL);
	return fd >= 0 ? fd : fs_open_dir(AT_FDCWD, "build", FS_BENEATH_XDEV, 0755, NULL);
}

int main(void)
{
	OWN_FD int place = open_place();
	char name[40];
	(void)snprintf(name, sizeof(name), "hoy-unit-store-%d", (int)getpid());
	work = fs_open_dir(place, name, FS_BENEATH, 0755, NULL);
	if (!ok(work >= 0, "a place to write"))
		return tap_done();
	test_names();
	test_damage();
	test_replace();
	test_collect();
	test_index();
	test_index_fault();
	test_damaged_layer();
	test_torture();
	own_close(&work);
	(void)fs_remove_tree(place, name, NULL);
	return tap_done();
}
