/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HOY_INIT_API_CONFIG_MSG_H
#define HOY_INIT_API_CONFIG_MSG_H

/*
 * INIT_MSG_CONFIG_ACT {u8 enum init_config_act, u32 number, text a, text b, u32 count, text
 * value...} -> {text}, or what the act says. What changed something is durable when it is answered.
 * What is not named is 0 or "". Texts are without secrets.
 */
enum init_config_act {
	INIT_CONFIG_CANDIDATE = 1, /* -> the text being edited */
	INIT_CONFIG_CURRENT,	   /* number (0 = the current one) -> its text */
	/* a = a whole text: the new candidate; number = conf_text_sum() of the one it was made
	 * from, 0 = of any: another one stands there, -EBUSY */
	INIT_CONFIG_PUT,
	/*
	 * a = "KIND NAME", b = key ("" = all), values (none = take out) -> {text "", u32 count,
	 * text...}: what of it the config media or the command line have too, and win
	 */
	INIT_CONFIG_SET,
	INIT_CONFIG_DISCARD, /* the candidate goes */
	/*
	 * -> {u32 count, text issue..., text changes} of hoy.ini, then {u32 count, text...} as SET
	 * has it, against the revision that counts; the layers of the candidate then stand in
	 * INI_TRY_DIR for the other daemons. number = 1: those of the text a instead, which is
	 * kept nowhere
	 */
	INIT_CONFIG_TRY,
	INIT_CONFIG_APPLY, /* number = seconds to confirm in, 0 = confirmed; a = a note */
	INIT_CONFIG_CONFIRM,
	INIT_CONFIG_ROLLBACK, /* number (0 = the one before): its text counts again, as a new one */
	INIT_CONFIG_HISTORY,  /* -> lines */
	INIT_CONFIG_SECRETS,  /* console only: the current text with its secrets */
};

enum { INIT_CONFIG_VALUES_MAX = 64, INIT_CONFIG_CONFIRM_MAX_S = 86400 };

#endif
