#include "edge/chat/internal.h"

/*
 * A packet that was just made, to every socket of the room but those of that entity (empty: to
 * all); lets go of it.
 */
static void broadcast(struct chat *chat, struct chat_room *room, struct packet *packet,
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
                              reply->sender, render_reply_code(reply->body)),
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
    if (is_repeated && !(is_reply && stream_is_known(chat, room_message->id))) {
        return; /* a catch-up overlapped what came live */
    }
    if (room != NULL && chat->is_caught_up) {
        offset_reach_position(chat, room_message->position);
    }
    struct chat_socket *sender = send_echo(chat, room_message);
    stream_settle(chat, room_message->id);
    /* Who came behind a reply that is known as running has it as history; who follows it, not. */
    if (room != NULL && !is_repeated) {
        room_enter_epoch(room, room_message->epoch);
        room->last_seq = room_message->seq;
        if (room_message->kind == BUS_KIND_EVENT) {
            broadcast_event(chat, room, room_message);
        } else {
            broadcast_message(chat, room, room_message, sender);
        }
    }
    if (room != NULL && is_reply) {
        end_run(chat, room, room_message);
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
                                      run->agent, render_run_code(run)),
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
    broadcast(chat, room, render_presence(chat, presence), presence->entity);
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
    if (room == NULL) {
        return;
    }
    switch (signal->kind) {
    case BUS_SIGNAL_TYPING:
        broadcast(chat, room, render_typing(chat, signal), signal->entity);
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
    struct packet *packet = render_receipt(chat, note);
    for (uint32_t i = 0; i < room->count; i++) {
        if (slice_equals(chat_text(room->members[i]->entity), note->author)) {
            chat_emit(room->members[i]->owner, packet);
            chat->counters.deliveries++;
        }
    }
    packet_release(&packet);
}

static void deliver_cluster(struct chat *chat, const struct bus_cluster *cluster)
{
    chat->has_closed_rooms = cluster->has_closed_rooms;
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
    case BUS_EXPELLED:
        chat_expel(chat, message, now);
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
