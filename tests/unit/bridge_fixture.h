/*
 * What the tests of the bridge stand on: a virtual clock, a router that is nothing but the
 * accepting side of a link and writes down what it hears, a transport that may be cut, and a
 * runtime that does what its test says. The runtime also watches the contract of runtime.h: it is
 * never called from within one of its own callbacks.
 */
#ifndef TESTS_UNIT_BRIDGE_FIXTURE_H
#define TESTS_UNIT_BRIDGE_FIXTURE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include <utlist.h>

#include "agent-bridge/work.h"
#include "proto/base/buffer.h"
#include "proto/base/error.h"
#include "proto/base/json.h"

#define ELIZA "b850bc30-45f8-0041-a00a-83df46d8555d"
#define NOBODY "00000000-1111-2222-3333-444444444444"

/* --- the runtime ------------------------------------------------------------------------------ */

enum fake_behaviour {
    FAKE_ECHO,   /* answers at once: each byte of the question is a chunk */
    FAKE_HOLD,   /* keeps the run until the test ends it */
    FAKE_FULL,   /* ERROR_OVERLOADED */
    FAKE_REFUSE, /* ERROR_INTERNAL */
    FAKE_FAIL,   /* takes the run, says "half", fails */
    FAKE_BABBLE, /* keeps the run and says more than any answer may have */
    FAKE_LONG,   /* answers at once, with fake.length bytes */
};

struct fake_run {
    struct runtime_run run; /* first */
    struct runtime_events events;
    void *context;
    struct fake_run *prev, *next;
};

struct fake {
    struct runtime runtime; /* first */
    enum fake_behaviour behaviour;
    size_t length;
    struct fake_run *runs; /* held, oldest first */
    struct buffer script;  /* what the oldest held run does at the next tick */
    unsigned cancelled;
    bool is_calling;     /* a callback is on the stack */
    struct buffer asked; /* one line per question */
};

static inline void fake_chunk(struct fake *fake, const struct runtime_events *events, void *context,
                              struct slice text)
{
    fake->is_calling = true;
    events->chunk(context, text);
    fake->is_calling = false;
}

static inline void fake_done(struct fake *fake, const struct runtime_events *events, void *context,
                             struct slice text)
{
    struct runtime_reply reply = {.text = text,
                                  .thought = SLICE_LITERAL("because"),
                                  .actions = SLICE_LITERAL("[\"REPLY\"]"),
                                  .metadata = SLICE_LITERAL("{\"k\":1}")};
    fake->is_calling = true;
    events->done(context, &reply);
    fake->is_calling = false;
}

static inline void fake_failed(struct fake *fake, const struct runtime_events *events,
                               void *context)
{
    fake->is_calling = true;
    events->failed(context, ERROR_TIMEOUT, "no answer in time");
    fake->is_calling = false;
}

static inline void fake_answer_long(struct fake *fake, const struct runtime_events *events,
                                    void *context)
{
    char *text = malloc(fake->length);
    memset(text, '"', fake->length); /* twice as long in JSON */
    fake_done(fake, events, context, slice_of(text, fake->length));
    free(text);
}

static inline void fake_babble(struct fake *fake, const struct runtime_events *events,
                               void *context)
{
    static const char text[64 * 1024];
    for (size_t i = 0; i <= JOBS_REPLY_MAX / sizeof(text); i++) {
        fake_chunk(fake, events, context, slice_of(text, sizeof(text)));
    }
}

static inline struct fake_run *fake_hold(struct fake *fake, const struct runtime_events *events,
                                         void *context)
{
    struct fake_run *run = calloc(1, sizeof(*run));
    run->run.runtime = &fake->runtime;
    run->events = *events;
    run->context = context;
    DL_APPEND(fake->runs, run);
    return run;
}

static inline void fake_release(struct fake *fake, struct fake_run *run)
{
    DL_DELETE(fake->runs, run);
    free(run);
}

static inline int fake_start(struct runtime *runtime, const struct runtime_request *request,
                             const struct runtime_events *events, void *context,
                             struct runtime_run **run)
{
    struct fake *fake = (struct fake *)runtime;
    assert_false(fake->is_calling);
    *run = NULL;
    buffer_append_format(&fake->asked, "%.*s %.*s(%.*s) asks %.*s: %.*s%s\n",
                         (int)request->room_id.length, request->room_id.data,
                         (int)request->sender_id.length, request->sender_id.data,
                         (int)request->sender_name.length, request->sender_name.data,
                         (int)request->agent_name.length, request->agent_name.data,
                         request->text.length > 100 ? 0 : (int)request->text.length,
                         request->text.data, request->has_backlog ? " (backlog)" : "");
    switch (fake->behaviour) {
    case FAKE_ECHO:
        for (size_t i = 0; i < request->text.length; i++) {
            fake_chunk(fake, events, context, slice_of(request->text.data + i, 1));
        }
        fake_done(fake, events, context, request->text);
        break;
    case FAKE_HOLD:
        *run = &fake_hold(fake, events, context)->run;
        break;
    case FAKE_FULL:
        return ERROR_OVERLOADED;
    case FAKE_REFUSE:
        return ERROR_INTERNAL;
    case FAKE_FAIL:
        fake_chunk(fake, events, context, SLICE_LITERAL("half"));
        fake_failed(fake, events, context);
        break;
    case FAKE_BABBLE:
        *run = &fake_hold(fake, events, context)->run;
        fake_babble(fake, events, context);
        break;
    case FAKE_LONG:
        fake_answer_long(fake, events, context);
        break;
    }
    return 0;
}

static inline void fake_cancel(struct runtime_run *run)
{
    struct fake *fake = (struct fake *)run->runtime;
    assert_false(fake->is_calling);
    fake->cancelled++;
    fake_release(fake, (struct fake_run *)run);
}

/*
 * The script, one letter an act of the oldest run: 'd' is done, 'L' is done with a long answer, 'f'
 * failed, 'c' is a chunk of 16 KB, others are chunks themselves.
 */
static inline int64_t fake_tick(struct runtime *runtime, int64_t now)
{
    struct fake *fake = (struct fake *)runtime;
    assert_false(fake->is_calling);
    for (size_t i = 0; i < fake->script.length; i++) {
        struct fake_run *run = fake->runs;
        assert_non_null(run);
        if (fake->script.data[i] == 'd') {
            fake_done(fake, &run->events, run->context, SLICE_LITERAL("said"));
            fake_release(fake, run);
        } else if (fake->script.data[i] == 'L') {
            fake_answer_long(fake, &run->events, run->context);
            fake_release(fake, run);
        } else if (fake->script.data[i] == 'c') {
            static const char piece[16 * 1024];
            fake_chunk(fake, &run->events, run->context, slice_of(piece, sizeof(piece)));
        } else if (fake->script.data[i] == 'f') {
            fake_failed(fake, &run->events, run->context);
            fake_release(fake, run);
        } else {
            fake_chunk(fake, &run->events, run->context, slice_of(fake->script.data + i, 1));
        }
    }
    buffer_clear(&fake->script);
    return fake->runs == NULL ? -1 : now + 10;
}

static const struct runtime_class fake_class = {
    .name = "fake", .run = fake_start, .cancel = fake_cancel, .tick = fake_tick};

/* --- the router and the way to it ------------------------------------------------------------- */

enum { FIXTURE_FRAMES_MAX = 4096 };

struct fixture {
    int64_t now;
    struct fake fake;
    struct agents *agents;
    struct id_source ids;
    struct bridge *bridge;
    struct link_settings settings;
    struct link router;                       /* what the router has of the bridge */
    bool has_peer;                            /* the router knows its link */
    bool confirms;                            /* the router answers REGISTER */
    bool is_cut;                              /* frames get lost, both ways */
    struct buffer heard;                      /* by the router, one line per message */
    struct buffer body;                       /* of the last WORK_DONE */
    struct buffer frames[FIXTURE_FRAMES_MAX]; /* from the bridge, not delivered yet */
    size_t frame_count;
    size_t flushed; /* DATA frames that the bridge sent */
};

static inline void assert_text(struct buffer *actual, const char *expected)
{
    buffer_append_char(actual, '\0');
    assert_string_equal(actual->data, expected);
    buffer_clear(actual);
}
/* Compares what the router heard, or the runtime was asked, since the last call. */
static inline void assert_heard(struct fixture *fixture, const char *expected)
{
    assert_text(&fixture->heard, expected);
}
static inline void assert_asked(struct fixture *fixture, const char *expected)
{
    assert_text(&fixture->fake.asked, expected);
}

static inline bool bridge_transmits(void *context, struct slice header, struct slice body)
{
    struct fixture *fixture = context;
    struct link_header decoded;
    struct msgpack_reader reader = msgpack_reader_of(header);
    assert_int_equal(link_header_decode(&reader, &decoded), 0);
    fixture->flushed += decoded.kind == LINK_DATA;
    if (!fixture->is_cut) {
        assert_true(fixture->frame_count < FIXTURE_FRAMES_MAX);
        struct buffer *frame = &fixture->frames[fixture->frame_count++];
        buffer_append_slice(frame, header);
        buffer_append_slice(frame, body);
    }
    return true;
}

static inline bool router_transmits(void *context, struct link *link, struct slice header,
                                    struct slice body)
{
    struct fixture *fixture = context;
    struct buffer frame = BUFFER_EMPTY;
    (void)link;
    buffer_append_slice(&frame, header);
    buffer_append_slice(&frame, body);
    if (!fixture->is_cut) {
        bridge_receive(fixture->bridge, buffer_slice(&frame), fixture->now);
    }
    buffer_deinit(&frame);
    return true;
}

static inline void router_hears(void *context, struct link *link, const struct bus_message *message,
                                int64_t now)
{
    struct fixture *fixture = context;
    struct buffer *out = &fixture->heard;
    (void)now;
    switch (message->type) {
    case BUS_REGISTER: {
        buffer_append_format(out, "register credit=%d agents=%d\n",
                             (int)message->register_agents.credit,
                             (int)message->register_agents.agents.count);
        struct bus_message answer = {.type = BUS_REGISTERED,
                                     .registered = {message->register_agents.agents.count}};
        if (fixture->confirms) {
            link_send(link, &answer);
        }
        break;
    }
    case BUS_OFFER:
        buffer_append_format(out, "offer agents=%d\n", (int)message->offer.agents.count);
        break;
    case BUS_WITHDRAW:
        buffer_append_format(out, "withdraw agents=%d\n", (int)message->withdraw.agents.count);
        break;
    case BUS_HISTORY:
        buffer_append_format(out, "history %d of %.*s limit=%d\n", (int)message->history.request,
                             (int)message->history.room.length, message->history.room.data,
                             (int)message->history.limit);
        break;
    case BUS_WORK_CHUNK:
        if (message->work_chunk.text.length < 100) {
            buffer_append_format(out, "chunk %d/%d #%d %.*s\n", (int)message->work_chunk.job,
                                 (int)message->work_chunk.attempt, (int)message->work_chunk.index,
                                 (int)message->work_chunk.text.length,
                                 message->work_chunk.text.data);
        }
        break;
    case BUS_WORK_DONE:
        buffer_append_format(out, "done %d/%d\n", (int)message->work_done.job,
                             (int)message->work_done.attempt);
        buffer_clear(&fixture->body);
        buffer_append_slice(&fixture->body, message->work_done.body);
        break;
    case BUS_WORK_FAILED:
        buffer_append_format(out, "failed %d/%d %s\n", (int)message->work_failed.job,
                             (int)message->work_failed.attempt,
                             error_code((int)message->work_failed.error));
        break;
    default:
        fail_msg("the router got a %s", bus_type_name(message->type));
    }
}

static inline void router_loses(void *context, struct link *link, int error, int64_t now)
{
    struct fixture *fixture = context;
    (void)link;
    (void)now;
    fixture->has_peer = false;
    buffer_append_format(&fixture->heard, "%s\n", error == 0 ? "goodbye" : error_code(error));
}

static const struct link_operations router_operations = {router_transmits, router_hears, NULL,
                                                         router_loses};
static const struct bridge_operations bridge_operations = {.transmit = bridge_transmits};

static inline void router_accepts(struct fixture *fixture, uint64_t id)
{
    struct bus_hello self = {.role = BUS_ROLE_ROUTER,
                             .incarnation = SLICE_LITERAL("router"),
                             .program_version = SLICE_LITERAL("0")};
    if (!fixture->has_peer || fixture->router.id != id) {
        link_deinit(&fixture->router);
        link_init(&fixture->router, &fixture->settings, &router_operations, fixture, false, &self,
                  fixture->now);
        fixture->has_peer = true;
    }
    link_accept(&fixture->router, id, fixture->now);
}

static inline void router_takes(struct fixture *fixture, struct slice frame)
{
    struct link_header header;
    struct msgpack_reader reader = msgpack_reader_of(frame);
    assert_int_equal(link_header_decode(&reader, &header), 0);
    if (header.kind == LINK_HELLO) {
        router_accepts(fixture, header.link);
    } else if (fixture->has_peer && fixture->router.id == header.link) {
        link_receive(&fixture->router, &header, &reader, fixture->now);
    } else if (header.kind != LINK_GOODBYE) {
        struct buffer reset = BUFFER_EMPTY;
        struct link_header answer = {BUS_VERSION, LINK_RESET, header.link, 0, 0};
        link_header_encode(&reset, &answer);
        bridge_receive(fixture->bridge, buffer_slice(&reset), fixture->now);
        buffer_deinit(&reset);
    }
}

/* Loop turns of both sides until neither has anything to say. */
static inline void settle(struct fixture *fixture)
{
    do {
        for (size_t i = 0; i < fixture->frame_count; i++) {
            struct buffer frame = fixture->frames[i];
            fixture->frames[i] = BUFFER_EMPTY;
            router_takes(fixture, buffer_slice(&frame));
            buffer_deinit(&frame);
        }
        fixture->frame_count = 0;
        if (fixture->has_peer) {
            link_flush(&fixture->router, fixture->now);
        }
        bridge_flush(fixture->bridge, fixture->now);
    } while (fixture->frame_count > 0);
}

/* Time goes by; both sides tick every 50 ms. */
static inline void wait_for(struct fixture *fixture, int64_t duration)
{
    for (int64_t end = fixture->now + duration; fixture->now < end;) {
        fixture->now += 50;
        bridge_tick(fixture->bridge, fixture->now);
        if (fixture->has_peer) {
            link_tick(&fixture->router, fixture->now);
        }
        settle(fixture);
    }
}

/* The router process is another one: it knows no link. */
static inline void restart_router(struct fixture *fixture)
{
    link_deinit(&fixture->router);
    fixture->has_peer = false;
}

static inline void say_work(struct fixture *fixture, uint64_t job, uint64_t attempt,
                            const char *agent, uint64_t backlog, struct slice body)
{
    struct bus_message message = {.type = BUS_WORK,
                                  .work = {.job = job,
                                           .attempt = attempt,
                                           .room = SLICE_LITERAL("room"),
                                           .server_id = SLICE_LITERAL(NIL_UUID),
                                           .agent = slice_of_string(agent),
                                           .question = SLICE_LITERAL("question"),
                                           .reply = SLICE_LITERAL("reply"),
                                           .sender = SLICE_LITERAL("ann"),
                                           .created_at = 1,
                                           .backlog = backlog,
                                           .body = body}};
    assert_int_equal(link_send(&fixture->router, &message), 0);
}

/* A question of Ann's to Eliza; settle() delivers it. */
static inline void give(struct fixture *fixture, uint64_t job, uint64_t attempt, const char *text)
{
    struct buffer body = BUFFER_EMPTY;
    buffer_append_string(&body, "\"senderId\":\"ann\",\"senderName\":\"Ann\",\"text\":");
    json_write_string(&body, slice_of_string(text));
    say_work(fixture, job, attempt, ELIZA, 0, buffer_slice(&body));
    buffer_deinit(&body);
}

static inline void take_back(struct fixture *fixture, uint64_t job, uint64_t attempt)
{
    struct bus_message message = {.type = BUS_WORK_CANCEL,
                                  .work_cancel = {.job = job, .attempt = attempt}};
    assert_int_equal(link_send(&fixture->router, &message), 0);
}

/* What the oldest held run does now. */
static inline void let_runtime(struct fixture *fixture, const char *script)
{
    buffer_append_string(&fixture->fake.script, script);
    fixture->now += 10;
    settle(fixture);
}

static inline const struct jobs_counters *counted(struct fixture *fixture)
{
    return bridge_counters(fixture->bridge)->jobs;
}

static inline void fixture_start(struct fixture *fixture)
{
    static const struct bus_hello self = {
        .role = BUS_ROLE_BRIDGE, .incarnation = {"bridge", 6}, .name = {"agent-bridge", 12}};
    struct bridge_settings settings = {.jobs = {.credit = 4}, .link = fixture->settings};
    struct runtime_set runtimes = {.list = {&fixture->fake.runtime}, .count = 1};
    fixture->bridge = bridge_new(&settings, &bridge_operations, fixture, &fixture->ids, &self,
                                 fixture->agents, &runtimes, fixture->now);
}

/* A bridge with one agent and a credit of 4, registered. */
static inline int fixture_setup(void **state)
{
    struct fixture *fixture = calloc(1, sizeof(*fixture));
    *state = fixture;
    fixture->now = 1000000;
    fixture->confirms = true;
    fixture->fake.runtime.class = &fake_class;
    fixture->settings = (struct link_settings){.heartbeat = 500,
                                               .timeout = 3000,
                                               .retained_max = BRIDGE_RETAINED_MIN,
                                               .frame_max = BUS_FRAME_MAX};
    id_source_init(&fixture->ids);
    fixture->agents = agents_new();
    assert_int_equal(agents_add(fixture->agents, SLICE_EMPTY, SLICE_LITERAL("Eliza"),
                                SLICE_LITERAL("fake"), SLICE_LITERAL("A doctor.")),
                     0);
    fixture_start(fixture);
    wait_for(fixture, 50);
    assert_heard(fixture, "register credit=4 agents=1\n");
    return 0;
}

static inline int fixture_teardown(void **state)
{
    struct fixture *fixture = *state;
    bridge_destroy(&fixture->bridge);
    assert_null(fixture->bridge);
    assert_null(fixture->fake.runs);
    link_deinit(&fixture->router);
    agents_destroy(&fixture->agents);
    for (size_t i = 0; i < fixture->frame_count; i++) {
        buffer_deinit(&fixture->frames[i]);
    }
    buffer_deinit(&fixture->heard);
    buffer_deinit(&fixture->body);
    buffer_deinit(&fixture->fake.asked);
    buffer_deinit(&fixture->fake.script);
    free(fixture);
    return 0;
}

#define BRIDGE_TEST(name) cmocka_unit_test_setup_teardown(name, fixture_setup, fixture_teardown)

#endif
