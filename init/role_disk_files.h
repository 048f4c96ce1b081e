/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HOY_INIT_ROLE_DISK_FILES_H
#define HOY_INIT_ROLE_DISK_FILES_H

#include "init/api/send_msg.h"
#include "init/boot_lockout.h"
#include "init/boot_state.h"
#include "lib/msg.h"

/* DISK_MSG_LOG_FILES: answers with the log's files below /data/log as fds, oldest first. */
void role_disk_log_files(struct boot_state *state, struct msg_peer *peer, const struct msg *msg);
/* DISK_MSG_SUPPORT_FILE: answers with a new file for a support archive and its path. */
void role_disk_support_file(struct boot_state *state, struct msg_peer *peer, const struct msg *msg);
/* DISK_MSG_SUPPORT_SEND: answers with where a support archive goes, and the archive as an fd. */
void role_disk_support_send(struct boot_state *state, const struct send_wish *settings,
			    struct msg_peer *peer, const struct msg *msg);
/* DISK_MSG_AUTH_TRY: a wrong password counts, or the count begins anew. dir_fd -1 = not kept. */
void role_disk_auth_try(struct boot_lockout *lockout, int dir_fd, struct msg_peer *peer,
			const struct msg *msg);
/* What the kernel died of in the session before, "" = nothing; its last words go into the log. */
void role_disk_last_words(char *dst, size_t cap);
/* DISK_MSG_BOOTS; dir_fd < 0: the answer is err. */
void role_disk_boots(int dir_fd, struct err *err, struct msg_peer *peer, const struct msg *msg);
/* DISK_MSG_CONFIG_GET; note is one more issue, "" = none. */
void role_disk_config_get(const char *note, struct msg_peer *peer, const struct msg *msg);

#endif
