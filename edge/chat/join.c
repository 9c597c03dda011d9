#include "edge/chat/internal.h"

/* A join on its way to the router and back. */
struct join_wait {
    struct chat *chat;
    struct chat_socket *from; /* invalid once forgotten */
    char *room;               /* owns */
    bool is_doubtful;         /* another one for the room was given up while this one waited */
    bool is_first;            /* the socket was not in the room, nor asked to be */
    bool has_ack_id;
    uint64_t ack_id;
    char *agent_id;                /* owns; NULL: none given */
    struct join_wait *prev, *next; /* from->joins */
};

static void join_wait_destroy(struct join_wait *wait)
{
    free(wait->room);
    free(wait->agent_id);
    free(wait);
}

bool join_is_under_way(const struct chat_socket *from, struct slice room)
{
    const struct join_wait *wait;
    DL_FOREACH (from->joins, wait) {
        if (slice_is(room, wait->room)) {
            return true;
        }
    }
    return false;
}

bool join_is_within_limit(const struct chat_socket *from, struct slice room)
{
    const size_t most = (size_t)from->chat->settings.rooms_per_socket_max;
    size_t rooms = from->membership_count;
    const struct join_wait *wait;
    if (rooms + from->requests.count < most || member_of(from, room) != NULL ||
        join_is_under_way(from, room)) {
        return true;
    }
    DL_FOREACH (from->joins, wait) {
        rooms += wait->is_first;
    }
    return rooms < most;
}

/* That a member leaves; it is still in the room. */
static void say_leave(const struct chat_member *member, bool is_explicit, int64_t silence)
{
    struct bus_message message = {.type = BUS_LEAVE,
                                  .leave = {.room = chat_text(member->room->id),
                                            .entity = chat_text(member->entity),
                                            .is_explicit = is_explicit,
                                            .silence = (uint64_t)silence,
                                            .is_last = member->room->count == 1}};
    uplink_notify(member->owner->chat->uplink, &message);
}

/*
 * Takes a join back that nobody waits for any more: the router has counted a connection, or will,
 * and reads this after it. request: the join's while it is unanswered, else 0.
 */
static void take_back(struct chat *chat, const struct bus_join *join, uint64_t request)
{
    struct bus_message message = {.type = BUS_LEAVE,
                                  .leave = {.room = join->room,
                                            .entity = join->entity,
                                            .request = request,
                                            .is_last = room_lookup(chat, join->room) == NULL}};
    uplink_notify(chat->uplink, &message);
}

void chat_leave_all(struct chat_socket *socket, bool is_explicit, int64_t silence, int64_t now)
{
    (void)now;
    while (socket->memberships != NULL) {
        struct chat_member *member = socket->memberships;
        say_leave(member, is_explicit, silence);
        member_remove(member);
    }
}

/* --- rendering -------------------------------------------------------------------------------- */

static void write_room_id(struct buffer *out, struct slice room)
{
    json_write_string_member(out, "channelId", room);
    json_write_string_member(out, "roomId", room);
}

static void write_identity(struct buffer *out, const struct chat_socket *from, const char *agent_id,
                           struct slice room)
{
    char message[USER_ID_MAX + 96];
    int length = snprintf(message, sizeof(message), "Socket %s successfully joined channel %.*s.",
                          socket_id(from->socket), (int)room.length, room.data);
    json_write_string_member(out, "message", slice_of(message, (size_t)length));
    write_room_id(out, room);
    if (agent_id != NULL) {
        json_write_string_member(out, "agentId", chat_text(agent_id));
    }
}

static void write_member(struct buffer *out, struct slice entity, struct slice name)
{
    if (out->data[out->length - 1] != '[') {
        buffer_append_char(out, ',');
    }
    buffer_append_char(out, '{');
    json_write_string_member(out, "userId", entity);
    if (name.length > 0) {
        json_write_string_member(out, "displayName", name);
    }
    buffer_append_char(out, '}');
}

static bool is_sampled(const struct bus_joined *joined)
{
    return joined->members.count != joined->member_count;
}

/*
 * The router's list, and those who are known here but not to a router that has just started: what
 * the socket is told has to agree with what the room has been told.
 */
static void write_members(struct buffer *out, const struct chat_room *room,
                          const struct bus_joined *joined)
{
    struct msgpack_reader reader = bus_list_read(&joined->members);
    struct bus_member element;
    uint64_t member_count = joined->member_count;
    json_write_key(out, "members");
    buffer_append_char(out, '[');
    while (bus_list_next(&reader, BUS_ELEMENT_MEMBER, &element)) {
        write_member(out, element.entity, element.name);
    }
    if (!is_sampled(joined) && !room->is_crowded) {
        struct presence_others others = presence_others_of(room, &joined->members);
        struct slice entity;
        while (presence_others_next(&others, &entity)) {
            write_member(out, entity, SLICE_EMPTY);
            member_count++;
        }
        presence_others_end(&others);
    }
    buffer_append_char(out, ']');
    json_write_unsigned_member(out, "memberCount", member_count);
}

static void write_room_state(struct buffer *out, const struct chat_room *room,
                             const struct bus_joined *joined)
{
    json_write_string_member(out, "serverId", joined->server_id);
    json_write_string_member(out, "messageServerId", joined->server_id);
    json_write_unsigned_member(out, "epoch", joined->epoch);
    json_write_unsigned_member(out, "seq", joined->last_seq);
    write_members(out, room, joined);
}

static void write_room_joined(struct buffer *out, const struct chat_socket *from,
                              const char *agent_id, const struct bus_joined *joined,
                              const uint32_t *replayed)
{
    write_identity(out, from, agent_id, joined->room);
    write_room_state(out, room_lookup(from->chat, joined->room), joined);
    if (replayed != NULL) {
        json_write_key(out, "replay");
        buffer_append_char(out, '{');
        json_write_unsigned_member(out, "count", *replayed);
        json_write_boolean_member(out, "complete", joined->replay_complete);
        buffer_append_char(out, '}');
    }
}

struct packet *render_room_joined(struct chat_socket *from, const struct bus_joined *joined)
{
    struct buffer *out = &from->chat->scratch;
    buffer_clear(out);
    buffer_append_char(out, '{');
    write_room_joined(out, from, NULL, joined, NULL);
    buffer_append_char(out, '}');
    return chat_event_packet("room_joined", buffer_slice(out), SLICE_EMPTY);
}

struct packet *render_room_list(struct chat *chat, const struct chat_room *room,
                                const struct bus_list *members)
{
    struct bus_joined joined = {.server_id = chat_text(room->server_id),
                                .epoch = room->epoch,
                                .last_seq = room->last_seq,
                                .member_count = members->count,
                                .members = *members};
    struct buffer *out = &chat->scratch;
    buffer_clear(out);
    buffer_append_char(out, '{');
    write_room_id(out, chat_text(room->id));
    write_room_state(out, room, &joined);
    buffer_append_char(out, '}');
    return chat_event_packet("room_joined", buffer_slice(out), offset_of_event(chat));
}

static void emit_with(struct chat_socket *from, const char *event, struct slice argument,
                      struct slice offset)
{
    struct packet *packet = chat_event_packet(event, argument, offset);
    socket_emit(from->socket, packet);
    packet_release(&packet);
}

/* Only the last packet of a join's answer says that its client has got it. */
static void emit_joined(const struct join_wait *wait, const struct bus_joined *joined,
                        const uint32_t *replayed)
{
    struct buffer *out = &wait->chat->scratch;
    bool is_last = replayed == NULL || *replayed == 0;
    buffer_clear(out);
    buffer_append_char(out, '{');
    write_identity(out, wait->from, wait->agent_id, joined->room);
    buffer_append_char(out, '}');
    emit_with(wait->from, "channel_joined", buffer_slice(out), SLICE_EMPTY);

    buffer_clear(out);
    buffer_append_char(out, '{');
    write_room_joined(out, wait->from, wait->agent_id, joined, replayed);
    buffer_append_char(out, '}');
    emit_with(wait->from, "room_joined", buffer_slice(out),
              is_last ? offset_of_event(wait->chat) : SLICE_EMPTY);
    if (wait->has_ack_id) {
        out->length--;
        json_write_boolean_member(out, "success", true);
        buffer_append_char(out, '}');
        socket_answer(wait->from, true, wait->ack_id, buffer_slice(out));
    }
}

struct packet *render_missed(struct chat *chat, const struct bus_stored_message *message,
                             uint64_t epoch, struct slice entity, struct slice mark,
                             struct slice offset)
{
    struct chat_stamp stamp = {message->id, message->seq, epoch, message->created_at};
    bool is_own = slice_equals(message->sender, entity) && message->client_message_id.length > 0 &&
                  message->client_message_id.data[0] != '~';
    struct buffer extra = BUFFER_EMPTY;
    buffer_append_slice(&extra, mark);
    if (is_own) {
        json_write_string_member(&extra, "clientMessageId", message->client_message_id);
    }
    struct packet *packet = message->kind == BUS_KIND_EVENT
                                ? chat_room_event_packet(message->body, offset)
                                : chat_broadcast_packet(&stamp, message->body, buffer_slice(&extra),
                                                        offset, &chat->scratch);
    buffer_deinit(&extra);
    return packet;
}

/* How many of the replayed messages are not newer than that. */
static uint32_t count_through(const struct bus_list *replay, uint64_t through)
{
    struct msgpack_reader reader = bus_list_read(replay);
    struct bus_stored_message element;
    uint32_t count = 0;
    while (bus_list_next(&reader, BUS_ELEMENT_STORED, &element)) {
        count += element.seq <= through;
    }
    return count;
}

/* The first so many that the client missed, oldest first, each marked as a replay. */
static void emit_replay(const struct join_wait *wait, const struct bus_joined *joined,
                        struct slice entity, uint32_t left)
{
    struct chat *chat = wait->chat;
    struct msgpack_reader reader = bus_list_read(&joined->replay);
    struct bus_stored_message element;
    while (left > 0 && bus_list_next(&reader, BUS_ELEMENT_STORED, &element)) {
        struct slice offset = --left == 0 ? offset_of_message(chat) : SLICE_EMPTY;
        struct packet *packet = render_missed(chat, &element, joined->epoch, entity,
                                              SLICE_LITERAL("\"replay\":true"), offset);
        socket_emit(wait->from->socket, packet);
        packet_release(&packet);
        chat->counters.deliveries++;
    }
}

/* All that the router had said before has been passed on. */
static void join_reach(struct chat *chat, const struct bus_joined *joined)
{
    offset_reach_stamp(chat, joined->stamp);
    if (chat->is_caught_up) {
        offset_reach_position(chat, joined->position);
    }
}

/* --- the join --------------------------------------------------------------------------------- */

struct chat_member *join_record(struct chat_socket *from, const struct bus_joined *joined,
                                const struct bus_join *join)
{
    struct chat *chat = from->chat;
    struct chat_room *room =
        room_make(chat, joined->room, joined->server_id, joined->epoch, joined->last_seq);
    presence_joined(chat, room, joined);
    struct chat_member *member = member_add(room, from, join->entity, join->name);
    member->joined_seq = joined->last_seq;
    member->is_sampled = is_sampled(joined);
    join_reach(chat, joined);
    return member;
}

/* Returns the sequence number up to which the socket has everything that it is to have. */
static uint64_t record_membership(const struct join_wait *wait, const struct bus_joined *joined,
                                  const struct bus_join *join)
{
    struct chat_socket *from = wait->from;
    struct chat_member *member = member_of(from, joined->room);
    struct chat_room *room =
        room_make(wait->chat, joined->room, joined->server_id, joined->epoch, joined->last_seq);
    presence_joined(wait->chat, room, joined);
    if (member != NULL && slice_equals(chat_text(member->entity), join->entity)) {
        member->is_sampled = is_sampled(joined);
        /* It was there already, and the router counts every join as a connection. */
        take_back(wait->chat, join, 0);
        /* Less than the router says while this edge is catching up: the rest comes. */
        return room->last_seq > member->joined_seq ? room->last_seq : member->joined_seq;
    }
    struct chat_member *former = member;
    member = member_add(room, from, join->entity, join->name);
    member->joined_seq = joined->last_seq;
    member->is_sampled = is_sampled(joined);
    if (former != NULL) {
        /* The same socket as somebody else: the former one has left. */
        say_leave(former, true, 0);
        member_remove(former);
    }
    return joined->last_seq;
}

bool join_is_awaited(struct chat *chat, const struct uplink_outcome *outcome)
{
    const struct bus_join *join = &outcome->sent->join;
    int error = outcome->answer == NULL ? outcome->error : (int)outcome->answer->joined.error;
    if (outcome->is_with_router) {
        take_back(chat, join, join->request);
    } else if (error == 0 && outcome->is_forgotten) {
        take_back(chat, join, 0);
    }
    if (outcome->is_forgotten && join->socket.length > 0) {
        session_ended(chat, join->socket, false, outcome->now); /* it may have begun it anew */
    }
    return !outcome->is_forgotten;
}

/*
 * The router may have recorded a join that was given up: then a client that goes on as this socket
 * would be in a room that it was refused. Another join for the room, if there is one, decides.
 */
static void give_up(struct join_wait *wait, const struct uplink_outcome *outcome)
{
    struct chat_socket *from = wait->from;
    struct slice room = outcome->sent->join.room;
    bool is_doubtful = wait->is_doubtful || outcome->answer == NULL;
    bool is_decided = !is_doubtful || member_of(from, room) != NULL;
    struct join_wait *other;
    DL_FOREACH (from->joins, other) {
        if (!is_decided && slice_is(room, other->room)) {
            other->is_doubtful = is_decided = true;
        }
    }
    if (!is_decided) {
        session_leave(from, room, outcome->now);
    }
}

static void on_joined(void *context, const struct uplink_outcome *outcome)
{
    struct join_wait *wait = context;
    const struct bus_join *join = &outcome->sent->join;
    const struct bus_joined *joined = outcome->answer == NULL ? NULL : &outcome->answer->joined;
    int error = joined == NULL ? outcome->error : (int)joined->error;
    if (!join_is_awaited(wait->chat, outcome)) {
        join_wait_destroy(wait);
        return;
    }
    DL_DELETE(wait->from->joins, wait);
    if (error != 0) {
        give_up(wait, outcome);
        struct chat_call call = {.chat = wait->chat,
                                 .from = wait->from,
                                 .has_ack_id = wait->has_ack_id,
                                 .ack_id = wait->ack_id,
                                 .now = outcome->now};
        call_refuse(&call, (struct chat_fault){error, NULL}, SLICE_EMPTY,
                    error_is_retryable(error) ? 1000 : 0);
    } else {
        bool asked_replay = join->since != BUS_SINCE_NOTHING;
        wait->chat->counters.joins++;
        const struct chat_member *former = member_of(wait->from, joined->room);
        /* Whoever is there already has had everything live that came after its first join. */
        uint32_t replayed =
            count_through(&joined->replay, former == NULL ? UINT64_MAX : former->joined_seq);
        struct bus_joined told = *joined;
        join_reach(wait->chat, joined);
        bool was_there = former != NULL;
        told.last_seq = record_membership(wait, joined, join);
        emit_joined(wait, &told, asked_replay ? &replayed : NULL);
        emit_replay(wait, joined, join->entity, replayed);
        bool was_replayed = asked_replay && joined->replay_complete;
        if (was_replayed) {
            /* First: with what it was to get as a follower goes that it needs no text so far. */
            chat_follow_joined(wait->from, joined->room, true);
        }
        if (!was_there) {
            deliver_so_far(wait->from, joined->room);
        }
        chat_follow_joined(wait->from, joined->room, was_replayed);
    }
    join_wait_destroy(wait);
}

static struct join_wait *join_wait_new(struct chat_socket *from)
{
    struct join_wait *wait = memory_allocate_zeroed(sizeof(*wait));
    wait->chat = from->chat;
    wait->from = from;
    return wait;
}

/* Takes wait over. */
static int ask_to_join(struct join_wait *wait, const struct bus_join *join, int64_t now)
{
    struct chat_socket *from = wait->from;
    struct bus_message message = {.type = BUS_JOIN,
                                  .trace = id_random_u64(wait->chat->ids),
                                  .viewer = chat_viewer(from, join->entity),
                                  .join = *join};
    if (from->is_kept) {
        message.join.socket = slice_of_string(socket_id(from->socket));
        message.join.begins = from->membership_count == 0;
    }
    int error = uplink_request(wait->chat->uplink, &message, &message.join.request, on_joined, wait,
                               &from->requests, now);
    if (error != 0) {
        join_wait_destroy(wait);
    } else {
        wait->room = memory_copy_string(join->room.data, join->room.length);
        wait->is_first =
            member_of(from, join->room) == NULL && !join_is_under_way(from, join->room);
        DL_APPEND(from->joins, wait);
    }
    return error;
}

void join_on_behalf(struct chat_socket *from, const struct bus_join *join, int64_t now)
{
    ask_to_join(join_wait_new(from), join, now); /* refused: its client may join by itself */
}

void chat_handle_join(const struct chat_call *call)
{
    struct chat *chat = call->chat;
    struct chat_socket *from = call->from;
    struct chat_join join;
    struct chat_fault fault = chat_decode_join(call->payload, &chat->arena, &join);
    if (fault.error == 0) {
        fault = chat_access(from, join.room, join.entity, "entityId");
    }
    if (fault.error == 0 &&
        from->requests.count >= (size_t)chat->settings.requests_per_socket_max) {
        fault = (struct chat_fault){ERROR_OVERLOADED, NULL};
    }
    if (fault.error == 0 && !join_is_within_limit(from, join.room)) {
        fault = (struct chat_fault){ERROR_LIMIT, "roomId"};
    }
    if (fault.error != 0) {
        chat->counters.faults++;
        call_refuse(call, fault, SLICE_EMPTY, error_is_retryable(fault.error) ? 1000 : 0);
        return;
    }
    struct slice entity = join.entity.length > 0 ? join.entity : chat_text(from->entity);
    struct join_wait *wait = join_wait_new(from);
    wait->has_ack_id = call->has_ack_id;
    wait->ack_id = call->ack_id;
    if (join.agent_id.length > 0) {
        wait->agent_id = memory_copy_string(join.agent_id.data, join.agent_id.length);
    }
    struct bus_join asked = {.room = join.room,
                             .entity = entity,
                             .name = join.name,
                             .server_id = join.server_id,
                             .since = (uint64_t)join.since,
                             .since_seq = join.since_seq,
                             .since_epoch = join.since_epoch,
                             .since_time = join.since_time,
                             .since_id = join.since_id};
    int error = ask_to_join(wait, &asked, call->now);
    if (error != 0) {
        call_refuse(call, (struct chat_fault){error, NULL}, SLICE_EMPTY, 1000);
    }
}
