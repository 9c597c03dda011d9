/*
 * Bus messages: one enum, one struct per message, one table of their fields (layout.h), and one
 * codec that the table drives. BUS.md is the grammar and the prose; the structs are its C form, in
 * messages/ by subject, and there by who says them.
 *
 * A message on the wire is a MessagePack array [type, trace, viewer, field, …] with the fields in
 * the order of the table. The decoder refuses unknown types, a wrong number of fields, a field of
 * another kind or over its bound; a frame's reader refuses bytes that remain. Decoded slices borrow
 * from the frame.
 */
#ifndef PROTO_BUS_MESSAGE_H
#define PROTO_BUS_MESSAGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "proto/base/buffer.h"
#include "proto/base/id.h"
#include "proto/base/msgpack.h"
#include "proto/bus/messages/agents.h"
#include "proto/bus/messages/channels.h"
#include "proto/bus/messages/chat.h"
#include "proto/bus/messages/links.h"
#include "proto/bus/messages/logs.h"
#include "proto/bus/messages/moves.h"
#include "proto/bus/messages/presence.h"
#include "proto/bus/messages/records.h"
#include "proto/bus/messages/runs.h"
#include "proto/bus/messages/sessions.h"

enum {
    BUS_VERSION = 3,
    BUS_ID_MAX = USER_ID_MAX,          /* room, entity, message ids: bytes */
    BUS_NAME_MAX = 1024,               /* display names, addresses, short texts */
    BUS_PAYLOAD_MAX = 4 * 1024 * 1024, /* an opaque payload, or a list's bytes */
    BUS_FRAME_MAX = 8 * 1024 * 1024
};

/* Answers a request that has nothing else to say. */
struct bus_done {
    uint64_t request;
    int64_t error;
};

/* X(enum name, member and struct name, number): the numbers are the wire's. */
#define BUS_MESSAGES(X)                                                                            \
    X(HELLO, hello, 1)                                                                             \
    X(ROOM_SYNC, room_sync, 10)                                                                    \
    X(SYNC_DONE, sync_done, 11)                                                                    \
    X(JOIN, join, 12)                                                                              \
    X(LEAVE, leave, 13)                                                                            \
    X(SEND, send, 14)                                                                              \
    X(SIGNAL, signal, 15)                                                                          \
    X(RECEIPT, receipt, 16)                                                                        \
    X(HISTORY, history, 17)                                                                        \
    X(MEMBERS, members, 18)                                                                        \
    X(CHANNEL_PUT, channel_put, 19)                                                                \
    X(SESSION_OPEN, session_open, 20)                                                              \
    X(SESSION_END, session_end, 21)                                                                \
    X(RECOVER, recover, 22)                                                                        \
    X(REJOIN, rejoin, 23)                                                                          \
    X(SESSION_LEAVE, session_leave, 24)                                                            \
    X(RECORD_PUT, record_put, 32)                                                                  \
    X(RECORD_GET, record_get, 33)                                                                  \
    X(RECORD_LIST, record_list, 34)                                                                \
    X(RECORD_DELETE, record_delete, 35)                                                            \
    X(CHANNEL_GET, channel_get, 36)                                                                \
    X(CHANNEL_CHANGE, channel_change, 37)                                                          \
    X(CHANNEL_LIST, channel_list, 38)                                                              \
    X(ROOM_EVENT, room_event, 39)                                                                  \
    X(JOINED, joined, 40)                                                                          \
    X(SEND_DONE, send_done, 41)                                                                    \
    X(ROOM_MESSAGE, room_message, 42)                                                              \
    X(PRESENCE, presence, 43)                                                                      \
    X(CHUNK, chunk, 44)                                                                            \
    X(RUN, run, 45)                                                                                \
    X(RECEIPT_NOTE, receipt_note, 46)                                                              \
    X(DONE, done, 47)                                                                              \
    X(HISTORY_PAGE, history_page, 48)                                                              \
    X(MEMBERS_PAGE, members_page, 49)                                                              \
    X(CHANNEL, channel, 50)                                                                        \
    X(PEERS, peers, 51)                                                                            \
    X(PRESENCE_LIST, presence_list, 52)                                                            \
    X(CLUSTER, cluster, 53)                                                                        \
    X(CAUGHT_UP, caught_up, 54)                                                                    \
    X(SETTLED, settled, 55)                                                                        \
    X(RECOVERED, recovered, 56)                                                                    \
    X(SESSION_TAKEN, session_taken, 57)                                                            \
    X(REJOINED, rejoined, 58)                                                                      \
    X(RECORD, record, 63)                                                                          \
    X(RECORDS_PAGE, records_page, 64)                                                              \
    X(CHANNELS_PAGE, channels_page, 65)                                                            \
    X(AGENTS_PAGE, agents_page, 66)                                                                \
    X(PRESENCE_LEFT, presence_left, 67)                                                            \
    X(EXPELLED, expelled, 150)                                                                     \
    X(RUNS, runs, 100)                                                                             \
    X(INPUT, input, 101)                                                                           \
    X(RUNS_WANTED, runs_wanted, 102)                                                               \
    X(RUN_ATTACH, run_attach, 103)                                                                 \
    X(RUN_ATTACHED, run_attached, 104)                                                             \
    X(RUN_STOP, run_stop, 105)                                                                     \
    X(REGISTER, register_agents, 70)                                                               \
    X(WORK_CHUNK, work_chunk, 71)                                                                  \
    X(WORK_DONE, work_done, 72)                                                                    \
    X(WORK_FAILED, work_failed, 73)                                                                \
    X(OFFER, offer, 74)                                                                            \
    X(WITHDRAW, withdraw, 75)                                                                      \
    X(REGISTERED, registered, 80)                                                                  \
    X(WORK, work, 81)                                                                              \
    X(WORK_CANCEL, work_cancel, 82)                                                                \
    X(RELAY_REQUEST, relay_request, 90)                                                            \
    X(RELAY_RESPONSE, relay_response, 91)                                                          \
    X(RELAY_RECALL, relay_recall, 26)                                                              \
    X(RELAY_GONE, relay_gone, 92)                                                                  \
    X(MOVE_BEGIN, move_begin, 93)                                                                  \
    X(MOVE_DATA, move_data, 94)                                                                    \
    X(MOVE_HOLD, move_hold, 95)                                                                    \
    X(MOVE_STATE, move_state, 96)                                                                  \
    X(MOVE_END, move_end, 97)                                                                      \
    X(MARK, mark, 98)                                                                              \
    X(MARKED, marked, 99)                                                                          \
    X(MESSAGE_GET, message_get, 110)                                                               \
    X(SEARCH, search, 111)                                                                         \
    X(SUBMIT, submit, 112)                                                                         \
    X(JOB_GET, job_get, 114)                                                                       \
    X(AGENTS_GET, agents_get, 113)                                                                 \
    X(AGENT_GET, agent_get, 126)                                                                   \
    X(AGENT_STATE, agent_state, 127)                                                               \
    X(AGENT_CHANGE, agent_change, 128)                                                             \
    X(RUNS_LIST, runs_list, 129)                                                                   \
    X(RUNS_PAGE, runs_page, 130)                                                                   \
    X(RUN_DELETE, run_delete, 131)                                                                 \
    X(AGENT_HISTORY, agent_history, 132)                                                           \
    X(ROOMS_OF, rooms_of, 133)                                                                     \
    X(LOG_LINES, log_lines, 134)                                                                   \
    X(LOGS_WATCH, logs_watch, 135)                                                                 \
    X(LOGS_GET, logs_get, 136)                                                                     \
    X(LOGS_PAGE, logs_page, 137)                                                                   \
    X(CHARACTER_CHANGE, character_change, 138)                                                     \
    X(CHARACTER_CHANGED, character_changed, 139)

enum bus_type {
#define X(name, member, number) BUS_##name = (number),
    BUS_MESSAGES(X)
#undef X
};

struct bus_message {
    enum bus_type type;
    uint64_t trace;      /* follows one client event through the cluster's logs; 0: none */
    struct slice viewer; /* whose doing it is, see BUS.md, "Viewers"; empty: the cluster's own */
    union {
#define X(name, member, number) struct bus_##member member;
        BUS_MESSAGES(X)
#undef X
    };
};

/* Appends the encoded message. What we encode ourselves is within bounds: asserted. */
void bus_encode(struct buffer *out, const struct bus_message *message);
/* Reads one message; 0 or ERROR_BUS_MALFORMED. */
int bus_decode(struct msgpack_reader *reader, struct bus_message *message);
const char *bus_type_name(enum bus_type type);

#endif
