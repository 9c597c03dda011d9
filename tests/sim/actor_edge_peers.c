#include "tests/sim/actor_edge.h"

#include <stdlib.h>
#include <string.h>

#include "proto/base/memory.h"

/*
 * Between edges ZeroMQ keeps the order, and repeats nothing: what is on its way when a connection
 * breaks is lost.
 */

struct peer_frame {
    struct input input;                /* first */
    char from[INCARNATION_LENGTH + 1]; /* empty: an answer */
    size_t length;
    char bytes[];
};

static void handle(struct actor *actor, struct input *input)
{
    struct actor_edge *self = (struct actor_edge *)actor;
    struct peer_frame *frame = (struct peer_frame *)input;
    peers_receive(self->peers, slice_of_string(frame->from), slice_of(frame->bytes, frame->length),
                  actor_now(actor).now);
}

static void discard(struct input *input)
{
    free(input);
}

static bool send_frame(struct actor_edge *self, struct slice to, bool is_answer,
                       struct slice header, struct slice body)
{
    static const struct input_class class = {handle, discard};
    struct world *world = self->actor.world;
    const struct profile *profile = world->profile;
    size_t at = 0;
    while (at < self->count && !slice_is(to, self->all[at].actor.incarnation)) {
        at++;
    }
    if (!world->is_calm && chance_happens(&world->chance, profile->refuse)) {
        return false;
    }
    if (at == self->count || !self->actor.is_running || !self->all[at].actor.is_running ||
        (!world->is_calm && chance_happens(&world->chance, profile->drop))) {
        return true; /* lost */
    }
    struct peer_frame *frame = memory_allocate(sizeof(*frame) + header.length + body.length);
    *frame = (struct peer_frame){.input = {.class = &class}, .length = header.length + body.length};
    if (!is_answer) {
        memcpy(frame->from, self->actor.incarnation, INCARNATION_LENGTH);
    }
    memcpy(frame->bytes, header.data, header.length);
    if (body.length > 0) {
        memcpy(frame->bytes + header.length, body.data, body.length);
    }
    int64_t most = world->is_calm ? 1 : profile->delay_max;
    int64_t arrival = world->now + chance_between(&world->chance, 0, most);
    self->peer_arrival[at] = arrival > self->peer_arrival[at] ? arrival : self->peer_arrival[at];
    actor_post(&self->all[at].actor, &frame->input, self->peer_arrival[at] - world->now);
    return true;
}

static void on_connect(void *context, struct slice incarnation, struct slice address)
{
    (void)context;
    (void)incarnation;
    (void)address; /* everybody reaches everybody */
}

static void on_disconnect(void *context, struct slice incarnation)
{
    struct actor_edge *self = context;
    if (self->moves != NULL) {
        moves_edge_gone(self->moves, incarnation, actor_now(&self->actor).now);
    }
}

static bool transmit(void *context, struct slice incarnation, struct slice header,
                     struct slice body)
{
    return send_frame(context, incarnation, false, header, body);
}

static bool answer(void *context, struct slice routing_id, struct slice header, struct slice body)
{
    return send_frame(context, routing_id, true, header, body);
}

static void serve(void *context, const struct relay_request *request,
                  struct poll_exchange *exchange, int64_t now)
{
    struct actor_edge *self = context;
    engineio_relayed_request(self->sessions, request, exchange, now);
}

static void gone(void *context, struct poll_exchange *exchange, int64_t now)
{
    struct actor_edge *self = context;
    session_exchange_gone(self->sessions, exchange, now);
}

static void recall(void *context, struct poll_exchange *exchange, int64_t now)
{
    struct actor_edge *self = context;
    session_exchange_recall(self->sessions, exchange, now);
}

static void move(void *context, struct slice routing_id, const struct bus_message *message,
                 int64_t now)
{
    struct actor_edge *self = context;
    moves_receive(self->moves, routing_id, message, now);
}

const struct peers_operations actor_edge_peers_operations = {
    on_connect, on_disconnect, transmit, answer, serve, gone, recall, move};
