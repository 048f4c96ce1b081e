/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HOY_ENGINE_IMAGE_TAKE_JOB_H
#define HOY_ENGINE_IMAGE_TAKE_JOB_H

#include "engine/image/layer.h"
#include "engine/image/take.h"
#include "engine/oci/reference.h"
#include "engine/worker/worker.h"
#include "lib/buf.h"

/* Inside of take*.c: one pull or load, and the blobs that its role hands over. */
enum { TAKE_BLOBS_MAX = 8 };

/* A blob the role is handing over at this moment. */
struct take_blob {
	struct image_take *take;
	bool used;
	bool is_layer;
	bool ready;	     /* stored, or failed */
	struct err error;    /* code 0 = stored */
	uint32_t end_serial; /* of the BLOB_END call that waits, 0 = none yet */
	uint32_t ask_serial; /* of the BLOB call that waits for LAYER_HAVE */
	bool unpacked;	     /* LAYER_HAVE said yes, and the blob shall be there as well */
	struct pull_blob blob;
	char media_type[128];
	struct image_layer_job job;
};

struct image_take {
	struct image_take_env env;
	struct worker role;
	struct loop_timer burial;
	struct image_take_ops ops;
	void *owner;
	struct take_blob blobs[TAKE_BLOBS_MAX];
	struct image_lease lease; /* everything the role asked for so far */
	bool replaced;		  /* an image of the same name was there */
	struct buf start;     /* the role's call, held back until the store said what is known */
	struct buf known;     /* the record that the reference has, empty = none */
	uint32_t need_serial; /* of the NEED call that waits for the store, 0 = none */
	uint64_t need;	      /* bytes that it asked for */
	bool room_made;	      /* what may go by itself went for it already */
	unsigned setting;     /* IMAGE_SET calls that are not answered yet */
	bool finished;	      /* the role's last reply came */
	bool archive;
	bool layer;	 /* one alone: there is no record */
	int archive_fd;	 /* a pipe, until the role has it; -1 = none */
	bool known_held; /* what `known` names is leased */
	bool same;	 /* the image that came is that one */
	struct digest known_id;
	char reference[IMAGE_REFERENCE_MAX];
	char image[OCI_REFERENCE_MAX]; /* whose record `known` is */
};

/* The end of a job: everything of it goes, then its owner is told. err NULL = it went well. */
void image_take_end(struct image_take *take, const struct err *err);

/* ---- take_blob.c ---- */
/* The role asks for a blob, and says that it handed one over. */
msg_handler_fn image_take_on_blob, image_take_on_blob_end;
void image_take_blobs_done(struct image_take *take);
/* A role that found its pipe broken cannot know why: the store or unpack said so before. */
const struct err *image_take_cause(const struct image_take *take, const struct err *err);

#endif
