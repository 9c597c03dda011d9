/*
 * Chat events: what clients may say, decoded from JSON with every alias that ElizaOS clients of the
 * last years use, and how they are refused. Pure codec; it knows no socket and no bus. What the
 * cluster says to clients: chat_packet.h.
 *
 * Implements: "Messaging" of the ElizaOS documentation (SOCKET_MESSAGE_TYPE, Key Events) and the
 * superset of the forms that ElizaOS 1.0 to 1.7 accept and send.
 */
#ifndef PROTO_WIRE_CHAT_EVENT_H
#define PROTO_WIRE_CHAT_EVENT_H

#include <stdbool.h>
#include <stdint.h>
#include "proto/base/arena.h"
#include "proto/base/buffer.h"
#include "proto/base/slice.h"
#include "proto/wire/chat_body.h"

/* SOCKET_MESSAGE_TYPE of the document. */
enum chat_type {
    CHAT_ROOM_JOINING = 1,
    CHAT_SEND_MESSAGE = 2,
    CHAT_MESSAGE = 3,
    CHAT_ACK = 4,
    CHAT_THINKING = 5,
    CHAT_CONTROL = 6,
};

enum {
    CHAT_NAME_MAX = 256,      /* bytes of a display name, source, status or action */
    CHAT_EVENT_NAME_MAX = 63, /* bytes of the name of a room's event */
};

/*
 * What is wrong with a payload: an error of error.h, and the field it is about (NULL: the whole).
 */
struct chat_fault {
    int error;
    const char *field;
};

/* Slices are decoded text (in the arena or borrowed from the input), except `raw_*`: raw JSON. */
struct chat_join {
    struct slice room;
    struct slice entity; /* empty: not given */
    struct slice name;
    struct slice agent_id;
    struct slice server_id;
    enum chat_since { CHAT_SINCE_NOTHING, CHAT_SINCE_SEQ, CHAT_SINCE_ID, CHAT_SINCE_TIME } since;
    uint64_t since_seq;
    uint64_t since_epoch;
    int64_t since_time; /* wall ms */
    struct slice since_id;
};

struct chat_send {
    struct slice room;
    struct slice sender; /* empty: not given */
    struct slice sender_name;
    struct slice text;
    struct slice message_id; /* the client's; empty: not given */
    struct slice server_id;  /* NIL_UUID when not given */
    struct slice source;
    struct slice in_reply_to; /* a message's id; empty: not given */
    bool is_direct;           /* metadata says DM: what a room becomes that this message creates */
    struct slice raw_attachments; /* array, or empty */
    struct slice raw_metadata;    /* object, or empty */
    /* What placeholders in the two stand for; the caller's to set. Borrows. */
    const struct slice *binaries;
    size_t binary_count; /* at most CHAT_BINARIES_MAX */
};

struct chat_typing {
    struct slice room;
    struct slice user; /* empty: not given */
    bool is_on;
};

struct chat_receipt {
    struct slice message_id;
    struct slice user;
    struct slice status; /* "delivered" or "read" */
};

struct chat_control {
    struct slice room;
    struct slice user;
    struct slice action;
};

/* {type, payload}; 0 or the fault. The type may be a number or its decimal text. */
struct chat_fault chat_decode_envelope(struct slice argument, enum chat_type *type,
                                       struct slice *payload);
/* Decoders expect a payload that passed json_scan(). */
struct chat_fault chat_decode_join(struct slice payload, struct arena *arena,
                                   struct chat_join *out);
/* room: known from elsewhere (a path), or empty to take it from the payload. */
struct chat_fault chat_decode_send(struct slice payload, struct slice room, struct arena *arena,
                                   const char *default_source, struct chat_send *out);
/* flag: "isTyping" or "isThinking". */
struct chat_fault chat_decode_typing(struct slice payload, struct arena *arena, const char *flag,
                                     struct chat_typing *out);
struct chat_fault chat_decode_receipt(struct slice payload, struct arena *arena,
                                      struct chat_receipt *out);
struct chat_fault chat_decode_control(struct slice payload, struct arena *arena,
                                      struct chat_control *out);
/*
 * The client's own messageId of a payload that may be faulty otherwise; empty when there is none.
 */
struct slice chat_client_message_id(struct slice payload, struct arena *arena);

/* The body of an agent's reply. Raw members may be empty. */
struct chat_reply {
    struct slice agent_id;
    struct slice agent_name;
    struct slice text;
    struct slice room;
    struct slice server_id;
    struct slice in_reply_to;
    struct slice thought;      /* empty: none */
    struct slice raw_actions;  /* JSON array */
    struct slice raw_metadata; /* JSON object, or empty */
    bool was_stopped;          /* the text is what it had said until then; then no raw_metadata */
};
void chat_write_reply_body(const struct chat_reply *reply, struct buffer *out);
/* Is it the body of a reply that was stopped, as only the router writes it? */
bool chat_reply_was_stopped(struct slice body);

/* {"error":…,"code":…,"field":…,"clientMessageId":…}, with success:false in front for acks. */
void chat_write_error(bool is_ack, struct chat_fault fault, struct slice client_message_id,
                      int64_t retry_after_ms, struct buffer *out);

#endif
