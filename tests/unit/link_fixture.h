/* What the tests of links stand on: two ends with a virtual clock, and the frames between them. */
#ifndef TESTS_UNIT_LINK_FIXTURE_H
#define TESTS_UNIT_LINK_FIXTURE_H

#include "tests/unit/bus_fixture.h"

/* Two ends and the frames between them; the test decides what arrives. */
struct fixture {
    struct bus_end edge;   /* connects */
    struct bus_end router; /* accepts */
    int64_t now;
};

enum { LINK_ID = 77 };

static inline int setup(void **state)
{
    struct fixture *fixture = calloc(1, sizeof(*fixture));
    fixture->now = 1000000;
    bus_end_init(&fixture->edge, true, BUS_ROLE_EDGE, "edgeAB", fixture->now);
    bus_end_init(&fixture->router, false, BUS_ROLE_ROUTER, "router", fixture->now);
    *state = fixture;
    return 0;
}

static inline int teardown(void **state)
{
    struct fixture *fixture = *state;
    bus_end_deinit(&fixture->edge);
    bus_end_deinit(&fixture->router);
    free(fixture);
    return 0;
}

/* Delivers everything until nothing is on its way. */
static inline void settle(struct fixture *fixture)
{
    bool moved = true;
    while (moved) {
        moved = bus_end_give(&fixture->edge, &fixture->router, fixture->now);
        moved = bus_end_give(&fixture->router, &fixture->edge, fixture->now) || moved;
    }
}

static inline void flush(struct fixture *fixture)
{
    link_flush(&fixture->edge.link, fixture->now);
    link_flush(&fixture->router.link, fixture->now);
}

static inline void tick(struct fixture *fixture, int64_t ms)
{
    fixture->now += ms;
    link_tick(&fixture->edge.link, fixture->now);
    link_tick(&fixture->router.link, fixture->now);
}

/* Ticks of 50 ms with everything delivered. */
static inline void pass(struct fixture *fixture, int64_t ms)
{
    for (int64_t end = fixture->now + ms; fixture->now < end;) {
        tick(fixture, 50);
        settle(fixture);
    }
}

static inline int setup_open(void **state)
{
    setup(state);
    struct fixture *fixture = *state;
    link_open(&fixture->edge.link, LINK_ID, fixture->now);
    settle(fixture);
    assert_true(link_is_open(&fixture->edge.link));
    assert_true(link_is_open(&fixture->router.link));
    return 0;
}

static inline struct bus_message numbered(uint64_t number)
{
    return (struct bus_message){.type = BUS_DONE, .done = {.request = number}};
}

static inline void say(struct bus_end *end, uint64_t number)
{
    struct bus_message message = numbered(number);
    assert_int_equal(link_send(&end->link, &message), 0);
}

/* A frame made by hand. */
static inline void hand(struct fixture *fixture, struct bus_end *to, struct link_header header,
                        struct slice body)
{
    struct buffer frame = BUFFER_EMPTY;
    link_header_encode(&frame, &header);
    buffer_append_slice(&frame, body);
    bus_end_receive(to, buffer_slice(&frame), fixture->now);
    buffer_deinit(&frame);
}

static inline struct slice encode(struct buffer *out, const struct bus_message *message)
{
    buffer_clear(out);
    bus_encode(out, message);
    return buffer_slice(out);
}

/* The header of the oldest frame on its way, which is lost by it. */
static inline struct link_header lose(struct bus_end *end)
{
    struct bus_frame *frame = bus_frames_take(&end->sent);
    struct msgpack_reader body;
    assert_non_null(frame);
    struct link_header header = header_of(buffer_slice(&frame->bytes), &body);
    bus_frame_free(frame);
    return header;
}

static inline size_t frames_of(const struct bus_end *end)
{
    size_t count = 0;
    for (const struct bus_frame *frame = end->sent; frame != NULL; frame = frame->next) {
        count++;
    }
    return count;
}

static inline void assert_header(struct link_header header, enum link_kind kind, uint64_t sequence,
                                 uint64_t acknowledge)
{
    assert_int_equal(header.version, BUS_VERSION);
    assert_int_equal(header.kind, kind);
    assert_int_equal(header.link, LINK_ID);
    assert_int_equal(header.sequence, sequence);
    assert_int_equal(header.acknowledge, acknowledge);
}

#define FRESH(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
#define OPEN(name) cmocka_unit_test_setup_teardown(name, setup_open, teardown)

#endif
