/*
 * What an edge is told on its command line and by ELIZAMQ_*: one table drives flags, environment
 * and --help.
 */
#ifndef EDGE_OPTIONS_H
#define EDGE_OPTIONS_H

#include <stdbool.h>
#include <stdint.h>

#include "edge/auth/auth.h"
#include "edge/chat/chat.h"
#include "edge/engineio_http.h"
#include "edge/engineio_options.h"
#include "edge/http/server.h"
#include "edge/media/media.h"
#include "edge/rest/rest.h"
#include "edge/session/session.h"
#include "edge/uplink.h"

struct edge_options {
    struct http_server_settings http;
    const char *router;
    const char *peer_bind;
    const char *peer_advertise;
    const char *www;
    const char *name;
    struct engineio_options engineio;
    struct session_settings session;
    struct uplink_settings uplink;
    struct chat_settings chat;
    struct rest_settings rest;
    struct auth_settings auth;
    struct media_settings media;
    struct rate api_rate;    /* of /api, per address */
    struct rate key_rate;    /* of /api, per key or token's subject */
    struct rate upload_rate; /* of uploads, per address */
    int64_t bus_timeout;
    int64_t bus_buffer;
    int64_t relays_max;
    int64_t send_buffer;
    int64_t isolation_timeout;
    int64_t drain_timeout;
    struct engineio_http_settings engineio_http; /* what engineio was resolved to */
};

/*
 * Reads them and configures the log. *done: the process is to end now (--help, --check-config, bad
 * usage), with the status returned.
 */
int edge_options_read(struct edge_options *options, int argc, char **argv, bool *done);

#endif
