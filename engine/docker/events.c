/* SPDX-License-Identifier: Apache-2.0 */
/*
 * GET /events: a line of JSON for each event, from the kept ones (`since`) and as they come. Runs
 * in the api role. A client that does not read is dropped by its bound, not waited for.
 */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "engine/docker/filter.h"
#include "engine/docker/handlers.h"
#include "engine/docker/text.h"
#include "engine/docker/watch.h"
#include "engine/oci/reference.h"
#include "lib/own.h"

#define NS_PER_S INT64_C(1000000000)

static const char event_filters[] = "config container daemon event image label network node plugin "
				    "scope secret service type volume";

struct events {
	struct docker_client *client;
	struct docker_watch watch;
	struct docker_filters filters;
	struct loop_timer until;
	int64_t since_ns, until_ns;
};

static void events_free(void *work)
{
	struct events *events = work;

	docker_watch_remove(events->client->server, &events->watch);
	loop_timer_stop(events->client->server->loop, &events->until);
	docker_filters_done(&events->filters);
	free(events);
}

/* ---- what fits ---- */

static bool fits_type(const struct events *events, const struct engine_event *event)
{
	static const char *const types[] = { "container", "image", "volume", "network" };

	for (size_t i = 0; i < ARRAY_LEN(types); i++) {
		if (!docker_filters_have(&events->filters, types[i]))
			continue;
		if (str_is(event->type, types[i]) &&
		    (docker_filters_fit(&events->filters, types[i], event->id, true) ||
		     docker_filters_fit(&events->filters, types[i], event->name, false)))
			continue;
		if (!strcmp(types[i], "image") && str_is(event->type, "container") &&
		    docker_filters_fit(&events->filters, types[i], event->image, true))
			continue;
		return false;
	}
	return docker_filters_fit(&events->filters, "type", event->type, false);
}

static bool fits(const struct events *events, const struct engine_event *event)
{
	const struct docker_labels labels = { .slices = event->labels,
					      .slice_count = event->label_count };
	struct str word = event->action, colon;

	(void)str_cut(&word, ':', &colon); /* "health_status: healthy" is a health_status too */
	return event->time_ns >= events->since_ns &&
	       (!events->until_ns || event->time_ns <= events->until_ns) &&
	       fits_type(events, event) &&
	       (docker_filters_fit(&events->filters, "event", event->action, false) ||
		docker_filters_fit(&events->filters, "event", colon, false)) &&
	       docker_filters_labels(&events->filters, &labels);
}

/* ---- one event ---- */

static void put_attributes(struct json_writer *w, const struct engine_event *event)
{
	struct oci_reference reference;
	char number[16], seconds[24], image[OCI_REFERENCE_MAX];
	bool ran = str_is(event->action, "die");
	struct str value, key;

	json_key(w, "Attributes");
	json_begin_object(w);
	for (uint32_t i = 0; i < event->label_count; i++) {
		value = event->labels[i];
		(void)str_cut(&value, '=', &key);
		if (str_is(key, "image") || str_is(key, "name") || str_is(key, "exitCode") ||
		    str_is(key, "signal") || (ran && str_is(key, "execDuration")) ||
		    (i && str_is(key, "execID")))
			continue;
		json_key_str(w, key);
		json_put_str(w, value);
	}
	(void)snprintf(number, sizeof(number), "%d", event->number);
	if (ran || str_is(event->action, "exec_die"))
		json_member_text(w, "exitCode", number);
	(void)snprintf(seconds, sizeof(seconds), "%lld", (long long)event->duration_s);
	if (ran)
		json_member_text(w, "execDuration", seconds);
	if (str_is(event->action, "kill"))
		json_member_text(w, "signal", number);
	if (event->image.len && oci_reference_parse(event->image, &reference, NULL) >= 0)
		json_member_text(w, "image", oci_reference_familiar(&reference, image));
	if (!str_is(event->action, "prune"))
		json_member_str(w, "name", event->name);
	json_end_object(w);
}

static void put_event(struct docker_client *client, const struct engine_event *event)
{
	struct buf body OWN(buf_done) = { 0 };
	struct json_writer w;

	buf_init(&body, 512 << 10);
	json_writer_init(&w, &body);
	json_begin_object(&w);
	if (str_is(event->type, "container")) { /* as before API 1.22; the CLI of old reads them */
		json_member_str(&w, "status", event->action);
		json_member_str(&w, "id", event->id);
		json_member_str(&w, "from", event->image);
	}
	json_member_str(&w, "Type", event->type);
	json_member_str(&w, "Action", event->action);
	json_key(&w, "Actor");
	json_begin_object(&w);
	json_member_str(&w, "ID", event->id);
	put_attributes(&w, event);
	json_end_object(&w);
	json_member_text(&w, "scope", "local");
	json_member_i64(&w, "time", event->time_ns / NS_PER_S);
	json_member_i64(&w, "timeNano", event->time_ns);
	json_end_object(&w);
	(void)buf_add_byte(&body, '\n');
	docker_stream_add(client, buf_str(&body));
}

static void on_event(struct docker_watch *watch, const struct engine_event *event)
{
	const struct events *events = watch->owner;

	if (fits(events, event))
		put_event(events->client, event);
}

static void on_kept(void *owner, const struct engine_event *event)
{
	const struct events *events = owner;

	if (fits(events, event))
		put_event(events->client, event);
}

static void on_until(struct loop_timer *timer)
{
	struct events *events = timer->owner;

	docker_stream_end(events->client);
}

/* False: 400 has been answered. */
static bool read_time(struct docker_client *client, const char *name, int64_t *ret_ns)
{
	char text[64], shown[160];

	*ret_ns = 0;
	if (!docker_query(client, name, text, sizeof(text)) || !*text ||
	    docker_time_parse(str_from(text), ret_ns) >= 0)
		return true;
	(void)snprintf(shown, sizeof(shown), "invalid value for \"%s\": %s", name, text);
	docker_reply_error(client, 400, shown);
	return false;
}

void docker_events(struct docker_client *client)
{
	struct events *events = calloc(1, sizeof(*events));
	char since[64] = "", until[64] = "", shown[240];
	int64_t now = docker_now_ns();

	if (!events) {
		docker_reply_error(client, 500, "no memory for a request");
		return;
	}
	events->client = client;
	client->work = events;
	client->work_free = events_free;
	if (!read_time(client, "since", &events->since_ns) ||
	    !read_time(client, "until", &events->until_ns) ||
	    !docker_filters_read(client, event_filters, &events->filters))
		return;
	if (events->since_ns && events->until_ns && events->since_ns > events->until_ns) {
		(void)docker_query(client, "since", since, sizeof(since));
		(void)docker_query(client, "until", until, sizeof(until));
		(void)snprintf(shown, sizeof(shown),
			       "`since` time (%s) cannot be after `until` time (%s)", since, until);
		docker_reply_error(client, 400, shown);
		return;
	}
	docker_stream_begin(client, "application/json");
	if (client->fd >= 0 && events->since_ns)
		docker_watch_history(client->server, on_kept, events);
	if (client->fd < 0)
		return;
	if (events->until_ns && events->until_ns <= now) {
		docker_stream_end(client);
		return;
	}
	docker_watch_add(client->server, &events->watch, on_event, events);
	if (events->until_ns)
		loop_timer_set(client->server->loop, &events->until,
			       (events->until_ns - now) / 1000000 + 1, on_until, events);
}
