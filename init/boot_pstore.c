/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns the records below /sys/fs/pstore. Runs in init's disk role. Must never believe a record:
 * firmware keeps it, and anybody may have written it; what it says is escaped and bounded.
 */
#include "init/boot_pstore.h"
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include "lib/buf.h"
#include "lib/fs.h"
#include "lib/own.h"

enum { RECORD_MAX = 256 * 1024, NAME_SHOWN = 40 };

/* What a record can say, the better reason later: it replaces the one before. */
enum worth { WORTH_NOTHING, WORTH_RECORD, WORTH_PANIC, WORTH_INIT };

struct search {
	char *dst;
	size_t cap;
	enum worth worth;
	unsigned said;
	void (*say)(struct str line);
};

/* From the word on; empty when it is not there. */
static struct str behind(struct str line, const char *word)
{
	const char *at = memmem(line.ptr, line.len, word, strlen(word));

	return at ? str_make(at, line.len - (size_t)(at - line.ptr)) : (struct str){ 0 };
}

static void find(struct search *search, enum worth worth, struct str text)
{
	if (worth <= search->worth || text.len == 0)
		return;
	search->worth = worth;
	(void)str_escape(text, search->dst, search->cap);
}

/* Where the kernel begins to say what it dies of. */
static bool names_fault(struct str line)
{
	static const char *const words[] = { "Kernel panic", "Oops:", "BUG:", "general protection",
					     "Internal error:" };

	for (size_t i = 0; i < ARRAY_LEN(words); i++)
		if (behind(line, words[i]).len > 0)
			return true;
	return false;
}

static void take(struct search *search, const char *name, struct str text)
{
	bool kernel = str_starts(str_from(name), STR("dmesg")), dying = false;
	char shown[96];
	struct str line;

	(void)snprintf(shown, sizeof(shown), "the kernel stopped: pstore record %.*s", NAME_SHOWN,
		       name);
	if (kernel)
		find(search, WORTH_RECORD, str_from(shown));
	while (str_cut(&text, '\n', &line)) {
		find(search, WORTH_INIT, behind(line, "init fault: "));
		if (!kernel)
			continue;
		find(search, WORTH_PANIC, behind(line, "Kernel panic"));
		dying = dying || names_fault(line);
		if (dying && line.len > 0 && search->said++ < PSTORE_LINES_MAX)
			search->say(line);
	}
}

static int look(int dir_fd, const char *name, unsigned char type, void *owner, struct err *err)
{
	struct buf text OWN(buf_done) = { 0 };

	(void)type;
	(void)err;
	buf_init(&text, RECORD_MAX);
	if (fs_read(dir_fd, name, FS_BENEATH, RECORD_MAX, &text, NULL) >= 0)
		take(owner, name, buf_str(&text));
	(void)fs_unlink(dir_fd, name, NULL);
	return 0;
}

void boot_pstore_read(int dir_fd, char *dst, size_t cap, void (*say)(struct str line))
{
	struct search search = { .dst = dst, .cap = cap, .say = say };

	dst[0] = '\0';
	(void)fs_each(dir_fd, look, &search, NULL);
}
