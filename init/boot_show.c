/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns the answer to what the configuration is: INIT_MSG_CONFIG_GET. Runs in init's disk role. Must
 * never show a secret.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include "init/boot_config.h"
#include "init/conf_text.h"
#include "lib/fs.h"
#include "lib/own.h"

enum { SHOW_MAX = 48 * 1024 };

static void show_hoy(const char *note, struct buf *out, struct err *err)
{
	struct ini_config ini;
	struct buf text, plain;

	ini_init(&ini);
	buf_init(&text, SHOW_MAX);
	buf_init(&plain, SHOW_MAX);
	if (boot_config_load(&ini, err) == 0)
		ini_print(&boot_config_schema, &ini, &plain);
	conf_text_hide(buf_str(&plain), NULL, &text);
	buf_done(&plain);
	wire_put_str(out, buf_str(&text));
	wire_put_u32(out, ini.issue_count + (note[0] != '\0'));
	for (const struct ini_issue *i = ini.issues; i != NULL; i = i->next)
		wire_put_text(out, i->text);
	if (note[0] != '\0')
		wire_put_text(out, note);
	buf_done(&text);
	ini_done(&ini);
}

struct show {
	struct buf *text;
	const char *layer; /* "image" */
	const char *dir;   /* "" or "services.d/" */
	const char *wanted;
};

static void show_file(struct show *show, int dir_fd, const char *name)
{
	struct buf text, plain;
	size_t room;

	buf_init(&text, BOOT_CONFIG_FILE_MAX);
	buf_init(&plain, BOOT_CONFIG_FILE_MAX + BOOT_CONFIG_FILE_MAX / 4);
	if (fs_read(dir_fd, name, FS_BENEATH, BOOT_CONFIG_FILE_MAX, &plain, NULL) == 0 &&
	    conf_text_hide(buf_str(&plain), NULL, &text) == 0) {
		buf_printf(show->text, "# %s:%s%s\n", show->layer, show->dir, name);
		room = SHOW_MAX > show->text->len ? SHOW_MAX - show->text->len : 0;
		buf_add_str(show->text, str_head(buf_str(&text), room));
		if (text.len > room)
			buf_add_text(show->text, "\n# cut here: too long to show\n");
	}
	buf_done(&plain);
	buf_done(&text);
}

static int show_drop_in(int dir_fd, const char *name, unsigned char type, void *owner,
			struct err *err)
{
	(void)type;
	(void)err;
	show_file(owner, dir_fd, name);
	return 0;
}

static void show_layer(struct show *show, int layer_fd)
{
	char name[40], dir[40];
	OWN_FD int sub_fd = -1;

	snprintf(name, sizeof(name), "%s.ini", show->wanted);
	snprintf(dir, sizeof(dir), "%s.d", show->wanted);
	show->dir = "";
	if (fs_exists(layer_fd, name, FS_BENEATH))
		show_file(show, layer_fd, name);
	sub_fd = fs_open(layer_fd, dir, FS_BENEATH, O_RDONLY | O_DIRECTORY, 0, NULL);
	snprintf(dir, sizeof(dir), "%s.d/", show->wanted);
	show->dir = dir;
	if (sub_fd >= 0)
		(void)fs_each(sub_fd, show_drop_in, show, NULL);
	show->dir = "";
}

int boot_config_show(struct str file, const char *note, struct buf *out, struct err *err)
{
	OWN_FD int fd =
		fs_open(AT_FDCWD, "/run/hoy/config", FS_HOST, O_RDONLY | O_DIRECTORY, 0, err);
	struct show show = { .dir = "" };
	char wanted[24];
	struct buf text;

	if (fd < 0)
		return fd;
	if (str_is(file, "hoy")) {
		show_hoy(note, out, err);
		return buf_error(out);
	}
	if (str_copy(file, wanted, sizeof(wanted)) < 0 || strchr(wanted, '/') != NULL ||
	    strchr(wanted, '.') != NULL)
		return err_set(err, -EINVAL, "no configuration file has this name");
	buf_init(&text, SHOW_MAX + 4096);
	show.text = &text;
	show.wanted = wanted;
	for (size_t i = 0; i < BOOT_LAYER_COUNT; i++) {
		OWN_FD int layer_fd = fs_open(fd, boot_config_layer_names[i], FS_BENEATH,
					      O_RDONLY | O_DIRECTORY, 0, NULL);

		show.layer = boot_config_layer_names[i] + 3;
		if (layer_fd >= 0)
			show_layer(&show, layer_fd);
	}
	wire_put_str(out, buf_str(&text));
	wire_put_u32(out, 0);
	buf_done(&text);
	return buf_error(out);
}
