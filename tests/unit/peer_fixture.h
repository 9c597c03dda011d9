/*
 * What the tests of relays stand on: two edges that know each other, the frames between them, and
 * polling requests of clients.
 */
#ifndef TESTS_UNIT_PEER_FIXTURE_H
#define TESTS_UNIT_PEER_FIXTURE_H

#include "edge/peer.h"
#include "proto/base/log.h"
#include "proto/wire/engineio.h"
#include "tests/unit/bus_fixture.h"

enum { DEADLINE = 45000, SETTLE = 3000, HOLD = 2000, EXCHANGES_MAX = 8 };

/* A polling request of a client. */
struct fake_exchange {
    struct poll_exchange exchange; /* first: the exchange is the fake */
    int status;                    /* 0: not answered */
    char content_type[64];         /* "-": none */
    struct buffer body;
};

/* One edge: its relays, and what it was asked to do, one line each. */
struct side {
    struct fixture *fixture;
    struct peers *peers;
    char incarnation[8];
    struct buffer calls;
    struct poll_exchange *serving[EXCHANGES_MAX]; /* borrows: what it is to answer */
    size_t serving_count;
    struct bus_frame *out;  /* owns: requests on their way to the other side */
    struct bus_frame *back; /* owns: answers on their way to the other side */
    bool is_choked;
};

struct fixture {
    struct side a, b;
    int64_t now;
    struct fake_exchange exchanges[EXCHANGES_MAX];
};

static inline void on_connect(void *context, struct slice incarnation, struct slice address)
{
    struct side *side = context;
    write_slice(&side->calls, "connect ", incarnation);
    write_slice(&side->calls, " ", address);
    buffer_append_char(&side->calls, '\n');
}

static inline void on_disconnect(void *context, struct slice incarnation)
{
    struct side *side = context;
    write_slice(&side->calls, "disconnect ", incarnation);
    buffer_append_char(&side->calls, '\n');
}

static inline bool on_transmit(void *context, struct slice incarnation, struct slice header,
                               struct slice body)
{
    struct side *side = context;
    assert_int_equal(incarnation.length, INCARNATION_LENGTH);
    if (!side->is_choked) {
        bus_frames_push(&side->out, header, body);
    }
    return !side->is_choked;
}

static inline bool on_answer(void *context, struct slice routing_id, struct slice header,
                             struct slice body)
{
    struct side *side = context;
    assert_true(slice_is(routing_id, "route"));
    bus_frames_push(&side->back, header, body);
    return true;
}

static inline void on_serve(void *context, const struct relay_request *request,
                            struct poll_exchange *exchange, int64_t now)
{
    struct side *side = context;
    assert_int_equal(now, side->fixture->now);
    buffer_append_format(&side->calls, "serve %s %d ",
                         request->method == HTTP_POST_METHOD ? "POST" : "GET", request->revision);
    buffer_append_slice(&side->calls, request->sid);
    write_slice(&side->calls, " ", request->body);
    buffer_append_char(&side->calls, '\n');
    assert_true(side->serving_count < EXCHANGES_MAX);
    side->serving[side->serving_count++] = exchange;
}

static inline void on_gone(void *context, struct poll_exchange *exchange, int64_t now)
{
    struct side *side = context;
    (void)now;
    for (size_t i = 0; i < side->serving_count; i++) {
        if (side->serving[i] == exchange) {
            buffer_append_format(&side->calls, "gone %u\n", (unsigned)i);
        }
    }
}

static inline void on_recall(void *context, struct poll_exchange *exchange, int64_t now)
{
    struct side *side = context;
    (void)now;
    buffer_append_string(&side->calls, "recall\n");
    for (size_t i = 0; i < side->serving_count; i++) {
        if (side->serving[i] == exchange) {
            side->serving[i] = NULL;
        }
    }
    exchange->answer(exchange, 200, "text/plain; charset=UTF-8", SLICE_LITERAL("6"));
}

static const struct peers_operations operations = {.connect = on_connect,
                                                   .disconnect = on_disconnect,
                                                   .transmit = on_transmit,
                                                   .answer = on_answer,
                                                   .serve = on_serve,
                                                   .gone = on_gone,
                                                   .recall = on_recall};

static inline void on_exchange_answer(struct poll_exchange *exchange, int status,
                                      const char *content_type, struct slice body)
{
    struct fake_exchange *fake = (struct fake_exchange *)(void *)exchange;
    assert_int_equal(fake->status, 0); /* once */
    fake->status = status;
    snprintf(fake->content_type, sizeof(fake->content_type), "%s",
             content_type == NULL ? "-" : content_type);
    buffer_append_slice(&fake->body, body);
}

static inline void start(struct fixture *fixture, struct side *side, const char *incarnation,
                         int64_t relays_max)
{
    side->fixture = fixture;
    snprintf(side->incarnation, sizeof(side->incarnation), "%s", incarnation);
    struct peers_settings settings = {
        .incarnation = text(side->incarnation), .deadline = DEADLINE, .relays_max = relays_max};
    side->peers = peers_new(&settings, &operations, side);
    peers_unsettle(side->peers, fixture->now - SETTLE);
}

static inline void list_edges(struct fixture *fixture, struct side *side, const char *first,
                              const char *second)
{
    struct bus_list_builder list = {BUFFER_EMPTY, 0};
    struct bus_peer one = {text(first), SLICE_LITERAL("tcp://h:1")};
    struct bus_peer two = {text(second), SLICE_LITERAL("tcp://h:2")};
    if (first != NULL) {
        bus_list_add(&list, BUS_ELEMENT_PEER, &one);
    }
    if (second != NULL) {
        bus_list_add(&list, BUS_ELEMENT_PEER, &two);
    }
    struct bus_peers peers = {bus_list_of(&list)};
    peers_update(side->peers, &peers, fixture->now);
    buffer_deinit(&list.bytes);
}

static inline int setup(void **state)
{
    struct fixture *fixture = calloc(1, sizeof(*fixture));
    log_configure("test", LOG_LEVEL_ERROR, LOG_FORMAT_LOGFMT);
    fixture->now = 1000000;
    start(fixture, &fixture->a, "edgeA1", 4);
    start(fixture, &fixture->b, "edgeB2", 4);
    list_edges(fixture, &fixture->a, "edgeA1", "edgeB2");
    list_edges(fixture, &fixture->b, "edgeA1", "edgeB2");
    for (size_t i = 0; i < EXCHANGES_MAX; i++) {
        fixture->exchanges[i].exchange.answer = on_exchange_answer;
    }
    *state = fixture;
    return 0;
}

static inline void stop(struct fixture *fixture, struct side *side)
{
    peers_destroy(&side->peers, fixture->now);
    assert_null(side->peers);
    bus_frames_lose(&side->out);
    bus_frames_lose(&side->back);
    buffer_deinit(&side->calls);
}

static inline int teardown(void **state)
{
    struct fixture *fixture = *state;
    stop(fixture, &fixture->a);
    stop(fixture, &fixture->b);
    for (size_t i = 0; i < EXCHANGES_MAX; i++) {
        buffer_deinit(&fixture->exchanges[i].body);
    }
    free(fixture);
    return 0;
}

static inline void deliver(struct fixture *fixture, struct bus_frame **frames, struct side *to,
                           const char *routing_id)
{
    struct bus_frame *frame;
    while ((frame = bus_frames_take(frames)) != NULL) {
        peers_receive(to->peers, text(routing_id), buffer_slice(&frame->bytes), fixture->now);
        bus_frame_free(frame);
    }
}

static inline void settle(struct fixture *fixture)
{
    deliver(fixture, &fixture->a.out, &fixture->b, "route");
    deliver(fixture, &fixture->b.out, &fixture->a, "route");
    deliver(fixture, &fixture->a.back, &fixture->b, "");
    deliver(fixture, &fixture->b.back, &fixture->a, "");
}

static const char sid_of_b[] = "edgeB2ABCDEFGHIJKLMNOPQR";

/* A client of A asks for its session on B. */
static inline bool relay(struct fixture *fixture, size_t exchange, enum http_method method,
                         const char *body)
{
    struct relay_request request = {
        .method = method, .revision = 4, .sid = text(sid_of_b), .body = text(body)};
    return peers_relay(fixture->a.peers, &request, &fixture->exchanges[exchange].exchange,
                       fixture->now);
}

static inline void assert_called(struct side *side, const char *expected)
{
    assert_lines(&side->calls, expected);
}

static inline void assert_answered(struct fixture *fixture, size_t exchange, int status,
                                   const char *content_type, const char *body)
{
    struct fake_exchange *fake = &fixture->exchanges[exchange];
    assert_int_equal(fake->status, status);
    assert_string_equal(fake->content_type, content_type);
    assert_lines(&fake->body, body);
}

static const char unknown_sid[] = "{\"code\":1,\"message\":\"Session ID unknown\"}";

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

#endif
