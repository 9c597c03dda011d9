#include "edge/chat/render.h"

#include "edge/chat/internal.h"

static struct packet *finish(struct chat *chat, const char *event)
{
    buffer_append_char(&chat->argument, '}');
    return chat_event_packet(event, buffer_slice(&chat->argument), offset_of_event(chat));
}

static struct buffer *begin(struct chat *chat, struct slice room)
{
    struct buffer *out = &chat->argument;
    buffer_clear(out);
    buffer_append_char(out, '{');
    json_write_string_member(out, "roomId", room);
    json_write_string_member(out, "channelId", room);
    return out;
}

struct packet *render_message(struct chat *chat, const struct bus_room_message *message,
                              struct slice client_message_id)
{
    struct chat_stamp stamp = {message->id, message->seq, message->epoch, message->created_at};
    buffer_clear(&chat->scratch);
    if (client_message_id.length > 0) {
        json_write_string_member(&chat->scratch, "clientMessageId", client_message_id);
    }
    return chat_broadcast_packet(&stamp, message->body, buffer_slice(&chat->scratch),
                                 offset_of_message(chat), &chat->argument);
}

struct packet *render_chunk(struct chat *chat, const struct bus_chunk *chunk)
{
    struct buffer *out = begin(chat, chunk->room);
    json_write_string_member(out, "messageId", chunk->reply);
    json_write_string_member(out, "chunk", chunk->text);
    json_write_unsigned_member(out, "index", chunk->index);
    json_write_string_member(out, "agentId", chunk->agent);
    json_write_string_member(out, "inReplyTo", chunk->question);
    if (chunk->is_reset) {
        json_write_unsigned_member(out, "attempt", chunk->attempt);
        json_write_boolean_member(out, "reset", true);
    }
    return finish(chat, "messageStreamChunk");
}

struct packet *render_stream_error(struct chat *chat, const struct bus_run *run)
{
    struct buffer *out = begin(chat, run->room);
    int error = error_of_code(run->reason);
    json_write_string_member(out, "messageId", run->reply);
    json_write_string_member(out, "agentId", run->agent);
    json_write_string_member(out, "inReplyTo", run->question);
    json_write_string_member(out, "error", slice_of_string(error_text(error)));
    json_write_string_member(out, "code", run->reason);
    json_write_string_member(out, "partialText", run->partial);
    return finish(chat, "messageStreamError");
}

struct packet *render_complete(struct chat *chat, struct slice room, struct slice server,
                               struct slice reply, struct slice question, struct slice agent,
                               struct slice code)
{
    struct buffer *out = begin(chat, room);
    json_write_string_member(out, "serverId", server);
    json_write_string_member(out, "messageServerId", server);
    json_write_string_member(out, "messageId", reply);
    json_write_string_member(out, "inReplyTo", question);
    json_write_string_member(out, "agentId", agent);
    json_write_boolean_member(out, "success", code.length == 0);
    if (code.length > 0) {
        json_write_string_member(out, "code", code);
    }
    return finish(chat, "messageComplete");
}

struct packet *render_thinking(struct chat *chat, struct slice room, struct slice user,
                               struct slice name, bool is_thinking)
{
    struct buffer *out = begin(chat, room);
    json_write_string_member(out, "userId", user);
    if (name.length > 0) {
        json_write_string_member(out, "displayName", name);
    }
    json_write_boolean_member(out, "isThinking", is_thinking);
    return finish(chat, "thinking");
}

struct packet *render_control(struct chat *chat, struct slice room, struct slice user,
                              struct slice action)
{
    struct buffer *out = begin(chat, room);
    json_write_string_member(out, "action", action);
    json_write_string_member(out, "userId", user);
    return finish(chat, "controlMessage");
}

struct packet *render_typing(struct chat *chat, const struct bus_signal *signal)
{
    struct buffer *out = &chat->argument;
    buffer_clear(out);
    buffer_append_char(out, '{');
    json_write_string_member(out, "roomId", signal->room);
    json_write_string_member(out, "userId", signal->entity);
    json_write_boolean_member(out, "isTyping", signal->is_on);
    struct packet *packet = finish(chat, "userTyping");
    packet->is_volatile = true; /* of no use to who is behind */
    return packet;
}

struct packet *render_presence(struct chat *chat, const struct bus_presence *presence)
{
    struct buffer *out = begin(chat, presence->room);
    json_write_string_member(out, "userId", presence->entity);
    if (presence->name.length > 0) {
        json_write_string_member(out, "displayName", presence->name);
    }
    json_write_unsigned_member(out, "memberCount", presence->member_count);
    return finish(chat, presence->is_joined ? "userJoined" : "userLeft");
}

struct packet *render_receipt(struct chat *chat, const struct bus_receipt_note *note)
{
    struct buffer *out = begin(chat, note->room);
    json_write_string_member(out, "messageId", note->message_id);
    json_write_string_member(out, "status", note->status);
    json_write_string_member(out, "userId", note->user);
    return finish(chat, "messageAck");
}

struct slice render_run_code(const struct bus_run *run)
{
    return run->state == BUS_RUN_CANCELLED ? SLICE_LITERAL("cancelled") : run->reason;
}

struct slice render_reply_code(struct slice body)
{
    return chat_reply_was_stopped(body) ? SLICE_LITERAL("cancelled") : SLICE_EMPTY;
}

uint32_t render_run_end(struct chat *chat, const struct chat_room *room,
                        const struct bus_stored_message *reply, struct packet *packets[3])
{
    struct slice id = chat_text(room->id);
    packets[0] = render_thinking(chat, id, reply->sender, SLICE_EMPTY, false);
    packets[1] = render_complete(chat, id, chat_text(room->server_id), reply->id,
                                 reply->in_reply_to, reply->sender, render_reply_code(reply->body));
    packets[2] = render_control(chat, id, reply->sender, SLICE_LITERAL("enable_input"));
    for (uint32_t i = 0; i < 3; i++) {
        struct packet *plain = packet_share(packet_plain(packets[i]));
        packet_release(&packets[i]);
        packets[i] = plain;
    }
    return 3;
}

uint32_t render_for_follower(struct chat *chat, const struct bus_message *event,
                             struct packet *packets[2])
{
    const struct bus_room_message *reply = &event->room_message;
    const struct bus_run *run = &event->run;
    switch (event->type) {
    case BUS_CHUNK:
        packets[0] = render_chunk(chat, &event->chunk);
        return 1;
    case BUS_ROOM_MESSAGE:
        packets[0] = render_message(chat, reply, SLICE_EMPTY);
        packets[1] =
            render_complete(chat, reply->room, SLICE_LITERAL(NIL_UUID), reply->id,
                            reply->in_reply_to, reply->sender, render_reply_code(reply->body));
        return 2;
    case BUS_RUN:
        if (run->state == BUS_RUN_STARTED) {
            return 0;
        }
        packets[0] = render_complete(chat, run->room, run->server_id, run->reply, run->question,
                                     run->agent, render_run_code(run));
        return 1;
    default:
        return 0;
    }
}
