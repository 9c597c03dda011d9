/*
 * Response heads as text, and the answers the server gives by itself to what no handler gets to
 * see. Nothing of what a client sent is repeated in them.
 *
 * Implements: RFC 9112 §4, §6.1; RFC 9110 §6.4.1, §6.6.1, §15.
 */
#ifndef EDGE_HTTP_RESPONSE_H
#define EDGE_HTTP_RESPONSE_H

#include <stdbool.h>
#include <stdint.h>
#include "proto/base/buffer.h"
#include "proto/base/slice.h"

enum http_response_body {
    HTTP_BODY_NONE,   /* neither a body nor its length: 204, 304 */
    HTTP_BODY_LENGTH, /* `length` bytes */
    HTTP_BODY_CHUNKED,
    HTTP_BODY_UNTIL_CLOSE
};

struct http_response {
    int status;
    const char *date;         /* as clock_format_http() has it */
    const char *content_type; /* NULL: none */
    enum http_response_body body;
    uint64_t length;
    const char *connection; /* value of the Connection header, NULL: none */
    struct slice added;     /* whole header lines */
};

/* Replaces what is in `out` by the head, empty line included. */
void http_response_render(const struct http_response *response, struct buffer *out);
/* One header line; control bytes in the value become spaces. */
void http_response_add_line(struct buffer *lines, const char *name, struct slice value);
/* Do answers of this status have neither body nor Content-Length? */
bool http_status_has_no_body(int status);
/* The JSON body of an answer of the server's own. */
struct slice http_refusal_body(int status);

#endif
