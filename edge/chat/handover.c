#include "edge/chat/internal.h"

/*
 * A socket on its way to another edge. It is handed over when nothing of it waits for an answer;
 * its new edge joins its rooms anew, unseen by anybody since both count. The two edges' streams
 * meet when each room has been served by the former one up to exactly where the join put the new
 * one in, which is what the mark behind the joins (BUS.md, "Moves") brings about. Of who is there
 * both have then told the same, unless one of the two is still learning what it missed.
 *
 *   state      = [entity, subject, open rooms, is named, is kept, rate, used, [*membership]]
 *   membership = [room, server id, epoch, sequence number, entity, name]
 *
 * Subject and open rooms are those of its identity; without a subject it is bound by nothing. What
 * the router keeps for its recovery stays as it is: with the last step it is the new edge's.
 */

enum {
    STATE_FIELDS = 8,
    MEMBERSHIP_FIELDS = 6,
    WINDOW_MAX = 1 << 30 /* ms */,
    ROOMS_DEPTH_MAX = 2
};

struct head {
    struct slice entity;
    struct slice subject, rooms; /* of its identity */
    bool is_named;
    bool is_kept;
    uint64_t rate_ends; /* ms until its rate's window does */
    uint64_t rate_used;
    uint32_t memberships; /* that follow */
};

struct membership {
    struct slice room, server_id;
    uint64_t epoch, seq; /* of the last message that it got, or that came before its join */
    struct slice entity, name;
};

enum session_rest chat_rest(void *context, const struct socket *socket)
{
    const struct chat_socket *self = socket_data(socket);
    (void)context;
    if (self->follows != NULL || self->lags != NULL || self->logs != NULL || self->arriving > 0 ||
        self->chat->point.is_unsettled) {
        return SESSION_BUSY;
    }
    return self->requests.count > 0 ? SESSION_RESTS_SOON : SESSION_AT_REST;
}

bool chat_may_arrive(void *context)
{
    const struct chat *chat = context;
    return !chat->point.is_unsettled;
}

void chat_hand_over(void *context, const struct socket *socket, struct buffer *state, int64_t now)
{
    const struct chat_socket *self = socket_data(socket);
    const struct chat_member *member;
    int64_t rate_ends = self->events.ends - now;
    (void)context;
    msgpack_write_array(state, STATE_FIELDS);
    msgpack_write_text(state, chat_text(self->entity));
    msgpack_write_text(state, identity_subject(self->identity));
    msgpack_write_text(state, identity_rooms(self->identity));
    msgpack_write_boolean(state, self->is_named);
    msgpack_write_boolean(state, self->is_kept);
    msgpack_write_unsigned(state, rate_ends > 0 ? (uint64_t)rate_ends : 0);
    msgpack_write_unsigned(state, (uint64_t)self->events.used);
    msgpack_write_array(state, self->membership_count);
    DL_FOREACH (self->memberships, member) {
        const struct chat_room *room = member->room;
        msgpack_write_array(state, MEMBERSHIP_FIELDS);
        msgpack_write_text(state, chat_text(room->id));
        msgpack_write_text(state, chat_text(room->server_id));
        msgpack_write_unsigned(state, room->epoch);
        msgpack_write_unsigned(state, member->joined_seq > room->last_seq ? member->joined_seq
                                                                          : room->last_seq);
        msgpack_write_text(state, chat_text(member->entity));
        msgpack_write_text(state, chat_text(member->name));
    }
}

/* --- reading ---------------------------------------------------------------------------------- */

static bool read_head(struct msgpack_reader *reader, struct head *head)
{
    uint32_t fields;
    return msgpack_read_array(reader, &fields) && fields == STATE_FIELDS &&
           msgpack_read_text(reader, USER_ID_MAX, &head->entity) && head->entity.length > 0 &&
           msgpack_read_text(reader, USER_ID_MAX, &head->subject) &&
           msgpack_read_text(reader, IDENTITY_ROOMS_BYTES_MAX, &head->rooms) &&
           msgpack_read_boolean(reader, &head->is_named) &&
           msgpack_read_boolean(reader, &head->is_kept) &&
           msgpack_read_unsigned(reader, &head->rate_ends) && head->rate_ends <= WINDOW_MAX &&
           msgpack_read_unsigned(reader, &head->rate_used) && head->rate_used <= INT64_MAX &&
           msgpack_read_array(reader, &head->memberships);
}

static bool read_membership(struct msgpack_reader *reader, struct membership *membership)
{
    uint32_t fields;
    return msgpack_read_array(reader, &fields) && fields == MEMBERSHIP_FIELDS &&
           msgpack_read_text(reader, BUS_ID_MAX, &membership->room) &&
           msgpack_read_text(reader, BUS_ID_MAX, &membership->server_id) &&
           msgpack_read_unsigned(reader, &membership->epoch) &&
           msgpack_read_unsigned(reader, &membership->seq) &&
           msgpack_read_text(reader, BUS_ID_MAX, &membership->entity) &&
           msgpack_read_text(reader, BUS_NAME_MAX, &membership->name) &&
           membership->room.length > 0 && membership->entity.length > 0;
}

/* Reads all of it once, so that nothing of a state that does not decode is acted on. */
static bool is_well_formed(const struct chat *chat, struct slice state)
{
    struct msgpack_reader reader = msgpack_reader_of(state);
    struct membership membership;
    struct slice rooms;
    struct head head;
    bool is_good =
        read_head(&reader, &head) &&
        head.memberships <= (uint64_t)chat->settings.rooms_per_socket_max &&
        (head.rooms.length == 0 ||
         (head.subject.length > 0 && json_scan(head.rooms, ROOMS_DEPTH_MAX, &rooms) == 0));
    for (uint32_t i = 0; is_good && i < head.memberships; i++) {
        is_good = read_membership(&reader, &membership);
    }
    return is_good && reader.at == reader.end;
}

/* --- taking over ------------------------------------------------------------------------------ */

/* A room of a socket that arrives, joined on its behalf. */
struct arrival {
    struct chat *chat;
    struct chat_socket *from; /* invalid once forgotten */
};

static void on_joined(void *context, const struct uplink_outcome *outcome)
{
    struct arrival arrival = *(struct arrival *)context;
    const struct bus_joined *joined = outcome->answer == NULL ? NULL : &outcome->answer->joined;
    free(context);
    if (!join_is_awaited(arrival.chat, outcome)) {
        return;
    }
    if (joined == NULL || joined->error != 0) {
        socket_taken_over(arrival.from->socket, false);
        return;
    }
    join_record(arrival.from, joined, &outcome->sent->join);
    if (--arrival.from->arriving == 0) {
        socket_taken_over(arrival.from->socket, true);
    }
}

static int join(struct chat_socket *from, const struct membership *membership, int64_t now)
{
    struct chat *chat = from->chat;
    struct arrival *arrival = memory_allocate(sizeof(*arrival));
    *arrival = (struct arrival){chat, from};
    struct bus_message message = {.type = BUS_JOIN,
                                  .trace = id_random_u64(chat->ids),
                                  .viewer = membership->entity,
                                  .join = {.room = membership->room,
                                           .entity = membership->entity,
                                           .name = membership->name,
                                           .server_id = membership->server_id}};
    int error = uplink_request(chat->uplink, &message, &message.join.request, on_joined, arrival,
                               &from->requests, now);
    if (error != 0) {
        free(arrival);
    }
    return error;
}

int chat_take_over(void *context, struct socket *socket, struct slice state, int64_t now)
{
    struct chat *chat = context;
    struct msgpack_reader reader = msgpack_reader_of(state);
    struct identity *identity = NULL;
    struct head head;
    int error = 0;
    if (!is_well_formed(chat, state) || !read_head(&reader, &head)) {
        return ERROR_BUS_MALFORMED;
    }
    if (head.subject.length > 0) {
        identity = identity_new(head.subject, head.rooms);
        if (identity == NULL) {
            return ERROR_BUS_MALFORMED; /* not to be bound by nothing instead */
        }
    }
    struct chat_socket *self = chat_socket_new(chat, socket, head.entity, identity);
    self->is_named = head.is_named;
    self->events = (struct rate_window){now + (int64_t)head.rate_ends, (int64_t)head.rate_used};
    self->arriving = head.memberships;
    for (uint32_t i = 0; i < head.memberships && error == 0; i++) {
        struct membership membership;
        error = read_membership(&reader, &membership) ? join(self, &membership, now)
                                                      : ERROR_BUS_MALFORMED;
    }
    if (head.memberships == 0) {
        socket_taken_over(socket, true);
    }
    return error;
}

/* What came before, whoever else it came for here, its former edge has told it. */
void chat_listen(void *context, struct socket *socket)
{
    const struct chat_socket *self = socket_data(socket);
    struct chat_member *member;
    (void)context;
    DL_FOREACH (self->memberships, member) {
        if (member->room->last_seq > member->joined_seq) {
            member->joined_seq = member->room->last_seq;
        }
    }
}

/*
 * A room without messages has another epoch when its router starts anew, and an edge learns of it
 * by the first message: nothing was missed.
 */
static bool meets(const struct chat_socket *self, const struct membership *former)
{
    const struct chat_member *member = member_of(self, former->room);
    return member != NULL && member->joined_seq == former->seq &&
           slice_equals(chat_text(member->entity), former->entity) &&
           (member->room->epoch == former->epoch || former->seq == 0);
}

static void keep(struct chat_socket *self)
{
    struct slice id = slice_of_string(socket_id(self->socket));
    struct bus_message message = {
        .type = BUS_SESSION_OPEN,
        .session_open = {.socket = id, .entity = chat_text(self->entity)}};
    self->is_kept = true;
    uplink_notify(self->chat->uplink, &message);
    recovered_remember(self);
}

bool chat_settle(void *context, struct socket *socket, struct slice state)
{
    const struct chat *chat = context;
    struct chat_socket *self = socket_data(socket);
    struct msgpack_reader reader = msgpack_reader_of(state);
    struct head head;
    bool is_good = !chat->point.is_unsettled && is_well_formed(chat, state) &&
                   read_head(&reader, &head) &&
                   slice_equals(head.entity, chat_text(self->entity)) &&
                   head.memberships == self->membership_count;
    for (uint32_t i = 0; is_good && i < head.memberships; i++) {
        struct membership former;
        is_good = read_membership(&reader, &former) && meets(self, &former);
    }
    if (is_good && head.is_kept) {
        keep(self);
    }
    return is_good;
}
