/* SPDX-License-Identifier: Apache-2.0 */
/* From Dockerfile and base image to operations: variables, stages, the resulting configuration,
 * keys, and the wire form. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include "engine/build/plan.h"
#include "engine/oci/oci.h"
#include "lib/own.h"
#include "tests/unit/tap.h"

static struct build_plan plan;
static struct arena arena;
static struct image base;

static void fresh(void)
{
	arena_done(&arena);
	arena_init(&arena, 128 << 20);
	image_init(&base);
	(void)image_texts_add(&arena, &base.env, "PATH=/bin", NULL);
	(void)image_texts_add(&arena, &base.cmd, "basecmd", NULL);
	base.workdir = "/base";
	base.user = "app";
	base.os = "linux";
	base.architecture = "amd64";
}

static int make(const char *text, const struct image_pairs *args, const char *target,
		struct err *err)
{
	struct build_inputs inputs = { .dockerfile = str_from(text), .target = target };
	struct image bases[8];
	fresh();
	if (args)
		inputs.args = *args;
	int r = build_plan_bases(&inputs, &arena, &plan, err);
	if (r < 0)
		return r;
	for (uint32_t i = 0; i < 8; i++)
		bases[i] = base;
	return build_plan_make(&inputs, bases, plan.references.count, &arena, &plan, err);
}

static const char *joined(const struct image_texts *texts)
{
	static char text[4096];
	size_t len = 0;
	text[0] = '\0';
	for (uint32_t i = 0; i < texts->count; i++)
		len += (size_t)snprintf(text + len, sizeof(text) - len, "%s%s", i ? "|" : "",
					texts->items[i]);
	return text;
}

static void test_config(void)
{
	struct err err = { 0 };
	int r = make("FROM base\n"
		     "ARG V=1.2\n"
		     "ENV A=$V B=\"x y\"\n"
		     "ENV PATH=/opt/bin:$PATH A=2 C=$A\n"
		     "LABEL a.b=$V c='d e'\n"
		     "WORKDIR sub/dir\nWORKDIR /abs/../x/\n"
		     "USER u:g\nEXPOSE 80 $P 53/UDP 9000-9002\nARG P\n"
		     "VOLUME /v $A\nSTOPSIGNAL SIGINT\n"
		     "HEALTHCHECK --interval=2s CMD true\n"
		     "MAINTAINER me\n"
		     "ENTRYPOINT [\"/e\"]\n",
		     NULL, "", &err);
	const struct image *image = &plan.stages[0].image;
	if (!is_int(r, 0, "plan"))
		note("%s", err_text(&err));
	is_text(joined(&image->env), "PATH=/opt/bin:/bin|A=2|B=x y|C=1.2",
		"a line's values are expanded before any of them is set");
	is_text(image->labels.items[0].value, "1.2", "label");
	is_text(image->labels.items[1].value, "d e", "quoted label");
	is_text(image->workdir, "/abs/../x/", "an absolute workdir stays as it was written");
	is_text(plan.stages[0].ops[1].workdir, "/x", "the one that is made is clean");
	is_text(plan.stages[0].ops[0].workdir, "/base/sub/dir", "relative to the base's");
	is_text(plan.stages[0].ops[1].user, "app", "made for the user in force");
	is_text(image->user, "u:g", "user");
	is_text(joined(&image->exposed_ports), "53/udp|80/tcp|9000/tcp|9001/tcp|9002/tcp", "ports");
	is_text(joined(&image->volumes), "/v|2", "volumes");
	is_text(image->stop_signal, "SIGINT", "signal");
	is_text(joined(&image->health.test), "CMD-SHELL|true", "health");
	is_text(image->author, "me", "author");
	is_text(joined(&image->entrypoint), "/e", "entrypoint");
	is_int(image->cmd.count, 0, "an entrypoint clears the base's command");
	is_int(image->history_count, 14, "history");
	ok(image->history[0].empty_layer && !image->history[4].empty_layer, "empty layers");
}

static void test_run(void)
{
	struct image_pair pairs[2] = { { "V", "given" }, { "UNUSED", "1" } };
	struct image_pairs args = { pairs, 2 };
	struct err err = { 0 };
	int r = make("ARG V=default\nARG G=global\nFROM base\nARG V\nARG G\nARG D=$V-d\nARG N\n"
		     "ENV D=env\nRUN echo $V\nSHELL [\"/b\", \"-x\"]\nRUN a b\n"
		     "RUN [\"x\", \"$V\"]\nCMD run me\n",
		     &args, "", &err);
	const struct build_stage *stage = &plan.stages[0];
	is_int(r, 0, "plan: %s", err.text);
	is_int(stage->op_count, 3, "operations");
	is_text(joined(&stage->ops[0].argv), "/bin/sh|-c|echo $V", "the shell expands, not we");
	is_text(joined(&stage->ops[0].env), "PATH=/bin|D=env|V=given|G=global",
		"given, global; ENV before ARG; unset ones are missing");
	is_text(joined(&stage->ops[1].argv), "/b|-x|a b", "SHELL");
	is_text(joined(&stage->ops[2].argv), "x|$V", "exec form is not expanded");
	is_text(stage->ops[0].workdir, "/base", "workdir");
	is_text(stage->ops[0].user, "app", "user");
	is_text(joined(&stage->image.cmd), "/b|-x|run me", "CMD uses SHELL too");
	is_text(plan.warnings.items[0].text, "build arg UNUSED was not consumed", "warning");
	is_int(plan.step_count, 11, "steps");
	is_int(stage->ops[0].step, 7, "number of the first RUN");
}

static void test_copy(void)
{
	struct err err = { 0 };
	int r = make("FROM base\nENV D=/dst\nCOPY a b $D/\nCOPY --chown=$U --chmod=0700 x rel\n"
		     "COPY x .\nCOPY [\"a b\", \"/c d/\"]\n",
		     NULL, "", &err);
	const struct build_op *ops = plan.stages[0].ops;
	is_int(r, 0, "plan: %s", err.text);
	is_text(joined(&ops[0].sources), "a|b", "sources");
	is_text(ops[0].dest, "/dst/", "the slash at the end stays");
	is_int(ops[0].from, BUILD_CONTEXT, "from the context");
	is_text(ops[1].dest, "/base/rel", "relative to the workdir");
	is_text(ops[1].chown, "", "an empty variable");
	is_text(ops[1].chmod, "0700", "chmod");
	is_text(ops[2].dest, "/base/", "a dot is a directory");
	is_text(ops[3].dest, "/c d/", "blanks");
}

static void test_stages(void)
{
	struct err err = { 0 };
	int r = make("FROM one AS a\nRUN a\nFROM two AS unused\nRUN u\nFROM a AS b\nENV X=1\n"
		     "FROM scratch\nCOPY --from=b /x /x\nCOPY --from=0 /y /y\n"
		     "COPY --from=other:1 /z /z\nCOPY --from=other:1 /w /w\n",
		     NULL, "", &err);
	is_int(r, 0, "plan: %s", err.text);
	is_text(joined(&plan.references), "one|two|other:1", "references");
	is_int(plan.stage_count, 5, "four stages, and one that stands for an image");
	is_int(plan.target, 3, "the last one is the target");
	ok(plan.stages[0].needed && !plan.stages[1].needed && plan.stages[2].needed, "needed");
	is_int(plan.stages[2].base_stage, 0, "a stage upon a stage");
	is_int(plan.stages[3].ops[0].from, 2, "by name");
	is_int(plan.stages[3].ops[1].from, 0, "by number");
	is_int(plan.stages[3].ops[2].from, 4, "by image");
	is_int(plan.stages[3].ops[3].from, 4, "the same image once");
	ok(plan.stages[4].needed && plan.stages[4].base_image == 2, "the image is needed");
	is_text(image_env_get(&plan.stages[2].image.env, "X"), "1", "env of a stage");
	r = make("FROM one AS a\nRUN a\nFROM two\nRUN b\n", NULL, "a", &err);
	ok(r == 0 && plan.target == 0 && !plan.stages[1].needed, "a named target");
	r = make("ARG BASE=img\nARG T=${BASE}:9\nFROM ${T}\n", NULL, "", &err);
	is_text(joined(&plan.references), "img:9", "variables before FROM");
}

static void test_messages(void)
{
	static const struct {
		const char *text, *target, *message;
	} rows[] = {
		{ "FROM x\nCOPY --from=1 a b\n", "",
		  "Dockerfile:2:1: invalid from flag value 1: invalid stage index 1: there are "
		  "only 0 stages before" },
		{ "FROM $X\n", "", "Dockerfile:1:6: base name ($X) should not be blank" },
		{ "FROM x\n", "no", "target stage \"no\" could not be found" },
		{ "FROM x\nEXPOSE 99999\n", "", "Dockerfile:2:8: invalid containerPort: 99999" },
		{ "FROM x\nEXPOSE 80/xyz\n", "",
		  "Dockerfile:2:8: invalid port: \"80/xyz\": invalid proto: xyz" },
		{ "FROM x\nSTOPSIGNAL what?\n", "", "Dockerfile:2:1: invalid signal: what?" },
		{ "FROM x\n ENV A=\"${B:?must be given}\"\n", "",
		  "Dockerfile:2:8: failed to process \"\\\"${B:?must be given}\\\"\": B: must be "
		  "given" },
		{ "FROM x\nRUN --network=host a\n", "",
		  "Dockerfile:2:1: RUN --network=host: network.host is not allowed: a build "
		  "on the machine itself may say --allow network.host" },
		{ "FROM x\nADD --checksum=sha256:00 http://h/a /a\n", "",
		  "Dockerfile:2:1: invalid checksum digest length: sha256:00: sha256 and 64 digits "
		  "are expected" },
		{ "FROM x\nADD --checksum=sha256:00 http://h/a http://h/b /a/\n", "",
		  "Dockerfile:2:1: checksum can't be specified for multiple sources" },
		{ "FROM x\nADD http://u:p@h.example/a /a\n", "",
		  "Dockerfile:2:1: a URL with a login would stand in the image's history: use "
		  "RUN --mount=type=secret" },
		{ "FROM x\nCOPY http://h.example/a /a\n", "",
		  "Dockerfile:2:1: source can't be a URL for COPY" },
		{ "FROM x\nADD --checksum=sha256:00 a /a\n", "",
		  "Dockerfile:2:1: checksum requires HTTP(S) or Git sources" },
		{ "FROM x\nADD --keep-git-dir=true https://h/r.git?keep-git-dir=false /a\n", "",
		  "Dockerfile:2:1: inconsistent keep-git-dir configuration" },
		{ "FROM x\nCOPY https://h/r.git /a\n", "",
		  "Dockerfile:2:1: source can't be a git ref for COPY" },
		{ "FROM x\nARG a=1 b=${a/x\n", "",
		  "Dockerfile:2:9: failed to process \"${a/x\": syntax error: missing '/' in ${}" },
		{ "FROM x AS build\n", "bulid",
		  "target stage \"bulid\" could not be found (did you mean build?)" },
		{ "FROM x\nCOPY --chmod=64a a b\n", "",
		  "Dockerfile:2:1: invalid chmod parameter: '64a'. it should be octal string and "
		  "between "
		  "0 and 07777" },
		{ "FROM x\nADD --checksum=md5:abc http://h/a /a\n", "",
		  "Dockerfile:2:1: unsupported digest algorithm: md5:abc: sha256 and 64 digits are "
		  "expected" },
		{ "ARG A=${B:?no}\nFROM x\n", "",
		  "Dockerfile:1:5: failed to process \"${B:?no}\": B: no" },
		{ "FROM x\nRUN --mount=type=$T,target=/a b\n", "",
		  "Dockerfile:2:1: unsupported mount type \"\"" },
	};
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct err err = { 0 };
		ok(make(rows[i].text, NULL, rows[i].target, &err) < 0, "refused: row %zu", i);
		is_text(err_text(&err), rows[i].message, "message: row %zu", i);
	}
}

/* Of an ARG and an ENV of one name the later one counts, for what is expanded and for RUN. */
static void test_order(void)
{
	struct err err = { 0 };
	struct image_pair given = { "G", "cli" };
	struct image_pairs args = { &given, 1 };
	int r = make("FROM x\nENV E=env\nARG E=arg\nRUN a\nLABEL e=$E\nENV E=again\nRUN b\n"
		     "ARG E\nLABEL f=$E\nENV G=env\nARG G=default\nLABEL g=$G\nENV N=1 M=$N\n"
		     "ENV N=2 M=$N\nWORKDIR /\nWORKDIR $none\nWORKDIR rel/\n",
		     &args, "", &err);
	if (!is_int(r, 0, "plan"))
		note("%s", err_text(&err));
	const struct build_stage *stage = &plan.stages[0];
	is_text(image_env_get(&stage->ops[0].env, "E"), "arg", "an ARG behind the ENV reaches RUN");
	is_text(image_env_get(&stage->ops[1].env, "E"), "again", "and so does an ENV behind it");
	is_text(stage->image.labels.items[0].value, "arg", "words see the later one");
	is_text(stage->image.labels.items[1].value, "again",
		"an ARG without a value hides nothing");
	is_text(stage->image.labels.items[2].value, "cli", "--build-arg is an ARG's value");
	is_text(image_env_get(&stage->image.env, "E"), "again", "the image has the ENV");
	is_text(image_env_get(&stage->image.env, "G"), "env", "and never an ARG");
	is_int(stage->op_count, 3, "WORKDIR / makes nothing");
	is_text(stage->image.workdir, "/rel", "an empty WORKDIR is the one before");
	const struct image_history *last = &stage->image.history[stage->image.history_count - 4];
	is_text(last->created_by, "ENV N=2 M=1", "the history has the values of before the line");
	ok(last[1].empty_layer && !last[3].empty_layer, "and knows which line made a layer");
	r = make("FROM x AS a\nARG A=1\nFROM a AS b\nARG B=2\nFROM a\nRUN r\nFROM b\nLABEL l=$A$B\n"
		 "COPY --from=2 /x /y\n",
		 NULL, "", &err);
	is_int(r, 0, "plan");
	is_text(plan.stages[3].image.labels.items[0].value, "12",
		"a stage has the arguments of the one it begins with");
	is_text(joined(&plan.stages[2].ops[0].env), "PATH=/bin|A=1", "and of no other");
}

static void test_onbuild(void)
{
	struct build_inputs inputs = {
		.dockerfile = STR("FROM x AS a\nONBUILD RUN of a\nRUN here\nFROM a\nRUN last\n"),
		.target = "",
	};
	struct err err = { 0 };
	fresh();
	(void)image_texts_add(&arena, &base.on_build, "COPY . /app", NULL);
	(void)image_texts_add(&arena, &base.on_build, "RUN <<EOF\necho $A\nEOF", NULL);
	is_int(build_plan_make(&inputs, &base, 1, &arena, &plan, &err), 0, "triggers: %s",
	       err_text(&err));
	const struct build_op *ops = plan.stages[0].ops;
	is_int(plan.stages[0].op_count, 3, "an image's triggers come first");
	is_text(ops[0].title, "COPY . /app", "in their order");
	is_text(joined(&ops[1].argv), "/bin/sh|-c|echo $A\n", "with their here-documents");
	is_text(joined(&ops[2].argv), "/bin/sh|-c|here", "then the stage's own");
	is_text(joined(&plan.stages[0].image.on_build), "RUN of a",
		"only the stage's own are kept");
	is_text(joined(&plan.stages[1].ops[0].argv), "/bin/sh|-c|of a",
		"a stage's triggers run in the next");
	is_int(plan.stages[1].image.on_build.count, 0, "once");
	fresh();
	(void)image_texts_add(&arena, &base.on_build, "RUNN x", NULL);
	inputs.dockerfile = STR("# syntax=docker/dockerfile:1\nFROM x\n");
	(void)build_plan_make(&inputs, &base, 1, &arena, &plan, &err);
	is_text(err_text(&err),
		"Dockerfile:2:1: ONBUILD trigger: Dockerfile:1:1: unknown instruction: RUNN (did "
		"you mean RUN?)",
		"a wrong trigger");
}

static void test_heredocs(void)
{
	struct err err = { 0 };
	int r = make(
		"FROM x\nARG V=1\nRUN <<EOF\necho $V\nEOF\nRUN cat <<-A <<B > /c\n\tx\n\tA\ny\nB\n"
		"SHELL [\"/b\", \"-x\"]\nRUN python <<EOF\nprint(1)\nEOF\n",
		NULL, "", &err);
	const struct build_op *ops = plan.stages[0].ops;
	is_int(r, 0, "plan: %s", err.text);
	is_text(joined(&ops[0].argv), "/bin/sh|-c|echo $V\n", "the shell expands a script");
	is_text(joined(&ops[1].argv), "/bin/sh|-c|cat <<-A <<B > /c\n\tx\nA\ny\nB",
		"several go to the shell as they are");
	is_text(joined(&ops[2].argv), "/b|-x|python <<EOF\nprint(1)\nEOF", "by SHELL");
	is_text(ops[0].title, "RUN <<EOF", "title");
}

static void test_mounts(void)
{
	struct err err = { 0 };
	int r = make(
		"FROM one AS a\nFROM x\nWORKDIR /w\nARG D=/d\n"
		"RUN --mount=from=a,source=/s,target=$D --mount=type=cache,target=c,sharing=locked "
		"--mount=type=secret,id=dir/key --mount=type=tmpfs,target=/t,size=1k "
		"--mount=type=ssh --mount=target=/ctx,from=other:1,rw --network=none make\n"
		"RUN <<EOF\n#!/usr/bin/env python3\nprint(1)\nEOF\n"
		"ADD --exclude=./a/../b --exclude=!b/c <<doc --chmod=1 x /q/\n${D#/} \"$D\"\ndoc\n",
		NULL, "", &err);
	is_int(r, 0, "plan: %s", err.text);
	if (r < 0)
		return;
	const struct build_op *op = &plan.stages[1].ops[1];
	const struct build_mount *mounts = op->mounts;
	is_int(op->mount_count, 6, "mounts");
	is_text(mounts[4].target, "/run/buildkit/ssh_agent.0", "where an agent's socket is");
	ok(mounts[0].from == 0 && mounts[0].read_only, "of a stage, read-only");
	is_text(mounts[0].target, "/d", "variables");
	is_text(mounts[1].target, "/w/c", "relative to the workdir");
	is_text(mounts[1].id, "c", "a cache's id is its target as written");
	ok(mounts[1].sharing == DOCKERFILE_SHARING_LOCKED && mounts[1].mode == 0755 &&
		   !mounts[1].read_only,
	   "a cache");
	is_text(mounts[2].target, "/run/secrets/key", "a secret's place");
	is_int(mounts[2].mode, 0400, "its mode");
	is_int((long long)mounts[3].size_bytes, 1024, "a size");
	ok(mounts[5].from == 2 && !mounts[5].read_only, "of an image, to be written");
	is_int(op->network, BUILD_NETWORK_NONE, "network");
	op = &plan.stages[1].ops[2];
	is_text(joined(&op->argv), "/bin/sh|-c|/dev/pipes/EOF",
		"a script is run by its own interpreter");
	is_text(op->files[0].data, "#!/usr/bin/env python3\nprint(1)\n", "its text");
	op = &plan.stages[1].ops[3];
	is_text(op->files[0].data, "d \"/d\"\n", "a here-document's variables");
	is_text(joined(&op->sources), "--chmod=1|x", "flags stand in front only");
	is_text(joined(&op->excludes), "b|!b/c", "patterns are cleaned");
	ok(op->unpack && !op->link, "ADD unpacks");
	static struct build_plan copy;
	struct buf first OWN(buf_done) = { 0 }, second OWN(buf_done) = { 0 };
	struct wire in;
	buf_init(&first, 1 << 20);
	buf_init(&second, 1 << 20);
	build_plan_put(&first, &plan);
	wire_init(&in, first.data, first.len);
	is_int(build_plan_get(&in, &arena, &copy, NULL), 0, "the wire form reads back");
	build_plan_put(&second, &copy);
	ok(str_eq(buf_str(&first), buf_str(&second)), "as itself");
	plan.stages[1].ops[1].mounts[0].from = 9;
	buf_clear(&first);
	build_plan_put(&first, &plan);
	wire_init(&in, first.data, first.len);
	is_int(build_plan_get(&in, &arena, &copy, NULL), -EBADMSG,
	       "a mount of no stage is refused");
}

static void test_proxy(void)
{
	struct image_pair pairs[] = { { "HTTP_PROXY", "http://u:p@proxy.example" },
				      { "no_proxy", "x" },
				      { "https_proxy", "taken" } };
	struct image_pairs args = { pairs, 3 };
	struct digest root, with, without;
	struct err err = { 0 };
	int r = make("FROM x\nARG https_proxy\nRUN a\n", &args, "", &err);
	is_int(r, 0, "plan: %s", err.text);
	is_text(joined(&plan.stages[0].ops[0].proxy),
		"HTTP_PROXY=http://u:p@proxy.example|http_proxy=http://"
		"u:p@proxy.example|NO_PROXY=x|no_proxy=x|"
		"HTTPS_PROXY=taken",
		"proxies need no ARG and come in both spellings");
	is_text(joined(&plan.stages[0].ops[0].env), "PATH=/bin|https_proxy=taken",
		"but may have one");
	is_int(plan.warnings.count, 0, "no warning");
	build_key_root(NULL, 0, &root);
	build_key_next(&root, &plan.stages[0].ops[0], NULL, &with);
	plan.stages[0].ops[0].proxy.count = 0;
	build_key_next(&root, &plan.stages[0].ops[0], NULL, &without);
	ok(memcmp(&with, &without, sizeof(with)) == 0, "they are no part of the key");
}

static void test_wire(void)
{
	static struct build_plan copy;
	struct buf first OWN(buf_done) = { 0 }, second OWN(buf_done) = { 0 };
	struct wire in;
	buf_init(&first, 1 << 20);
	buf_init(&second, 1 << 20);
	is_int(make("FROM one AS a\nRUN x\nFROM a\nCOPY --from=a x y\nWORKDIR /q\n", NULL, "",
		    NULL),
	       0, "plan");
	build_plan_put(&first, &plan);
	wire_init(&in, first.data, first.len);
	is_int(build_plan_get(&in, &arena, &copy, NULL), 0, "decodes");
	build_plan_put(&second, &copy);
	ok(str_eq(buf_str(&first), buf_str(&second)), "and encodes to the same bytes");
	for (size_t cut = 0; cut < first.len; cut += 7) {
		wire_init(&in, first.data, cut);
		if (build_plan_get(&in, &arena, &copy, NULL) == 0) {
			ok(false, "cut at %zu is taken", cut);
			break;
		}
	}
	plan.stages[1].ops[0].from = 7;
	buf_clear(&first);
	build_plan_put(&first, &plan);
	wire_init(&in, first.data, first.len);
	is_int(build_plan_get(&in, &arena, &copy, NULL), -EBADMSG, "a stage that is not there");
}

static void test_keys(void)
{
	struct digest root, other, keys[8];
	struct image_layer layer = { .size = 1 };
	const char *files = "abcdefgh";
	struct digest content = { { 0 } };
	build_key_root(NULL, 0, &root);
	build_key_root(&layer, 1, &other);
	ok(memcmp(&root, &other, sizeof(root)) != 0, "the base counts");
	is_int(make("FROM b\nRUN a b\nRUN [\"/bin/sh\", \"-c\", \"a b\"]\nRUN [\"a\", \"b\"]\n"
		    "ENV X=1\nRUN a b\nUSER q\nRUN a b\nCOPY a b\n",
		    NULL, "", NULL),
	       0, "plan");
	for (uint32_t i = 0; i < plan.stages[0].op_count; i++)
		build_key_next(&root, &plan.stages[0].ops[i], &content, &keys[i]);
	ok(memcmp(&keys[0], &keys[1], sizeof(root)) == 0, "two spellings of one command");
	ok(memcmp(&keys[0], &keys[2], sizeof(root)) != 0, "another command");
	ok(memcmp(&keys[0], &keys[3], sizeof(root)) != 0, "another environment");
	ok(memcmp(&keys[3], &keys[4], sizeof(root)) != 0, "another user");
	memcpy(content.bytes, files, 8);
	build_key_next(&root, &plan.stages[0].ops[5], &content, &other);
	ok(memcmp(&keys[5], &other, sizeof(root)) != 0, "other files");
	build_key_next(&keys[0], &plan.stages[0].ops[5], &content, &keys[6]);
	ok(memcmp(&keys[6], &other, sizeof(root)) != 0, "another parent");
}

/* created_by of a stage's history, cut by '|'. */
static const char *history(uint32_t stage)
{
	static struct arena kept;
	struct image_texts texts = { 0 };
	const struct image *image = &plan.stages[stage].image;
	arena_done(&kept);
	arena_init(&kept, 1 << 20);
	for (uint32_t i = 0; i < image->history_count; i++)
		(void)image_texts_add(&kept, &texts, image->history[i].created_by, NULL);
	return joined(&texts);
}

static void test_history(void)
{
	struct image_pair pairs[] = { { "V", "given" }, { "API_KEY", "hidden" } };
	struct image_pairs args = { pairs, 2 };
	struct err err = { 0 };
	int r = make("FROM scratch\nARG V\nARG API_KEY\nENV A=$V B=\"b c\"\nRUN x $V\n"
		     "COPY --chown=1:2 a b /d/\nWORKDIR w\nEXPOSE 80 443/udp\nVOLUME /a /b\n"
		     "CMD [\"q\\\"\", \"\\n\"]\nENTRYPOINT run\nUSER u\nLABEL l=$V\n"
		     "HEALTHCHECK --interval=90s --timeout=500ms --retries=3 CMD t\n"
		     "SHELL [\"/s\", \"-c\"]\nSTOPSIGNAL TERM\nONBUILD RUN x\nADD <<E /e\nE\n"
		     "ADD https://h/f?k=${API_KEY} /f\n",
		     &args, "", &err);
	is_int(r, 0, "plan: %s", err.text);
	is_text(history(0),
		"ARG V=given|ARG API_KEY=***|ENV A=given B=b c|"
		"RUN |2 V=given API_KEY=*** /bin/sh -c x $V # buildkit|"
		"COPY --chown=1:2 a b /d/ # buildkit|WORKDIR /w|EXPOSE [443/udp 80/tcp]|"
		"VOLUME [/a /b]|CMD [\"q\\\"\" \"\\n\"]|ENTRYPOINT [\"/bin/sh\" \"-c\" \"run\"]|"
		"USER u|LABEL l=given|HEALTHCHECK {Test:[CMD-SHELL t] Interval:1m30s Timeout:500ms "
		"StartPeriod:0s StartInterval:0s Retries:3}|SHELL [/s -c]|STOPSIGNAL TERM|"
		"ADD <<E /e # buildkit|ADD https://h/f?k=*** /f # buildkit",
		"history as BuildKit writes it; a secret's value is not in it");
	is_text(joined(&plan.stages[0].image.env),
		"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin|A=given|B=b c",
		"scratch has a PATH");
	is_text(plan.stages[0].image.history[0].comment, "buildkit.dockerfile.v0", "comment");
}

/* "RuleName LINE:COLUMN" of each warning. */
static void check_rules(const char *text, const char *ignore, const char *expected)
{
	struct build_inputs inputs = { .dockerfile = str_from(text),
				       .target = "",
				       .ignore = str_from(ignore) };
	struct buf out OWN(buf_done) = { 0 };
	struct image bases[8];
	struct err err = { 0 };
	fresh();
	for (size_t i = 0; i < ARRAY_LEN(bases); i++) {
		image_init(&bases[i]);
		bases[i].os = "linux";
		bases[i].architecture = i == 1 ? "other" : oci_platform_own().architecture;
	}
	buf_init(&out, 4096);
	int r = build_plan_bases(&inputs, &arena, &plan, &err);
	if (r == 0)
		r = build_plan_make(&inputs, bases, plan.references.count, &arena, &plan, &err);
	/* What is no name of an image without arguments is warned of, and refused. */
	ok(r == 0 || strstr(err_text(&err), "failed to parse stage name"), "planned: %s", err.text);
	for (uint32_t i = 0; i < plan.warnings.count; i++)
		(void)buf_printf(&out, "%s%s %u:%u", i ? ", " : "",
				 dockerfile_rule_name(plan.warnings.items[i].rule),
				 plan.warnings.items[i].line, plan.warnings.items[i].column);
	is_text(buf_text(&out), expected, "rules of %.60s", text);
}

static void test_rules(void)
{
	static const struct {
		const char *text, *ignore, *expected;
	} rows[] = {
		{ "FROM x AS Upper\n", "", "StageNameCasing 1:1" },
		{ "FROM x as a\n", "", "FromAsCasing 1:1" },
		{ "from x as a\n", "", "" },
		{ "FROM x\nRUN a \\\n\n  b\n", "", "NoEmptyContinuation 4:1" },
		{ "FROM x\nrun a\nRUN b\n", "", "ConsistentInstructionCasing 2:1" },
		{ "FROM x AS a\nFROM x AS a\n", "", "DuplicateStageName 2:1" },
		{ "FROM x AS scratch\n", "", "ReservedStageName 1:1" },
		{ "FROM x\nCMD run me\n", "", "JSONArgsRecommended 2:1" },
		{ "FROM x\nSHELL [\"a\"]\nENTRYPOINT run me\n", "", "" },
		{ "FROM x\nMAINTAINER me\n", "", "MaintainerDeprecated 2:1" },
		{ "FROM x${NO}\n", "", "UndefinedArgInFrom 1:1" },
		{ "ARG NO\nFROM x${NO}\n", "", "" },
		{ "FROM x\nWORKDIR a\nWORKDIR b\n", "", "WorkdirRelativePath 2:1" },
		{ "FROM x\nWORKDIR /a\nWORKDIR b\n", "", "" },
		{ "FROM x\nENV A=1\nLABEL a=b \\\n  c=${NO}\n", "", "UndefinedVar 3:1" },
		{ "FROM x\nCOPY --chown=$NO a /\nARG NO=1\nCOPY --chown=$NO a /\n", "",
		  "UndefinedVar 2:14" },
		{ "FROM x\nARG NO=$NO\n", "", "UndefinedVar 2:8" },
		{ "FROM x\nARG NO\nLABEL c=$NO\n", "", "" },
		{ "FROM x\nCMD [\"a\"]\nCMD [\"b\"]\n", "", "MultipleInstructionsDisallowed 2:1" },
		{ "FROM x\nENV A b\n", "", "LegacyKeyValueFormat 2:1" },
		{ "FROM x AS a\nFROM y\nCOPY --from=a b c\n", "", "InvalidBaseImagePlatform 2:1" },
		{ "FROM --platform=$TARGETPLATFORM x\n", "", "RedundantTargetPlatform 1:1" },
		{ "FROM --platform=linux/amd64 x\n", "", "FromPlatformFlagConstDisallowed 1:1" },
		{ "FROM --platform=linux/amd64 x AS b-amd64\n", "", "" },
		{ "FROM x\nARG DB_PASSWORD\nENV my_token=a\nENV PUBLIC_KEY=b\n", "",
		  "SecretsUsedInArgOrEnv 2:1, SecretsUsedInArgOrEnv 3:1" },
		{ "ARG T\nFROM x:$T\n", "", "InvalidDefaultArgInFrom 2:1" },
		{ "FROM x\nCOPY a.log b /\n", "*.log\n", "CopyIgnoredFile 2:1" },
		{ "FROM x\nCOPY . /\n", "*.log\n", "" },
		{ "FROM x\nCOPY a.log /\n", "*.log\n!b.log\n", "" },
		{ "FROM x\nEXPOSE 80/TCP\n", "", "ExposeProtoCasing 2:1" },
		{ "FROM x\nEXPOSE 127.0.0.1:80:80\n", "", "ExposeInvalidFormat 2:1" },
		{ "FROM x\n# other\nARG A\n", "", "" },
		{ "# check=experimental=all\nFROM x\n# other\nARG A\n# B it is\nARG B\n", "",
		  "InvalidDefinitionDescription 4:1" },
		{ "# check=skip=all\nFROM x as Upper\n", "", "" },
		{ "FROM x\n# check=skip=MaintainerDeprecated\nMAINTAINER me\n", "", "" },
	};
	bool seen[DOCKERFILE_RULE_COUNT] = { true };
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		check_rules(rows[i].text, rows[i].ignore, rows[i].expected);
		for (size_t r = 1; r < ARRAY_LEN(seen); r++)
			seen[r] |= strstr(rows[i].expected, dockerfile_rule_name(r)) != NULL;
	}
	bool all = true;
	for (size_t r = 1; r < ARRAY_LEN(seen); r++)
		all &= seen[r];
	ok(all, "every rule of --check has a row");
}

int main(void)
{
	test_config();
	test_run();
	test_copy();
	test_stages();
	test_messages();
	test_order();
	test_onbuild();
	test_heredocs();
	test_mounts();
	test_proxy();
	test_wire();
	test_keys();
	arena_done(&arena);
	test_history();
	test_rules();
	return tap_done();
}
