/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The start order of services by depends_on, and the cycles in it. Pure; owned by engine main.
 */
#include <errno.h>
#include <string.h>
#include "engine/service/spec.h"

static int find_spec(struct service_spec *const *specs, uint32_t count, const char *name)
{
	for (uint32_t i = 0; i < count; i++) {
		if (!strcmp(specs[i]->group, name))
			return (int)i;
	}
	return -1;
}

/* Marks every service bad that needs one which is not declared. */
static int mark_missing(struct service_spec *const *specs, uint32_t count, bool *bad,
			struct err *err)
{
	int result = 0;

	for (uint32_t i = 0; i < count; i++) {
		for (uint32_t d = 0; d < specs[i]->depends_count; d++) {
			const char *name = specs[i]->depends_on[d].name;

			if (find_spec(specs, count, name) >= 0)
				continue;
			bad[i] = true;
			result = err_set(err, -ENOENT,
					 "service %s depends on '%s', which is not declared",
					 specs[i]->name, name);
		}
	}
	return result;
}

static bool is_ready(struct service_spec *const *specs, uint32_t count, const bool *done,
		     const bool *bad, uint32_t i)
{
	for (uint32_t d = 0; d < specs[i]->depends_count; d++) {
		int on = find_spec(specs, count, specs[i]->depends_on[d].name);

		/* One that is refused is never there: who needs it waits, which is not a cycle. */
		if (on >= 0 && !done[on] && !bad[on])
			return false;
	}
	return true;
}

/* Whether i reaches itself through services that are not placed yet. */
static bool on_cycle(struct service_spec *const *specs, uint32_t count, const bool *placed,
		     uint32_t i, bool *seen)
{
	bool grew = true;

	memset(seen, 0, count * sizeof(*seen));
	seen[i] = true;
	while (grew) {
		grew = false;
		for (uint32_t k = 0; k < count; k++) {
			for (uint32_t d = 0; seen[k] && d < specs[k]->depends_count; d++) {
				int on = find_spec(specs, count, specs[k]->depends_on[d].name);

				if (on < 0 || placed[on])
					continue;
				if ((uint32_t)on == i)
					return true;
				grew = grew || !seen[on];
				seen[on] = true;
			}
		}
	}
	return false;
}

static int name_cycle(struct service_spec *const *specs, uint32_t count, const bool *placed,
		      bool *bad, bool *seen, struct err *err)
{
	char names[300] = "";
	size_t len = 0;

	for (uint32_t i = 0; i < count; i++) {
		if (placed[i] || bad[i] || !on_cycle(specs, count, placed, i, seen))
			continue;
		bad[i] = true;
		if (len + strlen(specs[i]->name) + 3 < sizeof(names)) {
			memcpy(names + len, len ? ", " : "", len ? 2 : 0);
			len += len ? 2 : 0;
			memcpy(names + len, specs[i]->name, strlen(specs[i]->name) + 1);
			len += strlen(specs[i]->name);
		}
	}
	return err_set(err, -ELOOP, "depends_on goes in a circle through %s; take one of them out",
		       names);
}

int service_order(struct service_spec *const *specs, uint32_t count, uint32_t *ret_order,
		  uint32_t *ret_count, bool *ret_bad, struct err *err)
{
	bool placed[SERVICE_COUNT_MAX] = { false }, seen[SERVICE_COUNT_MAX];
	uint32_t n = 0;
	bool grew = true;
	int result;

	*ret_count = 0;
	if (count > SERVICE_COUNT_MAX)
		return err_set(err, -E2BIG, "%u services are declared, at most %d are supported",
			       count, SERVICE_COUNT_MAX);
	memset(ret_bad, 0, count * sizeof(*ret_bad));
	result = mark_missing(specs, count, ret_bad, err);
	for (bool again = true; again;) {
		again = false;
		for (grew = true; grew;) {
			grew = false;
			for (uint32_t i = 0; i < count; i++) {
				if (placed[i] || ret_bad[i] ||
				    !is_ready(specs, count, placed, ret_bad, i))
					continue;
				placed[i] = grew = true;
				ret_order[n++] = i;
			}
		}
		for (uint32_t i = 0; i < count && !again; i++)
			again = !placed[i] && !ret_bad[i];
		if (again)
			result = name_cycle(specs, count, placed, ret_bad, seen, err);
	}
	*ret_count = n;
	return result;
}
