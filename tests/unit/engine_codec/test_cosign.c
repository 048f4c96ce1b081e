/* SPDX-License-Identifier: Apache-2.0 */
/* cosign's documents, and signatures that OpenSSL made. */
#include <errno.h>
#include <string.h>
#include "engine/registry/cosign.h"
#include "tests/unit/tap.h"

static const char key_a[] = "-----BEGIN PUBLIC KEY-----\n"
			    "MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEed/8qqe9Qf1LBSAcFMFf7DKCYQnQ\n"
			    "KZQTayguMO9bG2zv3MJMab0X9z3TZJ1anKgDAzFwMt6xjl2eUrZsvjNTcA==\n"
			    "-----END PUBLIC KEY-----\n";
static const char key_b[] = "-----BEGIN PUBLIC KEY-----\n"
			    "MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEIQYtyAD0YhWd47pR0TuCGTW6YKts\n"
			    "MZkdF4nRSs67WKmLR81sZVRN41QQDjTaSNtP5vYqdUUzgsH32OzulvIf1A==\n"
			    "-----END PUBLIC KEY-----\n";
static const char key_p384[] = "-----BEGIN PUBLIC KEY-----\n"
			       "MHYwEAYHKoZIzj0CAQYFK4EEACIDYgAEx0E2PoxR14xXkv6gfNDekDLxGg3oF1a1\n"
			       "rxGQaur5opA2uP8dkdr6oy+uUNd4OiWYtIEJuON2M7B4Oik0tuxDuBTPxOTX3GaV\n"
			       "JeomzV1Ax8p02lTuI0/eDrfSOUqp6cm4\n"
			       "-----END PUBLIC KEY-----\n";
static const char payload[] =
	"{\"critical\":{\"identity\":{\"docker-reference\":\"r.example/a/b\"},\"image\":{"
	"\"docker-manifest-digest\":\"sha256:6105d6cc76af400325e94d588ce511be5bfdb"
	"b73b437dc51eca43917d7a43e3d\"},\"type\":\"cosign container image signature"
	"\"},\"optional\":null}";
static const char signature[] =
	"MEUCIQDiYPmiVzIMhg1bIhHI6elCicBdShuFPwsw4kAeQo0cnwIgaiiclfeECHZ7uwbtxJ"
	"q0H6Xfz0Gn/aOfvnzfLDc7GEk=";
static const char other_type[] =
	"{\"critical\":{\"identity\":{\"docker-reference\":\"r.example/a/b\"},\"image\":{"
	"\"docker-manifest-digest\":\"sha256:6105d6cc76af400325e94d588ce511be5bfdb"
	"b73b437dc51eca43917d7a43e3d\"},\"type\":\"other\"},\"optional\":null}";
static const char other_signature[] =
	"MEQCICSq928wUGGOcugY7aj+MKB3q3Gh6B/qOeOBOQKgQZLIAiAvXoJVAZBlNwIvE7IShd"
	"8dPp1JoF1He2oyHOtV1rkAdw==";

static struct digest image_digest(void)
{
	struct sha256 hash;
	struct digest digest;

	sha256_init(&hash);
	sha256_add(&hash, "image", 5);
	sha256_end(&hash, &digest);
	return digest;
}

static void test_verify(void)
{
	struct digest digest = image_digest(), other = digest;
	char both[2048], changed[sizeof(payload)], broken[sizeof(signature)];

	snprintf(both, sizeof(both), "# keys\n%s\n%s", key_b, key_a);
	memcpy(changed, payload, sizeof(payload));
	changed[sizeof(payload) - 3] = 'L';
	memcpy(broken, signature, sizeof(signature));
	broken[20] = broken[20] == 'A' ? 'B' : 'A';
	other.bytes[31] ^= 1;
	is_int(cosign_verify(STR(payload), signature, &digest, key_a, NULL), 1, "the right key");
	is_int(cosign_verify(STR(payload), signature, &digest, both, NULL), 1, "one of two keys");
	is_int(cosign_verify(STR(payload), signature, &digest, key_b, NULL), 0, "another key");
	is_int(cosign_verify(STR(payload), signature, &other, key_a, NULL), 0, "another image");
	is_int(cosign_verify(str_from(changed), signature, &digest, key_a, NULL), 0,
	       "another payload");
	is_int(cosign_verify(STR(payload), broken, &digest, key_a, NULL), 0, "a broken signature");
	is_int(cosign_verify(STR(payload), "%%", &digest, key_a, NULL), 0, "no base64");
	is_int(cosign_verify(STR(payload), "", &digest, key_a, NULL), 0, "no signature");
	is_int(cosign_verify(STR(other_type), other_signature, &digest, key_a, NULL), 0,
	       "a payload that is no image signature");
	is_int(cosign_verify(STR(payload), signature, &digest, key_p384, NULL), -EINVAL,
	       "a key of another curve");
	is_int(cosign_verify(STR(payload), signature, &digest, "-----BEGIN X-----\nMII", NULL),
	       -EINVAL, "half a key");
	is_int(cosign_verify(STR(payload), signature, &digest, "no key", NULL), 0, "no key at all");
}

#define DIGEST_A "sha256:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
#define LAYER(type, size, notes)                                                 \
	"{\"mediaType\":\"" type "\",\"digest\":\"" DIGEST_A "\",\"size\":" size \
	",\"annotations\":{" notes "}}"
#define SIGNING "application/vnd.dev.cosign.simplesigning.v1+json"
#define NOTE	"\"dev.cosignproject.cosign/signature\":\"c2ln\""

static void test_documents(void)
{
	static const char manifest[] =
		"{\"schemaVersion\":2,\"layers\":[" LAYER("text/plain", "5", NOTE) "," LAYER(
			SIGNING, "5",
			"") "," LAYER(SIGNING, "99999999",
				      NOTE) "," LAYER(SIGNING, "245",
						      NOTE) ",7," LAYER(SIGNING, "246", NOTE) "]}";
	struct cosign_signature list[4];
	struct arena arena;

	arena_init(&arena, 1 << 20);
	is_int(cosign_manifest_parse(STR(manifest), &arena, list, 4, NULL), 2,
	       "what is no signature is passed over");
	ok(list[0].size == 245 && list[1].size == 246, "their sizes");
	is_text(list[0].signature, "c2ln", "the annotation");
	is_int(cosign_manifest_parse(STR(manifest), &arena, list, 1, NULL), 1,
	       "no more than asked");
	is_int(cosign_manifest_parse(STR("{"), &arena, list, 4, NULL), -EBADMSG, "no JSON");
	is_int(cosign_manifest_parse(STR("[]"), &arena, list, 4, NULL), 0, "no manifest");
	arena_done(&arena);
}

int main(void)
{
	test_verify();
	test_documents();
	return tap_done();
}
