/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HOY_ENGINE_DOCKER_PUMP_H
#define HOY_ENGINE_DOCKER_PUMP_H

#include "engine/docker/detach.h"
#include "engine/docker/server.h"
#include "engine/docker/websocket.h"

/*
 * Bytes between a hijacked client and a process: output towards client->out, which bounds it, and
 * client->in towards stdin. Without a client the output is read and dropped, so that no process is
 * held up or killed because somebody went away.
 */
struct docker_pump_out {
	struct docker_pump *pump;
	struct loop_io io;
	int fd;	     /* -1 = ended */
	uint8_t tag; /* 1 stdout, 2 stderr: framed here; 0: as it comes */
};

struct docker_pump {
	struct docker_server *server;
	struct docker_client *client; /* NULL = nobody listens */
	struct docker_pump_out out[2];
	struct loop_io in_io;
	int in_fd;	 /* -1 = no stdin or closed */
	bool in_socket;	 /* stdin ends by shutdown, else by close */
	bool drained;	 /* all that was typed so far is with stdin */
	bool keep_stdin; /* the client's end does not end stdin */
	uint8_t streams; /* bits of the streams in frames that are wanted; 0 = no frames, raw */
	uint8_t head[8]; /* of the frame under way */
	uint32_t head_len, frame_left;
	struct docker_detach detach; /* with a terminal: the keys that end the client's part */
	size_t scanned;		     /* bytes of the input that were looked at for them */
	/* Over a websocket: its frames around the output, and what was in those that came. */
	bool framed;
	enum websocket_op op; /* of the output's */
	struct websocket ws;
	struct buf typed;
	/* Every output has ended. */
	void (*ended)(struct docker_pump *pump);
	void *owner;
};

void docker_pump_init(struct docker_pump *pump, struct docker_server *server);
/* Takes the fd over: an output. */
int docker_pump_output(struct docker_pump *pump, unsigned index, int fd, uint8_t tag,
		       struct err *err);
/* Takes the fd over: stdin. */
int docker_pump_input(struct docker_pump *pump, int fd, bool socket, struct err *err);
/* The hijacked client from now on; NULL: nobody. */
void docker_pump_client(struct docker_pump *pump, struct docker_client *client);
void docker_pump_done(struct docker_pump *pump);
/* No more goes to the client: the last act, it may close the client and the pump with it. */
void docker_pump_finish(struct docker_pump *pump);
/* Output as it goes to a client without frames of Docker's own: bare, or in a websocket's frames.
 */
void docker_pump_put(struct docker_pump *pump, struct buf *out, struct str data);
bool docker_pump_open(const struct docker_pump *pump);

/* A frame of stream `tag` into the client's output, or the bare bytes with a tty. */
void docker_put_frame(struct buf *out, uint8_t tag, bool tty, struct str data);

#endif
