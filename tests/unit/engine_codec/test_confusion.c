/* SPDX-License-Identifier: Apache-2.0 */
/* Documents that two readers could take for two things, and digests that are none: all refused. */
#include <stdio.h>
#include <string.h>
#include "engine/oci/oci.h"
#include "lib/own.h"
#include "tests/unit/tap.h"

#define DIGEST "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"

static const char *const types[] = {
	OCI_MEDIA_MANIFEST,
	"application/vnd.oci.image.index.v1+json",
	"application/vnd.docker.distribution.manifest.v2+json",
	"application/vnd.docker.distribution.manifest.list.v2+json",
	"application/vnd.oci.image.config.v1+json",
	"application/json",
	"",
};
enum { TYPES = sizeof(types) / sizeof(types[0]) };

static const char config_row[] =
	"\"config\":{\"mediaType\":\"application/vnd.oci.image.config.v1+json\","
	"\"digest\":\"" DIGEST "\",\"size\":2}";
static const char layers_row[] =
	"\"layers\":[{\"mediaType\":\"application/vnd.oci.image.layer.v1.tar\","
	"\"digest\":\"" DIGEST "\",\"size\":1024}]";
static const char list_row[] =
	"\"manifests\":[{\"mediaType\":\"application/vnd.oci.image.manifest.v1+json\","
	"\"digest\":\"" DIGEST "\",\"size\":300,\"platform\":{\"os\":\"linux\","
	"\"architecture\":\"amd64\"}}]";

static bool is_manifest(const char *text, const char *said)
{
	struct arena arena OWN(arena_done) = { 0 };
	struct oci_manifest manifest;

	arena_init(&arena, 1 << 20);
	return oci_manifest_parse(str_from(text), str_from(said), &arena, &manifest, NULL) == 0;
}

static bool is_index(const char *text, const char *said)
{
	struct arena arena OWN(arena_done) = { 0 };
	struct oci_index index;

	arena_init(&arena, 1 << 20);
	return oci_index_parse(str_from(text), str_from(said), &arena, &index, NULL) == 0;
}

static unsigned documents, taken;

/* Refused as anything, whatever the registry calls it. */
static void refused(const char *text)
{
	documents++;
	for (size_t i = 0; i < TYPES; i++) {
		if (is_manifest(text, types[i]) || is_index(text, types[i])) {
			note("taken as %s: %s", types[i], text);
			taken++;
			return;
		}
	}
}

static void one(const char *type, const char *rows)
{
	char text[4096];

	(void)snprintf(text, sizeof(text), "{\"schemaVersion\":2,\"mediaType\":\"%s\",%s}", type,
		       rows);
	refused(text);
}

/* B8: a manifest and an index at once, in every order, under every type. */
static void test_both(void)
{
	static const char *const rows[] = { config_row, layers_row, list_row };
	static const unsigned char orders[][3] = { { 0, 1, 2 }, { 0, 2, 1 }, { 1, 0, 2 },
						   { 1, 2, 0 }, { 2, 0, 1 }, { 2, 1, 0 } };
	char text[2048];

	for (size_t i = 0; i < TYPES; i++) {
		for (size_t k = 0; k < sizeof(orders) / 3; k++) {
			(void)snprintf(text, sizeof(text), "%s,%s,%s", rows[orders[k][0]],
				       rows[orders[k][1]], rows[orders[k][2]]);
			one(types[i], text);
		}
	}
}

/* Each member twice: the same, null, or another value, before it and behind it. */
static void test_twice(void)
{
	static const char *const keys[] = { "schemaVersion",   "mediaType",   "config",
					    "layers",	       "manifests",   "sch\\u0065maVersion",
					    "m\\u0061nifests", "l\\u0061yers" };
	static const char *const values[] = { "2", "null", "[]", "{}", "\"\"" };
	static const char *const bodies[] = { "\"config\":{},\"layers\":[]", "\"manifests\":[]" };
	char text[2048];

	for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++) {
		for (size_t k = 0; k < sizeof(values) / sizeof(values[0]); k++) {
			for (size_t b = 0; b < 2; b++) {
				const char *body = b ? list_row : layers_row;

				(void)snprintf(text, sizeof(text),
					       "{\"%s\":%s,\"schemaVersion\":2,%s,%s,\"%s\":%s}",
					       keys[i], values[k], config_row, body, keys[i],
					       values[k]);
				refused(text);
				(void)snprintf(text, sizeof(text), "{%s,\"%s\":%s,\"%s\":%s}",
					       bodies[b], keys[i], values[k], keys[i], values[k]);
				refused(text);
			}
		}
	}
}

/* What says that it is one thing and is called another. */
static void test_called(void)
{
	char text[2048];
	unsigned wrong = 0, cases = 0;

	for (size_t said = 0; said < TYPES; said++) {
		for (size_t is = 0; is < 4; is++) {
			bool index = is % 2;

			(void)snprintf(text, sizeof(text),
				       "{\"schemaVersion\":2,\"mediaType\":\"%s\",%s%s%s}",
				       types[is], index ? list_row : config_row, index ? "" : ",",
				       index ? "" : layers_row);
			wrong += is_manifest(text, types[said]) &&
				 (index || (said < 4 && said % 2 == 1));
			wrong += is_index(text, types[said]) && (!index || said % 2 == 0) &&
				 said < 4;
			wrong += is_manifest(text, types[said]) && is_index(text, types[said]);
			cases++;
		}
	}
	ok(wrong == 0, "B8 a document is what it says and is called, or nothing");
	note("%u of %u wrong", wrong, cases);
	(void)snprintf(text, sizeof(text), "{\"schemaVersion\":2,%s,%s}", config_row, layers_row);
	ok(is_manifest(text, types[0]), "a plain manifest is taken");
	(void)snprintf(text, sizeof(text), "{\"schemaVersion\":2,%s}", list_row);
	ok(is_index(text, types[1]), "and a plain index");
}

/* B9: whatever is not sha256 and 64 small digits names nothing. */
static void test_digests(void)
{
	static const char pool[] = "0123456789abcdefABCDEFg/.:+-_ %\n";
	char text[160];
	struct digest digest;
	unsigned seed = 9, bad = 0;

	is_int(digest_parse(STR(DIGEST), &digest, NULL), 0, "a digest");
	for (unsigned n = 0; n < 20000; n++) {
		size_t len = sizeof(DIGEST) - 1, at;

		memcpy(text, DIGEST, len + 1);
		seed = seed * 1103515245u + 12345u;
		at = (seed >> 16) % len;
		text[at] = pool[(seed >> 8) % (sizeof(pool) - 1)];
		if (n % 4 == 1)
			len = at;
		if (n % 4 == 2) {
			text[len] = pool[(seed >> 4) % (sizeof(pool) - 1)];
			len++;
		}
		text[len] = 0;
		bool good = len == sizeof(DIGEST) - 1 && !memcmp(text, "sha256:", 7) &&
			    strspn(text + 7, "0123456789abcdef") == 64;
		bad += (digest_parse(str_make(text, len), &digest, NULL) == 0) != good;
	}
	ok(bad == 0, "B9 of 20,000 texts like a digest only digests are taken");
	note("%u of 20,000 wrong", bad);
	static const char *const worse[] = {
		"",
		"sha256:",
		"sha512:" DIGEST,
		"SHA256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
		"sha256:../../../../../../../../../../../../../../../../../../../../../../etc/"
		"passwd",
		"md5:d41d8cd98f00b204e9800998ecf8427e"
	};
	for (size_t i = 0; i < sizeof(worse) / sizeof(worse[0]); i++)
		ok(digest_parse(str_from(worse[i]), &digest, NULL) < 0, "refused: %.60s", worse[i]);
}

int main(void)
{
	test_both();
	test_twice();
	ok(documents >= 200 && taken == 0, "B8 ambiguous documents are refused under every name");
	note("%u of %u documents taken", taken, documents);
	test_called();
	test_digests();
	return tap_done();
}
