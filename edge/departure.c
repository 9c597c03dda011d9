/*
 * The owner's side of a move: the WebSocket of another edge, as a carrier of a session here.
 */
#include "edge/move_internal.h"

enum departure_state {
    DEPARTURE_PROBING,
    DEPARTURE_PIPING,  /* upgraded; its session is not at rest */
    DEPARTURE_HOLDING, /* its client is to be held back */
    DEPARTURE_HELD,    /* it is: the session comes to rest */
    DEPARTURE_GIVEN,   /* the state is on its way; what the router says goes on by us */
    DEPARTURE_OVER     /* the new edge does without us */
};

struct departure {
    struct websocket websocket; /* first: found back from it */
    struct heap_entry deadline; /* in PIPING: when to look again */
    struct moves *moves;
    uint64_t id;
    uint64_t sent, received; /* messages */
    enum departure_state state;
    char edge[INCARNATION_LENGTH]; /* where it goes */
    size_t routing_id_length;
    char routing_id[MOVE_ROUTING_ID_MAX];
    struct departure *prev, *next; /* moves->held */
    UT_hash_handle hh;
};

static struct departure *departure_of(struct heap_entry *entry)
{
    return (struct departure *)(void *)((char *)entry - offsetof(struct departure, deadline));
}

static struct departure *find(struct moves *moves, uint64_t id)
{
    struct departure *departure;
    HASH_FIND(hh, moves->departures, &id, sizeof(id), departure);
    return departure;
}

static bool say(struct departure *departure, struct bus_message *message)
{
    move_number(message, departure->id, &departure->sent);
    return peers_answer(departure->moves->peers,
                        slice_of(departure->routing_id, departure->routing_id_length), message);
}

static bool say_hold(struct departure *departure, bool is_on)
{
    struct bus_message message = {.type = BUS_MOVE_HOLD, .move_hold = {.is_on = is_on}};
    return say(departure, &message);
}

static void say_end(struct departure *departure, int code)
{
    struct bus_message message = {.type = BUS_MOVE_END, .move_end = {.code = (uint64_t)code}};
    (void)say(departure, &message); /* or the other edge learns of it by its deadline */
}

static void enter_state(struct departure *departure, enum departure_state state, int64_t deadline)
{
    struct moves *moves = departure->moves;
    if (departure->state == DEPARTURE_HELD) {
        DL_DELETE(moves->held, departure);
    }
    departure->state = state;
    if (state == DEPARTURE_HELD) {
        DL_APPEND(moves->held, departure);
    }
    heap_set(&moves->departing, &departure->deadline, deadline);
}

static void departure_free(struct departure *departure)
{
    struct moves *moves = departure->moves;
    if (departure->state == DEPARTURE_HELD) {
        DL_DELETE(moves->held, departure);
    }
    heap_remove(&moves->departing, &departure->deadline);
    HASH_DELETE(hh, moves->departures, departure);
    free(departure);
}

/* Ends the session, or its probe if it is that; the other edge closes the WebSocket. */
static void fail(struct departure *departure, enum move_failure failure, int64_t now)
{
    struct moves *moves = departure->moves;
    struct websocket *websocket = &departure->websocket;
    move_failed(moves, failure, departure->id);
    say_end(departure, MOVE_CLOSE_GOING_AWAY);
    session_websocket_gone(moves->sessions, websocket, now);
    departure_free(departure);
}

/* --- the carrier ------------------------------------------------------------------------------ */

static int carrier_send(struct websocket *websocket, struct packet *const *packets, size_t count)
{
    struct departure *departure = (struct departure *)(void *)websocket;
    for (size_t i = 0; i < count; i++) {
        struct slice bytes = packet_payload(packets[i]);
        struct bus_message message = {
            .type = BUS_MOVE_DATA,
            .move_data = {.is_binary = packets[i]->kind == PACKET_BINARY, .bytes = bytes}};
        if (bytes.length > BUS_PAYLOAD_MAX || !say(departure, &message)) {
            return -1; /* the client comes back with a new session, and recovers */
        }
    }
    return (int)count;
}

static void carrier_close(struct websocket *websocket, int code)
{
    struct departure *departure = (struct departure *)(void *)websocket;
    if (departure->state != DEPARTURE_OVER) {
        move_failed(departure->moves, MOVE_ABANDONED, departure->id);
        say_end(departure, code);
    }
    departure_free(departure);
}

static const struct websocket_operations carrier_operations = {carrier_send, carrier_close};

/* --- its steps -------------------------------------------------------------------------------- */

static void refuse(struct moves *moves, struct slice routing_id, uint64_t move)
{
    struct bus_message message = {.type = BUS_MOVE_END, .move_end = {.code = MOVE_CLOSE_POLICY}};
    uint64_t sent = 0;
    move_failed(moves, MOVE_REFUSED, move);
    move_number(&message, move, &sent);
    peers_answer(moves->peers, routing_id, &message);
}

static void begin(struct moves *moves, struct slice routing_id, const struct bus_move_begin *begin,
                  int64_t now)
{
    struct session *session = session_find(moves->sessions, begin->sid);
    if (find(moves, begin->move) != NULL || begin->number != 1 || session == NULL ||
        begin->revision != (uint64_t)session_revision(session) ||
        begin->edge.length != INCARNATION_LENGTH || !peers_knows(moves->peers, begin->edge) ||
        HASH_COUNT(moves->departures) >= (size_t)moves->settings.moves_max) {
        refuse(moves, routing_id, begin->move);
        return;
    }
    struct departure *departure = memory_allocate_zeroed(sizeof(*departure));
    departure->websocket.operations = &carrier_operations;
    departure->moves = moves;
    departure->id = begin->move;
    departure->received = 1;
    memcpy(departure->edge, begin->edge.data, INCARNATION_LENGTH);
    memcpy(departure->routing_id, routing_id.data, routing_id.length);
    departure->routing_id_length = routing_id.length;
    HASH_ADD(hh, moves->departures, id, sizeof(departure->id), departure);
    if (!session_upgrade_begin(moves->sessions, session, &departure->websocket, now)) {
        departure_free(departure);
        refuse(moves, routing_id, begin->move);
    }
}

/* Has the client held back, if its session would come to rest then. */
static void try_to_hold(struct departure *departure, int64_t now)
{
    if (session_rest(departure->websocket.session) == SESSION_BUSY) {
        enter_state(departure, DEPARTURE_PIPING, now + MOVE_RETRY_MS);
    } else if (say_hold(departure, true)) {
        session_hold_back(departure->websocket.session, true, now);
        enter_state(departure, DEPARTURE_HOLDING, now + MOVE_DEADLINE_MS);
    } else {
        fail(departure, MOVE_EDGE_GONE, now);
    }
}

static void release(struct departure *departure, int64_t retry_at, int64_t now)
{
    session_hold_back(departure->websocket.session, false, now);
    if (say_hold(departure, false)) {
        enter_state(departure, DEPARTURE_PIPING, retry_at);
    } else {
        fail(departure, MOVE_EDGE_GONE, now);
    }
}

static void give(struct departure *departure, int64_t now)
{
    struct buffer state = BUFFER_EMPTY;
    struct bus_message message = {.type = BUS_MOVE_STATE};
    if (!session_hand_over(departure->websocket.session, &state, now)) {
        move_failed(departure->moves, MOVE_TOO_LARGE, departure->id);
        release(departure, now + MOVE_RETRY_LATE_MS, now);
    } else {
        message.move_state.state = buffer_slice(&state);
        if (say(departure, &message)) {
            enter_state(departure, DEPARTURE_GIVEN, now + MOVE_DEADLINE_MS);
        } else {
            fail(departure, MOVE_EDGE_GONE, now);
        }
    }
    buffer_deinit(&state);
}

static void client_says(struct departure *departure, const struct bus_move_data *data, int64_t now)
{
    struct moves *moves = departure->moves;
    uint64_t id = departure->id;
    if (departure->state >= DEPARTURE_HELD) {
        fail(departure, MOVE_MALFORMED, now);
        return;
    }
    session_websocket_message(moves->sessions, &departure->websocket, data->bytes, data->is_binary,
                              now);
    departure = find(moves, id); /* what it said may have ended it */
    if (departure == NULL || departure->state != DEPARTURE_PROBING ||
        !session_is_upgraded(departure->websocket.session)) {
        return;
    }
    try_to_hold(departure, now);
    departure = find(moves, id);
    if (departure != NULL && departure->state == DEPARTURE_PIPING) {
        say_hold(departure, false); /* upgraded, if not on its way yet */
    }
}

void departure_receive(struct moves *moves, struct slice routing_id,
                       const struct bus_message *message, int64_t now)
{
    if (message->type == BUS_MOVE_BEGIN) {
        begin(moves, routing_id, &message->move_begin, now);
        return;
    }
    struct departure *departure = find(moves, message->move_data.move);
    if (departure == NULL ||
        !slice_equals(routing_id, slice_of(departure->routing_id, departure->routing_id_length))) {
        if (message->type != BUS_MOVE_END) {
            refuse(moves, routing_id, message->move_data.move);
        }
        return;
    }
    if (message->type == BUS_MOVE_END) {
        move_failed(moves, MOVE_ABANDONED, departure->id);
        session_websocket_gone(moves->sessions, &departure->websocket, now);
        departure_free(departure);
    } else if (!move_is_next(message, &departure->received)) {
        fail(departure, MOVE_MALFORMED, now);
    } else if (message->type == BUS_MOVE_DATA) {
        client_says(departure, &message->move_data, now);
    } else if (message->type == BUS_MOVE_HOLD && departure->state == DEPARTURE_HOLDING) {
        if (message->move_hold.is_on) {
            enter_state(departure, DEPARTURE_HELD, now + MOVE_REST_MS);
        } else {
            session_hold_back(departure->websocket.session, false, now);
            enter_state(departure, DEPARTURE_PIPING, now + MOVE_RETRY_MS);
        }
    } else {
        fail(departure, MOVE_MALFORMED, now);
    }
}

void moves_marked(struct moves *moves, uint64_t move, int64_t now)
{
    struct departure *departure = find(moves, move);
    struct buffer state = BUFFER_EMPTY;
    struct bus_message message = {.type = BUS_MOVE_END, .move_end = {.is_complete = true}};
    if (departure == NULL || departure->state != DEPARTURE_GIVEN) {
        return; /* broken off meanwhile, or marked twice since the new edge's link was */
    }
    struct session *session = departure->websocket.session;
    bool is_sent = session_depart(session, &state, now);
    message.move_end.state = buffer_slice(&state);
    if (is_sent && say(departure, &message)) {
        enter_state(departure, DEPARTURE_OVER, now);
        moves->counters.out++;
        session_close(moves->sessions, session, SESSION_CLOSE_MOVED, now);
    } else {
        fail(departure, MOVE_EDGE_GONE, now);
    }
    buffer_deinit(&state);
}

void moves_flush(struct moves *moves, int64_t now)
{
    struct departure *departure, *next;
    DL_FOREACH_SAFE (moves->held, departure, next) {
        switch (session_rest(departure->websocket.session)) {
        case SESSION_AT_REST:
            give(departure, now);
            break;
        case SESSION_BUSY:
            release(departure, now + MOVE_RETRY_MS, now);
            break;
        case SESSION_RESTS_SOON:
            break;
        }
    }
}

void departures_tick(struct moves *moves, int64_t now)
{
    struct heap_entry *entry;
    while ((entry = heap_pop_due(&moves->departing, now)) != NULL) {
        struct departure *departure = departure_of(entry);
        if (departure->state == DEPARTURE_PIPING) {
            try_to_hold(departure, now);
        } else if (departure->state == DEPARTURE_HELD) {
            release(departure, now + MOVE_RETRY_MS, now);
        } else {
            fail(departure, MOVE_LATE, now);
        }
    }
}

void departures_edge_gone(struct moves *moves, struct slice incarnation, int64_t now)
{
    struct departure *departure, *next;
    HASH_ITER (hh, moves->departures, departure, next) {
        if (slice_equals(slice_of(departure->edge, INCARNATION_LENGTH), incarnation)) {
            fail(departure, MOVE_EDGE_GONE, now);
        }
    }
}

void departures_destroy(struct moves *moves, int64_t now)
{
    while (moves->departures != NULL) {
        fail(moves->departures, MOVE_ABANDONED, now);
    }
}

size_t departures_count(const struct moves *moves)
{
    return HASH_COUNT(moves->departures);
}
