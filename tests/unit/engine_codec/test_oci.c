/* SPDX-License-Identifier: Apache-2.0 */
/* References, indexes, manifests, configs: what is read, chosen, refused and written. */
#include <errno.h>
#include "engine/json/json.h"
#include "engine/oci/oci.h"
#include "engine/oci/reference.h"
#include "lib/buf.h"
#include "lib/own.h"
#include "tests/unit/tap.h"

#define HEX64 "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
#define SHA   "sha256:" HEX64
#define DESC(type, digest, size) \
	"{\"mediaType\":\"" type "\",\"digest\":\"" digest "\",\"size\":" size "}"
#define CONFIG_DESC DESC(OCI_MEDIA_CONFIG, SHA, "7")
#define LAYER_DESC  DESC(OCI_MEDIA_LAYER_GZIP, SHA, "9")
#define MANIFEST(more) \
	"{\"schemaVersion\":2," more "\"config\":" CONFIG_DESC ",\"layers\":[" LAYER_DESC "]}"

static struct arena arena;

static void reads_as(const char *text, const char *want)
{
	char dst[OCI_REFERENCE_MAX] = "";
	struct err err = { 0 };
	int r = oci_reference_normalise(str_from(text), dst, &err);

	if (want)
		is_text(r == 0 ? dst : err_text(&err), want, "reference %s", text);
	else
		ok(r == -EINVAL && strstr(err.text, "reference"), "refused: %s (%s)", text,
		   err_text(&err));
}

static void test_reference(void)
{
	char dst[OCI_REFERENCE_MAX] = "";
	struct err err = { 0 };

	(void)oci_reference_normalise(STR("busybox"), dst, &err);
	is_text(dst, "docker.io/library/busybox:latest", "a short name is resolved as Docker does");
	reads_as("busybox", "docker.io/library/busybox:latest");
	reads_as("user/app:1.2", "docker.io/user/app:1.2");
	reads_as("docker.io/busybox", "docker.io/library/busybox:latest");
	reads_as("index.docker.io/library/busybox:x", "docker.io/library/busybox:x");
	reads_as("localhost/x", "localhost/x:latest");
	reads_as("10.0.2.2:5443/shop/web:1.4", "10.0.2.2:5443/shop/web:1.4");
	reads_as("Registry.Example/x", "registry.example/x:latest");
	reads_as("[2001:db8::1]:5000/x:y", "[2001:db8::1]:5000/x:y");
	reads_as("a__b/c--d.e_f", "docker.io/a__b/c--d.e_f:latest");
	reads_as("busybox@" SHA, "docker.io/library/busybox@" SHA);
	reads_as("busybox:1@" SHA, "docker.io/library/busybox:1@" SHA);
	reads_as("", NULL);
	reads_as("Busybox", NULL);
	reads_as("Registry/x", NULL);
	reads_as("a//b", NULL);
	reads_as("/a", NULL);
	reads_as("a/", NULL);
	reads_as("a..b", NULL);
	reads_as("a___b", NULL);
	reads_as("-a", NULL);
	reads_as("a:", NULL);
	reads_as("a:-x", NULL);
	reads_as("a:x:y", NULL);
	reads_as("a b", NULL);
	reads_as("../x", NULL);
	reads_as("x/../y", NULL);
	reads_as(HEX64, NULL);
	reads_as("a@sha256:0123", NULL);
	reads_as("a@sha512:" HEX64 HEX64, NULL);
	reads_as("a@SHA256:" HEX64, NULL);
	reads_as("https://reg.example/x", NULL);
	reads_as("reg.example:0/x", NULL);
	reads_as("user@reg.example/x", NULL);
}

static void test_familiar(void)
{
	struct oci_reference ref;
	char dst[OCI_REFERENCE_MAX];

	oci_reference_parse(STR("busybox"), &ref, NULL);
	is_text(oci_reference_familiar(&ref, dst), "busybox:latest", "the short form");
	is_text(oci_reference_host(&ref), "registry-1.docker.io", "Docker Hub's host");
	oci_reference_parse(STR("reg.example:5/a/b:c"), &ref, NULL);
	is_text(oci_reference_familiar(&ref, dst), "reg.example:5/a/b:c", "nothing to shorten");
	is_text(oci_reference_host(&ref), "reg.example:5", "any other host");
}

static void document_is(const char *text, const char *said, int want, const char *what)
{
	enum oci_type type = OCI_TYPE_OTHER;
	struct err err = { 0 };
	int r = oci_document_type(str_from(text), str_from(said), &type, &err);

	if (!is_int(r < 0 ? r : (int)type, want, "%s", what))
		note("%s", err_text(&err));
}

/* The ways one text could be taken for two documents (CVE-2021-41190). */
static void test_confusion(void)
{
	static const char manifest[] = MANIFEST("");
	static const char index[] = "{\"schemaVersion\":2,\"manifests\":[]}";

	document_is(manifest, OCI_MEDIA_MANIFEST, OCI_TYPE_MANIFEST, "a manifest");
	document_is(manifest, "", OCI_TYPE_MANIFEST, "a manifest of which nothing was said");
	document_is(manifest, "application/json; charset=utf-8", OCI_TYPE_MANIFEST,
		    "a vague Content-Type says nothing");
	document_is(index, OCI_MEDIA_INDEX, OCI_TYPE_INDEX, "an index");
	document_is(manifest, OCI_MEDIA_INDEX, -EBADMSG, "a manifest sent as an index");
	document_is(index, OCI_MEDIA_MANIFEST, -EBADMSG, "an index sent as a manifest");
	document_is(MANIFEST("\"mediaType\":\"" OCI_MEDIA_INDEX "\","), "", -EBADMSG,
		    "a manifest that calls itself an index");
	document_is(MANIFEST("\"mediaType\":\"" OCI_MEDIA_MANIFEST "\","),
		    OCI_MEDIA_DOCKER_MANIFEST, -EBADMSG, "mediaType and Content-Type differ");
	document_is(MANIFEST("\"mediaType\":7,"), "", -EBADMSG, "a mediaType that is no text");
	document_is(MANIFEST("\"manifests\":[],"), "", -EBADMSG, "both layers and manifests");
	document_is("{\"schemaVersion\":2,\"manifests\":[],\"config\":{}}", "", -EBADMSG,
		    "both config and manifests");
	document_is("{\"schemaVersion\":2,\"layers\":[],\"layers\":[]}", "", -EBADMSG,
		    "a key that stands twice");
	document_is("{\"schemaVersion\":1,\"fsLayers\":[]}", "", -ENOTSUP, "schema 1");
	document_is("{\"layers\":[]}", "", -EBADMSG, "no schemaVersion");
	document_is("{\"manifests\":[]}", "", OCI_TYPE_INDEX,
		    "an index as Docker archives have it");
	document_is("{\"schemaVersion\":3,\"manifests\":[]}", "", -EBADMSG, "of another version");
	document_is("[]", "", -EBADMSG, "no object");
}

static void manifest_is(const char *text, int want, const char *what)
{
	struct oci_manifest manifest;
	struct err err = { 0 };
	int r = oci_manifest_parse(str_from(text), (struct str){ 0 }, &arena, &manifest, &err);

	if (!is_int(r, want, "%s", what))
		note("%s", err_text(&err));
}

static void test_manifest(void)
{
#define WITH(config, layer) "{\"schemaVersion\":2,\"config\":" config ",\"layers\":[" layer "]}"
	manifest_is(WITH(CONFIG_DESC, LAYER_DESC), 0, "a manifest");
	manifest_is(WITH(CONFIG_DESC, DESC(OCI_MEDIA_DOCKER_LAYER, SHA, "9")), 0, "Docker's layer");
	manifest_is(WITH(CONFIG_DESC, DESC("application/x-thing", SHA, "9")), -ENOTSUP,
		    "a layer of another kind");
	manifest_is(WITH(DESC("application/x-thing", SHA, "9"), LAYER_DESC), -ENOTSUP,
		    "an artifact is no image");
	manifest_is(WITH(CONFIG_DESC, DESC(OCI_MEDIA_LAYER_TAR, "sha256:" HEX64 "/../x", "9")),
		    -EBADMSG, "a digest that is a path");
	manifest_is(WITH(CONFIG_DESC, DESC(OCI_MEDIA_LAYER_TAR, "SHA256:" HEX64, "9")), -EBADMSG,
		    "a digest in capitals");
	manifest_is(WITH(CONFIG_DESC, DESC(OCI_MEDIA_LAYER_TAR, SHA, "-1")), -EBADMSG,
		    "a negative size");
	manifest_is(WITH(CONFIG_DESC, DESC(OCI_MEDIA_LAYER_TAR, SHA, "1.5")), -EBADMSG,
		    "a size with a fraction");
	manifest_is(WITH(CONFIG_DESC, DESC(OCI_MEDIA_LAYER_TAR, SHA, "9223372036854775808")),
		    -EBADMSG, "a size of 2^63");
	manifest_is(WITH(CONFIG_DESC, DESC("no type", SHA, "9")), -EBADMSG, "no media type");
	manifest_is(WITH(DESC(OCI_MEDIA_CONFIG, SHA, "5000000"), LAYER_DESC), -EFBIG,
		    "a config of 5 MB");
	manifest_is("{\"schemaVersion\":2,\"config\":" CONFIG_DESC ",\"layers\":{}}", -EBADMSG,
		    "layers that are no list");
}

/* An index of five manifests whose sizes are 1 to 5; the last is no image but a statement on one.
 */
static void write_index(struct buf *out)
{
	static const struct {
		const char *machine, *more, *annotations;
	} rows[] = {
		{ "amd64", "", "" },
		{ "arm", ",\"variant\":\"v6\"", "" },
		{ "arm", ",\"variant\":\"v7\"", "" },
		{ "arm64", ",\"variant\":\"v8\"", "" },
		{ "riscv64", "",
		  ",\"annotations\":{\"vnd.docker.reference.type\":\"attestation-manifest\"}" },
	};

	buf_printf(out, "{\"schemaVersion\":2,\"manifests\":[");
	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		buf_printf(out,
			   "%s{\"mediaType\":\"" OCI_MEDIA_MANIFEST "\",\"digest\":\"" SHA
			   "\",\"size\":%zu,\"platform\":{\"os\":\"linux\","
			   "\"architecture\":\"%s\"%s}%s}",
			   i ? "," : "", i + 1, rows[i].machine, rows[i].more, rows[i].annotations);
	buf_printf(out, "]}");
}

static const char *choose(const char *os, const char *machine, const char *variant)
{
	OWN(buf_done) struct buf text = { 0 };
	static char result[ERR_TEXT_MAX];
	struct oci_platform wanted = { os, machine, variant };
	const struct oci_descriptor *choice;
	struct oci_index index;
	struct err err = { 0 };

	buf_init(&text, 4096);
	write_index(&text);
	if (oci_index_parse(buf_str(&text), STR(OCI_MEDIA_INDEX), &arena, &index, &err) < 0 ||
	    oci_index_choose(&index, &wanted, &choice, &err) < 0)
		snprintf(result, sizeof(result), "%s", err.text);
	else
		snprintf(result, sizeof(result), "%d", (int)choice->size);
	return result;
}

static void test_choose(void)
{
	is_text(choose("linux", "amd64", ""), "1", "amd64");
	is_text(choose("linux", "arm", "v7"), "3", "the variant itself");
	is_text(choose("linux", "arm", "v8"), "3", "the highest variant below");
	is_text(choose("linux", "arm", "v6"), "2", "never a higher one");
	is_text(choose("linux", "arm64", ""), "4", "v8 is what arm64 means");
	is_text(choose("linux", "riscv64", ""),
		"the image has no build for linux/riscv64; it has: linux/amd64, linux/arm/v6, "
		"linux/arm/v7, linux/arm64",
		"an attestation is no image, and the error lists what there is");
	is_text(choose("linux", "arm", "v5"),
		"the image has no build for linux/arm/v5; it has: linux/amd64, linux/arm/v6, "
		"linux/arm/v7, linux/arm64",
		"no variant that the machine cannot run");
}

static const char config_text[] =
	"{\"created\":\"2026-01-02T03:04:05Z\",\"architecture\":\"amd64\",\"os\":\"linux\","
	"\"config\":{\"User\":\"1:2\",\"ExposedPorts\":{\"80/tcp\":{}},\"Env\":[\"A=b\"],"
	"\"Entrypoint\":[\"/bin/x\"],\"Cmd\":[\"-f\",\"\xc3\xa9\"],"
	"\"Healthcheck\":{\"Test\":[\"CMD\",\"true\"],\"Interval\":1000000000,\"Retries\":3},"
	"\"Volumes\":{\"/data\":{}},\"WorkingDir\":\"/w\",\"Labels\":{\"a\":\"b\"},"
	"\"StopSignal\":\"SIGINT\"},"
	"\"rootfs\":{\"type\":\"layers\",\"diff_ids\":[\"" SHA "\"]},"
	"\"history\":[{\"created_by\":\"x\",\"empty_layer\":true},{\"created_by\":\"y\"}]}";

static void test_config(void)
{
	struct image image;
	struct err err = { 0 };
	struct buf out;

	is_int(oci_config_parse(str_from(config_text), &arena, &image, &err), 0, "a config");
	is_text(image.user, "1:2", "user");
	ok(image.cmd.count == 2 && !strcmp(image.cmd.items[1], "\xc3\xa9"), "command");
	is_text(image.exposed_ports.items[0], "80/tcp", "ports");
	is_text(image.volumes.items[0], "/data", "volumes");
	is_text(image.labels.items[0].value, "b", "labels");
	ok(image.health.retries == 3 && image.health.interval_ns == 1000000000, "health check");
	ok(image.history_count == 2 && image.history[0].empty_layer, "history");
	buf_init(&out, OCI_DOCUMENT_MAX);
	is_int(oci_config_write(&image, &out, &err), 0, "written");
	is_text(buf_text(&out), config_text, "as it was");
	buf_done(&out);
}

static void config_is(const char *text, int want, const char *what)
{
	struct image image;
	struct err err = { 0 };
	int r = oci_config_parse(str_from(text), &arena, &image, &err);

	if (!is_int(r, want, "%s", what))
		note("%s", err_text(&err));
}

static void test_bad_config(void)
{
#define ROOTFS ",\"rootfs\":{\"type\":\"layers\",\"diff_ids\":[]}}"
#define BASE   "{\"os\":\"linux\",\"architecture\":\"amd64\""
	config_is(BASE ROOTFS, 0, "the least a config can have");
	config_is(BASE ",\"config\":null" ROOTFS, 0, "config: null");
	config_is(BASE ",\"config\":{\"Cmd\":null,\"Labels\":null,\"Volumes\":null}" ROOTFS, 0,
		  "null for nothing");
	config_is(BASE "}", -EBADMSG, "no rootfs");
	config_is("{\"os\":\"linux\"" ROOTFS, -EBADMSG, "no architecture");
	config_is(BASE ",\"config\":{\"Cmd\":\"x\"}" ROOTFS, -EBADMSG, "a command that is a text");
	config_is(BASE ",\"config\":{\"Env\":[1]}" ROOTFS, -EBADMSG, "an environment of numbers");
	config_is(BASE ",\"config\":{\"User\":0}" ROOTFS, -EBADMSG, "a user that is a number");
	config_is(BASE ",\"config\":{\"Labels\":{\"a\":1}}" ROOTFS, -EBADMSG, "a label's number");
	config_is(BASE ",\"rootfs\":{\"type\":\"layers\",\"diff_ids\":[\"x\"]}}", -EBADMSG,
		  "a diffID that is none");
	config_is(BASE ",\"config\":{\"Healthcheck\":{\"Interval\":-1}}" ROOTFS, -EBADMSG,
		  "a negative interval");
}

static void test_image(void)
{
	struct oci_manifest manifest;
	struct image image;
	struct buf out;

	is_int(oci_manifest_parse(STR(MANIFEST("")), (struct str){ 0 }, &arena, &manifest, NULL), 0,
	       "a manifest");
	is_int(oci_image_parse(&manifest, str_from(config_text), &arena, &image, NULL), 0,
	       "with its config");
	ok(image.layer_count == 1 && image.layers[0].size == 9, "the layer has its size");
	is_int(oci_image_parse(&manifest, STR(BASE ROOTFS), &arena, &image, NULL), -EBADMSG,
	       "fewer diff_ids than layers");
	buf_init(&out, OCI_DOCUMENT_MAX);
	is_int(oci_manifest_write(&image, &out, NULL), 0, "written");
	is_text(buf_text(&out), MANIFEST("\"mediaType\":\"" OCI_MEDIA_MANIFEST "\","), "as it was");
	image.layer_count = 0;
	buf_clear(&out);
	is_int(oci_manifest_write(&image, &out, NULL), 0, "an image of metadata alone");
	is_int(str_find(buf_str(&out), '[') + 1, str_find(buf_str(&out), ']'),
	       "its manifest has no layers");
	buf_done(&out);
}

static void test_platform(void)
{
	struct oci_platform platform;

	is_int(oci_platform_parse(STR("linux/arm64/v8"), &arena, &platform, NULL), 0, "a platform");
	is_text(platform.variant, "v8", "its variant");
	is_int(oci_platform_parse(STR("linux"), &arena, &platform, NULL), -EINVAL, "only an os");
	is_int(oci_platform_parse(STR("linux//x"), &arena, &platform, NULL), -EINVAL, "a gap");
	is_int(oci_platform_parse(STR("a/b/c/d"), &arena, &platform, NULL), -EINVAL, "four parts");
	is_text(oci_platform_own().os, "linux", "our own");
}

int main(void)
{
	arena_init(&arena, 16 << 20);
	test_reference();
	test_familiar();
	test_confusion();
	test_manifest();
	test_choose();
	test_config();
	test_bad_config();
	test_image();
	test_platform();
	arena_done(&arena);
	return tap_done();
}
