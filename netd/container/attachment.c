/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns the list of attached containers and its files. Run by netd main. It must never give one
 * address to two containers.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include "lib/fs.h"
#include "lib/own.h"
#include "lib/sha256.h"
#include "lib/wire.h"
#include "netd/container/attachment.h"

enum {
	MEMORY_MAX = 96 << 10,
	FILE_MAX = 64 << 10,
	FILE_NAME = 33, /* 32 hex digits */
	FILE_VERSION = 4,
	PLACES_SPARE = ATTACHMENTS_MAX + 2, /* for who finds his place taken */
};

/* The first digits of the id's hash, `cap - 1` of them. */
static void hash_text(struct str id, char *dst, size_t cap)
{
	char hex[2 * SHA256_SIZE + 1];
	struct digest digest;
	struct sha256 sha;

	sha256_init(&sha);
	sha256_add(&sha, id.ptr, id.len);
	sha256_end(&sha, &digest);
	str_hex(digest.bytes, sizeof(digest.bytes), hex);
	memcpy(dst, hex, cap - 1);
	dst[cap - 1] = 0;
}

struct attachment *attachment_new(const struct netd_attach *attach)
{
	struct attachment *attachment = calloc(1, sizeof(*attachment));
	OWN(buf_done) struct buf record = { 0 };
	void *copy;

	if (!attachment)
		return NULL;
	attachment->udp_fd = attachment->tcp_fd = attachment->inside.fd = -1;
	for (uint8_t i = 0; i < NETD_NETWORKS_MAX; i++)
		attachment->slots[i] = i;
	arena_init(&attachment->arena, MEMORY_MAX);
	buf_init(&record, FILE_MAX);
	netd_attach_encode(attach, &record);
	copy = buf_error(&record) < 0 ? NULL : arena_alloc(&attachment->arena, record.len + 1);
	if (copy)
		memcpy(copy, record.data, record.len);
	if (!copy || netd_attach_decode(str_make(copy, record.len), &attachment->arena,
					&attachment->attach, NULL) < 0) {
		attachment_free(attachment);
		return NULL;
	}
	/* Once: netd looks for its interfaces whenever anything changes. */
	hash_text(attachment->attach.id, attachment->tag, sizeof(attachment->tag));
	return attachment;
}

void attachment_free(struct attachment *attachment)
{
	if (!attachment)
		return;
	own_close(&attachment->udp_fd);
	own_close(&attachment->tcp_fd);
	nl_done(&attachment->inside);
	arena_done(&attachment->arena);
	free(attachment);
}

struct attachment *attachment_find(const struct attachments *attachments, struct str id)
{
	struct attachment *a = attachments->first;

	while (a && !str_eq(a->attach.id, id))
		a = a->next;
	return a;
}

bool attachment_has_slot(const struct attachment *attachment, uint8_t slot)
{
	for (uint32_t i = 0; i < attachment->attach.network_count; i++)
		if (attachment->slots[i] == slot)
			return true;
	return false;
}

void attachment_place(struct attachment *attachment, const struct attachment *before)
{
	struct netd_attach *attach = &attachment->attach;

	memset(attachment->slots, UINT8_MAX, sizeof(attachment->slots));
	for (uint32_t i = 0; i < attach->network_count; i++)
		for (uint32_t j = 0; before && j < before->attach.network_count; j++)
			if (str_eq(attach->networks[i].name, before->attach.networks[j].name) &&
			    !attachment_has_slot(attachment, before->slots[j]))
				attachment->slots[i] = before->slots[j];
	for (uint32_t i = 0; i < attach->network_count; i++) {
		uint8_t slot = 0;

		while (attachment->slots[i] == UINT8_MAX && attachment_has_slot(attachment, slot))
			slot++;
		if (attachment->slots[i] == UINT8_MAX)
			attachment->slots[i] = slot;
	}
}

static void unlink_from(struct attachments *attachments, struct attachment *attachment)
{
	for (struct attachment **at = &attachments->first; *at; at = &(*at)->next) {
		if (*at != attachment)
			continue;
		*at = attachment->next;
		attachments->count--;
		return;
	}
}

static int write_file(const struct attachments *attachments, const struct attachment *attachment,
		      struct err *err)
{
	OWN(buf_done) struct buf record = { 0 };
	char name[FILE_NAME];

	if (attachments->state_fd < 0)
		return 0;
	buf_init(&record, FILE_MAX);
	wire_put_u32(&record, FILE_VERSION);
	wire_put_u64(&record, attachment->netns_dev);
	wire_put_u64(&record, attachment->netns_ino);
	wire_put_bytes(&record, attachment->slots, sizeof(attachment->slots));
	netd_attach_encode(&attachment->attach, &record);
	if (buf_error(&record) < 0)
		return err_set(err, buf_error(&record), "the attachment's record is too long");
	hash_text(attachment->attach.id, name, sizeof(name));
	return fs_replace(attachments->state_fd, name, record.data, record.len, 0600, err);
}

int attachment_put(struct attachments *attachments, struct attachment *attachment, struct err *err)
{
	struct attachment *old = attachment_find(attachments, attachment->attach.id);
	int r;

	if (!old && attachments->count == ATTACHMENTS_MAX)
		return err_set(err, -ENOSPC, "at most %d containers", ATTACHMENTS_MAX);
	r = write_file(attachments, attachment, err);
	if (r < 0)
		return r;
	if (old) {
		unlink_from(attachments, old);
		attachment_free(old);
	}
	attachment->next = attachments->first;
	attachments->first = attachment;
	attachments->count++;
	return 0;
}

void attachment_remove(struct attachments *attachments, struct attachment *attachment)
{
	char name[FILE_NAME];

	hash_text(attachment->attach.id, name, sizeof(name));
	unlink_from(attachments, attachment);
	attachment_free(attachment);
	if (attachments->state_fd >= 0)
		(void)fs_unlink(attachments->state_fd, name, NULL);
}

static int load_file(int dirfd, const char *name, unsigned char d_type, void *owner,
		     struct err *err)
{
	struct attachments *attachments = owner;
	OWN(arena_done) struct arena arena = { 0 };
	OWN(buf_done) struct buf record = { 0 };
	struct attachment *attachment = NULL;
	uint8_t slots[NETD_NETWORKS_MAX];
	struct netd_attach attach;
	uint64_t dev, ino;
	struct wire in;
	uint32_t version;

	(void)d_type;
	arena_init(&arena, MEMORY_MAX);
	buf_init(&record, FILE_MAX);
	if (fs_read(dirfd, name, FS_BENEATH, FILE_MAX - 1, &record, NULL) < 0)
		return 0;
	wire_init(&in, record.data, record.len);
	version = wire_u32(&in);
	dev = wire_u64(&in);
	ino = wire_u64(&in);
	wire_bytes(&in, slots, sizeof(slots));
	if (!in.error && version == FILE_VERSION &&
	    netd_attach_decode(str_make(in.ptr, in.left), &arena, &attach, NULL) == 0)
		attachment = attachment_new(&attach);
	if (!attachment || attachments->count == ATTACHMENTS_MAX) {
		attachment_free(attachment);
		err_set(err, -EBADMSG, "state of a container was damaged and is dropped (%s)",
			name);
		(void)fs_unlink(dirfd, name, NULL);
		return 0;
	}
	memcpy(attachment->slots, slots, sizeof(slots));
	attachment->netns_dev = dev;
	attachment->netns_ino = ino;
	attachment->next = attachments->first;
	attachments->first = attachment;
	attachments->count++;
	return 0;
}

int attachment_load_all(struct attachments *attachments, struct err *err)
{
	err->code = 0;
	if (attachments->state_fd < 0)
		return 0;
	if (fs_each(attachments->state_fd, load_file, attachments, err) < 0)
		return err->code;
	return err->code;
}

void attachment_done_all(struct attachments *attachments)
{
	while (attachments->first) {
		struct attachment *attachment = attachments->first;

		attachments->first = attachment->next;
		attachment_free(attachment);
	}
	attachments->count = 0;
}

/* ---- addresses ---- */

static const struct attachment *address_holder(const struct attachments *attachments,
					       const struct attachment *self, struct str network,
					       uint32_t ip4)
{
	for (const struct attachment *a = attachments->first; a; a = a->next) {
		if (str_eq(a->attach.id, self->attach.id))
			continue;
		for (uint32_t i = 0; i < a->attach.network_count; i++) {
			uint32_t other;

			if (str_eq(a->attach.networks[i].name, network) &&
			    ip4_parse(a->attach.networks[i].ip4, &other) == 0 && other == ip4)
				return a;
		}
	}
	return NULL;
}

static bool fits(const struct network *network, uint32_t ip4)
{
	/* Not the network's, the gateway's or the broadcast address. */
	return network_ip4_fits(network, ip4) && ip4 != network_gateway(network);
}

static bool is_reserved(const struct network *network, uint32_t ip4)
{
	const struct ip_any address = { .ip4 = ip4 };

	return network_is_reserved(&network->traits, &address);
}

static bool is_reserved6(const struct network *network, const struct ip6 *ip6)
{
	const struct ip_any address = { .v6 = true, .ip6 = *ip6 };

	return network_is_reserved(&network->traits, &address);
}

static int say_reserved(const struct network *network, struct str wish, struct err *err)
{
	return err_set(err, -EADDRINUSE, "address %.*s is reserved on network %s", STR_ARG(wish),
		       network->name);
}

/* Has the host itself the address? On a bridge it has the gateway's alone. */
static bool is_hosts(const struct network *network, const struct rtnl_state *state, uint32_t ip4)
{
	if (!state || network_is_bridge(network))
		return false;
	for (size_t i = 0; i < state->addr_count; i++)
		if (!state->addrs[i].v6 && state->addrs[i].ip4 == ip4)
			return true;
	return false;
}

static bool is_hosts6(const struct network *network, const struct rtnl_state *state,
		      const struct ip6 *ip6)
{
	if (!state || network_is_bridge(network))
		return false;
	for (size_t i = 0; i < state->addr_count; i++)
		if (state->addrs[i].v6 && ip6_equal(&state->addrs[i].ip6, ip6))
			return true;
	return false;
}

/* A place in the subnet that follows from the id: the same container gets the same address again.
 */
static uint32_t favourite(struct str id)
{
	struct digest digest;
	struct sha256 sha;

	sha256_init(&sha);
	sha256_add(&sha, id.ptr, id.len);
	sha256_end(&sha, &digest);
	return (uint32_t)digest.bytes[0] << 24 | (uint32_t)digest.bytes[1] << 16 |
	       (uint32_t)digest.bytes[2] << 8 | digest.bytes[3];
}

/* ---- MAC addresses ---- */

/* That of an attachment's interface: what was asked for, else what follows from its addresses. */
static void mac_of(const struct netd_attach_network *on, uint8_t ret_mac[6])
{
	struct ip6 ip6 = { .b = { 0 } };
	uint32_t ip4 = 0;

	if (on->mac.len && mac_parse(on->mac, ret_mac) == 0)
		return;
	(void)ip4_parse(on->ip4, &ip4);
	(void)ip6_parse(on->ip6, &ip6);
	network_mac_of(ip4, &ip6, ret_mac);
}

/* Has one of the container's interfaces on that network the address? */
static bool has_mac(const struct attachment *a, const struct network *network, const uint8_t mac[6])
{
	for (uint32_t i = 0; i < a->attach.network_count; i++) {
		uint8_t other[6];

		if (!str_is(a->attach.networks[i].name, network->name))
			continue;
		mac_of(&a->attach.networks[i], other);
		if (!memcmp(other, mac, sizeof(other)))
			return true;
	}
	return false;
}

static const struct attachment *mac_holder(const struct attachments *attachments,
					   const struct attachment *self,
					   const struct network *network, const uint8_t mac[6])
{
	for (const struct attachment *a = attachments->first; a; a = a->next)
		if (!str_eq(a->attach.id, self->attach.id) && has_mac(a, network, mac))
			return a;
	return NULL;
}

/* Would the address that nobody asked for bring a MAC address that another one asked for? */
static bool mac_taken(const struct attachments *attachments, const struct attachment *self,
		      const struct network *network, uint32_t ip4, const struct ip6 *ip6)
{
	uint8_t mac[6];

	network_mac_of(ip4, ip6, mac);
	return mac_holder(attachments, self, network, mac) != NULL;
}

int attachment_check_macs(const struct attachments *attachments, struct networks *networks,
			  const struct attachment *attachment, struct err *err)
{
	for (uint32_t i = 0; i < attachment->attach.network_count; i++) {
		const struct netd_attach_network *on = &attachment->attach.networks[i];
		const struct network *network = network_find(networks, on->name);
		const struct attachment *holder;
		char text[MAC_TEXT_MAX];
		uint8_t mac[6], own[6];

		if (!network || network->driver == NETWORK_IPVLAN ||
		    (!on->mac.len && !on->ip4.len && !on->ip6.len))
			continue;
		mac_of(on, mac);
		network_mac(network, own);
		if (network_is_bridge(network) && !memcmp(mac, own, sizeof(own)))
			return err_set(err, -EADDRINUSE,
				       "MAC address %s is that of network %s's gateway",
				       mac_text(mac, text), network->name);
		holder = mac_holder(attachments, attachment, network, mac);
		if (holder)
			return err_set(err, -EADDRINUSE,
				       "MAC address %s is taken by container %.*s on network %s%s",
				       mac_text(mac, text), STR_ARG(holder->attach.name),
				       network->name,
				       on->mac.len ? "" : " (it follows from the IP address)");
	}
	return 0;
}

static int pick_address(const struct attachments *attachments, const struct network *network,
			const struct rtnl_state *state, const struct attachment *attachment,
			uint32_t *ret_ip4, struct err *err)
{
	uint32_t first = network->subnet + 2;
	uint32_t hosts = ~ip4_mask(network->prefix) - 2; /* without network, gateway, broadcast */
	uint32_t start;

	if (network->prefix >= IP4_PAIR) {
		first = network->subnet;
		hosts = 2;
	} else if (network->gateway && !network->range_len) {
		first = network->subnet + 1; /* the gateway is in the midst of them */
		hosts++;
	} else if (network->range_len) {
		first = network->range;
		hosts = ~ip4_mask(network->range_len);
		hosts += hosts < UINT32_MAX;
	}
	start = favourite(attachment->attach.id) % hosts;

	/* With fewer containers than steps one of them must be free. */
	for (uint32_t i = 0; i < hosts && i <= ATTACHMENTS_MAX * NETD_NETWORKS_MAX; i++) {
		uint32_t ip4 = first + (start + i) % hosts;

		if (fits(network, ip4) && !is_reserved(network, ip4) &&
		    !is_hosts(network, state, ip4) &&
		    !address_holder(attachments, attachment, str_from(network->name), ip4) &&
		    !mac_taken(attachments, attachment, network, ip4, NULL)) {
			*ret_ip4 = ip4;
			return 0;
		}
	}
	return err_set(err, -ENOSPC, "network %s has no free address; give it a larger subnet",
		       network->name);
}

static const struct attachment *address6_holder(const struct attachments *attachments,
						const struct attachment *self, struct str network,
						const struct ip6 *ip6)
{
	for (const struct attachment *a = attachments->first; a; a = a->next) {
		if (str_eq(a->attach.id, self->attach.id))
			continue;
		for (uint32_t i = 0; i < a->attach.network_count; i++) {
			struct ip6 other;

			if (str_eq(a->attach.networks[i].name, network) &&
			    ip6_parse(a->attach.networks[i].ip6, &other) == 0 &&
			    ip6_equal(&other, ip6))
				return a;
		}
	}
	return NULL;
}

static int check_wish6(const struct attachments *attachments, const struct network *network,
		       const struct rtnl_state *state, const struct attachment *attachment,
		       struct str wish, struct err *err)
{
	struct ip6 ip6, gateway = network_gateway6(network);
	const struct attachment *holder;

	if (ip6_parse(wish, &ip6) < 0 || !network->prefix6 ||
	    !ip6_in_prefix(&ip6, &network->subnet6, network->prefix6) ||
	    ip6_equal(&ip6, &network->subnet6) || ip6_equal(&ip6, &gateway))
		return err_set(err, -EINVAL, "address '%.*s' does not belong to network %s",
			       STR_ARG(wish), network->name);
	if (is_reserved6(network, &ip6))
		return say_reserved(network, wish, err);
	if (is_hosts6(network, state, &ip6))
		return err_set(err, -EADDRINUSE, "address %.*s is the host's own", STR_ARG(wish));
	holder = address6_holder(attachments, attachment, str_from(network->name), &ip6);
	if (holder)
		return err_set(err, -EADDRINUSE, "address %.*s is taken by container %.*s",
			       STR_ARG(wish), STR_ARG(holder->attach.name));
	return 0;
}

/* The same place in the IPv6 subnet as in the other one: 172.17.0.9 has ::9. Without another one a
 * place that follows from the id, behind the gateway's; 16 bits are there in every subnet. */
static int pick_address6(const struct attachments *attachments, const struct network *network,
			 const struct rtnl_state *state, struct attachment *attachment,
			 struct netd_attach_network *wanted, struct err *err)
{
	char text[IP6_TEXT_MAX];
	struct ip6 ip6, gateway = network_gateway6(network);
	uint32_t ip4, place;

	if (wanted->ip6.len)
		return check_wish6(attachments, network, state, attachment, wanted->ip6, err);
	if (!network->prefix6)
		return 0;
	place = ip4_parse(wanted->ip4, &ip4) == 0
			? ip4 - network->subnet
			: 2 + favourite(attachment->attach.id) % (UINT16_MAX - PLACES_SPARE);
	ip6 = ip6_plus(&network->subnet6, place);
	while (ip6_equal(&ip6, &gateway) || is_reserved6(network, &ip6) ||
	       is_hosts6(network, state, &ip6) ||
	       address6_holder(attachments, attachment, wanted->name, &ip6) ||
	       (!network->prefix && mac_taken(attachments, attachment, network, 0, &ip6)))
		ip6 = ip6_plus(&ip6, 1);
	wanted->ip6 = str_from(arena_text(&attachment->arena, str_from(ip6_text(&ip6, text))));
	return wanted->ip6.len ? 0 : err_set(err, -ENOMEM, "no memory for an address");
}

static int check_wish(const struct attachments *attachments, const struct network *network,
		      const struct rtnl_state *state, const struct attachment *attachment,
		      struct str wish, struct err *err)
{
	const struct attachment *holder;
	uint32_t ip4;

	if (!network->prefix)
		return err_set(err, -EINVAL, "address '%.*s': network %s has IPv6 alone",
			       STR_ARG(wish), network->name);
	if (ip4_parse(wish, &ip4) < 0 || !fits(network, ip4))
		return err_set(err, -EINVAL, "address '%.*s' does not belong to network %s",
			       STR_ARG(wish), network->name);
	if (is_reserved(network, ip4))
		return say_reserved(network, wish, err);
	if (is_hosts(network, state, ip4))
		return err_set(err, -EADDRINUSE, "address %.*s is the host's own", STR_ARG(wish));
	holder = address_holder(attachments, attachment, str_from(network->name), ip4);
	if (holder)
		return err_set(err, -EADDRINUSE, "address %.*s is taken by container %.*s",
			       STR_ARG(wish), STR_ARG(holder->attach.name));
	return 0;
}

int attachment_pick_addresses(const struct attachments *attachments, struct networks *networks,
			      const struct rtnl_state *state, struct attachment *attachment,
			      struct err *err)
{
	struct netd_attach *attach = &attachment->attach;

	for (uint32_t i = 0; i < attach->network_count; i++) {
		struct netd_attach_network *wanted = &attach->networks[i];
		struct network *network = network_require(networks, wanted->name, err);
		char text[IP4_TEXT_MAX];
		uint32_t ip4 = 0;
		int r = 0;

		if (!network)
			return -ENOENT;
		for (uint32_t j = 0; j < i; j++)
			if (str_eq(attach->networks[j].name, wanted->name))
				return err_set(err, -EINVAL, "network %s is named twice",
					       network->name);
		if (wanted->ip4.len) {
			r = check_wish(attachments, network, state, attachment, wanted->ip4, err);
		} else if (network->prefix) {
			r = pick_address(attachments, network, state, attachment, &ip4, err);
			wanted->ip4 = str_from(
				arena_text(&attachment->arena, str_from(ip4_text(ip4, text))));
			if (r == 0 && !wanted->ip4.len)
				r = err_set(err, -ENOMEM, "no memory for an address");
		}
		if (r == 0)
			r = pick_address6(attachments, network, state, attachment, wanted, err);
		if (r < 0)
			return r;
	}
	return 0;
}
