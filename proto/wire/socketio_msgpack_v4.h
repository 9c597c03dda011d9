/*
 * The packets that the msgpack parser has as text in its versions 2.x, which are of Socket.IO
 * protocol 4: CONNECT, DISCONNECT and CONNECT_ERROR (there ERROR), as the JSON of {type, nsp,
 * data}.
 */
#ifndef PROTO_WIRE_SOCKETIO_MSGPACK_V4_H
#define PROTO_WIRE_SOCKETIO_MSGPACK_V4_H

#include "proto/base/arena.h"
#include "proto/wire/socketio.h"

/*
 * Decodes a CONNECT or DISCONNECT; its namespace may be any text (socketio_msgpack.h) and is in the
 * arena, or borrowed. 0 or ERROR_MALFORMED: all that clients have no reason to say as text.
 */
int socketio_msgpack_v4_decode(struct slice text, struct arena *arena, struct socketio_packet *out);

/*
 * Appends a packet of the JSON parser, "4…", in this form; false, and nothing appended, for those
 * that are MessagePack here, too.
 */
bool socketio_msgpack_v4_write(struct slice packet, struct buffer *out);
void socketio_msgpack_v4_write_refusal(struct slice name_space, const char *message,
                                       struct buffer *out);

#endif
