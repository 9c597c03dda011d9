/*
 * The opaque body of a message on the bus and in the store: the members of its messageBroadcast
 * except those that the router gives (id, seq, epoch, createdAt), as raw JSON without braces; and
 * behind them the binary values that canonical placeholders in it stand for. BUS.md, "Messages of
 * a room", is the grammar.
 */
#ifndef PROTO_WIRE_CHAT_BODY_H
#define PROTO_WIRE_CHAT_BODY_H

#include <stdbool.h>
#include "proto/base/buffer.h"
#include "proto/base/slice.h"

enum { CHAT_BINARIES_MAX = 10 }; /* of one message: SOCKETIO_ATTACHMENTS_MAX */

struct chat_body {
    struct slice members;
    size_t count;
    struct slice binaries[CHAT_BINARIES_MAX]; /* `count` of them; borrow from the body */
};

/* An appendix that breaks off, which nobody writes, ends where it is still whole. */
void chat_read_body(struct slice body, struct chat_body *out);
/* The members alone, for whoever has no use for the binary values. */
struct slice chat_body_members(struct slice body);

/*
 * Appends the members as a JSON object for readers that have no binary form (REST, SSE): a binary
 * value is {"type":"Buffer","base64":"…"}.
 */
void chat_show_body(struct slice body, struct buffer *out);

/* The body of an event of a room: its name, a space, its argument. False: it is none. */
bool chat_read_event(struct slice body, struct slice *name, struct slice *argument);

struct chat_send; /* chat_event.h */
/* The body of a message: of the sender's binary values those that it names, numbered anew. */
void chat_write_body(const struct chat_send *send, struct slice sender, struct buffer *out);
/* Appends the sender's metadata for a place that keeps no binary values: null stands for each. */
void chat_write_plain_metadata(const struct chat_send *send, struct buffer *out);

#endif
