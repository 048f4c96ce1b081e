/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HOY_ENGINE_API_HEALTH_MSG_H
#define HOY_ENGINE_API_HEALTH_MSG_H

/*
 * Calls of engine main to the api role about health checks: what a container answers to HTTP is
 * foreign and is read there. Main has connected the socket, in the container's network.
 */
enum health_msg {
	/* {text host, text path, u32 timeout ms} fds: [connected TCP socket] -> {i32 code (0 = the
	 * status is 200 to 399), text what came: one line, foreign} */
	HEALTH_MSG_HTTP = 0x480,
};

enum { HEALTH_HOST_MAX = 64, HEALTH_PATH_MAX = 2000, HEALTH_TEXT_MAX = 256 };

#endif
