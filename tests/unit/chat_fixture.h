/*
 * What the tests of chat stand on: real sessions over fake WebSockets above, a real uplink below,
 * and at its other end a router that writes down what it hears and says what the test wants.
 */
#ifndef TESTS_UNIT_CHAT_FIXTURE_H
#define TESTS_UNIT_CHAT_FIXTURE_H

#include "tests/unit/session_fixture.h"

#include "edge/chat/chat.h"
#include "edge/uplink.h"
#include "proto/base/log.h"
#include "tests/unit/bus_fixture.h"

enum { EPOCH = 7 };
#define QUESTION "01890a5d-ac96-774b-bcce-b302099a8057"
#define REPLY "01890a5d-ac96-874b-bcce-b302099a8058"

struct chat_fixture {
    struct fixture sessions; /* first: the fixture of the session layer */
    struct chat_settings settings;
    struct uplink_settings uplink_settings;
    struct chat *chat;
    struct uplink *uplink;
    struct bus_end router;
    struct bus_frame *sent; /* owns: frames on their way to the router */
    bool is_cut;            /* nothing reaches the router, nothing comes from it */
};

/* --- wiring ---------------------------------------------------------------------------------- */

static inline bool chat_transmit(void *context, struct slice header, struct slice body)
{
    struct chat_fixture *fixture = context;
    bus_frames_push(&fixture->sent, header, body);
    return true;
}

static inline uint64_t chat_sync(void *context, int64_t now)
{
    struct chat_fixture *fixture = context;
    return chat_synchronise(fixture->chat, now);
}

static inline void chat_upcall(void *context, const struct bus_message *message, int64_t now)
{
    struct chat_fixture *fixture = context;
    chat_deliver(fixture->chat, message, now);
}

static const struct uplink_operations chat_uplink_operations = {chat_transmit, chat_sync,
                                                                chat_upcall};

static inline int64_t chat_wall(void *context)
{
    (void)context;
    return 1790000000000;
}

/* Lets everything happen that needs no time. */
static inline void settle(struct chat_fixture *fixture)
{
    int64_t now = fixture->sessions.now;
    bool moved = true;
    while (moved) {
        struct bus_frame *frame;
        moved = false;
        uplink_flush(fixture->uplink, now);
        link_flush(&fixture->router.link, now);
        while ((frame = bus_frames_take(&fixture->sent)) != NULL) {
            if (!fixture->is_cut) {
                bus_end_receive(&fixture->router, buffer_slice(&frame->bytes), now);
                moved = true;
            }
            bus_frame_free(frame);
        }
        while ((frame = bus_frames_take(&fixture->router.sent)) != NULL) {
            if (!fixture->is_cut) {
                uplink_receive(fixture->uplink, buffer_slice(&frame->bytes), now);
                moved = true;
            }
            bus_frame_free(frame);
        }
    }
    flush(&fixture->sessions);
}

static inline void wait_for(struct chat_fixture *fixture, int64_t ms)
{
    for (int64_t end = fixture->sessions.now + ms; fixture->sessions.now < end;) {
        int64_t left = end - fixture->sessions.now;
        fixture->sessions.now += left < 50 ? left : 50;
        uplink_tick(fixture->uplink, fixture->sessions.now);
        chat_tick(fixture->chat, fixture->sessions.now);
        session_table_tick(fixture->sessions.table, fixture->sessions.now);
        link_tick(&fixture->router.link, fixture->sessions.now);
        settle(fixture);
    }
}

/* A router that knows nothing of this edge takes the place of the former. */
static inline void replace_router(struct chat_fixture *fixture)
{
    struct buffer frame = BUFFER_EMPTY;
    struct link_header header = {BUS_VERSION, LINK_RESET, fixture->router.link.id, 0, 0};
    link_header_encode(&frame, &header);
    bus_end_deinit(&fixture->router);
    bus_end_init(&fixture->router, false, BUS_ROLE_ROUTER, "router", fixture->sessions.now);
    fixture->router.settings.retained_max = 64 << 20;
    uplink_receive(fixture->uplink, buffer_slice(&frame), fixture->sessions.now);
    buffer_deinit(&frame);
    wait_for(fixture, 150);
    assert_true(uplink_is_ready(fixture->uplink, fixture->sessions.now));
}

static inline int chat_setup(void **state)
{
    struct chat_fixture *fixture = calloc(1, sizeof(*fixture));
    struct fixture *sessions = &fixture->sessions;
    struct bus_hello self = {.role = BUS_ROLE_EDGE, .incarnation = text(TEST_INCARNATION)};
    log_configure("test", LOG_LEVEL_ERROR, LOG_FORMAT_LOGFMT);
    sessions->settings = (struct session_settings){.ping_interval = 25000,
                                                   .ping_timeout = 20000,
                                                   .upgrade_timeout = 10000,
                                                   .connect_timeout = 45000,
                                                   .max_http_buffer_size = 1000000,
                                                   .outbox_max_bytes = 64 << 20,
                                                   .outbox_max_age = 60000,
                                                   .sessions_max = 20000,
                                                   .payload_packets_max = 10000,
                                                   .allow_upgrades = true,
                                                   .allow_eio3 = true};
    sessions->now = 1000000;
    id_source_init(&sessions->ids);
    sessions->ids.fill = fixture_random;
    fixture->settings = (struct chat_settings){.rooms_per_socket_max = 4,
                                               .requests_per_socket_max = 6,
                                               .edge_name = "edge-1",
                                               .incarnation = text(TEST_INCARNATION)};
    fixture->uplink_settings = (struct uplink_settings){.request_deadline = 5000,
                                                        .requests_max = 100000,
                                                        .request_bytes_max = 64 << 20,
                                                        .link = {.heartbeat = 500,
                                                                 .timeout = 3000,
                                                                 .retained_max = 64 << 20,
                                                                 .frame_max = BUS_FRAME_MAX}};
    fixture->chat = chat_new(&fixture->settings, &sessions->ids);
    chat_set_wall_clock(fixture->chat, chat_wall, NULL);
    fixture->uplink = uplink_new(&fixture->uplink_settings, &chat_uplink_operations, fixture,
                                 &sessions->ids, &self, sessions->now);
    chat_set_uplink(fixture->chat, fixture->uplink);
    sessions->table =
        session_table_new(&sessions->settings, &chat_socket_application, fixture->chat,
                          &sessions->ids, TEST_INCARNATION, sessions->now);
    chat_set_sessions(fixture->chat, sessions->table);
    bus_end_init(&fixture->router, false, BUS_ROLE_ROUTER, "router", sessions->now);
    fixture->router.settings.retained_max = 64 << 20;
    wait_for(fixture, 50);
    assert_heard(&fixture->router, "sync_done 0\n");
    *state = fixture;
    return 0;
}

static inline int chat_teardown(void **state)
{
    struct chat_fixture *fixture = *state;
    struct fixture *sessions = &fixture->sessions;
    session_table_destroy(&sessions->table);
    uplink_destroy(&fixture->uplink, sessions->now);
    assert_int_equal(chat_counters(fixture->chat)->rooms, 0);
    assert_int_equal(chat_counters(fixture->chat)->memberships, 0);
    assert_int_equal(chat_counters(fixture->chat)->watches, 0);
    chat_destroy(&fixture->chat);
    bus_end_deinit(&fixture->router);
    bus_frames_lose(&fixture->sent);
    for (struct fake_poll *poll = sessions->polls, *next; poll != NULL; poll = next) {
        next = poll->next;
        buffer_deinit(&poll->body);
        free(poll);
    }
    for (struct fake_websocket *self = sessions->websockets, *next; self != NULL; self = next) {
        next = self->next;
        buffer_deinit(&self->sent);
        free(self);
    }
    free(fixture);
    return 0;
}

#define CHAT_TEST(name) cmocka_unit_test_setup_teardown(name, chat_setup, chat_teardown)

/* --- clients --------------------------------------------------------------------------------- */

/* A client that has connected with this auth; what it heard of that is forgotten. */
static inline struct fake_websocket *client_with(struct chat_fixture *fixture, const char *connect)
{
    struct fake_websocket *client = fake_websocket_new(&fixture->sessions);
    open_websocket(&fixture->sessions, client);
    say(&fixture->sessions, client, connect);
    settle(fixture);
    return client;
}

static inline struct fake_websocket *client_new(struct chat_fixture *fixture, const char *entity)
{
    char connect[512];
    snprintf(connect, sizeof(connect), "40{\"entityId\":\"%s\"}", entity);
    struct fake_websocket *client = client_with(fixture, connect);
    buffer_clear(&client->sent);
    return client;
}

static inline void client_says(struct chat_fixture *fixture, struct fake_websocket *client,
                               const char *packet)
{
    say(&fixture->sessions, client, packet);
    settle(fixture);
}

/* The connection breaks. */
static inline void client_lost(struct chat_fixture *fixture, struct fake_websocket *client)
{
    session_websocket_gone(fixture->sessions.table, &client->websocket, fixture->sessions.now);
    settle(fixture);
}

/* Everything the client got since the last look, one packet a line, without the frames' marks. */
static inline void assert_got(struct fake_websocket *client, const char *expected)
{
    struct buffer lines = BUFFER_EMPTY;
    for (size_t i = 0; i < client->sent.length; i++) {
        bool is_mark = client->sent.data[i] == '/' && (i == 0 || client->sent.data[i - 1] == '|');
        if (client->sent.data[i] == '|') {
            buffer_append_char(&lines, '\n');
        } else if (!is_mark) {
            buffer_append_char(&lines, client->sent.data[i]);
        }
    }
    buffer_clear(&client->sent);
    assert_lines(&lines, expected);
    buffer_deinit(&lines);
}

/* Only the names of events, and "ack" for acknowledgements, in order. */
static inline void assert_events(struct fake_websocket *client, const char *expected)
{
    struct buffer names = BUFFER_EMPTY;
    buffer_append_char(&client->sent, '\0');
    for (char *at = client->sent.data, *end; (end = strchr(at, '|')) != NULL; at = end + 1) {
        at += *at == '/';
        *end = '\0';
        buffer_append_string(&names, names.length > 0 ? " " : "");
        char *name = strncmp(at, "42[\"", 4) == 0 ? at + 4 : NULL;
        if (name != NULL && strchr(name, '"') != NULL) {
            buffer_append(&names, name, (size_t)(strchr(name, '"') - name));
        } else {
            buffer_append_string(&names, strncmp(at, "43", 2) == 0 ? "ack" : at);
        }
    }
    buffer_clear(&client->sent);
    assert_lines(&names, expected);
    buffer_deinit(&names);
}

/* --- the router ------------------------------------------------------------------------------ */

static inline void router_says(struct chat_fixture *fixture, const struct bus_message *message)
{
    assert_int_equal(link_send(&fixture->router.link, message), 0);
    settle(fixture);
}

/* Members as "ann,bob"; each has the name "N" and one connection. */
static inline void router_joins(struct chat_fixture *fixture, uint64_t request, const char *room,
                                uint64_t last_seq, const char *members)
{
    struct bus_list_builder list = {BUFFER_EMPTY, 0};
    for (const char *at = members; *at != '\0';) {
        size_t length = strcspn(at, ",");
        struct bus_member member = {slice_of(at, length), SLICE_LITERAL("N"), 1};
        bus_list_add(&list, BUS_ELEMENT_MEMBER, &member);
        at += length + (at[length] == ',');
    }
    struct bus_message message = {.type = BUS_JOINED,
                                  .joined = {.request = request,
                                             .room = text(room),
                                             .epoch = EPOCH,
                                             .last_seq = last_seq,
                                             .server_id = SLICE_LITERAL("server"),
                                             .member_count = list.count,
                                             .members = bus_list_of(&list),
                                             .replay_complete = true}};
    router_says(fixture, &message);
    buffer_deinit(&list.bytes);
}

/* The client joins as itself and is answered; what is said of it is forgotten. */
static inline void be_in(struct chat_fixture *fixture, struct fake_websocket *client,
                         const char *room, uint64_t last_seq, const char *members)
{
    char packet[512];
    snprintf(packet, sizeof(packet), "42[\"message\",{\"type\":1,\"payload\":{\"roomId\":\"%s\"}}]",
             room);
    client_says(fixture, client, packet);
    uint64_t request = last_heard(&fixture->router, BUS_JOIN)->join.request;
    router_joins(fixture, request, room, last_seq, members);
    buffer_clear(&client->sent);
    buffer_clear(&fixture->router.lines);
}

static inline struct bus_message room_message(const char *room, uint64_t seq, const char *sender)
{
    return (struct bus_message){.type = BUS_ROOM_MESSAGE,
                                .room_message = {.room = text(room),
                                                 .epoch = EPOCH,
                                                 .seq = seq,
                                                 .id = SLICE_LITERAL(QUESTION),
                                                 .created_at = 5,
                                                 .sender = text(sender),
                                                 .body = SLICE_LITERAL("\"text\":\"hi\"")}};
}

/* A message of somebody elsewhere. */
static inline void router_broadcasts(struct chat_fixture *fixture, const char *room, uint64_t seq,
                                     const char *sender)
{
    struct bus_message message = room_message(room, seq, sender);
    router_says(fixture, &message);
}

static inline struct bus_message send_done(uint64_t request, uint64_t seq, uint64_t jobs)
{
    return (struct bus_message){.type = BUS_SEND_DONE,
                                .send_done = {.request = request,
                                              .message_id = SLICE_LITERAL(QUESTION),
                                              .seq = seq,
                                              .epoch = EPOCH,
                                              .created_at = 5,
                                              .jobs = jobs}};
}

/* A send of this edge is broadcast and acknowledged, as the router does it. */
static inline void router_accepts(struct chat_fixture *fixture, uint64_t request, const char *room,
                                  uint64_t seq, const char *sender, uint64_t jobs)
{
    struct bus_message message = room_message(room, seq, sender);
    message.room_message.origin = text(TEST_INCARNATION);
    message.room_message.origin_request = request;
    struct bus_message done = send_done(request, seq, jobs);
    assert_int_equal(link_send(&fixture->router.link, &message), 0);
    router_says(fixture, &done);
}

#endif
