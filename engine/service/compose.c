/* SPDX-License-Identifier: Apache-2.0 */
/*
 * [compose NAME] of services.ini: the services of a Compose file on the config media are declared
 * ones. Runs in engine main, which hands the file's bytes to role compose and looks at sections
 * only. Must never stop what runs because a file cannot be read.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include "engine/api/compose_msg.h"
#include "engine/service/compose.h"
#include "engine/worker/worker.h"
#include "lib/fs.h"
#include "lib/log.h"
#include "lib/own.h"

#define CONFIG_PLACE "/config/"

enum {
	COMPOSE_FILES_MAX = 16,
	COMPOSE_PATH_MAX = 1001,
	COMPOSE_ASK_MS = 10 * 1000, /* role compose, on a machine that is busy starting */
	COMPOSE_NOTE_MAX = 1024,
	COMPOSE_LINES_MAX = 65536,
	COMPOSE_ANSWER_MAX = 8 << 20,
};

/* What a file was when it was read last. */
struct compose_file {
	struct compose_file *next;
	char path[COMPOSE_PATH_MAX];
	bool used;	   /* a section of this reading names it */
	struct buf answer; /* of COMPOSE_MSG_CONVERT */
};

/* One reading of the configuration. */
struct reading {
	struct manager *manager;
	struct ini_config *config;
	bool loaded;   /* what is in force, not what stands in the files now */
	bool remember; /* what is read now is in force from now on */
};

static struct compose_file *find_file(const struct manager *manager, const char *path)
{
	struct compose_file *file = manager->compose_files;

	while (file && strcmp(file->path, path) != 0)
		file = file->next;
	return file;
}

static void remember(struct manager *manager, const char *path, struct str answer)
{
	struct compose_file *file = find_file(manager, path);

	if (!file) {
		file = calloc(1, sizeof(*file));
		if (!file || str_copy(str_from(path), file->path, sizeof(file->path)) < 0) {
			free(file);
			return;
		}
		file->next = manager->compose_files;
		manager->compose_files = file;
	}
	buf_done(&file->answer);
	buf_init(&file->answer, COMPOSE_ANSWER_MAX);
	(void)buf_add_str(&file->answer, answer);
	file->used = true;
}

/* Those that no section names any more. */
static void forget_unused(struct manager *manager)
{
	struct compose_file **at = &manager->compose_files;

	while (*at) {
		struct compose_file *file = *at;

		if (file->used) {
			file->used = false;
			at = &file->next;
			continue;
		}
		*at = file->next;
		buf_done(&file->answer);
		free(file);
	}
}

static int convert(const char *path, struct msg *ret_reply, struct err *err)
{
	struct buf text OWN(buf_done) = { 0 }, body OWN(buf_done) = { 0 };
	int top OWN_FD = fs_open(-1, "/config", FS_HOST, O_RDONLY | O_DIRECTORY, 0, err);
	int r = top;

	buf_init(&text, COMPOSE_BODY_MAX - 64);
	buf_init(&body, COMPOSE_BODY_MAX);
	if (r >= 0)
		r = fs_read(top, path + sizeof(CONFIG_PLACE) - 1, FS_BENEATH, COMPOSE_BODY_MAX - 64,
			    &text, err);
	if (r < 0)
		return r;
	wire_put_str(&body, buf_str(&text));
	return worker_ask("compose", COMPOSE_MSG_CONVERT, buf_str(&body), COMPOSE_ASK_MS, ret_reply,
			  err);
}

/* A note without a service is about the file. */
static void take_note(const struct reading *reading, struct ini_section *compose, const char *path,
		      struct wire *in)
{
	struct ini_value at = { .file = path };
	struct ini_section *section = reading->config->sections;
	char service[SERVICE_NAME_MAX + 1], text[COMPOSE_NOTE_MAX];
	bool advice;

	at.line = wire_u32(in);
	at.column = wire_u32(in);
	advice = wire_bool(in);
	wire_text(in, service, sizeof(service));
	wire_text(in, text, sizeof(text));
	if (in->error || advice)
		return;
	while (section &&
	       (strcmp(section->kind, "service") != 0 || strcmp(section->name, service) != 0))
		section = section->next;
	if (*service && section)
		ini_complain(reading->config, section, &at, "%s (this service is not started)",
			     text);
	else
		ini_complain(reading->config, compose, &at, "%s", text);
}

/* Its sections come in front of those of the layers, which may change them key by key. */
static int take_answer(const struct reading *reading, struct ini_section *compose, const char *path,
		       struct str answer, struct err *err)
{
	struct arena arena OWN(arena_done) = { 0 };
	struct ini_spot *spots;
	struct str ini, places;
	struct wire in, at;
	uint32_t count;
	int r;

	wire_init(&in, answer.ptr, answer.len);
	ini = wire_blob(&in, answer.len);
	(void)wire_blob(&in, answer.len);
	places = wire_blob(&in, answer.len);
	if (wire_end(&in) < 0)
		return err_set(err, -EBADMSG, "%s: a malformed answer", path);
	wire_init(&at, places.ptr, places.len);
	count = wire_count(&at, COMPOSE_LINES_MAX);
	arena_init(&arena, COMPOSE_ANSWER_MAX);
	spots = arena_array(&arena, count + 1U, sizeof(*spots));
	if (!spots)
		return err_set(err, -ENOMEM, "%s: no memory", path);
	for (uint32_t i = 0; i < count; i++) {
		spots[i].line = wire_u32(&at);
		spots[i].column = wire_u32(&at);
	}
	r = ini_add_made(reading->config, &service_schema, 0, path, ini, spots, count, err);
	if (r < 0)
		return r;
	count = wire_count(&at, COMPOSE_LINES_MAX);
	for (uint32_t i = 0; i < count && !at.error; i++)
		take_note(reading, compose, path, &at);
	return at.error ? err_set(err, -EBADMSG, "%s: a malformed answer", path) : 0;
}

static int take_file(const struct reading *reading, struct ini_section *compose, struct err *err)
{
	const struct ini_value *value = ini_get(&service_schema, compose, "file");
	const char *path = value ? ini_text(&service_schema, compose, "file") : "";
	struct compose_file *known = find_file(reading->manager, path);
	struct msg reply OWN(msg_done) = { 0 };
	struct err why = { 0 };
	int r = 0;

	if (!value) {
		if (!compose->bad)
			ini_complain(reading->config, compose, NULL,
				     "[compose %s] names no file; add file = /config/...",
				     compose->name);
		return 0;
	}
	if (!reading->loaded || !known)
		r = convert(path, &reply, &why);
	if (r < 0)
		ini_complain(reading->config, compose, value, "%s: %s%s", path, err_text(&why),
			     known ? "; what it said before goes on" : "");
	if (r < 0 && !known)
		return 0;
	if (known && reading->remember)
		known->used = true;
	if (r < 0 || !reply.body.len)
		return take_answer(reading, compose, path, buf_str(&known->answer), err);
	r = take_answer(reading, compose, path, reply.body, err);
	if (r >= 0 && reading->remember)
		remember(reading->manager, path, reply.body);
	return r;
}

static unsigned count_files(const struct ini_config *config)
{
	unsigned count = 0;

	for (const struct ini_section *s = config->sections; s; s = s->next)
		count += !strcmp(s->kind, "compose");
	return count;
}

/*
 * The layers are read twice where they name files: those come first, and what stands in the layers
 * may change them. What is wrong with a file is said in the second reading, of its own section
 * here.
 */
static int read_config(const struct reading *reading, int dirfd, struct err *err)
{
	struct ini_config first OWN(ini_done);
	unsigned count;
	int r;

	ini_init(&first);
	r = ini_load(&first, &service_schema, dirfd, err);
	if (r < 0)
		return r;
	count = count_files(&first);
	if (!count) {
		ini_done(reading->config);
		*reading->config = first;
		ini_init(&first);
		return 0;
	}
	if (count > COMPOSE_FILES_MAX)
		return err_set(err, -E2BIG, "more than %d [compose] sections", COMPOSE_FILES_MAX);
	for (struct ini_section *s = first.sections; r >= 0 && s; s = s->next)
		if (!strcmp(s->kind, "compose"))
			r = take_file(reading, s, err);
	return r < 0 ? r : ini_load(reading->config, &service_schema, dirfd, err);
}

int manager_read(struct manager *manager, struct ini_config *config, int dirfd, struct err *err)
{
	const struct reading reading = { manager, config, false, true };
	int r = read_config(&reading, dirfd, err);

	if (r >= 0)
		forget_unused(manager);
	return r;
}

int manager_read_trial(void *owner, struct ini_config *config, int dirfd, bool loaded,
		       struct err *err)
{
	const struct reading reading = { owner, config, loaded, false };

	return read_config(&reading, dirfd, err);
}
