/*
 * The edge's counters as Prometheus text, names under elizamq_edge_*.
 */
#ifndef EDGE_METRICS_H
#define EDGE_METRICS_H

#include "edge/auth/guard.h"
#include "edge/chat/chat.h"
#include "edge/drain.h"
#include "edge/http/server.h"
#include "edge/media/media.h"
#include "edge/move.h"
#include "edge/peer.h"
#include "edge/rest/rest.h"
#include "proto/base/buffer.h"

/* Borrows all of it for one rendering. */
struct edge_parts {
    const struct session_table *sessions;
    struct chat *chat;
    const struct uplink *uplink;
    struct peers *peers;
    struct moves *moves;
    const struct http_server *http;
    const struct rest *rest;
    const struct guard *guard;
    const struct isolation *isolation;
    const struct media *media; /* NULL: no uploads */
};
void edge_metrics_render(const struct edge_parts *parts, struct buffer *out);

#endif
