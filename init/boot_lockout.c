/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns /data/state/lockout. Runs in init's disk role. Must never forget a try because the power
 * went away behind it.
 */
#include "init/boot_lockout.h"
#include <stdio.h>
#include <string.h>
#include "lib/fs.h"
#include "lib/log.h"
#include "lib/own.h"

uint32_t boot_lockout_wait_s(uint32_t tries)
{
	uint32_t wait_s = LOCKOUT_FIRST_S;

	if (tries <= LOCKOUT_FREE)
		return 0;
	for (uint32_t i = LOCKOUT_FREE + 1; i < tries && wait_s < LOCKOUT_MAX_S; i++)
		wait_s *= 2;
	return wait_s < LOCKOUT_MAX_S ? wait_s : LOCKOUT_MAX_S;
}

static void set_until(struct boot_lockout *lockout, struct mono now)
{
	lockout->until = mono_add_ms(now, boot_lockout_wait_s(lockout->tries) * INT64_C(1000));
}

static void keep(const struct boot_lockout *lockout, int state_fd)
{
	char text[16];
	struct err err = { 0 };
	int len = snprintf(text, sizeof(text), "%u\n", lockout->tries);

	if (state_fd >= 0 && fs_replace(state_fd, "lockout", text, (size_t)len, 0600, &err) < 0)
		log_warn("wrong passwords are not kept: %s", err_text(&err));
}

void boot_lockout_read(struct boot_lockout *lockout, int state_fd, struct mono now)
{
	struct buf text OWN(buf_done) = { 0 };
	struct str rest, line;
	uint64_t tries = 0;

	if (lockout->known || state_fd < 0)
		return;
	lockout->known = true;
	buf_init(&text, 64);
	if (fs_read(state_fd, "lockout", FS_BENEATH, 64, &text, NULL) < 0)
		return;
	rest = buf_str(&text);
	if (!str_cut(&rest, '\n', &line) || str_to_u64(line, 0, 1000000, &tries) < 0)
		return;
	lockout->tries += (uint32_t)tries;
	set_until(lockout, now);
}

uint32_t boot_lockout_try(struct boot_lockout *lockout, int state_fd, struct mono now)
{
	int64_t left_ms = mono_diff_ms(lockout->until, now);

	if (left_ms > 0)
		return (uint32_t)((left_ms + 999) / 1000);
	lockout->tries += lockout->tries < 1000000;
	set_until(lockout, now);
	keep(lockout, state_fd);
	return 0;
}

void boot_lockout_clear(struct boot_lockout *lockout, int state_fd)
{
	bool had = lockout->tries > 0;

	lockout->tries = 0;
	lockout->until = (struct mono){ 0 };
	if (had)
		keep(lockout, state_fd);
}
