#include "edge/chat/internal.h"

void socket_emit_event(struct chat_socket *socket, const char *event, struct slice argument)
{
    struct packet *packet = chat_event_packet(event, argument, offset_of_event(socket->chat));
    socket_emit(socket->socket, packet);
    packet_release(&packet);
}

void socket_answer(struct chat_socket *socket, bool has_ack_id, uint64_t ack_id, struct slice json)
{
    if (has_ack_id) {
        socket_acknowledge(socket->socket, ack_id, json);
    }
}

void call_refuse(const struct chat_call *call, struct chat_fault fault,
                 struct slice client_message_id, int64_t retry_after)
{
    struct buffer *out = &call->chat->scratch;
    call->chat->counters.refused++;
    buffer_clear(out);
    chat_write_error(false, fault, client_message_id, retry_after, out);
    socket_emit_event(call->from, "messageError", buffer_slice(out));
    if (call->has_ack_id) {
        buffer_clear(out);
        chat_write_error(true, fault, client_message_id, retry_after, out);
        socket_answer(call->from, true, call->ack_id, buffer_slice(out));
    }
}

/* --- connecting ------------------------------------------------------------------------------- */

static void announce_identity(struct chat *chat, struct chat_socket *from)
{
    struct buffer *out = &chat->scratch;
    buffer_clear(out);
    buffer_append_char(out, '{');
    json_write_string_member(out, "entityId", chat_text(from->entity));
    json_write_signed_member(out, "timestamp", chat->wall(chat->wall_context));
    buffer_append_char(out, '}');
    socket_emit_event(from, "authenticated", buffer_slice(out));

    buffer_clear(out);
    buffer_append_char(out, '{');
    json_write_string_member(out, "message", SLICE_LITERAL("Connected to Eliza Socket.IO server"));
    json_write_string_member(out, "socketId", slice_of_string(socket_id(from->socket)));
    json_write_string_member(out, "edge", slice_of_string(chat->settings.edge_name));
    buffer_append_char(out, '}');
    socket_emit_event(from, "connection_established", buffer_slice(out));
}

struct chat_socket *chat_socket_new(struct chat *chat, struct socket *socket, struct slice entity,
                                    struct identity *identity)
{
    struct chat_socket *self = memory_allocate_zeroed(sizeof(*self));
    self->chat = chat;
    self->socket = socket;
    self->entity = memory_copy_string(entity.data, entity.length);
    self->identity = identity;
    socket_set_data(socket, self);
    return self;
}

void chat_connect(struct chat_socket *from, int64_t now)
{
    struct chat *chat = from->chat;
    struct slice id = slice_of_string(socket_id(from->socket));
    char pid[RECOVERY_PID_LENGTH + 1] = "";
    from->is_kept = chat->has_keys && socket_takes_offsets(from->socket);
    if (from->is_kept) {
        struct bus_message message = {
            .type = BUS_SESSION_OPEN,
            .session_open = {.socket = id, .entity = chat_text(from->entity)}};
        recovery_write_pid(&chat->keys, id, pid);
        uplink_notify(chat->uplink, &message);
    }
    socket_accept(from->socket, slice_of_string(pid));
    announce_identity(chat, from);
    if (chat->settings.rejoin_entity && from->is_kept && from->is_named) {
        chat_rejoin(from, now);
    }
}

/* A member of the auth that is text, decoded into the arena; or empty. */
static struct slice auth_text(struct chat *chat, struct slice auth, const char *name)
{
    struct slice raw = auth.length == 0 ? SLICE_EMPTY : json_get(auth, name);
    return json_type(raw) == JSON_STRING ? json_decode_string(raw, &chat->arena) : SLICE_EMPTY;
}

/* Empty: the client has none. One that is no text is none of ours. */
static struct slice auth_offset(struct chat *chat, struct slice auth)
{
    enum json_type type = json_type(json_get(auth, "offset"));
    struct slice offset = auth_text(chat, auth, "offset");
    bool is_absent = type == JSON_NONE || type == JSON_NULL;
    return offset.length == 0 && !is_absent ? SLICE_LITERAL(RECOVERY_OFFSET_VOID) : offset;
}

static void on_connect(void *context, struct socket *socket, struct slice name_space,
                       struct slice auth, int64_t now)
{
    struct chat *chat = context;
    if (!slice_is(name_space, "/")) {
        socket_refuse(socket, "Invalid namespace");
        return;
    }
    struct identity *identity;
    const char *refusal = chat_admit(chat, socket, auth, &chat->arena, &identity);
    if (refusal != NULL) {
        chat->counters.unauthorized++;
        arena_reset(&chat->arena);
        socket_refuse(socket, refusal);
        return;
    }
    struct slice entity = auth_text(chat, auth, "entityId");
    struct slice pid = auth_text(chat, auth, "pid");
    if (identity != NULL) {
        entity = identity_subject(identity);
    }
    char guest[UUID_TEXT_SIZE];
    bool is_named = entity.length > 0 && entity.length <= USER_ID_MAX &&
                    memchr(entity.data, '\0', entity.length) == NULL;
    if (!is_named) {
        uuid_random(chat->ids, guest);
        entity = slice_of(guest, UUID_TEXT_LENGTH);
    }
    struct chat_socket *from = chat_socket_new(chat, socket, entity, identity);
    from->is_named = is_named;
    if (pid.length == 0 || !recover_begin(from, pid, auth_offset(chat, auth), now)) {
        chat_connect(from, now);
    }
    arena_reset(&chat->arena);
}

/*
 * How long nothing had been heard of a client that is lost. One that ended its connection gave its
 * last sign of life with that, however quiet it was before.
 */
static int64_t silence_of(const struct socket *socket, enum session_close_reason reason,
                          int64_t now)
{
    bool fell_silent =
        reason == SESSION_CLOSE_PING_TIMEOUT || reason == SESSION_CLOSE_SLOW_CONSUMER;
    int64_t silence = now - session_last_life(socket_session(socket));
    return fell_silent && silence > 0 ? silence : 0;
}

/* An answer is to come to it, or a reply is being written before its eyes. */
static bool is_busy(void *context, const struct socket *socket)
{
    struct chat *chat = context;
    const struct chat_socket *from = socket_data(socket);
    const struct chat_member *member;
    if (from == NULL) {
        return false;
    }
    if (from->requests.count > 0 || from->follows != NULL) {
        return true;
    }
    DL_FOREACH (from->memberships, member) {
        if (stream_goes_on(chat, chat_text(member->room->id))) {
            return true;
        }
    }
    return false;
}

static void on_disconnected(void *context, struct socket *socket, enum session_close_reason reason,
                            int64_t now)
{
    struct chat *chat = context;
    struct chat_socket *from = socket_data(socket);
    if (from == NULL) {
        return;
    }
    int64_t silence = silence_of(socket, reason, now);
    recover_cancel(from, silence, now);
    chat_unfollow_all(from);
    lags_forget_socket(from);
    logs_unsubscribe(from);
    uplink_forget_owner(chat->uplink, &from->requests);
    chat_leave_all(from, reason == SESSION_CLOSE_CLIENT, silence, now);
    recovered_forget(from);
    /* One that a socket of this edge is taking over has not ended, whatever becomes of this one. */
    struct slice id = slice_of_string(socket_id(socket));
    if (from->is_kept && reason != SESSION_CLOSE_MOVED && !recover_has_asked(chat, id)) {
        /* A DISCONNECT, and not only a transport that its client has closed. */
        bool is_explicit =
            reason == SESSION_CLOSE_CLIENT && !session_is_over(socket_session(socket));
        session_ended(chat, id, is_explicit, now);
    }
    socket_set_data(socket, NULL);
    identity_destroy(&from->identity);
    free(from->entity);
    free(from);
}

/* --- events ----------------------------------------------------------------------------------- */

static void handle_typed(const struct chat_call *call, enum chat_type type)
{
    switch (type) {
    case CHAT_ROOM_JOINING:
        chat_handle_join(call);
        break;
    case CHAT_SEND_MESSAGE:
        chat_handle_send(call, true);
        break;
    case CHAT_MESSAGE:
        chat_handle_send(call, false);
        break;
    case CHAT_ACK:
        chat_handle_receipt(call);
        break;
    case CHAT_THINKING:
        chat_handle_thinking(call);
        break;
    case CHAT_CONTROL:
        chat_handle_control(call);
        break;
    }
}

static void handle_message(const struct chat_call *call)
{
    struct chat_call inner = *call;
    enum chat_type type;
    struct chat_fault fault = chat_decode_envelope(call->payload, &type, &inner.payload);
    if (fault.error != 0) {
        call_refuse(call, fault, chat_client_message_id(inner.payload, &call->chat->arena), 0);
        return;
    }
    handle_typed(&inner, type);
}

/* Events named by the bare number of a type: old clients. */
static void handle_numbered(const struct chat_call *call, enum chat_type type)
{
    if (json_type(call->payload) != JSON_OBJECT) {
        call_refuse(call, (struct chat_fault){ERROR_MALFORMED, "payload"}, SLICE_EMPTY, 0);
        return;
    }
    handle_typed(call, type);
}

static void handle_1(const struct chat_call *call)
{
    handle_numbered(call, CHAT_ROOM_JOINING);
}

static void handle_2(const struct chat_call *call)
{
    handle_numbered(call, CHAT_SEND_MESSAGE);
}

/* A new client event is one line here and one function. */
static const struct {
    const char *name;
    void (*handle)(const struct chat_call *call);
} events[] = {
    {"message", handle_message},
    {"typing", chat_handle_typing},
    {"1", handle_1},
    {"2", handle_2},
    {"subscribe_logs", chat_handle_subscribe_logs},
    {"unsubscribe_logs", chat_handle_unsubscribe_logs},
    {"update_log_filters", chat_handle_log_filters},
};

/* Beyond its rate a socket is told so, and nothing else is done. */
static bool is_too_eager(const struct chat_call *call)
{
    const struct rate *rate = &call->chat->settings.socket_rate;
    if (rate->count == 0) {
        return false;
    }
    struct rate_verdict verdict = rate_window_take(&call->from->events, rate, call->now);
    if (!verdict.is_allowed) {
        call->chat->counters.limited++;
        call_refuse(call, (struct chat_fault){ERROR_RATE_LIMITED, NULL}, SLICE_EMPTY,
                    verdict.reset);
    }
    return !verdict.is_allowed;
}

static void on_event(void *context, struct socket *socket, const struct socketio_packet *packet,
                     int64_t now)
{
    struct chat *chat = context;
    struct chat_call call = {.chat = chat,
                             .from = socket_data(socket),
                             .has_ack_id = packet->has_ack_id,
                             .ack_id = packet->ack_id,
                             .now = now};
    struct json_iterator arguments = socketio_arguments(packet);
    struct slice name = json_decode_string(packet->event, &chat->arena);
    chat->counters.events++;
    if (is_too_eager(&call)) {
        arena_reset(&chat->arena);
        return;
    }
    if (packet->data_state == SOCKETIO_DATA_TOO_DEEP) {
        call_refuse(&call, (struct chat_fault){ERROR_TOO_DEEP, NULL}, SLICE_EMPTY, 0);
        arena_reset(&chat->arena);
        return;
    }
    json_next_element(&arguments, &call.payload);
    size_t i = 0;
    while (i < sizeof(events) / sizeof(events[0]) && !slice_is(name, events[i].name)) {
        i++;
    }
    if (i < sizeof(events) / sizeof(events[0])) {
        events[i].handle(&call);
    } else if (packet->has_ack_id) {
        /* Not an event of ours: ignored like everywhere, but nobody waits for ever. */
        buffer_clear(&chat->scratch);
        chat_write_error(true, (struct chat_fault){ERROR_UNKNOWN_TYPE, NULL}, SLICE_EMPTY, 0,
                         &chat->scratch);
        socket_answer(call.from, true, packet->ack_id, buffer_slice(&chat->scratch));
    }
    arena_reset(&chat->arena);
}

static void on_acknowledged(void *context, struct socket *socket,
                            const struct socketio_packet *packet, int64_t now)
{
    /* Chat asks for no acknowledgements of its events: delivery is recovered by sequence. */
    (void)context;
    (void)socket;
    (void)packet;
    (void)now;
}

const struct socket_application chat_socket_application = {.connect = on_connect,
                                                           .event = on_event,
                                                           .acknowledged = on_acknowledged,
                                                           .is_busy = is_busy,
                                                           .disconnected = on_disconnected,
                                                           .rest = chat_rest,
                                                           .hand_over = chat_hand_over,
                                                           .may_arrive = chat_may_arrive,
                                                           .take_over = chat_take_over,
                                                           .listen = chat_listen,
                                                           .settle = chat_settle};
