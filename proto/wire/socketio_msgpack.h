/*
 * The msgpack parser (socket.io-msgpack-parser), whose packets are one binary Engine.IO message,
 * the map {type, nsp, data, id}, in which binary values stand where they belong. So are all packets
 * of its versions for Socket.IO protocol 5; those for protocol 4 have some as text:
 * socketio_msgpack_v4.h.
 *
 * Inside the edge a packet has one form, that of the JSON parser; here it is turned from and into
 * MessagePack. So whatever is said to sockets is rendered once as text, and once more for all
 * sockets of this parser when there are any.
 *
 * What JSON has no form for becomes what JSON.stringify() makes of it: dates ISO text, undefined
 * nothing (null in an array), numbers that are none null. All forms of binary values that the
 * parser has written in its versions are taken for binary.
 */
#ifndef PROTO_WIRE_SOCKETIO_MSGPACK_H
#define PROTO_WIRE_SOCKETIO_MSGPACK_H

#include "proto/base/packet.h"
#include "proto/wire/socketio.h"

/*
 * A decoded packet's binary values, in order; they borrow from the message. They may be more than
 * the JSON parser takes: whoever passes them on to its clients has to look.
 */
enum { SOCKETIO_BINARIES_MAX = 64 };
struct socketio_binaries {
    unsigned count;
    struct slice list[SOCKETIO_BINARIES_MAX];
};

/*
 * Decodes a message of that revision of Socket.IO; in 4 events with binary values have types of
 * their own, here they are events. `text` receives the payload as JSON, with canonical
 * placeholders, and is what the packet borrows from, but for its namespace. most: bytes of the text
 * at most. 0, ERROR_MALFORMED as the JSON parser's decode(), or ERROR_TOO_LARGE.
 */
int socketio_msgpack_decode(struct slice message, int revision, size_t most, struct buffer *text,
                            struct socketio_binaries *binaries, struct socketio_packet *out);

/*
 * A namespace may be any text here. Can the JSON form carry it? If not, all that can be said of it
 * is the refusal to connect to it, appended as a message of revision 5.
 */
bool socketio_msgpack_is_namespace(struct slice name_space);
void socketio_msgpack_write_refusal(struct slice name_space, const char *message,
                                    struct buffer *out);

/*
 * The packet for clients of the msgpack parser; made at the first call, borrowed from `packet`,
 * which is a Socket.IO packet as text, "4…", with its attachments.
 */
struct packet *socketio_msgpack_packet(struct packet *packet);

#endif
