/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HOY_ENGINE_DOCKER_FILTER_H
#define HOY_ENGINE_DOCKER_FILTER_H

#include "engine/docker/server.h"

/*
 * The query parameter `filters`: {"label":["a=b"]} or, from older clients, {"label":{"a=b":true}}.
 * Several values of one name: any of them; labels: all of them.
 */
struct docker_filters {
	struct json_doc doc;
};

/* Names that are not in allowed (separated by spaces) are refused. False: 400 was answered. */
bool docker_filters_read(struct docker_client *client, const char *allowed,
			 struct docker_filters *ret_filters);
void docker_filters_done(struct docker_filters *filters);
bool docker_filters_have(const struct docker_filters *filters, const char *name);
/* Whether a value of this name fits: equal, or (loose) part of text. True when it is not given. */
bool docker_filters_fit(const struct docker_filters *filters, const char *name, struct str text,
			bool loose);
/* All "label" filters against "name=value" texts. */
bool docker_filters_labels(const struct docker_filters *filters, const char *name,
			   const struct str *labels, uint32_t count);
/* The n-th value of a name, empty when there is none. */
struct str docker_filters_value(const struct docker_filters *filters, const char *name, size_t n);

#endif
