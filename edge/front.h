/*
 * The front of the edge: which part answers which path. /healthz, /readyz and /metrics; the client
 * bundle and Engine.IO under /socket.io/ (--path); /api; /media; everything else is the site
 * (--www, or the page that ships with the edge).
 */
#ifndef EDGE_FRONT_H
#define EDGE_FRONT_H

#include "edge/auth/guard.h"
#include "edge/engineio_http.h"
#include "edge/http/http.h"
#include "edge/http/static.h"
#include "edge/media/media.h"
#include "edge/rest/rest.h"
#include "proto/base/admin.h"

/* Borrows all of its parts. client, site and media may be NULL: 404 then. */
struct front {
    struct engineio_http *engineio;
    struct rest *rest;
    struct guard *guard;
    struct media *media;
    struct static_site *client;
    struct static_site *site;
    struct admin_source admin;
    int64_t (*now)(void);
    int64_t (*wall)(void);
};

/* The handler for the HTTP server; front is its context. */
struct http_handler front_handler(struct front *front);

#endif
