/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Lists of referrers. Pure; runs in the pull role. It must never drop what others have put into
 * such a list.
 */
#include "engine/oci/referrers.h"

#include <errno.h>
#include <string.h>
#include "engine/json/json.h"
#include "engine/oci/oci.h"

/* Types go to a terminal: printable ASCII, or they are none. */
static const char *keep_type(struct arena *arena, struct str s)
{
	if (s.len > OCI_MEDIA_TYPE_MAX)
		return "";
	for (size_t i = 0; i < s.len; i++) {
		if (s.ptr[i] <= ' ' || s.ptr[i] >= 0x7f)
			return "";
	}
	return s.len ? arena_text(arena, s) : "";
}

static bool entry_parse(const struct json *entry, struct arena *arena, struct oci_referrer *ret)
{
	ret->media_type = keep_type(arena, json_str(json_get(entry, "mediaType")));
	ret->artifact_type = keep_type(arena, json_str(json_get(entry, "artifactType")));
	return digest_parse(json_str(json_get(entry, "digest")), &ret->digest, NULL) == 0 &&
	       json_u64(json_get(entry, "size"), INT64_MAX, &ret->size) == 0;
}

static int add_entries(const struct json *root, const char *artifact_type, struct arena *arena,
		       struct oci_referrer *list, uint32_t *count, struct err *err)
{
	struct json_iter iter;
	const struct json *entry;
	struct str key;

	for (json_iter_init(&iter, json_get(root, "manifests"));
	     json_iter_next(&iter, &key, &entry);) {
		struct oci_referrer row = { 0 };

		if (artifact_type[0] && !json_is(json_get(entry, "artifactType"), artifact_type))
			continue;
		if (!entry_parse(entry, arena, &row))
			continue;
		if (!row.media_type || !row.artifact_type)
			return err_set(err, -ENOMEM, "no memory for a list of referrers");
		if (*count == OCI_REFERRERS_MAX)
			return err_set(err, -E2BIG, "more than %d manifests refer to it",
				       OCI_REFERRERS_MAX);
		list[(*count)++] = row;
	}
	return 0;
}

static int open_list(struct str text, struct json_doc *ret_doc, struct err *err)
{
	int r = json_parse(text, OCI_DOCUMENT_MAX, ret_doc, err);

	if (r == 0 && json_type(json_get(ret_doc->root, "manifests")) != JSON_ARRAY) {
		json_done(ret_doc);
		r = err_set(err, -EBADMSG, "it is no index");
	}
	if (r < 0)
		(void)err_prefix(err, "list of referrers");
	return r;
}

int oci_referrers_parse(struct str text, const char *artifact_type, struct arena *arena,
			struct oci_referrer *list, uint32_t *count, struct err *err)
{
	struct json_doc doc = { 0 };
	int r = open_list(text, &doc, err);

	if (r < 0)
		return r;
	r = add_entries(doc.root, artifact_type, arena, list, count, err);
	json_done(&doc);
	return r;
}

int oci_subject_parse(struct str manifest, struct digest *ret_subject, struct err *err)
{
	struct json_doc doc = { 0 };
	const struct json *subject;
	int r = json_parse(manifest, OCI_DOCUMENT_MAX, &doc, err);

	if (r < 0)
		return r;
	subject = json_get(doc.root, "subject");
	if (json_type(subject) == JSON_OBJECT)
		r = digest_parse(json_str(json_get(subject, "digest")), ret_subject, err) < 0
			    ? -EBADMSG
			    : 1;
	json_done(&doc);
	return r;
}

/* The manifest as its list has it: an artifact's type is its config's where it says none itself. */
static void put_entry(struct json_writer *w, struct str text, const struct json *manifest,
		      const char *media_type)
{
	struct str type = json_str(json_get(manifest, "artifactType"));
	char name[DIGEST_TEXT_MAX];
	struct digest digest;
	struct sha256 sum;

	sha256_init(&sum);
	sha256_add(&sum, text.ptr, text.len);
	sha256_end(&sum, &digest);
	if (!type.len)
		type = json_str(json_get(json_get(manifest, "config"), "mediaType"));
	json_begin_object(w);
	json_member_text(w, "mediaType", media_type);
	json_member_text(w, "digest", digest_text(&digest, name));
	json_member_u64(w, "size", text.len);
	if (type.len)
		json_member_str(w, "artifactType", type);
	if (json_type(json_get(manifest, "annotations")) == JSON_OBJECT) {
		json_key(w, "annotations");
		json_put_value(w, json_get(manifest, "annotations"));
	}
	json_end_object(w);
}

static bool is_listed(const struct json *index, struct str text)
{
	struct json_iter iter;
	const struct json *entry;
	struct digest digest, is;
	struct sha256 sum;
	struct str key;

	sha256_init(&sum);
	sha256_add(&sum, text.ptr, text.len);
	sha256_end(&sum, &digest);
	for (json_iter_init(&iter, json_get(index, "manifests"));
	     json_iter_next(&iter, &key, &entry);) {
		if (digest_parse(json_str(json_get(entry, "digest")), &is, NULL) == 0 &&
		    memcmp(&is, &digest, sizeof(is)) == 0)
			return true;
	}
	return false;
}

static void put_index(struct json_writer *w, const struct json *index, struct str text,
		      const struct json *manifest, const char *media_type)
{
	struct json_iter iter;
	const struct json *entry;
	struct str key;

	json_begin_object(w);
	json_member_u64(w, "schemaVersion", 2);
	json_member_text(w, "mediaType", OCI_MEDIA_INDEX);
	json_key(w, "manifests");
	json_begin_array(w);
	for (json_iter_init(&iter, json_get(index, "manifests"));
	     json_iter_next(&iter, &key, &entry);)
		json_put_value(w, entry);
	put_entry(w, text, manifest, media_type);
	json_end_array(w);
	json_end_object(w);
}

int oci_referrers_add(struct str index, struct str manifest, const char *media_type,
		      struct buf *out, struct err *err)
{
	struct json_doc list = { 0 }, doc = { 0 };
	struct json_writer w;
	int r = index.len ? open_list(index, &list, err) : 0;

	if (r == 0)
		r = json_parse(manifest, OCI_DOCUMENT_MAX, &doc, err);
	if (r == 0 && !is_listed(list.root, manifest)) {
		json_writer_init(&w, out);
		put_index(&w, list.root, manifest, doc.root, media_type);
		r = buf_error(out) < 0 ? err_set(err, -EFBIG, "the list of referrers is too long")
				       : 1;
	}
	json_done(&doc);
	json_done(&list);
	return r;
}
