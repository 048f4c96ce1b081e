/* SPDX-License-Identifier: Apache-2.0 */
/* BuildKit's messages: what is taken of them, and what it means. */
#include <errno.h>
#include <stdlib.h>
#include "engine/buildkit/cache.h"
#include "engine/buildkit/outline.h"
#include "engine/buildkit/pb.h"
#include "engine/buildkit/request.h"
#include "engine/buildkit/tar.h"
#include "lib/own.h"
#include "tests/unit/tap.h"

/* ---- fields ---- */

static void test_fields(void)
{
	static const char malformed[][4] = { "\x00", "\x0a\x05", "\x08", "\x0b\x0c",
					     "\x0a\xff\xff" };
	struct buf message OWN(buf_done) = { 0 };
	struct pb_field f;
	struct str rest;

	buf_init(&message, 1024);
	pb_put_number(&message, 3, 300);
	pb_put_text(&message, 2000, "two thousand");
	rest = buf_str(&message);
	ok(pb_next(&rest, &f) == 1 && f.number == 3 && !f.is_bytes && f.value == 300, "a number");
	ok(pb_next(&rest, &f) == 1 && f.number == 2000 && str_is(f.bytes, "two thousand"),
	   "a text");
	is_int(pb_next(&rest, &f), 0, "the end");
	for (size_t i = 0; i < ARRAY_LEN(malformed); i++) {
		rest = str_make(malformed[i], i == 0 ? 1 : strlen(malformed[i]));
		is_int(pb_next(&rest, &f), -EBADMSG, "malformed message %zu", i);
	}
}

/* ---- packets ---- */

static void put_stat(struct buf *out, const char *path, uint32_t mode)
{
	struct buf stat OWN(buf_done) = { 0 };

	buf_clear(out);
	buf_init(&stat, 8192);
	pb_put_text(&stat, 1, path);
	pb_put_number(&stat, 2, mode);
	pb_put_number(&stat, 5, 6);
	pb_put_bytes(out, 2, buf_str(&stat));
}

static void test_packets(void)
{
	static const char *const unsound[] = { "",     "/",   "/etc", "..",  "a/../b",
					       "a//b", "a/.", "a/b/", "./a", "../etc" };
	struct buf message OWN(buf_done) = { 0 };
	static struct packet packet;

	buf_init(&message, 16384);
	put_stat(&message, "bin/su", (1U << 23) | 0755);
	ok(packet_get(buf_str(&message), &packet, NULL) == 0 && packet.type == PACKET_STAT &&
		   packet.has_stat && packet.stat.kind == PACKET_KIND_FILE &&
		   packet.stat.mode == 04755 && packet.stat.size == 6 &&
		   str_is(packet.stat.path, "bin/su"),
	   "a file with setuid");
	put_stat(&message, "tmp", (1U << 31) | (1U << 20) | 0777);
	ok(packet_get(buf_str(&message), &packet, NULL) == 0 &&
		   packet.stat.kind == PACKET_KIND_DIR && packet.stat.mode == 01777,
	   "a directory with the sticky bit");
	for (size_t i = 0; i < ARRAY_LEN(unsound); i++) {
		put_stat(&message, unsound[i], 0644);
		is_int(packet_get(buf_str(&message), &packet, NULL), -EBADMSG,
		       "the path '%s' is refused", unsound[i]);
	}
	buf_clear(&message);
	packet_put(&message, PACKET_REQ, 7);
	ok(packet_get(buf_str(&message), &packet, NULL) == 0 && packet.type == PACKET_REQ &&
		   packet.id == 7 && !packet.has_stat,
	   "a request reads as it is written");
}

/* ---- archives ---- */

static void test_tar(void)
{
	struct packet_stat stat = { .path = STR("a"),
				    .link = STR(""),
				    .mode = 0755,
				    .size = 600,
				    .time_ns = INT64_C(1700000000) * 1000000000 + 5 };
	struct buf out OWN(buf_done) = { 0 };
	char path[201];

	buf_init(&out, 1 << 20);
	tar_put_entry(&out, &stat);
	is_int((int64_t)out.len, TAR_BLOCK, "one block");
	ok(!memcmp(out.data, "a\0", 2) && !memcmp(out.data + 100, "0000755", 8) &&
		   !memcmp(out.data + 124, "00000001130", 12) &&
		   !memcmp(out.data + 136, "14524770400", 12) && out.data[156] == '0' &&
		   !memcmp(out.data + 257, "ustar\00000", 8),
	   "name, mode, size, time, type and magic");
	tar_put_padding(&out, 600);
	is_int((int64_t)out.len, TAR_BLOCK + 424, "up to the next block");
	memset(path, 'p', 200);
	path[200] = 0;
	stat.path = str_from(path);
	buf_clear(&out);
	tar_put_entry(&out, &stat);
	is_int((int64_t)out.len, 3 * TAR_BLOCK, "a long name has a record in front");
	ok(out.data[156] == 'x' && !memcmp(out.data + TAR_BLOCK, "210 path=pppp", 13) &&
		   out.data[TAR_BLOCK + 209] == '\n',
	   "whose length counts itself");
	stat = (struct packet_stat){ .path = STR("s"), .kind = PACKET_KIND_OTHER };
	buf_clear(&out);
	tar_put_entry(&out, &stat);
	is_int((int64_t)out.len, 0, "a socket is left out");
}

/* ---- requests ---- */

static void put_option(struct buf *out, uint32_t field, const char *key, const char *value)
{
	pb_put_entry(out, field, key, str_from(value));
}

static int translate(const char *key, const char *value, struct arena *arena,
		     struct engine_context *ret_context, struct err *err)
{
	struct solve_request request = {
		.ref = "r", .session = "s", .frontend = "dockerfile.v0", .exporter = "moby"
	};

	if (image_pairs_set(arena, &request.options, key, value, err) < 0)
		return -ENOMEM;
	return solve_request_translate(&request, arena, ret_context, err);
}

static void test_options(struct arena *arena)
{
	static const struct {
		const char *key, *value, *text;
	} bad[] = { { "platform", "linux/s390x", "only linux/" },
		    { "force-network-mode", "host", "not allowed" },
		    { "force-network-mode", "mine", "not supported by buildkit" },
		    { "context", "ftp://example.org/x", "no URL and no repository" },
		    { "context:lib", "https://example.org/x",
		      "repositories and docker-image://NAME" },
		    { "add-hosts", "x", "invalid add-host" },
		    { "shm-size", "64m", "shm size" },
		    { "attest:sbom", "", "attest:sbom" },
		    { "made-up", "1", "made-up" } };
	static struct engine_context context;

	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		struct err err = { 0 };

		ok(translate(bad[i].key, bad[i].value, arena, &context, &err) < 0 &&
			   strstr(err.text, bad[i].text),
		   "%s=%s is refused: %s", bad[i].key, bad[i].value, err.text);
	}
	ok(translate("add-hosts", "a=10.0.0.1,b=::1", arena, &context, NULL) == 0 &&
		   context.hosts.count == 2 && !strcmp(context.hosts.items[1].value, "::1"),
	   "hosts");
	ok(translate("build-arg:A", "b=c", arena, &context, NULL) == 0 &&
		   !strcmp(context.args.items[0].key, "A") &&
		   !strcmp(context.args.items[0].value, "b=c"),
	   "an argument");
	ok(translate("context:base", "docker-image://x:1", arena, &context, NULL) == 0 &&
		   context.contexts.count == 1,
	   "a named context that is an image");
	ok(translate("context:lib", "local:lib", arena, &context, NULL) == 0 && context.parted &&
		   !strcmp(context.contexts.items[0].key, "lib") &&
		   !strcmp(context.contexts.items[0].value, "tar:1"),
	   "a named context that is a directory is a part of the tar");
	ok(translate("context", "https://example.org/x.git#v1:sub", arena, &context, NULL) == 0 &&
		   context.held && !strcmp(context.remote, "https://example.org/x.git#v1:sub"),
	   "a repository is the context, and its Dockerfile is there");
	ok(translate("context", "http://buildkit-session/abc", arena, &context, NULL) == 0 &&
		   context.held && !*context.remote,
	   "what the client uploads is no URL");
	ok(translate("context:lib", "github.com/a/b", arena, &context, NULL) == 0 &&
		   !context.parted && !context.held,
	   "a named context that is a repository");
	ok(translate("no-cache", "", arena, &context, NULL) == 0 && context.no_cache, "no cache");
	ok(translate("image-resolve-mode", "pull", arena, &context, NULL) == 0 && context.pull,
	   "pull");
	ok(translate("attest:provenance", "mode=min,disabled=true", arena, &context, NULL) == 0,
	   "what is turned off is no matter");
}

static void test_request(struct arena *arena)
{
	struct buf message OWN(buf_done) = { 0 }, exporter OWN(buf_done) = { 0 };
	static struct engine_context context;
	struct solve_request request;
	struct err err = { 0 };

	buf_init(&message, 4096);
	buf_init(&exporter, 1024);
	pb_put_text(&message, 1, "ref");
	pb_put_text(&message, 3, "moby");
	put_option(&message, 4, "name", "x");
	pb_put_text(&message, 5, "session");
	pb_put_text(&exporter, 1, "moby");
	put_option(&exporter, 2, "name", "docker.io/library/x,y:2,x");
	pb_put_bytes(&message, 13, buf_str(&exporter));
	ok(solve_request_get(buf_str(&message), arena, &request, &err) == 0 &&
		   !strcmp(request.ref, "ref") && !strcmp(request.session, "session") &&
		   !*request.frontend,
	   "a request: %s", err.text);
	buf_clear(&message);
	pb_put_text(&message, 2, "dockerfile.v0");
	put_option(&message, 3, "filename", "Other");
	put_option(&message, 3, "target", "build");
	ok(solve_request_frontend(buf_str(&message), arena, &request, &err) == 0 &&
		   solve_request_translate(&request, arena, &context, &err) == 0,
	   "with its frontend: %s", err.text);
	ok(!strcmp(context.dockerfile, "Other") && !strcmp(context.target, "build") &&
		   context.name_count == 2 &&
		   !strcmp(context.names[0], "docker.io/library/x:latest") &&
		   !strcmp(context.names[1], "docker.io/library/y:2"),
	   "what it means");
	request.exporter = "oci";
	ok(solve_request_translate(&request, arena, &context, &err) < 0 &&
		   strstr(err.text, "exporter \"oci\" could not be found"),
	   "an exporter that is none of ours");
	request.exporter = "moby";
	request.exporter_count = 2;
	ok(solve_request_translate(&request, arena, &context, &err) < 0, "two outputs");
	is_int(solve_request_get(STR("\x2a\x01s"), arena, &request, NULL), -EBADMSG,
	       "a request without a reference");
}

static void test_caches(struct arena *arena)
{
	struct buf options, entry;
	struct image_pairs from = { 0 }, to = { 0 };
	struct err err = { 0 };

	buf_init(&options, 4096);
	buf_init(&entry, 1024);
	pb_put_text(&entry, 1, "registry");
	put_option(&entry, 2, "ref", "r/c:1");
	put_option(&entry, 2, "mode", "max");
	pb_put_bytes(&options, 4, buf_str(&entry));
	pb_put_bytes(&options, 5, buf_str(&entry));
	buf_clear(&entry);
	pb_put_text(&entry, 1, "inline");
	pb_put_bytes(&options, 4, buf_str(&entry));
	is_int(buildkit_cache_options(arena, buf_str(&options), &from, &to, &err), 0, "caches: %s",
	       err.text);
	ok(from.count == 1 && !strcmp(from.items[0].key, "r/c:1") && to.count == 1 &&
		   !strcmp(to.items[0].value, "mode=max,"),
	   "one to read, one to write");
	buf_clear(&entry);
	pb_put_text(&entry, 1, "gha");
	pb_put_bytes(&options, 4, buf_str(&entry));
	is_int(buildkit_cache_options(arena, buf_str(&options), &from, &to, &err), -ENOTSUP,
	       "a kind that is none of ours");
	ok(strstr(err.text, "unknown cache exporter: \"gha\"") != NULL, "it is named");
	from = (struct image_pairs){ 0 };
	is_int(buildkit_cache_option(arena, "cache-from", "a,b:2", &from, NULL), 0, "names");
	is_int(buildkit_cache_option(arena, "cache-imports",
				     "[{\"Type\":\"registry\",\"Attrs\":{\"ref\":\"c\"}}]", &from,
				     NULL),
	       0, "as JSON");
	is_int(from.count, 3, "all of them");
	is_int(buildkit_cache_option(arena, "cache-imports", "[{\"Type\":\"local\"}]", &from, NULL),
	       -ENOTSUP, "another kind");
	is_int(buildkit_cache_option(arena, "cache-imports", "[{\"Type\":\"registry\"}]", &from,
				     NULL),
	       -EINVAL, "without a name");
	ok(buildkit_cache_option(arena, "cache-imports", "[", &from, NULL) < 0, "no JSON");
	is_int(buildkit_cache_options(arena, STR("\x22\x05x"), &from, &to, NULL), -EBADMSG,
	       "cut off");
	buf_done(&options);
	buf_done(&entry);
}

/* ---- names of steps ---- */

static void outline_is(const char *text, const char *target, const char *const *names,
		       struct arena *arena)
{
	struct build_inputs inputs = { .dockerfile = str_from(text), .target = target };
	struct outline outline;
	struct err err = { 0 };
	size_t at = 0;

	if (!ok(outline_make(&inputs, arena, &outline, &err) == 0, "outline: %s", err.text))
		return;
	for (uint32_t i = 0; i < outline.step_count; i++) {
		if (outline.steps[i].name)
			is_text(outline.steps[i].name, names[at] ? names[at] : "(none)",
				"step %u, line %u", i + 1, outline.steps[i].line);
		at += outline.steps[i].name != NULL && names[at];
	}
	ok(!names[at], "that is all of them");
}

static void test_outline(struct arena *arena)
{
	static const char text[] =
		"FROM busybox AS build\nENV A=b\nRUN --mount=type=secret,id=k \\\n"
		"  make\n\nFROM unused\nRUN no\nFROM build\nWORKDIR /x\n"
		"COPY --from=reg:5000/tool /t /t\n";
	static const char *const names[] = { "[build 1/2] FROM docker.io/library/busybox:latest",
					     "[build 2/2] RUN --mount=type=secret,id=k   make",
					     "[stage-2 1/2] WORKDIR /x",
					     "[stage-2 2/2] COPY --from=reg:5000/tool /t /t",
					     NULL };
	static const char *const one[] = { "[1/2] FROM docker.io/library/a:latest", "[2/2] RUN x",
					   NULL };
	struct build_inputs inputs = { .dockerfile = str_from(text), .target = "" };
	struct outline outline;
	struct err err = { 0 };

	outline_is(text, "", names, arena);
	outline_is("FROM a\nRUN x\n", "", one, arena);
	ok(outline_make(&inputs, arena, &outline, &err) == 0 && outline.secret_count == 1 &&
		   !strcmp(outline.secrets[0], "k"),
	   "its secret");
	ok(outline.steps[2].line == 3 && outline.steps[2].last_line == 4, "lines of a step");
	ok(outline.host_count == 2 && !strcmp(outline.hosts[1], "reg:5000"), "its registries");
	inputs.dockerfile = STR("FROM a\nRUM x\n");
	ok(outline_make(&inputs, arena, &outline, &err) < 0 && strstr(err.text, "Dockerfile:2:"),
	   "what is none: %s", err.text);
}

int main(void)
{
	struct arena arena OWN(arena_done) = { 0 };

	arena_init(&arena, 64 << 20);
	test_fields();
	test_packets();
	test_tar();
	test_options(&arena);
	test_request(&arena);
	test_caches(&arena);
	test_outline(&arena);
	return tap_done();
}
