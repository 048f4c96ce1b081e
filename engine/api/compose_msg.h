/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HOY_ENGINE_API_COMPOSE_MSG_H
#define HOY_ENGINE_API_COMPOSE_MSG_H

/* Call of engine main to the api role, or to role compose, where YAML is read. ENGINE_MSG_COMPOSE
 * has the same bodies. */
enum compose_msg {
	/* {blob file} -> {blob sections of services.ini, blob a line for each key that is not
	 * taken, blob places}; -EBADMSG and -EINVAL say what is wrong with the file. Places: {u32
	 * count, {u32 line, u32 column}... of the file, for each line of the sections, u32 count,
	 * {u32 line, u32 column, u8 it is only advice, text service, "" = none, text note}...} */
	COMPOSE_MSG_CONVERT = 0x4A0,
};

enum { COMPOSE_BODY_MAX = (256 << 10) + 64 };

#endif
