/* SPDX-License-Identifier: Apache-2.0 */
/*
 * [compose NAME] of services.ini: the services of Compose files on the config media are declared
 * ones. Runs in engine main, which hands the files' bytes to role compose and looks at sections
 * only. Must never stop what runs because a file cannot be read, nor be silent for long.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include "engine/api/compose_msg.h"
#include "engine/service/compose.h"
#include "engine/service/env_file.h"
#include "engine/worker/worker.h"
#include "lib/fs.h"
#include "lib/log.h"
#include "lib/own.h"

#define CONFIG_PLACE "/config/"

enum {
	SECTIONS_MAX = 16,
	READ_MS =
		20 * 1000, /* for all files of a reading: init waits a minute for a word of ours */
	ANSWER_MAX = 8 << 20,
	NAMES_MAX = 16 << 10, /* of the files of a section */
};

/* What the files of a section were when they were read last. */
struct compose_file {
	struct compose_file *next;
	struct buf names;  /* of the files, a line for each */
	bool used;	   /* a section of this reading names them */
	struct buf answer; /* of COMPOSE_MSG_CONVERT */
};

/* One reading of the configuration. */
struct reading {
	struct manager *manager;
	struct ini_config *config;
	bool loaded;   /* what is in force, not what stands in the files now */
	bool remember; /* what is read now is in force from now on */
	struct worker_asked asked;
	struct mono until;
};

/* ---- what was said before ---- */

static struct compose_file *find_file(const struct manager *manager, struct str names)
{
	struct compose_file *file = manager->compose_files;

	while (file && !str_eq(buf_str(&file->names), names))
		file = file->next;
	return file;
}

static void remember(struct manager *manager, struct str names, struct str answer)
{
	struct compose_file *file = find_file(manager, names);

	if (!file) {
		file = calloc(1, sizeof(*file));
		if (!file)
			return;
		buf_init(&file->names, NAMES_MAX);
		(void)buf_add_str(&file->names, names);
		file->next = manager->compose_files;
		manager->compose_files = file;
	}
	buf_done(&file->answer);
	buf_init(&file->answer, ANSWER_MAX);
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
		buf_done(&file->names);
		buf_done(&file->answer);
		free(file);
	}
}

/* ---- files ---- */

/* The next of "FILE FILE": one begins with /config/, so that a name may hold blanks. */
static bool next_name(struct str *rest, struct str *ret_name)
{
	static const struct str begin = { " " CONFIG_PLACE, sizeof(CONFIG_PLACE) };

	*rest = str_trim(*rest);
	for (size_t i = 1; i < rest->len; i++)
		if (str_starts(str_skip(*rest, i), begin)) {
			*ret_name = str_trim(str_head(*rest, i));
			*rest = str_skip(*rest, i);
			return true;
		}
	*ret_name = *rest;
	*rest = (struct str){ 0 };
	return ret_name->len > 0;
}

/* A file below /config into the request; one that cannot be read too, unless it has to be there. */
static int add_file(struct compose_request *request, int top, const char *path, bool must,
		    struct err *err)
{
	struct buf text OWN(buf_done) = { 0 };
	struct err why = { 0 };
	int r = -EPERM;

	buf_init(&text, COMPOSE_FILE_MAX);
	if (strncmp(path, CONFIG_PLACE, sizeof(CONFIG_PLACE) - 1) != 0)
		err_set(&why, -EPERM, "it is not below /config");
	else
		r = fs_read(top, path + sizeof(CONFIG_PLACE) - 1, FS_BENEATH, COMPOSE_FILE_MAX,
			    &text, &why);
	if (r < 0 && must)
		return err_set(err, why.code, "%s", err_text(&why));
	return compose_request_add(request, str_from(path), buf_str(&text), r < 0 ? &why : NULL,
				   err);
}

static int add_named(struct compose_request *request, int top, struct str names, struct err *err)
{
	char path[COMPOSE_PATH_MAX + 1];
	struct str name;
	int r = 0;

	while (r >= 0 && str_cut(&names, '\n', &name)) {
		if (!name.len)
			continue;
		r = str_copy(name, path, sizeof(path)) < 0
			    ? err_set(err, -ENAMETOOLONG, "the name is too long")
			    : add_file(request, top, path, true, err);
		request->named++;
	}
	return r;
}

static int ask(struct reading *reading, const struct compose_request *request,
	       struct msg *ret_reply, struct compose_answer *ret_answer, struct err *err)
{
	struct buf body OWN(buf_done) = { 0 };
	int64_t left_ms = mono_diff_ms(reading->until, mono_now());
	int r;

	if (left_ms <= 0)
		return err_set(err, -ETIMEDOUT, "no time is left: Compose files take too long");
	buf_init(&body, COMPOSE_BODY_MAX);
	compose_request_encode(request, &body);
	r = worker_ask(&reading->asked, "compose", COMPOSE_MSG_CONVERT, buf_str(&body),
		       (int)left_ms, ret_reply, err);
	return r < 0 ? r : compose_answer_decode(ret_reply->body, ret_answer, err);
}

/* Asks, and again with the files that were wanted, until none is. */
static int ask_all(struct reading *reading, struct compose_request *request, int top,
		   struct msg *ret_reply, struct err *err)
{
	struct compose_answer answer;
	char path[COMPOSE_PATH_MAX + 1];
	int r = 0;

	for (unsigned round = 0; r >= 0; round++) {
		msg_done(ret_reply);
		r = ask(reading, request, ret_reply, &answer, err);
		if (r < 0 || !answer.wanted_count)
			return r;
		if (round == COMPOSE_ROUNDS_MAX)
			return err_set(err, -ELOOP, "files name further files without an end");
		while (r >= 0 && compose_answer_wanted(&answer, path))
			r = add_file(request, top, path, false, err);
	}
	return r;
}

static int convert(struct reading *reading, struct str names, struct msg *ret_reply,
		   struct err *err)
{
	struct compose_request request OWN(compose_request_done) = { 0 };
	int top OWN_FD = fs_open(-1, "/config", FS_HOST, O_RDONLY | O_DIRECTORY, 0, err);
	int r = top;

	compose_request_init(&request);
	if (r >= 0)
		r = add_named(&request, top, names, err);
	return r < 0 ? r : ask_all(reading, &request, top, ret_reply, err);
}

/* ---- answers ---- */

/* The list of files in front of the places; texts live as long as the configuration. */
static int take_names(struct ini_config *config, struct wire *in, const char **files,
		      uint32_t *ret_count)
{
	*ret_count = wire_count(in, COMPOSE_FILES_MAX);
	for (uint32_t i = 0; i < *ret_count; i++) {
		files[i] = arena_text(&config->arena, wire_str(in, COMPOSE_PATH_MAX));
		if (!files[i])
			return -ENOMEM;
	}
	return in->error;
}

static const char *file_at(const char *const *files, uint32_t count, uint32_t number)
{
	return number < count ? files[number] : NULL;
}

/* A note without a service is about the file. */
static void take_note(const struct reading *reading, struct ini_section *compose,
		      const char *const *files, uint32_t file_count, struct wire *in)
{
	struct ini_value at = { .file = file_at(files, file_count, wire_u32(in)) };
	struct ini_section *section = reading->config->sections;
	char service[SERVICE_NAME_MAX + 1], text[COMPOSE_NOTE_MAX];
	bool advice;

	at.line = wire_u32(in);
	at.column = wire_u32(in);
	advice = wire_bool(in);
	wire_text(in, service, sizeof(service));
	wire_text(in, text, sizeof(text));
	if (in->error || advice || !at.file)
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

/* Their sections come in front of those of the layers, which may change them key by key. */
static int take_answer(const struct reading *reading, struct ini_section *compose,
		       const char *shown, struct str body, struct err *err)
{
	struct arena arena OWN(arena_done) = { 0 };
	const char *files[COMPOSE_FILES_MAX];
	uint32_t count, file_count = 0;
	struct compose_answer answer;
	struct ini_spot *spots;
	struct wire at;
	int r = compose_answer_decode(body, &answer, err);

	if (r < 0)
		return err_prefix(err, "%s", shown);
	wire_init(&at, answer.places.ptr, answer.places.len);
	if (take_names(reading->config, &at, files, &file_count) == -ENOMEM)
		return err_set(err, -ENOMEM, "%s: no memory", shown);
	count = wire_count(&at, COMPOSE_LINES_MAX);
	arena_init(&arena, ANSWER_MAX);
	spots = arena_array(&arena, count + 1U, sizeof(*spots));
	if (!spots)
		return err_set(err, -ENOMEM, "%s: no memory", shown);
	for (uint32_t i = 0; i < count; i++) {
		spots[i].file = file_at(files, file_count, wire_u32(&at));
		spots[i].line = wire_u32(&at);
		spots[i].column = wire_u32(&at);
	}
	r = ini_add_made(reading->config, compose_schema(), 0, shown, answer.ini, spots, count,
			 err);
	if (r < 0)
		return r;
	count = wire_count(&at, COMPOSE_LINES_MAX);
	for (uint32_t i = 0; i < count && !at.error; i++)
		take_note(reading, compose, files, file_count, &at);
	return at.error ? err_set(err, -EBADMSG, "%s: a malformed answer", shown) : 0;
}

/* Every file that the section names, a line for each. */
static void put_names(const struct ini_section *compose, struct buf *names)
{
	const struct ini_value *value = ini_get(&service_schema, compose, "file");

	for (; value; value = value->next) {
		struct str rest = value->text, name;

		while (next_name(&rest, &name)) {
			(void)buf_add_str(names, name);
			(void)buf_add_byte(names, '\n');
		}
	}
}

static int take_section(struct reading *reading, struct ini_section *compose, struct err *err)
{
	const struct ini_value *value = ini_get(&service_schema, compose, "file");
	const char *shown = value ? ini_text(&service_schema, compose, "file") : "";
	struct buf names OWN(buf_done) = { 0 };
	struct compose_file *known;
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
	buf_init(&names, NAMES_MAX);
	put_names(compose, &names);
	known = find_file(reading->manager, buf_str(&names));
	if (!reading->loaded || !known)
		r = convert(reading, buf_str(&names), &reply, &why);
	if (r < 0)
		ini_complain(reading->config, compose, value, "%s: %s%s", shown, err_text(&why),
			     known ? "; what it said before goes on" : "");
	if (r < 0 && !known)
		return 0;
	if (known && reading->remember)
		known->used = true;
	if (r < 0 || !reply.body.len)
		return take_answer(reading, compose, shown, buf_str(&known->answer), err);
	r = take_answer(reading, compose, shown, reply.body, err);
	if (r >= 0 && reading->remember)
		remember(reading->manager, buf_str(&names), reply.body);
	return r;
}

/* ---- env_file ---- */

/* Such a file stands nowhere: no other file is beside it. */
static int convert_env(struct reading *reading, struct str text, struct msg *ret_reply,
		       struct err *err)
{
	struct compose_request request OWN(compose_request_done) = { 0 };
	int top OWN_FD = fs_open(-1, "/config", FS_HOST, O_RDONLY | O_DIRECTORY, 0, err);
	int r = top;

	compose_request_init(&request);
	if (r >= 0)
		r = compose_request_add(&request, STR("/env_file/service"), text, NULL, err);
	request.named = 1;
	return r < 0 ? r : ask_all(reading, &request, top, ret_reply, err);
}

/* What the files of one section say, or said when that was put in force. */
static int take_env_files(struct reading *reading, struct ini_section *section, struct err *err)
{
	const struct ini_value *value = ini_get(&service_schema, section, "env_file");
	struct buf text OWN(buf_done) = { 0 };
	struct compose_file *known;
	struct msg reply OWN(msg_done) = { 0 };
	struct err why = { 0 };
	int r = 0;

	if (!value || section->bad)
		return 0;
	buf_init(&text, NAMES_MAX);
	env_file_ask(value, &text);
	known = find_file(reading->manager, buf_str(&text));
	if (known && reading->remember)
		known->used = true;
	if (reading->loaded && known)
		return env_file_take(reading->config, section, buf_str(&known->answer), err);
	r = buf_error(&text) ? err_set(&why, -E2BIG, "too many files")
			     : convert_env(reading, buf_str(&text), &reply, &why);
	if (r < 0) {
		ini_complain(reading->config, section, value, "env_file: %s", err_text(&why));
		return 0;
	}
	if (reading->remember)
		remember(reading->manager, buf_str(&text), reply.body);
	return env_file_take(reading->config, section, reply.body, err);
}

/* ---- all of them ---- */

static int take_all_env_files(struct reading *reading, struct err *err)
{
	int r = 0;

	for (struct ini_section *s = reading->config->sections; r >= 0 && s; s = s->next)
		if (!strcmp(s->kind, "service"))
			r = take_env_files(reading, s, err);
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
static int read_config(struct reading *reading, int dirfd, struct err *err)
{
	struct ini_config first OWN(ini_done);
	unsigned count;
	int r;

	ini_init(&first);
	r = ini_load(&first, &service_schema, dirfd, err);
	if (r < 0)
		return r;
	count = count_files(&first);
	if (count > SECTIONS_MAX)
		return err_set(err, -E2BIG, "more than %d [compose] sections", SECTIONS_MAX);
	reading->asked = (struct worker_asked){ -1, -1 };
	reading->until = mono_add_ms(mono_now(), READ_MS);
	for (struct ini_section *s = first.sections; r >= 0 && s; s = s->next)
		if (!strcmp(s->kind, "compose"))
			r = take_section(reading, s, err);
	if (r >= 0 && count) {
		r = ini_load(reading->config, &service_schema, dirfd, err);
	} else if (r >= 0) {
		ini_done(reading->config);
		*reading->config = first;
		ini_init(&first);
	}
	if (r >= 0)
		r = take_all_env_files(reading, err);
	worker_ask_done(&reading->asked);
	return r;
}

int manager_read(struct manager *manager, struct ini_config *config, int dirfd, struct err *err)
{
	struct reading reading = { .manager = manager, .config = config, .remember = true };
	int r = read_config(&reading, dirfd, err);

	if (r >= 0)
		forget_unused(manager);
	return r;
}

int manager_read_trial(void *owner, struct ini_config *config, int dirfd, bool loaded,
		       struct err *err)
{
	struct reading reading = { .manager = owner, .config = config, .loaded = loaded };

	return read_config(&reading, dirfd, err);
}
