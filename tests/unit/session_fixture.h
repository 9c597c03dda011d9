/*
 * What the tests of the session layer stand on: a table with a virtual clock, an application that
 * writes down its upcalls, and fake transports that write down what reached the client.
 */
#ifndef TESTS_UNIT_SESSION_FIXTURE_H
#define TESTS_UNIT_SESSION_FIXTURE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "edge/session/session.h"
#include "edge/session/socket.h"
#include "proto/base/buffer.h"
#include "proto/base/wheel.h"

#define TEST_INCARNATION "edgeAB"

enum fixture_answer { FIXTURE_ACCEPT, FIXTURE_REFUSE, FIXTURE_LATER };

struct fixture {
    struct session_table *table;
    struct session_settings settings;
    struct id_source ids;
    int64_t now;
    enum fixture_answer answer; /* to a CONNECT */
    struct socket *socket;      /* the latest that asked to connect */
    struct socket *busy;        /* the application calls this one so */
    struct buffer upcalls;      /* one line each */
    void (*on_event)(struct fixture *fixture, struct socket *socket,
                     const struct socketio_packet *packet);
    void (*on_disconnected)(struct fixture *fixture, struct socket *socket);
    void *mine;              /* of the test */
    struct fake_poll *polls; /* owns the fakes, which outlive the table */
    struct fake_websocket *websockets;
};

static inline struct slice text(const char *string)
{
    return slice_of_string(string);
}

static inline void assert_text(const struct buffer *actual, const char *expected)
{
    struct slice slice = buffer_slice(actual);
    char *copy = calloc(1, slice.length + 1);

    if (slice.length > 0)
        memcpy(copy, slice.data, slice.length);
    assert_string_equal(copy, expected);
    free(copy);
}

/* Compares the upcalls since the last call. */
static inline void assert_upcalls(struct fixture *fixture, const char *expected)
{
    assert_text(&fixture->upcalls, expected);
    buffer_clear(&fixture->upcalls);
}

static inline void fixture_connect(void *context, struct socket *socket, struct slice name_space,
                                   struct slice auth, int64_t now)
{
    struct fixture *fixture = context;

    assert_int_equal(now, fixture->now);
    buffer_append_format(&fixture->upcalls, "connect %.*s %.*s\n", (int)name_space.length,
                         name_space.data, (int)auth.length, auth.length == 0 ? "" : auth.data);
    fixture->socket = socket;
    if (fixture->answer == FIXTURE_ACCEPT)
        socket_accept(socket, SLICE_EMPTY);
    else if (fixture->answer == FIXTURE_REFUSE)
        socket_refuse(socket, "Not you");
}

static inline void fixture_event(void *context, struct socket *socket,
                                 const struct socketio_packet *packet, int64_t now)
{
    struct fixture *fixture = context;

    assert_int_equal(now, fixture->now);
    buffer_append_format(&fixture->upcalls, "event %.*s %.*s\n", (int)packet->name_space.length,
                         packet->name_space.data, (int)packet->arguments.length,
                         packet->arguments.data);
    if (fixture->on_event != NULL)
        fixture->on_event(fixture, socket, packet);
}

static inline void fixture_acknowledged(void *context, struct socket *socket,
                                        const struct socketio_packet *packet, int64_t now)
{
    struct fixture *fixture = context;

    (void)now;
    assert_non_null(socket);
    buffer_append_format(&fixture->upcalls, "acknowledged %u %.*s\n", (unsigned)packet->ack_id,
                         (int)packet->arguments.length, packet->arguments.data);
}

static inline void fixture_disconnected(void *context, struct socket *socket,
                                        enum session_close_reason reason, int64_t now)
{
    struct fixture *fixture = context;

    (void)now;
    buffer_append_format(&fixture->upcalls, "disconnected %s\n", session_close_reason_name(reason));
    if (fixture->on_disconnected != NULL)
        fixture->on_disconnected(fixture, socket);
}

static inline bool fixture_is_busy(void *context, const struct socket *socket)
{
    const struct fixture *fixture = context;
    return socket == fixture->busy;
}

static const struct socket_application fixture_application = {
    .connect = fixture_connect,
    .event = fixture_event,
    .acknowledged = fixture_acknowledged,
    .is_busy = fixture_is_busy,
    .disconnected = fixture_disconnected,
};

/* Same ids in every run. */
static inline void fixture_random(void *context, void *bytes, size_t length)
{
    static uint32_t state = 1;
    unsigned char *at = bytes;

    (void)context;
    for (size_t i = 0; i < length; i++) {
        state = state * 1664525 + 1013904223;
        at[i] = (unsigned char)(state >> 24);
    }
}

static inline void fixture_open_table(struct fixture *fixture)
{
    fixture->table = session_table_new(&fixture->settings, &fixture_application, fixture,
                                       &fixture->ids, TEST_INCARNATION, fixture->now);
}

static inline int fixture_setup(void **state)
{
    struct fixture *fixture = calloc(1, sizeof(*fixture));

    fixture->settings = (struct session_settings){
        .ping_interval = 25000,
        .ping_timeout = 20000,
        .upgrade_timeout = 10000,
        .connect_timeout = 45000,
        .max_http_buffer_size = 1000,
        .outbox_max_bytes = 4000,
        .outbox_max_age = 5000,
        .sessions_max = 100,
        .payload_packets_max = 64,
        .allow_upgrades = true,
        .allow_eio3 = true,
    };
    fixture->now = 1000000;
    id_source_init(&fixture->ids);
    fixture->ids.fill = fixture_random;
    fixture_open_table(fixture);
    *state = fixture;
    return 0;
}

static inline void flush(struct fixture *fixture)
{
    session_table_flush(fixture->table, fixture->now);
    assert_false(session_table_is_dirty(fixture->table));
}

/* Lets time pass tick by tick, as the loop does. */
static inline void pass(struct fixture *fixture, int64_t ms)
{
    int64_t end = fixture->now + ms;

    while (fixture->now < end) {
        fixture->now += end - fixture->now < WHEEL_TICK_MS ? end - fixture->now : WHEEL_TICK_MS;
        session_table_tick(fixture->table, fixture->now);
        flush(fixture);
    }
}

static inline uint64_t closed_with(struct fixture *fixture, enum session_close_reason reason)
{
    return session_table_counters(fixture->table)->closed[reason];
}

/* --- polling ---------------------------------------------------------------------------------- */

struct fake_poll {
    struct poll_exchange exchange; /* first: the exchange is the fake */
    int status;                    /* 0: not answered yet */
    char content_type[64];
    struct buffer body;
    struct fake_poll *next;
};

static inline void fake_poll_answer(struct poll_exchange *exchange, int status,
                                    const char *content_type, struct slice body)
{
    struct fake_poll *poll = (struct fake_poll *)(void *)exchange;

    assert_int_equal(poll->status, 0);
    assert_null(exchange->session);
    poll->status = status;
    strncpy(poll->content_type, content_type == NULL ? "" : content_type,
            sizeof(poll->content_type) - 1);
    buffer_append_slice(&poll->body, body);
}

static inline struct fake_poll *fake_poll_new(struct fixture *fixture)
{
    struct fake_poll *poll = calloc(1, sizeof(*poll));

    poll->exchange.answer = fake_poll_answer;
    poll->next = fixture->polls;
    fixture->polls = poll;
    return poll;
}

static inline void fake_poll_reset(struct fake_poll *poll)
{
    buffer_clear(&poll->body);
    poll->status = 0;
    poll->content_type[0] = '\0';
}

/* Checks the answer and makes the fake ready for its next request. */
static inline void assert_answer(struct fake_poll *poll, int status, const char *body)
{
    assert_int_equal(poll->status, status);
    assert_text(&poll->body, body);
    fake_poll_reset(poll);
}

static inline void assert_parked(const struct fake_poll *poll)
{
    assert_int_equal(poll->status, 0);
    assert_non_null(poll->exchange.session);
}

/* What a request from a client of that revision says. */
static inline const struct session_opening *opening(int revision)
{
    static struct session_opening opening;

    opening = (struct session_opening){.revision = revision};
    return &opening;
}

static inline struct session *open_polling_as(struct fixture *fixture,
                                              const struct session_opening *opening)
{
    struct fake_poll *poll = fake_poll_new(fixture);
    const char *sid;
    struct session *session;

    session_open_polling(fixture->table, opening, &poll->exchange, fixture->now);
    assert_int_equal(poll->status, 200);
    sid = strstr(poll->body.data, "\"sid\":\"");
    assert_non_null(sid);
    session = session_find(fixture->table, slice_of(sid + 7, SESSION_ID_LENGTH));
    assert_non_null(session);
    return session;
}

static inline struct session *open_polling(struct fixture *fixture)
{
    return open_polling_as(fixture, opening(4));
}

static inline void get(struct fixture *fixture, struct session *session, struct fake_poll *poll)
{
    fake_poll_reset(poll);
    session_poll(fixture->table, session, &poll->exchange, fixture->now);
}

static inline void post(struct fixture *fixture, struct session *session, const char *body,
                        int status)
{
    struct fake_poll *poll = fake_poll_new(fixture);

    session_post(fixture->table, session, text(body), &poll->exchange, fixture->now);
    assert_int_equal(poll->status, status);
    if (status == 200)
        assert_text(&poll->body, "ok");
}

/* --- WebSocket -------------------------------------------------------------------------------- */

struct fake_websocket {
    struct websocket websocket; /* first */
    struct buffer sent;         /* payloads, each followed by '|'; '/' ends a call */
    size_t room;                /* packets it takes before it is choked */
    bool is_dead;
    bool is_closed;
    int close_code;
    struct fake_websocket *next;
};

static inline int fake_websocket_send(struct websocket *websocket, struct packet *const *packets,
                                      size_t count)
{
    struct fake_websocket *self = (struct fake_websocket *)(void *)websocket;
    size_t taken = count < self->room ? count : self->room;

    assert_false(self->is_closed);
    if (self->is_dead)
        return -1;
    for (size_t i = 0; i < taken; i++) {
        buffer_append_slice(&self->sent, packet_payload(packets[i]));
        buffer_append_char(&self->sent, '|');
    }
    if (taken > 0)
        buffer_append_char(&self->sent, '/');
    self->room -= taken;
    return (int)taken;
}

static inline void fake_websocket_close(struct websocket *websocket, int code)
{
    struct fake_websocket *self = (struct fake_websocket *)(void *)websocket;

    assert_false(self->is_closed);
    assert_null(websocket->session);
    self->is_closed = true;
    self->close_code = code;
}

static const struct websocket_operations fake_websocket_operations = {
    .send = fake_websocket_send,
    .close = fake_websocket_close,
};

static inline struct fake_websocket *fake_websocket_new(struct fixture *fixture)
{
    struct fake_websocket *self = calloc(1, sizeof(*self));

    self->websocket.operations = &fake_websocket_operations;
    self->room = SIZE_MAX;
    self->next = fixture->websockets;
    fixture->websockets = self;
    return self;
}

/* Compares what was sent since the last call. */
static inline void assert_sent(struct fake_websocket *self, const char *expected)
{
    assert_text(&self->sent, expected);
    buffer_clear(&self->sent);
}

static inline void assert_closed(const struct fake_websocket *self, int code)
{
    assert_true(self->is_closed);
    assert_int_equal(self->close_code, code);
}

static inline struct session *open_websocket(struct fixture *fixture, struct fake_websocket *self)
{
    assert_true(session_open_websocket(fixture->table, opening(4), &self->websocket, fixture->now));
    flush(fixture);
    buffer_clear(&self->sent);
    return self->websocket.session;
}

static inline void say(struct fixture *fixture, struct fake_websocket *self, const char *message)
{
    session_websocket_message(fixture->table, &self->websocket, text(message), false, fixture->now);
}

static inline void say_binary(struct fixture *fixture, struct fake_websocket *self,
                              const char *bytes)
{
    session_websocket_message(fixture->table, &self->websocket, text(bytes), true, fixture->now);
}

/* A session whose client has joined the main namespace over a WebSocket. */
static inline struct socket *join_websocket(struct fixture *fixture, struct fake_websocket *self)
{
    open_websocket(fixture, self);
    say(fixture, self, "40");
    flush(fixture);
    buffer_clear(&self->sent);
    buffer_clear(&fixture->upcalls);
    return fixture->socket;
}

/* The same over polling; nothing is parked afterwards. */
static inline struct socket *join_polling(struct fixture *fixture)
{
    struct session *session = open_polling(fixture);
    struct fake_poll *poll = fake_poll_new(fixture);

    post(fixture, session, "40", 200);
    session_poll(fixture->table, session, &poll->exchange, fixture->now);
    flush(fixture);
    assert_int_equal(poll->status, 200);
    buffer_clear(&fixture->upcalls);
    return fixture->socket;
}

static inline struct packet *make_packet(const char *payload)
{
    struct slice part = text(payload);

    return packet_new(PACKET_TEXT, &part, 1);
}

static inline void emit(struct socket *socket, const char *payload)
{
    struct packet *packet = make_packet(payload);

    socket_emit(socket, packet);
    packet_release(&packet);
}

static inline void emit_volatile(struct socket *socket, const char *payload)
{
    struct packet *packet = make_packet(payload);

    packet->is_volatile = true;
    socket_emit(socket, packet);
    packet_release(&packet);
}

/* An event of that many bytes. */
static inline void emit_bytes(struct socket *socket, size_t bytes, bool is_volatile)
{
    char *payload = malloc(bytes + 1);

    memset(payload, 'x', bytes);
    payload[bytes] = '\0';
    if (is_volatile)
        emit_volatile(socket, payload);
    else
        emit(socket, payload);
    free(payload);
}

static inline int fixture_teardown(void **state)
{
    struct fixture *fixture = *state;

    fixture->on_disconnected = NULL;
    session_table_destroy(&fixture->table);
    for (struct fake_poll *poll = fixture->polls, *next; poll != NULL; poll = next) {
        next = poll->next;
        buffer_deinit(&poll->body);
        free(poll);
    }
    for (struct fake_websocket *self = fixture->websockets, *next; self != NULL; self = next) {
        next = self->next;
        buffer_deinit(&self->sent);
        free(self);
    }
    buffer_deinit(&fixture->upcalls);
    free(fixture);
    return 0;
}

#define FIXTURE_TEST(test) cmocka_unit_test_setup_teardown(test, fixture_setup, fixture_teardown)

#endif
