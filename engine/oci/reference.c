/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Image references after the grammar of distribution/reference. Pure; every role. It must never let
 * a byte through that would need escaping in a URL path or a file name.
 */
#include "engine/oci/reference.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include "engine/http/url.h"

static bool is_lower(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');
}

static bool is_alnum(char c)
{
	return is_lower(c) || (c >= 'A' && c <= 'Z');
}

/* path-component := [a-z0-9]+ (("." | "_" | "__" | "-"+) [a-z0-9]+)* */
static bool is_component(struct str s)
{
	size_t i = 0;

	while (i < s.len) {
		size_t from = i;

		while (i < s.len && is_lower(s.ptr[i]))
			i++;
		if (i == from)
			return false;
		if (i == s.len)
			return true;
		from = i;
		while (i < s.len && s.ptr[i] == s.ptr[from])
			i++;
		if (s.ptr[from] == '.'	 ? i - from > 1
		    : s.ptr[from] == '_' ? i - from > 2
					 : s.ptr[from] != '-')
			return false;
	}
	return false;
}

static bool is_tag(struct str s)
{
	if (s.len == 0 || s.len >= OCI_TAG_MAX || s.ptr[0] == '.' || s.ptr[0] == '-')
		return false;
	for (size_t i = 0; i < s.len; i++) {
		char c = s.ptr[i];

		if (!is_alnum(c) && c != '_' && c != '.' && c != '-')
			return false;
	}
	return true;
}

/* The first component is a domain when it looks like a host, as Docker decides it. */
static bool looks_like_domain(struct str s)
{
	if (str_is(s, "localhost"))
		return true;
	for (size_t i = 0; i < s.len; i++) {
		char c = s.ptr[i];

		if (c == '.' || c == ':' || c == '[' || (c >= 'A' && c <= 'Z'))
			return true;
	}
	return false;
}

static int refuse(struct str text, const char *what, struct err *err)
{
	char shown[120];

	str_escape(text, shown, sizeof(shown));
	return err_set(err, -EINVAL, "image reference \"%s\": %s", shown, what);
}

static int parse_domain(struct str text, struct str s, struct oci_reference *ref, struct err *err)
{
	char host[URL_HOST_MAX];
	uint16_t port;
	bool ip6;

	if (url_parse_host(s, host, &port, &ip6, NULL) < 0 || str_find(s, '_') >= 0)
		return refuse(text, "the registry in front of the first '/' is no host[:port]",
			      err);
	if (port)
		snprintf(ref->domain, sizeof(ref->domain), ip6 ? "[%s]:%u" : "%s:%u", host,
			 (unsigned)port);
	else
		snprintf(ref->domain, sizeof(ref->domain), ip6 ? "[%s]" : "%s", host);
	/* In capitals alone it would be a user of Docker Hub once it is in lower case. */
	if (!looks_like_domain(str_from(ref->domain)))
		return refuse(text, "names are in lower case, a registry has a '.' or a port", err);
	if (strcmp(ref->domain, "index.docker.io") == 0)
		snprintf(ref->domain, sizeof(ref->domain), "docker.io");
	return 0;
}

static int parse_path(struct str text, struct str path, struct oci_reference *ref, struct err *err)
{
	struct str rest = path, part;
	uint8_t hash[32];
	int n;

	if (path.len == 0)
		return refuse(text, "it has no name", err);
	while (str_cut(&rest, '/', &part)) {
		if (!is_component(part))
			return refuse(text,
				      "each part of a name is lower-case letters and digits, "
				      "joined by one of . _ __ -",
				      err);
	}
	if (strcmp(ref->domain, "docker.io") == 0 && str_find(path, '/') < 0) {
		if (str_unhex(path, hash, sizeof(hash)) == 0)
			return refuse(text, "64 hexadecimal digits are an id, not a name", err);
		n = snprintf(ref->path, sizeof(ref->path), "library/%.*s", STR_ARG(path));
	} else {
		n = snprintf(ref->path, sizeof(ref->path), "%.*s", STR_ARG(path));
	}
	if ((size_t)n + strlen(ref->domain) + 1 > 255)
		return refuse(text, "registry and name are over 255 bytes", err);
	return 0;
}

int oci_reference_parse(struct str text, struct oci_reference *ret_ref, struct err *err)
{
	struct oci_reference ref = { .domain = "docker.io" };
	struct str name = text, tag = { 0 };
	ptrdiff_t at = str_find(text, '@'), slash;
	int r;

	if (text.len == 0 || text.len >= OCI_REFERENCE_MAX)
		return refuse(text, text.len ? "it is too long" : "it is empty", err);
	if (at >= 0) {
		if (digest_parse(str_skip(text, (size_t)at + 1), &ref.digest, NULL) < 0)
			return refuse(text, "behind '@' comes sha256: and 64 hexadecimal digits",
				      err);
		ref.has_digest = true;
		name = str_head(text, (size_t)at);
	}
	slash = str_find(name, '/');
	if (slash >= 0 && looks_like_domain(str_head(name, (size_t)slash))) {
		r = parse_domain(text, str_head(name, (size_t)slash), &ref, err);
		if (r < 0)
			return r;
		name = str_skip(name, (size_t)slash + 1);
	}
	if (str_find(name, ':') >= 0) {
		tag = str_skip(name, (size_t)str_find(name, ':') + 1);
		name = str_head(name, name.len - tag.len - 1);
		if (!is_tag(tag))
			return refuse(text,
				      "a tag is 1 to 128 letters, digits, _ . - and starts with a "
				      "letter, digit or _",
				      err);
	} else if (!ref.has_digest) {
		tag = STR("latest");
	}
	str_copy(tag, ref.tag, sizeof(ref.tag));
	r = parse_path(text, name, &ref, err);
	if (r < 0)
		return r;
	*ret_ref = ref;
	return 0;
}

static const char *print(const char *domain, const char *path, const struct oci_reference *ref,
			 char dst[OCI_REFERENCE_MAX])
{
	char digest[DIGEST_TEXT_MAX] = "";

	if (ref->has_digest)
		digest_text(&ref->digest, digest);
	snprintf(dst, OCI_REFERENCE_MAX, "%s%s%s%s%s%s%s", domain, domain[0] ? "/" : "", path,
		 ref->tag[0] ? ":" : "", ref->tag, digest[0] ? "@" : "", digest);
	return dst;
}

const char *oci_reference_print(const struct oci_reference *ref, char dst[OCI_REFERENCE_MAX])
{
	return print(ref->domain, ref->path, ref, dst);
}

const char *oci_reference_familiar(const struct oci_reference *ref, char dst[OCI_REFERENCE_MAX])
{
	struct str path = str_from(ref->path), first = path;
	ptrdiff_t slash = str_find(path, '/');

	if (slash >= 0)
		first = str_head(path, (size_t)slash);
	/* Where the short form would be read as something else, the long one stays. */
	if (strcmp(ref->domain, "docker.io") != 0 || (slash >= 0 && looks_like_domain(first)))
		return print(ref->domain, ref->path, ref, dst);
	if (str_is(first, "library") && str_find(str_skip(path, 8), '/') < 0)
		path = str_skip(path, 8);
	return print("", path.ptr, ref, dst);
}

int oci_reference_normalise(struct str text, char dst[OCI_REFERENCE_MAX], struct err *err)
{
	struct oci_reference ref;
	int r = oci_reference_parse(text, &ref, err);

	if (r == 0)
		oci_reference_print(&ref, dst);
	return r;
}

const char *oci_reference_host(const struct oci_reference *ref)
{
	if (strcmp(ref->domain, "docker.io") == 0)
		return "registry-1.docker.io";
	return ref->domain;
}
