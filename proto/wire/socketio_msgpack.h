/*
 * The msgpack parser (socket.io-msgpack-parser) of Socket.IO protocol 5: a packet is one binary
 * Engine.IO message, the map {type, nsp, data, id}, in which binary values stand where they belong.
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
 * Decodes a message. `text` receives the payload as JSON, with canonical placeholders, and is what
 * the packet borrows from, but for its namespace. most: bytes of the text at most. 0,
 * ERROR_MALFORMED as the JSON parser's decode() and for a namespace that the JSON form cannot carry
 * (without a leading slash, or with a comma), or ERROR_TOO_LARGE.
 */
int socketio_msgpack_decode(struct slice message, size_t most, struct buffer *text,
                            struct socketio_binaries *binaries, struct socketio_packet *out);

/*
 * The packet for clients of the msgpack parser; made at the first call, borrowed from `packet`,
 * which is a Socket.IO packet as text, "4…", with its attachments.
 */
struct packet *socketio_msgpack_packet(struct packet *packet);

#endif
