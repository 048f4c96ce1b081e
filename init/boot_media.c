/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns the record and the copy of confirmed config media on the data partition. Runs in init's disk
 * role. Must never hand out a copy that is not the one recorded, and must not read media without a
 * bound.
 */
#include "init/boot_media.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include "lib/fs.h"
#include "lib/own.h"

#define RECORD_NAME	"media"
#define RECORD_HEAD	"hoy-media 1 "
#define COPY_PREFIX	"media-"
#define ARCHIVES_FOLDER "images"

enum { CHUNK = 65536, COPY_NAME_MAX = 32 };

/* ---- the record ---- */

static void sum_of(struct str text, struct digest *ret_digest)
{
	struct sha256 sum;

	sha256_init(&sum);
	sha256_add(&sum, text.ptr, text.len);
	sha256_end(&sum, ret_digest);
}

size_t boot_media_format(const struct boot_media_record *record, char text[BOOT_MEDIA_RECORD_MAX])
{
	char media[DIGEST_TEXT_MAX], copy[DIGEST_TEXT_MAX], sum_text[DIGEST_TEXT_MAX];
	struct digest sum;
	int n = snprintf(text, BOOT_MEDIA_RECORD_MAX, RECORD_HEAD "%llu %s %s",
			 (unsigned long long)record->generation, digest_text(&record->media, media),
			 digest_text(&record->copy, copy));

	sum_of(str_make(text, (size_t)n), &sum);
	n += snprintf(text + n, BOOT_MEDIA_RECORD_MAX - (size_t)n, " %s\n",
		      digest_text(&sum, sum_text));
	return (size_t)n;
}

int boot_media_parse(struct str text, struct boot_media_record *ret_record, struct err *err)
{
	struct boot_media_record record;
	char again[BOOT_MEDIA_RECORD_MAX];
	struct str rest, field[3];
	bool good = str_starts(text, STR(RECORD_HEAD));

	rest = str_skip(text, strlen(RECORD_HEAD));
	for (size_t i = 0; good && i < ARRAY_LEN(field); i++)
		good = str_cut(&rest, ' ', &field[i]);
	good = good && str_to_u64(field[0], 1, UINT64_MAX - 1, &record.generation) == 0 &&
	       digest_parse(field[1], &record.media, NULL) == 0 &&
	       digest_parse(field[2], &record.copy, NULL) == 0;
	/* One text for each record: comparing it checks the sum and every byte between. */
	if (!good || !str_eq(text, str_make(again, boot_media_format(&record, again))))
		return err_set(err, -EBADMSG, "the record of confirmed config media is damaged");
	*ret_record = record;
	return 0;
}

/* ---- names of one directory, sorted ---- */

struct names {
	char **items;
	size_t count, cap;
};

static void names_done(struct names *names)
{
	for (size_t i = 0; i < names->count; i++)
		free(names->items[i]);
	free(names->items);
}

static int names_add(int dir_fd, const char *name, unsigned char type, void *owner, struct err *err)
{
	struct names *names = owner;

	(void)dir_fd;
	(void)type;
	if (names->count == BOOT_MEDIA_FILES_MAX)
		return err_set(err, -E2BIG, "a folder holds more than %d files",
			       BOOT_MEDIA_FILES_MAX);
	if (names->count == names->cap) {
		size_t cap = names->cap > 0 ? names->cap * 2 : 32;
		char **items = realloc(names->items, cap * sizeof(*items));

		if (items == NULL)
			return err_set(err, -ENOMEM, "no memory for names");
		names->items = items;
		names->cap = cap;
	}
	names->items[names->count] = strdup(name);
	return names->items[names->count++] != NULL ? 0
						    : err_set(err, -ENOMEM, "no memory for names");
}

static int names_compare(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

/* ---- the walk: hashes, and copies when there is somewhere to ---- */

struct walk {
	struct sha256 sum;
	struct str boot_ini; /* ptr NULL = none */
	bool copies;
	unsigned files;
	uint64_t copied;
};

static void walk_name(struct walk *walk, char kind, const char *name)
{
	sha256_add(&walk->sum, &kind, 1);
	sha256_add(&walk->sum, name, strlen(name) + 1);
}

static int walk_write(struct walk *walk, int out_fd, const void *data, size_t len, struct err *err)
{
	if (out_fd < 0)
		return 0;
	walk->copied += len;
	if (walk->copied > BOOT_MEDIA_COPY_MAX)
		return err_set(
			err, -EFBIG,
			"the media hold more than %d MiB beside images/: keep big files there",
			BOOT_MEDIA_COPY_MAX >> 20);
	return fs_write_fd(out_fd, data, len, err);
}

static int walk_file(struct walk *walk, int in_fd, int out_dir, const char *name, struct err *err)
{
	OWN_FD int out_fd = out_dir < 0 ? -1
					: fs_open(out_dir, name, FS_BENEATH,
						  O_WRONLY | O_CREAT | O_EXCL, 0600, err);
	char chunk[CHUNK];
	uint64_t total = 0;
	ssize_t n;
	int r = out_dir >= 0 && out_fd < 0 ? out_fd : 0;

	walk_name(walk, 'f', name);
	while (r == 0 && (n = read(in_fd, chunk, sizeof(chunk))) != 0) {
		if (n < 0)
			return err_sys(err, -errno, "read %s", name);
		sha256_add(&walk->sum, chunk, (size_t)n);
		total += (uint64_t)n;
		r = walk_write(walk, out_fd, chunk, (size_t)n, err);
	}
	sha256_add(&walk->sum, &total, sizeof(total));
	return r;
}

static int walk_text(struct walk *walk, int out_dir, const char *name, struct err *err)
{
	uint64_t total = walk->boot_ini.len;

	walk_name(walk, 'f', name);
	sha256_add(&walk->sum, walk->boot_ini.ptr, walk->boot_ini.len);
	sha256_add(&walk->sum, &total, sizeof(total));
	return out_dir < 0 ? 0
			   : fs_replace(out_dir, name, walk->boot_ini.ptr, walk->boot_ini.len, 0600,
					err);
}

static int walk_dir(struct walk *walk, int dir_fd, int out_dir, unsigned depth, struct err *err);

static int walk_entry(struct walk *walk, int dir_fd, int out_dir, const char *name, unsigned depth,
		      struct err *err)
{
	OWN_FD int fd = fs_open(dir_fd, name, FS_BENEATH, O_RDONLY | O_NONBLOCK, 0, err);
	OWN_FD int sub_out = -1;
	struct stat st;

	if (fd < 0)
		return fd;
	if (fstat(fd, &st) < 0)
		return err_sys(err, -errno, "look at %s", name);
	if (++walk->files > BOOT_MEDIA_FILES_MAX)
		return err_set(err, -E2BIG, "the media hold more than %d files",
			       BOOT_MEDIA_FILES_MAX);
	if (S_ISREG(st.st_mode))
		return walk_file(walk, fd, out_dir, name, err);
	if (!S_ISDIR(st.st_mode))
		return 0;
	walk_name(walk, 'd', name);
	if (out_dir >= 0 && !(depth == 0 && strcmp(name, ARCHIVES_FOLDER) == 0)) {
		sub_out = fs_open_dir(out_dir, name, FS_BENEATH, 0700, err);
		if (sub_out < 0)
			return sub_out;
	}
	return walk_dir(walk, fd, sub_out, depth + 1, err);
}

static int walk_dir(struct walk *walk, int dir_fd, int out_dir, unsigned depth, struct err *err)
{
	struct names names OWN(names_done) = { 0 };
	int r;

	if (depth > BOOT_MEDIA_DEPTH_MAX)
		return err_set(err, -E2BIG, "the media have folders deeper than %d",
			       BOOT_MEDIA_DEPTH_MAX);
	r = fs_each(dir_fd, names_add, &names, err);
	if (r == 0 && names.count > 0)
		qsort(names.items, names.count, sizeof(*names.items), names_compare);
	for (size_t i = 0; i < names.count && r == 0; i++) {
		if (depth == 0 && walk->boot_ini.ptr != NULL &&
		    strcmp(names.items[i], "boot.ini") == 0)
			continue;
		r = walk_entry(walk, dir_fd, out_dir, names.items[i], depth, err);
	}
	walk_name(walk, 'u', "");
	return r;
}

static int walk_media(const struct boot_media *media, int out_dir, struct digest *ret_digest,
		      struct err *err)
{
	struct walk walk = { .boot_ini = media->boot_ini };
	int r = 0;

	sha256_init(&walk.sum);
	if (media->boot_ini.ptr != NULL)
		r = walk_text(&walk, out_dir, "boot.ini", err);
	if (r == 0 && media->dir_fd >= 0)
		r = walk_dir(&walk, media->dir_fd, out_dir, 0, err);
	sha256_end(&walk.sum, ret_digest);
	return r;
}

int boot_media_digest(const struct boot_media *media, struct digest *ret_digest, struct err *err)
{
	return walk_media(media, -1, ret_digest, err);
}

/* ---- on the data partition ---- */

static int open_config(int data_fd, struct err *err)
{
	return fs_open(data_fd, "config", FS_BENEATH, O_RDONLY | O_DIRECTORY, 0, err);
}

static int read_record(int config_fd, struct boot_media_record *ret_record, struct err *err)
{
	struct buf text OWN(buf_done) = { 0 };
	int r;

	buf_init(&text, BOOT_MEDIA_RECORD_MAX);
	r = fs_read(config_fd, RECORD_NAME, FS_BENEATH, BOOT_MEDIA_RECORD_MAX, &text, err);
	if (r == -EFBIG)
		return err_set(err, -EBADMSG, "the record of confirmed config media is damaged");
	return r < 0 ? r : boot_media_parse(buf_str(&text), ret_record, err);
}

static void copy_name(uint64_t generation, char name[COPY_NAME_MAX])
{
	snprintf(name, COPY_NAME_MAX, COPY_PREFIX "%llu", (unsigned long long)generation);
}

/* Copies of before, and what a power cut left half-made. */
static int drop_other(int config_fd, const char *name, unsigned char type, void *owner,
		      struct err *err)
{
	(void)type;
	(void)err;
	if (str_starts(str_from(name), STR(COPY_PREFIX)) && strcmp(name, owner) != 0)
		(void)fs_remove_tree(config_fd, name, NULL);
	return 0;
}

static int make_copy(int config_fd, const char *name, const struct boot_media *media,
		     struct digest *ret_copy, struct err *err)
{
	OWN_FD int copy_fd = -1;
	struct digest whole;
	struct boot_media made = { .dir_fd = -1 };
	int r = fs_remove_tree(config_fd, name, err);

	if (r < 0)
		return r;
	copy_fd = made.dir_fd = fs_open_dir(config_fd, name, FS_BENEATH, 0700, err);
	if (copy_fd < 0)
		return copy_fd;
	r = walk_media(media, copy_fd, &whole, err);
	if (r == 0)
		r = boot_media_digest(&made, ret_copy, err);
	if (r == 0 && syncfs(copy_fd) < 0)
		r = err_sys(err, -errno, "keep the copy of the config media");
	return r;
}

int boot_media_keep(int data_fd, const struct boot_media *media, struct err *err)
{
	OWN_FD int config_fd = open_config(data_fd, err);
	struct boot_media_record record = { 0 }, old;
	char name[COPY_NAME_MAX], text[BOOT_MEDIA_RECORD_MAX];
	int r;

	if (config_fd < 0)
		return config_fd;
	record.generation = read_record(config_fd, &old, NULL) == 0 ? old.generation + 1 : 1;
	copy_name(record.generation, name);
	r = boot_media_digest(media, &record.media, err);
	if (r == 0)
		r = make_copy(config_fd, name, media, &record.copy, err);
	if (r == 0)
		r = fs_replace(config_fd, RECORD_NAME, text, boot_media_format(&record, text), 0600,
			       err);
	if (r < 0) {
		(void)fs_remove_tree(config_fd, name, NULL);
		return err_prefix(err, "config media not kept");
	}
	(void)fs_each(config_fd, drop_other, name, NULL);
	return 0;
}

int boot_media_open(int data_fd, struct boot_media_record *ret_record, struct err *err)
{
	OWN_FD int config_fd = open_config(data_fd, err);
	struct boot_media copy = { .dir_fd = -1 };
	struct boot_media_record record;
	OWN_FD int copy_fd = -1;
	char name[COPY_NAME_MAX];
	struct digest digest;
	int r;

	if (config_fd < 0)
		return config_fd;
	r = read_record(config_fd, &record, err);
	if (r < 0)
		return r;
	copy_name(record.generation, name);
	copy_fd = copy.dir_fd =
		fs_open(config_fd, name, FS_BENEATH, O_RDONLY | O_DIRECTORY, 0, err);
	if (copy_fd < 0 || boot_media_digest(&copy, &digest, err) < 0 ||
	    memcmp(&digest, &record.copy, sizeof(digest)) != 0)
		return err_set(err, -EBADMSG, "the copy of the confirmed config media is damaged");
	*ret_record = record;
	return take_fd(&copy_fd);
}
