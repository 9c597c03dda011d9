/*
 * A ZeroMQ socket on a libuv loop: the shell below link.h and below the relay between edges. Frames
 * are single-part messages (on a ROUTER behind the part that names the peer). bus/socket.c is the
 * only file of the bus that includes zmq.h, czmq.h and uv.h.
 *
 * ZeroMQ's descriptor is edge-triggered and any send or receive may swallow an edge, so a socket
 * that woke the loop is emptied, and one that was sent on is looked at again before the loop
 * blocks; at most BUS_SOCKET_BUDGET frames are taken per turn, then other events get their turn.
 */
#ifndef PROTO_BUS_SOCKET_H
#define PROTO_BUS_SOCKET_H

#include <stdbool.h>
#include <stddef.h>
#include "proto/base/slice.h"

enum { BUS_SOCKET_BUDGET = 256, BUS_SOCKET_HIGH_WATER = 10000 };

enum bus_socket_type {
    BUS_SOCKET_ROUTER,
    BUS_SOCKET_DEALER, /* takes frames only while it is connected: a link keeps them until then */
    BUS_SOCKET_RELAY   /* a DEALER that queues what is sent before it is connected */
};

struct bus_socket;
struct uv_loop_s;

/*
 * A frame arrived. peer: the routing id on a ROUTER, empty on a DEALER. Both are empty for a
 * message that cannot be a frame. Borrowed for the call.
 */
typedef void bus_socket_received(void *context, struct slice peer, struct slice frame);

/* Binds a ROUTER, connects the others. NULL and a reason when the endpoint cannot be used. */
struct bus_socket *bus_socket_new(struct uv_loop_s *loop, enum bus_socket_type type,
                                  const char *endpoint, bus_socket_received *received,
                                  void *context, char *reason, size_t reason_size);
/* The endpoint in use, with the real port of a wildcard bind. */
const char *bus_socket_endpoint(const struct bus_socket *socket);
/*
 * Sends header and body as one frame. False: the peer's high-water mark is reached, or a ROUTER
 * does not know the peer; nothing was sent.
 */
bool bus_socket_send(struct bus_socket *socket, struct slice peer, struct slice header,
                     struct slice body);
/*
 * Stops watching and closes; pending frames get `linger` ms. Memory goes with the close callbacks.
 */
void bus_socket_destroy(struct bus_socket **socket, int linger);

/* Called once by main() before the first socket and after the last one is destroyed. */
void bus_socket_library_init(void);
void bus_socket_library_deinit(void);

#endif
