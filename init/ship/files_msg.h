/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HOY_INIT_SHIP_FILES_MSG_H
#define HOY_INIT_SHIP_FILES_MSG_H

/* What role syslog-files tells role syslog, one way, on the pair between them. */
enum ship_files_msg {
	/* {text id, text name} fds: the files of a container's log, oldest first, none while it has
	 * none. Comes again for each change of them. */
	SHIP_FILES_MSG_LOG = 0x501,
	SHIP_FILES_MSG_GONE,  /* {text id}: there is no such container any more */
	SHIP_FILES_MSG_ROUND, /* {}: all containers that there are were told of */
};

enum { SHIP_FILES_ID_MAX = 68, SHIP_FILES_NAME_MAX = 128 };

#endif
