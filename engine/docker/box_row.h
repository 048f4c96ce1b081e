/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HOY_ENGINE_DOCKER_BOX_ROW_H
#define HOY_ENGINE_DOCKER_BOX_ROW_H

#include "engine/docker/box_size.h"
#include "engine/docker/row_cache.h"
#include "engine/docker/view.h"

/*
 * The object of one container. others: those whose links may call it by other names, or NULL;
 * sizes: or NULL. [*ret_from, *ret_to) of the text is the value of Status.
 */
void docker_put_row(struct json_writer *w, const struct docker_box *box,
		    const struct docker_boxes *others, unsigned minor,
		    const struct docker_sizes *sizes, size_t *ret_from, size_t *ret_to);
/*
 * The same without links and sizes, between docker_rows_begin() and _end(): found there, or written
 * and kept. bytes: what box was read from without its definition, "" where it has that already.
 * NULL with err.
 */
const struct docker_row *docker_row_of(struct docker_client *client, struct str bytes,
				       struct docker_box *box, struct err *err);

#endif
