/*
 * Which pages of other origins may read what the edge answers. Engine.IO and REST share one policy.
 *
 * Implements: Fetch standard, "CORS protocol"; for WebSockets, which CORS leaves out, the check of
 * RFC 6455 §10.2.
 */
#ifndef EDGE_HTTP_CORS_H
#define EDGE_HTTP_CORS_H

#include <stdbool.h>
#include "edge/http/http.h"

struct cors {
    /* "scheme://host[:port]" joined by commas, "*" for everybody without credentials; NULL: every
     * origin, named in the answer so that browsers may send credentials. */
    const char *origins;
    bool credentials;    /* may requests carry them? */
    const char *methods; /* of the preflight's answer, joined by commas */
    const char *headers; /* the same; NULL: those that were asked for */
};

/* Adds the headers that every answer needs. */
void cors_add_headers(const struct cors *cors, struct http_exchange *exchange,
                      const struct http_request *request);
/* Answers an OPTIONS request, behind cors_add_headers(). */
void cors_answer_preflight(const struct cors *cors, struct http_exchange *exchange,
                           const struct http_request *request);
/* May a page of the request's origin open a WebSocket? One of the edge's own may, programs may. */
bool cors_allows(const struct cors *cors, const struct http_request *request);

#endif
