/*
 * Socket.IO packets: pure codec of the JSON parser, protocol revisions 5 (clients 3.x, 4.x) and 4
 * (clients 1.x, 2.x). A revision is one `struct socketio_codec`. Events,
 * acknowledgements and disconnections are the same text in both revisions, so that a shared packet
 * serves a room of old and new clients. The msgpack parser's packets are these in another form:
 * socketio_msgpack.h.
 *
 * Implements: Socket.IO protocol, revisions 4 and 5, "Packet encoding".
 */
#ifndef PROTO_WIRE_SOCKETIO_H
#define PROTO_WIRE_SOCKETIO_H

#include <stdbool.h>
#include <stdint.h>
#include "proto/base/buffer.h"
#include "proto/base/json.h"
#include "proto/base/slice.h"

enum socketio_type {
    SOCKETIO_CONNECT = 0,
    SOCKETIO_DISCONNECT = 1,
    SOCKETIO_EVENT = 2,
    SOCKETIO_ACK = 3,
    SOCKETIO_CONNECT_ERROR = 4,
    SOCKETIO_BINARY_EVENT = 5,
    SOCKETIO_BINARY_ACK = 6
};
/* Without saying whether it has attachments. */
enum socketio_type socketio_plain_type(enum socketio_type type);

enum {
    SOCKETIO_NAMESPACE_MAX = 256,  /* bytes */
    SOCKETIO_ATTACHMENTS_MAX = 10, /* of one packet; current clients take no more either */
    SOCKETIO_EVENT_DEPTH = JSON_MAX_DEPTH
};

/* Says how an event's JSON was refused although the packet around it is well-formed. */
enum socketio_data_state {
    SOCKETIO_DATA_VALID,
    SOCKETIO_DATA_TOO_DEEP /* valid JSON over the limit: a chat error, not a protocol error */
};

struct socketio_packet {
    enum socketio_type type;
    struct slice name_space; /* "/" when the packet names none; in 4 without its query */
    struct slice query;      /* of the namespace, without '?': 4 has its auth there */
    bool has_ack_id;
    uint64_t ack_id;
    unsigned attachments;   /* announced binary attachments */
    struct slice data;      /* raw JSON: object, array, or empty; borrows the input */
    struct slice event;     /* EVENT: raw JSON string (or number) of the event's name */
    struct slice arguments; /* EVENT, ACK: the raw JSON array; see socketio_next_argument */
    enum socketio_data_state data_state;
};

struct socketio_codec {
    int revision;
    /*
     * Decodes the data of an Engine.IO message. 0, or ERROR_MALFORMED: unknown type, bad
     * namespace, bad or oversized ack id, payload not valid JSON or not of the kind the type
     * demands (EVENT: non-empty array that starts with a string that is no reserved event name, or
     * with a number, which some clients use as a name; ACK: array; both may also have none, and
     * then say nothing; CONNECT: object or nothing; CONNECT_ERROR: object, string or nothing;
     * DISCONNECT: nothing).
     */
    int (*decode)(struct slice text, struct socketio_packet *out);
    /* Clients ask to connect to the main namespace (5), or are connected to it unasked (4). */
    bool asks_for_main;
    /* {"sid":…,"pid":…} in 5 (pid may be empty), nothing in 4, whose clients know the session. */
    void (*write_connect)(struct buffer *out, struct slice name_space, struct slice sid,
                          struct slice pid);
    /* {"message":…} in 5, a string in 4. */
    void (*write_connect_error)(struct buffer *out, struct slice name_space, const char *message);
};
const struct socketio_codec *socketio_codec(int revision);

/*
 * The two steps of decode(), for those who get at one of them otherwise: everything before the
 * payload, with the namespace as it is written and unchecked, and what is left; and the payload,
 * checked as above.
 */
int socketio_decode_head(struct slice text, struct socketio_packet *out, struct slice *payload);
int socketio_decode_payload(struct slice payload, struct socketio_packet *packet);
/* Clients of revision 4 write a query behind a namespace: takes it off the packet's. */
void socketio_split_query(struct socketio_packet *packet);
/* A name that begins with a slash and can be sent back in frames and payloads. */
bool socketio_is_namespace(struct slice name_space);

/* Arguments of an event after its name, or of an ack. */
struct json_iterator socketio_arguments(const struct socketio_packet *packet);

/* Encoders, here and in the codecs, append the whole Engine.IO message with the leading '4'. */
void socketio_write_disconnect(struct buffer *out, struct slice name_space);
/* arguments: raw JSON values joined by commas, without the name; may be empty. */
void socketio_write_event(struct buffer *out, struct slice name_space, const char *event,
                          struct slice arguments, bool has_ack_id, uint64_t ack_id);
void socketio_write_ack(struct buffer *out, struct slice name_space, uint64_t ack_id,
                        struct slice arguments);

#endif
