#include "edge/http/cors.h"

#include <strings.h>

#define PREFLIGHT_MAX_AGE SLICE_LITERAL("600") /* seconds */

static bool is_anyone(const struct cors *cors)
{
    return cors->origins != NULL && strcmp(cors->origins, "*") == 0;
}

/* Schemes and hosts are written in any case. */
static bool is_listed(const struct cors *cors, struct slice origin)
{
    const char *at = cors->origins;

    while (*at != '\0') {
        size_t length = strcspn(at, ",");

        if (length == origin.length && strncasecmp(at, origin.data, length) == 0) {
            return true;
        }
        at += length;
        at += strspn(at, ", ");
    }
    return false;
}

void cors_add_headers(const struct cors *cors, struct http_exchange *exchange,
                      const struct http_request *request)
{
    struct slice origin = http_request_header(request, "Origin");

    if (is_anyone(cors)) {
        http_add_header(exchange, "Access-Control-Allow-Origin", SLICE_LITERAL("*"));
        return;
    }
    http_add_header(exchange, "Vary", SLICE_LITERAL("Origin"));
    if (cors->origins == NULL && origin.length == 0) {
        http_add_header(exchange, "Access-Control-Allow-Origin", SLICE_LITERAL("*"));
        return;
    }
    if (origin.length == 0 || (cors->origins != NULL && !is_listed(cors, origin))) {
        return;
    }
    http_add_header(exchange, "Access-Control-Allow-Origin", origin);
    if (cors->credentials) {
        http_add_header(exchange, "Access-Control-Allow-Credentials", SLICE_LITERAL("true"));
    }
}

void cors_answer_preflight(const struct cors *cors, struct http_exchange *exchange,
                           const struct http_request *request)
{
    struct slice wanted = http_request_header(request, "Access-Control-Request-Headers");

    http_add_header(exchange, "Access-Control-Allow-Methods", slice_of_string(cors->methods));
    if (cors->headers != NULL) {
        http_add_header(exchange, "Access-Control-Allow-Headers", slice_of_string(cors->headers));
    } else if (wanted.length > 0) {
        http_add_header(exchange, "Access-Control-Allow-Headers", wanted);
        http_add_header(exchange, "Vary", SLICE_LITERAL("Access-Control-Request-Headers"));
    }
    http_add_header(exchange, "Access-Control-Max-Age", PREFLIGHT_MAX_AGE);
    http_respond(exchange, 204, NULL, SLICE_EMPTY);
}

/* Is the origin "scheme://" and what the client called this edge? */
static bool is_own(struct slice origin, struct slice host)
{
    const char *slashes = memmem(origin.data, origin.length, "://", 3);
    struct slice rest;

    if (slashes == NULL || host.length == 0) {
        return false;
    }
    rest = slice_of(slashes + 3, origin.length - (size_t)(slashes + 3 - origin.data));
    return rest.length == host.length && strncasecmp(rest.data, host.data, host.length) == 0;
}

bool cors_allows(const struct cors *cors, const struct http_request *request)
{
    struct slice origin = http_request_header(request, "Origin");

    return origin.length == 0 || cors->origins == NULL || is_anyone(cors) ||
           is_listed(cors, origin) || is_own(origin, http_request_header(request, "Host"));
}
