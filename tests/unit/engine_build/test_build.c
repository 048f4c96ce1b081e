/* SPDX-License-Identifier: Apache-2.0 */
/* The build machine with an executor that only pretends: order of actions, cache, errors. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include "engine/build/build.h"
#include "engine/build/plan.h"
#include "engine/build/serve.h"
#include "lib/own.h"
#include "tests/unit/tap.h"

enum { CACHE_MAX = 256 };

/* A store and a machine room in memory. Answers come late (pending) or at once. */
static struct fake {
	struct build *build;
	const char *dockerfile, *ignore, *own_ignore, *named_ignore;
	const struct image_pairs *contexts;
	bool at_once;
	const char *fail_at; /* name of the action that fails */
	bool forge;	     /* the second plan names a base that was never asked for */
	char trace[4096];
	struct {
		struct digest key;
		struct store_cached value;
	} cache[CACHE_MAX];
	unsigned cached, layers;
	unsigned foreign;      /* so many of the steps to come are in a registry */
	struct digest content; /* of the context */
	/* the answer that is due */
	struct build_answer answer; /* of the action that is being started */
	unsigned lane, most;	    /* actions that were under way at once */
	struct {
		bool pending, bad;
		struct build_answer answer;
	} slots[BUILD_LANES_MAX];
	struct buf bytes;
	/* the end */
	bool ended;
	struct err error;
	uint32_t layer_count, history_count, history_empty;
	struct digest id;
	char created[64];
} fake;

static void trace(const char *word)
{
	size_t len = strlen(fake.trace);
	(void)snprintf(fake.trace + len, sizeof(fake.trace) - len, "%s%s", len ? " " : "", word);
}

static void deliver(int lane)
{
	struct build_answer answer = fake.slots[lane].answer;
	struct err err = { 0 };
	bool bad = fake.slots[lane].bad;
	fake.slots[lane].pending = false;
	if (bad)
		err_set(&err, -EIO, "it broke");
	build_answer(fake.build, (unsigned)lane, bad ? NULL : &answer, &err);
}

/* The last lane that waits for an answer, or -1. */
static int pending(void)
{
	for (int i = BUILD_LANES_MAX; i-- > 0;)
		if (fake.slots[i].pending)
			return i;
	return -1;
}

static int act(const char *name, bool first)
{
	unsigned lane = fake.lane;
	trace(name);
	ok(!fake.slots[lane].pending, "one action of a lane at a time");
	fake.slots[lane].answer = fake.answer;
	fake.slots[lane].pending = true;
	fake.slots[lane].bad = fake.fail_at && strcmp(fake.fail_at, name) == 0;
	fake.answer = (struct build_answer){ 0 };
	fake.lane = 0;
	unsigned count = 0;
	for (size_t i = 0; i < BUILD_LANES_MAX; i++)
		count += fake.slots[i].pending;
	fake.most = count > fake.most ? count : fake.most;
	if (fake.at_once && !first)
		deliver((int)lane);
	return 0;
}

static int fake_read(void *owner, int32_t from, const char *path, uint32_t max, struct err *err)
{
	const char *text = strcmp(path, "Dockerfile") == 0		  ? fake.dockerfile
			   : strcmp(path, "Dockerfile.dockerignore") == 0 ? fake.own_ignore
			   : from == BUILD_CONTEXT			  ? fake.ignore
									  : fake.named_ignore;
	(void)owner;
	(void)max;
	(void)err;
	fake.answer.found = text != NULL;
	fake.answer.bytes = str_from(text);
	return act("read", strcmp(path, "Dockerfile") == 0);
}

/* What an api role that was taken over could send: a plan that is sound in itself. */
static void forge_plan(void)
{
	static struct build_plan plan;
	static const char *references[] = { "base", "other", "third" },
			  *platforms[] = { "", "", "" };
	struct arena arena OWN(arena_done) = { 0 };
	struct wire in;
	arena_init(&arena, 1 << 20);
	wire_init(&in, fake.bytes.data, fake.bytes.len);
	is_int(build_plan_get(&in, &arena, &plan, NULL), 0, "the plan that is forged");
	plan.references = (struct image_texts){ references, ARRAY_LEN(references) };
	plan.platforms = (struct image_texts){ platforms, ARRAY_LEN(platforms) };
	plan.stages[0].base_image = 2;
	buf_clear(&fake.bytes);
	build_plan_put(&fake.bytes, &plan);
	wire_init(&in, fake.bytes.data, fake.bytes.len);
	is_int(build_plan_get(&in, &arena, &plan, NULL), 0, "and is sound in itself");
}

static int fake_ask(void *owner, enum build_msg type, struct str body, struct err *err)
{
	(void)owner;
	buf_clear(&fake.bytes);
	if (build_serve(type, body, &fake.bytes, err) < 0)
		return err->code;
	if (fake.forge && type == BUILD_MSG_PLAN)
		forge_plan();
	fake.answer.bytes = buf_str(&fake.bytes);
	return act("ask", false);
}

static int fake_base(void *owner, const char *reference, const char *platform, struct err *err)
{
	struct image_layer layer = { .size = 7, .media_type = "x" };
	struct image image;
	(void)owner;
	(void)platform;
	(void)err;
	image_init(&image);
	memcpy(layer.blob.bytes, reference, strlen(reference) < 32 ? strlen(reference) : 32);
	layer.diff = layer.blob;
	image.layers = &layer;
	image.layer_count = 1;
	image.os = "linux";
	image.architecture = "amd64";
	buf_clear(&fake.bytes);
	image_encode(&image, &fake.bytes);
	fake.answer.bytes = buf_str(&fake.bytes);
	return act("base", false);
}

static int fake_fetch(void *owner, unsigned lane, const struct build_op *op, struct err *err)
{
	struct sha256 key;
	(void)owner;
	(void)err;
	fake.lane = lane;
	sha256_init(&key);
	for (uint32_t i = 0; i < op->remote_count; i++)
		build_remote_key(&key, op->remotes[i].name, &fake.content);
	sha256_end(&key, &fake.answer.digest);
	return act("fetch", false);
}

static int fake_hash(void *owner, unsigned lane, int32_t from, struct str body, struct err *err)
{
	fake.lane = lane;
	(void)owner;
	(void)from;
	(void)body;
	(void)err;
	fake.answer.digest = fake.content;
	return act("hash", false);
}

static int fake_cache_get(void *owner, unsigned lane, const struct digest *key,
			  const struct digest *step, struct err *err)
{
	fake.lane = lane;
	(void)owner;
	(void)err;
	(void)step;
	if (fake.foreign > 0) {
		fake.foreign--;
		fake.answer.found = fake.answer.foreign = fake.answer.layer.has_layer = true;
		fake.answer.layer.layer.digest.bytes[1] = 1;
		return act("foreign", false);
	}
	for (unsigned i = 0; i < fake.cached; i++) {
		if (memcmp(&fake.cache[i].key, key, sizeof(*key)) != 0)
			continue;
		fake.answer.found = true;
		fake.answer.layer = fake.cache[i].value;
	}
	return act(fake.answer.found ? "hit" : "miss", false);
}

static int fake_cache_set(void *owner, unsigned lane, const struct digest *key,
			  const struct store_cached *cached, struct err *err)
{
	fake.lane = lane;
	(void)owner;
	(void)err;
	fake.cache[fake.cached].key = *key;
	fake.cache[fake.cached++].value = *cached;
	return act("keep", false);
}

static void new_layer(bool has_layer)
{
	fake.answer.layer.has_layer = has_layer;
	fake.answer.layer.layer.digest.bytes[0] = (uint8_t)++fake.layers;
	fake.answer.layer.layer.size = 4096;
}

static int fake_run(void *owner, unsigned lane, const struct build_op *op,
		    const struct store_layer *layers, uint32_t count, struct err *err)
{
	fake.lane = lane;
	char name[32];
	(void)owner;
	(void)layers;
	(void)err;
	/* "RUN true" changes nothing. */
	new_layer(strcmp(op->argv.items[op->argv.count - 1], "true") != 0);
	(void)snprintf(name, sizeof(name), "run%u", count);
	return act(name, false);
}

static int fake_copy(void *owner, unsigned lane, const struct build_op *op, struct str body,
		     const struct store_layer *from, uint32_t from_count,
		     const struct store_layer *layers, uint32_t count, struct err *err)
{
	fake.lane = lane;
	static struct files_copy copy;
	char name[64];
	struct wire in;
	(void)owner;
	(void)op;
	(void)layers;
	(void)err;
	wire_init(&in, body.ptr, body.len);
	files_copy_get(&in, &copy);
	new_layer(true);
	(void)snprintf(name, sizeof(name), "copy%u<%s%u,i%u", count, from ? "" : "context",
		       from_count, copy.ignore_count);
	ok(wire_end(&in) == 0 && copy.context == !from, "COPY's body is whole");
	return act(name, false);
}

static int fake_dir(void *owner, unsigned lane, const struct build_op *op,
		    const struct store_layer *layers, uint32_t count, struct err *err)
{
	fake.lane = lane;
	(void)owner;
	(void)op;
	(void)layers;
	(void)count;
	(void)err;
	new_layer(true);
	return act("dir", false);
}

static int fake_finish(void *owner, const struct image *image, struct err *err)
{
	(void)owner;
	(void)image;
	(void)err;
	return act("finish", false);
}

static void fake_note(void *owner, const struct build_note *told)
{
	(void)owner;
	note("%s", told->text);
}

static void fake_done(void *owner, const struct image *image, const struct err *err)
{
	(void)owner;
	fake.ended = true;
	if (err)
		fake.error = *err;
	if (!image)
		return;
	fake.id = image->config;
	fake.layer_count = image->layer_count;
	fake.history_count = image->history_count;
	fake.history_empty = 0;
	for (uint32_t i = 0; i < image->history_count; i++)
		fake.history_empty += image->history[i].empty_layer;
	(void)snprintf(fake.created, sizeof(fake.created), "%s", image->created);
}

static const struct build_exec fake_exec = {
	fake_read,  fake_ask,  fake_base,      NULL,	       NULL,
	fake_fetch, fake_hash, fake_cache_get, fake_cache_set, fake_run,
	fake_copy,  fake_dir,  fake_finish,    fake_note,      fake_done,
};

/* One build to its end; the cache stays from build to build. */
static void run(const char *dockerfile, const char *ignore, bool no_cache)
{
	struct build_params params = {
		.reference = "docker.io/library/x:latest",
		.target = "",
		.created = "2026-01-02T03:04:05Z",
		.no_cache = no_cache,
	};
	struct err err = { 0 };
	params.contexts = fake.contexts;
	fake.dockerfile = dockerfile;
	fake.ignore = ignore;
	fake.trace[0] = '\0';
	fake.ended = false;
	fake.error = (struct err){ 0 };
	fake.build = build_new(&params, &fake_exec, &fake, &err);
	if (!ok(fake.build != NULL, "starts"))
		return;
	for (int i = 0; i < 1000 && pending() >= 0; i++)
		deliver(pending());
	ok(fake.ended, "ends");
	build_free(fake.build);
}

static const char two_stages[] = "FROM base AS a\nRUN one\nCOPY src /src\nFROM base\n"
				 "WORKDIR /w\nCOPY --from=a /src /x\nENV A=1\nRUN true\n";

/* Each directory among the named contexts has a .dockerignore of its own; images have none. */
static void test_named(void)
{
	struct image_pair pairs[] = { { "i", "docker-image://x" }, { "d", "/config/d" } };
	struct image_pairs contexts = { pairs, 2 };
	fake.contexts = &contexts;
	fake.named_ignore = "*.log\n";
	run("FROM base\nCOPY --from=d src /x\n", NULL, true);
	is_text(fake.trace,
		"read read read read ask ask base ask hash copy1<context0,i1 keep finish",
		"a named context is read where it is a directory, and what it leaves out counts");
	fake.named_ignore = NULL;
	run("FROM d\n", "a\nb\n", true);
	is_text(fake.trace, "read read read ask read ask ask hash copy0<context0,i0 keep finish",
		"a directory as a base is a layer; the context's own patterns are not its");
	fake.contexts = NULL;
}

/* What is not needed is neither built nor asked for; mounts count in the key. */
static void test_needed_and_mounts(void)
{
	static const char unneeded[] = "FROM gone AS unneeded\nRUN x\nFROM base\nRUN y\n";
	static const char mounts[] =
		"FROM base AS a\nRUN made\nFROM base\n"
		"RUN --mount=from=a,source=/x,target=/y --mount=target=/ctx z\n";
	static const char other[] =
		"FROM base AS a\nRUN made otherwise\nFROM base\n"
		"RUN --mount=from=a,source=/x,target=/y --mount=target=/ctx z\n";
	run(unneeded, NULL, false);
	is_text(fake.trace, "read read read ask base ask miss run1 keep finish",
		"one image for two references");
	run(mounts, NULL, false);
	is_text(fake.trace, "read read read ask base ask miss run1 keep hash miss run1 keep finish",
		"what a step mounts of the context is looked at");
	run(mounts, NULL, false);
	is_text(fake.trace, "read read read ask base ask hit hash hit finish", "and cached");
	fake.content.bytes[5] = 5;
	run(mounts, NULL, false);
	is_text(fake.trace, "read read read ask base ask hit hash miss run1 keep finish",
		"other files, another step");
	run(other, NULL, false);
	is_text(fake.trace, "read read read ask base ask miss run1 keep hash miss run1 keep finish",
		"a mounted stage counts too");
	fake.own_ignore = "*.o\n";
	run("FROM base\nCOPY q /\n", "*.c\n*.h\n", false);
	is_text(fake.trace, "read read ask ask base ask hash miss copy1<context0,i1 keep finish",
		"Dockerfile.dockerignore comes before .dockerignore");
	fake.own_ignore = NULL;
	memset(&fake.content, 0, sizeof(fake.content));
}

static void test_order_and_cache(void)
{
	struct digest id;
	run(two_stages, "*.o\n!keep.o\n", false);
	is_text(fake.trace,
		"read read read ask ask base ask miss miss dir keep run1 keep hash miss "
		"copy2<context0,i2 keep miss copy2<3,i0 keep miss run3 keep finish",
		"everything in its order");
	is_int(fake.layer_count, 3, "base, directory, copy; the empty step gives no layer");
	is_int(fake.history_count, 4, "history");
	is_int(fake.history_empty, 2, "ENV and the step without changes");
	is_text(fake.created, "2026-01-02T03:04:05Z", "created");
	id = fake.id;
	run(two_stages, "*.o\n!keep.o\n", false);
	is_text(fake.trace, "read read read ask ask base ask hit hit hash hit hit hit finish",
		"all from the cache");
	ok(memcmp(&id, &fake.id, sizeof(id)) == 0, "the same image id");
	fake.content.bytes[0] = 1;
	run(two_stages, NULL, false);
	is_text(fake.trace,
		"read read read ask base ask hit hit hash miss copy2<context0,i0 keep miss "
		"copy2<3,i0 keep miss run3 keep finish",
		"changed files: that COPY and what follows from it");
	run("FROM base\nRUN one\n", NULL, true);
	is_text(fake.trace, "read read read ask base ask run1 keep finish", "without the cache");
}

/* What was made upon a registry's word is known to those alone that stand upon the same. */
static void test_foreign(void)
{
	static const char line[] = "FROM base\nRUN f1\nRUN f2\n";
	static const char *const uses[] = {
		"FROM base AS a\nRUN g1\nFROM a\nRUN g2\n",
		"FROM base AS a\nRUN h1\nFROM base\nCOPY --from=a /1 /1\n",
		"FROM base AS a\nRUN i1\nFROM base\nRUN --mount=from=a,target=/m i2\n",
	};
	fake.foreign = 1;
	run(line, NULL, false);
	is_text(fake.trace, "read read read ask base ask foreign miss run2 keep finish", "kept");
	run(line, NULL, false);
	is_text(fake.trace, "read read read ask base ask miss run1 keep miss run2 keep finish",
		"who names no registry takes nothing of it");
	fake.foreign = 1;
	run(line, NULL, false);
	is_text(fake.trace, "read read read ask base ask foreign hit finish",
		"upon the same layers it is known");
	for (size_t i = 0; i < ARRAY_LEN(uses); i++) {
		fake.foreign = 1;
		run(uses[i], NULL, false);
		ok(strstr(fake.trace, "foreign") && strstr(fake.trace, "miss"), "kept: %s",
		   fake.trace);
		run(uses[i], NULL, false);
		ok(!strstr(fake.trace, "hit"), "nothing of it is taken: %s", fake.trace);
		run(uses[i], NULL, false);
		ok(!strstr(fake.trace, "miss"), "one's own is: %s", fake.trace);
	}
}

static void test_at_once(void)
{
	fake.at_once = true;
	run("FROM base\nRUN one\nRUN two\n", NULL, false);
	is_text(fake.trace, "read read read ask base ask hit miss run2 keep finish",
		"answers from within the action");
	fake.at_once = false;
}

/* `count` stages that need nothing of each other, and one that needs them all. */
static void put_stages(char *dst, size_t cap, unsigned count)
{
	size_t at = 0;
	for (unsigned i = 0; i < count; i++)
		at += (size_t)snprintf(dst + at, cap - at, "FROM base AS s%u\nRUN %u\n", i, i);
	at += (size_t)snprintf(dst + at, cap - at,
			       "FROM base\nRUN --mount=from=s0,source=/0,target=/0 6\n");
	for (unsigned i = 1; i < count; i++)
		at += (size_t)snprintf(dst + at, cap - at, "COPY --from=s%u /%u /\n", i, i);
}

static void test_side_by_side(void)
{
	static char many[8192];
	put_stages(many, sizeof(many), BUILD_LANES_MAX + 3);
	fake.most = 0;
	run(two_stages, NULL, true);
	is_int((int)fake.most, 2,
	       "two stages that wait for nothing of each other are under way at once");
	fake.most = 0;
	run(many, NULL, true);
	is_int((int)fake.most, BUILD_LANES_MAX, "and never more than there are lanes");
	is_int(fake.error.code, 0, "all of them end: %s", fake.error.text);
	fake.fail_at = "run1";
	run(many, NULL, true);
	fake.fail_at = NULL;
	ok(fake.error.code != 0, "one that fails ends the others");
}

/* What is elsewhere is asked for its digest, unless the Dockerfile says it. */
static void test_remotes(void)
{
	static const char sum[] =
		"FROM base\nADD --checksum=sha256:"
		"0000000000000000000000000000000000000000000000000000000000000001 http://h/a /a\n";
	run("FROM base\nADD http://h/a /a\n", NULL, false);
	is_text(fake.trace, "read read read ask base ask fetch miss copy1<context0,i0 keep finish",
		"downloaded before the cache is asked");
	run("FROM base\nADD http://h/a /a\n", NULL, false);
	is_text(fake.trace, "read read read ask base ask fetch hit finish", "the same content");
	run("FROM base\nADD http://h/a b /a/\n", NULL, false);
	is_text(fake.trace,
		"read read read ask base ask fetch hash miss copy1<context0,i0 keep finish",
		"and beside files of the context");
	run(sum, NULL, false);
	is_text(fake.trace, "read read read ask base ask miss copy1<context0,i0 keep finish",
		"known by its checksum");
}

static void test_scratch_and_image(void)
{
	run("FROM scratch\nCOPY --from=other /a /a\n", NULL, false);
	is_text(fake.trace, "read read read ask base ask miss copy0<1,i0 keep finish",
		"a COPY out of an image into nothing");
	is_int(fake.layer_count, 1, "one layer");
}

static void test_errors(void)
{
	static const char *const actions[] = { "read",	"ask",	"base", "miss",
					       "run1",	"keep", "hash", "copy2<context0,i0",
					       "finish" };
	run(NULL, NULL, false);
	is_text(err_text(&fake.error), "Cannot locate specified Dockerfile: Dockerfile",
		"no Dockerfile");
	run("FROM base\nRUNN x\n", NULL, false);
	is_text(err_text(&fake.error),
		"Dockerfile:2:1: unknown instruction: RUNN (did you mean RUN?)", "bad Dockerfile");
	for (size_t i = 0; i < ARRAY_LEN(actions); i++) {
		char text[128];
		/* Another command each time: nothing of it is cached yet. */
		(void)snprintf(text, sizeof(text), "FROM base\nRUN fresh%zu\nCOPY a b\n", i);
		fake.fail_at = actions[i];
		run(text, NULL, false);
		ok(fake.error.code == -EIO && strstr(fake.error.text, "it broke"), "%s fails: %s",
		   actions[i], err_text(&fake.error));
	}
	fake.fail_at = "run1";
	run("FROM base\nRUN never before\n", NULL, false);
	is_text(err_text(&fake.error), "Dockerfile:2: RUN never before: it broke",
		"an error names the step");
	fake.fail_at = NULL;
}

static void test_forged_plan(void)
{
	fake.forge = true;
	run("FROM base\nRUN x\n", NULL, false);
	fake.forge = false;
	is_text(err_text(&fake.error), "build: malformed plan",
		"a plan with bases that nobody fetched is refused");
	is_text(fake.trace, "read read read ask base ask", "before anything is done for it");
}

static void test_free_midway(void)
{
	struct build_params params = { .reference = "x", .target = "", .created = "" };
	fake.dockerfile = "FROM base\nRUN x\n";
	fake.build = build_new(&params, &fake_exec, &fake, NULL);
	for (int i = 0; i < 4 && pending() >= 0; i++)
		deliver(pending());
	fake.ended = false;
	build_free(fake.build);
	for (int i = 0; i < BUILD_LANES_MAX; i++)
		fake.slots[i].pending = false;
	ok(!fake.ended, "a build that is freed does not end");
}

int main(void)
{
	buf_init(&fake.bytes, 8 << 20);
	test_named();
	test_needed_and_mounts();
	test_order_and_cache();
	test_foreign();
	test_at_once();
	test_side_by_side();
	test_remotes();
	test_scratch_and_image();
	test_errors();
	test_forged_plan();
	test_free_midway();
	buf_done(&fake.bytes);
	return tap_done();
}
