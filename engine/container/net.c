/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A container's network as the engine sees it: the namespace, what netd is asked for, and the files
 * hosts, hostname and resolv.conf. Runs in engine main.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include "engine/container/parts.h"
#include "lib/fs.h"
#include "lib/log.h"
#include "lib/own.h"
#include "netd/api/netd_msg.h"

/* A client of the API names each port of a range: one row says them all. */
static bool port_follows(const struct netd_port *row, const struct netd_port *next)
{
	return next->proto == row->proto && next->host_ip4 == row->host_ip4 &&
	       next->families == row->families &&
	       !memcmp(next->host_ip6, row->host_ip6, sizeof(row->host_ip6)) &&
	       next->host_port == (uint32_t)row->host_port + row->count &&
	       next->container_port == (uint32_t)row->container_port + row->count &&
	       (uint32_t)row->count + next->count <= NETD_PORT_RANGE_MAX;
}

static int attach_ports(const struct container *container, struct arena *arena,
			struct netd_attach *attach, struct err *err)
{
	const struct container_def *def = &container->def;

	attach->ports = arena_array(arena, def->port_count + 1U, sizeof(*attach->ports));
	if (!attach->ports)
		return err_set(err, -ENOMEM, "no memory for ports");
	for (uint32_t i = 0; i < def->port_count; i++) {
		struct netd_port *row = attach->ports + attach->port_count;

		*row = (struct netd_port){
			.proto = def->ports[i].proto,
			.host_ip4 = ntohl(def->ports[i].host_ip),
			.host_port = def->ports[i].host_port,
			.container_port = def->ports[i].container_port,
			.count = def->ports[i].count,
			.families = def->ports[i].families,
		};
		memcpy(row->host_ip6, def->ports[i].host_ip6, sizeof(row->host_ip6));
		if (attach->port_count && port_follows(row - 1, row))
			row[-1].count = (uint16_t)(row[-1].count + row->count);
		else
			attach->port_count++;
	}
	return 0;
}

/* The value of one row of def.host.addresses, if it is of that network and kind; else a NULL. */
static struct str row_value(const char *item, const char *network, const char *kind)
{
	size_t len = strlen(network);
	struct str value;

	if (strncmp(item, network, len) != 0 || item[len] != '=')
		return (struct str){ 0 };
	value = str_from(item + len + 1);
	if (*kind ? str_starts(value, str_from(kind))
		  : !str_starts(value, STR("mac:")) && !str_starts(value, STR("ip6:")) &&
			    !str_starts(value, STR("if:")) && !str_starts(value, STR("sysctl:")))
		return str_skip(value, strlen(kind));
	return (struct str){ 0 };
}

/* "NETWORK=10.0.0.5" of the definition, or "NETWORK=ip6:...", "NETWORK=mac:...", "NETWORK=if:...";
 * empty = netd picks one.
 */
static struct str wanted_address(const struct container_def *def, const char *network,
				 const char *kind)
{
	for (uint32_t i = 0; def->host_set && i < def->host.addresses.count; i++) {
		struct str value = row_value(def->host.addresses.items[i], network, kind);

		if (value.ptr)
			return value;
	}
	return STR("");
}

static int attach_networks(const struct container *container, struct arena *arena,
			   struct netd_attach *attach, struct err *err)
{
	const struct container_def *def = &container->def;
	struct str *aliases = arena_array(arena, def->aliases.count + 1U, sizeof(*aliases));
	uint32_t count = def->aliases.count;

	attach->networks = arena_array(arena, def->networks.count + 1U, sizeof(*attach->networks));
	if (!attach->networks || !aliases)
		return err_set(err, -ENOMEM, "no memory for networks");
	for (uint32_t i = 0; i < def->aliases.count; i++)
		aliases[i] = str_from(def->aliases.items[i]);
	/* As Docker has it, in networks that somebody made; one that netd can hold. */
	if (def->host_set && *def->hostname && strlen(def->hostname) <= NETD_NAME_MAX &&
	    count < NETD_ALIASES_MAX)
		aliases[count++] = str_from(def->hostname);
	for (uint32_t i = 0; def->network_mode == DEF_NETWORK_BRIDGE && i < def->networks.count;
	     i++)
		attach->networks[attach->network_count++] = (struct netd_attach_network){
			.name = str_from(def->networks.items[i]),
			.aliases = aliases,
			.alias_count = strcmp(def->networks.items[i], "bridge") != 0
					       ? count
					       : def->aliases.count,
			.ip4 = wanted_address(def, def->networks.items[i], ""),
			.ip6 = wanted_address(def, def->networks.items[i], "ip6:"),
			.mac = wanted_address(def, def->networks.items[i], "mac:"),
			.ifname = wanted_address(def, def->networks.items[i], "if:"),
		};
	return 0;
}

int container_attach(struct container *container, msg_reply_fn *fn, struct err *err)
{
	struct arena arena OWN(arena_done) = { 0 };
	struct buf body OWN(buf_done) = { 0 };
	struct netd_attach attach = { .id = str_from(container->id),
				      .name = str_from(container->def.name) };
	const int fds[5] = { container->ns.netns_fd, container->ns.netlink_fd, container->ns.udp_fd,
			     container->ns.tcp_fd, container->ns.netfilter_fd };
	int64_t r;

	if (!container->env->network->up)
		return err_set(err, -EAGAIN, "the network helper is not there yet");
	arena_init(&arena, 1 << 20);
	buf_init(&body, 1 << 20);
	r = attach_ports(container, &arena, &attach, err);
	if (r >= 0)
		r = attach_networks(container, &arena, &attach, err);
	if (r < 0)
		return (int)r;
	netd_attach_encode(&attach, &body);
	r = msg_peer_call(&container->env->network->peer, NETD_MSG_ATTACH, buf_str(&body), fds, 5,
			  fn, container, err);
	return r < 0 ? (int)r : 0;
}

/* "net.ipv4.conf.IFNAME.forwarding=1" on the interface of that name. */
static int set_sysctl(struct container *container, struct str row, struct str ifname,
		      struct err *err)
{
	struct buf path OWN(buf_done) = { 0 };
	struct str rest = row, key, part;
	int r;

	(void)str_cut(&rest, '=', &key);
	buf_init(&path, 256);
	(void)buf_add_text(&path, "/proc/sys");
	while (str_cut(&key, '.', &part)) {
		(void)buf_add_byte(&path, '/');
		(void)buf_add_str(&path, str_is(part, "IFNAME") ? ifname : part);
	}
	if (buf_error(&path))
		return err_set(err, -EINVAL, "sysctl '%.*s' is too long", STR_ARG(row));
	r = network_namespace_sysctl(container->ns.netns_fd, buf_text(&path), rest, err);
	if (r == -ENOTRECOVERABLE)
		fatal("%s", err_text(err));
	return r < 0 ? err_prefix(err, "sysctl %.*s", STR_ARG(row)) : 0;
}

int container_set_sysctls(struct container *container, const struct netd_attached *attached,
			  struct err *err)
{
	const struct image_texts *rows = &container->def.host.addresses;
	int r = 0;

	for (uint32_t i = 0; container->def.host_set && i < attached->count; i++) {
		char network[NETD_NAME_MAX + 1];

		(void)str_copy(attached->networks[i].network, network, sizeof(network));
		for (uint32_t k = 0; r >= 0 && k < rows->count; k++) {
			struct str row = row_value(rows->items[k], network, "sysctl:");

			if (row.ptr)
				r = set_sysctl(container, row, attached->networks[i].ifname, err);
		}
	}
	return r;
}

/* As Docker has it: the link's name, the other's host name, and the name it goes by. */
static void write_link(const struct container *container, struct str alias, const char *name,
		       struct buf *out)
{
	struct container_env *env = container->env;
	const struct container *other = env->running ? env->running(env->owner, name) : NULL;
	const char *address = container_address_of(container, name);

	if (!*address)
		return;
	(void)buf_printf(out, "%s\t%.*s", address, STR_ARG(alias));
	if (*other->def.hostname && !str_is(alias, other->def.hostname))
		(void)buf_printf(out, " %s", other->def.hostname);
	if (!str_is(alias, name) && strcmp(name, other->def.hostname) != 0)
		(void)buf_printf(out, " %s", name);
	(void)buf_add_byte(out, '\n');
}

/* The machine as the container sees it: where the default route leads, of IPv6 without another. */
static const char *machine_address(const struct container *container)
{
	const char *found = "";

	for (uint32_t i = 0; !*found && i < container->address_count; i++)
		found = container->addresses[i].gateway;
	for (uint32_t i = 0; !*found && i < container->address_count; i++)
		found = container->addresses[i].gateway6;
	return found;
}

/* "NAME:ADDRESS", "NAME:host-gateway", "NAME:container:OTHER"; what is not there has no line. */
static void write_host(const struct container *container, struct str item, struct buf *out)
{
	struct str address = item, name;
	const char *found = NULL;

	(void)str_cut(&address, ':', &name);
	if (str_starts(address, STR(DEF_HOST_CONTAINER))) { /* the text's own NUL ends it */
		write_link(container, name, address.ptr + sizeof(DEF_HOST_CONTAINER) - 1, out);
		return;
	}
	if (str_is(address, DEF_HOST_GATEWAY))
		found = container->address_count ? machine_address(container) : "127.0.0.1";
	if (found && *found)
		(void)buf_printf(out, "%s\t%.*s\n", found, STR_ARG(name));
	else if (!found && name.len && address.len)
		(void)buf_printf(out, "%.*s\t%.*s\n", STR_ARG(address), STR_ARG(name));
}

static void write_hosts(const struct container *container, struct buf *out)
{
	const struct container_def *def = &container->def;

	(void)buf_add_text(out, "127.0.0.1\tlocalhost\n::1\tlocalhost ip6-localhost\n");
	if (*container->address)
		(void)buf_printf(out, "%s\t%s\n", container->address, def->hostname);
	if (container->address_count && *container->addresses[0].ip6)
		(void)buf_printf(out, "%s\t%s\n", container->addresses[0].ip6, def->hostname);
	for (uint32_t i = 0; i < def->extra_hosts.count; i++)
		write_host(container, str_from(def->extra_hosts.items[i]), out);
}

static void write_resolv(const struct container *container, struct buf *out)
{
	const struct container_def *def = &container->def;

	for (uint32_t i = 0; i < def->dns.count; i++)
		(void)buf_printf(out, "nameserver %s\n", def->dns.items[i]);
	for (uint32_t i = 0; def->host_set && i < def->host.dns_search.count; i++)
		(void)buf_printf(out, "%s%s%s", i ? "" : "search ", def->host.dns_search.items[i],
				 i + 1 < def->host.dns_search.count ? " " : "\n");
	for (uint32_t i = 0; def->host_set && i < def->host.dns_options.count; i++)
		(void)buf_printf(out, "options %s\n", def->host.dns_options.items[i]);
	if (def->dns.count)
		return;
	if (def->network_mode != DEF_NETWORK_HOST) {
		(void)buf_add_text(out, "nameserver 127.0.0.11\noptions ndots:0\n");
		return;
	}
	(void)fs_read(-1, "/run/hoy/net/etc/resolv.conf", FS_HOST, 4096, out, NULL);
}

/* Docker's words, which are others for each kind; 500 for those that a runtime joins. */
static int not_running(const char *id, const char *name, struct err *err)
{
	if (!strcmp(name, "pid") || !strcmp(name, "ipc"))
		return err_set(err, -EIO,
			       "failed to join %s namespace: container %s is not running",
			       *name == 'p' ? "PID" : "IPC", id);
	return err_set(err, -EBUSY, "cannot join network of a non running container: %s", id);
}

int container_join(struct container *container, const char *id, const char *name, struct err *err)
{
	struct container_env *env = container->env;
	const struct container *other = env->running ? env->running(env->owner, id) : NULL;
	struct buf path OWN(buf_done) = { 0 };

	if (!other || other->phase != CONTAINER_PHASE_RUNNING)
		return not_running(id, name, err);
	if (!strcmp(name, "net"))
		(void)str_copy(str_from(other->address), container->address,
			       sizeof(container->address));
	/* The pid is its shim's child, reaped only after the shim told us. */
	buf_init(&path, 64);
	(void)buf_printf(&path, "/proc/%d/ns/%s", (int)other->pid, name);
	return fs_open(-1, buf_text(&path), FS_HOST, O_RDONLY, 0, err);
}

int container_files_write(struct container *container, struct err *err)
{
	struct buf text OWN(buf_done) = { 0 };
	char path[CONTAINER_ID_LEN + 4];
	int dir OWN_FD = -1;
	int r;

	memcpy(path, "c/", 2);
	memcpy(path + 2, container->id, sizeof(container->id));
	dir = fs_open_dir(container->env->run_fd, path, FS_BENEATH, 0755, err);
	if (dir < 0)
		return dir;
	buf_init(&text, 65536);
	write_hosts(container, &text);
	r = fs_replace(dir, "hosts", text.data, text.len, 0644, err);
	if (r < 0)
		return r;
	buf_clear(&text);
	write_resolv(container, &text);
	r = fs_replace(dir, "resolv.conf", buf_text(&text), text.len, 0644, err);
	if (r < 0)
		return r;
	buf_clear(&text);
	(void)buf_printf(&text, "%s\n", container->def.hostname);
	return fs_replace(dir, "hostname", text.data, text.len, 0644, err);
}

void container_take_addresses(struct container *container, const struct netd_attached *attached)
{
	container->address_count = 0;
	for (uint32_t i = 0; i < attached->count && i < CONTAINER_NETWORKS_MAX; i++) {
		struct container_address *to = &container->addresses[container->address_count++];
		const struct netd_attached_network *from = &attached->networks[i];

		memset(to, 0, sizeof(*to));
		(void)str_copy(from->network, to->network, sizeof(to->network));
		(void)str_copy(from->ip4, to->ip4, sizeof(to->ip4));
		(void)str_copy(from->ip6, to->ip6, sizeof(to->ip6));
		(void)str_copy(from->gateway, to->gateway, sizeof(to->gateway));
		(void)str_copy(from->gateway6, to->gateway6, sizeof(to->gateway6));
		(void)str_copy(from->mac, to->mac, sizeof(to->mac));
		(void)str_copy(from->host_ip, to->host_ip, sizeof(to->host_ip));
		to->prefix = from->prefix;
		to->prefix6 = from->prefix6;
		to->flags = from->flags;
	}
	if (attached->count)
		(void)str_copy(attached->networks[0].ip4.len ? attached->networks[0].ip4
							     : attached->networks[0].ip6,
			       container->address, sizeof(container->address));
}

void container_close_sockets(struct container *container)
{
	own_close(&container->ns.netlink_fd);
	own_close(&container->ns.udp_fd);
	own_close(&container->ns.tcp_fd);
	own_close(&container->ns.netfilter_fd);
}
