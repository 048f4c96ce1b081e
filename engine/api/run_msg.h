/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HOY_ENGINE_API_RUN_MSG_H
#define HOY_ENGINE_API_RUN_MSG_H

/*
 * `hoy run` on engine.sock; as in engine_msg.h each is a call and its reply has the call's type.
 * Who runs a container: RUN, then ATTACH and WAIT unless nobody stays, then START.
 */
enum engine_run_msg {
	/* {text name, "" = one is made out of the image's, u8 enum engine_run_flag, text a section
	 * "[service run]" of services.ini, u32 count, text "80/udp"... that any free port of this
	 * machine leads to, u32 count, text path... that is a volume without a name, as those are
	 * that the image declares} -> {text id, text name}: made, not started. -ENODATA: its image
	 * is not in the store */
	ENGINE_MSG_RUN = 0x3d0,
	/* {text name} -> {i32 exit code} when it ends next; no declared one. -ESRCH: it was removed
	 * before */
	ENGINE_MSG_WAIT,
};

enum engine_run_flag {
	ENGINE_RUN_REMOVE = 1,	/* it goes when it ends */
	ENGINE_RUN_STDIN = 2,	/* somebody types; the end of what is typed is passed on */
	ENGINE_RUN_PUBLISH = 4, /* any free port leads to each that the image declares */
	ENGINE_RUN_MASK = 7,
};

enum {
	ENGINE_RUN_SECTION_MAX = 32768,
	ENGINE_RUN_MORE_MAX = 64, /* ports, volumes */
	ENGINE_RUN_TEXT_MAX = 1000,
};

#endif
