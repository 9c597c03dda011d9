#include "tests/sim/actor_edge.h"

#include "proto/base/version.h"
#include "tests/sim/askers.h"
#include "tests/sim/connection.h"

static struct actor_edge *self_of(struct actor *actor)
{
    return (struct actor_edge *)actor;
}

static int64_t now_of(const struct actor_edge *self)
{
    return actor_now(&self->actor).now;
}

static bool uplink_transmit(void *context, struct slice header, struct slice body)
{
    struct actor_edge *self = context;
    return channel_transmit(self->channel, header, body);
}

static uint64_t uplink_synchronise(void *context, int64_t now)
{
    struct actor_edge *self = context;
    peers_unsettle(self->peers, now);
    return chat_synchronise(self->chat, now);
}

static void uplink_deliver(void *context, const struct bus_message *message, int64_t now)
{
    struct actor_edge *self = context;
    if (message->type == BUS_PEERS) {
        peers_update(self->peers, &message->peers, now);
    } else if (message->type == BUS_MARKED) {
        moves_marked(self->moves, message->marked.move, now);
    } else {
        chat_deliver(self->chat, message, now);
    }
}

static const struct uplink_operations uplink_operations = {uplink_transmit, uplink_synchronise,
                                                           uplink_deliver};

static int64_t wall_clock(void *context)
{
    struct actor_edge *self = context;
    return actor_now(&self->actor).wall;
}

static void start_peers(struct actor_edge *self)
{
    const struct session_settings *session = &self->settings->session;
    struct slice incarnation = slice_of_string(self->actor.incarnation);
    struct peers_settings peers = {.incarnation = incarnation,
                                   .deadline = session->ping_interval + session->ping_timeout,
                                   .relays_max = 1000};
    struct moves_settings moves = {.incarnation = incarnation,
                                   .upgrade_timeout = session->upgrade_timeout,
                                   .moves_max = 1000,
                                   .held_max = session->outbox_max_bytes};
    self->peers = peers_new(&peers, &actor_edge_peers_operations, self);
    self->moves = moves_new(&moves, self->sessions, self->peers, self->uplink, &self->actor.ids);
}

static void start(struct actor *actor)
{
    struct actor_edge *self = self_of(actor);
    struct chat_settings chat_settings = self->settings->chat;
    struct bus_hello hello = {.role = BUS_ROLE_EDGE,
                              .incarnation = slice_of_string(actor->incarnation),
                              .name = slice_of_string(actor->name),
                              .peer_address = SLICE_LITERAL("tcp://127.0.0.1:1"),
                              .program_version = SLICE_LITERAL(ELIZAMQ_VERSION)};
    chat_settings.edge_name = actor->name;
    chat_settings.incarnation = slice_of_string(actor->incarnation);
    self->uplink = uplink_new(&self->settings->uplink, &uplink_operations, self, &actor->ids,
                              &hello, now_of(self));
    self->chat = chat_new(&chat_settings, &actor->ids);
    chat_set_wall_clock(self->chat, wall_clock, self);
    chat_set_uplink(self->chat, self->uplink);
    self->sessions = session_table_new(&self->settings->session, &chat_socket_application,
                                       self->chat, &actor->ids, actor->incarnation, now_of(self));
    chat_set_sessions(self->chat, self->sessions);
    self->rest =
        rest_new(&self->settings->rest, self->chat, self->uplink, &actor->ids, now_of(self));
    rest_set_wall_clock(self->rest, wall_clock, self);
    start_peers(self);
    self->isolation = (struct isolation){0};
    self->links = 0;
    self->linked_at = actor->world->now;
    channel_connect(self->channel, 0);
}

void actor_edge_receive(struct actor *actor, struct slice frame)
{
    uplink_receive(self_of(actor)->uplink, frame, now_of(self_of(actor)));
}

bool actor_edge_accepts(const struct actor_edge *edge)
{
    return edge->actor.is_running && !edge->actor.is_stopping;
}

/* As drain() and finish() of edge/main.c. */
static void drain(struct actor_edge *self)
{
    int64_t now = now_of(self);
    bool must_end = self->actor.world->now >= self->stop_deadline;
    size_t due = drain_due(&self->drain, now, id_random_u64(&self->actor.ids));
    self->drain.closed += session_table_close_batch(self->sessions, must_end ? SIZE_MAX : due,
                                                    !must_end, SESSION_CLOSE_SERVER, now);
    connections_look(*self->connections, self);
    peers_recall(self->peers);
    bool is_done =
        session_table_count(self->sessions) == 0 && peers_counters(self->peers)->waiting == 0 &&
        uplink_counters(self->uplink)->waiting == 0 && rest_counters(self->rest)->waiting == 0;
    if (is_done || must_end) {
        session_table_flush(self->sessions, now);
        uplink_say_goodbye(self->uplink, now);
        actor_kill(&self->actor);
    }
}

/* The same of edge/main.c: the router is away for too long. */
static void move_on(struct actor_edge *self)
{
    int64_t now = now_of(self);
    size_t due = isolation_due(
        &self->isolation, uplink_is_ready(self->uplink, now), session_table_count(self->sessions),
        self->settings->isolation_timeout, now, id_random_u64(&self->actor.ids));
    isolation_closed(&self->isolation, session_table_close_batch(self->sessions, due, false,
                                                                 SESSION_CLOSE_ISOLATED, now));
    connections_look(*self->connections, self);
}

static void tick(struct actor *actor)
{
    struct actor_edge *self = self_of(actor);
    int64_t now = now_of(self);
    uplink_tick(self->uplink, now);
    chat_tick(self->chat, now);
    session_table_tick(self->sessions, now);
    peers_tick(self->peers, now);
    moves_tick(self->moves, now);
    rest_tick(self->rest, now);
    if (actor->is_stopping) {
        drain(self);
    } else {
        move_on(self);
    }
}

static void flush(struct actor *actor)
{
    struct actor_edge *self = self_of(actor);
    session_table_flush(self->sessions, now_of(self));
    moves_flush(self->moves, now_of(self));
    uplink_flush(self->uplink, now_of(self));
    if (self->links != uplink_counters(self->uplink)->links_opened) {
        self->links = uplink_counters(self->uplink)->links_opened;
        self->linked_at = actor->world->now;
    }
}

static void stop(struct actor *actor)
{
    struct actor_edge *self = self_of(actor);
    size_t sessions = session_table_count(self->sessions);
    self->stop_deadline = actor->world->now + self->settings->drain_timeout;
    drain_begin(&self->drain, sessions, self->settings->drain_timeout / 2, now_of(self));
    session_table_stop_opening(self->sessions);
}

static void destroy(struct actor *actor)
{
    struct actor_edge *self = self_of(actor);
    connections_edge_ends(*self->connections, self);
    askers_edge_ends(self->askers, self);
    self->moved += moves_counters(self->moves)->in;
    moves_destroy(&self->moves, now_of(self));
    peers_destroy(&self->peers, now_of(self));
    rest_destroy(&self->rest);
    session_table_destroy(&self->sessions);
    uplink_destroy(&self->uplink, now_of(self));
    chat_destroy(&self->chat);
    channel_break(self->channel, actor_linger(actor));
}

const struct actor_class actor_edge_class = {start, tick, flush, stop, destroy};
