/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Times, durations and lists as Docker writes them. Runs in the api role. Pure but for the clock.
 */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include "engine/docker/rfc3339.h"
#include "engine/docker/text.h"
#include "lib/own.h"

#define NS_PER_S INT64_C(1000000000)

static const char *time_text(int64_t ns, bool trim, char dst[DOCKER_TIME_MAX])
{
	time_t seconds = (time_t)(ns / NS_PER_S);
	char fraction[16];
	struct tm tm;
	size_t len;

	if (ns <= 0 || !gmtime_r(&seconds, &tm)) {
		memcpy(dst, "0001-01-01T00:00:00Z", 21);
		return dst;
	}
	len = (size_t)snprintf(fraction, sizeof(fraction), ".%09d", (int)(ns % NS_PER_S));
	while (trim && len && (fraction[len - 1] == '0' || fraction[len - 1] == '.'))
		fraction[--len] = 0;
	len = strftime(dst, DOCKER_TIME_MAX, "%Y-%m-%dT%H:%M:%S", &tm);
	(void)snprintf(dst + len, DOCKER_TIME_MAX - len, "%sZ", fraction);
	return dst;
}

const char *docker_time(int64_t ns, char dst[DOCKER_TIME_MAX])
{
	return time_text(ns, true, dst);
}

const char *docker_time_nano(int64_t ns, char dst[DOCKER_TIME_MAX])
{
	return time_text(ns, false, dst);
}

/* ".600" in nanoseconds. */
static int fraction_ns(struct str digits, int64_t *ret_ns)
{
	int64_t ns = 0;

	for (size_t i = 0; i < 9; i++) {
		char c = i < digits.len ? digits.ptr[i] : '0';

		if (c < '0' || c > '9')
			return -EINVAL;
		ns = ns * 10 + (c - '0');
	}
	*ret_ns = ns;
	return 0;
}

int docker_time_parse(struct str text, int64_t *ret_ns)
{
	struct str rest = text, whole;
	int64_t seconds, ns = 0;
	size_t digits = 0;
	ptrdiff_t dot;

	if (str_find(text, 'T') < 0) {
		(void)str_cut(&rest, '.', &whole);
		if (str_to_i64(whole, 0, INT64_MAX / NS_PER_S - 1, &seconds) < 0 ||
		    (rest.len && fraction_ns(rest, &ns) < 0))
			return -EINVAL;
		*ret_ns = seconds * NS_PER_S + ns;
		return 0;
	}
	if (rfc3339_parse(text, &seconds) < 0)
		return -EINVAL;
	dot = str_find(text, '.');
	rest = dot < 0 ? STR("") : str_skip(text, (size_t)dot + 1);
	while (digits < rest.len && rest.ptr[digits] >= '0' && rest.ptr[digits] <= '9')
		digits++;
	(void)fraction_ns(str_head(rest, digits), &ns);
	/* The calendar goes further than nanoseconds in 64 bits do. */
	if (__builtin_mul_overflow(seconds, NS_PER_S, &seconds) ||
	    __builtin_add_overflow(seconds, ns, ret_ns))
		return -EINVAL;
	return 0;
}

const char *docker_ago(int64_t seconds, char dst[DOCKER_TIME_MAX])
{
	int64_t minutes = seconds / 60, hours = (seconds + 1800) / 3600;
	const char *unit = "seconds";
	int64_t n = seconds;

	if (seconds < 1)
		return "Less than a second";
	if (seconds == 1)
		return "1 second";
	if (seconds >= 60 && minutes == 1)
		return "About a minute";
	if (seconds >= 60 && minutes >= 60 && hours == 1)
		return "About an hour";
	if (minutes >= 60 && hours < 48)
		n = hours, unit = "hours";
	else if (minutes >= 60 && hours < 24 * 14)
		n = hours / 24, unit = "days";
	else if (minutes >= 60 && hours < 24 * 60)
		n = hours / 24 / 7, unit = "weeks";
	else if (minutes >= 60 && hours < 24 * 365 * 2)
		n = hours / 24 / 30, unit = "months";
	else if (minutes >= 60)
		n = hours / 24 / 365, unit = "years";
	else if (seconds >= 60)
		n = minutes, unit = "minutes";
	(void)snprintf(dst, DOCKER_TIME_MAX, "%lld %s", (long long)n, unit);
	return dst;
}

int64_t docker_now_ns(void)
{
	struct timespec now;

	(void)clock_gettime(CLOCK_REALTIME, &now);
	return (int64_t)now.tv_sec * NS_PER_S + now.tv_nsec;
}

const char *docker_signal_name(int number)
{
	static const char *const names[] = {
		[SIGHUP] = "SIGHUP",   [SIGINT] = "SIGINT",   [SIGQUIT] = "SIGQUIT",
		[SIGKILL] = "SIGKILL", [SIGUSR1] = "SIGUSR1", [SIGUSR2] = "SIGUSR2",
		[SIGTERM] = "SIGTERM", [SIGSTOP] = "SIGSTOP", [SIGCONT] = "SIGCONT",
		[SIGABRT] = "SIGABRT", [SIGALRM] = "SIGALRM", [SIGWINCH] = "SIGWINCH",
	};

	if (number < 0 || (size_t)number >= ARRAY_LEN(names) || !names[number])
		return "";
	return names[number];
}

void docker_put_texts(struct json_writer *w, const char *key, const struct image_texts *texts,
		      bool null_empty)
{
	json_key(w, key);
	if (!texts->count && null_empty) {
		json_put_null(w);
		return;
	}
	json_begin_array(w);
	for (uint32_t i = 0; i < texts->count; i++)
		json_put_text(w, texts->items[i]);
	json_end_array(w);
}

void docker_put_labels(struct json_writer *w, const char *key, const struct image_texts *labels)
{
	json_key(w, key);
	json_begin_object(w);
	for (uint32_t i = 0; i < labels->count; i++) {
		struct str text = str_from(labels->items[i]), name;

		(void)str_cut(&text, '=', &name);
		json_key_str(w, name);
		json_put_str(w, text);
	}
	json_end_object(w);
}
