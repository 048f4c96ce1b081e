/* SPDX-License-Identifier: Apache-2.0 */
/*
 * image sbom: what packages an image holds; image referrers: what refers to it. Runs in the console
 * program, which reads the package database of the image itself: the engine only hands its bytes
 * on.
 */
#include <errno.h>
#include <string.h>
#include <time.h>
#include "engine/api/engine_msg.h"
#include "engine/api/image_msg.h"
#include "init/console/console.h"
#include "init/console/packages.h"
#include "init/console/verb_json.h"
#include "lib/mono.h"
#include "lib/own.h"

enum { SBOM_FILE_MAX = 4 << 20, SBOM_MAX = 64 << 20, MEDIA_TYPE_MAX = 256 };

/* 1 = it is there and copied, 0 = it is not. */
static int fetch(struct console *console, const char *image, const char *path, struct buf *out,
		 struct err *err)
{
	struct msg reply OWN(msg_done) = { 0 };
	struct buf body OWN(buf_done) = { 0 };
	struct wire in;
	bool found;
	int r;

	buf_init(&body, 8192);
	wire_put_text(&body, image);
	wire_put_text(&body, path);
	r = console_call(console, CONSOLE_SERVER_ENGINE, ENGINE_MSG_IMAGE_FILE, buf_str(&body),
			 &reply, err);
	if (r < 0)
		return r;
	wire_init(&in, reply.body.ptr, reply.body.len);
	found = wire_u8(&in) != 0;
	buf_init(out, SBOM_FILE_MAX);
	if (buf_add_str(out, wire_str(&in, SBOM_FILE_MAX)) < 0 || wire_end(&in) < 0)
		return err_set(err, -EBADMSG, "engine: malformed answer");
	return found;
}

/* The digest of the image's manifest; "" where the list has it under another name. */
static void digest_of(struct console *console, const char *image, char dst[80])
{
	struct msg reply OWN(msg_done) = { 0 };
	struct engine_image row;
	struct wire in;
	uint32_t count;

	dst[0] = '\0';
	if (console_call(console, CONSOLE_SERVER_ENGINE, ENGINE_MSG_IMAGES, STR(""), &reply, NULL) <
	    0)
		return;
	wire_init(&in, reply.body.ptr, reply.body.len);
	count = wire_count(&in, 65536);
	for (uint32_t i = 0; i < count && !in.error; i++) {
		engine_image_get(&in, &row);
		if (!in.error && str_ends(str_from(row.reference), str_from(image)))
			(void)str_copy(str_from(row.digest), dst, 80);
	}
}

static int sbom(struct console *console, const char *image, struct err *err)
{
	static const struct {
		const char *path;
		enum packages_kind kind;
	} databases[] = { { "var/lib/dpkg/status", PACKAGES_DPKG },
			  { "lib/apk/db/installed", PACKAGES_APK } };
	struct packages_document document = { .image = image };
	struct buf database OWN(buf_done) = { 0 }, release OWN(buf_done) = { 0 };
	struct buf out OWN(buf_done) = { 0 };
	char digest[80], created[32] = "";
	time_t now = (time_t)wall_now_s();
	unsigned count = 0;
	struct str inside;
	struct tm tm;
	int r = 0;

	for (size_t i = 0; r == 0 && i < ARRAY_LEN(databases); i++) {
		buf_done(&database);
		document.kind = databases[i].kind;
		r = fetch(console, image, databases[i].path, &database, err);
	}
	if (r == 0)
		return err_set(err, -ENOENT,
			       "%s has neither dpkg's nor apk's database: nothing is known of its "
			       "packages",
			       image);
	if (r > 0)
		r = fetch(console, image, "etc/os-release", &release, err);
	if (r < 0)
		return r;
	digest_of(console, image, digest);
	if (gmtime_r(&now, &tm))
		(void)strftime(created, sizeof(created), "%Y-%m-%dT%H:%M:%SZ", &tm);
	document.digest = digest;
	document.created = created;
	document.database = buf_str(&database);
	document.os_release = buf_str(&release);
	buf_init(&out, SBOM_MAX);
	r = packages_spdx(&document, &out, &count);
	if (r < 0)
		return err_set(err, r, "the list of packages is too long");
	if (console->json) { /* it is JSON itself; no string in it holds a newline */
		for (size_t i = 0; i < out.len; i++)
			out.data[i] = out.data[i] == '\n' ? ' ' : out.data[i];
		inside = str_trim(buf_str(&out));
		console_json(console, str_make(inside.ptr + 1, inside.len - 2));
		return 0;
	}
	console_write(console, buf_text(&out), out.len);
	return 0;
}

/* ---- what refers to it ---- */

static void show_referrer(struct console *console, struct wire *in)
{
	struct str digest = wire_str(in, 80);
	uint64_t bytes = wire_u64(in);
	struct str media_type = wire_str(in, MEDIA_TYPE_MAX);
	struct str artifact_type = wire_str(in, MEDIA_TYPE_MAX);
	struct str type = artifact_type.len ? artifact_type : media_type;

	if (in->error)
		return;
	if (console->json)
		CONSOLE_OBJECT(console, JSON_STR("digest", digest), JSON_NUMBER("bytes", bytes),
			       JSON_STR("media_type", media_type),
			       JSON_STR("artifact_type", artifact_type));
	else
		console_printf(console, "%.*s\n    %.*s, %llu bytes\n", STR_ARG(digest),
			       STR_ARG(type), (unsigned long long)bytes);
}

/* The types are the registry's words; the pull role let none through that is not printable. */
static int referrers(struct console *console, const char *image, const char *type, struct err *err)
{
	struct msg reply OWN(msg_done) = { 0 };
	struct buf body OWN(buf_done) = { 0 };
	struct str digest;
	struct wire in;
	uint32_t count;
	int r;

	buf_init(&body, 4096);
	wire_put_text(&body, image);
	wire_put_text(&body, type);
	r = console_call(console, CONSOLE_SERVER_ENGINE, ENGINE_MSG_REFERRERS, buf_str(&body),
			 &reply, err);
	if (r < 0)
		return r;
	wire_init(&in, reply.body.ptr, reply.body.len);
	digest = wire_str(&in, 80);
	count = wire_count(&in, 65536);
	for (uint32_t i = 0; i < count && !in.error; i++)
		show_referrer(console, &in);
	if (wire_end(&in) < 0)
		return err_set(err, -EBADMSG, "engine: malformed answer");
	if (count == 0 && !console->json)
		console_printf(console, "nothing refers to %.*s%s%s\n", STR_ARG(digest),
			       *type ? " as " : "", type);
	return 0;
}

int verb_image(struct console *console, const struct words *words, struct err *err)
{
	if (strcmp(words->items[1], "sbom") == 0 && words->count == 3)
		return sbom(console, words->items[2], err);
	if (strcmp(words->items[1], "referrers") == 0 && words->count >= 3)
		return referrers(console, words->items[2], words->count > 3 ? words->items[3] : "",
				 err);
	return err_set(err, -EINVAL, "usage: image sbom NAME | image referrers NAME [TYPE]");
}
