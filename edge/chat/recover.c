#include "edge/chat/internal.h"
#include "edge/chat/missed.h"

/*
 * A client goes on as the socket it was. The router says which rooms that socket was in, this edge
 * joins them anew with all that came after what the client has, and only when every room is
 * complete the client is told anything: first what it missed, in order, each with its offset, then
 * that it is recovered, then what came meanwhile. If anything is missing, it gets a new socket and
 * nothing is left of the former one.
 */

enum { RECOVERY_DEADLINE_MS = 5000 };

enum recovery_state { RECOVERY_WAITING, RECOVERY_ASKING, RECOVERY_JOINING };

struct recovery_room {
    uint64_t stamp;          /* of its join */
    struct packet *snapshot; /* owns: room_joined, unless nothing has changed for the client */
};

struct recovery {
    struct chat_socket *from; /* borrows */
    enum recovery_state state;
    char *pid;    /* owns */
    char *offset; /* owns; NULL: its client has never heard one, else not empty */
    char own_id[SESSION_ID_LENGTH + 1];
    char former_id[SESSION_ID_LENGTH + 1];
    char *own_entity; /* owns: what the client says it is; NULL: not replaced */
    struct recovery_point point;
    struct recovery_room *rooms; /* owns */
    uint32_t room_count;
    uint32_t answered;
    struct missed missed;
    int64_t deadline;
    struct recovery *prev, *next; /* chat->recoveries */
};

/* A join of a recovery on its way. */
struct recovery_join {
    struct chat *chat;
    struct chat_socket *from; /* invalid once forgotten */
    uint32_t room;
};

const char *chat_recovery_refusal_name(enum chat_recovery_refusal refusal)
{
    static const char *const names[CHAT_RECOVERY_REFUSALS] = {
        [CHAT_RECOVERY_FORGED] = "forged",
        [CHAT_RECOVERY_UNKNOWN] = "unknown",
        [CHAT_RECOVERY_INCOMPLETE] = "incomplete",
        [CHAT_RECOVERY_FORBIDDEN] = "forbidden",
        [CHAT_RECOVERY_LATE] = "late",
    };
    return names[refusal];
}

/* --- who has a socket here -------------------------------------------------------------------- */

/* Somebody else has it now, whose row nobody is to end. */
static void give_up(struct chat_socket *from, int64_t now)
{
    from->is_kept = false;
    recovered_forget(from);
    if (from->recovery != NULL) {
        from->recovery->state = RECOVERY_WAITING;
    }
    session_close(from->chat->sessions, socket_session(from->socket), SESSION_CLOSE_SERVER, now);
}

struct search {
    struct slice id;
    struct chat_socket *found;
};

static void compare(void *context, struct socket *socket)
{
    struct search *search = context;
    struct chat_socket *from = socket_data(socket);
    if (from != NULL && slice_is(search->id, socket_id(socket))) {
        search->found = from;
    }
}

/* A recovery that is still being asked for is not meant: it is told whether it has the socket. */
void recover_taken(struct chat *chat, struct slice id, int64_t now)
{
    struct search search = {.id = id};
    struct recovery *recovery;
    if (id.length != SESSION_ID_LENGTH || chat->sessions == NULL) {
        return;
    }
    search.found = recovered_find(chat, id);
    DL_FOREACH (chat->recoveries, recovery) {
        if (recovery->state == RECOVERY_JOINING && slice_is(id, recovery->former_id)) {
            search.found = recovery->from;
        }
    }
    if (search.found == NULL) {
        /* Rare: its client is gone without a word, or has two of itself. */
        socket_for_each(chat->sessions, compare, &search);
    }
    if (search.found != NULL) {
        give_up(search.found, now);
    }
}

/* --- what a client gets when all is there ----------------------------------------------------- */

/* What a client has come to with this message, which is not more of presence than it had. */
static struct slice offset_at(const struct recovery *recovery, uint64_t position,
                              char out[RECOVERY_OFFSET_LENGTH + 1])
{
    struct recovery_point point = recovery->point;
    point.position = position;
    recovery_write_offset(&recovery->from->chat->keys, &point, out);
    return slice_of(out, RECOVERY_OFFSET_LENGTH);
}

void chat_emit(struct chat_socket *socket, struct packet *packet)
{
    struct recovery *recovery = socket->recovery;
    if (recovery == NULL) {
        socket_emit(socket->socket, packet);
    } else {
        missed_hold(&recovery->missed, packet);
    }
}

void chat_emit_message(struct chat_socket *socket, struct packet *packet, uint64_t position)
{
    char offset[RECOVERY_OFFSET_LENGTH + 1], suffix[CHAT_SUFFIX_SIZE];
    struct recovery *recovery = socket->recovery;
    if (recovery == NULL) {
        socket_emit(socket->socket, packet);
        return;
    }
    struct slice last = chat_offset_suffix(offset_at(recovery, position, offset), suffix);
    missed_add(&recovery->missed, position, packet_with_suffix(packet, last));
}

/* The last one says that all of them were there. */
static void emit_snapshots(struct chat_socket *from, const struct recovery *recovery)
{
    char suffix[CHAT_SUFFIX_SIZE];
    uint32_t last = 0;
    for (uint32_t i = 0; i < recovery->room_count; i++) {
        last = recovery->rooms[i].snapshot != NULL ? i : last;
    }
    for (uint32_t i = 0; i < recovery->room_count; i++) {
        struct packet *snapshot = recovery->rooms[i].snapshot;
        if (snapshot != NULL && i == last) {
            struct packet *marked = packet_with_suffix(
                snapshot, chat_offset_suffix(offset_of_event(from->chat), suffix));
            socket_emit(from->socket, marked);
            packet_release(&marked);
        } else if (snapshot != NULL) {
            socket_emit(from->socket, snapshot);
        }
    }
}

/* --- life ------------------------------------------------------------------------------------- */

/* Forgets all that was found so far. */
static void clear(struct recovery *recovery)
{
    for (uint32_t i = 0; i < recovery->room_count; i++) {
        packet_release(&recovery->rooms[i].snapshot);
    }
    missed_clear(&recovery->missed);
    free(recovery->rooms);
    recovery->rooms = NULL;
    recovery->room_count = recovery->answered = 0;
}

static void destroy(struct recovery *recovery)
{
    struct chat_socket *from = recovery->from;
    DL_DELETE(from->chat->recoveries, recovery);
    from->recovery = NULL;
    clear(recovery);
    free(recovery->pid);
    free(recovery->offset);
    free(recovery->own_entity);
    free(recovery);
}

/* Out of the rooms again, as what the client said it is. */
static void undo(struct recovery *recovery, int64_t silence, int64_t now)
{
    struct chat_socket *from = recovery->from;
    uplink_forget_owner(from->chat->uplink, &from->requests);
    chat_leave_all(from, false, silence, now);
    if (recovery->own_entity != NULL) {
        free(from->entity);
        from->entity = recovery->own_entity;
        recovery->own_entity = NULL;
    }
    clear(recovery);
}

static void refuse(struct recovery *recovery, enum chat_recovery_refusal refusal, int64_t now)
{
    struct chat_socket *from = recovery->from;
    struct chat *chat = from->chat;
    chat->counters.recoveries_refused[refusal]++;
    log_debug("recovery_refused", "why=%s", chat_recovery_refusal_name(refusal));
    undo(recovery, 0, now);
    if (recovery->state != RECOVERY_WAITING) {
        /* Somebody else's: whose it is may still come for it. */
        bool is_over = refusal != CHAT_RECOVERY_FORBIDDEN;
        session_ended(chat, slice_of(recovery->former_id, SESSION_ID_LENGTH), is_over, now);
    }
    socket_set_id(from->socket, slice_of(recovery->own_id, SESSION_ID_LENGTH));
    destroy(recovery);
    chat_connect(from, now);
}

static void complete(struct recovery *recovery, int64_t now)
{
    struct chat_socket *from = recovery->from;
    struct chat *chat = from->chat;
    char pid[RECOVERY_PID_LENGTH + 1];
    if (recovery->missed.is_overfull) {
        refuse(recovery, CHAT_RECOVERY_INCOMPLETE, now);
        return;
    }
    missed_emit_messages(&recovery->missed, from->socket);
    chat->counters.deliveries += recovery->missed.count;
    recovery_write_pid(&chat->keys, slice_of_string(socket_id(from->socket)), pid);
    socket_accept(from->socket, slice_of(pid, RECOVERY_PID_LENGTH));
    emit_snapshots(from, recovery);
    missed_emit_rest(&recovery->missed, from->socket);
    recovered_remember(from);
    from->is_kept = true;
    chat->counters.recovered++;
    destroy(recovery);
    for (const struct chat_member *at = from->memberships; at != NULL; at = at->next) {
        deliver_so_far(from, chat_text(at->room->id));
    }
}

/* --- joining ---------------------------------------------------------------------------------- */

static void collect(struct recovery *recovery, const struct chat_member *member,
                    const struct bus_joined *joined)
{
    struct chat *chat = recovery->from->chat;
    struct msgpack_reader reader = bus_list_read(&joined->replay);
    struct bus_stored_message element;
    char offset[RECOVERY_OFFSET_LENGTH + 1];
    while (bus_list_next(&reader, BUS_ELEMENT_STORED, &element)) {
        struct packet *ends[3];
        uint32_t count = 0;
        missed_add(&recovery->missed, element.position,
                   render_missed(chat, &element, joined->epoch, chat_text(member->entity),
                                 SLICE_EMPTY, offset_at(recovery, element.position, offset)));
        if (element.in_reply_to.length > 0) {
            count = render_run_end(chat, member->room, &element, ends);
        }
        for (uint32_t i = 0; i < count; i++) {
            missed_add(&recovery->missed, element.position, ends[i]);
        }
    }
}

/*
 * Has anything changed in the room that this client is not to hear of otherwise? Or will this edge
 * tell its sockets what is news to it, and perhaps not to this client?
 */
static bool needs_snapshot(const struct recovery *recovery, const struct recovery_room *room,
                           const struct bus_joined *joined)
{
    const struct recovery_point *point = &recovery->point;
    return point->is_unsettled || recovery->from->chat->point.is_unsettled ||
           room->stamp > point->stamp || joined->changed_at > point->stamp;
}

static void on_joined(void *context, const struct uplink_outcome *outcome)
{
    struct recovery_join *join = context;
    const struct bus_join *asked = &outcome->sent->join;
    const struct bus_joined *joined = outcome->answer == NULL ? NULL : &outcome->answer->joined;
    bool is_awaited = join_is_awaited(join->chat, outcome);
    struct chat_socket *from = join->from;
    uint32_t index = join->room;
    free(join);
    if (!is_awaited) {
        return;
    }
    struct recovery *recovery = from->recovery;
    struct recovery_room *room = &recovery->rooms[index];
    if (joined == NULL) {
        refuse(recovery, CHAT_RECOVERY_LATE, outcome->now);
        return;
    }
    if (joined->error != 0) {
        refuse(recovery, CHAT_RECOVERY_INCOMPLETE, outcome->now);
        return;
    }
    const struct chat_member *member = join_record(from, joined, asked);
    if (!joined->replay_complete) {
        refuse(recovery, CHAT_RECOVERY_INCOMPLETE, outcome->now);
        return;
    }
    collect(recovery, member, joined);
    if (needs_snapshot(recovery, room, joined)) {
        room->snapshot = render_room_joined(from, joined);
    }
    if (++recovery->answered == recovery->room_count) {
        complete(recovery, outcome->now);
    }
}

static int join_room(struct recovery *recovery, const struct bus_session_room *room, uint32_t index,
                     int64_t now)
{
    struct chat_socket *from = recovery->from;
    struct chat *chat = from->chat;
    uint64_t position = recovery->point.position;
    struct recovery_join *join = memory_allocate_zeroed(sizeof(*join));
    *join = (struct recovery_join){chat, from, index};
    struct bus_message message = {
        .type = BUS_JOIN,
        .trace = id_random_u64(chat->ids),
        .viewer = room->entity, /* whose private id this socket has shown */
        .join = {.room = room->room,
                 .entity = room->entity,
                 .name = room->name,
                 .since = BUS_SINCE_POSITION,
                 .since_seq = position > room->position ? position : room->position}};
    int error = uplink_request(chat->uplink, &message, &message.join.request, on_joined, join,
                               &from->requests, now);
    if (error != 0) {
        free(join);
    }
    return error;
}

/* --- asking ----------------------------------------------------------------------------------- */

/* False: what the client missed includes a replay that it was in the middle of. */
static bool note_rooms(struct recovery *recovery, const struct bus_recovered *recovered)
{
    struct msgpack_reader reader = bus_list_read(&recovered->rooms);
    struct bus_session_room room;
    recovery->rooms =
        memory_allocate_zeroed((recovered->rooms.count + 1) * sizeof(*recovery->rooms));
    while (bus_list_next(&reader, BUS_ELEMENT_SESSION_ROOM, &room)) {
        recovery->rooms[recovery->room_count++].stamp = room.stamp;
        if (room.was_replayed && room.stamp > recovery->point.stamp) {
            return false;
        }
    }
    return true;
}

/* May whoever connects now be what that socket was, where it was? */
static bool may_go_on(const struct chat_socket *from, const struct bus_recovered *recovered)
{
    struct msgpack_reader reader = bus_list_read(&recovered->rooms);
    struct bus_session_room room;
    bool is_good = chat_access(from, SLICE_EMPTY, recovered->entity, NULL).error == 0;
    while (is_good && bus_list_next(&reader, BUS_ELEMENT_SESSION_ROOM, &room)) {
        is_good = chat_access(from, room.room, room.entity, NULL).error == 0;
    }
    return is_good;
}

static void on_recovered(void *context, const struct uplink_outcome *outcome)
{
    struct recovery *recovery = context;
    const struct bus_recovered *recovered =
        outcome->answer == NULL ? NULL : &outcome->answer->recovered;
    struct bus_session_room room;
    if (outcome->is_forgotten) {
        return;
    }
    struct chat_socket *from = recovery->from;
    struct chat *chat = from->chat;
    if (recovered != NULL && recovered->error == ERROR_IDENTITY) {
        recovery->state = RECOVERY_WAITING; /* its row has stayed whose it is */
        refuse(recovery, CHAT_RECOVERY_FORBIDDEN, outcome->now);
        return;
    }
    if (recovered == NULL || recovered->error != 0) {
        bool is_unknown = recovered != NULL && recovered->error == ERROR_NOT_FOUND;
        refuse(recovery, is_unknown ? CHAT_RECOVERY_UNKNOWN : CHAT_RECOVERY_LATE, outcome->now);
        return;
    }
    if (!may_go_on(from, recovered)) {
        refuse(recovery, CHAT_RECOVERY_FORBIDDEN, outcome->now);
        return;
    }
    if (recovered->rooms.count > (uint64_t)chat->settings.rooms_per_socket_max ||
        !note_rooms(recovery, recovered)) {
        refuse(recovery, CHAT_RECOVERY_INCOMPLETE, outcome->now);
        return;
    }
    recovery->state = RECOVERY_JOINING;
    recovery->own_entity = from->entity;
    from->entity = memory_copy_string(recovered->entity.data, recovered->entity.length);
    socket_set_id(from->socket, slice_of(recovery->former_id, SESSION_ID_LENGTH));
    struct msgpack_reader reader = bus_list_read(&recovered->rooms);
    for (uint32_t i = 0; bus_list_next(&reader, BUS_ELEMENT_SESSION_ROOM, &room); i++) {
        if (join_room(recovery, &room, i, outcome->now) != 0) {
            refuse(recovery, CHAT_RECOVERY_LATE, outcome->now);
            return;
        }
    }
    if (recovery->room_count == 0) {
        complete(recovery, outcome->now);
    }
}

static void ask(struct recovery *recovery, int64_t now)
{
    struct chat *chat = recovery->from->chat;
    struct slice former;
    recovery->point = (struct recovery_point){.position = 0};
    if (!chat->has_keys || !recovery_read_pid(&chat->keys, chat_text(recovery->pid), &former) ||
        (recovery->offset != NULL &&
         !recovery_read_offset(&chat->keys, chat_text(recovery->offset), &recovery->point))) {
        refuse(recovery, CHAT_RECOVERY_FORGED, now);
        return;
    }
    memcpy(recovery->former_id, former.data, SESSION_ID_LENGTH);
    recovery->state = RECOVERY_ASKING;
    struct bus_message message = {
        .type = BUS_RECOVER,
        .trace = id_random_u64(chat->ids),
        .recover = {.socket = former, .subject = identity_subject(recovery->from->identity)}};
    if (uplink_request(chat->uplink, &message, &message.recover.request, on_recovered, recovery,
                       &recovery->from->requests, now) != 0) {
        refuse(recovery, CHAT_RECOVERY_LATE, now);
    }
}

bool recover_begin(struct chat_socket *from, struct slice pid, struct slice offset, int64_t now)
{
    struct chat *chat = from->chat;
    if (!socket_takes_offsets(from->socket) ||
        (!chat->has_keys && uplink_is_ready(chat->uplink, now))) {
        return false; /* this client, or this cluster, cannot */
    }
    if (pid.length != RECOVERY_PID_LENGTH || offset.length > RECOVERY_OFFSET_LENGTH) {
        chat->counters.recoveries_refused[CHAT_RECOVERY_FORGED]++;
        return false;
    }
    struct recovery *recovery = memory_allocate_zeroed(sizeof(*recovery));
    recovery->from = from;
    recovery->pid = memory_copy_string(pid.data, pid.length);
    recovery->offset = offset.length == 0 ? NULL : memory_copy_string(offset.data, offset.length);
    memcpy(recovery->own_id, socket_id(from->socket), SESSION_ID_LENGTH);
    recovery->deadline = now + RECOVERY_DEADLINE_MS;
    from->recovery = recovery;
    DL_APPEND(chat->recoveries, recovery);
    if (chat->is_caught_up && uplink_is_ready(chat->uplink, now)) {
        ask(recovery, now);
    }
    return true;
}

void recover_cancel(struct chat_socket *from, int64_t silence, int64_t now)
{
    struct recovery *recovery = from->recovery;
    if (recovery == NULL) {
        return;
    }
    undo(recovery, silence, now);
    if (recovery->state != RECOVERY_WAITING) {
        /* It may come back once more, with what it had. */
        session_ended(from->chat, slice_of(recovery->former_id, SESSION_ID_LENGTH), false, now);
    }
    destroy(recovery);
}

void recover_break(struct chat_socket *from, int64_t now)
{
    refuse(from->recovery, CHAT_RECOVERY_INCOMPLETE, now);
}

void recover_continue(struct chat *chat, int64_t now)
{
    struct recovery *recovery, *next;
    DL_FOREACH_SAFE (chat->recoveries, recovery, next) {
        if (recovery->state == RECOVERY_WAITING) {
            ask(recovery, now);
        }
    }
}

void recover_restart(struct chat *chat, int64_t now)
{
    struct recovery *recovery;
    DL_FOREACH (chat->recoveries, recovery) {
        undo(recovery, 0, now);
        recovery->state = RECOVERY_WAITING;
    }
}

bool recover_has_asked(const struct chat *chat, struct slice id)
{
    const struct recovery *recovery;
    DL_FOREACH (chat->recoveries, recovery) {
        if (recovery->state != RECOVERY_WAITING && slice_is(id, recovery->former_id)) {
            return true;
        }
    }
    return false;
}

void recover_tick(struct chat *chat, int64_t now)
{
    while (chat->recoveries != NULL && chat->recoveries->deadline <= now) {
        refuse(chat->recoveries, CHAT_RECOVERY_LATE, now);
    }
}
