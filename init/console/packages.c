/* SPDX-License-Identifier: Apache-2.0 */
/*
 * From dpkg's and apk's databases to SPDX. Runs in the console program, which holds no capability.
 * Pure: must never believe that a database of an image is well formed.
 */
#include "init/console/packages.h"
#include <string.h>
#include "init/console/script.h"
#include "lib/own.h"

enum { TEXT_MAX = 512 };

/* ---- databases ---- */

/* Whether `line` is the field, and its value. */
static bool field(struct str line, const char *name, struct str *ret_value)
{
	if (!str_starts(line, str_from(name)))
		return false;
	*ret_value = str_trim(str_skip(line, strlen(name)));
	return true;
}

/* "glibc (2.36-9)" -> "glibc" */
static struct str first_word(struct str text)
{
	ptrdiff_t blank = str_find(text, ' ');

	return blank < 0 ? text : str_head(text, (size_t)blank);
}

static void take_dpkg(struct str line, struct package *package, bool *installed)
{
	struct str value;

	if (field(line, "Package:", &value))
		package->name = value;
	else if (field(line, "Version:", &value))
		package->version = value;
	else if (field(line, "Architecture:", &value))
		package->architecture = value;
	else if (field(line, "Source:", &value))
		package->source = first_word(value);
	else if (field(line, "Status:", &value))
		*installed = str_ends(value, STR(" installed"));
}

static void take_apk(struct str line, struct package *package)
{
	struct str value;

	if (field(line, "P:", &value))
		package->name = value;
	else if (field(line, "V:", &value))
		package->version = value;
	else if (field(line, "A:", &value))
		package->architecture = value;
	else if (field(line, "o:", &value))
		package->source = value;
	else if (field(line, "L:", &value))
		package->license = value;
}

bool packages_next(enum packages_kind kind, struct str *rest, struct package *ret_package)
{
	while (rest->len > 0) {
		struct package package = { 0 };
		bool installed = true;
		struct str line;

		while (str_cut(rest, '\n', &line) && line.len > 0) {
			if (kind == PACKAGES_DPKG)
				take_dpkg(line, &package, &installed);
			else
				take_apk(line, &package);
		}
		if (installed && package.name.len > 0 && package.version.len > 0) {
			*ret_package = package;
			return true;
		}
	}
	return false;
}

struct str packages_release(struct str os_release, const char *key)
{
	size_t len = strlen(key);
	struct str line;

	while (str_cut(&os_release, '\n', &line)) {
		if (!str_starts(line, str_from(key)) || line.len <= len || line.ptr[len] != '=')
			continue;
		line = str_trim(str_skip(line, len + 1));
		if (line.len >= 2 && (line.ptr[0] == '"' || line.ptr[0] == '\'') &&
		    line.ptr[line.len - 1] == line.ptr[0])
			line = str_head(str_skip(line, 1), line.len - 2);
		return line;
	}
	return (struct str){ 0 };
}

/* ---- the document ---- */

/* Printable ASCII only: nothing of it is a command to a terminal. */
static void put(struct buf *out, const char *name, struct str text)
{
	char shown[TEXT_MAX];

	(void)str_escape(str_head(text, TEXT_MAX / 4), shown, sizeof(shown));
	(void)buf_printf(out, "\"%s\": ", name);
	script_put_string(out, str_from(shown));
}

/* What a package URL may hold as it is; the rest as %XX. */
static void put_escaped(struct buf *out, struct str text)
{
	for (size_t i = 0; i < text.len && i < TEXT_MAX; i++) {
		unsigned char c = (unsigned char)text.ptr[i];

		if ((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
		    (c && strchr("._~-", c)))
			(void)buf_add_byte(out, c);
		else
			(void)buf_printf(out, "%%%02X", c);
	}
}

/* pkg:deb/debian/libc6@2.36-9?arch=amd64&distro=debian-12 */
static void put_purl(const struct packages_document *document, const struct package *package,
		     struct buf *out)
{
	bool dpkg = document->kind == PACKAGES_DPKG;
	struct str id = packages_release(document->os_release, "ID");
	struct str version = packages_release(document->os_release, "VERSION_ID");

	(void)buf_printf(out, "pkg:%s/", dpkg ? "deb" : "apk");
	put_escaped(out, id.len ? id : dpkg ? STR("debian") : STR("alpine"));
	(void)buf_add_text(out, "/");
	put_escaped(out, package->name);
	(void)buf_add_text(out, "@");
	put_escaped(out, package->version);
	(void)buf_add_text(out, "?arch=");
	put_escaped(out, package->architecture);
	if (id.len && version.len) {
		(void)buf_add_text(out, "&distro=");
		put_escaped(out, id);
		(void)buf_add_text(out, "-");
		put_escaped(out, version);
	}
}

static void put_package(const struct packages_document *document, const struct package *package,
			unsigned number, struct buf *out)
{
	(void)buf_printf(out, ",\n    {\"SPDXID\": \"SPDXRef-Package-%u\", ", number);
	put(out, "name", package->name);
	(void)buf_add_text(out, ", ");
	put(out, "versionInfo", package->version);
	(void)buf_add_text(out,
			   ", \"downloadLocation\": \"NOASSERTION\", \"filesAnalyzed\": false, "
			   "\"licenseConcluded\": \"NOASSERTION\", \"licenseDeclared\": "
			   "\"NOASSERTION\", \"copyrightText\": \"NOASSERTION\", ");
	if (package->license.len) {
		put(out, "licenseComments", package->license);
		(void)buf_add_text(out, ", ");
	}
	if (package->source.len) {
		put(out, "sourceInfo", package->source);
		(void)buf_add_text(out, ", ");
	}
	(void)buf_add_text(out, "\"externalRefs\": [{\"referenceCategory\": \"PACKAGE-MANAGER\", "
				"\"referenceType\": \"purl\", \"referenceLocator\": \"");
	put_purl(document, package, out);
	(void)buf_add_text(out, "\"}]}");
}

static void put_head(const struct packages_document *document, struct buf *out)
{
	struct str digest = str_from(document->digest);

	(void)buf_add_text(out, "{\n  \"spdxVersion\": \"SPDX-2.3\",\n  \"dataLicense\": "
				"\"CC0-1.0\",\n  \"SPDXID\": \"SPDXRef-DOCUMENT\",\n  ");
	put(out, "name", str_from(document->image));
	(void)buf_printf(out, ",\n  \"documentNamespace\": \"https://hoy.invalid/sbom/");
	put_escaped(out, digest);
	(void)buf_add_text(out, "\",\n  \"creationInfo\": {");
	put(out, "created", str_from(document->created));
	(void)buf_add_text(out, ", \"creators\": [\"Tool: hoy-" HOY_VERSION "\"]},\n"
				"  \"packages\": [\n    {\"SPDXID\": \"SPDXRef-Image\", ");
	put(out, "name", str_from(document->image));
	(void)buf_add_text(out, ", ");
	put(out, "versionInfo", digest);
	(void)buf_add_text(out,
			   ", \"downloadLocation\": \"NOASSERTION\", \"filesAnalyzed\": false, "
			   "\"primaryPackagePurpose\": \"CONTAINER\"}");
}

int packages_spdx(const struct packages_document *document, struct buf *out, unsigned *ret_count)
{
	struct str rest = document->database;
	struct package package;
	unsigned count = 0;

	put_head(document, out);
	while (packages_next(document->kind, &rest, &package))
		put_package(document, &package, ++count, out);
	(void)buf_add_text(out, "\n  ],\n  \"relationships\": [\n    {\"spdxElementId\": "
				"\"SPDXRef-DOCUMENT\", \"relationshipType\": \"DESCRIBES\", "
				"\"relatedSpdxElement\": \"SPDXRef-Image\"}");
	for (unsigned i = 1; i <= count; i++)
		(void)buf_printf(out,
				 ",\n    {\"spdxElementId\": \"SPDXRef-Image\", "
				 "\"relationshipType\": \"CONTAINS\", \"relatedSpdxElement\": "
				 "\"SPDXRef-Package-%u\"}",
				 i);
	(void)buf_add_text(out, "\n  ]\n}\n");
	*ret_count = count;
	return buf_error(out);
}
