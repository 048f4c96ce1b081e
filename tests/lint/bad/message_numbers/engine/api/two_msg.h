/* SPDX-License-Identifier: Apache-2.0 */
enum {
	ENGINE_MSG_THIRD = 0x301,
};
