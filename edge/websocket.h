/*
 * WebSocket connections on libwebsockets: the shell between descriptors and session.h. The only
 * file that includes libwebsockets.h is websocket.c. Runs on the edge's libuv loop.
 */
#ifndef EDGE_WEBSOCKET_H
#define EDGE_WEBSOCKET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "edge/session/session.h"
#include "proto/base/slice.h"

struct websocket_server;
struct uv_loop_s;

/*
 * max_message: bytes, beyond: closed with 1009. send_buffer: the kernel's (SO_SNDBUF), so that a
 * slow client shows in its outbox; 0: the system's own. The process's limit of descriptors and the
 * table's of sessions bound what can be adopted: raise RLIMIT_NOFILE before. NULL and a reason when
 * the library cannot start.
 */
struct websocket_server *websocket_server_new(struct uv_loop_s *loop,
                                              struct session_table *sessions, int64_t max_message,
                                              int64_t send_buffer, char *reason,
                                              size_t reason_size);
/*
 * Takes over a connection whose upgrade request was checked (path, EIO, session) by the caller:
 * `head` is all that was read from it, the request and what may lie behind it. sid empty: a new
 * session is opened, as `opening` says. Owns descriptor from here on. A connection that cannot be
 * taken (no room for its session, an upgrade already under way) is closed by WebSocket's means.
 */
void websocket_server_adopt(struct websocket_server *server, int descriptor, struct slice head,
                            const struct session_opening *opening, struct slice sid);
/*
 * Who takes WebSockets that name a session of another edge: begin() takes one on, or returns false
 * and it is closed. NULL: nobody does.
 */
struct websocket_guests {
    void *context;
    bool (*begin)(void *context, struct slice sid, int revision, struct websocket *websocket,
                  int64_t now);
};
void websocket_server_set_guests(struct websocket_server *server,
                                 const struct websocket_guests *guests);
size_t websocket_server_count(const struct websocket_server *server);
/*
 * Closes every connection (sessions are told) and frees everything. Runs the loop for a few turns,
 * so it is not for callbacks of the loop; after this the loop may be closed.
 */
void websocket_server_destroy(struct websocket_server **server);

#endif
