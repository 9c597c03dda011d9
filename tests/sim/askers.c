#include "tests/sim/askers.h"

#include <stdio.h>
#include <stdlib.h>
#include <utlist.h>

#include "edge/http/http.h"
#include "edge/rest/rest.h"
#include "proto/base/json.h"
#include "proto/base/memory.h"
#include "tests/sim/client.h"
#include "tests/sim/oracle.h"

enum {
    ASKED_PER_MILLE = 250, /* of the seeds */
    LEAVES_PER_MILLE = 30, /* of the looks at an answer that has not come */
    THINK_MS_MAX = 900,
    ASKS_MAX = 6,
    SLACK_MS = 15000, /* behind the timeout: deadlines and pauses of the edge */
    SEED_SALT = 913
};

/* One request at one edge; stands in for edge/http/exchange.c. */
struct http_exchange {
    bool is_open; /* neither answered nor gone */
    void (*closed)(struct http_exchange *exchange, void *context);
    void *context;
};

struct ask {
    struct http_exchange exchange; /* first */
    struct askers *askers;         /* borrows */
    unsigned number;
    unsigned room;
    char sender[16];
    struct actor_edge *edge; /* borrows: of the exchange */
    int64_t asked_at;
    bool is_settled;   /* answered, or its caller does not wait any more */
    bool was_accepted; /* answered so that somebody was asked */
    const struct stored_message *question;
    struct ask *next;
};

/* --- what is answered ------------------------------------------------------------------------- */

static void check_reply(const struct ask *ask, struct slice body)
{
    struct world *world = ask->askers->world;
    struct arena arena;
    struct slice object;
    arena_init(&arena);
    json_scan(body, JSON_MAX_DEPTH, &object);
    struct slice response = json_get(object, "agentResponse");
    struct slice id = json_decode_string(json_get(response, "responseId"), &arena);
    struct slice text = json_decode_string(json_get(response, "text"), &arena);
    const struct stored_message *reply = memory_store_message(ask->askers->store, id);
    bool is_cancelled = json_type(json_get(response, "cancelled")) == JSON_TRUE;
    bool may_be_cancelled = world->profile->controls > 0 || !memory_store_shows(ask->question);
    if (is_cancelled ? !may_be_cancelled
                     : reply == NULL || !oracle_is_text_of(reply, text) ||
                           !slice_equals(reply->record.in_reply_to, ask->question->record.id)) {
        world_fail(world, "sync", "?%u is answered as it is not: %.*s", ask->number,
                   (int)body.length, body.data);
    }
    arena_deinit(&arena);
}

/* Nothing of it was given; or it was, and is gone. */
static bool has_no_reply(const struct ask *ask)
{
    const struct stored_room *room = ask->question->room;
    for (size_t i = 0; i < room->count; i++) {
        const struct stored_message *message = room->messages[i];
        if (memory_store_shows(message) &&
            slice_equals(message->record.in_reply_to, ask->question->record.id)) {
            return false;
        }
    }
    return true;
}

static void answered(struct ask *ask, int status, struct slice body)
{
    struct world *world = ask->askers->world;
    bool may_repeat = status == 503 || status == 429;
    world_tell(world, "?%u is answered %d %.*s", ask->number, status, (int)body.length, body.data);
    ask->is_settled = ask->is_settled || !may_repeat;
    ask->was_accepted = ask->was_accepted || status == 201 || status == 502 || status == 504;
    if (may_repeat) {
        return;
    }
    if (ask->askers->is_refused) {
        if (status != 403 || ask->question != NULL) {
            world_fail(world, "isolation", "?%u is answered %d", ask->number, status);
        }
    } else if (ask->question == NULL) {
        world_fail(world, "sync", "?%u is answered %d and not stored", ask->number, status);
    } else if (status == 201) {
        check_reply(ask, body);
    } else if (status == 400 || status == 502) {
        bool is_one_of_two = status == 502; /* the other agent's answer may be there */
        if (!is_one_of_two && !has_no_reply(ask)) {
            world_fail(world, "sync", "?%u has a reply and is told that there is none",
                       ask->number);
        }
    } else if (status != 504) {
        world_fail(world, "sync", "?%u is answered %d", ask->number, status);
    }
}

void http_respond(struct http_exchange *exchange, int status, const char *content_type,
                  struct slice body)
{
    struct ask *ask = (struct ask *)exchange;
    (void)content_type;
    if (!exchange->is_open) {
        world_fail(ask->askers->world, "sync", "?%u is answered twice", ask->number);
        return;
    }
    exchange->is_open = false;
    answered(ask, status, body);
}

void http_exchange_on_closed(struct http_exchange *exchange,
                             void (*closed)(struct http_exchange *exchange, void *context),
                             void *context)
{
    exchange->closed = closed;
    exchange->context = context;
}

void http_add_header(struct http_exchange *exchange, const char *name, struct slice value)
{
    (void)exchange;
    (void)name;
    (void)value;
}

/* Nobody here asks for a stream or a file, or sends one. */
static void refuse(struct http_exchange *exchange, const char *what)
{
    struct ask *ask = (struct ask *)exchange;
    world_fail(ask->askers->world, "sync", "?%u gets %s", ask->number, what);
}

void http_respond_file(struct http_exchange *exchange, int status, const char *content_type,
                       int descriptor, int64_t offset, uint64_t length)
{
    (void)status;
    (void)content_type;
    (void)descriptor;
    (void)offset;
    (void)length;
    refuse(exchange, "a file");
}

void http_body_take(struct http_exchange *exchange, const struct http_body_taker *taker,
                    int64_t deadline)
{
    (void)taker;
    (void)deadline;
    refuse(exchange, "an upload");
}

void http_body_pause(struct http_exchange *exchange)
{
    (void)exchange;
}

void http_body_resume(struct http_exchange *exchange)
{
    (void)exchange;
}

void http_stream_start(struct http_exchange *exchange, int status, const char *content_type)
{
    (void)status;
    (void)content_type;
    refuse(exchange, "a stream");
}

int http_stream_write(struct http_exchange *exchange, struct slice bytes)
{
    (void)exchange;
    (void)bytes;
    return 0;
}

bool http_stream_is_behind(struct http_exchange *exchange, size_t most)
{
    (void)exchange;
    (void)most;
    return false;
}

void http_stream_end(struct http_exchange *exchange)
{
    (void)exchange;
}

void http_exchange_detach(struct http_exchange *exchange,
                          void (*taken)(void *context, int descriptor, struct slice head),
                          void *context)
{
    (void)taken;
    (void)context;
    refuse(exchange, "a WebSocket");
}

/* --- asking ----------------------------------------------------------------------------------- */

static void hang_up(struct ask *ask)
{
    struct http_exchange *exchange = &ask->exchange;
    if (exchange->is_open) {
        exchange->is_open = false;
        if (exchange->closed != NULL) {
            exchange->closed(exchange, exchange->context);
        }
    }
}

void askers_edge_ends(struct askers *askers, const struct actor_edge *edge)
{
    struct ask *ask;
    LL_FOREACH (askers->asks, ask) {
        if (ask->edge == edge) {
            hang_up(ask);
        }
    }
}

static void say(struct ask *ask)
{
    static const struct http_header header = {SLICE_LITERAL("content-type"),
                                              SLICE_LITERAL("application/json")};
    struct askers *askers = ask->askers;
    struct actor_edge *edge = &askers->edges[chance_below(&askers->chance, askers->edge_count)];
    struct buffer path = BUFFER_EMPTY, body = BUFFER_EMPTY;
    if (!actor_edge_accepts(edge)) {
        return;
    }
    buffer_append_format(&path, "/api/messaging/channels/%s/messages", room_name(ask->room));
    buffer_append_format(&body,
                         "{\"mode\":\"sync\",\"entityId\":\"%s\",\"messageId\":\"ask\","
                         "\"text\":\"?%u tell me\"}",
                         ask->sender, ask->number);
    struct http_request request = {.method = HTTP_POST_METHOD,
                                   .path = buffer_slice(&path),
                                   .body = buffer_slice(&body),
                                   .headers = &header,
                                   .header_count = 1,
                                   .remote_address = "192.0.2.1"};
    world_tell(askers->world, "?%u is asked of %s", ask->number, edge->actor.name);
    ask->exchange = (struct http_exchange){.is_open = true};
    ask->edge = edge;
    ask->asked_at = askers->world->now;
    rest_handle(edge->rest, &ask->exchange, &request, NULL, actor_now(&edge->actor).now);
    actor_wake(&edge->actor, 0);
    buffer_deinit(&path);
    buffer_deinit(&body);
}

static void look_at(struct ask *ask)
{
    struct askers *askers = ask->askers;
    struct world *world = askers->world;
    if (ask->is_settled) {
        return;
    }
    if (!ask->exchange.is_open) {
        say(ask);
    } else if (world->now - ask->asked_at > askers->timeout + SLACK_MS) {
        world_fail(world, "sync", "?%u waits for %lld ms", ask->number,
                   (long long)(world->now - ask->asked_at));
    } else if (!world->is_calm && chance_happens(&askers->chance, LEAVES_PER_MILLE)) {
        world_tell(world, "who asked ?%u leaves", ask->number);
        ask->is_settled = true;
        hang_up(ask);
        actor_wake(&ask->edge->actor, 0);
    }
}

static void think(void *context, uint64_t argument)
{
    struct askers *askers = context;
    struct world *world = askers->world;
    struct ask *ask;
    (void)argument;
    if (!world->is_calm && askers->count < ASKS_MAX) {
        ask = memory_allocate_zeroed(sizeof(*ask));
        ask->askers = askers;
        ask->number = ++askers->count;
        ask->room = (unsigned)chance_below(&askers->chance, askers->room_count);
        snprintf(ask->sender, sizeof(ask->sender), "asker-%u", ask->number);
        LL_PREPEND(askers->asks, ask);
    }
    LL_FOREACH (askers->asks, ask) {
        look_at(ask);
    }
    world_after(world, chance_between(&askers->chance, 50, THINK_MS_MAX), think, askers, 0);
}

/* --- the whole -------------------------------------------------------------------------------- */

void askers_init(struct askers *askers, struct world *world, struct memory_store *store,
                 struct actor_edge *edges)
{
    static const int64_t timeouts[] = {400, 2000, 25000};
    *askers = (struct askers){
        .world = world, .store = store, .edges = edges, .chance = {world->seed + SEED_SALT}};
    askers->timeout = timeouts[chance_below(&askers->chance, 3)];
}

void askers_deinit(struct askers *askers)
{
    while (askers->asks != NULL) {
        struct ask *ask = askers->asks;
        askers->asks = ask->next;
        free(ask);
    }
}

void askers_begin(struct askers *askers, size_t edge_count, unsigned room_count)
{
    askers->edge_count = edge_count;
    askers->room_count = room_count;
    if (chance_happens(&askers->chance, ASKED_PER_MILLE)) {
        world_after(askers->world, chance_between(&askers->chance, 500, 2000), think, askers, 0);
    }
}

bool askers_are_settled(const struct askers *askers)
{
    const struct ask *ask;
    LL_FOREACH (askers->asks, ask) {
        if (!ask->is_settled) {
            return false;
        }
    }
    return true;
}

static bool has_job(const struct ask *ask)
{
    const struct stored_job *job;
    for (job = ask->askers->store->jobs; job != NULL; job = job->hh.next) {
        if (slice_equals(job->record.question, ask->question->record.id)) {
            return true;
        }
    }
    return false;
}

void askers_check_end(const struct askers *askers)
{
    const struct ask *ask;
    LL_FOREACH (askers->asks, ask) {
        if (ask->was_accepted && !has_job(ask)) {
            world_fail(askers->world, "sync", "?%u was told of an agent, and none was asked",
                       ask->number);
        }
    }
}

bool askers_committed(struct askers *askers, struct stored_message *message, struct slice sender,
                      struct slice text)
{
    struct ask *ask;
    char expected[32];
    LL_FOREACH (askers->asks, ask) {
        if (slice_is(sender, ask->sender)) {
            break;
        }
    }
    if (ask == NULL) {
        return false;
    }
    snprintf(expected, sizeof(expected), "?%u tell me", ask->number);
    if (askers->is_refused) {
        world_fail(askers->world, "isolation", "?%u is stored in a closed room", ask->number);
    } else if (ask->question != NULL) {
        world_fail(askers->world, "exactly-once", "?%u is stored twice", ask->number);
    } else if (!slice_is(text, expected) ||
               !slice_is(message->room->record.id, room_name(ask->room))) {
        world_fail(askers->world, "committed", "?%u is stored as it is not", ask->number);
    }
    ask->question = message;
    return true;
}
