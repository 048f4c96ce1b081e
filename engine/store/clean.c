/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns what goes by itself, by age and when room is short. Runs in the store role; what is used it
 * is told. Must never take a name that is used, nor one that somebody asked for a moment ago: they
 * may be about to use it.
 */
#include <stdlib.h>
#include <string.h>
#include "engine/store/save.h"
#include "engine/store/store.h"
#include "lib/own.h"

struct cleaning {
	struct store *store;
	const struct store_clean *clean;
	void (*gone)(void *owner, const char *reference, enum store_gone why, int64_t idle_s);
	void *owner;
	struct store_collected sum;
	bool noted; /* refs/aside has to be written */
};

static int compare(const void *key, const void *element)
{
	return strcmp(key, *(const char *const *)element);
}

static bool is_used(const struct cleaning *c, const char *reference)
{
	return c->clean->used_count > 0 && bsearch(reference, c->clean->used, c->clean->used_count,
						   sizeof(*c->clean->used), compare) != NULL;
}

static bool may_go(const struct cleaning *c, const struct refs_image *image)
{
	return !is_used(c, image->reference) &&
	       mono_diff_ms(mono_now(), image->asked) >= c->clean->keep_ms;
}

/* Since when it is idle. A clock that went back begins anew. */
static void note(struct cleaning *c, struct refs_image *image)
{
	uint64_t now = (uint64_t)c->clean->now_s, is = image->idle_s;
	if (is_used(c, image->reference))
		is = 0;
	else if (now > 0 && (is == 0 || is > now))
		is = now;
	c->noted |= is != image->idle_s;
	image->idle_s = is;
}

static int let_go(struct cleaning *c, const struct refs_image *image, enum store_gone why,
		  struct err *err)
{
	char reference[STORE_REFERENCE_MAX];
	int64_t idle_s = (int64_t)image->idle_s;
	int r = str_copy(str_from(image->reference), reference, sizeof(reference));
	if (r == 0)
		r = store_image_remove(c->store, reference, err);
	if (r == 0)
		c->gone(c->owner, reference, why, idle_s);
	return r;
}

static int collect(struct cleaning *c, struct err *err)
{
	struct store_collected sum = { 0 };
	int r = store_gc(c->store, &sum, err);
	c->sum.bytes += sum.bytes;
	c->sum.objects += sum.objects;
	c->sum.leased = sum.leased;
	return r;
}

static int by_age(struct cleaning *c, struct err *err)
{
	const struct store_clean *clean = c->clean;
	int r = 0;
	if (clean->age_s <= 0 || clean->now_s <= 0)
		return 0;
	for (uint32_t i = c->store->refs.image_count; r == 0 && i-- > 0;) {
		const struct refs_image *image = c->store->refs.images[i];
		if (image->idle_s > 0 && clean->now_s - (int64_t)image->idle_s >= clean->age_s &&
		    may_go(c, image))
			r = let_go(c, image, STORE_GONE_AGE, err);
	}
	return r;
}

int store_before_clear(struct store *store, struct err *err)
{
	bool any = false;
	for (uint32_t i = 0; i < store->refs.image_count; i++) {
		any |= store->refs.images[i]->before.len > 0;
		buf_clear(&store->refs.images[i]->before);
	}
	if (!any)
		return 0;
	int r = store_aside_save(store, err);
	return r < 0 ? r : 1;
}

static int drop_before(struct cleaning *c, struct err *err)
{
	for (uint32_t i = 0; i < c->store->refs.image_count; i++)
		if (c->store->refs.images[i]->before.len > 0)
			c->gone(c->owner, c->store->refs.images[i]->reference, STORE_GONE_BEFORE,
				0);
	int r = store_before_clear(c->store, err);
	return r > 0 ? collect(c, err) : r;
}

/* The one that is idle for the longest; of those the clock knows nothing about, last. */
static const struct refs_image *oldest(const struct cleaning *c, bool unnamed)
{
	const struct refs_image *found = NULL;
	for (uint32_t i = 0; i < c->store->refs.image_count; i++) {
		const struct refs_image *image = c->store->refs.images[i];
		if (may_go(c, image) && (!unnamed || refs_is_unnamed(image->reference)) &&
		    (!found ||
		     (image->idle_s > 0 && (found->idle_s == 0 || image->idle_s < found->idle_s))))
			found = image;
	}
	return found;
}

/* One after the other until there is room. */
static int images_go(struct cleaning *c, bool unnamed, struct err *err)
{
	const struct refs_image *image = NULL;
	int r = 0;
	while (r == 0 && c->sum.bytes < c->clean->need && (image = oldest(c, unnamed)) != NULL) {
		r = let_go(c, image, STORE_GONE_ROOM, err);
		if (r == 0)
			r = collect(c, err);
	}
	return r;
}

static int by_room(struct cleaning *c, struct err *err)
{
	const uint64_t need = c->clean->need;
	int r = images_go(c, true, err);
	if (r == 0 && c->sum.bytes < need && c->store->refs.cache_count > 0) {
		r = store_cache_clear(c->store, err);
		if (r == 0)
			r = collect(c, err);
	}
	if (r == 0 && c->sum.bytes < need)
		r = drop_before(c, err);
	return r == 0 ? images_go(c, false, err) : r;
}

int store_clean(struct store *store, const struct store_clean *clean,
		void (*gone)(void *owner, const char *reference, enum store_gone why,
			     int64_t idle_s),
		void *owner, struct store_collected *ret_collected, struct err *err)
{
	struct cleaning c = { .store = store, .clean = clean, .gone = gone, .owner = owner };
	int r = 0;
	for (uint32_t i = 0; i < store->refs.image_count; i++)
		note(&c, store->refs.images[i]);
	if (c.noted)
		r = store_aside_save(store, err);
	if (r == 0)
		r = by_age(&c, err);
	if (r == 0)
		r = collect(&c, err);
	if (r == 0)
		r = by_room(&c, err);
	*ret_collected = c.sum;
	return r;
}
