/*
 * REST and SSE: /api on the edge. Requests become bus messages to the router through the same
 * uplink as the sockets'; a reply asked for over REST is stored and broadcast like any other. A new
 * route is one function and one line in the table of routes.c.
 *
 * Implements: "REST API Response Modes" of the ElizaOS documentation, and the messaging REST API of
 * ElizaOS 1.0 to 1.7 in its dialects.
 */
#ifndef EDGE_REST_REST_H
#define EDGE_REST_REST_H

#include <stdint.h>
#include "edge/auth/auth.h"
#include "edge/chat/chat.h"
#include "edge/http/cors.h"
#include "edge/http/http.h"
#include "edge/media/media.h"
#include "edge/rest/agent_session.h"
#include "edge/uplink.h"

enum { REST_BODY_MAX = 2 * 1000 * 1000 }; /* bytes */

struct rest;

struct rest_settings {
    int64_t sync_timeout;   /* ms a sync caller waits for the agent, then 504 */
    int64_t stream_timeout; /* ms a stream waits for its end */
    int64_t stream_comment; /* ms between keep-alive comments of a silent stream */
    int64_t runs_max;       /* callers waiting for an agent at once */
    struct agent_session_settings session;
    const struct cors *cors; /* borrows; REST has its own methods and headers */
    const struct auth *auth; /* borrows; NULL: nobody has shown a key */
};

struct rest_counters {
    uint64_t requests, refused, streams, syncs, timeouts;
    uint64_t router_away; /* questions refused at once, since the router could not be asked */
    size_t waiting;       /* callers waiting for an agent now */
};

struct rest *rest_new(const struct rest_settings *settings, struct chat *chat,
                      struct uplink *uplink, struct id_source *ids, int64_t now);
void rest_destroy(struct rest **rest);
/* Wall time, ms since 1970, for what clients are told of times. */
void rest_set_wall_clock(struct rest *rest, int64_t (*wall)(void *context), void *context);
/* Where uploads go; borrowed. NULL, as at first: nowhere. */
void rest_set_media(struct rest *rest, struct media *media);
/* Is it an upload, whose body is to be taken as it comes? */
bool rest_is_upload(const struct http_request *head);
/*
 * Answers a request whose path begins with /api. identity: whom it may speak as and where, borrowed
 * for the call; NULL: bound by nothing.
 */
void rest_handle(struct rest *rest, struct http_exchange *exchange,
                 const struct http_request *request, const struct identity *identity, int64_t now);
/* GET /health, outside of the API: is there an agent to talk to? */
void rest_handle_health(struct rest *rest, struct http_exchange *exchange,
                        const struct http_request *request, int64_t now);
/* Words the answer to a body over REST_BODY_MAX. */
void rest_too_large(struct rest *rest, struct http_exchange *exchange,
                    const struct http_request *head);
void rest_tick(struct rest *rest, int64_t now);
const struct rest_counters *rest_counters(const struct rest *rest);

#endif
