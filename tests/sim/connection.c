#include "tests/sim/connection.h"

#include <stdlib.h>
#include <string.h>

#include "proto/base/memory.h"
#include "tests/sim/polling.h"

enum {
    DELAY_MS_MAX = 4,
    MOVE_MS_MAX = 12000,     /* from the probe on */
    MOVE_HELD_MS_MAX = 6000, /* of them in which its former edge does not hear the client */
    NOTICE_MS_MAX = 60,
    DOUBT_MS = 900 /* when the edge dies too, what counts is the last heartbeat of its link */
};

static int64_t arrival(struct connection *connection, int64_t *last, int64_t most)
{
    struct world *world = connection->world;
    int64_t at = world->now + chance_between(&world->chance, 0, world->is_calm ? 1 : most);
    *last = at < *last ? *last : at;
    return *last - world->now;
}

static bool reaches_edge(const struct connection *connection)
{
    const struct actor *actor = &connection->edge->actor;
    return !connection->is_lost && actor->is_running && actor->life == connection->edge_life;
}

/* --- towards the edge ------------------------------------------------------------------------- */

enum upward_kind { UPWARD_OPEN, UPWARD_TEXT, UPWARD_GONE, UPWARD_WRITABLE };

struct upward {
    struct input input; /* first */
    struct connection *connection;
    enum upward_kind kind;
    size_t length;
    char text[];
};

static void close_at_client(struct connection *connection, int64_t most);

/* As websocket_server_adopt(): a session of this edge, or one that moves here. */
static bool take_over(struct connection *connection, int64_t now)
{
    struct actor_edge *edge = connection->edge;
    struct slice sid = slice_of_string(connection->sid);
    struct session *session = session_find(edge->sessions, sid);
    if (session != NULL) {
        return session_upgrade_begin(edge->sessions, session, &connection->websocket, now);
    }
    return peers_knows(edge->peers, sid) &&
           moves_begin(edge->moves, sid, 4, &connection->websocket, now);
}

static void open_at_edge(struct connection *connection, int64_t now)
{
    const struct session_opening opening = {.revision = 4,
                                            .takes_offsets = connection->takes_offsets};
    struct actor_edge *edge = connection->edge;
    connection->is_open_at_edge = true;
    bool is_open =
        connection->sid[0] != '\0'
            ? take_over(connection, now)
            : actor_edge_accepts(edge) &&
                  session_open_websocket(edge->sessions, &opening, &connection->websocket, now);
    if (!is_open) {
        connection->is_open_at_edge = false;
        close_at_client(connection, DELAY_MS_MAX);
    }
}

static void handle_upward(struct actor *actor, struct input *input)
{
    struct upward *upward = (struct upward *)input;
    struct connection *connection = upward->connection;
    struct session_table *sessions = connection->edge->sessions;
    int64_t now = actor_now(actor).now;
    if (upward->kind == UPWARD_OPEN) {
        open_at_edge(connection, now);
    }
    if (!connection->is_open_at_edge || connection->is_lost) {
        return;
    }
    switch (upward->kind) {
    case UPWARD_OPEN:
        break;
    case UPWARD_TEXT:
        session_websocket_message(sessions, &connection->websocket,
                                  slice_of(upward->text, upward->length), false, now);
        break;
    case UPWARD_GONE:
        connection->is_open_at_edge = false;
        session_websocket_gone(sessions, &connection->websocket, now);
        break;
    case UPWARD_WRITABLE:
        connection->has_choked = false;
        session_websocket_writable(sessions, &connection->websocket, now);
        break;
    }
}

static void discard_upward(struct input *input)
{
    free(input);
}

static void post_upward(struct connection *connection, enum upward_kind kind, struct slice text,
                        int64_t delay)
{
    static const struct input_class class = {handle_upward, discard_upward};
    if (!reaches_edge(connection)) {
        return;
    }
    struct upward *upward = memory_allocate(sizeof(*upward) + text.length);
    *upward = (struct upward){
        .input = {.class = &class}, .connection = connection, .kind = kind, .length = text.length};
    if (text.length > 0) {
        memcpy(upward->text, text.data, text.length);
    }
    actor_post(&connection->edge->actor, &upward->input, delay);
}

static int64_t arrival_at_edge(struct connection *connection, int64_t most)
{
    return arrival(connection, &connection->last_to_edge, most);
}

/* --- towards the client ----------------------------------------------------------------------- */

struct downward {
    struct task task; /* first */
    struct connection *connection;
    bool is_end;
    size_t length;
    char packets[]; /* each a size_t of bytes and the bytes */
};

static void run_downward(struct task *task)
{
    struct downward *downward = (struct downward *)task;
    struct connection *connection = downward->connection;
    const char *at = downward->packets;
    const char *end = at + downward->length;
    while (at < end && connection->is_open_at_client && !connection->is_lost) {
        size_t length;
        memcpy(&length, at, sizeof(length));
        at += sizeof(length);
        connection->peer->received(connection->context, connection, slice_of(at, length));
        at += length;
    }
    if (downward->is_end && connection->is_open_at_client && !connection->is_lost) {
        connection->is_open_at_client = false;
        connection->peer->closed(connection->context, connection);
    }
    free(downward);
}

static void discard_downward(struct task *task)
{
    free(task);
}

static void post_downward(struct connection *connection, struct packet *const *packets,
                          size_t count, bool is_end, int64_t most)
{
    static const struct task_class class = {run_downward, discard_downward};
    size_t length = 0;
    for (size_t i = 0; i < count; i++) {
        length += sizeof(size_t) + packet_payload(packets[i]).length;
    }
    struct downward *downward = memory_allocate(sizeof(*downward) + length);
    *downward = (struct downward){{0, 0, &class}, connection, is_end, length};
    char *at = downward->packets;
    for (size_t i = 0; i < count; i++) {
        struct slice payload = packet_payload(packets[i]);
        memcpy(at, &payload.length, sizeof(payload.length));
        memcpy(at + sizeof(payload.length), payload.data, payload.length);
        at += sizeof(payload.length) + payload.length;
    }
    world_schedule(connection->world, &downward->task,
                   arrival(connection, &connection->last_to_client, most));
}

static void close_at_client(struct connection *connection, int64_t most)
{
    post_downward(connection, NULL, 0, true, most);
}

static int send_packets(struct websocket *websocket, struct packet *const *packets, size_t count)
{
    struct connection *connection = (struct connection *)websocket;
    struct world *world = connection->world;
    size_t taken = count;
    if (!connection->edge->actor.is_running) {
        return -1; /* killed: what it still says reaches nobody */
    }
    if (connection->choked_until > world->now && !world->is_calm) {
        /* The kernel's buffer takes a little, then nothing. */
        taken = connection->has_choked ? 0 : chance_below(&world->chance, count + 1);
    }
    if (taken > 0) {
        post_downward(connection, packets, taken, false, DELAY_MS_MAX);
    }
    if (taken < count && !connection->has_choked) {
        connection->has_choked = true;
        post_upward(connection, UPWARD_WRITABLE, SLICE_EMPTY,
                    connection->choked_until - world->now);
    }
    return (int)taken;
}

/*
 * A client that reads nothing answers no ping: it counts as lost since the last one it answered. So
 * does one that polls, whose edge may not be told.
 */
int64_t connection_doubt(const struct connection *connection)
{
    const struct session_settings *settings = &connection->edge->settings->session;
    bool is_silent = connection->choked_until > 0 || connection->polling != NULL;
    bool may_move =
        connection->sid[0] != '\0' && connection->world->now - connection->opened_at < MOVE_MS_MAX;
    return DOUBT_MS + (may_move ? MOVE_HELD_MS_MAX : 0) +
           (is_silent ? settings->ping_interval + settings->ping_timeout : 0);
}

static void close_websocket(struct websocket *websocket, int code)
{
    struct connection *connection = (struct connection *)websocket;
    (void)code;
    bool is_killed = !connection->edge->actor.is_running;
    connection->is_open_at_edge = false;
    if (connection->is_open_at_client) {
        connection->peer->severed(connection->context, connection, connection_doubt(connection));
    }
    if (is_killed && connection->edge->dies_silently) {
        connection->is_lost = true; /* its host went down: no kernel answers for it */
    } else {
        close_at_client(connection, NOTICE_MS_MAX);
    }
}

static const struct websocket_operations operations = {send_packets, close_websocket};

/* --- the client's side ------------------------------------------------------------------------ */

static struct connection *connection_new(struct connection **all, struct actor_edge *edge,
                                         const struct connection_peer *peer, void *context)
{
    struct connection *connection = memory_allocate_zeroed(sizeof(*connection));
    connection->websocket.operations = &operations;
    connection->world = edge->actor.world;
    connection->edge = edge;
    connection->edge_life = edge->actor.life;
    connection->peer = peer;
    connection->context = context;
    connection->is_open_at_client = true;
    connection->opened_at = connection->world->now;
    connection->next = *all;
    *all = connection;
    return connection;
}

static void connect(struct connection *connection)
{
    if (actor_edge_accepts(connection->edge)) {
        post_upward(connection, UPWARD_OPEN, SLICE_EMPTY,
                    arrival_at_edge(connection, DELAY_MS_MAX));
    } else {
        close_at_client(connection, NOTICE_MS_MAX);
    }
}

struct connection *connection_open(struct connection **all, struct actor_edge *edge,
                                   bool takes_offsets, const struct connection_peer *peer,
                                   void *context)
{
    struct connection *connection = connection_new(all, edge, peer, context);
    connection->takes_offsets = takes_offsets;
    connect(connection);
    return connection;
}

struct connection *connection_open_polling(struct connection **all, struct actor_edge *edges,
                                           size_t edge_count, bool takes_offsets, bool is_upgraded,
                                           const struct connection_peer *peer, void *context)
{
    struct connection *connection = connection_new(all, edges, peer, context);
    connection->takes_offsets = takes_offsets;
    connection->polling = polling_new(connection, edges, edge_count, all, is_upgraded);
    return connection;
}

struct connection *connection_open_upgrade(struct connection **all, struct actor_edge *edge,
                                           struct slice sid, const struct connection_peer *peer,
                                           void *context)
{
    struct connection *connection = connection_new(all, edge, peer, context);
    memcpy(connection->sid, sid.data, SESSION_ID_LENGTH);
    connect(connection);
    return connection;
}

void connections_destroy(struct connection **all)
{
    while (*all != NULL) {
        struct connection *connection = *all;
        *all = connection->next;
        polling_destroy(&connection->polling);
        free(connection);
    }
}

void connections_look(struct connection *all, const struct actor_edge *edge)
{
    for (struct connection *connection = all; connection != NULL; connection = connection->next) {
        if (connection->polling != NULL) {
            polling_look(connection->polling, edge);
        }
    }
}

void connections_edge_ends(struct connection *all, struct actor_edge *edge)
{
    for (struct connection *connection = all; connection != NULL; connection = connection->next) {
        if (connection->polling != NULL) {
            polling_edge_ends(connection->polling, edge);
        }
    }
}

void connection_send(struct connection *connection, struct slice text)
{
    if (connection->polling != NULL) {
        polling_send(connection->polling, text);
    } else if (connection->is_open_at_client) {
        post_upward(connection, UPWARD_TEXT, text, arrival_at_edge(connection, DELAY_MS_MAX));
    }
}

void connection_close(struct connection *connection)
{
    if (connection->polling != NULL) {
        polling_close(connection->polling);
    } else if (connection->is_open_at_client) {
        connection->is_open_at_client = false;
        post_upward(connection, UPWARD_GONE, SLICE_EMPTY,
                    arrival_at_edge(connection, DELAY_MS_MAX));
    }
}

void connection_cut(struct connection *connection)
{
    if (!connection->is_open_at_client || connection->is_lost || connection->is_cut) {
        return;
    }
    struct world *world = connection->world;
    connection->is_cut = true;
    if (connection->polling != NULL) {
        polling_cut(connection->polling);
        return;
    }
    connection->peer->severed(connection->context, connection, connection_doubt(connection));
    post_upward(connection, UPWARD_GONE, SLICE_EMPTY, arrival_at_edge(connection, NOTICE_MS_MAX));
    /* What comes behind is lost: the client hears of the end only. */
    connection->last_to_client = world->now;
    close_at_client(connection, NOTICE_MS_MAX);
}

void connection_lose(struct connection *connection)
{
    int64_t ping_interval = connection->edge->settings->session.ping_interval;
    if (connection->is_cut) {
        return;
    }
    if (connection->polling != NULL && polling_is_upgraded(connection->polling)) {
        polling_lose(connection->polling);
    } else if (connection->is_open_at_client && !connection->is_lost) {
        connection->peer->severed(connection->context, connection,
                                  ping_interval + connection_doubt(connection));
    }
    connection->is_lost = true;
}

void connection_choke(struct connection *connection, int64_t duration)
{
    connection->choked_until = connection->world->now + duration;
    if (connection->polling != NULL) {
        polling_choke(connection->polling, duration);
    }
}
