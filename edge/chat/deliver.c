#include "edge/chat/internal.h"

/* To every socket of the room but those of that entity; empty: to all. */
static void room_broadcast(struct chat *chat, struct chat_room *room, struct packet *packet,
                           struct slice except_entity)
{
    for (uint32_t i = 0; i < room->count; i++) {
        struct chat_member *member = room->members[i];
        if (except_entity.length > 0 && slice_equals(chat_text(member->entity), except_entity)) {
            continue;
        }
        chat_emit(member->owner, packet);
        chat->counters.deliveries++;
    }
    chat->counters.rendered++;
}

/* --- rendering: each returns a packet with one reference -------------------------------------- */

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

static struct packet *render_message(struct chat *chat, const struct bus_room_message *message,
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

static struct packet *render_stream_error(struct chat *chat, const struct bus_run *run)
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

static struct packet *render_complete(struct chat *chat, struct slice room, struct slice server,
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

/*
 * name: of an agent whose run this is, so that a reply can be headed before it is there; or empty.
 */
static struct packet *render_thinking(struct chat *chat, struct slice room, struct slice user,
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

static struct packet *render_control(struct chat *chat, struct slice room, struct slice user,
                                     struct slice action)
{
    struct buffer *out = begin(chat, room);
    json_write_string_member(out, "action", action);
    json_write_string_member(out, "userId", user);
    return finish(chat, "controlMessage");
}

/* Broadcasts a packet that was just made, and lets go of it. */
static void broadcast(struct chat *chat, struct chat_room *room, struct packet *packet,
                      struct slice except_entity)
{
    room_broadcast(chat, room, packet, except_entity);
    packet_release(&packet);
}

/* To the sockets in the room of the entity that asked; to all when it is not known any more. */
static void control_asker(struct chat *chat, struct chat_room *room, struct slice asker,
                          struct slice agent, const char *action)
{
    struct packet *packet =
        render_control(chat, chat_text(room->id), agent, slice_of_string(action));
    for (uint32_t i = 0; i < room->count; i++) {
        struct chat_member *member = room->members[i];
        if (asker.length == 0 || slice_equals(chat_text(member->entity), asker)) {
            chat_emit(member->owner, packet);
            chat->counters.deliveries++;
        }
    }
    packet_release(&packet);
}

/* --- one function per message of the router --------------------------------------------------- */

/* A final reply carries the end of its run: nothing is to be lost between the two. */
static void end_run(struct chat *chat, struct chat_room *room, const struct bus_room_message *reply)
{
    struct slice id = chat_text(room->id);
    broadcast(chat, room, render_thinking(chat, id, reply->sender, SLICE_EMPTY, false),
              SLICE_EMPTY);
    broadcast(chat, room,
              render_complete(chat, id, chat_text(room->server_id), reply->id, reply->in_reply_to,
                              reply->sender, SLICE_EMPTY),
              SLICE_EMPTY);
    control_asker(chat, room, reply->asker, reply->sender, "enable_input");
}

/* What happened to the room or to a message of it: to all alike. */
static void broadcast_event(struct chat *chat, struct chat_room *room,
                            const struct bus_room_message *event)
{
    struct packet *packet = chat_room_event_packet(event->body, offset_of_message(chat));
    for (uint32_t i = 0; i < room->count; i++) {
        if (event->seq > room->members[i]->joined_seq) {
            chat_emit_message(room->members[i]->owner, packet, event->position);
            chat->counters.deliveries++;
        }
    }
    chat->counters.rendered++;
    packet_release(&packet);
}

/* To every socket but that of the sender, which has its own copy; one sent again has no such
 * socket. */
static void broadcast_message(struct chat *chat, struct chat_room *room,
                              const struct bus_room_message *message,
                              const struct chat_socket *sender)
{
    struct slice own_id = message->client_message_id;
    bool has_own = own_id.length > 0 && own_id.data[0] != '~';
    struct packet *packet = render_message(chat, message, SLICE_EMPTY);
    struct packet *own = has_own ? render_message(chat, message, own_id) : NULL;
    for (uint32_t i = 0; i < room->count; i++) {
        struct chat_member *member = room->members[i];
        if (member->owner != sender && message->seq > member->joined_seq) {
            bool is_own = has_own && slice_equals(chat_text(member->entity), message->sender);
            chat_emit_message(member->owner, is_own ? own : packet, message->position);
            chat->counters.deliveries++;
        }
    }
    chat->counters.rendered++;
    packet_release(&packet);
    packet_release(&own);
}

static void deliver_message(struct chat *chat, const struct bus_message *message)
{
    const struct bus_room_message *room_message = &message->room_message;
    struct chat_room *room = room_lookup(chat, room_message->room);
    bool is_reply = room_message->in_reply_to.length > 0;
    bool is_repeated =
        room != NULL && room->epoch == room_message->epoch && room_message->seq <= room->last_seq;
    if (is_repeated) {
        return; /* a catch-up overlapped what came live */
    }
    if (room != NULL && chat->is_caught_up) {
        offset_reach_position(chat, room_message->position);
    }
    struct chat_socket *sender = send_echo(chat, room_message);
    stream_settle(chat, room_message->id);
    if (room != NULL) {
        room_enter_epoch(room, room_message->epoch);
        room->last_seq = room_message->seq;
        if (room_message->kind == BUS_KIND_EVENT) {
            broadcast_event(chat, room, room_message);
        } else {
            broadcast_message(chat, room, room_message, sender);
        }
        if (is_reply) {
            end_run(chat, room, room_message);
        }
    }
    if (is_reply) {
        watch_announce(chat, room_message->in_reply_to, message);
    }
    stream_end(chat, room_message->id);
}

static void deliver_chunk(struct chat *chat, const struct bus_message *message)
{
    struct bus_message shown = *message;
    struct bus_chunk *chunk = &shown.chunk;
    struct chat_room *room = room_lookup(chat, chunk->room);
    struct stream *stream = stream_take(chat, chunk);
    if (stream == NULL) {
        return;
    }
    if (room != NULL) {
        lag_broadcast(chat, room, stream, chunk);
    }
    watch_announce(chat, chunk->question, &shown);
}

void deliver_so_far(struct chat_socket *socket, struct slice room)
{
    struct chat *chat = socket->chat;
    const struct stream *stream = streams_of_room(chat, room);
    for (; stream != NULL; stream = stream->room_next) {
        bool has_it = chat_follows(socket, slice_of(stream->question, UUID_TEXT_LENGTH));
        if (stream->text.length > 0 && !has_it) {
            lag_forget(socket, stream);
            struct bus_chunk chunk = stream_so_far(stream);
            struct packet *packet = render_chunk(chat, &chunk);
            chat_emit(socket, packet);
            packet_release(&packet);
            chat->counters.deliveries++;
        }
    }
}

static struct slice run_code(const struct bus_run *run)
{
    return run->state == BUS_RUN_CANCELLED ? SLICE_LITERAL("cancelled") : run->reason;
}

static void deliver_run(struct chat *chat, const struct bus_message *message)
{
    const struct bus_run *run = &message->run;
    struct chat_room *room = room_lookup(chat, run->room);
    bool is_start = run->state == BUS_RUN_STARTED;
    if (is_start && !stream_start(chat, run)) {
        return;
    }
    if (!is_start) {
        stream_settle(chat, run->reply);
    }
    if (room != NULL && run->state == BUS_RUN_FAILED) {
        broadcast(chat, room, render_stream_error(chat, run), SLICE_EMPTY);
    }
    if (room != NULL) {
        broadcast(chat, room,
                  render_thinking(chat, run->room, run->agent, run->agent_name, is_start),
                  SLICE_EMPTY);
        if (!is_start) {
            broadcast(chat, room,
                      render_complete(chat, run->room, run->server_id, run->reply, run->question,
                                      run->agent, run_code(run)),
                      SLICE_EMPTY);
        }
        control_asker(chat, room, run->asker, run->agent,
                      is_start ? "disable_input" : "enable_input");
    }
    watch_announce(chat, run->question, message);
    if (!is_start) {
        stream_end(chat, run->reply); /* last: what is said here may be its own texts */
    }
}

/* Runs that ended while this edge was away, without a reply: nobody's input stays disabled. */
static void deliver_runs(struct chat *chat, const struct bus_runs *runs)
{
    const struct stream *stream;
    if (room_lookup(chat, runs->room) == NULL) {
        return; /* everybody has left since */
    }
    while ((stream = streams_first_over(chat, runs)) != NULL) {
        struct bus_message message = {
            .type = BUS_RUN,
            .run = {.room = runs->room,
                    .state = BUS_RUN_FAILED,
                    .agent = chat_text(stream->agent),
                    .question = slice_of(stream->question, UUID_TEXT_LENGTH),
                    .reply = slice_of(stream->reply, UUID_TEXT_LENGTH),
                    .asker = chat_text(stream->asker),
                    .server_id = chat_text(stream->server_id),
                    .reason = slice_of_string(error_code(ERROR_AGENT_FAILED)),
                    .partial = buffer_slice(&stream->text)}};
        deliver_run(chat, &message); /* ends the stream */
    }
}

static void deliver_input(struct chat *chat, const struct bus_input *input)
{
    struct chat_room *room = room_lookup(chat, input->room);
    if (room != NULL) {
        control_asker(chat, room, input->entity, input->agent, "enable_input");
    }
}

void room_announce(struct chat *chat, struct chat_room *room, const struct bus_presence *presence)
{
    struct buffer *out = begin(chat, presence->room);
    json_write_string_member(out, "userId", presence->entity);
    if (presence->name.length > 0) {
        json_write_string_member(out, "displayName", presence->name);
    }
    json_write_unsigned_member(out, "memberCount", presence->member_count);
    broadcast(chat, room, finish(chat, presence->is_joined ? "userJoined" : "userLeft"),
              presence->entity);
}

static void deliver_presence(struct chat *chat, const struct bus_presence *presence)
{
    struct chat_room *room = room_lookup(chat, presence->room);
    offset_reach_stamp(chat, presence->stamp);
    if (room != NULL) {
        presence_change(chat, room, presence);
    }
}

static void deliver_presence_left(struct chat *chat, const struct bus_presence_left *left)
{
    struct chat_room *room = room_lookup(chat, left->room);
    struct msgpack_reader reader = bus_list_read(&left->members);
    struct bus_member element;
    uint64_t others = left->members.count;
    offset_reach_stamp(chat, left->stamp);
    while (room != NULL && bus_list_next(&reader, BUS_ELEMENT_MEMBER, &element)) {
        struct bus_presence presence = {.room = left->room,
                                        .entity = element.entity,
                                        .name = element.name,
                                        .member_count = left->member_count + --others};
        presence_change(chat, room, &presence);
    }
}

static void deliver_presence_list(struct chat *chat, const struct bus_presence_list *list)
{
    struct chat_room *room = room_lookup(chat, list->room);
    if (room != NULL) {
        presence_reconcile(chat, room, list);
    }
}

static void deliver_signal(struct chat *chat, const struct bus_signal *signal)
{
    struct chat_room *room = room_lookup(chat, signal->room);
    struct buffer *out = &chat->argument;
    struct packet *packet;
    if (room == NULL) {
        return;
    }
    switch (signal->kind) {
    case BUS_SIGNAL_TYPING:
        buffer_clear(out);
        buffer_append_char(out, '{');
        json_write_string_member(out, "roomId", signal->room);
        json_write_string_member(out, "userId", signal->entity);
        json_write_boolean_member(out, "isTyping", signal->is_on);
        packet = finish(chat, "userTyping");
        packet->is_volatile = true; /* of no use to who is behind */
        broadcast(chat, room, packet, signal->entity);
        break;
    case BUS_SIGNAL_THINKING:
        broadcast(chat, room,
                  render_thinking(chat, signal->room, signal->entity, SLICE_EMPTY, signal->is_on),
                  SLICE_EMPTY);
        break;
    case BUS_SIGNAL_CONTROL:
        broadcast(chat, room, render_control(chat, signal->room, signal->entity, signal->action),
                  SLICE_EMPTY);
        break;
    default:
        break; /* a newer router's: nothing this edge can say to its clients */
    }
}

static void deliver_receipt(struct chat *chat, const struct bus_receipt_note *note)
{
    struct chat_room *room = room_lookup(chat, note->room);
    if (room == NULL) {
        return;
    }
    struct buffer *out = begin(chat, note->room);
    json_write_string_member(out, "messageId", note->message_id);
    json_write_string_member(out, "status", note->status);
    json_write_string_member(out, "userId", note->user);
    struct packet *packet = finish(chat, "messageAck");
    for (uint32_t i = 0; i < room->count; i++) {
        if (slice_equals(chat_text(room->members[i]->entity), note->author)) {
            chat_emit(room->members[i]->owner, packet);
            chat->counters.deliveries++;
        }
    }
    packet_release(&packet);
}

uint32_t render_run_end(struct chat *chat, const struct chat_room *room,
                        const struct bus_stored_message *reply, struct packet *packets[3])
{
    struct slice id = chat_text(room->id);
    packets[0] = render_thinking(chat, id, reply->sender, SLICE_EMPTY, false);
    packets[1] = render_complete(chat, id, chat_text(room->server_id), reply->id,
                                 reply->in_reply_to, reply->sender, SLICE_EMPTY);
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
        packets[1] = render_complete(chat, reply->room, SLICE_LITERAL(NIL_UUID), reply->id,
                                     reply->in_reply_to, reply->sender, SLICE_EMPTY);
        return 2;
    case BUS_RUN:
        if (run->state == BUS_RUN_STARTED) {
            return 0;
        }
        packets[0] = render_complete(chat, run->room, run->server_id, run->reply, run->question,
                                     run->agent, run_code(run));
        return 1;
    default:
        return 0;
    }
}

static void deliver_cluster(struct chat *chat, const struct bus_cluster *cluster)
{
    if (cluster->secret.length > 0) {
        recovery_keys_init(&chat->keys, cluster->secret);
        chat->has_keys = true;
        chat->is_offset_made = false;
    }
}

static void deliver_caught_up(struct chat *chat, const struct bus_caught_up *caught_up, int64_t now)
{
    chat->is_caught_up = true;
    offset_reach_position(chat, caught_up->position);
    recover_continue(chat, now);
}

void chat_deliver(struct chat *chat, const struct bus_message *message, int64_t now)
{
    switch (message->type) {
    case BUS_ROOM_MESSAGE:
        deliver_message(chat, message);
        break;
    case BUS_CHUNK:
        deliver_chunk(chat, message);
        break;
    case BUS_RUN:
        deliver_run(chat, message);
        break;
    case BUS_RUNS:
        deliver_runs(chat, &message->runs);
        break;
    case BUS_INPUT:
        deliver_input(chat, &message->input);
        break;
    case BUS_PRESENCE:
        deliver_presence(chat, &message->presence);
        break;
    case BUS_PRESENCE_LEFT:
        deliver_presence_left(chat, &message->presence_left);
        break;
    case BUS_PRESENCE_LIST:
        deliver_presence_list(chat, &message->presence_list);
        break;
    case BUS_SIGNAL:
        deliver_signal(chat, &message->signal);
        break;
    case BUS_RECEIPT_NOTE:
        deliver_receipt(chat, &message->receipt_note);
        break;
    case BUS_CLUSTER:
        deliver_cluster(chat, &message->cluster);
        break;
    case BUS_CAUGHT_UP:
        deliver_caught_up(chat, &message->caught_up, now);
        break;
    case BUS_SETTLED:
        offset_reach_stamp(chat, message->settled.stamp);
        offset_set_settled(chat, true);
        break;
    case BUS_LOG_LINES:
        logs_deliver(chat, &message->log_lines);
        break;
    case BUS_SESSION_TAKEN:
        recover_taken(chat, message->session_taken.socket, now);
        break;
    default:
        break; /* PEERS is the relay's; the edge hands it there */
    }
}
