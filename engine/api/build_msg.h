/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HOY_ENGINE_API_BUILD_MSG_H
#define HOY_ENGINE_API_BUILD_MSG_H

/*
 * Calls of engine main to the api role: Dockerfiles and .dockerignore are foreign text and are read
 * there. The api role's handler hands the body to build_serve() (engine/build/serve.h) and sends
 * what comes out.
 */
enum build_msg {
	/* {struct build_inputs} -> {struct build_plan}: stages, references and platforms only */
	BUILD_MSG_BASES = 0x460,
	/* {struct build_inputs, u32 count, blob image record...} -> {struct build_plan} */
	BUILD_MSG_PLAN,
	/* {blob .dockerignore} -> {u32 count, {u8 except, text pattern}...} */
	BUILD_MSG_IGNORE,
};

enum { BUILD_BODY_MAX = 12 << 20 };

#endif
