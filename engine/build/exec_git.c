/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Repositories as sources: the pull role brings a pack into an unnamed file, the unpack role turns
 * it into records, a files role makes the tree of them; then the same for each submodule. Runs in
 * engine main. Must never read a byte of a pack, nor hand a login to another host than its own.
 */
#include <errno.h>
#include <fcntl.h>
#include <mbedtls/base64.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>
#include "engine/api/entry.h"
#include "engine/api/git_msg.h"
#include "engine/build/exec_git.h"
#include "engine/build/exec_job.h"
#include "engine/git/git.h"
#include "engine/http/url.h"
#include "lib/fs.h"
#include "lib/own.h"

enum {
	GIT_LIMIT_MS = 6 * 3600 * 1000, /* of each repository, whatever its server does */
	GIT_PATH_MAX = UNPACK_GIT_PATH_MAX + 64,
	SERVER_MAX = URL_HOST_MAX + 8, /* brackets and a port */
};

/* The repository itself, then its submodules. */
struct row {
	char path[UNPACK_GIT_PATH_MAX]; /* below the first one */
	char url[GIT_URL_MAX];
	char ref[GIT_REF_MAX];
};

struct build_git {
	unsigned number;
	bool keep, no_submodules;
	char subdir[UNPACK_GIT_PATH_MAX], checksum[GIT_OID_TEXT];
	char server[SERVER_MAX]; /* of the first one */
	struct row rows[UNPACK_GIT_MODULES_MAX + 1];
	uint32_t count, at;
	int pack_fd;
	uint64_t most;
	struct unpack_git wanted;
	struct unpack_git_result result;
	struct worker unpack;
	bool unpack_done, extract_done;
	struct err unpack_error, extract_error;
	void (*done)(struct build_lane *lane, const struct err *err);
};

static int next_row(struct build_lane *lane, struct err *err);

void build_git_stop(struct build_lane *lane)
{
	struct build_git *git = lane->fetch.git;

	if (!git)
		return;
	/* First: what is stopped below answers all the same, and nobody is to hear it. */
	lane->fetch.git = NULL;
	worker_stop(&git->unpack);
	own_close(&git->pack_fd);
	free(git);
}

/* The last act; err NULL = it is whole. */
static void finish(struct build_lane *lane, const struct err *err)
{
	struct build_git *git = lane->fetch.git;
	void (*done)(struct build_lane * at, const struct err *why) = git->done;
	struct err why = { 0 };

	if (err) {
		why = *err;
		if (git->at > 0)
			(void)err_prefix(&why, "submodule %.200s", git->rows[git->at].path);
	}
	build_job_fetch_stop(lane);
	done(lane, err ? &why : NULL);
}

/* ---- the tree ---- */

static int find_checksum(const struct build_git *git, struct err *err)
{
	size_t len = strlen(git->checksum);

	if (git->at > 0 || len == 0 || strncasecmp(git->checksum, git->result.commit, len) == 0 ||
	    strncasecmp(git->checksum, git->wanted.oid, len) == 0)
		return 0;
	return err_set(err, -EBADMSG, "expected checksum to match %s, got %s", git->checksum,
		       git->result.commit);
}

static int add_modules(struct build_git *git, struct err *err)
{
	char base[UNPACK_GIT_PATH_MAX];

	if (git->no_submodules)
		return 0;
	(void)str_copy(str_from(git->rows[git->at].path), base, sizeof(base));
	for (uint32_t i = 0; i < git->result.module_count; i++) {
		const struct unpack_git_module *module = &git->result.modules[i];
		struct row *row = &git->rows[git->count];
		int r;

		if (git->count == ARRAY_LEN(git->rows))
			return err_set(err, -E2BIG, "more than %d submodules",
				       UNPACK_GIT_MODULES_MAX);
		if (!*module->url)
			return err_set(err, -ENOENT,
				       "no url found for submodule path '%.200s' in .gitmodules",
				       module->path);
		r = snprintf(row->path, sizeof(row->path), "%s%s%s", base, *base ? "/" : "",
			     module->path);
		if (r >= (int)sizeof(row->path))
			return err_set(err, -ENAMETOOLONG, "the path of a submodule is too long");
		(void)str_copy(str_from(module->commit), row->ref, sizeof(row->ref));
		r = git_source_join(git->rows[git->at].url, str_from(module->url), row->url, err);
		if (r < 0)
			return err_prefix(err, "submodule %.200s", module->path);
		git->count++;
	}
	return 0;
}

static void settle(struct build_lane *lane)
{
	struct build_git *git = lane->fetch.git;
	struct err bad = { 0 };
	int r = 0;

	if (!git->unpack_done || !git->extract_done)
		return;
	worker_stop(&git->unpack);
	own_close(&git->pack_fd);
	if (git->unpack_error.code && git->unpack_error.code != -EPIPE)
		bad = git->unpack_error;
	else if (git->extract_error.code)
		bad = git->extract_error;
	else if (git->unpack_error.code)
		bad = git->unpack_error;
	r = bad.code;
	if (r == 0 && git->at == 0)
		lane->fetch.mtime_s = git->result.time_s;
	if (r == 0)
		r = find_checksum(git, &bad);
	if (r == 0)
		r = add_modules(git, &bad);
	if (r == 0 && git->at + 1 == git->count) {
		finish(lane, NULL);
		return;
	}
	if (r == 0) {
		git->at++;
		r = next_row(lane, &bad);
	}
	if (r < 0)
		finish(lane, &bad);
}

static void on_unpacked(struct msg_peer *peer, void *owner, struct msg *reply,
			const struct err *err)
{
	struct build_lane *lane = owner;
	struct build_git *git = lane->fetch.git;

	(void)peer;
	if (!git)
		return;
	git->unpack_done = true;
	if (!reply)
		git->unpack_error = *err;
	else
		(void)unpack_git_result_decode(reply->body, &git->result, &git->unpack_error);
	settle(lane);
}

static void on_extracted(struct msg_peer *peer, void *owner, struct msg *reply,
			 const struct err *err)
{
	struct build_lane *lane = owner;
	struct build_git *git = lane->fetch.git;

	(void)peer;
	if (!git)
		return;
	git->extract_done = true;
	if (!reply)
		git->extract_error = *err;
	settle(lane);
}

/* A subdirectory, and a .git, are the first one's; a submodule comes whole and without. */
static int start_unpack(struct build_lane *lane, int records_fd, struct err *err)
{
	struct build_git *git = lane->fetch.git;
	const int fds[2] = { git->pack_fd, records_fd };
	struct buf body OWN(buf_done) = { 0 };
	int64_t r;

	git->wanted.keep = git->keep && git->at == 0;
	git->wanted.bytes_max = git->most;
	git->wanted.entries_max = ENTRY_COUNT_MAX;
	(void)str_copy(git->at == 0 ? str_from(git->subdir) : STR(""), git->wanted.subdir,
		       sizeof(git->wanted.subdir));
	(void)str_copy(str_from(git->rows[git->at].url), git->wanted.remote,
		       sizeof(git->wanted.remote));
	buf_init(&body, 8192);
	unpack_git_encode(&git->wanted, &body);
	r = worker_start(&git->unpack, lane->job->env->containers->loop, "unpack", NULL, 0, NULL, 0,
			 NULL, lane, err);
	if (r >= 0)
		r = msg_peer_call(&git->unpack.peer, UNPACK_MSG_GIT, buf_str(&body), fds, 2,
				  on_unpacked, lane, err);
	return r < 0 ? (int)r : 0;
}

static int check_out(struct build_lane *lane, struct err *err)
{
	struct build_git *git = lane->fetch.git;
	int read_end OWN_FD = -1, write_end OWN_FD = -1, pair[2], fds[2];
	struct buf body OWN(buf_done) = { 0 };
	char dest[GIT_PATH_MAX];
	int r;

	if (pipe2(pair, O_CLOEXEC) < 0)
		return err_sys(err, -errno, "pipe for a repository");
	read_end = pair[0];
	write_end = pair[1];
	git->unpack_done = git->extract_done = false;
	git->unpack_error = git->extract_error = (struct err){ 0 };
	r = start_unpack(lane, write_end, err);
	if (r < 0)
		return r;
	(void)snprintf(dest, sizeof(dest), "%u/%s/%s", git->number, BUILD_GIT_NAME,
		       git->rows[git->at].path);
	buf_init(&body, 8192);
	wire_put_text(&body, dest);
	wire_put_text(&body, "");
	fds[0] = read_end;
	fds[1] = lane->fetch.fd;
	return build_job_files(lane, FILES_MSG_EXTRACT, buf_str(&body), fds, 2, on_extracted, err);
}

/* ---- the pack ---- */

static void on_fetched(struct msg_peer *peer, void *owner, struct msg *reply, const struct err *err)
{
	struct build_lane *lane = owner;
	struct build_git *git = lane->fetch.git;
	struct err bad = { 0 };
	struct wire in;

	(void)peer;
	if (!git)
		return;
	if (!reply) {
		finish(lane, err);
		return;
	}
	wire_init(&in, reply->body.ptr, reply->body.len);
	(void)wire_u64(&in);
	wire_text(&in, git->wanted.oid, sizeof(git->wanted.oid));
	wire_text(&in, git->wanted.name, sizeof(git->wanted.name));
	if (wire_end(&in) < 0)
		err_set(&bad, -EBADMSG, "role pull: malformed answer");
	/* It has the file open for writing until it is gone. */
	worker_stop(&lane->fetch.role);
	if (bad.code || check_out(lane, &bad) < 0)
		finish(lane, &bad);
}

static const struct build_secret *find_secret(const struct build_job *job, const char *id)
{
	for (uint32_t i = 0; i < job->secret_count; i++)
		if (strcmp(job->secrets[i].id, id) == 0)
			return &job->secrets[i];
	return NULL;
}

/* A server as the names of secrets have it: with its port where that is not the scheme's own. */
static void server_name(const struct url *url, char ret_name[SERVER_MAX])
{
	int len = snprintf(ret_name, SERVER_MAX, url->ip6 ? "[%s]" : "%s", url->host);

	if (url->port != (url->tls ? 443 : 80) && len > 0)
		(void)snprintf(ret_name + len, SERVER_MAX - (size_t)len, ":%u",
			       (unsigned)url->port);
}

/*
 * The secrets that log in, in BuildKit's order: the server's own header and token, then those that
 * name no server, which are for the first one's.
 */
static const struct build_secret *find_login(const struct build_lane *lane, const struct url *url,
					     bool *ret_token)
{
	static const char *const names[] = { "GIT_AUTH_HEADER", "GIT_AUTH_TOKEN" };
	char server[SERVER_MAX], id[SERVER_MAX + 32];
	const struct build_secret *found = NULL;

	server_name(url, server);
	for (size_t i = 0; i < 2 * ARRAY_LEN(names) && !found; i++) {
		bool own = i < ARRAY_LEN(names);

		*ret_token = i % ARRAY_LEN(names) == 1;
		if (!own && strcmp(server, lane->fetch.git->server) != 0)
			break;
		(void)snprintf(id, sizeof(id), "%s%s%s", names[i % ARRAY_LEN(names)],
			       own ? "." : "", own ? server : "");
		found = find_secret(lane->job, id);
	}
	return found;
}

static int put_login(struct build_lane *lane, const struct url *url, struct buf *out,
		     struct err *err)
{
	bool token = false;
	const struct build_secret *secret = find_login(lane, url, &token);
	struct buf plain OWN(buf_done) = { 0 };
	unsigned char coded[PULL_SECRET_MAX];
	size_t len = 0;

	if (secret && !token) {
		struct str value = buf_str(&secret->data);

		while (value.len > 0 && strchr("\r\n", value.ptr[value.len - 1]))
			value.len--;
		wire_put_str(out, value);
		return 0;
	}
	if (!secret) {
		wire_put_text(out, "");
		return 0;
	}
	buf_init(&plain, PULL_SECRET_MAX / 2);
	(void)buf_add_text(&plain, "x-access-token:");
	(void)buf_add_str(&plain, str_trim(buf_str(&secret->data)));
	while (plain.len > 0 && strchr("\r\n", plain.data[plain.len - 1]))
		plain.len--;
	memcpy(coded, "Basic ", 6);
	if (buf_error(&plain) ||
	    mbedtls_base64_encode(coded + 6, sizeof(coded) - 6, &len,
				  (const unsigned char *)plain.data, plain.len) != 0)
		return err_set(err, -E2BIG, "the secret GIT_AUTH_TOKEN is too long");
	wire_put_str(out, str_make(coded, len + 6));
	explicit_bzero(plain.data, plain.len);
	explicit_bzero(coded, sizeof(coded));
	return 0;
}

static void on_limit(struct loop_timer *timer)
{
	struct build_lane *lane = timer->owner;
	struct err err = { 0 };

	err_set(&err, -ETIMEDOUT, "not whole after %d hours", GIT_LIMIT_MS / 3600000);
	finish(lane, &err);
}

/* url: NULL = of git's own protocol, which knows neither registries' authorities nor a login. */
static int put_request(struct build_lane *lane, const struct row *row, const struct url *url,
		       struct buf *body, struct err *err)
{
	struct arena arena OWN(arena_done) = { 0 };
	struct pull_start start;
	int r = 0;

	arena_init(&arena, 4 << 20);
	wire_put_text(body, row->url);
	wire_put_text(body, row->ref);
	if (url && url->tls)
		r = put_login(lane, url, body, err);
	else
		wire_put_text(body, "");
	build_fetch_settings(lane->job->env, url ? row->url : "", &arena, &start);
	wire_put_u64(body, lane->fetch.git->most);
	pull_start_encode(&start, body);
	return r;
}

static int next_row(struct build_lane *lane, struct err *err)
{
	struct build_git *git = lane->fetch.git;
	const struct row *row = &git->rows[git->at];
	struct buf body OWN(buf_done) = { 0 };
	bool http = strncmp(row->url, "http", 4) == 0;
	struct url url = { 0 };
	int64_t r = http ? url_parse(str_from(row->url), &url, err) : 0;

	if (git->at == 0)
		server_name(&url, git->server);
	if (r == 0)
		r = build_fetch_room(lane->fetch.fd, &git->most, err);
	if (r < 0)
		return (int)r;
	git->pack_fd = fs_tmpfile(lane->fetch.fd, 0600, err);
	if (git->pack_fd < 0)
		return git->pack_fd;
	buf_init(&body, PULL_START_MAX);
	r = put_request(lane, row, http ? &url : NULL, &body, err);
	if (r == 0)
		r = worker_start(&lane->fetch.role, lane->job->env->containers->loop, "pull", NULL,
				 0, NULL, 0, NULL, lane, err);
	if (r >= 0)
		r = msg_peer_call(&lane->fetch.role.peer, PULL_MSG_GIT, buf_str(&body),
				  &git->pack_fd, 1, on_fetched, lane, err);
	if (r >= 0)
		loop_timer_set(lane->job->env->containers->loop, &lane->fetch.limit, GIT_LIMIT_MS,
			       on_limit, lane);
	if (body.data)
		explicit_bzero(body.data, body.len);
	return r < 0 ? (int)r : 0;
}

int build_git_start(struct build_lane *lane, unsigned number, const struct git_source *source,
		    void (*done)(struct build_lane *lane, const struct err *err), struct err *err)
{
	struct build_git *git = calloc(1, sizeof(*git));

	if (!git)
		return err_set(err, -ENOMEM, "build: out of memory");
	*git = (struct build_git){ .number = number,
				   .keep = source->keep && !*source->subdir,
				   .no_submodules = source->no_submodules,
				   .count = 1,
				   .pack_fd = -1,
				   .unpack = { .pidfd = -1 },
				   .done = done };
	lane->fetch.git = git;
	if (str_copy(str_from(source->remote), git->rows[0].url, sizeof(git->rows[0].url)) < 0 ||
	    str_copy(str_from(source->ref), git->rows[0].ref, sizeof(git->rows[0].ref)) < 0 ||
	    str_copy(str_from(source->subdir), git->subdir, sizeof(git->subdir)) < 0 ||
	    str_copy(str_from(source->checksum), git->checksum, sizeof(git->checksum)) < 0)
		return err_set(err, -EINVAL, "the name of a repository is too long");
	return next_row(lane, err);
}
