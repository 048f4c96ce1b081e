/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HOY_ENGINE_REGISTRY_SESSION_H
#define HOY_ENGINE_REGISTRY_SESSION_H

#include <stdbool.h>
#include <stdint.h>
#include "engine/api/pull_msg.h"
#include "engine/oci/reference.h"
#include "engine/registry/client.h"
#include "lib/buf.h"
#include "lib/err.h"

/*
 * One registry and one repository of it: login (Basic, Bearer), redirects, error bodies. The login
 * goes to the registry's own origin, and to a token server only as challenge_realm_trusted()
 * allows; what is redirected elsewhere carries none.
 */
enum { SESSION_REDIRECTS_MAX = 5, SESSION_TOKEN_MAX = 48 << 10 };

struct session {
	struct client client;
	const struct pull_host *host;
	char shown[PULL_HOST_TEXT_MAX]; /* "10.0.2.2:5443", as in the configuration */
	char repository[OCI_PATH_MAX];
	struct url origin;
	struct buf authorization;      /* what the registry's origin gets, empty = none yet */
	char mount_from[OCI_PATH_MAX]; /* repository that blobs are mounted from, "" = none */
	bool push;		       /* tokens are asked for that may push */
	bool refused_realm;	       /* the login was withheld from a token server */
	int64_t asked_ms;	       /* Retry-After of the last failed answer, -1 = none */
	unsigned refused; /* status of the last answer if it was an error, 0 = none came */
};

/* trust, the host's and the proxy's texts have to outlive it; proxy NULL = none. */
int session_init(struct session *session, const struct pull_host *host, const char *repository,
		 const struct tls_trust *trust, const struct pull_proxy *proxy, struct err *err);
void session_done(struct session *session);

struct session_request {
	const char *method; /* "HEAD", "POST", "PATCH", "PUT"; NULL = "GET" */
	const char *place;  /* path and query, or the URL of a Location, instead of kind/name */
	const struct client_body *body;
	const char *kind;    /* "manifests", "blobs" */
	const char *name;    /* tag or digest */
	const char *accept;  /* NULL = none */
	uint64_t range_from; /* 0 = from the start */
};

/*
 * GET or HEAD /v2/<repository>/<kind>/<name>, or what `place` says: logs in and follows as needed.
 * 0 with a response of status 2xx or 416; everything else is an error with a text for people:
 * -EACCES, -ENOENT, -EAGAIN (429 and 5xx), -EBADMSG, -ELOOP, or what client_send() says. Texts do
 * not name the registry. Several responses may be open at once.
 */
int session_get(struct session *session, const struct session_request *request,
		struct client_response *ret_response, struct err *err);

/*
 * After a HEAD that failed with `code`: whether a GET may be answered otherwise. Not where nobody
 * answered, the login was refused, or the registry asked to wait.
 */
bool session_may_differ(const struct session *session, int code);

#endif
