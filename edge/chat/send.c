#include "edge/chat/internal.h"

/* A message on its way to the router and back. */
struct send_wait {
    struct chat *chat;
    struct chat_socket *from; /* invalid once forgotten */
    bool has_ack_id;
    bool was_echoed; /* the sender has got its own copy */
    uint64_t ack_id;
    char *client_message_id; /* owns; NULL: the client chose none */
};

static void on_done(void *context, const struct uplink_outcome *outcome);

static void send_wait_destroy(struct send_wait *wait)
{
    free(wait->client_message_id);
    free(wait);
}

/* The sender's own copy: as everybody's, and its clientMessageId. */
static void emit_echo(struct send_wait *wait, const struct chat_stamp *stamp, struct slice body)
{
    struct chat *chat = wait->chat;
    struct buffer extra = BUFFER_EMPTY;
    if (wait->client_message_id != NULL) {
        buffer_append_string(&extra, "\"clientMessageId\":");
        json_write_string(&extra, chat_text(wait->client_message_id));
    }
    struct packet *packet = chat_broadcast_packet(stamp, body, buffer_slice(&extra),
                                                  offset_of_message(chat), &chat->scratch);
    socket_emit(wait->from->socket, packet);
    packet_release(&packet);
    buffer_deinit(&extra);
    chat->counters.deliveries++;
    wait->was_echoed = true;
}

struct chat_socket *send_echo(struct chat *chat, const struct bus_room_message *message)
{
    struct send_wait *wait = NULL;
    if (slice_equals(message->origin, chat->settings.incarnation)) {
        wait = uplink_context(chat->uplink, message->origin_request, on_done);
    }
    if (wait == NULL) {
        return NULL; /* another edge's, a REST caller's, or its socket is gone */
    }
    struct chat_stamp stamp = {message->id, message->seq, message->epoch, message->created_at};
    emit_echo(wait, &stamp, message->body);
    return wait->from;
}

static void write_ack(struct buffer *out, const struct send_wait *wait,
                      const struct bus_send_done *done, const struct bus_send *send)
{
    if (wait->client_message_id != NULL) {
        json_write_string_member(out, "clientMessageId", chat_text(wait->client_message_id));
    }
    json_write_string_member(out, "messageId", done->message_id);
    json_write_string_member(out, "status", SLICE_LITERAL("received_by_server_and_processing"));
    json_write_string_member(out, "channelId", send->room);
    json_write_string_member(out, "roomId", send->room);
    json_write_unsigned_member(out, "seq", done->seq);
    json_write_unsigned_member(out, "epoch", done->epoch);
    if (done->is_duplicate) {
        json_write_boolean_member(out, "duplicate", true);
    }
    if (done->no_agent) {
        json_write_string_member(out, "code", SLICE_LITERAL("no_agent"));
        const char *reason = bus_answering_reason(done->no_agent);
        if (reason[0] != '\0') {
            json_write_string_member(out, "reason", slice_of_string(reason));
        }
    }
}

static void accepted(struct send_wait *wait, const struct bus_send_done *given,
                     const struct uplink_outcome *outcome)
{
    const struct bus_send *send = &outcome->sent->send;
    struct bus_send_done done = *given;
    struct buffer *out = &wait->chat->scratch;
    if (outcome->was_repeated) {
        /* We asked twice because the router went away in between: for the client it is one send. */
        done.is_duplicate = false;
        if (!wait->was_echoed && member_of(wait->from, send->room) == NULL) {
            struct chat_stamp stamp = {done.message_id, done.seq, done.epoch, done.created_at};
            emit_echo(wait, &stamp, send->body); /* a member gets it by catching up */
        }
    }
    buffer_clear(out);
    buffer_append_char(out, '{');
    write_ack(out, wait, &done, send);
    buffer_append_char(out, '}');
    socket_emit_event(wait->from, "messageAck", buffer_slice(out));
    if (wait->has_ack_id) {
        out->length--;
        json_write_boolean_member(out, "success", true);
        buffer_append_char(out, '}');
        socket_answer(wait->from, true, wait->ack_id, buffer_slice(out));
    }
    if (done.jobs > 0 && member_of(wait->from, send->room) == NULL) {
        chat_follow(wait->from, send->room, send->sender, done.message_id, done.jobs, outcome->now);
    }
}

static void on_done(void *context, const struct uplink_outcome *outcome)
{
    struct send_wait *wait = context;
    const struct bus_send_done *done = outcome->answer == NULL ? NULL : &outcome->answer->send_done;
    int error = done == NULL ? outcome->error : (int)done->error;
    if (outcome->is_forgotten) {
        send_wait_destroy(wait);
        return; /* committed or not: the client asks again with the same messageId */
    }
    if (error == 0) {
        accepted(wait, done, outcome);
    } else {
        struct chat_call call = {.chat = wait->chat,
                                 .from = wait->from,
                                 .has_ack_id = wait->has_ack_id,
                                 .ack_id = wait->ack_id,
                                 .now = outcome->now};
        int64_t retry = done != NULL && done->retry_after > 0 ? (int64_t)done->retry_after : 1000;
        call_refuse(&call, (struct chat_fault){error, NULL}, chat_text(wait->client_message_id),
                    error_is_retryable(error) ? retry : 0);
    }
    send_wait_destroy(wait);
}

/* Decodes a send, and writes its body as chat->argument. */
static struct chat_fault read_send(const struct chat_call *call, struct chat_send *send,
                                   struct slice *sender)
{
    struct chat *chat = call->chat;
    struct chat_socket *from = call->from;
    struct chat_fault fault =
        chat_decode_send(call->payload, SLICE_EMPTY, &chat->arena, "socketio_client", send);
    if (fault.error == 0) {
        fault = chat_access(from, send->room, send->sender, "senderId");
    }
    if (fault.error != 0) {
        return fault;
    }
    if (from->requests.count >= (size_t)chat->settings.requests_per_socket_max) {
        return (struct chat_fault){ERROR_OVERLOADED, NULL};
    }
    send->binaries = socket_attachments(from->socket, &send->binary_count);
    if (send->binary_count > CHAT_BINARIES_MAX) {
        return (struct chat_fault){ERROR_LIMIT, NULL};
    }
    *sender = send->sender.length > 0 ? send->sender : chat_text(from->entity);
    buffer_clear(&chat->argument);
    chat_write_body(send, *sender, &chat->argument);
    bool is_too_large = chat->argument.length > BUS_PAYLOAD_MAX;
    return (struct chat_fault){is_too_large ? ERROR_TOO_LARGE : 0, NULL};
}

void chat_handle_send(const struct chat_call *call, bool asks_agent)
{
    struct chat *chat = call->chat;
    struct chat_socket *from = call->from;
    struct chat_send send;
    struct slice sender;
    struct chat_fault fault = read_send(call, &send, &sender);
    if (fault.error != 0) {
        chat->counters.faults++;
        call_refuse(call, fault, chat_client_message_id(call->payload, &chat->arena),
                    error_is_retryable(fault.error) ? 1000 : 0);
        return;
    }
    char minted[UUID_TEXT_SIZE + 1] = "~";
    if (send.message_id.length == 0) {
        uuid_random(chat->ids, minted + 1);
    }
    struct send_wait *wait = memory_allocate_zeroed(sizeof(*wait));
    wait->chat = chat;
    wait->from = from;
    wait->has_ack_id = call->has_ack_id;
    wait->ack_id = call->ack_id;
    if (send.message_id.length > 0) {
        wait->client_message_id = memory_copy_string(send.message_id.data, send.message_id.length);
    }
    buffer_clear(&chat->scratch);
    if (room_lookup(chat, send.room) == NULL) { /* else it exists already */
        chat_write_plain_metadata(&send, &chat->scratch);
    }
    struct bus_message message = {
        .type = BUS_SEND,
        .trace = id_random_u64(chat->ids),
        .viewer = chat_viewer(from, sender),
        .send = {.room = send.room,
                 .sender = sender,
                 .message_id =
                     send.message_id.length > 0 ? send.message_id : slice_of_string(minted),
                 .server_id = send.server_id,
                 .asks_agent = asks_agent,
                 .channel_type = send.is_direct ? SLICE_LITERAL("DM") : SLICE_LITERAL("GROUP"),
                 .channel_metadata = buffer_slice(&chat->scratch),
                 .body = buffer_slice(&chat->argument)}};
    int error = uplink_request(chat->uplink, &message, &message.send.request, on_done, wait,
                               &from->requests, call->now);
    if (error != 0) {
        send_wait_destroy(wait);
        call_refuse(call, (struct chat_fault){error, NULL}, send.message_id, 1000);
        return;
    }
    chat->counters.sends++;
}
