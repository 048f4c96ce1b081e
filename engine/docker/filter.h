/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HOY_ENGINE_DOCKER_FILTER_H
#define HOY_ENGINE_DOCKER_FILTER_H

#include "engine/docker/server.h"
#include "engine/oci/image.h"

/*
 * The query parameter `filters`: {"label":["a=b"]} or, from older clients, {"label":{"a=b":true}}.
 * Several values of one name: any of them; labels: all of them.
 */
struct docker_filters {
	struct json_doc doc;
};

/* The labels of something, in whichever of the forms it has them; all of them count. */
struct docker_labels {
	const struct json *object;	 /* {"name":"value"} */
	const struct image_pairs *pairs; /* of an image */
	const struct image_texts *texts; /* "name=value" */
	const struct str *slices;	 /* the same */
	uint32_t slice_count;
	const char *own; /* one more "name=value", the engine's own; NULL = none */
};

/* Names that are not in allowed (separated by spaces) are refused. False: 400 was answered. */
bool docker_filters_read(struct docker_client *client, const char *allowed,
			 struct docker_filters *ret_filters);
void docker_filters_done(struct docker_filters *filters);
bool docker_filters_have(const struct docker_filters *filters, const char *name);
/* Whether a value of this name fits: equal, or (loose) part of text. True when it is not given. */
bool docker_filters_fit(const struct docker_filters *filters, const char *name, struct str text,
			bool loose);
/* Has all of "label", and not all of "label!", as Docker reads the two. */
bool docker_filters_labels(const struct docker_filters *filters,
			   const struct docker_labels *labels);
/* The n-th value of a name, empty when there is none. */
struct str docker_filters_value(const struct docker_filters *filters, const char *name, size_t n);
/* "true", "1", "false", "0"; missing = fallback. False: 400 was answered. */
bool docker_filters_flag(struct docker_client *client, const struct docker_filters *filters,
			 const char *name, bool fallback, bool *ret_flag);
/* The moment of "until", INT64_MAX when it is not given. False: 400 was answered. */
bool docker_filters_until(struct docker_client *client, const struct docker_filters *filters,
			  int64_t *ret_ns);
/* The same where several may be said: the earliest of them. */
bool docker_filters_untils(struct docker_client *client, const struct docker_filters *filters,
			   int64_t *ret_ns);

#endif
