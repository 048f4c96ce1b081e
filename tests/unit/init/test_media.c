/* SPDX-License-Identifier: Apache-2.0 */
/* Confirmed config media: the record, the digest, the copy and what damage does to them. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "init/boot_media.h"
#include "lib/fs.h"
#include "lib/own.h"
#include "tests/unit/tap.h"

static const struct boot_media_record sample = { .generation = 7,
						 .media = { { 1, 2, 3 } },
						 .copy = { { 4, 5, 6 } } };

static void test_record(void)
{
	char text[BOOT_MEDIA_RECORD_MAX], bad[BOOT_MEDIA_RECORD_MAX];
	size_t len = boot_media_format(&sample, text);
	struct boot_media_record back;
	int wrong = 0;

	is_int(boot_media_parse(str_make(text, len), &back, NULL), 0, "a record is read back");
	ok(back.generation == 7 && !memcmp(&back.media, &sample.media, sizeof(back.media)) &&
		   !memcmp(&back.copy, &sample.copy, sizeof(back.copy)),
	   "and is the same");
	for (size_t i = 0; i < len; i++) {
		memcpy(bad, text, len);
		bad[i] = (char)(bad[i] ^ 1);
		wrong += boot_media_parse(str_make(bad, len), &back, NULL) == 0;
		wrong += boot_media_parse(str_make(text, i), &back, NULL) == 0;
	}
	is_int(wrong, 0, "a changed bit or a missing end anywhere is noticed");
	is_int(boot_media_parse(STR(""), &back, NULL), -EBADMSG, "an empty file is damaged");
}

static int make(int dir, const char *folder, const char *name, const char *text)
{
	OWN_FD int sub = *folder ? fs_open_dir(dir, folder, FS_BENEATH, 0700, NULL) : -1;

	return fs_replace(*folder ? sub : dir, name, text, strlen(text), 0600, NULL);
}

static int folder(int top, const char *name)
{
	(void)fs_remove_tree(top, name, NULL);
	return fs_open_dir(top, name, FS_BENEATH, 0700, NULL);
}

static bool same(const struct boot_media *a, const struct boot_media *b)
{
	struct digest left, right;

	return boot_media_digest(a, &left, NULL) == 0 && boot_media_digest(b, &right, NULL) == 0 &&
	       memcmp(&left, &right, sizeof(left)) == 0;
}

static void test_digest(int top)
{
	OWN_FD int one = folder(top, "one");
	OWN_FD int two = folder(top, "two");
	struct boot_media a = { .dir_fd = one }, b = { .dir_fd = two }, text = { .dir_fd = one };

	(void)make(one, "", "services.ini", "[service a]\n");
	(void)make(one, "hello", "Dockerfile", "FROM x\n");
	(void)make(two, "hello", "Dockerfile", "FROM x\n");
	(void)make(two, "", "services.ini", "[service a]\n");
	ok(same(&a, &b), "the order of making does not count");
	(void)make(two, "hello", "Dockerfile", "FROM y\n");
	ok(!same(&a, &b), "one byte of a build context does");
	(void)make(two, "hello", "Dockerfile", "FROM x\n");
	(void)make(two, "images", "x.tar", "archive");
	ok(!same(&a, &b), "so does an archive more");
	text.boot_ini = STR("[hoy]\n");
	ok(!same(&a, &text), "so does a text from fw_cfg");
}

static void test_keep(int top)
{
	OWN_FD int data = folder(top, "data");
	OWN_FD int volume = folder(top, "volume");
	OWN_FD int config = fs_open_dir(data, "config", FS_BENEATH, 0700, NULL);
	struct boot_media media = { .dir_fd = volume, .boot_ini = STR("[hoy]\nhostname = b\n") };
	struct boot_media_record record;
	struct digest digest;
	struct err err = { 0 };
	int copy;

	is_int(boot_media_open(data, &record, NULL), -ENOENT, "nothing was confirmed yet");
	(void)make(volume, "", "boot.ini", "[hoy]\nhostname = volume\n");
	(void)make(volume, "hello", "Dockerfile", "FROM x\n");
	(void)make(volume, "images", "x.tar", "archive");
	is_int(boot_media_keep(data, &media, &err), 0, "kept %s", err.text);
	copy = boot_media_open(data, &record, &err);
	ok(copy >= 0, "and found again %s", err.text);
	ok(boot_media_digest(&media, &digest, NULL) == 0 &&
		   !memcmp(&digest, &record.media, sizeof(digest)),
	   "under the digest of the media");
	ok(fs_exists(copy, "hello/Dockerfile", FS_BENEATH), "the build context is copied");
	ok(!fs_exists(copy, "images", FS_BENEATH), "the archives are not");
	{
		struct buf text OWN(buf_done) = { 0 };

		buf_init(&text, 100);
		(void)fs_read(copy, "boot.ini", FS_BENEATH, 100, &text, NULL);
		ok(str_eq(buf_str(&text), media.boot_ini),
		   "fw_cfg's boot.ini is the one that counts");
	}
	(void)make(copy, "", "evil.ini", "[service evil]\n");
	own_close(&copy);
	is_int(boot_media_open(data, &record, NULL), -EBADMSG, "a file more in the copy: damaged");

	media = (struct boot_media){ .dir_fd = -1 };
	is_int(boot_media_keep(data, &media, &err), 0, "no media at all can be confirmed %s",
	       err.text);
	copy = boot_media_open(data, &record, NULL);
	ok(copy >= 0 && record.generation == 2, "as the next generation");
	ok(!fs_exists(config, "media-1", FS_BENEATH), "the copy of before is gone");
	own_close(&copy);
	(void)make(config, "", "media", "hoy-media 1 2 x\n");
	is_int(boot_media_open(data, &record, NULL), -EBADMSG, "a damaged record is named");
}

static void test_bounds(int top)
{
	OWN_FD int deep = folder(top, "deep");
	struct boot_media media = { .dir_fd = deep };
	struct digest digest;
	char path[2 * BOOT_MEDIA_DEPTH_MAX + 4];

	for (int i = 0; i <= BOOT_MEDIA_DEPTH_MAX; i++)
		memcpy(path + 2 * i, "a/", 3);
	own_close(&(int){ fs_open_dir(deep, path, FS_BENEATH, 0700, NULL) });
	is_int(boot_media_digest(&media, &digest, NULL), -E2BIG, "folders without an end");
}

int main(void)
{
	OWN_FD int top = fs_open_dir(AT_FDCWD, "build/test-tmp/unit-media", FS_HOST, 0700, NULL);

	if (!ok(top >= 0, "build/test-tmp/unit-media"))
		return tap_done();
	test_record();
	test_digest(top);
	test_keep(top);
	test_bounds(top);
	return tap_done();
}
