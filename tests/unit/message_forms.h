/*
 * All messages of the bus as a test sees them: their grammar, stated independently of the codec,
 * and a writer that makes any of them, right or wrong.
 */
#ifndef TESTS_UNIT_MESSAGE_FORMS_H
#define TESTS_UNIT_MESSAGE_FORMS_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "proto/bus/message.h"

/*
 * The grammar once more, independent of the codec's own table: per message the fields in the order
 * of message.h, each with its kind and where it lands.
 *   U unsigned  I signed  B boolean  T id  N name  P payload; lists of M member  S stored message
 *   A agent  E edge's address  X text  R session room  D record  C channel  K known agent  J run
 *   G log line
 */
struct field {
    char kind;
    size_t offset;
};
enum { FIELDS_MAX = 14 };
struct message_form {
    enum bus_type type;
    const char *name;
    struct field fields[FIELDS_MAX];
};

#define U(m, f)                                                                                    \
    {                                                                                              \
        'U', offsetof(struct bus_##m, f)                                                           \
    }
#define I(m, f)                                                                                    \
    {                                                                                              \
        'I', offsetof(struct bus_##m, f)                                                           \
    }
#define B(m, f)                                                                                    \
    {                                                                                              \
        'B', offsetof(struct bus_##m, f)                                                           \
    }
#define T(m, f)                                                                                    \
    {                                                                                              \
        'T', offsetof(struct bus_##m, f)                                                           \
    }
#define N(m, f)                                                                                    \
    {                                                                                              \
        'N', offsetof(struct bus_##m, f)                                                           \
    }
#define P(m, f)                                                                                    \
    {                                                                                              \
        'P', offsetof(struct bus_##m, f)                                                           \
    }
#define L(kind, m, f)                                                                              \
    {                                                                                              \
        kind, offsetof(struct bus_##m, f)                                                          \
    }

static const struct message_form forms[] = {
    {1,
     "hello",
     {U(hello, role), T(hello, incarnation), N(hello, name), N(hello, peer_address),
      N(hello, program_version)}},
    {10,
     "room_sync",
     {T(room_sync, room), U(room_sync, epoch), U(room_sync, last_seq), L('M', room_sync, members)}},
    {11, "sync_done", {U(sync_done, rooms)}},
    {12,
     "join",
     {U(join, request), T(join, room), T(join, entity), N(join, name), T(join, server_id),
      U(join, since), U(join, since_seq), U(join, since_epoch), I(join, since_time),
      T(join, since_id), T(join, socket), B(join, begins)}},
    {13,
     "leave",
     {T(leave, room), T(leave, entity), B(leave, is_explicit), U(leave, silence), U(leave, request),
      B(leave, is_last)}},
    {14,
     "send",
     {U(send, request), T(send, room), T(send, sender), T(send, message_id), T(send, server_id),
      B(send, asks_agent), N(send, channel_type), P(send, channel_metadata), P(send, body)}},
    {15,
     "signal",
     {T(signal, room), U(signal, kind), T(signal, entity), B(signal, is_on), N(signal, action)}},
    {16,
     "receipt",
     {U(receipt, request), T(receipt, room), T(receipt, message_id), T(receipt, user),
      N(receipt, status)}},
    {17,
     "history",
     {U(history, request), T(history, room), U(history, limit), I(history, before),
      I(history, after)}},
    {18, "members", {U(members, request), T(members, room), U(members, offset), U(members, limit)}},
    {19,
     "channel_put",
     {U(channel_put, request), T(channel_put, id), T(channel_put, server_id), N(channel_put, name),
      N(channel_put, type), P(channel_put, metadata), N(channel_put, source_type),
      T(channel_put, creator), L('X', channel_put, participants)}},
    {20, "session_open", {T(session_open, socket), T(session_open, entity)}},
    {21, "session_end", {T(session_end, socket), B(session_end, is_explicit)}},
    {24,
     "session_leave",
     {U(session_leave, request), T(session_leave, socket), T(session_leave, room)}},
    {22, "recover", {U(recover, request), T(recover, socket), T(recover, subject)}},
    {23, "rejoin", {U(rejoin, request), T(rejoin, entity)}},
    {32,
     "record_put",
     {U(record_put, request), N(record_put, collection), T(record_put, id), T(record_put, owner),
      U(record_put, expected), I(record_put, expires_at), P(record_put, body)}},
    {33, "record_get", {U(record_get, request), N(record_get, collection), T(record_get, id)}},
    {34,
     "record_list",
     {U(record_list, request), N(record_list, collection), T(record_list, owner),
      U(record_list, after), U(record_list, limit), B(record_list, is_descending)}},
    {35,
     "record_delete",
     {U(record_delete, request), N(record_delete, collection), T(record_delete, id)}},
    {36,
     "channel_get",
     {U(channel_get, request), T(channel_get, room), B(channel_get, wants_participants)}},
    {37,
     "channel_change",
     {U(channel_change, request), T(channel_change, room), T(channel_change, id),
      N(channel_change, name), P(channel_change, metadata), B(channel_change, sets_participants),
      L('X', channel_change, participants), T(channel_change, added), T(channel_change, removed)}},
    {38,
     "channel_list",
     {U(channel_list, request), T(channel_list, server_id), U(channel_list, before),
      U(channel_list, limit)}},
    {39,
     "room_event",
     {U(room_event, request), T(room_event, room), T(room_event, id), U(room_event, action),
      T(room_event, message_id), P(room_event, body), P(room_event, event)}},
    {40,
     "joined",
     {U(joined, request), I(joined, error), T(joined, room), U(joined, epoch), U(joined, last_seq),
      T(joined, server_id), U(joined, member_count), L('M', joined, members),
      B(joined, replay_complete), L('S', joined, replay), U(joined, position), U(joined, stamp),
      U(joined, changed_at)}},
    {41,
     "send_done",
     {U(send_done, request), I(send_done, error), T(send_done, message_id), U(send_done, seq),
      U(send_done, epoch), I(send_done, created_at), B(send_done, is_duplicate),
      U(send_done, no_agent), U(send_done, jobs), U(send_done, retry_after)}},
    {42,
     "room_message",
     {T(room_message, room), U(room_message, epoch), U(room_message, seq), T(room_message, id),
      U(room_message, kind), I(room_message, created_at), T(room_message, sender),
      T(room_message, in_reply_to), T(room_message, asker), T(room_message, origin),
      U(room_message, origin_request), T(room_message, client_message_id), P(room_message, body),
      U(room_message, position)}},
    {43,
     "presence",
     {T(presence, room), B(presence, is_joined), T(presence, entity), N(presence, name),
      U(presence, member_count), U(presence, stamp)}},
    {44,
     "chunk",
     {T(chunk, room), T(chunk, reply), T(chunk, question), T(chunk, agent), U(chunk, index),
      P(chunk, text), U(chunk, attempt), U(chunk, offset), B(chunk, is_reset)}},
    {45,
     "run",
     {T(run, room), U(run, state), T(run, agent), N(run, agent_name), T(run, question),
      T(run, reply), T(run, asker), T(run, server_id), N(run, reason), P(run, partial)}},
    {46,
     "receipt_note",
     {T(receipt_note, room), T(receipt_note, message_id), T(receipt_note, author),
      T(receipt_note, user), N(receipt_note, status)}},
    {47, "done", {U(done, request), I(done, error)}},
    {48,
     "history_page",
     {U(history_page, request), I(history_page, error), U(history_page, epoch),
      T(history_page, server_id), N(history_page, channel_type), L('S', history_page, messages)}},
    {49,
     "members_page",
     {U(members_page, request), I(members_page, error), U(members_page, total),
      L('M', members_page, members)}},
    {50,
     "channel",
     {U(channel, request), I(channel, error), T(channel, id), U(channel, epoch),
      T(channel, server_id), N(channel, name), N(channel, type), N(channel, source_type),
      P(channel, metadata), I(channel, created_at), I(channel, updated_at),
      L('X', channel, participants)}},
    {51, "peers", {L('E', peers, peers)}},
    {52, "presence_list", {T(presence_list, room), L('M', presence_list, members)}},
    {53, "cluster", {P(cluster, secret), B(cluster, has_closed_rooms)}},
    {54, "caught_up", {U(caught_up, position)}},
    {55, "settled", {U(settled, stamp)}},
    {56,
     "recovered",
     {U(recovered, request), I(recovered, error), T(recovered, entity), L('R', recovered, rooms)}},
    {57, "session_taken", {T(session_taken, socket)}},
    {58, "rejoined", {U(rejoined, request), I(rejoined, error), L('R', rejoined, rooms)}},
    {63,
     "record",
     {U(record, request), I(record, error), T(record, id), T(record, owner), U(record, number),
      U(record, revision), I(record, created_at), I(record, updated_at), I(record, expires_at),
      P(record, body)}},
    {64,
     "records_page",
     {U(records_page, request), I(records_page, error), U(records_page, total),
      B(records_page, is_complete), L('D', records_page, records)}},
    {65,
     "channels_page",
     {U(channels_page, request), I(channels_page, error), U(channels_page, next),
      L('C', channels_page, channels)}},
    {66,
     "agents_page",
     {U(agents_page, request), I(agents_page, error), U(agents_page, total), U(agents_page, active),
      B(agents_page, is_complete), L('K', agents_page, agents)}},
    {67,
     "presence_left",
     {T(presence_left, room), L('M', presence_left, members), U(presence_left, member_count),
      U(presence_left, stamp)}},
    {150, "expelled", {T(expelled, room), T(expelled, entity)}},
    {100, "runs", {T(runs, room), L('X', runs, replies)}},
    {101, "input", {T(input, room), T(input, entity), T(input, agent)}},
    {102, "runs_wanted", {T(runs_wanted, room)}},
    {103, "run_attach", {U(run_attach, request), T(run_attach, room), T(run_attach, id)}},
    {104,
     "run_attached",
     {U(run_attached, request), I(run_attached, error), B(run_attached, is_open),
      B(run_attached, no_agent), T(run_attached, question), T(run_attached, reply),
      I(run_attached, created_at), P(run_attached, body)}},
    {105, "run_stop", {U(run_stop, request), T(run_stop, room), T(run_stop, id)}},
    {70, "register_agents", {U(register_agents, credit), L('A', register_agents, agents)}},
    {71,
     "work_chunk",
     {U(work_chunk, job), U(work_chunk, attempt), U(work_chunk, index), P(work_chunk, text)}},
    {72, "work_done", {U(work_done, job), U(work_done, attempt), P(work_done, body)}},
    {73, "work_failed", {U(work_failed, job), U(work_failed, attempt), I(work_failed, error)}},
    {74, "offer", {L('A', offer, agents)}},
    {75, "withdraw", {L('X', withdraw, agents)}},
    {80, "registered", {U(registered, agents)}},
    {81,
     "work",
     {U(work, job), U(work, attempt), T(work, room), T(work, server_id), T(work, agent),
      T(work, question), T(work, reply), T(work, sender), I(work, created_at), U(work, backlog),
      P(work, body)}},
    {82, "work_cancel", {U(work_cancel, job), U(work_cancel, attempt)}},
    {90,
     "relay_request",
     {U(relay_request, request), U(relay_request, method), U(relay_request, revision),
      T(relay_request, sid), P(relay_request, body)}},
    {91,
     "relay_response",
     {U(relay_response, request), U(relay_response, status), N(relay_response, content_type),
      P(relay_response, body)}},
    {26, "relay_recall", {U(relay_recall, request)}},
    {92, "relay_gone", {U(relay_gone, request)}},
    {93,
     "move_begin",
     {U(move_begin, move), U(move_begin, number), T(move_begin, edge), T(move_begin, sid),
      U(move_begin, revision)}},
    {94,
     "move_data",
     {U(move_data, move), U(move_data, number), B(move_data, is_binary), P(move_data, bytes)}},
    {95, "move_hold", {U(move_hold, move), U(move_hold, number), B(move_hold, is_on)}},
    {96, "move_state", {U(move_state, move), U(move_state, number), P(move_state, state)}},
    {97,
     "move_end",
     {U(move_end, move), U(move_end, number), B(move_end, is_complete), U(move_end, code),
      P(move_end, state)}},
    {98, "mark", {U(mark, request), T(mark, edge), U(mark, move)}},
    {99, "marked", {U(marked, move)}},
    {110, "message_get", {U(message_get, request), T(message_get, id)}},
    {111,
     "search",
     {U(search, request), T(search, room), T(search, sender), N(search, text), I(search, after),
      I(search, before), U(search, limit), U(search, offset)}},
    {112,
     "submit",
     {U(submit, request), T(submit, room), T(submit, id), T(submit, sender), T(submit, in_reply_to),
      T(submit, server_id), P(submit, body)}},
    {114, "job_get", {U(job_get, request), T(job_get, room), T(job_get, question)}},
    {113, "agents_get", {U(agents_get, request), U(agents_get, after), U(agents_get, limit)}},
    {126, "agent_get", {U(agent_get, request), T(agent_get, id)}},
    {127,
     "agent_state",
     {U(agent_state, request), I(agent_state, error), T(agent_state, id), N(agent_state, name),
      U(agent_state, bridges), B(agent_state, is_stopped), I(agent_state, created_at),
      I(agent_state, updated_at), P(agent_state, details), N(agent_state, reason)}},
    {129,
     "runs_list",
     {U(runs_list, request), T(runs_list, agent), U(runs_list, job), T(runs_list, room),
      T(runs_list, status), I(runs_list, after), I(runs_list, before), U(runs_list, limit),
      U(runs_list, offset)}},
    {130,
     "runs_page",
     {U(runs_page, request), I(runs_page, error), U(runs_page, total), B(runs_page, is_complete),
      L('J', runs_page, runs)}},
    {131, "run_delete", {U(run_delete, request), T(run_delete, agent), U(run_delete, job)}},
    {132,
     "agent_history",
     {U(agent_history, request), T(agent_history, agent), I(agent_history, before),
      U(agent_history, limit)}},
    {133,
     "rooms_of",
     {U(rooms_of, request), T(rooms_of, participant), U(rooms_of, before), U(rooms_of, limit)}},
    {134, "log_lines", {L('G', log_lines, lines)}},
    {135, "logs_watch", {B(logs_watch, is_on)}},
    {136,
     "logs_get",
     {U(logs_get, request), I(logs_get, since), U(logs_get, level), T(logs_get, agent),
      U(logs_get, limit), B(logs_get, clears)}},
    {137,
     "logs_page",
     {U(logs_page, request), I(logs_page, error), U(logs_page, total), L('G', logs_page, lines)}},
    {128,
     "agent_change",
     {U(agent_change, request), T(agent_change, id), U(agent_change, action),
      P(agent_change, details)}},
    {138,
     "character_change",
     {U(character_change, change), U(character_change, action), T(character_change, agent),
      P(character_change, details)}},
    {139,
     "character_changed",
     {U(character_changed, change), I(character_changed, error), N(character_changed, reason)}},
};
enum { FORMS = sizeof(forms) / sizeof(forms[0]) };

/* Kinds of a list's elements; the one field that is made longer is in upper brackets. */
static const struct {
    char kind;
    enum bus_element element;
    const char *fields;
    size_t grows; /* which field */
} elements[] = {{'M', BUS_ELEMENT_MEMBER, "TNU", 1},
                {'S', BUS_ELEMENT_STORED, "TUUITTTPU", 7},
                {'A', BUS_ELEMENT_AGENT, "TNP", 1},
                {'E', BUS_ELEMENT_PEER, "TN", 1},
                {'X', BUS_ELEMENT_TEXT, "N", 0},
                {'R', BUS_ELEMENT_SESSION_ROOM, "TTNUUB", 2},
                {'D', BUS_ELEMENT_RECORD, "TTUUIIIP", 7},
                {'C', BUS_ELEMENT_CHANNEL, "TTNNNPII", 5},
                {'K', BUS_ELEMENT_KNOWN_AGENT, "TNNUBII", 2},
                {'J', BUS_ELEMENT_RUN, "UTTTTUIIUN", 9},
                {'G', BUS_ELEMENT_LOG_LINE, "IUTTTTP", 6}};

static inline uint32_t count_of(const struct message_form *form)
{
    uint32_t count = 0;
    while (count < FIELDS_MAX && form->fields[count].kind != '\0') {
        count++;
    }
    return count;
}

static inline bool is_list(char kind)
{
    return strchr("MSAEXRDCKJG", kind) != NULL;
}

static inline size_t most_of(char kind)
{
    return kind == 'T' ? 256 : kind == 'N' ? 1024 : 4 * 1024 * 1024;
}

static inline void write_long(struct buffer *out, char kind, size_t length)
{
    struct buffer bytes = BUFFER_EMPTY;
    memset(buffer_reserve(&bytes, length + 1), 'z', length);
    bytes.length = length;
    if (kind == 'P') {
        msgpack_write_binary(out, buffer_slice(&bytes));
    } else {
        msgpack_write_text(out, buffer_slice(&bytes));
    }
    buffer_deinit(&bytes);
}

/* One element whose longest field has that many bytes; 0: all empty. */
static inline void write_element(struct buffer *out, char kind, size_t length)
{
    size_t k = 0;
    while (elements[k].kind != kind) {
        k++;
    }
    msgpack_write_array(out, (uint32_t)strlen(elements[k].fields));
    for (size_t i = 0; elements[k].fields[i] != '\0'; i++) {
        char field = elements[k].fields[i];
        if (field == 'U' || field == 'I') {
            msgpack_write_unsigned(out, 0);
        } else if (field == 'B') {
            msgpack_write_boolean(out, false);
        } else {
            write_long(out, field, i == elements[k].grows ? length : 0);
        }
    }
}

/* An element of exactly that many bytes, 500 to 1000. */
static inline void write_element_of(struct buffer *out, char kind, size_t bytes)
{
    size_t start = out->length;
    write_element(out, kind, 256);
    size_t overhead = out->length - start - 256;
    out->length = start;
    write_element(out, kind, bytes - overhead);
    assert_int_equal(out->length - start, bytes);
}

/* A list whose elements have exactly that many bytes. */
static inline void write_list_of(struct buffer *out, char kind, size_t bytes)
{
    struct buffer list = BUFFER_EMPTY;
    uint32_t count = 0;
    while (bytes - list.length > 1000) {
        write_element_of(&list, kind, bytes - list.length >= 2000 ? 1000 : 500);
        count++;
    }
    write_element_of(&list, kind, bytes - list.length);
    assert_int_equal(list.length, bytes);
    msgpack_write_array(out, count + 1);
    buffer_append_slice(out, buffer_slice(&list));
    buffer_deinit(&list);
}

/* Small and different from every other field of the message. */
static inline void write_small(struct buffer *out, char kind, size_t position)
{
    char text[16];
    int length = snprintf(text, sizeof(text), "field%zu", position);
    struct slice slice = slice_of(text, (size_t)length);
    switch (kind) {
    case 'U':
        msgpack_write_unsigned(out, 1000 + position);
        break;
    case 'I':
        msgpack_write_signed(out, -1000 - (int64_t)position);
        break;
    case 'B':
        msgpack_write_boolean(out, position % 2 == 0);
        break;
    case 'T':
    case 'N':
        msgpack_write_text(out, slice);
        break;
    case 'P':
        msgpack_write_binary(out, slice);
        break;
    default:
        msgpack_write_array(out, 2);
        write_element(out, kind, position);
        write_element(out, kind, position + 1);
    }
}

static inline void write_head(struct buffer *out, const struct message_form *form)
{
    msgpack_write_array(out, count_of(form) + 3);
    msgpack_write_unsigned(out, form->type);
    msgpack_write_unsigned(out, UINT64_MAX - 5);
    msgpack_write_text(out, SLICE_LITERAL("viewer"));
}

#endif
