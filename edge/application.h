/*
 * The edge process as main.c builds it, and what its parts say to each other (application.c): each
 * part knows the others only as a table of operations. Not included elsewhere.
 */
#ifndef EDGE_APPLICATION_H
#define EDGE_APPLICATION_H

#include <stdbool.h>
#include <stdint.h>
#include <uv.h>

#include "edge/chat/chat.h"
#include "edge/drain.h"
#include "edge/engineio_http.h"
#include "edge/front.h"
#include "edge/http/server.h"
#include "edge/media/media.h"
#include "edge/move.h"
#include "edge/options.h"
#include "edge/peer.h"
#include "edge/peer_sockets.h"
#include "edge/rest/rest.h"
#include "edge/session/session.h"
#include "edge/uplink.h"
#include "edge/websocket.h"
#include "proto/base/process.h"
#include "proto/bus/log_feed.h"
#include "proto/bus/socket.h"

enum stop_state { STOP_NOT, STOP_DRAINING, STOP_DONE };

struct application {
    struct edge_options options;
    struct process process;
    struct id_source ids;
    char incarnation[INCARNATION_LENGTH + 1];
    struct log_feed logs;
    char name[64];
    char advertised[512];
    struct chat *chat;
    struct session_table *sessions;
    struct uplink *uplink;
    struct bus_socket *router;
    struct peer_sockets *peer_sockets;
    struct peers *peers;
    struct moves *moves;
    struct rest *rest;
    struct media *media;
    struct websocket_server *websockets;
    struct engineio_http engineio;
    struct static_site *site;
    struct static_site *client;
    struct auth *auth;
    struct guard guard;
    struct front front;
    struct http_server *http;
    uv_timer_t flush_timer;
    int64_t next_flush_us;
    enum stop_state stop;
    int64_t stop_deadline;
    struct drain drain;
    struct isolation isolation;
};

/* All with the application as their context. */
extern const struct uplink_operations application_uplink_operations;
extern const struct peers_operations application_peers_operations;
extern const struct relay_operations application_relay_operations;
/* Frames of the router, and WebSockets that name the session of another edge. */
void application_receive(void *context, struct slice peer, struct slice frame);
bool application_begin_move(void *context, struct slice sid, int revision,
                            struct websocket *websocket, int64_t now);

#endif
