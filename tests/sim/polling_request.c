#include "tests/sim/polling_internal.h"

#include <stdlib.h>
#include <string.h>
#include <utlist.h>

#include "edge/engineio_http.h"
#include "edge/http/http.h"
#include "proto/base/memory.h"

/* --- at the edge ------------------------------------------------------------------------------ */

struct request {
    struct poll_exchange exchange; /* first */
    struct polling *polling;       /* borrows */
    struct actor_edge *edge;       /* borrows */
    uint64_t edge_life;
    uint64_t number;
    bool is_get;
    bool is_relayed;
    struct buffer body;
    struct request *prev, *next; /* polling->requests */
};

static void request_free(struct request *request)
{
    DL_DELETE(request->polling->requests, request);
    buffer_deinit(&request->body);
    free(request);
}

/* Of one that does not run any more: its host says that nobody listens, or nobody says anything. */
static void fail(struct request *request)
{
    struct world *world = request->edge->actor.world;
    struct connection *self = request->polling->self;
    if (!request->edge->dies_silently) {
        polling_respond(request->polling, request->number, 0, SLICE_EMPTY,
                        chance_between(&world->chance, 0, POLLING_NOTICE_MS_MAX));
    } else if (self->is_open_at_client && request->polling->state != POLLING_UPGRADED) {
        self->peer->severed(self->context, self, connection_doubt(self)); /* it waits in vain */
    }
    request_free(request);
}

static void answered(struct poll_exchange *exchange, int status, const char *content_type,
                     struct slice body)
{
    struct request *request = (struct request *)exchange;
    struct polling *polling = request->polling;
    (void)content_type;
    if (!request->edge->actor.is_running) {
        fail(request);
        return;
    }
    if (exchange->opened != NULL) {
        memcpy(polling->sid, exchange->opened, SESSION_ID_LENGTH);
    }
    polling_respond(polling, request->number, status, body,
                    chance_between(&request->edge->actor.world->chance, 0, POLLING_DELAY_MS_MAX));
    request_free(request);
}

/* As engineio_http.c: here, or where the session is. */
static void serve(struct request *request, int64_t now)
{
    struct actor_edge *edge = request->edge;
    struct polling *polling = request->polling;
    struct relay_request relayed = {.method = request->is_get ? HTTP_GET_METHOD : HTTP_POST_METHOD,
                                    .revision = 4,
                                    .sid = slice_of_string(polling->sid),
                                    .body = buffer_slice(&request->body)};
    const struct session_opening opening = {.revision = 4,
                                            .takes_offsets = polling->self->takes_offsets};
    if (polling->sid[0] == '\0' && actor_edge_accepts(edge)) {
        session_open_polling(edge->sessions, &opening, &request->exchange, now);
    } else if (polling->sid[0] == '\0') {
        fail(request);
    } else if (memcmp(polling->sid, edge->actor.incarnation, INCARNATION_LENGTH) == 0 ||
               session_find(edge->sessions, relayed.sid) != NULL) {
        engineio_relayed_request(edge->sessions, &relayed, &request->exchange, now);
    } else {
        request->is_relayed = true;
        if (!peers_relay(edge->peers, &relayed, &request->exchange, now)) {
            answered(&request->exchange, 400, NULL, SLICE_EMPTY); /* Session ID unknown */
        }
    }
}

struct arrival {
    struct input input; /* first */
    struct request *request;
};

static void handle_arrival(struct actor *actor, struct input *input)
{
    struct arrival *arrival = (struct arrival *)input;
    struct request *request = arrival->request;
    arrival->request = NULL;
    serve(request, actor_now(actor).now);
}

static void discard_arrival(struct input *input)
{
    struct arrival *arrival = (struct arrival *)input;
    if (arrival->request != NULL) {
        fail(arrival->request); /* it died before it could look */
    }
    free(arrival);
}

/* The client lets go of a request. */
struct departure {
    struct input input; /* first */
    struct polling *polling;
    uint64_t number;
};

static void handle_departure(struct actor *actor, struct input *input)
{
    struct departure *departure = (struct departure *)input;
    struct request *request;
    LL_SEARCH_SCALAR(departure->polling->requests, request, number, departure->number);
    if (request == NULL) {
        return;
    }
    if (request->is_relayed) {
        peers_exchange_gone(request->edge->peers, &request->exchange);
    } else {
        session_exchange_gone(request->edge->sessions, &request->exchange, actor_now(actor).now);
    }
    request_free(request);
}

static void discard_departure(struct input *input)
{
    free(input);
}

/* --- requests of the client ------------------------------------------------------------------- */

struct actor_edge *polling_any_edge(struct polling *polling)
{
    return &polling->edges[chance_below(&polling->self->world->chance, polling->edge_count)];
}

uint64_t polling_ask(struct polling *polling, bool is_get, struct slice body)
{
    static const struct input_class class = {handle_arrival, discard_arrival};
    struct world *world = polling->self->world;
    struct request *request = memory_allocate_zeroed(sizeof(*request));
    request->exchange.answer = answered;
    request->polling = polling;
    request->edge = polling_any_edge(polling);
    for (size_t i = 0; i < 3 && !actor_edge_accepts(request->edge); i++) {
        request->edge = polling_any_edge(polling); /* a balancer looks who is ready */
    }
    request->edge_life = request->edge->actor.life;
    request->number = ++polling->last_number;
    request->is_get = is_get;
    buffer_append_slice(&request->body, body);
    DL_APPEND(polling->requests, request);
    uint64_t number = request->number;
    if (polling->self->is_lost) {
        request_free(request); /* and waits for ever */
    } else if (!request->edge->actor.is_running) {
        polling_respond(polling, number, 0, SLICE_EMPTY,
                        chance_between(&world->chance, 0, POLLING_NOTICE_MS_MAX));
        request_free(request); /* nobody listens */
    } else {
        struct arrival *arrival = memory_allocate_zeroed(sizeof(*arrival));
        arrival->input.class = &class;
        arrival->request = request;
        actor_post(&request->edge->actor, &arrival->input,
                   chance_between(&world->chance, 0, world->is_calm ? 1 : POLLING_DELAY_MS_MAX));
    }
    return number;
}

/* The tab is closed: nobody waits for answers any more. */
void polling_let_go(struct polling *polling, uint64_t number)
{
    static const struct input_class class = {handle_departure, discard_departure};
    struct world *world = polling->self->world;
    struct request *request;
    LL_SEARCH_SCALAR(polling->requests, request, number, number);
    if (request == NULL || !request->edge->actor.is_running ||
        request->edge->actor.life != request->edge_life) {
        return;
    }
    struct departure *departure = memory_allocate_zeroed(sizeof(*departure));
    departure->input.class = &class;
    departure->polling = polling;
    departure->number = number;
    /* Not before it has arrived. */
    actor_post(&request->edge->actor, &departure->input,
               POLLING_DELAY_MS_MAX + chance_between(&world->chance, 0, POLLING_NOTICE_MS_MAX));
}

/* --- the end ---------------------------------------------------------------------------------- */

void polling_requests_end(struct polling *polling, struct actor_edge *edge)
{
    struct request *request, *next;
    DL_FOREACH_SAFE (polling->requests, request, next) {
        if (request->is_relayed && request->edge == edge) {
            peers_exchange_gone(edge->peers, &request->exchange);
            fail(request);
        }
    }
}

void polling_requests_free(struct polling *polling)
{
    while (polling->requests != NULL) {
        request_free(polling->requests);
    }
}
