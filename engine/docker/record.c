/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The store's image records, read and searched. Runs in the api role. Pure; must never take a name
 * for another image than Docker would.
 */
#include <errno.h>
#include <string.h>
#include "engine/api/store_msg.h"
#include "engine/docker/record.h"
#include "engine/oci/reference.h"
#include "lib/own.h"

enum { RECORDS_MAX = 65536, ID_DIGITS = 64 };

static bool is_hex(struct str text)
{
	for (size_t i = 0; i < text.len; i++) {
		if (!strchr("0123456789abcdef", text.ptr[i]))
			return false;
	}
	return text.len > 0 && text.len <= ID_DIGITS;
}

static bool is_id(struct str reference)
{
	return str_starts(reference, STR("sha256:")) && reference.len == 7 + ID_DIGITS &&
	       is_hex(str_skip(reference, 7));
}

static int read_row(struct wire *in, struct arena *arena, struct docker_image *row, struct err *err)
{
	struct str reference = wire_str(in, STORE_REFERENCE_MAX);
	struct str record = wire_blob(in, STORE_RECORD_MAX);
	char text[OCI_REFERENCE_MAX], digest[DIGEST_TEXT_MAX];
	struct oci_reference parsed;
	struct wire one;
	int r;

	row->disk_bytes = wire_u64(in);
	row->made_s = wire_i64(in);
	wire_init(&one, record.ptr, record.len);
	r = image_decode(&one, arena, &row->image, err);
	if (r < 0)
		return r;
	(void)str_copy(str_from(digest_text(&row->image.config, digest)), row->id, sizeof(row->id));
	row->image.reference = arena_text(arena, reference);
	row->familiar = row->digest = "";
	/* The store knows one without a name by its id, which reads like a name with a tag. */
	if (!is_id(reference) && oci_reference_parse(reference, &parsed, NULL) >= 0) {
		if (*parsed.tag)
			row->familiar =
				arena_text(arena, str_from(oci_reference_familiar(&parsed, text)));
		parsed.tag[0] = 0;
		parsed.has_digest = true;
		parsed.digest = digest_is_zero(&row->image.source) ? row->image.manifest
								   : row->image.source;
		row->digest = arena_text(arena, str_from(oci_reference_familiar(&parsed, text)));
	}
	if (!row->image.reference || !row->familiar || !row->digest)
		return err_set(err, -ENOMEM, "no memory for the list of images");
	return 0;
}

int docker_images_read(struct str body, struct arena *arena, struct docker_images *ret_images,
		       struct err *err)
{
	struct docker_images images = { 0 };
	struct wire in;
	uint32_t count;

	wire_init(&in, body.ptr, body.len);
	count = wire_count(&in, RECORDS_MAX);
	images.rows = arena_array(arena, count + 1U, sizeof(*images.rows));
	if (!images.rows)
		return err_set(err, -ENOMEM, "no memory for the list of images");
	for (; images.count < count && !in.error; images.count++) {
		int r = read_row(&in, arena, &images.rows[images.count], err);

		if (r < 0)
			return r;
	}
	if (wire_end(&in) < 0)
		return err_set(err, -EBADMSG, "malformed list of images");
	*ret_images = images;
	return 0;
}

/* "sha256:ab12" or "ab12": NULL when none fits; *ret_many when several different ones do. */
static const struct docker_image *find_id(const struct docker_images *images, const char *name,
					  bool *ret_many)
{
	const struct docker_image *found = NULL;
	struct str text = str_from(name);

	if (str_starts(text, STR("sha256:")))
		text = str_skip(text, 7);
	if (!is_hex(text))
		return NULL;
	for (uint32_t i = 0; i < images->count; i++) {
		const struct docker_image *row = &images->rows[i];
		char manifest[DIGEST_TEXT_MAX];

		(void)digest_text(&row->image.manifest, manifest);
		if (!str_starts(str_from(row->id + 7), text) &&
		    (text.len < ID_DIGITS || !str_starts(str_from(manifest + 7), text)))
			continue;
		if (found && strcmp(found->id, row->id) != 0)
			*ret_many = true;
		found = found ? found : row;
	}
	return found;
}

static const struct docker_image *find_reference(const struct docker_images *images,
						 const struct oci_reference *wanted)
{
	char full[OCI_REFERENCE_MAX];

	(void)oci_reference_print(wanted, full);
	for (uint32_t i = 0; i < images->count; i++) {
		const struct docker_image *row = &images->rows[i];
		struct oci_reference own;

		if (!strcmp(row->image.reference, full))
			return row;
		if (!wanted->has_digest ||
		    oci_reference_parse(str_from(row->image.reference), &own, NULL) < 0)
			continue;
		if (!strcmp(own.domain, wanted->domain) && !strcmp(own.path, wanted->path) &&
		    (!memcmp(&row->image.manifest, &wanted->digest, sizeof(wanted->digest)) ||
		     !memcmp(&row->image.source, &wanted->digest, sizeof(wanted->digest))))
			return row;
	}
	return NULL;
}

int docker_reference_refuse(const char *name, struct err *err)
{
	struct str remote = str_from(name), first = remote;
	bool domain = false, upper = false;
	char shown[160];

	if (str_find(remote, '/') > 0) {
		first = str_head(remote, (size_t)str_find(remote, '/'));
		domain = str_find(first, '.') >= 0 || str_find(first, ':') >= 0 ||
			 str_is(first, "localhost");
		for (size_t i = 0; i < first.len; i++)
			domain |= first.ptr[i] >= 'A' && first.ptr[i] <= 'Z';
	}
	if (remote.len == ID_DIGITS && is_hex(remote))
		return err_set(err, -EINVAL,
			       "invalid repository name (%s), cannot specify 64-byte hexadecimal "
			       "strings",
			       name);
	if (domain)
		remote = str_skip(remote, first.len + 1);
	if (str_find(remote, ':') >= 0)
		remote = str_head(remote, (size_t)str_find(remote, ':'));
	for (size_t i = 0; i < remote.len; i++)
		upper |= remote.ptr[i] >= 'A' && remote.ptr[i] <= 'Z';
	if (!upper || str_find(remote, '@') >= 0)
		return err_set(err, -EINVAL, "invalid reference format");
	(void)str_escape(remote, shown, sizeof(shown));
	return err_set(err, -EINVAL,
		       "invalid reference format: repository name (%s%s) must be lowercase",
		       domain || str_find(remote, '/') >= 0 ? "" : "library/", shown);
}

int docker_images_find(const struct docker_images *images, const char *name,
		       const struct docker_image **ret_image, struct err *err)
{
	const struct docker_image *found = NULL;
	char shown[OCI_REFERENCE_MAX];
	struct oci_reference wanted;
	bool many = false;
	int r = oci_reference_parse(str_from(name), &wanted, NULL);

	if (r >= 0)
		found = find_reference(images, &wanted);
	if (!found)
		found = find_id(images, name, &many);
	if (many)
		return err_set(err, -EINVAL, "multiple IDs found with provided prefix: %.80s",
			       name);
	if (!found && r < 0 && strlen(name) == ID_DIGITS && is_hex(str_from(name)))
		return err_set(err, -ENOENT, "No such image: sha256:%s", name);
	if (!found && r < 0)
		return docker_reference_refuse(name, err);
	if (!found)
		return err_set(err, -ENOENT, "No such image: %s",
			       oci_reference_familiar(&wanted, shown));
	*ret_image = found;
	return 0;
}
