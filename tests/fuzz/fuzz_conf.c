/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A configuration text that a person gives, and the files that keep it. Setting a key leaves it
 * set, once; what a stronger layer makes void stands in it; what is hidden holds no value of a
 * secret and comes back; a record that is taken is the one that would be written.
 */
#include <stdlib.h>
#include <string.h>
#include "init/conf_cover.h"
#include "init/conf_record.h"
#include "init/conf_text.h"
#include "lib/own.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool good)
{
	if (!good)
		abort();
}

static void check_set(struct str text)
{
	struct buf once OWN(buf_done) = { 0 }, twice OWN(buf_done) = { 0 };
	const struct str value = STR("v1");

	buf_init(&once, 4 * CONF_TEXT_MAX);
	buf_init(&twice, 4 * CONF_TEXT_MAX);
	require(conf_text_set(text, STR("service web"), STR("image"), &value, 1, &once, NULL) == 0);
	require(conf_text_set(buf_str(&once), STR("service web"), STR("image"), &value, 1, &twice,
			      NULL) == 0);
	require(str_eq(buf_str(&once), buf_str(&twice)));
	buf_clear(&twice);
	require(conf_text_set(buf_str(&once), STR("service web"), STR("image"), NULL, 0, &twice,
			      NULL) == 0);
}

static void check_secrets(struct str text)
{
	struct buf secrets OWN(buf_done) = { 0 }, hidden OWN(buf_done) = { 0 },
			   shown OWN(buf_done) = { 0 }, again OWN(buf_done) = { 0 };

	buf_init(&secrets, CONF_SECRETS_MAX);
	buf_init(&hidden, 4 * CONF_TEXT_MAX);
	buf_init(&shown, 4 * CONF_TEXT_MAX);
	buf_init(&again, 4 * CONF_TEXT_MAX);
	if (conf_text_hide(text, &secrets, &hidden) < 0)
		return;
	require(conf_text_reveal(buf_str(&hidden), buf_str(&secrets), &shown) == 0);
	require(conf_text_hide(buf_str(&shown), NULL, &again) == 0);
	require(str_eq(buf_str(&hidden), buf_str(&again)));
}

/* Nothing is void that did not change; whatever is stands in one of the two and in the third. */
static void check_cover(struct str text)
{
	struct conf_cover list[CONF_COVER_MAX];
	struct str rest = text, half;
	uint32_t count;

	require(conf_cover_find(text, text, text, list, 0) == 0);
	(void)str_cut(&rest, '\x01', &half);
	count = conf_cover_find(half, rest, text, list, 0);
	require(count <= CONF_COVER_MAX);
	for (uint32_t i = 0; i < count; i++)
		require(list[i].line > 0 && list[i].key.len > 0);
}

static void check_record(struct str file)
{
	struct buf again OWN(buf_done) = { 0 };
	struct conf_record record;
	struct err err = { 0 };
	int r = conf_record_decode("hoyrev1 ", file, &record, &err);

	require((r == 0) == (err.code == 0));
	if (r < 0)
		return;
	buf_init(&again, 4 * CONF_TEXT_MAX);
	require(conf_record_encode("hoyrev1 ", &record, &again) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct str text = str_make(data, size);

	if (size > 8192)
		return 0;
	check_record(text);
	/* revisions_put() takes no text with a NUL. */
	if (size && memchr(data, 0, size))
		return 0;
	check_set(text);
	check_secrets(text);
	check_cover(text);
	return 0;
}
