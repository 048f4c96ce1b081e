/* SPDX-License-Identifier: Apache-2.0 */
/* Lists of referrers: read, and kept for registries that keep none. */
#include <errno.h>
#include <string.h>
#include "engine/oci/oci.h"
#include "engine/oci/referrers.h"
#include "engine/registry/cosign.h"
#include "tests/unit/tap.h"

#define DIGEST_A "sha256:6105d6cc76af400325e94d588ce511be5bfdbb73b437dc51eca43917d7a43e3d"
#define ENTRY(digest, type)                                                               \
	"{\"mediaType\":\"" OCI_MEDIA_MANIFEST "\",\"digest\":\"" digest "\",\"size\":5," \
	"\"artifactType\":\"" type "\",\"annotations\":{\"k\":\"v\"}}"
#define LIST(entries) "{\"schemaVersion\":2,\"manifests\":[" entries "]}"

static struct arena arena;
static struct oci_referrer list[OCI_REFERRERS_MAX];

static int parse(const char *text, const char *type, uint32_t *count)
{
	*count = 0;
	return oci_referrers_parse(str_from(text), type, &arena, list, count, NULL);
}

static void test_parse(void)
{
	static const char text[] =
		LIST(ENTRY(DIGEST_A, "x") "," ENTRY(DIGEST_A, COSIGN_ARTIFACT_TYPE) "," ENTRY(
			"sha256:a", COSIGN_ARTIFACT_TYPE) ",7,{\"digest\":\"" DIGEST_A "\"}");
	uint32_t count;

	is_int(parse(text, COSIGN_ARTIFACT_TYPE, &count), 0, "a list");
	is_int((int)count, 1, "one referrer is a signature");
	is_int(parse(text, "", &count), 0, "all of them");
	is_int((int)count, 2, "what is no descriptor is passed over");
	ok(list[0].size == 5, "its size");
	is_text(list[0].media_type, OCI_MEDIA_MANIFEST, "its media type");
	is_text(list[0].artifact_type, "x", "what it is");
	is_int(parse(LIST(ENTRY(DIGEST_A, "\\u001b[2J")), "", &count), 0, "a type that is none");
	is_text(list[0].artifact_type, "", "is not shown");
	is_int(parse("{\"manifests\":{}}", "", &count), -EBADMSG, "no list");
	is_int(parse("}", "", &count), -EBADMSG, "no JSON");
	count = OCI_REFERRERS_MAX;
	is_int(oci_referrers_parse(STR(LIST(ENTRY(DIGEST_A, "x"))), "", &arena, list, &count, NULL),
	       -E2BIG, "one more than there is room for");
}

static void test_subject(void)
{
	struct digest digest;
	char text[DIGEST_TEXT_MAX];

	is_int(oci_subject_parse(STR("{\"subject\":{\"digest\":\"" DIGEST_A "\"}}"), &digest, NULL),
	       1, "a subject");
	is_text(digest_text(&digest, text), DIGEST_A, "its digest");
	is_int(oci_subject_parse(STR("{}"), &digest, NULL), 0, "no subject");
	is_int(oci_subject_parse(STR("{\"subject\":{\"digest\":\"md5:1\"}}"), &digest, NULL),
	       -EBADMSG, "a subject without a digest that is known");
}

static void test_add(void)
{
	static const char manifest[] =
		"{\"schemaVersion\":2,\"config\":{\"mediaType\":\"application/x.config\"},"
		"\"annotations\":{\"n\":\"1\"},\"subject\":{\"digest\":\"" DIGEST_A "\"}}";
	static const char typed[] = "{\"artifactType\":\"application/x.type\",\"config\":{"
				    "\"mediaType\":\"application/x.config\"}}";
	struct buf one, two;
	uint32_t count;

	buf_init(&one, 65536);
	buf_init(&two, 65536);
	is_int(oci_referrers_add(STR(""), STR(manifest), OCI_MEDIA_MANIFEST, &one, NULL), 1,
	       "the first of a list");
	is_int(parse(buf_text(&one), "", &count), 0, "it can be read");
	ok(count == 1 && list[0].size == strlen(manifest), "and has it");
	is_text(list[0].artifact_type, "application/x.config", "as what its config is");
	ok(strstr(buf_text(&one), "\"annotations\":{\"n\":\"1\"}") != NULL, "with its annotations");
	is_int(oci_referrers_add(buf_str(&one), STR(manifest), OCI_MEDIA_MANIFEST, &two, NULL), 0,
	       "it is listed once");
	buf_clear(&two);
	is_int(oci_referrers_add(STR(LIST(ENTRY(DIGEST_A, "x"))), STR(typed), OCI_MEDIA_MANIFEST,
				 &two, NULL),
	       1, "beside another's");
	is_int(parse(buf_text(&two), "", &count), 0, "both can be read");
	ok(count == 2 && strstr(buf_text(&two), ENTRY(DIGEST_A, "x")) != NULL,
	   "the other is as it was");
	is_text(list[1].artifact_type, "application/x.type", "its own type comes first");
	buf_clear(&two);
	is_int(oci_referrers_add(STR("[]"), STR(typed), OCI_MEDIA_MANIFEST, &two, NULL), -EBADMSG,
	       "what is no list is left as it is");
	buf_done(&one);
	buf_done(&two);
}

int main(void)
{
	arena_init(&arena, 8 << 20);
	test_parse();
	test_subject();
	test_add();
	arena_done(&arena);
	return tap_done();
}
