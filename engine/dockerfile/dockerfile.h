/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HOY_ENGINE_DOCKERFILE_DOCKERFILE_H
#define HOY_ENGINE_DOCKERFILE_DOCKERFILE_H

#include <stdbool.h>
#include <stdint.h>
#include "engine/dockerfile/rules.h"
#include "engine/oci/image.h"
#include "lib/arena.h"
#include "lib/err.h"
#include "lib/str.h"

/*
 * A Dockerfile as a list of instructions (Dockerfile reference, syntax version 1). Parsing is a
 * pure function over bytes: it checks form and flags and expands nothing; dockerfile_expand() does
 * that later, when the environment is known. Every message has line and column.
 */
enum {
	DOCKERFILE_BYTES_MAX = 1 << 20,
	DOCKERFILE_STEPS_MAX = 1024,
	DOCKERFILE_WORDS_MAX = 512,
	DOCKERFILE_WORD_MAX = 64 << 10, /* bytes after expansion */
	DOCKERFILE_MOUNTS_MAX = 64,	/* of one RUN */
};

enum dockerfile_kind {
	DOCKERFILE_KIND_FROM,
	DOCKERFILE_KIND_RUN,
	DOCKERFILE_KIND_CMD,
	DOCKERFILE_KIND_LABEL,
	DOCKERFILE_KIND_EXPOSE,
	DOCKERFILE_KIND_ENV,
	DOCKERFILE_KIND_ADD,
	DOCKERFILE_KIND_COPY,
	DOCKERFILE_KIND_ENTRYPOINT,
	DOCKERFILE_KIND_VOLUME,
	DOCKERFILE_KIND_USER,
	DOCKERFILE_KIND_WORKDIR,
	DOCKERFILE_KIND_ARG,
	DOCKERFILE_KIND_STOPSIGNAL,
	DOCKERFILE_KIND_HEALTHCHECK,
	DOCKERFILE_KIND_SHELL,
	DOCKERFILE_KIND_MAINTAINER,
	DOCKERFILE_KIND_ONBUILD,
};

/*
 * words, by kind (raw: quotes, escapes and $ are still in them, unless json):
 *   FROM          image
 *   RUN CMD ENTRYPOINT SHELL   json: argv; else one word, the shell line
 *   HEALTHCHECK   empty = NONE; else the command as in CMD
 *   COPY ADD      sources..., destination
 *   ENV LABEL     name, value, name, value...
 *   ARG           one "name" or "name=default" for each
 *   EXPOSE VOLUME one word for each
 *   USER WORKDIR STOPSIGNAL MAINTAINER   one word
 *   ONBUILD       the instruction that it keeps, with its here-documents
 */
struct dockerfile_heredoc {
	const char *name, *data; /* data: whole lines, leading tabs gone where "<<-" was written */
	const char *raw;	 /* the lines as they are */
	bool expand;		 /* the name was not quoted */
};

struct dockerfile_step {
	enum dockerfile_kind kind;
	uint32_t line, column; /* 1-based, of the keyword */
	const char *text;      /* the instruction on one line, as written: "RUN apk add curl" */
	struct image_texts words;
	uint32_t *offsets; /* of each word in the file */
	bool json;
	const char *from, *chown, *chmod, *platform; /* flags, raw; "" = not given */
	const char *checksum, *network;
	bool link, parents, keep_git_dir, keep_git_dir_said;
	bool unpack, no_unpack;	     /* ADD --unpack[=false] */
	struct image_texts excludes; /* COPY ADD --exclude */
	struct image_texts mounts;   /* RUN --mount, for dockerfile_mount_parse() */
	const char *stage;	     /* FROM ... AS name, lower case; "" = none */
	const char *stage_raw, *as;  /* as they were written */
	bool legacy;		     /* ENV, LABEL: "name value" without '=' */
	struct str comments;	     /* whole lines right in front of it */
	struct image_health health;  /* HEALTHCHECK: times and retries; test stays empty */
	struct dockerfile_heredoc *heredocs;
	uint32_t heredoc_count;
	bool trigger; /* of a base image: its place is the FROM's */
};

struct dockerfile {
	struct dockerfile_step *steps;
	uint32_t step_count;
	char escape; /* '\\' or '`' */
	struct dockerfile_checks checks;
	struct dockerfile_warnings warnings;
};

/* -EINVAL with "Dockerfile:LINE:COLUMN: what is wrong", and then in ret_file the warnings of what
 * stands before it; -ENOMEM. */
int dockerfile_parse(struct str text, struct arena *arena, struct dockerfile *ret_file,
		     struct err *err);

/*
 * One instruction that an image keeps for those who build upon it (ONBUILD). -EINVAL with the place
 * in the text, and when it is none or one that cannot be a trigger.
 */
int dockerfile_parse_trigger(struct str text, struct arena *arena, struct dockerfile_step *ret_step,
			     struct err *err);

/* Whether the whole word announces a here-document: <<EOF, <<-EOF, <<"EOF". */
bool dockerfile_is_heredoc(const char *word, struct arena *arena);

/* Line and column (1-based) of a byte of the file. */
void dockerfile_place(struct str text, size_t offset, uint32_t *ret_line, uint32_t *ret_column);

const char *dockerfile_kind_name(enum dockerfile_kind kind); /* "RUN" */

/* Where a variable comes from: the value, or NULL when it is not set. */
typedef const char *dockerfile_lookup_fn(const void *owner, struct str name);

/*
 * Removes quotes and escapes and replaces $v ${v} ${v:-w} ${v-w} ${v:+w} ${v+w} ${v:?w} ${v?w}
 * ${v#p} ${v##p} ${v%p} ${v%%p} ${v/p/w} ${v//p/w}; in patterns * and ? are wild.
 * -EINVAL with what is wrong (no position: the caller has the step).
 */
int dockerfile_expand(const char *word, char escape, dockerfile_lookup_fn *lookup,
		      const void *owner, struct arena *arena, const char **ret_text,
		      struct err *err);
/* The same for the body of a here-document: quotes stay; the result has DOCKERFILE_BYTES_MAX. */
int dockerfile_expand_body(const char *body, dockerfile_lookup_fn *lookup, const void *owner,
			   struct arena *arena, const char **ret_text, struct err *err);
/* The same, and the result is cut at unquoted blanks into words (EXPOSE, VOLUME): adds to *words.
 */
int dockerfile_expand_words(const char *word, char escape, dockerfile_lookup_fn *lookup,
			    const void *owner, struct arena *arena, struct image_texts *words,
			    struct err *err);

#endif
