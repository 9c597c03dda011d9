#include "tests/sim/connection.h"

#include <stdlib.h>
#include <string.h>

#include "proto/base/memory.h"

enum {
    DELAY_MS_MAX = 4,
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

/* --- towards the edge --------------------------------------------------------------------------- */

enum upward_kind { UPWARD_OPEN, UPWARD_TEXT, UPWARD_GONE, UPWARD_WRITABLE };

struct upward {
    struct input input; /* first */
    struct connection *connection;
    enum upward_kind kind;
    size_t length;
    char text[];
};

static void close_at_client(struct connection *connection, int64_t most);

static void open_at_edge(struct connection *connection, int64_t now)
{
    const struct session_opening opening = {.revision = 4,
                                            .remote_address = "127.0.0.1",
                                            .takes_offsets = connection->takes_offsets};
    struct actor_edge *edge = connection->edge;
    connection->is_open_at_edge = true;
    if (!actor_edge_accepts(edge) ||
        !session_open_websocket(edge->sessions, &opening, &connection->websocket, now)) {
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
    *upward = (struct upward){.input = {.class = &class},
                              .connection = connection,
                              .kind = kind,
                              .length = text.length};
    if (text.length > 0) {
        memcpy(upward->text, text.data, text.length);
    }
    actor_post(&connection->edge->actor, &upward->input, delay);
}

static int64_t arrival_at_edge(struct connection *connection, int64_t most)
{
    return arrival(connection, &connection->last_to_edge, most);
}

/* --- towards the client ------------------------------------------------------------------------- */

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

/* A client that reads nothing answers no ping: it counts as lost since the last one it answered. */
static int64_t doubt_of(const struct connection *connection)
{
    const struct session_settings *settings = &connection->edge->settings->session;
    bool was_choked = connection->choked_until > 0;
    return DOUBT_MS + (was_choked ? settings->ping_interval + settings->ping_timeout : 0);
}

static void close_websocket(struct websocket *websocket, int code)
{
    struct connection *connection = (struct connection *)websocket;
    (void)code;
    bool is_killed = !connection->edge->actor.is_running;
    connection->is_open_at_edge = false;
    if (connection->is_open_at_client) {
        connection->peer->severed(connection->context, connection, doubt_of(connection));
    }
    if (is_killed && connection->edge->dies_silently) {
        connection->is_lost = true; /* its host went down: no kernel answers for it */
    } else {
        close_at_client(connection, NOTICE_MS_MAX);
    }
}

static const struct websocket_operations operations = {send_packets, close_websocket};

/* --- the client's side -------------------------------------------------------------------------- */

struct connection *connection_open(struct connection **all, struct actor_edge *edge,
                                   bool takes_offsets, const struct connection_peer *peer,
                                   void *context)
{
    struct connection *connection = memory_allocate_zeroed(sizeof(*connection));
    connection->websocket.operations = &operations;
    connection->world = edge->actor.world;
    connection->edge = edge;
    connection->edge_life = edge->actor.life;
    connection->takes_offsets = takes_offsets;
    connection->peer = peer;
    connection->context = context;
    connection->is_open_at_client = true;
    connection->next = *all;
    *all = connection;
    if (actor_edge_accepts(edge)) {
        post_upward(connection, UPWARD_OPEN, SLICE_EMPTY,
                    arrival_at_edge(connection, DELAY_MS_MAX));
    } else {
        close_at_client(connection, NOTICE_MS_MAX);
    }
    return connection;
}

void connections_destroy(struct connection **all)
{
    while (*all != NULL) {
        struct connection *connection = *all;
        *all = connection->next;
        free(connection);
    }
}

void connection_send(struct connection *connection, struct slice text)
{
    if (connection->is_open_at_client) {
        post_upward(connection, UPWARD_TEXT, text, arrival_at_edge(connection, DELAY_MS_MAX));
    }
}

void connection_close(struct connection *connection)
{
    if (connection->is_open_at_client) {
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
    connection->peer->severed(connection->context, connection, doubt_of(connection));
    post_upward(connection, UPWARD_GONE, SLICE_EMPTY,
                arrival_at_edge(connection, NOTICE_MS_MAX));
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
    if (connection->is_open_at_client && !connection->is_lost) {
        connection->peer->severed(connection->context, connection,
                                  ping_interval + doubt_of(connection));
    }
    connection->is_lost = true;
}

void connection_choke(struct connection *connection, int64_t duration)
{
    connection->choked_until = connection->world->now + duration;
}
