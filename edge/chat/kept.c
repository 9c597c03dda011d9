#include "edge/chat/internal.h"

/* Sockets that the router keeps what is needed to recover: what it is told of their ends. */

enum { LOST_BYTES_MAX = 100000 * (SESSION_ID_LENGTH + 1) };

static void say_ended(struct chat *chat, struct slice socket_id, bool is_explicit)
{
    struct bus_message message = {.type = BUS_SESSION_END,
                                  .session_end = {.socket = socket_id, .is_explicit = is_explicit}};
    uplink_notify(chat->uplink, &message);
}

void session_ended(struct chat *chat, struct slice socket_id, bool is_explicit, int64_t now)
{
    say_ended(chat, socket_id, is_explicit);
    if (!uplink_is_ready(chat->uplink, now) && chat->lost.length < LOST_BYTES_MAX) {
        buffer_append_slice(&chat->lost, socket_id);
        buffer_append_char(&chat->lost, is_explicit ? '!' : '.');
    }
}

void sessions_say_lost(struct chat *chat)
{
    for (size_t at = 0; at < chat->lost.length; at += SESSION_ID_LENGTH + 1) {
        const char *record = chat->lost.data + at;
        say_ended(chat, slice_of(record, SESSION_ID_LENGTH), record[SESSION_ID_LENGTH] == '!');
    }
    buffer_deinit(&chat->lost);
}

/* --- rooms that it was not let into ------------------------------------------------------------
 */

static void on_left(void *context, const struct uplink_outcome *outcome)
{
    struct chat_socket *from = context;
    bool is_done = outcome->answer != NULL && outcome->answer->done.error == 0;
    if (is_done || outcome->is_forgotten) {
        return;
    }
    struct slice room = outcome->sent->session_leave.room;
    if (member_of(from, room) == NULL && !join_is_under_way(from, room)) {
        session_leave(from, room, outcome->now); /* whose end decides about it, else */
    }
}

void session_leave(struct chat_socket *from, struct slice room, int64_t now)
{
    struct chat *chat = from->chat;
    struct slice id = slice_of_string(socket_id(from->socket));
    struct bus_message message = {.type = BUS_SESSION_LEAVE,
                                  .trace = id_random_u64(chat->ids),
                                  .session_leave = {.socket = id, .room = room}};
    if (from->is_kept && uplink_request(chat->uplink, &message, &message.session_leave.request,
                                        on_left, from, &from->requests, now) != 0) {
        session_ended(chat, id, true, now); /* rather nothing than what is not so */
        from->is_kept = false;
    }
}

/* --- sockets that have another's id ----------------------------------------------------------- */

void recovered_remember(struct chat_socket *from)
{
    struct recovered_socket *known = memory_allocate_zeroed(sizeof(*known));
    memcpy(known->id, socket_id(from->socket), SESSION_ID_LENGTH);
    known->socket = from;
    HASH_ADD(hh, from->chat->recovered, id, SESSION_ID_LENGTH, known);
}

struct chat_socket *recovered_find(struct chat *chat, struct slice id)
{
    struct recovered_socket *known;
    HASH_FIND(hh, chat->recovered, id.data, SESSION_ID_LENGTH, known);
    return known == NULL ? NULL : known->socket;
}

void recovered_forget(struct chat_socket *from)
{
    struct recovered_socket *known;
    HASH_FIND(hh, from->chat->recovered, socket_id(from->socket), SESSION_ID_LENGTH, known);
    if (known != NULL && known->socket == from) {
        HASH_DEL(from->chat->recovered, known);
        free(known);
    }
}
