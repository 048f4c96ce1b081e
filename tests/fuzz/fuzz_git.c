/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Repositories: the first byte chooses between names of them, the dialog with a server, and a pack
 * (20 bytes name of the commit, then the pack without its checksum). The records that come out are
 * taken by the strict parser, and only a good checkout has an end.
 */
#include <mbedtls/sha1.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>
#include "engine/git/tree.h"
#include "lib/own.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static ssize_t read_memory(void *owner, void *dst, size_t cap, struct err *err)
{
	struct str *text = owner;
	size_t n = text->len < cap ? text->len : cap;

	(void)err;
	if (n)
		memcpy(dst, text->ptr, n);
	*text = str_skip(*text, n);
	return (ssize_t)n;
}

static int drop(void *owner, struct str data, struct err *err)
{
	(void)owner;
	(void)data;
	(void)err;
	return 0;
}

static void names(struct str text)
{
	struct arena arena OWN(arena_done);
	struct git_source source;
	char joined[GIT_URL_MAX];
	const char *url;

	arena_init(&arena, 1 << 20);
	(void)git_source_is(text);
	if (git_source_parse(text, &arena, &source, NULL) == 0) {
		if (strchr(source.remote, '\n') || *source.subdir == '/' ||
		    strncmp(source.subdir, "../", 3) == 0 || strstr(source.subdir, "/../"))
			abort();
	}
	if (!memchr(text.ptr ? text.ptr : "", 0, text.len))
		(void)git_source_join("https://h/a/b.git", text, joined, NULL);
	(void)git_module_url(text, STR("a"), &arena, &url, NULL);
}

static void dialog(struct str text)
{
	static struct git_reader reader;
	struct git_found found;

	reader = (struct git_reader){ .read = read_memory, .owner = &text };
	(void)git_read_greeting(&reader, true, NULL);
	(void)git_read_refs(&reader, "main", &found, NULL);
	(void)git_read_pack(&reader, drop, NULL, NULL);
}

/* 0 = a whole stream. */
static int read_back(int fd)
{
	static struct entry entry;
	struct entry_reader reader;
	struct entry_state state;
	int r;

	lseek(fd, 0, SEEK_SET);
	entry_reader_init(&reader, fd);
	do
		r = entry_read(&reader, &entry, NULL);
	while (r == 1);
	state = reader.state;
	/* Cut off is fine, everything else that is refused is not. */
	if (r < 0 && reader.at != reader.buf.len &&
	    entry_parse(&state, str_skip(buf_str(&reader.buf), reader.at), &entry, NULL) < 0)
		abort();
	entry_reader_done(&reader);
	return r;
}

static void pack(struct str data, bool keep)
{
	static struct unpack_git_result result;
	struct unpack_git wanted = { .name = "refs/heads/main",
				     .remote = "https://h/x.git",
				     .keep = keep,
				     .bytes_max = 1 << 20,
				     .entries_max = 1000 };
	unsigned char sum[GIT_OID_SIZE];
	struct git_pack *opened = NULL;
	struct entry_writer writer;
	int in OWN_FD = memfd_create("pack", 0), out OWN_FD = memfd_create("records", 0);
	int r;

	if (data.len < GIT_OID_SIZE || in < 0 || out < 0)
		return;
	str_hex(data.ptr, GIT_OID_SIZE, wanted.oid);
	data = str_skip(data, GIT_OID_SIZE);
	(void)mbedtls_sha1((const unsigned char *)data.ptr, data.len, sum);
	if (write(in, data.ptr, data.len) != (ssize_t)data.len ||
	    write(in, sum, sizeof(sum)) != (ssize_t)sizeof(sum))
		abort();
	if (git_pack_open(in, 16 << 20, &opened, NULL) < 0)
		return;
	entry_writer_init(&writer, out);
	r = git_checkout(opened, &wanted, &writer, &result, NULL);
	entry_writer_done(&writer);
	git_pack_free(opened);
	if ((read_back(out) == 0) != (r == 0))
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct str text = str_make(data + 1, size ? size - 1 : 0);

	if (size == 0)
		return 0;
	if (data[0] == 'n')
		names(text);
	else if (data[0] == 'd')
		dialog(text);
	else
		pack(text, data[0] == 'k');
	return 0;
}
