#include "tests/sim/polling_internal.h"

#include <stdlib.h>
#include <string.h>

#include "proto/base/memory.h"

enum {
    UPGRADE_MS_MAX = 400, /* from the handshake to the probe */
    SEPARATOR = 0x1e
};

/* --- asking ----------------------------------------------------------------------------------- */

static bool polls(const struct polling *polling)
{
    return polling->state == POLLING_OPEN || polling->state == POLLING_PROBING;
}

/* What is to be asked now. */
static void go_on(struct polling *polling)
{
    struct connection *self = polling->self;
    bool is_choked = self->choked_until > self->world->now && !self->world->is_calm;
    if (!polls(polling)) {
        return;
    }
    if (polling->get == 0 && !is_choked) {
        polling->get = polling_ask(polling, true, SLICE_EMPTY);
    }
    if (polling->post == 0 && polling->out.length > 0) {
        struct buffer body = polling->out;
        polling->out = BUFFER_EMPTY;
        polling->post = polling_ask(polling, false, buffer_slice(&body));
        buffer_deinit(&body);
    }
}

static void end(struct polling *polling)
{
    struct connection *self = polling->self;
    bool was_upgraded = polling->state == POLLING_UPGRADED;
    polling->state = POLLING_OVER;
    if (polling->probe != NULL) {
        connection_close(polling->probe);
    }
    if (self->is_open_at_client) {
        if (!was_upgraded) {
            self->peer->severed(self->context, self, connection_doubt(self));
        }
        self->is_open_at_client = false;
        self->peer->closed(self->context, self);
    }
}

/* --- the upgrade ------------------------------------------------------------------------------ */

static void upgrade_when_quiet(struct polling *polling)
{
    if (polling->state != POLLING_PAUSED || polling->get != 0 || polling->post != 0) {
        return;
    }
    polling->state = POLLING_UPGRADED;
    polling->self->former_edge = polling->self->edge;
    polling->self->edge = polling->probe->edge;
    world_tell(polling->self->world, "%s is upgraded at %s", polling->sid,
               polling->self->edge->actor.name);
    connection_send(polling->probe, SLICE_LITERAL("5"));
    const char *at = polling->out.data;
    for (size_t left = polling->out.length; left > 0;) {
        const char *found = memchr(at, SEPARATOR, left);
        size_t length = found == NULL ? left : (size_t)(found - at);
        connection_send(polling->probe, slice_of(at, length));
        length += found != NULL;
        at += length;
        left -= length;
    }
    buffer_clear(&polling->out);
}

static void probe_received(void *context, struct connection *probe, struct slice packet)
{
    struct polling *polling = context;
    struct connection *self = polling->self;
    if (polling->state == POLLING_UPGRADED) {
        self->peer->received(self->context, self, packet);
    } else if (polling->state == POLLING_PROBING && slice_is(packet, "3probe")) {
        polling->state = POLLING_PAUSED;
        upgrade_when_quiet(polling);
    } else if (polling->state != POLLING_OVER) {
        world_fail(probe->world, "protocol", "a probe hears %.*s", (int)packet.length, packet.data);
    }
}

static void probe_severed(void *context, struct connection *probe, int64_t doubt)
{
    struct polling *polling = context;
    struct connection *self = polling->self;
    /* It has paused, and nobody tells it that it pauses for nothing. */
    bool is_stuck = polling->state == POLLING_PAUSED && !probe->edge->actor.is_running &&
                    probe->edge->dies_silently;
    if ((polling->state == POLLING_UPGRADED || is_stuck) && self->is_open_at_client) {
        self->peer->severed(self->context, self, doubt);
    }
}

static void probe_closed(void *context, struct connection *probe)
{
    struct polling *polling = context;
    (void)probe;
    polling->probe = NULL;
    if (polling->state == POLLING_UPGRADED) {
        end(polling);
    } else if (polling->state != POLLING_OVER) {
        polling->state = POLLING_OPEN; /* it goes on as it did */
        go_on(polling);
    }
}

static const struct connection_peer probe_peer = {probe_received, probe_severed, probe_closed};

static void begin_probe(void *context, uint64_t argument)
{
    struct connection *self = context;
    struct polling *polling = self->polling;
    (void)argument;
    if (polling == NULL || polling->state != POLLING_OPEN || self->is_lost) {
        return;
    }
    polling->state = POLLING_PROBING;
    polling->probe = connection_open_upgrade(polling->all, polling_any_edge(polling),
                                             slice_of_string(polling->sid), &probe_peer, polling);
    connection_send(polling->probe, SLICE_LITERAL("2probe"));
}

/* --- answers to the client -------------------------------------------------------------------- */

struct response {
    struct task task; /* first */
    struct connection *self;
    uint64_t number;
    int status; /* 0: no answer, but the end of the connection that it was to come on */
    size_t length;
    char body[];
};

static void hear(struct polling *polling, struct slice payload)
{
    struct connection *self = polling->self;
    while (payload.length > 0 && self->is_open_at_client) {
        const char *found = memchr(payload.data, SEPARATOR, payload.length);
        size_t length = found == NULL ? payload.length : (size_t)(found - payload.data);
        struct slice packet = slice_of(payload.data, length);
        length += found != NULL;
        payload = slice_of(payload.data + length, payload.length - length);
        if (slice_is(packet, "1")) {
            end(polling);
        } else {
            self->peer->received(self->context, self, packet);
        }
    }
}

static struct actor_edge *owner_of(struct polling *polling)
{
    for (size_t i = 0; i < polling->edge_count; i++) {
        struct actor *actor = &polling->edges[i].actor;
        if (memcmp(polling->sid, actor->incarnation, INCARNATION_LENGTH) == 0) {
            return &polling->edges[i];
        }
    }
    return polling->self->edge;
}

static void opened(struct polling *polling)
{
    struct world *world = polling->self->world;
    polling->state = POLLING_OPEN;
    polling->self->edge = owner_of(polling);
    if (polling->wants_upgrade) {
        world_after(world, chance_between(&world->chance, 0, UPGRADE_MS_MAX), begin_probe,
                    polling->self, 0);
    }
}

static void run_response(struct task *task)
{
    struct response *response = (struct response *)task;
    struct connection *self = response->self;
    struct polling *polling = self->polling;
    bool is_get = response->number == polling->get;
    if (self->is_lost || (!is_get && response->number != polling->post)) {
        free(response);
        return; /* let go of */
    }
    *(is_get ? &polling->get : &polling->post) = 0;
    if (response->status != 200) {
        end(polling);
    } else {
        if (polling->state == POLLING_OPENING) {
            opened(polling);
        }
        if (is_get) {
            hear(polling, slice_of(response->body, response->length));
        }
        go_on(polling);
        upgrade_when_quiet(polling);
    }
    free(response);
}

static void discard_response(struct task *task)
{
    free(task);
}

void polling_respond(struct polling *polling, uint64_t number, int status, struct slice body,
                     int64_t delay)
{
    static const struct task_class class = {run_response, discard_response};
    struct response *response = memory_allocate(sizeof(*response) + body.length);
    *response = (struct response){{0, 0, &class}, polling->self, number, status, body.length};
    if (body.length > 0) {
        memcpy(response->body, body.data, body.length);
    }
    world_schedule(polling->self->world, &response->task, delay);
}

/* --- the client's side ------------------------------------------------------------------------ */

struct polling *polling_new(struct connection *self, struct actor_edge *edges, size_t edge_count,
                            struct connection **all, bool is_upgraded)
{
    struct polling *polling = memory_allocate_zeroed(sizeof(*polling));
    polling->self = self;
    polling->edges = edges;
    polling->edge_count = edge_count;
    polling->all = all;
    polling->wants_upgrade = is_upgraded;
    polling->get = polling_ask(polling, true, SLICE_EMPTY);
    return polling;
}

void polling_destroy(struct polling **self)
{
    struct polling *polling = *self;
    *self = NULL;
    if (polling == NULL) {
        return;
    }
    polling_requests_free(polling);
    buffer_deinit(&polling->out);
    free(polling);
}

bool polling_is_upgraded(const struct polling *polling)
{
    return polling->state == POLLING_UPGRADED;
}

void polling_send(struct polling *polling, struct slice packet)
{
    if (polling->state == POLLING_UPGRADED) {
        connection_send(polling->probe, packet);
        return;
    }
    if (polling->out.length > 0) {
        buffer_append_char(&polling->out, SEPARATOR);
    }
    buffer_append_slice(&polling->out, packet);
    go_on(polling);
}

static void drop(struct polling *polling)
{
    if (!polling->self->is_lost) {
        polling_let_go(polling, polling->get);
    }
    polling->get = polling->post = 0;
    polling->state = POLLING_OVER;
}

void polling_close(struct polling *polling)
{
    polling->self->is_open_at_client = false;
    if (polling->probe != NULL) {
        connection_close(polling->probe);
    }
    drop(polling);
}

static void notice(void *context, uint64_t argument)
{
    struct connection *self = context;
    (void)argument;
    end(self->polling);
}

void polling_cut(struct polling *polling)
{
    struct connection *self = polling->self;
    struct world *world = self->world;
    if (polling->state == POLLING_UPGRADED) {
        connection_cut(polling->probe);
        return;
    }
    self->peer->severed(self->context, self, connection_doubt(self));
    if (polling->probe != NULL) {
        connection_close(polling->probe);
    }
    drop(polling);
    world_after(world, chance_between(&world->chance, 0, POLLING_NOTICE_MS_MAX), notice, self, 0);
}

/* Only once it is upgraded: else nothing passes, and that is all. */
void polling_lose(struct polling *polling)
{
    connection_lose(polling->probe);
}

static void stop_choking(void *context, uint64_t argument)
{
    struct connection *self = context;
    (void)argument;
    if (self->polling != NULL) {
        go_on(self->polling);
    }
}

void polling_choke(struct polling *polling, int64_t duration)
{
    if (polling->state == POLLING_UPGRADED) {
        connection_choke(polling->probe, duration);
    } else {
        world_after(polling->self->world, duration, stop_choking, polling->self, 0);
    }
}

void polling_look(struct polling *polling, const struct actor_edge *edge)
{
    struct connection *self = polling->self;
    bool is_there = polling->sid[0] != '\0' && polling->state < POLLING_UPGRADED &&
                    memcmp(polling->sid, edge->actor.incarnation, INCARNATION_LENGTH) == 0;
    if (is_there && self->is_open_at_client) {
        const struct session *session = session_find(edge->sessions, slice_of_string(polling->sid));
        if (session == NULL || session_is_over(session)) {
            self->peer->severed(self->context, self, connection_doubt(self));
        }
    }
}

void polling_edge_ends(struct polling *polling, struct actor_edge *edge)
{
    struct connection *self = polling->self;
    polling_requests_end(polling, edge);
    if (polling->sid[0] != '\0' && self->is_open_at_client &&
        session_find(edge->sessions, slice_of_string(polling->sid)) != NULL) {
        self->peer->severed(self->context, self, connection_doubt(self));
    }
}
