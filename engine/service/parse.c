/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Single values of services.ini: ports, volumes, commands. Runs in engine main on the operator's
 * own files. Pure: must not touch files or sockets.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <string.h>
#include "engine/json/json.h"
#include "engine/service/spec.h"
#include "lib/own.h"

static int parse_range(struct str text, uint16_t *ret_first, uint16_t *ret_count)
{
	struct str first = text, last = text;
	ptrdiff_t dash = str_find(text, '-');
	uint64_t a, b;

	if (dash >= 0) {
		first = str_head(text, (size_t)dash);
		last = str_skip(text, (size_t)dash + 1);
	}
	if (str_to_u64(first, 1, 65535, &a) < 0 || str_to_u64(last, 1, 65535, &b) < 0 || b < a)
		return -EINVAL;
	*ret_first = (uint16_t)a;
	*ret_count = (uint16_t)(b - a + 1);
	return 0;
}

static int port_syntax(struct err *err)
{
	return err_set(err, -EINVAL,
		       "[ADDRESS:]HOST:CONTAINER[/udp] such as 8080:80 or [::1]:8080:80");
}

int service_port_address(struct str text, struct service_port *port)
{
	char address[SERVICE_PORT_IP_MAX];
	struct in6_addr in6;
	struct in_addr in;

	if (!text.len)
		return 0;
	if (str_copy(text, address, sizeof(address)) < 0)
		return -EINVAL;
	if (inet_pton(AF_INET, address, &in) == 1) {
		port->host_ip = in.s_addr;
		port->families = in.s_addr == INADDR_ANY ? SERVICE_PORT_IP4 : 0;
		return 0;
	}
	if (inet_pton(AF_INET6, address, &in6) != 1)
		return -EINVAL;
	memcpy(port->host_ip6, &in6, sizeof(port->host_ip6));
	port->families = SERVICE_PORT_IP6;
	return 0;
}

const char *service_port_ip(const struct service_port *port, char text[SERVICE_PORT_IP_MAX])
{
	struct in_addr in = { port->host_ip };

	text[0] = 0;
	if (port->families == SERVICE_PORT_IP6)
		(void)inet_ntop(AF_INET6, port->host_ip6, text, SERVICE_PORT_IP_MAX);
	else
		(void)inet_ntop(AF_INET, &in, text, SERVICE_PORT_IP_MAX);
	return text;
}

int service_port_parse(struct str text, struct service_port *ret_port, struct err *err)
{
	struct service_port port = { .proto = IPPROTO_TCP };
	uint16_t container_count;
	ptrdiff_t cut = str_find(text, '/');

	if (cut >= 0) {
		struct str proto = str_skip(text, (size_t)cut + 1);

		if (str_is(proto, "udp"))
			port.proto = IPPROTO_UDP;
		else if (str_is(proto, "sctp"))
			return err_set(err, -EPROTONOSUPPORT,
				       "tcp or udp: the kernel is built without SCTP");
		else if (!str_is(proto, "tcp"))
			return port_syntax(err);
		text = str_head(text, (size_t)cut);
	}
	struct str pieces[3], rest = text;
	size_t n = 0;

	cut = text.len && text.ptr[0] == '[' ? str_find(text, ']') : -1;
	if (cut > 0) {
		rest = str_skip(text, (size_t)cut + 1);
		pieces[n++] = str_skip(str_head(text, (size_t)cut), 1);
		if (!rest.len || rest.ptr[0] != ':' || str_find(pieces[0], ':') < 0)
			return port_syntax(err);
		rest = str_skip(rest, 1);
	}
	while (n < 3 && str_cut(&rest, ':', &pieces[n]))
		n++;
	if (n < 2 || rest.len)
		return port_syntax(err);
	if (n == 3 && (!pieces[0].len || service_port_address(pieces[0], &port) < 0))
		return port_syntax(err);
	if (parse_range(pieces[n - 2], &port.host_port, &port.count) < 0 ||
	    parse_range(pieces[n - 1], &port.container_port, &container_count) < 0)
		return port_syntax(err);
	if (container_count != port.count)
		return err_set(err, -EINVAL, "two port ranges of the same length");
	*ret_port = port;
	return 0;
}

int service_volume_parse(struct arena *arena, struct str text, struct service_volume *ret_volume,
			 struct err *err)
{
	static const char usage[] = "NAME:/path[:ro] or /host/path:/path[:ro]";
	struct service_volume volume = { 0 };
	struct str source, target, rest = text;

	if (!str_cut(&rest, ':', &source) || !str_cut(&rest, ':', &target))
		return err_set(err, -EINVAL, "%s", usage);
	if (rest.len) {
		if (str_is(rest, "ro"))
			volume.read_only = true;
		else if (!str_is(rest, "rw"))
			return err_set(err, -EINVAL, "%s", usage);
	}
	if (!source.len || !str_starts(target, STR("/")) || target.len < 2)
		return err_set(err, -EINVAL, "%s", usage);
	volume.kind = source.ptr[0] == '/' ? SERVICE_VOLUME_BIND : SERVICE_VOLUME_NAMED;
	if (volume.kind == SERVICE_VOLUME_NAMED && !str_is_name(source))
		return err_set(err, -EINVAL, "%s", usage);
	volume.source = arena_text(arena, source);
	volume.target = arena_text(arena, target);
	if (!volume.source || !volume.target)
		return err_set(err, -ENOMEM, "no memory for a volume");
	*ret_volume = volume;
	return 0;
}

static int wait_syntax(struct err *err)
{
	return err_set(err, -EINVAL, "network, clock, volume:NAME or device:/dev/PATH");
}

int service_wait_parse(struct arena *arena, struct str text, struct service_wait_for *ret_wait,
		       struct err *err)
{
	struct service_wait_for wait = { SERVICE_WAIT_NETWORK, "" };
	struct str name = { 0 };

	if (str_is(text, "clock")) {
		wait.kind = SERVICE_WAIT_CLOCK;
	} else if (str_starts(text, STR("volume:"))) {
		wait.kind = SERVICE_WAIT_VOLUME;
		name = str_skip(text, 7);
		if (!name.len || name.ptr[0] == '.' || str_find(name, '/') >= 0)
			return wait_syntax(err);
	} else if (str_starts(text, STR("device:/dev/"))) {
		wait.kind = SERVICE_WAIT_DEVICE;
		name = str_skip(text, 7);
		if (name.len < 6)
			return wait_syntax(err);
	} else if (!str_is(text, "network")) {
		return wait_syntax(err);
	}
	wait.name = arena_text(arena, name);
	if (!wait.name)
		return err_set(err, -ENOMEM, "no memory for wait_for");
	*ret_wait = wait;
	return 0;
}

static bool limit_fits(struct str text)
{
	uint64_t value;

	return str_is(text, "-1") || str_to_u64(text, 0, INT64_MAX, &value) >= 0;
}

int service_ulimit_parse(struct arena *arena, struct str text, const char **ret_text,
			 struct err *err)
{
	struct str rest = text, name = { 0 }, soft = { 0 };

	(void)str_cut(&rest, '=', &name);
	(void)str_cut(&rest, ':', &soft);
	rest = rest.len ? rest : soft;
	if (!name.len || !limit_fits(soft) || !limit_fits(rest))
		return err_set(err, -EINVAL, "NAME=SOFT[:HARD], e.g. nofile=1024:4096");
	*ret_text =
		arena_printf(arena, "%.*s=%.*s:%.*s", STR_ARG(name), STR_ARG(soft), STR_ARG(rest));
	return *ret_text ? 0 : err_set(err, -ENOMEM, "no memory for ulimits");
}

/* "02:42:ac:11:00:0a", one host's: not a group's. */
static bool mac_fits(struct str text)
{
	struct str part;
	unsigned count = 0;
	uint8_t bytes[6];

	if (text.len != 17)
		return false;
	while (count < 6 && str_cut(&text, ':', &part))
		if (part.len != 2 || str_unhex(part, &bytes[count++], 1) < 0)
			return false;
	return count == 6 && !text.len && !(bytes[0] & 1);
}

int service_address(struct arena *arena, struct str key, struct str value, const char **ret_text,
		    struct err *err)
{
	static const struct {
		const char *word, *kind;
		int family;
	} words[] = { { "ipv4_address", "", AF_INET },
		      { "ipv6_address", "ip6:", AF_INET6 },
		      { "mac_address", "mac:", 0 },
		      { "aliases", NULL, 0 } };
	struct str word = key, name = key;
	char text[64];
	uint8_t bytes[16];
	size_t i = 0;

	while (name.len && name.ptr[name.len - 1] != '.')
		name.len--;
	word = str_skip(key, name.len);
	name = str_head(name, name.len ? name.len - 1 : 0);
	while (i < ARRAY_LEN(words) && !str_is(word, words[i].word))
		i++;
	if (!name.len || i == ARRAY_LEN(words))
		return err_set(err, -EINVAL,
			       "networks.%.*s: networks.NAME.ipv4_address, .ipv6_address, "
			       ".mac_address or .aliases is expected",
			       STR_ARG(key));
	*ret_text = "";
	if (!words[i].kind)
		return 0;
	if (str_copy(value, text, sizeof(text)) < 0 ||
	    (words[i].family ? inet_pton(words[i].family, text, bytes) != 1 : !mac_fits(value)))
		return err_set(err, -EINVAL, "networks.%.*s = %.*s: this is no such address",
			       STR_ARG(key), STR_ARG(value));
	*ret_text =
		arena_printf(arena, "%.*s=%s%.*s", STR_ARG(name), words[i].kind, STR_ARG(value));
	return *ret_text ? 0 : err_set(err, -ENOMEM, "no memory for an address");
}

/* One growing word list inside an arena: the items were counted before, so it never moves. */
struct words {
	struct arena *arena;
	const char **items;
	uint32_t count, max;
	char *word; /* being written */
	size_t len;
	bool open;
};

static void word_byte(struct words *words, char byte)
{
	words->word[words->len++] = byte;
	words->open = true;
}

static int word_end(struct words *words)
{
	if (!words->open)
		return 0;
	if (words->count >= words->max)
		return -E2BIG;
	words->items[words->count] = arena_text(words->arena, str_make(words->word, words->len));
	if (!words->items[words->count])
		return -ENOMEM;
	words->count++;
	words->len = 0;
	words->open = false;
	return 0;
}

static int split_shell(struct words *words, struct str text, struct err *err)
{
	char quote = 0;

	for (size_t i = 0; i < text.len; i++) {
		char c = text.ptr[i];

		if (c == '\\' && quote != '\'' && i + 1 < text.len) {
			word_byte(words, text.ptr[++i]);
		} else if (quote) {
			if (c == quote)
				quote = 0;
			else
				word_byte(words, c);
		} else if (c == '\'' || c == '"') {
			quote = c;
			words->open = true;
		} else if (c == ' ' || c == '\t') {
			int r = word_end(words);

			if (r < 0)
				return err_set(err, r, "fewer words");
		} else {
			word_byte(words, c);
		}
	}
	if (quote)
		return err_set(err, -EINVAL, "a closing %c", quote);
	return word_end(words);
}

static int split_json(struct words *words, struct str text, struct err *err)
{
	static const char usage[] = "a list such as [\"sh\", \"-c\", \"true\"]";
	struct json_doc doc OWN(json_done) = { 0 };
	struct json_iter iter;
	const struct json *item;
	struct str key;

	if (json_parse(text, JSON_TEXT_MAX, &doc, NULL) < 0 || json_type(doc.root) != JSON_ARRAY)
		return err_set(err, -EINVAL, "%s", usage);
	json_iter_init(&iter, doc.root);
	while (json_iter_next(&iter, &key, &item)) {
		if (json_type(item) != JSON_STRING)
			return err_set(err, -EINVAL, "%s", usage);
		if (words->count >= words->max)
			return err_set(err, -E2BIG, "fewer words");
		words->items[words->count] = arena_text(words->arena, json_str(item));
		if (!words->items[words->count])
			return err_set(err, -ENOMEM, "no memory for a command");
		words->count++;
	}
	return 0;
}

int service_command_parse(struct arena *arena, struct str text, struct service_list *ret_list,
			  struct err *err)
{
	struct words words = { .arena = arena, .max = 1024 };
	int r;

	text = str_trim(text);
	words.items = arena_array(arena, words.max + 1, sizeof(*words.items));
	words.word = arena_alloc(arena, text.len + 1);
	if (!words.items || !words.word)
		return err_set(err, -ENOMEM, "no memory for a command");
	if (text.len && text.ptr[0] == '[')
		r = split_json(&words, text, err);
	else
		r = split_shell(&words, text, err);
	if (r < 0)
		return r;
	*ret_list = (struct service_list){ words.items, words.count, true };
	return 0;
}
