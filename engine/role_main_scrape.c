/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The listener of [metrics] on the machine's loopback: each connection is handed to the api role as
 * that of a client who may read /metrics and nothing else. Runs in engine main, which reads no byte
 * of it. Must never listen on an address that others reach.
 */
#include <errno.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>
#include "engine/api/gate_msg.h"
#include "engine/role_main_access.h"
#include "lib/log.h"
#include "lib/own.h"

enum { SCRAPE_BACKLOG = 16, SCRAPE_BATCH = 8 };

static void hand_on(struct engine *engine, int fd)
{
	const struct gate_client client = { .role = GATE_ROLE_SCRAPER,
					    .name = "metrics",
					    .address = "127.0.0.1",
					    .protocol = "http/1.1" };
	struct buf body OWN(buf_done) = { 0 };

	buf_init(&body, 512);
	gate_client_put(&body, &client);
	if (worker_running(&engine->api))
		(void)msg_peer_send(&engine->api.peer, GATE_MSG_STREAM, buf_str(&body), &fd, 1,
				    NULL);
}

static void on_accept(struct loop_io *io, uint32_t events)
{
	struct engine *engine = io->owner;

	(void)events;
	for (int i = 0; i < SCRAPE_BATCH; i++) {
		int fd OWN_FD =
			accept4(engine->scrape_fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);

		if (fd < 0)
			return;
		hand_on(engine, fd);
	}
}

static void scrape_stop(struct engine *engine)
{
	if (!*engine->scrape_listen)
		return;
	loop_remove(&engine->loop, &engine->scrape_io);
	own_close(&engine->scrape_fd);
	*engine->scrape_listen = 0;
}

/* text: "127.0.0.1:PORT", as the schema has checked it. */
static int scrape_start(struct engine *engine, const char *text, struct err *err)
{
	struct sockaddr_in address = { .sin_family = AF_INET,
				       .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	struct str rest = str_from(text);
	const int on = 1;
	int fd OWN_FD = -1;
	uint64_t port = 0;
	int r;

	(void)str_to_u64(str_skip(rest, (size_t)str_find(rest, ':') + 1), 1, 65535, &port);
	address.sin_port = htons((uint16_t)port);
	fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) < 0 ||
	    bind(fd, (const struct sockaddr *)(const void *)&address, sizeof(address)) < 0 ||
	    listen(fd, SCRAPE_BACKLOG) < 0)
		return err_sys(err, -errno, "listen on %s", text);
	r = loop_add(&engine->loop, &engine->scrape_io, fd, EPOLLIN, on_accept, engine, err);
	if (r < 0)
		return r;
	engine->scrape_fd = take_fd(&fd);
	(void)str_copy(rest, engine->scrape_listen, sizeof(engine->scrape_listen));
	log_notice("/metrics is served on %s", text);
	return 0;
}

void engine_scrape_load(struct engine *engine)
{
	const struct ini_section *section = ini_find(&engine->manager.engine_config, "metrics", "");
	const char *text =
		section && !section->bad ? ini_text(&engine_schema, section, "listen") : "";
	struct err err = { 0 };

	if (!strcmp(text, engine->scrape_listen))
		return;
	scrape_stop(engine);
	if (*text && scrape_start(engine, text, &err) < 0)
		log_err("[metrics]: %s", err_text(&err));
}
