/*
 * Server-Sent Events as a client reads them (HTML Living Standard §9.2.6): bytes in, in pieces of
 * any size, events out. The other direction is sse.h. Comments, and events without data, are passed
 * over. Bytes are not checked to be UTF-8.
 */
#ifndef PROTO_WIRE_SSE_READER_H
#define PROTO_WIRE_SSE_READER_H

#include <stdbool.h>
#include <stddef.h>
#include "proto/base/buffer.h"
#include "proto/base/slice.h"

struct sse_reader {
    size_t event_max;    /* bytes of an event, all its lines together */
    size_t size;         /* bytes of the event that is being read */
    struct buffer line;  /* of which the end is not here yet */
    struct buffer event; /* its name */
    struct buffer data;
    bool has_data;
    bool is_after_cr;  /* the line ended with CR: an LF that follows belongs to it */
    bool is_after_bom; /* the stream may begin with one */
    bool is_given;     /* event and data were handed out and end with the next call */
};

struct sse_event {
    struct slice name; /* "message" when the stream says none */
    struct slice data; /* lines joined by LF */
};

void sse_reader_init(struct sse_reader *reader, size_t event_max);
void sse_reader_deinit(struct sse_reader *reader);

/*
 * Takes from the front of *input up to the end of an event. 1: here it is, borrowed until the next
 * call; call again. 0: the input is used up. ERROR_TOO_LARGE: the event is over its bound, and the
 * reader is of no use any more.
 */
int sse_reader_next(struct sse_reader *reader, struct slice *input, struct sse_event *event);

#endif
