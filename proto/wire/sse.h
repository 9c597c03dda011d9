/*
 * Server-Sent Events: appends one event (HTML Living Standard §9.2.6). Data of several lines
 * becomes several data: lines; `id` may be empty, `event` NULL. The id comes last: many a client
 * reads "event:" and "data:" by their places. Nothing a client sent can end a field early.
 */
#ifndef PROTO_WIRE_SSE_H
#define PROTO_WIRE_SSE_H

#include "proto/base/buffer.h"
#include "proto/base/slice.h"

void sse_write_event(struct buffer *out, const char *event, struct slice id, struct slice data);
void sse_write_comment(struct buffer *out, const char *text); /* ": text" keep-alive */

#endif
