/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HOY_ENGINE_API_STREAM_MSG_H
#define HOY_ENGINE_API_STREAM_MSG_H

/*
 * On engine.sock, for the api role: streams of containers whose wait or life has no end that is
 * known. No call is under way meanwhile (MSG_CALLS_MAX): what follows its reply is a message of its
 * own, to who asked.
 */
enum engine_stream_msg {
	/* as ATTACH -> {}, then ATTACHED */
	ENGINE_MSG_ATTACH_TOLD = 0x37a,
	/* One way: {u32 serial of the ATTACH_TOLD, reply of SHIM_MSG_ATTACH} fds [stream]; without
	 * the reply and the fd it has ended, or is removed */
	ENGINE_MSG_ATTACHED,
	/* {struct engine_exec_args} -> {} fds as EXEC, once it runs; then EXEC_ENDED */
	ENGINE_MSG_EXEC_TOLD,
	/* One way: {u32 serial of the EXEC_TOLD, i32 exit code} */
	ENGINE_MSG_EXEC_ENDED,
	/* {struct engine_exec_args} -> {}: its user is known in the container; nothing is started
	 */
	ENGINE_MSG_EXEC_USER,
};

#endif
