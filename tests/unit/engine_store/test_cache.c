/* SPDX-License-Identifier: Apache-2.0 */
/* The build cache entry by entry: what is told of it, what a prune takes, and each call failing. */
#define HOY_TORTURE
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include "engine/oci/image.h"
#include "engine/store/store.h"
#include "lib/fs.h"
#include "lib/own.h"
#include "lib/sys.h"
#include "tests/unit/tap.h"

enum { DAY_S = 86400, NOW_S = 1000 * DAY_S, FAULTS_MAX = 100 };

static int work = -1;
static struct store store;

static struct digest digest_of(const char *text)
{
	struct digest digest;
	struct sha256 hash;
	sha256_init(&hash);
	sha256_add(&hash, text, strlen(text));
	sha256_end(&hash, &digest);
	return digest;
}

/* A step whose layer has one block and was used last so many days ago. */
static void add(const char *name, int days)
{
	const struct digest key = digest_of(name);
	const struct store_cached cached = { .has_layer = true, .layer.digest = key };
	const struct timespec times[2] = { { .tv_sec = NOW_S - days * DAY_S },
					   { .tv_sec = NOW_S - days * DAY_S } };
	char file[STORE_NAME_MAX];
	struct err err = { 0 };
	store_layer_name(&key, file);
	is_int(fs_replace(store.layers, file, name, strlen(name), 0600, &err), 0, "a file %s",
	       err.text);
	is_int(utimensat(store.layers, file, times, 0), 0, "its time");
	is_int(store_cache_set(&store, &key, &cached, &err), 0, "step %s %s", name, err.text);
}

static bool has(const char *name)
{
	const struct digest key = digest_of(name);
	return refs_cache_find(&store.refs, &key) != NULL;
}

static void fresh(void)
{
	(void)fs_remove_tree(work, "s", NULL);
	int root = fs_open_dir(work, "s", FS_BENEATH, 0700, NULL);
	is_int(root < 0 ? root : store_open(&store, root, NULL, NULL), 0, "a store");
	add("old", 9);
	add("leased", 8);
	add("middle", 5);
	add("new", 1);
	const struct digest leased = digest_of("leased");
	is_int(store_lease_set(&store, "build", &leased, 1, NULL), 0, "leased");
}

static uint32_t gone;

static void on_gone(void *owner, const struct store_cache_row *row)
{
	(void)owner;
	gone += row->bytes > 0;
}

static int prune(int64_t before_s, uint64_t keep_bytes, struct err *err)
{
	const struct store_cache_prune wish = { .before_s = before_s, .keep_bytes = keep_bytes };
	gone = 0;
	return store_cache_prune(&store, &wish, on_gone, NULL, err);
}

static void test_prune(void)
{
	static struct store_cache_row rows[REFS_CACHE_MAX];
	struct err err = { 0 };
	uint32_t count = 0;
	fresh();
	is_int(store_cache_rows(&store, rows, &count, &err), 0, "rows %s", err.text);
	ok(count == 4 && rows[0].bytes == 4096 && rows[0].made_s == NOW_S - 9 * DAY_S &&
		   !rows[0].shared && !rows[0].in_use && rows[1].in_use,
	   "%u of them, as they are", count);
	is_int(prune(NOW_S - 7 * DAY_S, 0, &err), 0, "by age %s", err.text);
	ok(gone == 1 && !has("old") && has("leased") && has("middle"), "what is in use stays");
	is_int(prune(0, 8192, &err), 0, "by size %s", err.text);
	ok(gone == 1 && !has("middle") && has("new"), "the oldest goes");
	is_int(prune(0, 0, &err), 0, "all %s", err.text);
	ok(gone == 1 && !has("new") && has("leased"), "but what is in use");
	is_int(prune(0, 0, &err), 0, "again %s", err.text);
	is_int(gone, 0, "nothing");
	store_done(&store);
}

/* An image whose only layer is that of a step. */
static int set_image(const char *reference, const char *step, struct err *err)
{
	struct image_layer layer = { .media_type = "application/vnd.oci.image.layer.v1.tar+gzip" };
	struct buf body OWN(buf_done) = { 0 };
	struct image image;
	bool replaced;
	image_init(&image);
	image.reference = reference;
	image.manifest = digest_of("manifest");
	image.config = digest_of("config");
	layer.blob = layer.diff = digest_of(step);
	image.layers = &layer;
	image.layer_count = 1;
	image.manifest_type = "application/vnd.oci.image.manifest.v1+json";
	image.config_type = "application/vnd.oci.image.config.v1+json";
	image.os = "linux";
	image.architecture = "amd64";
	buf_init(&body, 1 << 16);
	image_encode(&image, &body);
	return store_image_set(&store, str_from(reference), buf_str(&body), &replaced, err);
}

/* All is forgotten but what takes no room of its own. */
static void test_clear(void)
{
	const struct digest nothing = digest_of("nothing");
	const struct store_cached none = { .has_layer = false };
	struct err err = { 0 };
	fresh();
	is_int(store_cache_set(&store, &nothing, &none, &err), 0, "a step that changed no file");
	is_int(set_image("shared", "new", &err), 0, "an image with a step's layer %s", err.text);
	is_int(store_cache_clear(&store, &err), 0, "cleared %s", err.text);
	ok(has("new") && has("nothing"), "what an image has and what has no layer stay");
	ok(!has("old") && !has("middle") && !has("leased"), "what takes room goes");
	ok(store_image_remove(&store, "shared", &err) == 0 && store_cache_clear(&store, &err) == 0,
	   "without the image");
	ok(!has("new") && has("nothing"), "its step goes too");
	is_int(store_cache_clear(&store, &err), 0, "again");
	is_int(store.refs.cache_count, 1, "nothing more");
	store_done(&store);
}

/* With each of its calls failing: all of it or nothing, in memory and on the disk. */
static void test_torture(void)
{
	bool good = true, fired = true;
	unsigned failures = 0;
	for (unsigned nth = 1; fired && nth < FAULTS_MAX; nth++) {
		struct err err = { 0 };
		fresh();
		sys_fault_arm(nth, EIO);
		int r = prune(NOW_S - 3 * DAY_S, 0, &err);
		fired = sys_fault_fired() != NULL;
		sys_fault_arm(0, 0);
		failures += fired;
		good = good && has("new") && has("leased") &&
		       (r == 0 ? !has("old") && !has("middle") : has("old") && has("middle"));
		store_done(&store);
		int root = fs_open_dir(work, "s", FS_BENEATH, 0700, NULL);
		good = good && store_open(&store, root, NULL, NULL) == 0 && has("new") &&
		       has("old") == has("middle") && (r < 0 || !has("old"));
		store_done(&store);
	}
	ok(good && failures > 2, "%u failing calls, all or nothing", failures);
}

int main(void)
{
	OWN_FD int shm = fs_open(AT_FDCWD, "/dev/shm", FS_HOST, O_RDONLY | O_DIRECTORY, 0, NULL);
	OWN_FD int place = shm >= 0 ? take_fd(&shm)
				    : fs_open_dir(AT_FDCWD, "build", FS_BENEATH_XDEV, 0755, NULL);
	char name[40];
	(void)snprintf(name, sizeof(name), "hoy-unit-cache-%d", (int)getpid());
	work = place < 0 ? -1 : fs_open_dir(place, name, FS_BENEATH, 0755, NULL);
	if (!ok(work >= 0, "a place to write"))
		return tap_done();
	test_prune();
	test_clear();
	test_torture();
	own_close(&work);
	(void)fs_remove_tree(place, name, NULL);
	return tap_done();
}
