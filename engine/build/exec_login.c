/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Logins that a client gives for the images and caches of its build. Runs in engine main. Must
 * never send one to another registry than it is for, nor keep it longer than the build.
 */
#include <errno.h>
#include <string.h>
#include "engine/build/exec_job.h"

int build_job_logins(struct build_job *job, const struct build_request *request, struct err *err)
{
	for (uint32_t i = 0; i < request->login_count && job->login_count < BUILD_LOGINS_MAX; i++) {
		const struct build_login *from = &request->logins[i];
		struct build_login *to = &job->logins[job->login_count++];

		to->host = arena_text(&job->arena, str_from(from->host));
		to->user = arena_text(&job->arena, str_from(from->user));
		to->password = arena_text(&job->arena, str_from(from->password));
		to->token = arena_text(&job->arena, str_from(from->token));
		if (!to->host || !to->user || !to->password || !to->token)
			return err_set(err, -ENOMEM, "no memory for a build");
	}
	return 0;
}

/* The registry itself is the last host; mirrors get nothing. */
void build_job_login(const struct build_job *job, const char *image, struct arena *arena,
		     struct pull_start *start)
{
	const struct build_login *login = NULL;
	struct oci_reference reference;
	struct pull_host *host;
	const char *name;

	if (oci_reference_parse(str_from(image), &reference, NULL) < 0)
		return;
	name = oci_reference_host(&reference);
	for (uint32_t i = 0; i < job->login_count && !login; i++) {
		if (!strcmp(job->logins[i].host, name))
			login = &job->logins[i];
	}
	if (!login)
		return;
	if (!start->host_count)
		pull_host_init(&start->hosts[start->host_count++],
			       arena_text(arena, str_from(name)));
	host = &start->hosts[start->host_count - 1];
	host->user = login->user;
	host->password = login->password;
	host->token = login->token;
}
