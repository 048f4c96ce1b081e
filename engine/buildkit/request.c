/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Reads what is to be built out of BuildKit's messages. Pure; runs in the api role. Must never pass
 * over an option that changes the image.
 */
#include "engine/buildkit/request.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include "engine/build/plan.h"
#include "engine/buildkit/cache.h"
#include "engine/buildkit/pb.h"
#include "engine/git/git.h"
#include "engine/oci/oci.h"
#include "engine/oci/reference.h"
#include "lib/own.h"

static int malformed(struct err *err)
{
	return err_set(err, -EBADMSG, "malformed request of a build");
}

static int get_text(struct arena *arena, struct str text, const char **ret_text, struct err *err)
{
	*ret_text = memchr(text.ptr, 0, text.len) ? NULL : arena_text(arena, text);
	return *ret_text ? 0 : malformed(err);
}

static int get_pair(struct arena *arena, struct str entry, struct image_pairs *pairs,
		    struct err *err)
{
	const char *name, *text;
	struct str key, value;

	if (pb_entry(entry, &key, &value) < 0 || pairs->count == REQUEST_PAIRS_MAX ||
	    get_text(arena, key, &name, NULL) < 0 || get_text(arena, value, &text, NULL) < 0)
		return malformed(err);
	return image_pairs_set(arena, pairs, name, text, err);
}

/* {1 type, 2 map of options} */
static int get_exporter(struct arena *arena, struct str message, struct solve_request *request,
			struct err *err)
{
	struct pb_field f;
	int r;

	if (request->exporter_count++ == 0)
		request->export_options = (struct image_pairs){ 0 };
	while ((r = pb_next(&message, &f)) > 0) {
		if (f.number == 1 && f.is_bytes)
			r = get_text(arena, f.bytes, &request->exporter, err);
		else if (f.number == 2 && f.is_bytes)
			r = get_pair(arena, f.bytes, &request->export_options, err);
		if (r < 0)
			return r;
	}
	return r < 0 ? malformed(err) : 0;
}

static int take_field(struct arena *arena, const struct pb_field *f, struct solve_request *request,
		      struct err *err)
{
	switch (f->number) {
	case 1:
		return get_text(arena, f->bytes, &request->ref, err);
	case 2:
		request->has_definition |= f->bytes.len > 0;
		return 0;
	case 3: /* one exporter, as older clients say it; newer ones say both */
		return get_text(arena, f->bytes, &request->exporter, err);
	case 4:
		return get_pair(arena, f->bytes, &request->export_options, err);
	case 5:
		return get_text(arena, f->bytes, &request->session, err);
	case 6:
		return get_text(arena, f->bytes, &request->frontend, err);
	case 7:
		return get_pair(arena, f->bytes, &request->options, err);
	case 8:
		return buildkit_cache_options(arena, f->bytes, &request->cache_from,
					      &request->cache_to, err);
	case 13:
		return get_exporter(arena, f->bytes, request, err);
	case 9:
		request->network_host |= str_is(f->bytes, "network.host");
		return 0;
	default: /* inputs, internal, policy: nothing of ours */
		return 0;
	}
}

int solve_request_get(struct str message, struct arena *arena, struct solve_request *ret_request,
		      struct err *err)
{
	struct pb_field f;
	int r;

	*ret_request =
		(struct solve_request){ .ref = "", .session = "", .frontend = "", .exporter = "" };
	while ((r = pb_next(&message, &f)) > 0) {
		r = f.is_bytes ? take_field(arena, &f, ret_request, err) : 0;
		ret_request->internal |= f.number == 11 && !f.is_bytes && f.value;
		if (r < 0)
			return r;
	}
	return r < 0 || !*ret_request->ref ? malformed(err) : 0;
}

int solve_request_frontend(struct str message, struct arena *arena, struct solve_request *request,
			   struct err *err)
{
	struct pb_field f;
	int r;

	request->options = (struct image_pairs){ 0 };
	while ((r = pb_next(&message, &f)) > 0) {
		r = 0;
		if (f.number == 1 && f.is_bytes)
			request->has_definition |= f.bytes.len > 0;
		else if (f.number == 2 && f.is_bytes)
			r = get_text(arena, f.bytes, &request->frontend, err);
		else if (f.number == 3 && f.is_bytes)
			r = get_pair(arena, f.bytes, &request->options, err);
		if (r < 0)
			return r;
	}
	return r < 0 ? malformed(err) : 0;
}

const char *solve_request_option(const struct solve_request *request, const char *key)
{
	for (uint32_t i = 0; i < request->options.count; i++) {
		if (!strcmp(request->options.items[i].key, key))
			return request->options.items[i].value;
	}
	return "";
}

/* ---- what the options mean ---- */

static int unsupported(struct err *err, const char *option, const char *value)
{
	return err_set(err, -ENOTSUP,
		       "build %s %.100s is not supported by this engine: leave it out", option,
		       value);
}

static int take_platform(const char *value, struct err *err)
{
	struct oci_platform own = oci_platform_own();
	char ours[64];

	(void)snprintf(ours, sizeof(ours), "%s/%s", own.os, own.architecture);
	if (!*value || str_starts(str_from(value), str_from(ours)) ||
	    !strcmp(value, own.architecture))
		return strchr(value, ',') ? unsupported(err, "--platform", value) : 0;
	return err_set(err, -ENOTSUP, "build --platform %.100s: only %s can run here", value, ours);
}

/* "NAME=ADDRESS,NAME=ADDRESS" */
static int take_hosts(struct arena *arena, const char *value, struct image_pairs *hosts,
		      struct err *err)
{
	struct str rest = str_from(value), one;
	int r = 0;

	while (r >= 0 && str_cut(&rest, ',', &one)) {
		ptrdiff_t equals = str_find(one, '=');
		const char *name, *address;

		if (equals <= 0 || hosts->count == ENGINE_CONTEXT_PAIRS_MAX)
			return err_set(err, -EINVAL, "invalid add-host: %.*s",
				       STR_ARG(str_head(one, 100)));
		name = arena_text(arena, str_head(one, (size_t)equals));
		address = arena_text(arena, str_skip(one, (size_t)equals + 1));
		r = name && address ? image_pairs_set(arena, hosts, name, address, err)
				    : err_set(err, -ENOMEM, "no memory for a build");
	}
	return r;
}

/* The machine's network has to be allowed too: settle_network(). */
static int take_network(const char *value, struct engine_context *context, struct err *err)
{
	context->network_none = !strcmp(value, "none");
	context->network_host = !strcmp(value, "host");
	if (!*value || context->network_none || context->network_host ||
	    !strcmp(value, "default") || !strcmp(value, "sandbox"))
		return 0;
	return err_set(err, -ENOTSUP,
		       "network mode \"%.100s\" not supported by buildkit - you can define a "
		       "custom network for your builder using the network driver-opt in buildx "
		       "create",
		       value);
}

static int take_bytes(const char *value, int64_t *ret_bytes, struct err *err)
{
	return str_to_i64(str_from(value), 0, INT64_MAX, ret_bytes) >= 0
		       ? 0
		       : err_set(err, -EINVAL, "failed to parse shm size: %.100s", value);
}

/* "local:DIR": a directory of the client, which becomes a part of the tar. */
static const char *part_of_tar(struct arena *arena, const char *value,
			       struct engine_context *context)
{
	if (!str_starts(str_from(value), STR("local:")) || !value[6])
		return value;
	context->parted = true;
	return arena_printf(arena, "tar:%u", context->contexts.count + 1);
}

static int take_context(struct arena *arena, const char *name, const char *value,
			struct engine_context *context, struct err *err)
{
	const char *where = part_of_tar(arena, value, context);

	if (context->contexts.count == BUILD_CONTEXTS_MAX)
		return err_set(err, -E2BIG, "more than %d build contexts", BUILD_CONTEXTS_MAX);
	if (!where)
		return err_set(err, -ENOMEM, "no memory for a build");
	if (where == value && !str_starts(str_from(value), STR("docker-image://")) &&
	    !git_source_is_context(str_from(value)))
		return err_set(err, -ENOTSUP,
			       "build --build-context %.60s=%.100s: this engine takes directories, "
			       "repositories and docker-image://NAME",
			       name, value);
	return image_pairs_set(arena, &context->contexts, name, where, err);
}

static const char uploaded[] = "http://buildkit-session/";

const char *solve_request_upload(const struct solve_request *request)
{
	const char *context = solve_request_option(request, "context");

	return str_starts(str_from(context), str_from(uploaded)) ? context + sizeof(uploaded) - 1
								 : NULL;
}

/* A context that is no directory of the client. */
static int take_source(const char *value, struct engine_context *context, struct err *err)
{
	struct str text = str_from(value);

	if (str_starts(text, str_from(uploaded)))
		return 0;
	if (!git_source_is_context(text) && !str_starts(text, STR("http://")) &&
	    !str_starts(text, STR("https://")))
		return err_set(err, -EINVAL, "build context %.200s is no URL and no repository",
			       value);
	context->remote = value;
	return 0;
}

/* What belongs together: the context, who has the Dockerfile, directories of the client. */
static int settle_source(const struct solve_request *request, struct engine_context *context,
			 struct err *err)
{
	bool upload = solve_request_upload(request) != NULL;
	bool url = *context->remote && !git_source_is_context(str_from(context->remote));

	context->held =
		(upload || *context->remote) && !*solve_request_option(request, "dockerfilekey");
	if (context->parted && (upload || url))
		return err_set(err, -ENOTSUP,
			       "a context from %s goes with no directory of --build-context",
			       upload ? "stdin" : "an URL");
	return 0;
}

/* Options that say nothing about the image, or what is so here anyway. */
static bool is_idle(const char *key, const char *value)
{
	static const char *const idle[] = {
		"filename",	 "frontend.caps",  "cmdline",
		"source",	 "multi-platform", "hostname",
		"dockerfilekey", "contextkey",	   "build-arg:BUILDKIT_SYNTAX",
		"requestid"
	};

	for (size_t i = 0; i < ARRAY_LEN(idle); i++) {
		if (!strcmp(key, idle[i]))
			return true;
	}
	return str_starts(str_from(key), STR("vcs:")) ||
	       (str_starts(str_from(key), STR("attest:")) && strstr(value, "disabled=true")) ||
	       str_starts(str_from(key), STR("local-sessionid:"));
}

static int take_option(struct arena *arena, const char *key, const char *value,
		       struct engine_context *context, struct err *err)
{
	if (str_starts(str_from(key), STR("context:")))
		return take_context(arena, key + 8, value, context, err);
	if (is_idle(key, value))
		return 0;
	if (!strcmp(key, "cache-from") || !strcmp(key, "cache-imports"))
		return buildkit_cache_option(arena, key, value, &context->cache_from, err);
	if (str_starts(str_from(key), STR("build-arg:")))
		return image_pairs_set(arena, &context->args, key + 10, value, err);
	if (str_starts(str_from(key), STR("label:")))
		return image_pairs_set(arena, &context->labels, key + 6, value, err);
	if (!strcmp(key, "target"))
		context->target = value;
	else if (!strcmp(key, "no-cache"))
		context->no_cache = true;
	else if (!strcmp(key, "image-resolve-mode"))
		context->pull = !strcmp(value, "pull");
	else if (!strcmp(key, "add-hosts"))
		return take_hosts(arena, value, &context->hosts, err);
	else if (!strcmp(key, "force-network-mode"))
		return take_network(value, context, err);
	else if (!strcmp(key, "shm-size"))
		return take_bytes(value, &context->limits.shm_bytes, err);
	else if (!strcmp(key, "ulimit"))
		context->limits.ulimits = value;
	else if (!strcmp(key, "platform"))
		return take_platform(value, err);
	else if (!strcmp(key, "context"))
		return take_source(value, context, err);
	else
		return unsupported(err, key, value);
	return 0;
}

static int take_name(struct arena *arena, struct str name, struct engine_context *context,
		     struct err *err)
{
	char full[OCI_REFERENCE_MAX];
	const char *kept;

	if (oci_reference_normalise(name, full, err) < 0)
		return -EINVAL;
	for (uint32_t i = 0; i < context->name_count; i++) {
		if (!strcmp(context->names[i], full))
			return 0;
	}
	kept = arena_text(arena, str_from(full));
	if (context->name_count == ENGINE_CONTEXT_NAMES_MAX)
		return err_set(err, -EINVAL, "more than %d names for one image",
			       ENGINE_CONTEXT_NAMES_MAX);
	if (!kept)
		return err_set(err, -ENOMEM, "no memory for a build");
	context->names[context->name_count++] = kept;
	return 0;
}

bool solve_request_exports(const struct solve_request *request)
{
	return !strcmp(request->exporter, "local") || !strcmp(request->exporter, "tar");
}

static int take_export(const struct solve_request *request, struct arena *arena,
		       struct engine_context *context, struct err *err)
{
	const struct image_pairs *options = &request->export_options;
	int r = 0;

	if (request->exporter_count <= 1 && solve_request_exports(request))
		return 0; /* names are for images */
	if (*request->exporter && strcmp(request->exporter, "moby") != 0 &&
	    strcmp(request->exporter, "image") != 0)
		return err_set(err, -ENOTSUP,
			       "exporter \"%.40s\" could not be found: this engine "
			       "keeps images in its store",
			       request->exporter);
	if (request->exporter_count > 1)
		return err_set(err, -ENOTSUP,
			       "more than one output of a build is not supported by "
			       "this engine: name one --output");
	for (uint32_t i = 0; r >= 0 && i < options->count; i++) {
		const char *key = options->items[i].key, *value = options->items[i].value;
		struct str rest = str_from(value), name;

		/* Docker's own exporter leaves it to the client, which pushes what is there then.
		 */
		if (!strcmp(key, "push") && !strcmp(value, "true") &&
		    strcmp(request->exporter, "moby") != 0)
			return unsupported(err, "--output", "push=true");
		while (r >= 0 && !strcmp(key, "name") && str_cut(&rest, ',', &name))
			r = name.len ? take_name(arena, name, context, err) : 0;
	}
	return r;
}

int solve_request_translate(struct solve_request *request, struct arena *arena,
			    struct engine_context *ret_context, struct err *err)
{
	const char *filename = solve_request_option(request, "filename");
	int r;

	*ret_context = (struct engine_context){ .dockerfile = *filename ? filename : "Dockerfile",
						.target = "",
						.remote = "" };
	if (strcmp(request->frontend, "dockerfile.v0") != 0)
		return err_set(err, -ENOTSUP,
			       "frontend %.100s is not supported by this engine: "
			       "dockerfile.v0 is",
			       request->frontend);
	ret_context->cache_from = request->cache_from;
	ret_context->cache_to = request->cache_to;
	r = subrequest_parse(solve_request_option(request, "requestid"), &request->subrequest, err);
	if (r >= 0)
		r = take_export(request, arena, ret_context, err);
	for (uint32_t i = 0; r >= 0 && i < request->options.count; i++)
		r = take_option(arena, request->options.items[i].key,
				request->options.items[i].value, ret_context, err);
	ret_context->host_allowed = request->network_host;
	if (r >= 0 && ret_context->network_host && !request->network_host)
		return err_set(err, -EACCES, "network.host is not allowed");
	if (r >= 0)
		r = settle_source(request, ret_context, err);
	if (r >= 0 && request->subrequest && ret_context->held)
		return err_set(
			err, -ENOTSUP,
			"--call and --check need a Dockerfile of the client's: a context from "
			"stdin or an URL goes with -f");
	ret_context->check = request->subrequest == SUBREQUEST_LINT;
	return r;
}
