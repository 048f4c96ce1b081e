/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Tab: what may stand where the cursor is, out of the command table, the key table and what the
 * engine has. Runs in the console program. Must never keep a person waiting for a daemon that does
 * not answer.
 */
#include <stdio.h>
#include <string.h>
#include "engine/api/engine_msg.h"
#include "engine/api/view_msg.h"
#include "init/console/alias.h"
#include "init/console/console.h"
#include "init/console/name_words.h"
#include "lib/own.h"
#include "netd/api/netd_msg.h"

enum {
	CANDIDATE_MAX = 200,
	CANDIDATES_MAX = 128,
	COMPLETE_WAIT_MS = 2000,
	COMPLETE_LIST_MAX = 4096
};

struct candidates {
	char names[CANDIDATES_MAX][CANDIDATE_MAX];
	size_t count;
};

static void offer(struct candidates *all, struct str name, struct str prefix)
{
	for (size_t i = 0; i < all->count; i++)
		if (str_is(name, all->names[i]))
			return;
	if (all->count < CANDIDATES_MAX && name.len && str_starts(name, prefix) &&
	    str_copy(name, all->names[all->count], CANDIDATE_MAX) >= 0)
		all->count++;
}

static void offer_words(struct candidates *all, const char *const *names, struct str prefix)
{
	for (; *names; names++)
		offer(all, str_from(*names), prefix);
}

/* ---- names that the engine knows ---- */

/* The words of a reply, one after the other, as they are typed. */
struct listing {
	enum name_kind kind;
	struct str typed;
	const char *tail; /* behind each name */
	struct candidates *all;
	struct str prefix;
};

static void list_one(const struct listing *listing, struct str name)
{
	char text[CANDIDATE_MAX];

	for (size_t i = 0; i < name.len; i++) /* no byte of an image's may reach the screen */
		if (name.ptr[i] <= ' ' || name.ptr[i] > '~')
			return;
	if (snprintf(text, sizeof(text), "%.*s%s", STR_ARG(name), listing->tail) <
	    (int)sizeof(text))
		offer(listing->all, str_from(text), listing->prefix);
}

static void list_row(const struct listing *listing, struct wire *in)
{
	struct engine_row row;

	engine_row_get(in, &row);
	if (!in->error && (listing->kind == NAME_KIND_CONTAINER || row.declared))
		list_one(listing, str_from(row.name));
}

static void list_thing(const struct listing *listing, struct wire *in)
{
	struct engine_image image;
	struct engine_volume volume;
	struct engine_network network;

	switch (listing->kind) {
	case NAME_KIND_NONE:
		break;
	case NAME_KIND_CONTAINER:
	case NAME_KIND_SERVICE:
		list_row(listing, in);
		break;
	case NAME_KIND_IMAGE:
		engine_image_get(in, &image);
		if (!in->error)
			list_one(listing, name_of_image(str_from(image.reference), listing->typed));
		break;
	case NAME_KIND_NETWORK:
		engine_network_get(in, &network);
		if (!in->error)
			list_one(listing, network.name);
		break;
	case NAME_KIND_VOLUME:
		engine_volume_get(in, &volume);
		if (!in->error)
			list_one(listing, volume.name);
		break;
	}
}

static void offer_names(struct console *console, const struct listing *listing)
{
	static const uint16_t calls[] = {
		[NAME_KIND_CONTAINER] = ENGINE_MSG_PS,	 [NAME_KIND_SERVICE] = ENGINE_MSG_PS,
		[NAME_KIND_IMAGE] = ENGINE_MSG_IMAGES,	 [NAME_KIND_NETWORK] = ENGINE_MSG_NETWORKS,
		[NAME_KIND_VOLUME] = ENGINE_MSG_VOLUMES,
	};
	struct msg reply OWN(msg_done) = { 0 };
	struct wire in;
	uint32_t count;

	if (listing->kind == NAME_KIND_NONE ||
	    console_call_within(console, CONSOLE_SERVER_ENGINE, calls[listing->kind], STR(""),
				COMPLETE_WAIT_MS, &reply, NULL) < 0)
		return;
	wire_init(&in, reply.body.ptr, reply.body.len);
	count = wire_count(&in, COMPLETE_LIST_MAX);
	for (uint32_t i = 0; i < count && !in.error; i++)
		list_thing(listing, &in);
}

static void offer_kind(struct console *console, enum name_kind kind, struct candidates *all,
		       struct str prefix)
{
	const struct listing listing = { kind, prefix, "", all, prefix };

	offer_names(console, &listing);
}

/* ---- `config set` ---- */

/* What it can change: words of the INI files, behind what is typed of them. */
struct key_offers {
	struct candidates *all;
	struct str typed; /* with a quote in front, where there is one */
	size_t known;	  /* of it, without */
};

static void offer_key(void *owner, struct str word)
{
	const struct key_offers *offers = owner;
	char name[CANDIDATE_MAX];

	if (snprintf(name, sizeof(name), "%.*s%.*s", STR_ARG(offers->typed),
		     STR_ARG(str_skip(word, offers->known))) < (int)sizeof(name))
		offer(offers->all, str_from(name), offers->typed);
}

/* Names that are a key's value, or a section's own: "service we". */
static void offer_key_names(struct console *console, const struct key_spot *spot,
			    struct candidates *all, struct str prefix)
{
	struct listing listing = { NAME_KIND_NONE, spot->prefix, "", all, prefix };
	struct str typed = spot->prefix, kind;

	if (spot->place == KEY_PLACE_KIND && str_cut(&typed, ' ', &kind) &&
	    kind.len < spot->prefix.len && str_is(kind, "service")) {
		listing.kind = NAME_KIND_SERVICE;
		listing.tail = "\"";
	} else if (spot->place == KEY_PLACE_VALUE) {
		listing.kind = name_kind_of_key(spot->kind, spot->key);
		listing.tail = listing.kind == NAME_KIND_VOLUME ? ":" : "";
	}
	offer_names(console, &listing);
}

/* behind: all that stands behind `config` up to the cursor. */
static bool offer_keys(struct console *console, struct candidates *all, struct str behind,
		       struct str prefix)
{
	struct key_offers offers = { all, prefix, 0 };
	struct key_spot spot;
	struct str verb;

	if (!str_cut(&behind, ' ', &verb) || (!str_is(verb, "set") && !str_is(verb, "unset")))
		return false;
	spot = key_words_command(behind);
	offers.known = spot.prefix.len;
	key_words_at(&spot, offer_key, &offers);
	offer_key_names(console, &spot, all, prefix);
	return true;
}

/* ---- a line ---- */

static void offer_verbs(struct candidates *all, struct str prefix)
{
	for (size_t i = 0; i < console_verb_count; i++)
		offer(all, str_from(console_verbs[i].name), prefix);
	for (size_t i = 0; i < console_alias_count; i++)
		offer(all, str_from(console_aliases[i].name), prefix);
}

/* A word of the help text, which the table's own rows know nothing of. */
struct help_offers {
	struct candidates *all;
	struct str prefix;
};

static void offer_help(void *owner, struct str word)
{
	const struct help_offers *offers = owner;

	offer(offers->all, word, offers->prefix);
}

static void offer_config(struct console *console, struct candidates *all, struct str rest,
			 struct str prefix)
{
	static const char *const words[] = { "show",	  "issues",  "set",	 "unset",
					     "candidate", "diff",    "validate", "apply",
					     "confirm",	  "discard", "rollback", "history",
					     "export",	  "import",  "media",	 "edit",
					     "pin",	  NULL };
	struct str behind = str_make(rest.ptr, (size_t)(prefix.ptr - rest.ptr) + prefix.len);

	if (!rest.len || !offer_keys(console, all, behind, prefix))
		offer_words(all, words, prefix);
}

static const struct verb *verb_of(struct str name)
{
	for (size_t i = 0; i < console_verb_count; i++)
		if (str_is(name, console_verbs[i].name))
			return &console_verbs[i];
	for (size_t i = 0; i < console_alias_count; i++)
		if (str_is(name, console_aliases[i].name))
			return verb_of(str_from(console_aliases[i].words[0]));
	return NULL;
}

/* rest: what stands between the verb and the word of the cursor. */
static void collect_words(struct console *console, const struct verb *verb, struct str rest,
			  struct str prefix, struct candidates *all)
{
	static const char *const units[] = { "init",	"netd",	  "engine", "kernel",
					     "console", "system", NULL };
	static const char *const show[] = { "show", "why", "trace", NULL };
	struct help_offers help = { all, prefix };
	bool first = !str_trim(rest).len;

	if (verb->complete != VERB_COMPLETE_CONFIG)
		name_words_of_help(verb->arguments, first, prefix, offer_help, &help);
	switch (verb->complete) {
	case VERB_COMPLETE_NONE:
		break;
	case VERB_COMPLETE_CONTAINER:
		offer_kind(console, NAME_KIND_CONTAINER, all, prefix);
		break;
	case VERB_COMPLETE_IMAGE:
		offer_kind(console, NAME_KIND_IMAGE, all, prefix);
		break;
	case VERB_COMPLETE_VERB:
		offer_verbs(all, prefix);
		break;
	case VERB_COMPLETE_NETWORK:
		offer_words(all, netd_show_names, prefix);
		if (first)
			offer_words(all, show, prefix);
		break;
	case VERB_COMPLETE_CONFIG:
		offer_config(console, all, rest, prefix);
		break;
	case VERB_COMPLETE_UNIT:
		offer_words(all, units, prefix);
		break;
	}
}

static void collect(struct console *console, struct str before, struct str prefix,
		    struct candidates *all)
{
	struct str rest = before, first = { 0 };
	const struct verb *verb;

	if (!before.len) {
		offer_verbs(all, prefix);
		return;
	}
	(void)str_cut(&rest, ' ', &first);
	verb = verb_of(first);
	if (verb)
		collect_words(console, verb, rest, prefix, all);
}

static size_t common(const struct candidates *all)
{
	size_t len = strlen(all->names[0]);

	for (size_t i = 1; i < all->count; i++) {
		size_t n = 0;

		while (n < len && all->names[i][n] == all->names[0][n])
			n++;
		len = n;
	}
	return len;
}

void console_complete(struct console *console, struct buf *out)
{
	static struct candidates all;
	struct edit *edit = &console->edit;
	struct str before = str_make(edit->line, edit->pos), prefix = before;
	ptrdiff_t blank = -1;
	size_t len;

	for (size_t i = 0; i < before.len; i++)
		blank = before.ptr[i] == ' ' ? (ptrdiff_t)i : blank;
	prefix = str_skip(before, (size_t)(blank + 1));
	before = str_head(before, (size_t)(blank + 1));
	all.count = 0;
	collect(console, before, prefix, &all);
	if (!all.count)
		return;
	len = common(&all);
	if (len > prefix.len)
		edit_insert(edit, all.names[0] + prefix.len, len - prefix.len, out);
	if (all.count == 1) {
		if (len && !strchr(":.=", all.names[0][len - 1])) /* more belongs to it */
			edit_insert(edit, " ", 1, out);
		return;
	}
	if (len > prefix.len)
		return;
	(void)buf_add_text(out, "\r\n");
	for (size_t i = 0; i < all.count; i++)
		(void)buf_printf(out, "%s%s", i ? "  " : "", all.names[i]);
	(void)buf_add_text(out, "\r\n");
	edit_redraw(edit, out);
}
