/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HOY_TESTS_UNIT_LIB_PLACE_H
#define HOY_TESTS_UNIT_LIB_PLACE_H

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include "lib/fs.h"
#include "lib/own.h"

/*
 * A fresh directory for one test program: below build/ (a disk, not a tmpfs) when it is run from
 * the top of the tree, else below /tmp. place_remove() takes it away again.
 */
static char place_name[64];
static int place_parent = -1;

static inline int place_make(const char *program)
{
	place_parent = fs_open_dir(AT_FDCWD, "build/test-place", FS_BENEATH, 0755, NULL);
	if (place_parent < 0)
		place_parent = fs_open(AT_FDCWD, "/tmp", FS_HOST, O_RDONLY | O_DIRECTORY, 0, NULL);
	(void)snprintf(place_name, sizeof(place_name), "hoy-%s-%d", program, (int)getpid());
	if (place_parent >= 0) /* left behind by one that was killed and had this pid */
		(void)fs_remove_tree(place_parent, place_name, NULL);
	if (place_parent < 0 || fs_mkdir(place_parent, place_name, 0755, NULL) < 0) {
		printf("Bail out! no place to write\n");
		exit(1);
	}
	return fs_open(place_parent, place_name, FS_BENEATH, O_RDONLY | O_DIRECTORY, 0, NULL);
}

static inline void place_remove(int dir)
{
	own_close(&dir);
	(void)fs_remove_tree(place_parent, place_name, NULL);
	own_close(&place_parent);
}

/* A file with a text. */
static inline void place_write(int dir, const char *name, const char *text)
{
	int fd = fs_open(dir, name, FS_BENEATH, O_WRONLY | O_CREAT | O_TRUNC, 0644, NULL);

	if (fd < 0 || fs_write_fd(fd, text, strlen(text), NULL) < 0)
		abort();
	own_close(&fd);
}

/* The content of a file (at most 255 bytes), "(error)" when it cannot be read. */
static inline const char *place_read(int dir, const char *name)
{
	static char text[256];
	struct buf buf;

	buf_init(&buf, sizeof(text) - 1);
	if (fs_read(dir, name, FS_BENEATH, sizeof(text) - 1, &buf, NULL) < 0)
		(void)snprintf(text, sizeof(text), "(error)");
	else
		(void)snprintf(text, sizeof(text), "%s", buf_text(&buf));
	buf_done(&buf);
	return text;
}

#endif
