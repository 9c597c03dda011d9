/*
 * Where a request's body ends: by Content-Length, or in chunks. Pure; byte by byte, so that a body
 * may arrive in any pieces. As strict as head.h, for the same reason: chunk sizes are hexadecimal
 * digits, every line ends in CRLF, and so does a chunk's data. Chunk extensions and trailers are
 * checked and thrown away.
 *
 * Implements: RFC 9112 §6.2, §7.1.
 */
#ifndef EDGE_HTTP_FRAMING_H
#define EDGE_HTTP_FRAMING_H

#include <stddef.h>
#include <stdint.h>
#include "edge/http/head.h"
#include "proto/base/buffer.h"

enum {
    HTTP_CHUNK_DIGITS_MAX = 15, /* of a chunk's size: fits 60 bits */
    HTTP_CHUNK_LINE_MAX = 256,  /* bytes of one chunk extension */
    HTTP_TRAILERS_MAX = 4096    /* bytes of all trailers of a request */
};

enum http_framing_state {
    HTTP_FRAMING_LENGTH, /* inside a body of known length */
    HTTP_FRAMING_SIZE,   /* chunked, from here on */
    HTTP_FRAMING_EXTENSION,
    HTTP_FRAMING_SIZE_LF,
    HTTP_FRAMING_DATA,
    HTTP_FRAMING_DATA_CR,
    HTTP_FRAMING_DATA_LF,
    HTTP_FRAMING_TRAILER_START,
    HTTP_FRAMING_TRAILER_NAME,
    HTTP_FRAMING_TRAILER_VALUE,
    HTTP_FRAMING_TRAILER_LF,
    HTTP_FRAMING_LAST_LF
};

struct http_framing {
    enum http_framing_state state;
    unsigned digits;   /* of the size being read */
    size_t line_bytes; /* of the extension, or of the trailers, so far */
    uint64_t left;     /* body bytes until the end of the body or chunk */
};

enum http_framing_verdict {
    HTTP_FRAMING_MORE,
    HTTP_FRAMING_DONE,
    HTTP_FRAMING_MALFORMED,
    HTTP_FRAMING_TOO_LARGE /* the body would pass the limit */
};

void http_framing_init(struct http_framing *framing, const struct http_head *head);
/*
 * Takes bytes that follow the head and appends what is body to `body`, never more than `limit` in
 * all. `used` becomes how many of them belonged to this request.
 */
enum http_framing_verdict http_framing_take(struct http_framing *framing, struct slice input,
                                            size_t limit, struct buffer *body, size_t *used);

#endif
