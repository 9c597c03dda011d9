/*
 * The side of a move that the WebSocket reached: a pipe to the session's owner, then its successor.
 */
#include "edge/move_internal.h"

enum arrival_state {
    ARRIVAL_PROBING, /* the owner has yet to say that the client has turned to its WebSocket */
    ARRIVAL_PIPING,
    ARRIVAL_HELD, /* what the client says waits here */
    ARRIVAL_ARRIVING
};

/* A message of a client that is held back. */
struct held_message {
    struct held_message *next;
    bool is_binary;
    size_t length;
    char bytes[];
};

struct arrival {
    struct session_guest guest;  /* first: found back from it */
    struct heap_entry deadline;  /* not set in PIPING */
    struct websocket *websocket; /* borrows: the guest's */
    struct moves *moves;
    uint64_t id;
    uint64_t sent, received; /* messages */
    enum arrival_state state;
    char edge[INCARNATION_LENGTH];               /* where it comes from */
    struct held_message *held_first, *held_last; /* owns */
    size_t held_bytes;
    struct uplink_owner mark; /* its request */
    bool has_end;             /* the owner has said its last */
    struct buffer end;        /* the state that it left */
    UT_hash_handle hh;
};

static struct arrival *arrival_of(struct heap_entry *entry)
{
    return (struct arrival *)(void *)((char *)entry - offsetof(struct arrival, deadline));
}

static struct arrival *find(struct moves *moves, uint64_t id)
{
    struct arrival *arrival;
    HASH_FIND(hh, moves->arrivals, &id, sizeof(id), arrival);
    return arrival;
}

static bool say(struct arrival *arrival, struct bus_message *message)
{
    move_number(message, arrival->id, &arrival->sent);
    return peers_send(arrival->moves->peers, slice_of(arrival->edge, INCARNATION_LENGTH), message);
}

static void say_end(struct arrival *arrival)
{
    struct bus_message message = {.type = BUS_MOVE_END};
    (void)say(arrival, &message); /* or the owner misses its client's pong */
}

static void enter_state(struct arrival *arrival, enum arrival_state state, int64_t deadline)
{
    arrival->state = state;
    heap_set(&arrival->moves->arriving, &arrival->deadline, deadline);
}

static void enter_piping(struct arrival *arrival)
{
    arrival->state = ARRIVAL_PIPING;
    heap_remove(&arrival->moves->arriving, &arrival->deadline);
}

/* Takes the messages that were held; they are the caller's. */
static struct held_message *take_held(struct arrival *arrival)
{
    struct held_message *first = arrival->held_first;
    arrival->held_first = arrival->held_last = NULL;
    arrival->held_bytes = 0;
    return first;
}

static void free_held(struct held_message *first)
{
    while (first != NULL) {
        struct held_message *next = first->next;
        free(first);
        first = next;
    }
}

static void arrival_free(struct arrival *arrival)
{
    struct moves *moves = arrival->moves;
    uplink_forget_owner(moves->uplink, &arrival->mark);
    free_held(take_held(arrival));
    buffer_deinit(&arrival->end);
    heap_remove(&moves->arriving, &arrival->deadline);
    HASH_DELETE(hh, moves->arrivals, arrival);
    free(arrival);
}

static void fail(struct arrival *arrival, enum move_failure failure, int64_t now)
{
    move_failed(arrival->moves, failure, arrival->id);
    say_end(arrival);
    session_guest_close(&arrival->guest, MOVE_CLOSE_GOING_AWAY, now);
    arrival_free(arrival);
}

/* --- the client ------------------------------------------------------------------------------- */

static bool pass_on(struct arrival *arrival, struct slice message, bool is_binary)
{
    struct bus_message data = {.type = BUS_MOVE_DATA,
                               .move_data = {.is_binary = is_binary, .bytes = message}};
    return message.length <= BUS_PAYLOAD_MAX && say(arrival, &data);
}

static bool hold(struct arrival *arrival, struct slice message, bool is_binary)
{
    size_t bytes = sizeof(struct held_message) + message.length;
    if (arrival->held_bytes + bytes > (size_t)arrival->moves->settings.held_max) {
        return false;
    }
    struct held_message *held = memory_allocate(bytes);
    held->next = NULL;
    held->is_binary = is_binary;
    held->length = message.length;
    memcpy(held->bytes, message.data, message.length);
    if (arrival->held_last == NULL) {
        arrival->held_first = held;
    } else {
        arrival->held_last->next = held;
    }
    arrival->held_last = held;
    arrival->held_bytes += bytes;
    return true;
}

static void on_message(struct session_guest *guest, struct slice message, bool is_binary,
                       int64_t now)
{
    struct arrival *arrival = (struct arrival *)(void *)guest;
    if (arrival->state < ARRIVAL_HELD) {
        if (!pass_on(arrival, message, is_binary)) {
            fail(arrival, MOVE_EDGE_GONE, now);
        }
    } else if (!hold(arrival, message, is_binary)) {
        fail(arrival, MOVE_TOO_LARGE, now);
    }
}

static void on_ended(struct session_guest *guest)
{
    struct arrival *arrival = (struct arrival *)(void *)guest;
    move_failed(arrival->moves, MOVE_ABANDONED, arrival->id);
    say_end(arrival);
    arrival_free(arrival);
}

/* Its former edge has said its last, and all that comes later comes to us: the session is ours. */
static void settle(struct arrival *arrival, int64_t now)
{
    struct moves *moves = arrival->moves;
    struct websocket *websocket = arrival->websocket;
    if (!arrival->has_end || !arrival->guest.is_listening) {
        return;
    }
    if (!session_guest_settle(&arrival->guest, buffer_slice(&arrival->end), now)) {
        fail(arrival, MOVE_DIVERGED, now);
        return;
    }
    struct held_message *held = take_held(arrival);
    moves->counters.in++;
    arrival_free(arrival);
    for (const struct held_message *message = held; message != NULL; message = message->next) {
        session_websocket_message(moves->sessions, websocket,
                                  slice_of(message->bytes, message->length), message->is_binary,
                                  now);
    }
    free_held(held);
}

static const struct session_guest_operations operations = {on_message, on_ended};

bool moves_begin(struct moves *moves, struct slice sid, int revision, struct websocket *websocket,
                 int64_t now)
{
    if (!peers_knows(moves->peers, sid) ||
        HASH_COUNT(moves->arrivals) >= (size_t)moves->settings.moves_max) {
        return false;
    }
    struct arrival *arrival = memory_allocate_zeroed(sizeof(*arrival));
    arrival->guest.operations = &operations;
    arrival->moves = moves;
    arrival->websocket = websocket;
    arrival->id = id_random_u64(moves->ids);
    memcpy(arrival->edge, sid.data, INCARNATION_LENGTH);
    if (!session_guest_open(moves->sessions, sid, revision, websocket, &arrival->guest, now)) {
        free(arrival);
        return false;
    }
    HASH_ADD(hh, moves->arrivals, id, sizeof(arrival->id), arrival);
    enter_state(arrival, ARRIVAL_PROBING, now + moves->settings.upgrade_timeout + MOVE_DEADLINE_MS);
    struct bus_message message = {.type = BUS_MOVE_BEGIN,
                                  .move_begin = {.edge = moves->settings.incarnation,
                                                 .sid = sid,
                                                 .revision = (uint64_t)revision}};
    if (!say(arrival, &message)) {
        fail(arrival, MOVE_EDGE_GONE, now);
    }
    return true;
}

/* --- the owner -------------------------------------------------------------------------------- */

static void receive_hold(struct arrival *arrival, bool is_on, int64_t now)
{
    bool may_arrive = session_guest_may_arrive(&arrival->guest);
    struct bus_message held = {.type = BUS_MOVE_HOLD, .move_hold = {.is_on = may_arrive}};
    bool is_taken = true;
    if (arrival->state == ARRIVAL_ARRIVING || (is_on && arrival->state == ARRIVAL_HELD)) {
        fail(arrival, MOVE_MALFORMED, now);
        return;
    }
    if (is_on && may_arrive) {
        enter_state(arrival, ARRIVAL_HELD, now + MOVE_DEADLINE_MS);
        is_taken = say(arrival, &held);
    } else if (is_on) {
        enter_piping(arrival);
        is_taken = say(arrival, &held);
    } else {
        struct held_message *first = take_held(arrival);
        enter_piping(arrival);
        for (struct held_message *at = first; at != NULL && is_taken; at = at->next) {
            is_taken = pass_on(arrival, slice_of(at->bytes, at->length), at->is_binary);
        }
        free_held(first);
    }
    if (!is_taken) {
        fail(arrival, MOVE_EDGE_GONE, now);
    }
}

/* The router has passed the mark on: what it says from now on, it says to us. */
static void on_mark(void *context, const struct uplink_outcome *outcome)
{
    const struct bus_message *answer = outcome->answer;
    int error = answer == NULL ? outcome->error : (int)answer->done.error;
    struct arrival *arrival =
        outcome->is_forgotten ? NULL : find(context, outcome->sent->mark.move);
    if (arrival == NULL) {
        return;
    }
    if (error == 0 && session_guest_listen(&arrival->guest, outcome->now)) {
        settle(arrival, outcome->now);
    } else {
        fail(arrival, MOVE_UNJOINED, outcome->now);
    }
}

static void receive_state(struct arrival *arrival, struct slice state, int64_t now)
{
    struct moves *moves = arrival->moves;
    struct bus_message mark = {
        .type = BUS_MARK,
        .mark = {.edge = slice_of(arrival->edge, INCARNATION_LENGTH), .move = arrival->id}};
    if (arrival->state != ARRIVAL_HELD) {
        fail(arrival, MOVE_MALFORMED, now);
        return;
    }
    enter_state(arrival, ARRIVAL_ARRIVING, now + MOVE_DEADLINE_MS);
    if (session_guest_take_over(&arrival->guest, state, now) != 0) {
        fail(arrival, MOVE_MALFORMED, now);
    } else if (uplink_request(moves->uplink, &mark, &mark.mark.request, on_mark, moves,
                              &arrival->mark, now) != 0) {
        fail(arrival, MOVE_UNJOINED, now);
    }
}

static void receive_end(struct arrival *arrival, const struct bus_move_end *end, int64_t now)
{
    struct moves *moves = arrival->moves;
    if (end->is_complete && arrival->state == ARRIVAL_ARRIVING) {
        arrival->has_end = true;
        buffer_append_slice(&arrival->end, end->state);
        settle(arrival, now);
        return;
    }
    move_failed(moves, arrival->state == ARRIVAL_PROBING ? MOVE_REFUSED : MOVE_ABANDONED,
                arrival->id);
    session_guest_close(&arrival->guest, (int)(end->code & 0xffff), now);
    arrival_free(arrival);
}

void arrival_receive(struct moves *moves, const struct bus_message *message, int64_t now)
{
    struct arrival *arrival = find(moves, message->move_data.move);
    if (arrival == NULL) {
        return; /* broken off; the owner was told */
    }
    bool is_next = move_is_next(message, &arrival->received);
    if (message->type == BUS_MOVE_END && (is_next || !message->move_end.is_complete)) {
        receive_end(arrival, &message->move_end, now);
    } else if (!is_next || arrival->has_end) {
        fail(arrival, MOVE_MALFORMED, now);
    } else if (message->type == BUS_MOVE_DATA) {
        session_guest_send(&arrival->guest, message->move_data.is_binary, message->move_data.bytes);
    } else if (message->type == BUS_MOVE_HOLD) {
        receive_hold(arrival, message->move_hold.is_on, now);
    } else if (message->type == BUS_MOVE_STATE) {
        receive_state(arrival, message->move_state.state, now);
    } else {
        fail(arrival, MOVE_MALFORMED, now);
    }
}

void arrivals_tick(struct moves *moves, int64_t now)
{
    struct heap_entry *entry;
    while ((entry = heap_pop_due(&moves->arriving, now)) != NULL) {
        fail(arrival_of(entry), MOVE_LATE, now);
    }
}

void arrivals_edge_gone(struct moves *moves, struct slice incarnation, int64_t now)
{
    struct arrival *arrival, *next;
    HASH_ITER (hh, moves->arrivals, arrival, next) {
        if (!arrival->has_end &&
            slice_equals(slice_of(arrival->edge, INCARNATION_LENGTH), incarnation)) {
            fail(arrival, MOVE_EDGE_GONE, now);
        }
    }
}

void arrivals_destroy(struct moves *moves, int64_t now)
{
    while (moves->arrivals != NULL) {
        fail(moves->arrivals, MOVE_ABANDONED, now);
    }
}

size_t arrivals_count(const struct moves *moves)
{
    return HASH_COUNT(moves->arrivals);
}
