/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HOY_LIB_INI_H
#define HOY_LIB_INI_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "lib/arena.h"
#include "lib/buf.h"
#include "lib/err.h"
#include "lib/str.h"

/*
 * INI files read through inih with a pre-scan (columns, over-long lines and section names), held
 * against one schema table per daemon, merged over layers. Nothing is lost by bad input: each
 * mistake becomes one struct ini_issue, the section it stands in is marked bad, all else is kept.
 *
 * A section head is "[kind]" or "[kind name]". Within one file a repeated key appends (list keys)
 * or is an error (others); an empty value resets it to the default. A key of a later file or layer
 * replaces the earlier one's.
 */
enum ini_type {
	INI_TYPE_TEXT,	   /* min..max = length in bytes */
	INI_TYPE_NAME,	   /* [a-zA-Z0-9][a-zA-Z0-9_.-]*, min..max = length */
	INI_TYPE_UINT,	   /* min..max = value */
	INI_TYPE_BOOL,	   /* yes|no|true|false|1|0 */
	INI_TYPE_SIZE,	   /* 64m, 1g ...; min..max = bytes */
	INI_TYPE_DURATION, /* 30s, 1m30s, 500ms; min..max = milliseconds */
	INI_TYPE_DECIMAL,  /* 0.5 in thousandths; min..max = thousandths */
	INI_TYPE_ENUM,	   /* `choices`: "no|always|on-failure" */
	INI_TYPE_PATH,	   /* absolute path, no NUL, max = length */
	INI_TYPE_COMMAND,  /* JSON array of strings or a shell form: kept as text */
};

/* min = max = 0 means that there are no bounds. */

struct ini_key {
	const char *section; /* kind, e.g. "service" */
	const char *key;     /* may end in ".*" for free-form sub-keys, e.g. "labels.*" */
	enum ini_type type;
	bool list; /* may be repeated: values append */
	int64_t min, max;
	const char *def;     /* default as it would be written, NULL = unset */
	const char *choices; /* INI_TYPE_ENUM only */
	const char *unit;    /* for messages and man pages, NULL = none */
	const char *help;    /* one line for the console and the man page */
	/* Extra check of one value, or NULL: 0, or fills err with what was expected. */
	int (*check)(struct str value, struct err *err);
};

struct ini_schema {
	const char
		*file; /* "services": read from services.ini and services.d/ *.ini of each layer */
	const struct ini_key *keys;
	size_t count;
	/* Kinds whose sections need a name, a NULL behind them; those of the others have none. NULL
	 * = either way. */
	const char *const *named;
};

struct ini_value {
	struct ini_value *next; /* next value of the same key, in file order */
	struct str text;
	const char *file; /* as shown to the user, e.g. "config:services.ini" */
	uint32_t line, column;
};

struct ini_entry {
	struct ini_entry *next;
	const struct ini_key *key;
	const char *name;	  /* the key as written (differs from key->key for ".*") */
	struct ini_value *values; /* at least one */
	unsigned layer;
	unsigned text; /* which of the texts that were added they come from */
};

struct ini_section {
	struct ini_section *next;
	const char *kind;
	const char *name; /* "" for "[kind]" */
	const char *file; /* where it was first opened */
	uint32_t line, column;
	bool bad; /* an issue was found in it: its owner refuses it */
	struct ini_entry *entries;
};

struct ini_issue {
	struct ini_issue *next;
	const char *text; /* "config:services.ini:7:1: unknown key 'prots' in [service web]; ..." */
	const char *kind, *name; /* the section concerned, "" if none */
};

struct ini_config {
	struct arena arena;
	struct ini_section *sections; /* in order of first appearance */
	struct ini_issue *issues;
	unsigned issue_count;
	unsigned layers;
	size_t text_bytes; /* read so far, of all layers */
	unsigned texts;
	unsigned section_count, value_count;
};

void ini_init(struct ini_config *config);
void ini_done(struct ini_config *config);

/*
 * Adds one file's text as part of layer `layer` (0 = weakest; calls come in ascending order).
 * `shown` is the file name for messages. Returns 0 also when there were issues; a negative errno
 * only when memory or the cap of 1 MiB of text ran out.
 */
int ini_add_text(struct ini_config *config, const struct ini_schema *schema, unsigned layer,
		 const char *shown, struct str text, struct err *err);

/* Where a line of a text that was made out of `shown` comes from. */
struct ini_spot {
	const char *file; /* lives as long as the configuration; NULL = shown */
	uint32_t line, column;
};

/* The same for such a text: spots[i] is the place of its line i (from 0) in all that is said. */
int ini_add_made(struct ini_config *config, const struct ini_schema *schema, unsigned layer,
		 const char *shown, struct str text, const struct ini_spot *spots, size_t count,
		 struct err *err);

/*
 * Reads FILE.ini and FILE.d/ *.ini (lexical order) of each layer directory below dirfd; layers are
 * the sub-directories in lexical order ("10-image", "20-data", "30-media", "40-cmdline"), shown as
 * "image:services.ini" and so on. Missing files are fine; an unreadable one is an issue.
 */
int ini_load(struct ini_config *config, const struct ini_schema *schema, int dirfd,
	     struct err *err);

/* Records an issue found by a later check (an unknown network ...) at the place of `value`. */
void ini_complain(struct ini_config *config, struct ini_section *section,
		  const struct ini_value *value, const char *fmt, ...)
	__attribute__((format(printf, 4, 5)));

const struct ini_section *ini_find(const struct ini_config *config, const char *kind,
				   const char *name);
/* The first value of a key in the section; NULL when it is not set and has no default. */
const struct ini_value *ini_get(const struct ini_schema *schema, const struct ini_section *section,
				const char *key);
/* Typed access with the schema's default; the value was checked when it was read. */
const char *ini_text(const struct ini_schema *schema, const struct ini_section *section,
		     const char *key); /* "" when unset; NUL-terminated, lives in the arena */
int64_t ini_number(const struct ini_schema *schema, const struct ini_section *section,
		   const char *key, int64_t unset); /* UINT, BOOL 0/1, SIZE, DURATION, DECIMAL */

/*
 * How `to` differs from `from`, a line for each section: "+ [service new]", "- [service old]",
 * "~ [service web] image ports" with the keys that changed. No values: some are secrets.
 */
int ini_diff(const struct ini_config *from, const struct ini_config *to, struct buf *out);

/* Below the directory of layers: other layers, as somebody would like them to be. */
#define INI_TRY_DIR ".try"

/*
 * What the layers in INI_TRY_DIR below dirfd would be worth in the place of those of dirfd: {u32
 * count, text issue..., text of ini_diff()} into out. check (or NULL) adds what only the owner of
 * the schema knows, by ini_complain().
 */
int ini_try(const struct ini_schema *schema, int dirfd, void (*check)(struct ini_config *config),
	    struct buf *out, struct err *err);

/* The same with another way to load than ini_load(). */
struct ini_trial {
	/* loaded: what is in force, not what stands in the files of today */
	int (*load)(void *owner, struct ini_config *config, int dirfd, bool loaded,
		    struct err *err);
	void (*check)(struct ini_config *config); /* or NULL */
	void *owner;
};
int ini_try_by(const struct ini_trial *trial, int dirfd, struct buf *out, struct err *err);

/* Prints the normal form; parsing it again gives the same configuration. */
int ini_print(const struct ini_schema *schema, const struct ini_config *config, struct buf *out);

#endif
