/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns the default of HOME. Runs in the process of the container right before execve, behind its
 * filter and with its capabilities only: the file it reads is the image's. Must never run earlier.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include "engine/run/apply.h"
#include "lib/fs.h"
#include "lib/own.h"
#include "lib/str.h"

enum { PASSWD_MAX = 64 << 10, FIELD_UID = 2, FIELD_HOME = 5 };

#define PASSWD "/etc/passwd"

/* What of the file fits; "" when there is none, or no regular one. */
static struct str read_passwd(void)
{
	static char text[PASSWD_MAX];
	OWN_FD int fd =
		fs_open(AT_FDCWD, PASSWD, FS_HOST, O_RDONLY | O_NONBLOCK | O_NOCTTY, 0, NULL);
	struct stat st;
	size_t len = 0;

	if (fd < 0 || fstat(fd, &st) < 0 || !S_ISREG(st.st_mode))
		return STR("");
	while (len < sizeof(text)) {
		ssize_t n = read(fd, text + len, sizeof(text) - len);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			break;
		len += (size_t)n;
	}
	return str_make(text, len);
}

/* passwd(5): the sixth field of the user's line. */
struct str apply_home_of(struct str passwd, uint32_t uid)
{
	struct str line, field, home;
	uint64_t number;

	while (str_cut(&passwd, '\n', &line)) {
		bool his = false;

		home = STR("");
		for (int i = 0; i <= FIELD_HOME && str_cut(&line, ':', &field); i++) {
			if (i == FIELD_UID)
				his = str_to_u64(field, 0, UINT32_MAX, &number) == 0 &&
				      number == uid;
			home = i == FIELD_HOME ? field : STR("");
		}
		if (his && home.len > 0 && home.ptr[0] == '/' && str_find(home, '\0') < 0)
			return home;
	}
	return STR("/");
}

const char *apply_home(const struct plan *plan)
{
	static char text[sizeof("HOME=") + RUN_PATH_MAX];
	struct plan_list env = plan->env;
	const char *given;
	struct str home;
	bool set = false;

	if (!(plan->flags & PLAN_FLAG_LISTED))
		return NULL;
	while ((given = plan_next_text(&env)))
		if (strncmp(given, "HOME=", 5) == 0)
			set = given[5] != '\0';
	if (set)
		return NULL;
	home = apply_home_of(read_passwd(), plan->uid);
	if (home.len >= RUN_PATH_MAX)
		home = STR("/");
	(void)snprintf(text, sizeof(text), "HOME=%.*s", STR_ARG(home));
	return text;
}
