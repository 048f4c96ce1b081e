/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HOY_ENGINE_REGISTRY_FETCH_H
#define HOY_ENGINE_REGISTRY_FETCH_H

#include "engine/api/pull_msg.h"
#include "engine/registry/client.h"
#include "lib/arena.h"
#include "lib/err.h"

/* What came of it. */
struct fetched {
	uint64_t size;
	int64_t mtime_s; /* Last-Modified, 0 = not said */
};

/*
 * The file behind an http or https URL into out_fd, along at most FETCH_REDIRECTS_MAX redirects,
 * never from https to http and never to an address of this machine or of its link
 * (net_outside()). No login goes anywhere; of the settings the last host's authorities and the
 * proxies count. -ENOENT, -EBADMSG and what net_connect() and tls_connect() say; -EFBIG: more than
 * `most` bytes; -ETIMEDOUT: less than FETCH_SLOW_BYTES in some FETCH_SLOW_S.
 */
enum { FETCH_REDIRECTS_MAX = 5, FETCH_SLOW_S = 60, FETCH_SLOW_BYTES = 16 << 10 };
int fetch_url(const char *url, const struct pull_start *settings, struct str system_ca,
	      uint64_t most, int out_fd, struct fetched *ret, struct err *err);

/* Such a client by itself, for others who ask foreign servers; trust is tls_trust_free()'s. */
int fetch_client(struct client *client, const struct pull_start *settings, struct str system_ca,
		 struct tls_trust **ret_trust, struct err *err);
/* The error for a status that is none of success: -ENOENT, -EACCES, -EAGAIN, -EBADMSG. */
int fetch_status_error(unsigned status, struct err *err);
/* One request along its redirects; text keeps the bytes of the last URL. The response, 2xx, has to
 * be ended by client_finish(). */
int fetch_follow(struct client *client, struct client_request *request, struct buf *text,
		 struct client_response *ret_response, struct err *err);

#endif
