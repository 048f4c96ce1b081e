/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The passwd and group files of an image. An input is what is looked for, a passwd file and a group
 * file with a NUL behind the first two. What is found is a user a process can be given.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include "engine/files/files.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool good)
{
	if (!good)
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct files_user user;
	struct str rest = str_make(data, size), spec = { 0 }, passwd = { 0 };
	struct err err = { 0 };
	int r;

	if (size > 1 << 20)
		return 0;
	(void)str_cut(&rest, '\0', &spec);
	(void)str_cut(&rest, '\0', &passwd);
	if (spec.len >= FILES_USER_MAX)
		return 0;
	r = files_user_search(spec, passwd, rest, &user, &err);
	require((r == 0) == (err.code == 0));
	if (r < 0)
		return 0;
	require(user.uid != UINT32_MAX && user.gid != UINT32_MAX); /* -1: "leave as it is" */
	require(*user.home && user.group_count <= FILES_GROUPS_MAX);
	for (uint32_t i = 0; i < user.group_count; i++) {
		require(user.groups[i] != user.gid && user.groups[i] != UINT32_MAX);
		require(i == 0 || user.groups[i - 1] < user.groups[i]);
	}
	return 0;
}
