/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HOY_NETD_NTP_NTP_MSG_H
#define HOY_NETD_NTP_NTP_MSG_H

/* Between netd main and its ntp role; all one way. */
enum ntp_msg {
	/* main -> role: {i64 floor_s, u32 count, text server ...}: addresses or names */
	NTP_MSG_SERVERS = 0x0501,
	NTP_MSG_HURRY = 0x0502, /* main -> role: {}: a network came up */
	/* role -> main: {i64 offset_ns, u8 step}: move the clock by that much, at once or slowly */
	NTP_MSG_ADJUST = 0x0511,
	/* role -> main: {u8 enum ntp_verdict, u8 servers that agreed, u8 synchronised, i64
	 * offset_ns}
	 */
	NTP_MSG_STATE = 0x0512,
};

#endif
