/* SPDX-License-Identifier: Apache-2.0 */
enum {
	ENGINE_MSG_FIRST = 0x300,
	ENGINE_MSG_SECOND,
};
