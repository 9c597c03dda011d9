/*
 * The strict check of a request's head. Pure: bytes in, verdict out.
 *
 * Two programs that read the same bytes and disagree where a request ends are how requests are
 * smuggled past a proxy. So a head passes only when there is one way to read it: lines end in CRLF,
 * no control bytes, no folded lines, a name directly followed by its colon, one Host, at most one
 * Content-Length or one `Transfer-Encoding: chunked` and never both.
 *
 * Implements: RFC 9112 §2.2, §3, §5, §6.1, §6.3, §11.2; RFC 9110 §5.5, §7.2, §7.8, §10.1.1.
 */
#ifndef EDGE_HTTP_HEAD_H
#define EDGE_HTTP_HEAD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "edge/http/http.h"

enum {
    HTTP_HEADERS_MAX = 100,      /* header lines of one request */
    HTTP_METHOD_MAX = 24,        /* bytes of a method's name */
    HTTP_LENGTH_DIGITS_MAX = 18, /* of a Content-Length: fits 63 bits */
};

enum http_head_verdict {
    HTTP_HEAD_INCOMPLETE, /* nothing wrong so far */
    HTTP_HEAD_COMPLETE,
    HTTP_HEAD_REFUSED /* `status` says with what; the connection cannot be kept */
};

/* Slices borrow from the bytes that were checked. */
struct http_head {
    size_t length; /* bytes of the whole head, with the empty line that ends it */
    enum http_method method;
    struct slice path;
    struct slice query;
    int minor_version; /* HTTP/1.0 or HTTP/1.1 */
    int status;        /* of a refusal: 400, 417, 431, 501 or 505 */
    bool keeps_alive;
    bool wants_websocket;
    bool expects_continue;
    bool is_chunked;
    uint64_t content_length; /* 0 when absent or chunked */
    size_t header_count;
    struct http_header headers[HTTP_HEADERS_MAX];
};

/*
 * Looks at the bytes at the front of a connection. `head` is valid after HTTP_HEAD_COMPLETE; after
 * HTTP_HEAD_REFUSED only its status is. What is wrong is refused as soon as it is there, without
 * waiting for the rest. How long a head may become is the caller's to bound.
 */
enum http_head_verdict http_head_check(const char *data, size_t length, struct http_head *head);

#endif
