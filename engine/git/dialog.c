/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Git's protocol, version 2, as a client that wants one commit: pkt-lines, the server's greeting,
 * its references, a pack in a side band. Pure; runs in the pull role. Must never believe a length.
 */
#include <errno.h>
#include <string.h>
#include "engine/git/git.h"

enum { GIT_LINES_MAX = 4096 }; /* of a greeting or a list of references */

/* At least `want` bytes behind `at`; 0 = the stream ended before the first of them. */
static int fill(struct git_reader *reader, size_t want, struct err *err)
{
	if (reader->at + want > sizeof(reader->bytes)) {
		memmove(reader->bytes, reader->bytes + reader->at, reader->len - reader->at);
		reader->len -= reader->at;
		reader->at = 0;
	}
	while (reader->len - reader->at < want) {
		ssize_t n = reader->read(reader->owner, reader->bytes + reader->len,
					 sizeof(reader->bytes) - reader->len, err);

		if (n < 0)
			return (int)n;
		if (n == 0 && reader->len == reader->at)
			return 0;
		if (n == 0)
			return err_set(err, -EBADMSG, "the server's answer was cut off");
		reader->len += (size_t)n;
	}
	return 1;
}

static int read_length(const char *text, size_t *ret)
{
	size_t length = 0;

	for (int i = 0; i < 4; i++) {
		const char *digits = "0123456789abcdef", *at;

		at = text[i] ? strchr(digits,
				      text[i] >= 'A' && text[i] <= 'F' ? text[i] + 32 : text[i])
			     : NULL;
		if (!at)
			return -EBADMSG;
		length = length << 4 | (size_t)(at - digits);
	}
	*ret = length;
	return 0;
}

int git_pkt_next(struct git_reader *reader, enum git_pkt *ret_kind, struct str *ret_line,
		 struct err *err)
{
	char shown[160];
	size_t length;
	int r = fill(reader, 4, err);

	if (r <= 0)
		return r < 0 ? r : err_set(err, -EBADMSG, "the server's answer was cut off");
	if (read_length(reader->bytes + reader->at, &length) < 0 || length == 3 ||
	    length > GIT_PKT_MAX)
		return err_set(err, -EBADMSG, "the server's answer is not git's protocol");
	*ret_line = (struct str){ 0 };
	*ret_kind = GIT_PKT_LINE;
	if (length < 4) {
		reader->at += 4;
		*ret_kind = (enum git_pkt)length;
		return 0;
	}
	r = fill(reader, length, err);
	if (r < 0)
		return r;
	*ret_line = str_make(reader->bytes + reader->at + 4, length - 4);
	reader->at += length;
	if (!str_starts(*ret_line, STR("ERR ")))
		return 0;
	(void)str_escape(str_skip(*ret_line, 4), shown, sizeof(shown));
	return err_set(err, -EREMOTEIO, "the server says: %s", shown);
}

/* A line of text, without its newline. */
static int next_text(struct git_reader *reader, enum git_pkt *ret_kind, struct str *ret_line,
		     struct err *err)
{
	int r = git_pkt_next(reader, ret_kind, ret_line, err);

	if (r == 0 && ret_line->len > 0 && ret_line->ptr[ret_line->len - 1] == '\n')
		ret_line->len--;
	return r;
}

int git_read_greeting(struct git_reader *reader, bool http, struct err *err)
{
	bool fetch = false;
	enum git_pkt kind;
	struct str line;
	int r = next_text(reader, &kind, &line, err);

	if (r == 0 && http && str_is(line, "# service=git-upload-pack")) {
		r = next_text(reader, &kind, &line, err);
		if (r == 0 && kind == GIT_PKT_FLUSH)
			r = next_text(reader, &kind, &line, err);
	}
	if (r < 0)
		return r;
	if (kind != GIT_PKT_LINE || !str_is(line, "version 2"))
		return err_set(err, -ENOTSUP,
			       "the server does not speak version 2 of git's protocol");
	for (int i = 0; i < GIT_LINES_MAX; i++) {
		r = next_text(reader, &kind, &line, err);
		if (r < 0)
			return r;
		if (kind == GIT_PKT_FLUSH)
			return fetch ? 0
				     : err_set(err, -ENOTSUP, "the server cannot be fetched from");
		fetch = fetch || str_is(line, "fetch") || str_starts(line, STR("fetch="));
		if (str_starts(line, STR("object-format=")) && !str_is(line, "object-format=sha1"))
			return err_set(err, -ENOTSUP,
				       "the repository's objects are not named by SHA-1");
	}
	return err_set(err, -EBADMSG, "the server's greeting has no end");
}

static void put_line(struct buf *out, const char *front, const char *text)
{
	(void)buf_printf(out, "%04zx%s%s\n", strlen(front) + strlen(text) + 5, front, text);
}

static void put_command(struct buf *out, const char *name)
{
	put_line(out, "command=", name);
	put_line(out, "agent=", "hoy/" HOY_VERSION);
	(void)buf_add_text(out, "0001");
}

/* In the order of what counts first; "" in front of a whole name. */
static const char *const fronts[] = { "", "refs/heads/", "refs/tags/", "refs/" };

void git_put_ls_refs(struct buf *out, const char *ref)
{
	put_command(out, "ls-refs");
	put_line(out, "symrefs", "");
	for (size_t i = 0; i < sizeof(fronts) / sizeof(*fronts); i++) {
		(void)buf_printf(out, "%04zxref-prefix %s%s\n",
				 strlen(fronts[i]) + strlen(*ref ? ref : "HEAD") + 16, fronts[i],
				 *ref ? ref : "HEAD");
		if (!*ref)
			break;
	}
	(void)buf_add_text(out, "0000");
}

static size_t rank_of(struct str name, const char *ref)
{
	for (size_t i = 0; i < sizeof(fronts) / sizeof(*fronts); i++)
		if (str_starts(name, str_from(fronts[i])) &&
		    str_is(str_skip(name, strlen(fronts[i])), ref))
			return i;
	return SIZE_MAX;
}

/* "OID NAME[ ATTRIBUTE...]"; of HEAD the name is that of the branch it stands for. */
static int take_ref(struct str line, const char *ref, size_t *best, struct git_found *ret)
{
	const char *wanted = *ref ? ref : "HEAD";
	struct str oid, name, attribute;
	size_t rank;

	(void)str_cut(&line, ' ', &oid);
	(void)str_cut(&line, ' ', &name);
	rank = rank_of(name, wanted);
	if (rank >= *best)
		return 0;
	if (!git_is_oid(oid))
		return -EBADMSG;
	while (!*ref && str_cut(&line, ' ', &attribute))
		if (str_starts(attribute, STR("symref-target:")))
			name = str_skip(attribute, 14);
	if (str_copy(name, ret->name, sizeof(ret->name)) < 0)
		return -EBADMSG;
	*best = rank;
	return str_copy(oid, ret->oid, sizeof(ret->oid));
}

int git_read_refs(struct git_reader *reader, const char *ref, struct git_found *ret,
		  struct err *err)
{
	size_t best = SIZE_MAX;
	enum git_pkt kind;
	struct str line;

	for (int i = 0; i < GIT_LINES_MAX; i++) {
		int r = next_text(reader, &kind, &line, err);

		if (r < 0)
			return r;
		if (kind == GIT_PKT_FLUSH)
			return best != SIZE_MAX
				       ? 0
				       : err_set(err, -ENOENT, "repository does not contain ref %s",
						 *ref ? ref : "HEAD");
		if (take_ref(line, ref, &best, ret) < 0)
			return err_set(err, -EBADMSG, "the server's references are malformed");
	}
	return err_set(err, -E2BIG, "more than %d references begin with %s", GIT_LINES_MAX, ref);
}

void git_put_fetch(struct buf *out, const char *oid)
{
	put_command(out, "fetch");
	put_line(out, "no-progress", "");
	put_line(out, "ofs-delta", "");
	put_line(out, "deepen ", "1");
	put_line(out, "want ", oid);
	put_line(out, "done", "");
	(void)buf_add_text(out, "0000");
}

/* Band 1 is the pack, 2 what people may read, 3 why it ends. */
static int take_band(struct str line, git_sink_fn *sink, void *owner, struct err *err)
{
	char shown[160];

	if (line.len == 0 || line.ptr[0] < 1 || line.ptr[0] > 3)
		return err_set(err, -EBADMSG, "the server's pack is malformed");
	if (line.ptr[0] == 1)
		return sink(owner, str_skip(line, 1), err);
	if (line.ptr[0] == 2)
		return 0;
	(void)str_escape(str_skip(line, 1), shown, sizeof(shown));
	return err_set(err, -EREMOTEIO, "the server says: %s", shown);
}

int git_read_pack(struct git_reader *reader, git_sink_fn *sink, void *owner, struct err *err)
{
	bool pack = false;
	enum git_pkt kind;
	struct str line;
	int lines = 0;

	for (;;) {
		int r = pack ? git_pkt_next(reader, &kind, &line, err)
			     : next_text(reader, &kind, &line, err);

		if (r < 0)
			return r;
		if (pack && kind == GIT_PKT_FLUSH)
			return 0;
		if (pack && kind == GIT_PKT_LINE) {
			r = take_band(line, sink, owner, err);
			if (r < 0)
				return r;
		} else if (str_is(line, "packfile")) {
			pack = true;
		} else if (kind == GIT_PKT_FLUSH || lines++ == GIT_LINES_MAX) {
			return err_set(err, -EBADMSG, "the server sent no pack");
		}
	}
}
