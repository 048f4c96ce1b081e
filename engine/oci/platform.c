/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Platforms: which entry of an index this machine can run. Pure; runs in the pull and load roles.
 */
#include "engine/oci/oci.h"

#include <errno.h>
#include <string.h>
#include <sys/utsname.h>

struct oci_platform oci_platform_own(void)
{
	struct oci_platform own = { .os = "linux", .architecture = "amd64", .variant = "" };
	struct utsname name;

	if (uname(&name) == 0 && strcmp(name.machine, "aarch64") == 0)
		own.architecture = "arm64";
	return own;
}

int oci_platform_parse(struct str text, struct arena *arena, struct oci_platform *ret_platform,
		       struct err *err)
{
	const char *parts[3] = { "", "", "" };
	struct str rest = text, part;
	char shown[80];
	size_t n = 0;

	while (str_cut(&rest, '/', &part)) {
		bool good = n < 3 && part.len > 0 && part.len <= 32;

		for (size_t i = 0; good && i < part.len; i++) {
			char c = part.ptr[i];

			good = (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') ||
			       (c && strchr("_.-", c));
		}
		if (!good) {
			n = 0;
			break;
		}
		parts[n] = arena_text(arena, part);
		if (!parts[n++])
			return err_set(err, -ENOMEM, "no memory for a platform");
	}
	if (n < 2) {
		str_escape(text, shown, sizeof(shown));
		return err_set(err, -EINVAL, "platform \"%s\" is not os/architecture[/variant]",
			       shown);
	}
	*ret_platform = (struct oci_platform){ parts[0], parts[1], parts[2] };
	return 0;
}

/* "v7" -> 7; 0 for none or something else. */
static unsigned variant_number(const char *variant)
{
	uint64_t number;

	if (variant[0] != 'v' || str_to_u64(str_from(variant + 1), 1, 99, &number) < 0)
		return 0;
	return (unsigned)number;
}

/* How well an entry fits: 0 = not at all, the more the better. */
static unsigned score(const struct oci_descriptor *desc, const struct oci_platform *wanted)
{
	const struct oci_platform *has = &desc->platform;
	unsigned want, have;

	if (!desc->has_platform || desc->attestation || strcmp(has->os, wanted->os) != 0 ||
	    strcmp(has->architecture, wanted->architecture) != 0)
		return 0;
	if (strcmp(has->variant, wanted->variant) == 0)
		return 1000;
	want = variant_number(wanted->variant);
	have = variant_number(has->variant);
	if (have && want && have < want)
		return 100 + have;
	if (!has->variant[0])
		return 50;
	/* A variant that was not asked for: amd64/v1 is any amd64, arm without a wish is v7. */
	return wanted->variant[0] ? 0 : 40 - (have < 39 ? have : 39);
}

static void list_platforms(const struct oci_index *index, struct buf *out)
{
	for (uint32_t i = 0; i < index->count; i++) {
		const struct oci_descriptor *desc = &index->manifests[i];
		char shown[60];
		struct buf one;

		if (!desc->has_platform || desc->attestation)
			continue;
		buf_init(&one, 256);
		buf_printf(&one, "%s/%s%s%s", desc->platform.os, desc->platform.architecture,
			   desc->platform.variant[0] ? "/" : "", desc->platform.variant);
		str_escape(buf_str(&one), shown, sizeof(shown));
		buf_printf(out, "%s%s", out->len ? ", " : "", shown);
		buf_done(&one);
	}
}

int oci_index_choose(const struct oci_index *index, const struct oci_platform *wanted,
		     const struct oci_descriptor **ret_choice, struct err *err)
{
	const struct oci_descriptor *best = NULL;
	unsigned best_score = 0;
	struct buf names;

	for (uint32_t i = 0; i < index->count; i++) {
		unsigned s = score(&index->manifests[i], wanted);

		if (s > best_score) {
			best_score = s;
			best = &index->manifests[i];
		}
	}
	/* An index of one image that says no platform: its config will say it. */
	if (!best && index->count == 1 && !index->manifests[0].has_platform &&
	    !index->manifests[0].attestation)
		best = &index->manifests[0];
	if (best) {
		*ret_choice = best;
		return 0;
	}
	buf_init(&names, 300);
	list_platforms(index, &names);
	err_set(err, -ENOENT, "the image has no build for %s/%s%s%s; it has: %s", wanted->os,
		wanted->architecture, wanted->variant[0] ? "/" : "", wanted->variant,
		names.len ? buf_text(&names) : "none");
	buf_done(&names);
	return -ENOENT;
}
