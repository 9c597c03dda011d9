/*
 * A chat whose router keeps sockets, for tests of what is kept of them and of how they are
 * recovered: a client that says who it was, and the router's side of the conversation.
 */
#ifndef TESTS_UNIT_RECOVERY_FIXTURE_H
#define TESTS_UNIT_RECOVERY_FIXTURE_H

#include "proto/wire/recovery.h"
#include "tests/unit/chat_fixture.h"

#define SECRET SLICE_LITERAL("01234567890123456789012345678901")
#define JOIN_R "42[\"message\",{\"type\":1,\"payload\":{\"roomId\":\"r\"}}]"
#define FORMER "edgeXXabcdefghijklmnopqr"

static inline void say_cluster(struct chat_fixture *fixture)
{
    struct bus_message cluster = {.type = BUS_CLUSTER, .cluster = {.secret = SECRET}};
    router_says(fixture, &cluster);
}

static inline void say_caught_up(struct chat_fixture *fixture, uint64_t position)
{
    struct bus_message caught_up = {.type = BUS_CAUGHT_UP, .caught_up = {position}};
    struct bus_message settled = {.type = BUS_SETTLED, .settled = {1}};
    router_says(fixture, &caught_up);
    router_says(fixture, &settled);
}

static inline struct chat_fixture *recovering(void **state)
{
    struct chat_fixture *fixture = *state;
    say_cluster(fixture);
    say_caught_up(fixture, 5);
    return fixture;
}

/* A client that takes offsets says this. */
static inline struct fake_websocket *saying(struct chat_fixture *fixture, const char *connect)
{
    static const struct session_opening opening = {.revision = 4, .takes_offsets = true};
    struct fake_websocket *client = fake_websocket_new(&fixture->sessions);
    assert_true(session_open_websocket(fixture->sessions.table, &opening, &client->websocket,
                                       fixture->sessions.now));
    flush(&fixture->sessions);
    buffer_clear(&client->sent);
    client_says(fixture, client, connect);
    return client;
}

static inline const char *offset_of(uint64_t position, uint64_t stamp)
{
    static char offset[RECOVERY_OFFSET_LENGTH + 1];
    struct recovery_keys keys;
    recovery_keys_init(&keys, SECRET);
    recovery_write_offset(&keys, &(struct recovery_point){position, stamp, false}, offset);
    return offset;
}

static inline const char *former_pid(void)
{
    static char pid[RECOVERY_PID_LENGTH + 1];
    struct recovery_keys keys;
    recovery_keys_init(&keys, SECRET);
    recovery_write_pid(&keys, SLICE_LITERAL(FORMER), pid);
    return pid;
}

/* A client that was FORMER, and has come to this offset (NULL: to none). */
static inline struct fake_websocket *coming_back(struct chat_fixture *fixture, const char *offset)
{
    char connect[512];
    snprintf(connect, sizeof(connect), "40{\"entityId\":\"ann\",\"pid\":\"%s\"%s%s%s}",
             former_pid(), offset == NULL ? "" : ",\"offset\":\"", offset == NULL ? "" : offset,
             offset == NULL ? "" : "\"");
    return saying(fixture, connect);
}

/* What it got, with its offsets written as positions: @7. */
static inline void assert_told(struct fake_websocket *client, const char *expected)
{
    struct buffer lines = BUFFER_EMPTY;
    struct recovery_keys keys;
    recovery_keys_init(&keys, SECRET);
    buffer_append_char(&client->sent, '\0');
    for (char *at = client->sent.data, *end; (end = strchr(at, '|')) != NULL; at = end + 1) {
        size_t length = (size_t)(end - at) - (*at == '/');
        at += *at == '/';
        struct slice packet = slice_of(at, length);
        struct recovery_point point;
        bool has_offset = length > 28 && memcmp(end - 2, "\"]", 2) == 0 && end[-27] == '"' &&
                          recovery_read_offset(&keys, slice_of(end - 26, 24), &point);
        char *name = strncmp(at, "42[\"", 4) == 0 ? at + 4 : NULL;
        char *words = strstr(at, "\"text\":\"");
        if (words != NULL && words < end) {
            words += 8;
            buffer_append(&lines, words, (size_t)(strchr(words, '"') - words));
        } else if (name != NULL) {
            buffer_append(&lines, name, (size_t)(strchr(name, '"') - name));
        } else {
            buffer_append(&lines, packet.data, packet.length < 8 ? packet.length : 8);
        }
        if (has_offset) {
            buffer_append_format(&lines, "@%" PRIu64, point.position);
        }
        buffer_append_char(&lines, ' ');
    }
    buffer_clear(&client->sent);
    assert_lines(&lines, expected);
    buffer_deinit(&lines);
}

/* The former socket was in these rooms as ann: "r,s"; joined at position 3, stamp 3. */
static inline void router_recovers(struct chat_fixture *fixture, const char *rooms,
                                   bool was_replayed)
{
    struct bus_list_builder list = {BUFFER_EMPTY, 0};
    for (const char *at = rooms; *at != '\0'; at += at[1] == ',' ? 2 : 1) {
        struct bus_session_room room = {
            slice_of(at, 1), SLICE_LITERAL("ann"), SLICE_LITERAL("Ann"), 3, 3, was_replayed};
        bus_list_add(&list, BUS_ELEMENT_SESSION_ROOM, &room);
    }
    uint64_t request = last_heard(&fixture->router, BUS_RECOVER)->recover.request;
    struct bus_message message = {.type = BUS_RECOVERED,
                                  .recovered = {.request = request,
                                                .entity = SLICE_LITERAL("ann"),
                                                .rooms = bus_list_of(&list)}};
    router_says(fixture, &message);
    buffer_deinit(&list.bytes);
}

/* Answers a recovery's join with messages of these positions. */
static inline void router_rejoins(struct chat_fixture *fixture, uint64_t request, const char *room,
                                  const uint64_t *positions, uint32_t count, uint64_t changed_at)
{
    struct bus_list_builder list = {BUFFER_EMPTY, 0}, members = {BUFFER_EMPTY, 0};
    struct bus_member member = {SLICE_LITERAL("ann"), SLICE_LITERAL("N"), 1};
    bus_list_add(&members, BUS_ELEMENT_MEMBER, &member);
    for (uint32_t i = 0; i < count; i++) {
        char body[32];
        snprintf(body, sizeof(body), "\"text\":\"%s%u\"", room, (unsigned)positions[i]);
        struct bus_stored_message stored = {.id = text(QUESTION),
                                            .seq = i + 1,
                                            .sender = text("bob"),
                                            .body = text(body),
                                            .position = positions[i]};
        bus_list_add(&list, BUS_ELEMENT_STORED, &stored);
    }
    struct bus_message message = {.type = BUS_JOINED,
                                  .joined = {.request = request,
                                             .room = text(room),
                                             .epoch = EPOCH,
                                             .last_seq = count,
                                             .server_id = SLICE_LITERAL("server"),
                                             .member_count = 1,
                                             .members = bus_list_of(&members),
                                             .replay_complete = true,
                                             .replay = bus_list_of(&list),
                                             .position = 20,
                                             .stamp = 9,
                                             .changed_at = changed_at}};
    router_says(fixture, &message);
    buffer_deinit(&list.bytes);
    buffer_deinit(&members.bytes);
}

static inline void broadcast_at(struct chat_fixture *fixture, const char *room, uint64_t seq,
                                uint64_t position, const char *body)
{
    struct bus_message message = room_message(room, seq, "bob");
    message.room_message.body = text(body);
    message.room_message.position = position;
    router_says(fixture, &message);
}

/* Requests are numbered one after the other: that of the last RECOVER, and the joins behind it. */
static inline uint64_t join_number(struct chat_fixture *fixture, uint64_t n)
{
    return last_heard(&fixture->router, BUS_RECOVER)->recover.request + n;
}

#endif
