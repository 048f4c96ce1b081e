/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Links of a create request: a name for another container in the hosts file and, on the default
 * network, the environment variables of old. Runs in the api role, on foreign JSON.
 */
#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include "engine/docker/create.h"
#include "lib/own.h"

enum { LINK_PORTS_MAX = 256, LINK_ALIAS_MAX = 256, LINK_ROW_MAX = 4096 };

void create_link_parts(struct str link, struct str *ret_name, struct str *ret_alias)
{
	struct str alias = link, name, part = STR("");

	(void)str_cut(&alias, ':', &name);
	if (name.len && name.ptr[0] == '/')
		name = str_skip(name, 1);
	while (str_cut(&alias, '/', &part)) {
		if (!alias.len)
			break;
	}
	*ret_name = name;
	*ret_alias = part.len ? part : name;
}

/* ---- variables ---- */

struct link {
	struct create *create;
	struct str name;
	char alias[LINK_ALIAS_MAX]; /* as variables have it: "DB_1" */
	struct link_port {
		uint64_t number;
		struct str proto;
	} ports[LINK_PORTS_MAX];
	size_t port_count;
};

/* One variable; what is too long for a definition is left out. */
static int put(const struct link *link, struct err *err, char kind, const char *format, ...)
	__attribute__((format(printf, 4, 5)));
static int put(const struct link *link, struct err *err, char kind, const char *format, ...)
{
	struct buf row OWN(buf_done) = { 0 };
	va_list args;

	buf_init(&row, LINK_ROW_MAX);
	(void)buf_printf(&row, "%.*s/%c%s", STR_ARG(link->name), kind, link->alias);
	va_start(args, format);
	(void)buf_vprintf(&row, format, args);
	va_end(args);
	if (buf_error(&row))
		return 0;
	return image_texts_add(link->create->arena, &link->create->def.host.link_env,
			       buf_text(&row), err);
}

/* TCP first, each in order of its numbers. */
static int port_order(const void *a, const void *b)
{
	const struct link_port *x = a, *y = b;
	bool tcp = str_is(x->proto, "tcp");

	if (!str_eq(x->proto, y->proto))
		return tcp			 ? -1
		       : str_is(y->proto, "tcp") ? 1
						 : memcmp(x->proto.ptr, y->proto.ptr, 3);
	return x->number < y->number ? -1 : x->number > y->number;
}

static void read_ports(struct link *link, const struct json *exposed)
{
	const struct json *value;
	struct json_iter iter;
	struct str name, number;

	json_iter_init(&iter, exposed);
	while (link->port_count < LINK_PORTS_MAX && json_iter_next(&iter, &name, &value)) {
		struct link_port *port = &link->ports[link->port_count];

		(void)str_cut(&name, '/', &number);
		port->proto = str_is(name, "udp") ? STR("udp") : STR("tcp");
		link->port_count += str_to_u64(number, 1, UINT16_MAX, &port->number) >= 0;
	}
	qsort(link->ports, link->port_count, sizeof(link->ports[0]), port_order);
}

/* A run of ports, [from, to] of the table, is told by its ends too. */
static int put_range(const struct link *link, const struct link_port *from,
		     const struct link_port *to, const char *upper, struct err *err)
{
	unsigned first = (unsigned)from->number, last = (unsigned)to->number;
	struct str proto = from->proto;
	int r;

	if (from == to)
		return 0;
	r = put(link, err, '@', "_PORT_%u_%s_START=%.*s://@:%u", first, upper, STR_ARG(proto),
		first);
	if (r >= 0)
		r = put(link, err, '=', "_PORT_%u_%s_PORT_START=%u", first, upper, first);
	if (r >= 0)
		r = put(link, err, '@', "_PORT_%u_%s_END=%.*s://@:%u", first, upper, STR_ARG(proto),
			last);
	return r < 0 ? r : put(link, err, '=', "_PORT_%u_%s_PORT_END=%u", first, upper, last);
}

static int put_ports(const struct link *link, struct err *err)
{
	const struct link_port *start = link->ports;
	int r = 0;

	for (size_t i = 0; r >= 0 && i < link->port_count; i++) {
		const struct link_port *port = &link->ports[i], *next = port + 1;
		const char *upper = str_is(port->proto, "udp") ? "UDP" : "TCP";
		unsigned number = (unsigned)port->number;

		if (!i)
			r = put(link, err, '@', "_PORT=%.*s://@:%u", STR_ARG(port->proto), number);
		if (r >= 0)
			r = put(link, err, '@', "_PORT_%u_%s=%.*s://@:%u", number, upper,
				STR_ARG(port->proto), number);
		if (r >= 0)
			r = put(link, err, '@', "_PORT_%u_%s_ADDR=@", number, upper);
		if (r >= 0)
			r = put(link, err, '=', "_PORT_%u_%s_PORT=%u", number, upper, number);
		if (r >= 0)
			r = put(link, err, '=', "_PORT_%u_%s_PROTO=%.*s", number, upper,
				STR_ARG(port->proto));
		if (i + 1 < link->port_count && next->number == port->number + 1 &&
		    str_eq(next->proto, port->proto))
			continue;
		if (r >= 0)
			r = put_range(link, start, port, upper, err);
		start = next;
	}
	return r;
}

/* What the other's environment says, less what each has of its own. */
static int put_environment(const struct link *link, const struct docker_box *other, struct err *err)
{
	static const char *const own[] = { "HOME=", "PATH=", "HOSTNAME=", "TERM=" };
	int r = 0;

	for (uint32_t i = 0; other->has_def && r >= 0 && i < other->def.env.count; i++) {
		const char *text = other->def.env.items[i];
		bool skip = !strchr(text, '=');

		for (size_t k = 0; k < ARRAY_LEN(own); k++)
			skip |= str_starts(str_from(text), str_from(own[k]));
		if (!skip)
			r = put(link, err, '=', "_ENV_%s", text);
	}
	return r;
}

static int put_variables(struct create *create, struct str name, struct str alias,
			 const struct docker_box *other, struct err *err)
{
	struct json_doc api OWN(json_done) = { 0 };
	struct link *link = arena_alloc(create->arena, sizeof(*link));
	int r;

	if (!link)
		return err_set(err, -ENOMEM, "no memory for links");
	memset(link, 0, sizeof(*link));
	link->create = create;
	link->name = name;
	if (str_copy(alias, link->alias, sizeof(link->alias)) < 0)
		return err_set(err, -EINVAL, "invalid link: \"%.*s\"", STR_ARG(alias));
	for (char *c = link->alias; *c; c++)
		*c = *c == '-' ? '_' : (char)toupper((unsigned char)*c);
	if (other->has_def && other->def.host_set)
		(void)json_parse(str_from(other->def.host.api), JSON_TEXT_MAX, &api, NULL);
	read_ports(link, docker_box_exposed(other, api.root));
	r = put_ports(link, err);
	if (r >= 0)
		r = put(link, err, '=', "_NAME=/%s/%.*s", create->def.name, STR_ARG(alias));
	return r < 0 ? r : put_environment(link, other, err);
}

/* ---- the links ---- */

static int add_link(struct create *create, struct str said, bool old, struct err *err)
{
	const struct docker_box *other;
	struct str name, alias;
	char *line;
	int r;

	create_link_parts(said, &name, &alias);
	if (!name.len)
		return err_set(err, -EINVAL, "invalid link: \"%.*s\"", STR_ARG(said));
	line = arena_printf(create->arena, "%.*s:%s%.*s", STR_ARG(alias), DEF_HOST_CONTAINER,
			    STR_ARG(name));
	r = line ? image_texts_add(create->arena, &create->def.extra_hosts, line, err)
		 : err_set(err, -ENOMEM, "no memory for links");
	other = old ? create_other(create, name) : NULL;
	return r < 0 || !other ? r : put_variables(create, name, alias, other, err);
}

int create_links(struct create *create, const struct json *owner, bool old, struct err *err)
{
	struct image_texts links = { 0 };
	int r = create_texts(create, owner, "Links", &links, err);

	for (uint32_t i = 0; r >= 0 && i < links.count; i++)
		r = add_link(create, str_from(links.items[i]), old, err);
	return r;
}
