/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns the sentences about edits that a stronger layer makes void. Runs in init's disk role, over
 * the layers as they stand below /run/hoy/config. Must never show a value: some are secrets.
 */
#include "init/boot_cover.h"
#include <fcntl.h>
#include <stdio.h>
#include "init/boot_config.h"
#include "init/conf_cover.h"
#include "lib/fs.h"
#include "lib/own.h"
#include "lib/wire.h"

enum { SENTENCE_MAX = 400, SHOWN_MAX = 120 };

static const enum boot_layer_index stronger[] = { BOOT_LAYER_CMDLINE, BOOT_LAYER_MEDIA };

struct cover {
	struct str from, to;
	enum boot_layer_index layer;
	const char *dir; /* "" or "services.d/" */
	struct conf_cover list[CONF_COVER_MAX];
	uint32_t count;
	struct buf *out; /* the sentences */
};

static void say(const struct cover *cover, const struct conf_cover *one, const char *file)
{
	char where[SHOWN_MAX], section[SHOWN_MAX], key[SHOWN_MAX], text[SENTENCE_MAX];
	int n;

	(void)snprintf(where, sizeof(where), "%s:%s%s", boot_config_layer_names[cover->layer] + 3,
		       cover->dir, file);
	(void)str_escape(str_head(one->section, SHOWN_MAX / 4), section, sizeof(section));
	(void)str_escape(str_head(one->key, SHOWN_MAX / 4), key, sizeof(key));
	n = snprintf(text, sizeof(text), "%s in [%s]: ", key, section);
	if (cover->layer == BOOT_LAYER_CMDLINE)
		(void)snprintf(text + n, sizeof(text) - (size_t)n,
			       "the kernel command line has it too, and wins");
	else
		(void)snprintf(text + n, sizeof(text) - (size_t)n,
			       "the config media have it too (%s:%u), and win", where, one->line);
	wire_put_text(cover->out, text);
}

static int look_at(int dir_fd, const char *name, unsigned char type, void *owner, struct err *err)
{
	struct buf text OWN(buf_done) = { 0 };
	struct cover *cover = owner;
	struct str s = str_from(name);
	uint32_t before = cover->count;

	(void)type;
	(void)err;
	if (cover->dir[0] == '\0' && str_ends(s, STR(".d"))) {
		OWN_FD int fd = fs_open(dir_fd, name, FS_BENEATH, O_RDONLY | O_DIRECTORY, 0, NULL);
		char dir[SHOWN_MAX / 2];

		(void)snprintf(dir, sizeof(dir), "%s/", name);
		cover->dir = dir;
		if (fd >= 0)
			(void)fs_each(fd, look_at, cover, NULL);
		cover->dir = "";
		return 0;
	}
	buf_init(&text, BOOT_CONFIG_FILE_MAX);
	if (!str_ends(s, STR(".ini")) ||
	    fs_read(dir_fd, name, FS_BENEATH, BOOT_CONFIG_FILE_MAX, &text, NULL) < 0)
		return 0;
	cover->count =
		conf_cover_find(cover->from, cover->to, buf_str(&text), cover->list, cover->count);
	for (uint32_t i = before; i < cover->count; i++)
		say(cover, &cover->list[i], name);
	return 0;
}

void boot_cover_put(struct str from, struct str to, struct buf *out)
{
	OWN_FD int config_fd =
		fs_open(AT_FDCWD, "/run/hoy/config", FS_HOST, O_RDONLY | O_DIRECTORY, 0, NULL);
	struct buf sentences OWN(buf_done) = { 0 };
	struct cover cover = { .from = from, .to = to, .dir = "", .out = &sentences };

	buf_init(&sentences, CONF_COVER_MAX * (SENTENCE_MAX + 8));
	for (size_t i = 0; config_fd >= 0 && !str_eq(from, to) && i < ARRAY_LEN(stronger); i++) {
		OWN_FD int fd = fs_open(config_fd, boot_config_layer_names[stronger[i]], FS_BENEATH,
					O_RDONLY | O_DIRECTORY, 0, NULL);

		cover.layer = stronger[i];
		if (fd >= 0)
			(void)fs_each(fd, look_at, &cover, NULL);
	}
	wire_put_u32(out, cover.count);
	(void)buf_add_str(out, buf_str(&sentences));
}
