/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Log lines for clients. Runs in the api role; what a log says is foreign, memory is one line.
 * Pure.
 */
#include "engine/docker/log_lines.h"

#include "engine/docker/pump.h"
#include "engine/docker/text.h"
#include "lib/own.h"

void docker_log_lines_init(struct docker_log_lines *lines)
{
	*lines = (struct docker_log_lines){ 0 };
	buf_init(&lines->line, DOCKER_LOG_LINE_MAX);
}

void docker_log_lines_done(struct docker_log_lines *lines)
{
	buf_done(&lines->line);
}

static void put_line(struct docker_log_lines *lines, struct str line, struct buf *out)
{
	struct json_doc doc = { 0 };
	struct str text, stream, time;
	struct buf whole OWN(buf_done) = { 0 };
	int64_t ns = 0;
	bool is_err;

	if (!line.len || json_parse(line, DOCKER_LOG_LINE_MAX, &doc, NULL) < 0)
		return; /* half a line of a power cut */
	text = json_str(json_get(doc.root, "log"));
	stream = json_str(json_get(doc.root, "stream"));
	time = json_str(json_get(doc.root, "time"));
	(void)docker_time_parse(time, &ns);
	is_err = str_is(stream, "stderr");
	if (lines->until_ns && ns > lines->until_ns)
		lines->over = true;
	if (!lines->over && ns >= lines->since_ns && (is_err ? lines->err : lines->out)) {
		buf_init(&whole, DOCKER_LOG_LINE_MAX + 64);
		if (lines->times)
			(void)buf_printf(&whole, "%.*s ", STR_ARG(time));
		(void)buf_add_str(&whole, text);
		docker_put_frame(out, is_err ? 2 : 1, lines->tty, buf_str(&whole));
	}
	json_done(&doc);
}

void docker_log_lines_put(struct docker_log_lines *lines, struct str block, struct buf *out)
{
	while (block.len && !lines->over) {
		ptrdiff_t end = str_find(block, '\n');

		if (end < 0) {
			(void)buf_add_str(&lines->line, block);
			return;
		}
		if (lines->line.len) {
			(void)buf_add_str(&lines->line, str_head(block, (size_t)end));
			put_line(lines, buf_str(&lines->line), out);
			buf_clear(&lines->line);
		} else {
			put_line(lines, str_head(block, (size_t)end), out);
		}
		block = str_skip(block, (size_t)end + 1);
	}
}
