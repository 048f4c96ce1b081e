/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HOY_ENGINE_OCI_RUNTIME_READ_H
#define HOY_ENGINE_OCI_RUNTIME_READ_H

#include "engine/json/json.h"
#include "lib/arena.h"
#include "lib/err.h"

/*
 * A reader of JSON objects by tables: each row says which key goes where in a C struct, with which
 * type and bounds. For runtime_*.c only.
 */
enum runtime_type {
	RUNTIME_TYPE_TEXT,   /* const char * */
	RUNTIME_TYPE_BOOL,   /* bool */
	RUNTIME_TYPE_I32,    /* int32_t in [min, max] */
	RUNTIME_TYPE_I64,    /* int64_t */
	RUNTIME_TYPE_U32,    /* uint32_t up to max */
	RUNTIME_TYPE_U64,    /* uint64_t */
	RUNTIME_TYPE_OPT_I,  /* struct runtime_i64 */
	RUNTIME_TYPE_OPT_U,  /* struct runtime_u64 */
	RUNTIME_TYPE_ENUM,   /* int: 1 + index in names */
	RUNTIME_TYPE_SET,    /* uint64_t: list of names, a bit for each */
	RUNTIME_TYPE_TEXTS,  /* struct runtime_texts, at most max */
	RUNTIME_TYPE_U32S,   /* struct runtime_u32s, at most max */
	RUNTIME_TYPE_PAIRS,  /* struct runtime_pairs: object of texts, at most max */
	RUNTIME_TYPE_OBJECT, /* schema; its fields count from offset */
	RUNTIME_TYPE_LIST,   /* {items, count} of schema, at most max */
	RUNTIME_TYPE_MAP,    /* the same of an object: the key goes to the schema's first member */
	RUNTIME_TYPE_THERE,  /* bool: true when the key is there, as an object or list */
};

struct runtime_schema;

struct runtime_field {
	const char *key;
	enum runtime_type type;
	const char *other; /* a spelling that runc takes, too; NULL = none */
	bool required;
	size_t offset;
	int64_t min;
	uint64_t max;
	const char *const *names;
	const struct runtime_schema *schema;
};

struct runtime_schema {
	const struct runtime_field *fields;
	size_t count;
	size_t size;	   /* of the struct, for lists */
	size_t set_offset; /* of a bool that says: the object is there; SIZE_MAX = none */
};

/* A step of the way to a value: a member by its key, or an item by its index. */
struct runtime_place {
	const struct runtime_place *above;
	struct str key;
	size_t index;
};

struct runtime_reader {
	struct arena *arena;
	struct err *err;
	const char *file;		   /* what the messages begin with */
	const struct runtime_place *place; /* where it reads; NULL = the whole text */
	int r;				   /* sticky */
};

/* Reads object into the struct at `at` (zeroed by the caller). The result is in->r. */
void runtime_read_object(struct runtime_reader *in, const struct json *object,
			 const struct runtime_schema *schema, void *at);

extern const struct runtime_schema runtime_process_schema;
extern const struct runtime_schema runtime_linux_schema;
extern const struct runtime_schema runtime_resources_schema;
extern const struct runtime_schema runtime_seccomp_schema;
extern const struct runtime_schema runtime_idmap_schema;

#endif
