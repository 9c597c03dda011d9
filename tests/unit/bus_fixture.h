/*
 * What the tests of the bus and of both cores on it share: one end of a link whose transport is a
 * queue the test empties, which writes down what the other side says, one line per message.
 */
#ifndef TESTS_UNIT_BUS_FIXTURE_H
#define TESTS_UNIT_BUS_FIXTURE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "proto/base/error.h"
#include "proto/bus/link.h"
#include "router/store/record.h"

#ifndef TESTS_UNIT_SESSION_FIXTURE_H /* which has it too */
static inline struct slice text(const char *string)
{
    return slice_of_string(string);
}
#endif

/* Compares and clears. */
static inline void assert_lines(struct buffer *actual, const char *expected)
{
    buffer_append_char(actual, '\0');
    assert_string_equal(actual->data, expected);
    buffer_clear(actual);
}

/* --- messages as text ------------------------------------------------------------------------- */

static inline void write_slice(struct buffer *out, const char *before, struct slice slice)
{
    buffer_append_string(out, before);
    buffer_append_slice(out, slice);
}

static inline void write_error(struct buffer *out, int64_t error)
{
    if (error != 0) {
        buffer_append_format(out, " error=%s", error_code((int)error));
    }
}

static inline void write_members(struct buffer *out, const struct bus_list *list)
{
    struct msgpack_reader reader = bus_list_read(list);
    struct bus_member member;
    const char *comma = "";
    while (bus_list_next(&reader, BUS_ELEMENT_MEMBER, &member)) {
        write_slice(out, comma, member.entity);
        if (member.connections != 1) {
            buffer_append_format(out, "*%" PRIu64, member.connections);
        }
        comma = ",";
    }
}

static inline void write_stored(struct buffer *out, const struct bus_list *list)
{
    struct msgpack_reader reader = bus_list_read(list);
    struct bus_stored_message stored;
    const char *comma = "";
    while (bus_list_next(&reader, BUS_ELEMENT_STORED, &stored)) {
        buffer_append_format(out, "%s%" PRIu64 ":", comma, stored.seq);
        buffer_append_slice(out, stored.body);
        comma = ",";
    }
}

static inline void write_texts(struct buffer *out, const struct bus_list *list)
{
    struct msgpack_reader reader = bus_list_read(list);
    struct bus_text element;
    const char *comma = "";
    while (bus_list_next(&reader, BUS_ELEMENT_TEXT, &element)) {
        write_slice(out, comma, element.text);
        comma = ",";
    }
}

static inline void write_peers(struct buffer *out, const struct bus_list *list)
{
    struct msgpack_reader reader = bus_list_read(list);
    struct bus_peer element;
    while (bus_list_next(&reader, BUS_ELEMENT_PEER, &element)) {
        write_slice(out, " ", element.incarnation);
        write_slice(out, "=", element.address);
    }
}

static inline void write_from_router(struct buffer *out, const struct bus_message *m)
{
    static const char *const states[] = {"started", "failed", "cancelled"};
    switch (m->type) {
    case BUS_JOINED:
        buffer_append_format(out, " #%" PRIu64, m->joined.request);
        write_slice(out, " ", m->joined.room);
        write_error(out, m->joined.error);
        if (m->joined.error == 0) {
            buffer_append_format(out,
                                 " last=%" PRIu64 " count=%" PRIu64 " members=", m->joined.last_seq,
                                 m->joined.member_count);
            write_members(out, &m->joined.members);
            buffer_append_string(out, m->joined.replay_complete ? "" : " incomplete");
        }
        if (m->joined.replay.count > 0) {
            buffer_append_string(out, " replay=");
            write_stored(out, &m->joined.replay);
        }
        break;
    case BUS_SEND_DONE:
        buffer_append_format(out, " #%" PRIu64, m->send_done.request);
        write_error(out, m->send_done.error);
        if (m->send_done.retry_after > 0) {
            buffer_append_format(out, " retry=%" PRIu64, m->send_done.retry_after);
        }
        if (m->send_done.error == 0) {
            buffer_append_format(out, " seq=%" PRIu64, m->send_done.seq);
        }
        buffer_append_string(out, m->send_done.is_duplicate ? " duplicate" : "");
        buffer_append_string(out, m->send_done.no_agent ? " no_agent" : "");
        if (m->send_done.jobs > 0) {
            buffer_append_format(out, " jobs=%" PRIu64, m->send_done.jobs);
        }
        break;
    case BUS_ROOM_MESSAGE:
        write_slice(out, " ", m->room_message.room);
        buffer_append_format(out, " %" PRIu64, m->room_message.seq);
        write_slice(out, " ", m->room_message.sender);
        write_slice(out, " ", m->room_message.body);
        if (m->room_message.origin.length > 0) {
            write_slice(out, " origin=", m->room_message.origin);
            buffer_append_format(out, "#%" PRIu64, m->room_message.origin_request);
        }
        buffer_append_string(out, m->room_message.in_reply_to.length > 0 ? " reply" : "");
        break;
    case BUS_PRESENCE:
        write_slice(out, " ", m->presence.room);
        write_slice(out, m->presence.is_joined ? " +" : " -", m->presence.entity);
        buffer_append_format(out, " count=%" PRIu64, m->presence.member_count);
        break;
    case BUS_PRESENCE_LEFT: {
        struct msgpack_reader reader = bus_list_read(&m->presence_left.members);
        struct bus_member member;
        write_slice(out, " ", m->presence_left.room);
        while (bus_list_next(&reader, BUS_ELEMENT_MEMBER, &member)) {
            write_slice(out, " -", member.entity);
        }
        buffer_append_format(out, " count=%" PRIu64, m->presence_left.member_count);
        break;
    }
    case BUS_PRESENCE_LIST:
        write_slice(out, " ", m->presence_list.room);
        buffer_append_char(out, ' ');
        write_members(out, &m->presence_list.members);
        break;
    case BUS_CHUNK:
        write_slice(out, " ", m->chunk.room);
        buffer_append_format(out, " %" PRIu64, m->chunk.index);
        if (m->chunk.is_reset) {
            buffer_append_format(out, " reset=%" PRIu64, m->chunk.attempt);
        }
        write_slice(out, " ", m->chunk.text);
        break;
    case BUS_RUN:
        write_slice(out, " ", m->run.room);
        buffer_append_format(out, " %s", m->run.state < 4 ? states[m->run.state] : "?");
        write_slice(out, " ", m->run.agent);
        if (m->run.reason.length > 0) {
            write_slice(out, " ", m->run.reason);
        }
        if (m->run.partial.length > 0) {
            write_slice(out, " partial=", m->run.partial);
        }
        break;
    case BUS_RUNS:
        write_slice(out, " ", m->runs.room);
        buffer_append_format(out, " %u", m->runs.replies.count);
        break;
    case BUS_RUN_ATTACHED:
        buffer_append_format(out, " #%" PRIu64, m->run_attached.request);
        write_error(out, m->run_attached.error);
        buffer_append_string(out, m->run_attached.is_open ? " open" : "");
        if (m->run_attached.body.length > 0) {
            write_slice(out, " ", m->run_attached.body);
        }
        break;
    case BUS_RUNS_WANTED:
        write_slice(out, " ", m->runs_wanted.room);
        break;
    case BUS_INPUT:
        write_slice(out, " ", m->input.room);
        write_slice(out, " ", m->input.entity);
        write_slice(out, " ", m->input.agent);
        break;
    case BUS_RECEIPT_NOTE:
        write_slice(out, " ", m->receipt_note.room);
        write_slice(out, " author=", m->receipt_note.author);
        write_slice(out, " ", m->receipt_note.user);
        write_slice(out, "=", m->receipt_note.status);
        break;
    case BUS_DONE:
        buffer_append_format(out, " #%" PRIu64, m->done.request);
        write_error(out, m->done.error);
        break;
    case BUS_HISTORY_PAGE:
        buffer_append_format(out, " #%" PRIu64 " ", m->history_page.request);
        write_stored(out, &m->history_page.messages);
        write_error(out, m->history_page.error);
        break;
    case BUS_MEMBERS_PAGE:
        buffer_append_format(out, " #%" PRIu64 " total=%" PRIu64 " ", m->members_page.request,
                             m->members_page.total);
        write_members(out, &m->members_page.members);
        break;
    case BUS_CHANNEL:
        buffer_append_format(out, " #%" PRIu64, m->channel.request);
        write_error(out, m->channel.error);
        write_slice(out, " name=", m->channel.name);
        write_slice(out, " participants=", SLICE_EMPTY);
        write_texts(out, &m->channel.participants);
        break;
    case BUS_REJOINED: {
        struct msgpack_reader reader = bus_list_read(&m->rejoined.rooms);
        struct bus_session_room room;
        buffer_append_format(out, " #%" PRIu64, m->rejoined.request);
        write_error(out, m->rejoined.error);
        while (bus_list_next(&reader, BUS_ELEMENT_SESSION_ROOM, &room)) {
            write_slice(out, " ", room.room);
            buffer_append_format(out, "@%" PRIu64, room.position);
        }
        break;
    }
    case BUS_RECOVERED: {
        struct msgpack_reader reader = bus_list_read(&m->recovered.rooms);
        struct bus_session_room room;
        buffer_append_format(out, " #%" PRIu64, m->recovered.request);
        write_error(out, m->recovered.error);
        write_slice(out, " ", m->recovered.entity);
        while (bus_list_next(&reader, BUS_ELEMENT_SESSION_ROOM, &room)) {
            write_slice(out, " ", room.room);
            write_slice(out, "/", room.entity);
            buffer_append_string(out, room.was_replayed ? "/replayed" : "");
        }
        break;
    }
    case BUS_SESSION_TAKEN:
        write_slice(out, " ", m->session_taken.socket);
        break;
    case BUS_PEERS:
        write_peers(out, &m->peers.peers);
        break;
    case BUS_REGISTERED:
        buffer_append_format(out, " %" PRIu64, m->registered.agents);
        break;
    case BUS_WORK:
        buffer_append_format(out, " %" PRIu64 ".%" PRIu64, m->work.job, m->work.attempt);
        write_slice(out, " ", m->work.room);
        write_slice(out, " ", m->work.agent);
        write_slice(out, " ", m->work.body);
        buffer_append_format(out, " backlog=%" PRIu64, m->work.backlog);
        break;
    case BUS_WORK_CANCEL:
        buffer_append_format(out, " %" PRIu64 ".%" PRIu64, m->work_cancel.job,
                             m->work_cancel.attempt);
        break;
    default:
        break;
    }
}

static inline void write_from_edge(struct buffer *out, const struct bus_message *m)
{
    static const char *const since[] = {"", " since=seq", " since=id", " since=time",
                                        " since=position"};
    switch (m->type) {
    case BUS_ROOM_SYNC:
        write_slice(out, " ", m->room_sync.room);
        buffer_append_format(out, " last=%" PRIu64 " members=", m->room_sync.last_seq);
        write_members(out, &m->room_sync.members);
        break;
    case BUS_SYNC_DONE:
        buffer_append_format(out, " %" PRIu64, m->sync_done.rooms);
        break;
    case BUS_JOIN:
        buffer_append_format(out, " #%" PRIu64, m->join.request);
        write_slice(out, " ", m->join.room);
        write_slice(out, " ", m->join.entity);
        buffer_append_string(out, m->join.since < 5 ? since[m->join.since] : " ?");
        break;
    case BUS_LEAVE:
        write_slice(out, " ", m->leave.room);
        write_slice(out, " ", m->leave.entity);
        buffer_append_string(out, m->leave.is_explicit ? " explicit" : "");
        if (m->leave.request > 0) {
            buffer_append_format(out, " #%" PRIu64, m->leave.request);
        }
        break;
    case BUS_SESSION_OPEN:
        write_slice(out, " ", m->session_open.entity);
        break;
    case BUS_SESSION_END:
        buffer_append_string(out, m->session_end.is_explicit ? " explicit" : "");
        break;
    case BUS_SESSION_LEAVE:
        buffer_append_format(out, " #%" PRIu64, m->session_leave.request);
        write_slice(out, " ", m->session_leave.room);
        break;
    case BUS_REJOIN:
        buffer_append_format(out, " #%" PRIu64, m->rejoin.request);
        write_slice(out, " ", m->rejoin.entity);
        break;
    case BUS_RECOVER:
        buffer_append_format(out, " #%" PRIu64, m->recover.request);
        break;
    case BUS_SEND:
        buffer_append_format(out, " #%" PRIu64, m->send.request);
        write_slice(out, " ", m->send.room);
        write_slice(out, " ", m->send.sender);
        write_slice(out, " ",
                    m->send.message_id.length > 0 && m->send.message_id.data[0] == '~'
                        ? SLICE_LITERAL("~")
                        : m->send.message_id);
        buffer_append_string(out, m->send.asks_agent ? " asks" : "");
        break;
    case BUS_SIGNAL:
        write_slice(out, " ", m->signal.room);
        buffer_append_format(out, " %" PRIu64, m->signal.kind);
        write_slice(out, " ", m->signal.entity);
        buffer_append_string(out, m->signal.is_on ? " on" : "");
        if (m->signal.action.length > 0) {
            write_slice(out, " ", m->signal.action);
        }
        break;
    case BUS_RECEIPT:
        buffer_append_format(out, " #%" PRIu64, m->receipt.request);
        write_slice(out, " ", m->receipt.message_id);
        write_slice(out, " ", m->receipt.user);
        write_slice(out, "=", m->receipt.status);
        break;
    case BUS_MARK:
        buffer_append_format(out, " #%" PRIu64, m->mark.request);
        write_slice(out, " ", m->mark.edge);
        break;
    default:
        write_from_router(out, m);
        break;
    }
}

static inline void write_message_line(struct buffer *out, const struct bus_message *message)
{
    buffer_append_string(out, bus_type_name(message->type));
    write_from_edge(out, message);
    buffer_append_char(out, '\n');
}

/* --- one end of a link ------------------------------------------------------------------------ */

struct bus_frame {
    struct bus_frame *next;
    struct buffer bytes;
};

/* A message that came, kept for a look at its fields. */
struct heard {
    struct heard *next;
    struct buffer bytes;
    struct bus_message message; /* borrows from bytes */
};

struct bus_end {
    struct link link;
    struct link_settings settings;
    struct bus_hello self;
    bool connects;
    struct buffer lines;    /* what came since the last look */
    struct heard *heard;    /* owns, newest first */
    struct bus_frame *sent; /* owns: on their way, oldest first */
    bool is_choked;         /* the transport takes nothing */
    bool keeps_peers;       /* PEERS lines are wanted */
    bool keeps_settled;     /* SETTLED lines are */
    unsigned opened;
    unsigned closed;
    int close_error;
    void (*on_message)(struct bus_end *end, const struct bus_message *message);
    void *mine; /* of the test */
};

/* Adds a frame behind those that are on their way. */
static inline void bus_frames_push(struct bus_frame **frames, struct slice header,
                                   struct slice body)
{
    struct bus_frame *frame = calloc(1, sizeof(*frame));
    buffer_append_slice(&frame->bytes, header);
    buffer_append_slice(&frame->bytes, body);
    while (*frames != NULL) {
        frames = &(*frames)->next;
    }
    *frames = frame;
}

/* The oldest frame on its way, or NULL; the caller frees it. */
static inline struct bus_frame *bus_frames_take(struct bus_frame **frames)
{
    struct bus_frame *frame = *frames;
    if (frame != NULL) {
        *frames = frame->next;
        frame->next = NULL;
    }
    return frame;
}

static inline void bus_frame_free(struct bus_frame *frame)
{
    buffer_deinit(&frame->bytes);
    free(frame);
}

static inline void bus_frames_lose(struct bus_frame **frames)
{
    struct bus_frame *frame;
    while ((frame = bus_frames_take(frames)) != NULL) {
        bus_frame_free(frame);
    }
}

static inline bool bus_end_transmit(void *context, struct link *link, struct slice header,
                                    struct slice body)
{
    struct bus_end *end = context;
    (void)link;
    if (!end->is_choked) {
        bus_frames_push(&end->sent, header, body);
    }
    return !end->is_choked;
}

static inline void bus_end_deliver(void *context, struct link *link,
                                   const struct bus_message *message, int64_t now)
{
    struct bus_end *end = context;
    (void)link;
    (void)now;
    if ((message->type != BUS_PEERS || end->keeps_peers) &&
        (message->type != BUS_SETTLED || end->keeps_settled)) {
        write_message_line(&end->lines, message);
    }
    struct heard *heard = calloc(1, sizeof(*heard));
    bus_encode(&heard->bytes, message);
    struct msgpack_reader reader = msgpack_reader_of(buffer_slice(&heard->bytes));
    assert_int_equal(bus_decode(&reader, &heard->message), 0);
    heard->next = end->heard;
    end->heard = heard;
    if (end->on_message != NULL) {
        end->on_message(end, message);
    }
}

static inline void bus_end_opened(void *context, struct link *link, const struct bus_hello *peer,
                                  int64_t now)
{
    struct bus_end *end = context;
    (void)link;
    (void)now;
    assert_true(peer->incarnation.length > 0);
    end->opened++;
}

static inline void bus_end_closed(void *context, struct link *link, int error, int64_t now)
{
    struct bus_end *end = context;
    (void)link;
    (void)now;
    end->closed++;
    end->close_error = error;
}

static const struct link_operations bus_end_operations = {bus_end_transmit, bus_end_deliver,
                                                          bus_end_opened, bus_end_closed};

static inline void bus_end_init(struct bus_end *end, bool connects, enum bus_role role,
                                const char *incarnation, int64_t now)
{
    memset(end, 0, sizeof(*end));
    end->settings = (struct link_settings){
        .heartbeat = 500, .timeout = 3000, .retained_max = 1 << 20, .frame_max = BUS_FRAME_MAX};
    end->connects = connects;
    end->self = (struct bus_hello){.role = role,
                                   .incarnation = text(incarnation),
                                   .name = SLICE_LITERAL("fake"),
                                   .program_version = SLICE_LITERAL("0")};
    link_init(&end->link, &end->settings, &bus_end_operations, end, connects, &end->self, now);
}

static inline struct link_header header_of(struct slice frame, struct msgpack_reader *body)
{
    struct link_header header;
    *body = msgpack_reader_of(frame);
    assert_int_equal(link_header_decode(body, &header), 0);
    return header;
}

/* Takes a frame as the router does (an accepting end) or as an edge does. */
static inline void bus_end_receive(struct bus_end *end, struct slice frame, int64_t now)
{
    struct msgpack_reader body;
    struct link_header header = header_of(frame, &body);
    if (!end->connects && header.kind == LINK_HELLO) {
        if (end->link.state == LINK_CLOSED || end->link.id != header.link) {
            link_deinit(&end->link);
            link_init(&end->link, &end->settings, &bus_end_operations, end, false, &end->self, now);
            end->opened++;
        }
        link_accept(&end->link, header.link, now);
        return;
    }
    link_receive(&end->link, &header, &body, now);
}

static inline bool bus_end_give(struct bus_end *from, struct bus_end *to, int64_t now)
{
    struct bus_frame *frame = bus_frames_take(&from->sent);
    if (frame == NULL) {
        return false;
    }
    bus_end_receive(to, buffer_slice(&frame->bytes), now);
    bus_frame_free(frame);
    return true;
}

/* The newest message of that type that came; fails when there is none. */
static inline const struct bus_message *last_heard(const struct bus_end *end, enum bus_type type)
{
    const struct heard *heard = end->heard;
    while (heard != NULL && heard->message.type != type) {
        heard = heard->next;
    }
    assert_non_null(heard);
    return &heard->message;
}

/* What this end has heard since the last look, line by line. */
static inline void assert_heard(struct bus_end *end, const char *expected)
{
    assert_lines(&end->lines, expected);
}

static inline void bus_end_deinit(struct bus_end *end)
{
    link_deinit(&end->link);
    bus_frames_lose(&end->sent);
    while (end->heard != NULL) {
        struct heard *heard = end->heard;
        end->heard = heard->next;
        buffer_deinit(&heard->bytes);
        free(heard);
    }
    buffer_deinit(&end->lines);
}

#endif
