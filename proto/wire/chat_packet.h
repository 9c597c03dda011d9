/*
 * Chat events as packets of the default namespace. Each function returns one, with one reference
 * for the caller. Pure.
 */
#ifndef PROTO_WIRE_CHAT_PACKET_H
#define PROTO_WIRE_CHAT_PACKET_H

#include <stdint.h>
#include "proto/base/buffer.h"
#include "proto/base/packet.h"
#include "proto/base/slice.h"

/* What the router gives. */
struct chat_stamp {
    struct slice id;
    uint64_t seq;
    uint64_t epoch;
    int64_t created_at;
};
/* Appends the broadcast object {id, seq, epoch, createdAt, body…, extra…}; both: raw members. */
void chat_write_broadcast(const struct chat_stamp *stamp, struct slice members, struct slice extra,
                          struct buffer *out);

/*
 * Packets 42["event",argument,"offset"]. The offset is the packet's suffix (packet.h); without one
 * there is none.
 */
struct packet *chat_event_packet(const char *event, struct slice argument, struct slice offset);
/* The suffix that an offset is: ,"offset" */
enum { CHAT_SUFFIX_SIZE = 32 };
struct slice chat_offset_suffix(struct slice offset, char out[CHAT_SUFFIX_SIZE]);
/*
 * The messageBroadcast of a message, with the binary values of its body as attachments. scratch is
 * cleared and holds the argument afterwards.
 */
struct packet *chat_broadcast_packet(const struct chat_stamp *stamp, struct slice body,
                                     struct slice extra, struct slice offset,
                                     struct buffer *scratch);

/* The packet of a room's event, from its body. */
struct packet *chat_room_event_packet(struct slice body, struct slice offset);

#endif
