/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HOY_ENGINE_API_PULL_MSG_H
#define HOY_ENGINE_API_PULL_MSG_H

#include <stdbool.h>
#include <stdint.h>
#include "engine/api/pull_progress.h"
#include "lib/arena.h"
#include "lib/buf.h"
#include "lib/err.h"
#include "lib/sha256.h"
#include "lib/str.h"

/*
 * engine main <-> pull role (`engine pull`: registries; `engine load`: archives). One process for
 * each job; it ends after its last reply, and when main closes the socket.
 *
 * main -> role
 * PULL_MSG_START (call)   struct pull_start
 *   reply: image record (engine/oci/image.h) of the chosen platform; every blob was offered before.
 *   error: the text is for a person and names registry, cause and next step. -ENOENT (no such
 * image: a retry will not help), -EACCES (login), -EBADMSG (registry or content is broken),
 *     -ECONNREFUSED, -ETIMEDOUT, -EHOSTUNREACH, -ENONET (name not found): retry later
 *   Where the reference still means `known`, the reply is that record, byte for byte.
 * PULL_MSG_PUSH (call)    struct pull_start: `known` is the image to push, `reference` where to; of
 *     the hosts the last one is used (nobody pushes to a mirror)
 *   reply: 32 bytes, the digest of the manifest as the registry has it now, u64 its bytes. Errors
 *     as above.
 * PULL_MSG_DOCUMENT (call) text place (path on the registry, "" = the reference's manifest), struct
 *     pull_start; of the hosts the last one is asked
 *   reply: text media type, text digest (Docker-Content-Digest, "" = not said), blob the document,
 *     at most PULL_DOCUMENT_MAX. Errors as above.
 * PULL_MSG_REFERRERS (call) text artifact type ("" = all), struct pull_start; of the hosts the last
 *     one is asked
 *   reply: text digest that the reference means, u32 count, {text digest, u64 size, text media
 *     type, text artifact type}...: what refers to it. Errors as above.
 * PULL_MSG_ARCHIVE (call) text reference to give an image without a name of its own ("" = none),
 *     text os, text architecture, text variant
 *     fds [0] archive: tar of an OCI layout or docker-archive, plain or gzip/zstd; [1] an unnamed
 *     file that it is copied into first where [0] cannot seek, may be missing
 *   replies: one with MSG_FLAG_MORE and an image record for each image; the last is u32 count
 * PULL_MSG_FETCH (call)   text URL (http or https), u64 most bytes, struct pull_start: authorities
 *     and proxies; fds [0] a regular file to write it to
 *   reply: u64 bytes, i64 Last-Modified (s, 0 = not said). -EPERM: it leads to this machine; -EFBIG
 *
 * PULL_MSG_SAVE (call)    struct pull_save; fds [0] file or pipe to write the archive to
 *   reply: u64 bytes of the archive; blobs are asked for by PULL_MSG_SOURCE
 *
 * A record to push or save whose config (and manifest) digest is zero has other layers than the
 * documents that are kept: the role writes them anew. So it does where they are not kept at all.
 *
 * role -> main, while a job runs
 * PULL_MSG_BLOB (call)    struct pull_blob
 *   reply: u8 skip; 1 = main has it already. 0 = fd [0], a pipe: the role writes exactly `size`
 *     bytes and closes it; on failure it closes early (the store sees a short blob).
 * PULL_MSG_BLOB_END (call) 32 bytes digest, after the pipe was closed with all bytes written
 *   reply: empty once the blob (a layer: its EROFS file too) is stored, or queued to be; an error
 *     ends the job with that error. main must not take a job's last reply for success before every
 *     blob it was given has been stored.
 * PULL_MSG_SOURCE (call)  32 bytes digest; while images are pushed or saved
 *   reply: u64 size, fd [0] the blob, a regular file to read. -ENOENT: it is not kept
 * PULL_MSG_NEED (call) u64 bytes of the layers, as they are transferred, that main does not have;
 *   before the first of them
 *   reply: empty; -ENOSPC: they would not fit, the pull ends before it has begun
 * PULL_MSG_PROGRESS (one-way) 32 bytes digest, u64 done, u64 total, u64 rate, text what, u8 stage
 *   (enum pull_stage); some 4 a second, and each time a layer gets to another stage
 *
 * Order: config, layers (begun base first, PULL_LAYERS_AT_ONCE of them side by side), manifest. A
 * blob that two layers share is offered once. A blob whose pipe was closed early may be offered
 * once more (another place is tried): the new offer replaces the old one.
 */
enum pull_msg {
	PULL_MSG_START = 1,
	PULL_MSG_ARCHIVE = 2,
	PULL_MSG_BLOB = 3,
	PULL_MSG_BLOB_END = 4,
	PULL_MSG_PROGRESS = 5,
	PULL_MSG_PUSH = 6,
	PULL_MSG_SOURCE = 7,
	PULL_MSG_SAVE = 8,
	PULL_MSG_NEED = 9,
	PULL_MSG_DOCUMENT = 10,
	PULL_MSG_FETCH = 11,
	PULL_MSG_REFERRERS = 15,
};

enum pull_kind {
	PULL_KIND_CONFIG = 1,
	PULL_KIND_LAYER = 2,
	PULL_KIND_MANIFEST = 3,
};

enum {
	PULL_HOSTS_MAX = 8,
	PULL_HOST_TEXT_MAX = 264, /* host[:port] */
	PULL_CA_MAX = 1 << 20,
	PULL_SECRET_MAX = 4096,
	PULL_PEM_MAX = 64 << 10, /* a client's certificates, a key */
	PULL_PROXY_MAX = 2048,
	PULL_DOCKER_CONFIG_MAX = 256 << 10,
	PULL_START_MAX = 12 << 20,
	PULL_DOCUMENT_MAX = 4 << 20,
	PULL_PLACE_MAX = 2048,
	PULL_LAYERS_AT_ONCE = 4, /* begun and not yet stored */
};

/* One place to pull from. */
struct pull_host {
	const char *host;	/* "registry.example:5000", "10.0.2.2:5443", "[::1]:5000" */
	bool insecure;		/* plain HTTP instead of TLS; credentials are sent all the same */
	const char *ca_pem;	/* "" = the system's bundle alone */
	const char *ca_missing; /* "" or why ca_file could not be read: told when trust fails */
	const char *user, *password;
	const char *token;		      /* identity token for the Bearer flow, "" = none */
	const char *client_cert, *client_key; /* PEM: shown to this host only; "" = none */
};

/* URLs "http://[user:password@]host:port", "" = none; engine/registry/proxy.h. */
struct pull_proxy {
	const char *http, *https; /* for registries without and with TLS */
	const char *none;	  /* who is asked without one */
};

enum pull_signature_policy {
	PULL_SIGNATURE_OFF = 0,
	PULL_SIGNATURE_WARN = 1, /* not signed: a line in the log */
	PULL_SIGNATURE_REQUIRE = 2,
};

/* What a reference has to be signed with (engine/registry/signature.h). */
struct pull_signature {
	enum pull_signature_policy policy;
	const char *keys;	  /* ECDSA P-256 public keys, PEM, one behind another */
	const char *keys_missing; /* "" or why a file of keys could not be read */
};

struct pull_start {
	const char *reference; /* as the user wrote it: normalised by the role */
	const char *os, *architecture, *variant;
	struct pull_host hosts[PULL_HOSTS_MAX]; /* tried in order: mirrors, the registry last */
	uint32_t host_count; /* 0 = the reference's own registry with TLS and no login */
	struct pull_proxy proxy;
	struct pull_signature signature;
	const char *docker_config; /* Docker's config.json for hosts without a login; "" = none */
	struct str known; /* image record that the reference has in the store, empty = none;
		       decoded:    a slice of the body */
};

struct pull_archive {
	const char *reference;
	const char *os, *architecture, *variant;
};

/* u8 docker, u32 count, {blob image record}... */
enum { PULL_SAVE_MAX = 64, PULL_SAVE_BODY_MAX = 12 << 20 };
struct pull_save {
	bool docker; /* manifest.json too */
	struct str records[PULL_SAVE_MAX];
	uint32_t count;
};

struct pull_blob {
	struct digest digest;
	uint64_t size;
	enum pull_kind kind;
	bool probe;		/* only asks whether main has it: the reply has no pipe */
	const char *media_type; /* OCI_TYPE_*, normalised */
	bool has_diff;		/* layers: the diffID its config claims */
	struct digest diff;
	uint32_t index, total; /* of the layers, 0-based */
};

/* A place with TLS and no login; host has to outlive it. */
void pull_host_init(struct pull_host *host, const char *name);

void pull_start_encode(const struct pull_start *start, struct buf *out);
/* Sets `known` of an encoded body whose own was empty. */
void pull_start_add_known(struct buf *body, struct str known);
int pull_start_decode(struct str body, struct arena *arena, struct pull_start *ret_start,
		      struct err *err);
void pull_archive_encode(const struct pull_archive *archive, struct buf *out);
int pull_archive_decode(struct str body, struct arena *arena, struct pull_archive *ret_archive,
			struct err *err);
void pull_save_encode(const struct pull_save *save, struct buf *out);
/* Slices into body. */
int pull_save_decode(struct str body, struct pull_save *ret_save, struct err *err);
void pull_blob_encode(const struct pull_blob *blob, struct buf *out);
int pull_blob_decode(struct str body, struct arena *arena, struct pull_blob *ret_blob,
		     struct err *err);

#endif
