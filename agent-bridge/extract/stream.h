/*
 * An extractor for UTF-8: takes bytes cut anywhere, gives whole characters. A character that is
 * not whole yet waits for the next bytes, one that the margin cuts in two waits for its second
 * half; bytes that are no UTF-8 become U+FFFD.
 */
#ifndef AGENT_BRIDGE_EXTRACT_STREAM_H
#define AGENT_BRIDGE_EXTRACT_STREAM_H

#include "agent-bridge/extract/extractor.h"
#include "proto/base/buffer.h"

struct extract_stream;

/* NULL: no extractor has that name, see extractor.h. */
struct extract_stream *extract_stream_new(struct slice extractor);
void extract_stream_destroy(struct extract_stream **stream);

/* Appends what may be shown. 0, or ERROR_TOO_LARGE for a chunk that is refused. */
int extract_stream_push(struct extract_stream *stream, struct slice bytes, struct buffer *out);
/* The stream has ended, here if that was not expected: appends all that is still to be shown. */
void extract_stream_flush(struct extract_stream *stream, struct buffer *out);
/* As new: for another attempt. */
void extract_stream_reset(struct extract_stream *stream);
bool extract_stream_is_done(const struct extract_stream *stream);

#endif
