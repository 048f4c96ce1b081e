/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns /data/state/boots. Runs in init's disk role. Must never hold up a boot: it is written once
 * the machine runs.
 */
#include "init/boot_history.h"
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <time.h>
#include "lib/fs.h"
#include "lib/own.h"

enum { FILE_MAX = 16384 };

struct entry {
	int64_t seconds;
	struct str reason;
};

static bool next_entry(struct str *rest, struct entry *ret_entry)
{
	struct str line, number;

	while (rest->len && str_cut(rest, '\n', &line)) {
		if (!str_cut(&line, ' ', &number) || !line.len ||
		    str_to_i64(number, 0, INT64_C(1) << 40, &ret_entry->seconds) < 0)
			continue;
		ret_entry->reason = line;
		return true;
	}
	return false;
}

static size_t read_entries(struct str file, struct entry list[BOOT_HISTORY_MAX])
{
	struct entry entry;
	size_t count = 0;

	while (next_entry(&file, &entry)) {
		if (count == BOOT_HISTORY_MAX)
			memmove(list, list + 1, --count * sizeof(list[0]));
		list[count++] = entry;
	}
	return count;
}

int boot_history_append(struct str old, int64_t now_s, const char *reason, struct buf *out)
{
	struct entry list[BOOT_HISTORY_MAX];
	size_t count = read_entries(old, list);
	char shown[200];

	for (size_t i = count == BOOT_HISTORY_MAX; i < count; i++)
		(void)buf_printf(out, "%lld %.*s\n", (long long)list[i].seconds,
				 STR_ARG(list[i].reason));
	(void)str_escape(str_from(reason), shown, sizeof(shown));
	(void)buf_printf(out, "%lld %s\n", (long long)(now_s < 0 ? 0 : now_s),
			 *shown ? shown : "unknown");
	return buf_error(out);
}

int boot_history_text(struct str file, struct buf *out)
{
	struct entry list[BOOT_HISTORY_MAX];
	size_t count = read_entries(file, list);

	while (count-- > 0) {
		time_t at = (time_t)list[count].seconds;
		char when[32] = "?";
		struct tm tm;

		if (gmtime_r(&at, &tm))
			(void)strftime(when, sizeof(when), "%Y-%m-%d %H:%M:%S", &tm);
		(void)buf_printf(out, "%s  %.*s\n", when, STR_ARG(list[count].reason));
	}
	return buf_error(out);
}

int boot_history_add(int state_fd, int64_t now_s, const char *reason, struct err *err)
{
	struct buf old OWN(buf_done) = { 0 }, next OWN(buf_done) = { 0 };

	buf_init(&old, FILE_MAX);
	buf_init(&next, FILE_MAX);
	if (fs_read(state_fd, "boots", FS_BENEATH, FILE_MAX, &old, NULL) < 0)
		buf_clear(&old);
	if (boot_history_append(buf_str(&old), now_s, reason, &next) < 0)
		return err_set(err, -E2BIG, "the list of starts is too long");
	return fs_replace(state_fd, "boots", next.data, next.len, 0600, err);
}

int boot_history_show(int state_fd, struct buf *out, struct err *err)
{
	struct buf file OWN(buf_done) = { 0 };
	int r;

	buf_init(&file, FILE_MAX);
	r = fs_read(state_fd, "boots", FS_BENEATH, FILE_MAX, &file, err);
	if (r == -ENOENT)
		return err_set(err, r, "no start has been noted yet");
	return r < 0 ? r : boot_history_text(buf_str(&file), out);
}

bool boot_history_watchdog(void)
{
	return fs_exists(AT_FDCWD, BOOT_WATCHDOG_FILE, FS_HOST);
}
