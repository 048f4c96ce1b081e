/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HOY_ENGINE_STORE_SAVE_H
#define HOY_ENGINE_STORE_SAVE_H

#include "engine/store/store.h"

/* Writes the table of names and of the build cache: durable when it returned 0 (names.c). */
int store_save(struct store *store, struct err *err);
/* Writes refs/aside; called by what changes it. */
int store_aside_save(const struct store *store, struct err *err);

/*
 * The record of an image by its id, or manifest digest, that a name meant before: a container may
 * still be made from it. -ENOENT.
 */
int store_image_before(const struct store *store, const char *id, struct str *ret_record);

#endif
