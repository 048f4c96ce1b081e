/* SPDX-License-Identifier: Apache-2.0 */
/* The stored form of a container: every field there and back, and no damage that is taken. */
#include <errno.h>
#include <netinet/in.h>
#include "engine/container/def.h"
#include "lib/own.h"
#include "tests/unit/tap.h"

enum { CREATED = 1700000000 };

static struct arena arena;

static void add(struct image_texts *texts, const char *one, const char *two)
{
	image_texts_add(&arena, texts, one, NULL);
	image_texts_add(&arena, texts, two, NULL);
}

/* Each field has a value of its own, so that none can stand in for another. */
static void fill(struct container_def *def)
{
	static struct digest layers[2];
	static struct def_mount mounts[3] = { { DEF_MOUNT_VOLUME, "data", "/var/lib/data", false },
					      { DEF_MOUNT_BIND, "/config/x", "/etc/x", true },
					      { DEF_MOUNT_TMPFS, "", "/tmp", false } };
	static struct service_port ports[2] = {
		{ IPPROTO_TCP, 0, 8080, 80, 1, 0, { 0 } },
		{ IPPROTO_UDP, 0x0100007f, 53, 5353, 3, 0, { 0 } }
	};

	memset(layers[0].bytes, 1, SHA256_SIZE);
	memset(layers[1].bytes, 2, SHA256_SIZE);
	*def = (struct container_def){
		.name = "web",
		.reference = "docker.io/library/web:1",
		.layers = layers,
		.layer_count = 2,
		.workdir = "/srv",
		.user = "www:data",
		.hostname = "host",
		.stop_signal = "SIGQUIT",
		.mounts = mounts,
		.mount_count = 3,
		.ports = ports,
		.port_count = 2,
		.network_mode = DEF_NETWORK_NONE,
		.mem_limit = INT64_C(1) << 40,
		.cpus = 1500,
		.pids_limit = 99,
		.stop_grace_ms = 12345,
		.log_max_size = 1 << 21,
		.log_max_file = 7,
		.privileged = true,
		.tty = true,
		.init = true,
		.declared = true,
	};
	memset(def->image.bytes, 9, SHA256_SIZE);
	add(&def->argv, "/bin/web", "");
	add(&def->env, "PATH=/bin", "A=1");
	add(&def->cap_add, "NET_ADMIN", "SYS_TIME");
	add(&def->cap_drop, "CHOWN", "KILL");
	add(&def->devices, "/dev/a", "/dev/b:/dev/c:r");
	add(&def->dns, "10.0.0.1", "10.0.0.2");
	add(&def->extra_hosts, "a:1.1.1.1", "b:2.2.2.2");
	add(&def->labels, "k=v", "l=w");
	add(&def->aliases, "alias", "other");
	add(&def->networks, "front", "back");
}

static bool same_texts(const struct image_texts *a, const struct image_texts *b)
{
	bool same = a->count == b->count;

	for (uint32_t i = 0; same && i < a->count; i++)
		same = strcmp(a->items[i], b->items[i]) == 0;
	return same;
}

static void check_texts(const struct container_def *a, const struct container_def *b)
{
	const struct {
		const char *name;
		const struct image_texts *a, *b;
	} lists[] = {
		{ "argv", &a->argv, &b->argv },
		{ "env", &a->env, &b->env },
		{ "cap_add", &a->cap_add, &b->cap_add },
		{ "cap_drop", &a->cap_drop, &b->cap_drop },
		{ "devices", &a->devices, &b->devices },
		{ "dns", &a->dns, &b->dns },
		{ "extra_hosts", &a->extra_hosts, &b->extra_hosts },
		{ "labels", &a->labels, &b->labels },
		{ "aliases", &a->aliases, &b->aliases },
		{ "networks", &a->networks, &b->networks },
	};

	for (size_t i = 0; i < ARRAY_LEN(lists); i++)
		ok(lists[i].a->count == 2 && same_texts(lists[i].a, lists[i].b), "%s",
		   lists[i].name);
	is_text(b->name, a->name, "name");
	is_text(b->reference, a->reference, "reference");
	is_text(b->workdir, a->workdir, "workdir");
	is_text(b->user, a->user, "user");
	is_text(b->hostname, a->hostname, "hostname");
	is_text(b->stop_signal, a->stop_signal, "stop_signal");
}

static void check_numbers(const struct container_def *a, const struct container_def *b)
{
	is_int(b->mem_limit, a->mem_limit, "mem_limit");
	is_int(b->disk_limit, a->disk_limit, "disk_limit");
	is_int(b->cpus, a->cpus, "cpus");
	is_int(b->pids_limit, a->pids_limit, "pids_limit");
	is_int(b->stop_grace_ms, a->stop_grace_ms, "stop_grace_ms");
	is_int(b->log_max_size, a->log_max_size, "log_max_size");
	is_int(b->log_max_file, a->log_max_file, "log_max_file");
	is_int(b->network_mode, a->network_mode, "network_mode");
	is_int(b->userns, a->userns, "userns");
	ok(b->privileged && !b->read_only && b->tty && b->init && !b->log_off && b->declared,
	   "the flags");
}

static void check_lists(const struct container_def *a, const struct container_def *b)
{
	bool same = a->mount_count == b->mount_count;

	for (uint32_t i = 0; same && i < a->mount_count; i++)
		same = a->mounts[i].kind == b->mounts[i].kind &&
		       a->mounts[i].read_only == b->mounts[i].read_only &&
		       strcmp(a->mounts[i].source, b->mounts[i].source) == 0 &&
		       strcmp(a->mounts[i].target, b->mounts[i].target) == 0;
	ok(same, "mounts");
	same = a->port_count == b->port_count;
	for (uint32_t i = 0; same && i < a->port_count; i++)
		same = a->ports[i].proto == b->ports[i].proto &&
		       a->ports[i].host_ip == b->ports[i].host_ip &&
		       a->ports[i].host_port == b->ports[i].host_port &&
		       a->ports[i].container_port == b->ports[i].container_port &&
		       a->ports[i].count == b->ports[i].count;
	ok(same, "ports");
	ok(memcmp(&a->image, &b->image, sizeof(a->image)) == 0, "image");
	ok(a->layer_count == b->layer_count &&
		   memcmp(a->layers, b->layers, 2 * sizeof(*a->layers)) == 0,
	   "layers");
}

static void test_round(struct str file)
{
	struct container_def def, back;
	int64_t created_s = 0;

	fill(&def);
	if (!is_int(container_state_decode(file, &arena, &created_s, &back, NULL), 0, "decoded"))
		return;
	is_int(created_s, CREATED, "created");
	check_texts(&def, &back);
	check_numbers(&def, &back);
	check_lists(&def, &back);
}

/* The other three flags, which fill() leaves unset. */
static void test_flags(void)
{
	struct buf file OWN(buf_done) = { 0 };
	struct container_def def, back;
	int64_t created_s;

	fill(&def);
	def.read_only = def.log_off = true;
	def.privileged = def.tty = def.declared = def.init = false;
	buf_init(&file, DEF_BYTES_MAX);
	is_int(container_state_encode(&def, CREATED, &file, NULL), 0, "encoded");
	ok(container_state_decode(buf_str(&file), &arena, &created_s, &back, NULL) == 0 &&
		   back.read_only && back.log_off && !back.privileged && !back.tty && !back.init &&
		   !back.declared,
	   "the other flags");
}

/* Health checks come in a later version of the record, with the flag of the one before. */
static void test_health(void)
{
	struct buf file OWN(buf_done) = { 0 };
	struct container_def def, back;
	int64_t created_s;

	for (int init = 0; init < 2; init++) {
		fill(&def);
		def.init = init;
		def.disk_limit = init; /* 0 = none */
		def.userns = init ? DEF_USERNS_HOST : DEF_USERNS_DEFAULT;
		add(&def.health.test, "CMD", "/bin/check");
		def.health.interval_ns = 1;
		def.health.timeout_ns = 2;
		def.health.start_period_ns = 3;
		def.health.start_interval_ns = 4;
		def.health.retries = 5;
		buf_done(&file);
		buf_init(&file, DEF_BYTES_MAX);
		is_int(container_state_encode(&def, CREATED, &file, NULL), 0, "encoded");
		ok(container_state_decode(buf_str(&file), &arena, &created_s, &back, NULL) == 0 &&
			   same_texts(&back.health.test, &def.health.test) &&
			   back.health.interval_ns == 1 && back.health.timeout_ns == 2 &&
			   back.health.start_period_ns == 3 && back.health.start_interval_ns == 4 &&
			   back.health.retries == 5 && back.init == init &&
			   back.disk_limit == init && back.userns == def.userns,
		   "health checks, init = %d", init);
	}
}

/* A value of its own for each of the fields that only Docker's HostConfig has. */
static void fill_host(struct container_def *def)
{
	static struct def_mount_more more[3] = {
		{ .flags = DEF_MOUNT_NO_COPY | DEF_MOUNT_ANONYMOUS, .subpath = "sub" },
		{ .flags = DEF_MOUNT_MAKE, .propagation = 2, .subpath = "" },
		{ .size_bytes = 65536, .mode = 0700, .subpath = "" },
	};
	struct def_host *host = &def->host;

	def_host_init(host);
	def->host_set = true;
	def->declared = false;
	def->mounts_more = more;
	host->domainname = "example";
	host->console_rows = 57;
	host->console_columns = 123;
	host->cgroup_parent = "/rack/one";
	add(&host->link_env, "web/=WEB_NAME=/x/web", "web/@WEB_PORT=tcp://@:80");
	host->pid_mode = "container:web";
	host->ipc_mode = "shareable";
	host->network_from = "web";
	host->cpuset_cpus = "0-1";
	host->api = "{\"Config\":{}}";
	host->shm_bytes = 1 << 20;
	host->memory_and_swap = DEF_SWAP_UNLIMITED;
	host->oom_score_adj = -500;
	host->created_ns = INT64_C(1767315845600000000);
	host->restart = SERVICE_RESTART_ON_FAILURE;
	host->restart_max = 3;
	host->auto_remove = host->stdin_open = host->wanted = true;
	add(&host->sysctls, "net.core.somaxconn=1", "kernel.msgmax=2");
	add(&host->ulimits, "nofile=1:2", "core=0:0");
	add(&host->addresses, "front=10.0.0.5", "back=10.1.0.5");
}

static void check_more(const struct def_mount_more *a, const struct def_mount_more *b)
{
	bool same = true;

	for (uint32_t i = 0; i < 3; i++)
		same = same && a[i].flags == b[i].flags && a[i].size_bytes == b[i].size_bytes &&
		       a[i].mode == b[i].mode && a[i].propagation == b[i].propagation &&
		       strcmp(a[i].subpath, b[i].subpath) == 0;
	ok(same, "what a mount has beyond its target");
}

static void test_host(void)
{
	struct buf file OWN(buf_done) = { 0 };
	struct container_def def, back;
	int64_t created_s;

	fill(&def);
	fill_host(&def);
	def.disk_limit = INT64_C(1) << 50;
	def.userns = DEF_USERNS_AUTO;
	buf_init(&file, DEF_BYTES_MAX);
	is_int(container_state_encode(&def, CREATED, &file, NULL), 0, "encoded with its host part");
	if (!is_int(container_state_decode(buf_str(&file), &arena, &created_s, &back, NULL), 0,
		    "decoded"))
		return;
	is_int(back.disk_limit, def.disk_limit, "disk_limit behind it");
	is_int(back.userns, DEF_USERNS_AUTO, "and the user namespace");
	ok(same_texts(&def.host.link_env, &back.host.link_env) && back.host.console_rows == 57 &&
		   back.host.console_columns == 123,
	   "and what links give, and the terminal's size");
	ok(back.host_set && !back.declared && back.init, "the flags beside it");
	is_text(back.host.domainname, "example", "domainname");
	is_text(back.host.cgroup_parent, "/rack/one", "cgroup_parent");
	is_text(back.host.pid_mode, "container:web", "pid_mode");
	is_text(back.host.ipc_mode, "shareable", "ipc_mode");
	is_text(back.host.network_from, "web", "network_from");
	is_text(back.host.cpuset_cpus, "0-1", "cpuset_cpus");
	is_text(back.host.uts_mode, "", "uts_mode");
	is_text(back.host.api, def.host.api, "api");
	is_int(back.host.shm_bytes, 1 << 20, "shm_bytes");
	is_int(back.host.memory_and_swap, DEF_SWAP_UNLIMITED, "memory_and_swap");
	is_int(back.host.oom_score_adj, -500, "oom_score_adj");
	is_int(back.host.restart, SERVICE_RESTART_ON_FAILURE, "restart");
	is_int(back.host.restart_max, 3, "restart_max");
	ok(back.host.created_ns == def.host.created_ns, "created_ns");
	ok(back.host.auto_remove && back.host.stdin_open && back.host.wanted &&
		   !back.host.stdin_once && !back.host.paths_set,
	   "flags");
	ok(same_texts(&def.host.sysctls, &back.host.sysctls) &&
		   same_texts(&def.host.ulimits, &back.host.ulimits) &&
		   same_texts(&def.host.addresses, &back.host.addresses),
	   "lists");
	check_more(def.mounts_more, back.mounts_more);
}

static int decode(const char *bytes, size_t len, struct err *err)
{
	struct arena one OWN(arena_done) = { 0 };
	struct container_def def;
	int64_t created_s;

	arena_init(&one, DEF_BYTES_MAX);
	return container_state_decode(str_make(bytes, len), &one, &created_s, &def, err);
}

static void test_damage(struct buf *file)
{
	struct err err = { 0 };
	size_t taken = 0;

	for (size_t n = 0; n < file->len; n++)
		taken += decode(file->data, n, NULL) != -EBADMSG;
	is_int((long long)taken, 0, "no prefix of %zu bytes is taken", file->len);
	for (size_t bit = 0; bit < file->len * 8; bit++) {
		file->data[bit / 8] = (char)(file->data[bit / 8] ^ 1 << bit % 8);
		taken += decode(file->data, file->len, NULL) != -EBADMSG;
		file->data[bit / 8] = (char)(file->data[bit / 8] ^ 1 << bit % 8);
	}
	is_int((long long)taken, 0, "nor one with a bit turned over");
	is_int(decode(file->data, file->len, NULL), 0, "only the file as it was written");
	(void)buf_add_byte(file, 0);
	is_int(decode(file->data, file->len, &err), -EBADMSG, "and nothing behind its end");
	ok(strstr(err.text, "damaged") != NULL, "it says so: %s", err.text);
}

/* Damage that the sum cannot show: a flip is refused, or it is another definition, whole. */
static void test_shape(bool ports6)
{
	struct buf body OWN(buf_done) = { 0 }, again OWN(buf_done) = { 0 };
	struct container_def def, back;
	size_t wrong = 0, refused = 0;

	fill(&def);
	def.ports[0].families = ports6 ? SERVICE_PORT_IP6 : 0;
	def.ports[0].host_ip6[15] = ports6;
	buf_init(&body, DEF_BYTES_MAX);
	buf_init(&again, DEF_BYTES_MAX);
	container_def_encode(&def, &body);
	for (size_t bit = 0; bit < body.len * 8; bit++) {
		struct arena one OWN(arena_done) = { 0 };
		struct wire in;

		arena_init(&one, DEF_BYTES_MAX);
		body.data[bit / 8] = (char)(body.data[bit / 8] ^ 1 << bit % 8);
		wire_init(&in, body.data, body.len);
		buf_clear(&again);
		if (container_def_decode(&in, &one, &back, NULL) < 0 || wire_end(&in) < 0)
			refused++;
		else
			container_def_encode(&back, &again);
		wrong += again.len && !str_eq(buf_str(&body), buf_str(&again));
		body.data[bit / 8] = (char)(body.data[bit / 8] ^ 1 << bit % 8);
	}
	is_int((long long)wrong, 0, "what is taken encodes as it came");
	ok(refused > body.len, "%zu of %zu flips have no shape", refused, body.len * 8);
}

static void test_memory(struct str file)
{
	struct container_def def;
	int64_t created_s;
	unsigned refused = 0;
	int r = -ENOMEM;

	for (size_t max = 0; r == -ENOMEM && max < 65536; max += 64) {
		struct arena one OWN(arena_done) = { 0 };

		arena_init(&one, max);
		r = container_state_decode(file, &one, &created_s, &def, NULL);
		refused += r == -ENOMEM;
	}
	ok(r == 0 && refused > 1, "too little memory is an error each of %u times", refused);
}

static void test_digest(void)
{
	struct container_def def;
	struct digest one, two;

	fill(&def);
	is_int(container_def_digest(&def, &one, NULL), 0, "a digest");
	def.log_max_file++;
	is_int(container_def_digest(&def, &two, NULL), 0, "and another");
	ok(memcmp(&one, &two, sizeof(one)) != 0, "differ with the definition");
}

static void test_size(void)
{
	struct buf file OWN(buf_done) = { 0 };
	struct container_def def;
	struct err err = { 0 };

	fill(&def);
	buf_init(&file, 256);
	is_int(container_state_encode(&def, CREATED, &file, &err), -ENOSPC, "a definition too big");
	ok(strstr(err.text, "web") != NULL, "is named: %s", err.text);
}

int main(void)
{
	struct buf file OWN(buf_done) = { 0 };
	struct container_def def;

	arena_init(&arena, 4 << 20);
	fill(&def);
	buf_init(&file, DEF_BYTES_MAX);
	is_int(container_state_encode(&def, CREATED, &file, NULL), 0, "encoded");
	test_round(buf_str(&file));
	test_flags();
	test_host();
	test_health();
	test_shape(true);
	test_shape(false);
	test_memory(buf_str(&file));
	test_digest();
	test_size();
	test_damage(&file);
	arena_done(&arena);
	return tap_done();
}
