/* The edge's side of recovering sockets: what clients are told, when, and in which order. */
#include "proto/wire/recovery.h"
#include "tests/unit/chat_fixture.h"

#define SECRET SLICE_LITERAL("01234567890123456789012345678901")
#define JOIN_R "42[\"message\",{\"type\":1,\"payload\":{\"roomId\":\"r\"}}]"
#define FORMER "edgeXXabcdefghijklmnopqr"

static void say_cluster(struct chat_fixture *fixture)
{
    struct bus_message cluster = {.type = BUS_CLUSTER, .cluster = {.secret = SECRET}};
    router_says(fixture, &cluster);
}

static void say_caught_up(struct chat_fixture *fixture, uint64_t position)
{
    struct bus_message caught_up = {.type = BUS_CAUGHT_UP, .caught_up = {position}};
    struct bus_message settled = {.type = BUS_SETTLED, .settled = {1}};
    router_says(fixture, &caught_up);
    router_says(fixture, &settled);
}

static struct chat_fixture *recovering(void **state)
{
    struct chat_fixture *fixture = *state;
    say_cluster(fixture);
    say_caught_up(fixture, 5);
    return fixture;
}

/* A client that takes offsets says this. */
static struct fake_websocket *saying(struct chat_fixture *fixture, const char *connect)
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

static const char *offset_of(uint64_t position, uint64_t stamp)
{
    static char offset[RECOVERY_OFFSET_LENGTH + 1];
    struct recovery_keys keys;
    recovery_keys_init(&keys, SECRET);
    recovery_write_offset(&keys, &(struct recovery_point){position, stamp, false}, offset);
    return offset;
}

static const char *former_pid(void)
{
    static char pid[RECOVERY_PID_LENGTH + 1];
    struct recovery_keys keys;
    recovery_keys_init(&keys, SECRET);
    recovery_write_pid(&keys, SLICE_LITERAL(FORMER), pid);
    return pid;
}

/* A client that was FORMER, and has come to this offset (NULL: to none). */
static struct fake_websocket *coming_back(struct chat_fixture *fixture, const char *offset)
{
    char connect[512];
    snprintf(connect, sizeof(connect), "40{\"entityId\":\"ann\",\"pid\":\"%s\"%s%s%s}",
             former_pid(), offset == NULL ? "" : ",\"offset\":\"", offset == NULL ? "" : offset,
             offset == NULL ? "" : "\"");
    return saying(fixture, connect);
}

/* What it got, with its offsets written as positions: @7. */
static void assert_told(struct fake_websocket *client, const char *expected)
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
static void router_recovers(struct chat_fixture *fixture, const char *rooms, bool was_replayed)
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
static void router_rejoins(struct chat_fixture *fixture, uint64_t request, const char *room,
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

static void broadcast_at(struct chat_fixture *fixture, const char *room, uint64_t seq,
                         uint64_t position, const char *body)
{
    struct bus_message message = room_message(room, seq, "bob");
    message.room_message.body = text(body);
    message.room_message.position = position;
    router_says(fixture, &message);
}

/* Requests are numbered one after the other: that of the last RECOVER, and the joins behind it. */
static uint64_t join_number(struct chat_fixture *fixture, uint64_t n)
{
    return last_heard(&fixture->router, BUS_RECOVER)->recover.request + n;
}

/* --- new sockets ------------------------------------------------------------------------------ */

static void a_new_socket_gets_a_private_id_and_offsets(void **state)
{
    struct chat_fixture *fixture = recovering(state);
    struct fake_websocket *client = saying(fixture, "40{\"entityId\":\"ann\"}");
    assert_heard(&fixture->router, "session_open ann\n");
    buffer_append_char(&client->sent, '\0');
    char *pid = strstr(client->sent.data, "\"pid\":\"");
    assert_non_null(pid);
    struct recovery_keys keys;
    struct slice id;
    recovery_keys_init(&keys, SECRET);
    assert_true(recovery_read_pid(&keys, slice_of(pid + 7, RECOVERY_PID_LENGTH), &id));
    assert_true(
        slice_equals(id, last_heard(&fixture->router, BUS_SESSION_OPEN)->session_open.socket));
    client->sent.length--;
    assert_told(client, "40{\"sid\" authenticated@5 connection_established@5 ");
    be_in(fixture, client, "r", 0, "ann");
    broadcast_at(fixture, "r", 1, 30, "\"text\":\"hi\"");
    assert_told(client, "hi@30 ");
    client_lost(fixture, client);
    assert_heard(&fixture->router, "leave r ann\nsession_end\n");
}

static void a_client_that_cannot_take_offsets_gets_none(void **state)
{
    struct chat_fixture *fixture = recovering(state);
    struct fake_websocket *client = client_with(fixture, "40{\"entityId\":\"ann\"}");
    assert_heard(&fixture->router, "");
    assert_told(client, "40{\"sid\" authenticated connection_established ");
    be_in(fixture, client, "r", 0, "ann");
    broadcast_at(fixture, "r", 1, 30, "\"text\":\"hi\"");
    assert_got(client, "42[\"messageBroadcast\",{\"id\":\"" QUESTION
                       "\",\"seq\":1,\"epoch\":7,\"createdAt\":5,\"text\":\"hi\"}]\n");
}

static void leaving_ends_it_for_good(void **state)
{
    struct chat_fixture *fixture = recovering(state);
    struct fake_websocket *client = saying(fixture, "40{\"entityId\":\"ann\"}");
    assert_heard(&fixture->router, "session_open ann\n");
    client_says(fixture, client, "41");
    assert_heard(&fixture->router, "session_end explicit\n");
}

static void router_has_done(struct chat_fixture *fixture, uint64_t request, int error)
{
    struct bus_message message = {.type = BUS_DONE, .done = {.request = request, .error = error}};
    router_says(fixture, &message);
}

static void a_join_that_is_given_up_is_not_to_be_kept(void **state)
{
    struct chat_fixture *fixture = recovering(state);
    struct fake_websocket *client = saying(fixture, "40{\"entityId\":\"ann\"}");
    client_says(fixture, client, JOIN_R);
    buffer_clear(&fixture->router.lines);
    wait_for(fixture, 5000);
    assert_heard(&fixture->router, "leave r ann #1\nsession_leave #2 r\n");
    wait_for(fixture, 5000); /* until it is known */
    assert_heard(&fixture->router, "session_leave #3 r\n");
    router_has_done(fixture, 3, ERROR_STORE);
    assert_heard(&fixture->router, "session_leave #4 r\n");
    router_has_done(fixture, 4, 0);
    wait_for(fixture, 6000);
    assert_heard(&fixture->router, "");
}

static void a_join_that_is_asked_for_again_decides_what_is_kept(void **state)
{
    struct chat_fixture *fixture = recovering(state);
    struct fake_websocket *client = saying(fixture, "40{\"entityId\":\"ann\"}");
    client_says(fixture, client, JOIN_R);
    wait_for(fixture, 3000);
    client_says(fixture, client, JOIN_R);
    buffer_clear(&fixture->router.lines);
    wait_for(fixture, 2000);
    assert_heard(&fixture->router, "leave r ann #1\n");
    struct bus_message refused = {
        .type = BUS_JOINED, .joined = {.request = 2, .room = text("r"), .error = ERROR_OVERLOADED}};
    router_says(fixture, &refused); /* of the first one nothing is known */
    assert_heard(&fixture->router, "session_leave #3 r\n");
    client_says(fixture, client, JOIN_R);
    wait_for(fixture, 4900);
    router_joins(fixture, 4, "r", 0, "ann");
    buffer_clear(&fixture->router.lines);
    wait_for(fixture, 6000); /* it is there: nothing is asked any more */
    assert_heard(&fixture->router, "");
}

static void what_the_router_refuses_is_not_kept_anyway(void **state)
{
    struct chat_fixture *fixture = recovering(state);
    struct fake_websocket *client = saying(fixture, "40{\"entityId\":\"ann\"}");
    client_says(fixture, client, JOIN_R);
    buffer_clear(&fixture->router.lines);
    struct bus_message refused = {
        .type = BUS_JOINED, .joined = {.request = 1, .room = text("r"), .error = ERROR_LIMIT}};
    router_says(fixture, &refused);
    assert_heard(&fixture->router, "");
}

static void while_it_catches_up_messages_prove_nothing_and_the_rest_says_nothing(void **state)
{
    struct chat_fixture *fixture = recovering(state);
    struct fake_websocket *client = saying(fixture, "40{\"entityId\":\"ann\"}");
    be_in(fixture, client, "r", 0, "ann");
    replace_router(fixture);
    broadcast_at(fixture, "r", 1, 30, "\"text\":\"hi\"");
    client_says(fixture, client, "42[\"message\",{\"type\":9,\"payload\":{}}]");
    buffer_append_char(&client->sent, '\0');
    assert_non_null(strstr(client->sent.data, "\"text\":\"hi\"},\"" RECOVERY_OFFSET_VOID "\"]"));
    client->sent.length--;
    assert_told(client, "hi messageError ");
    say_caught_up(fixture, 30);
    client_says(fixture, client, "42[\"message\",{\"type\":9,\"payload\":{}}]");
    assert_told(client, "messageError@30 ");
}

static void what_ends_without_a_router_is_said_later(void **state)
{
    struct chat_fixture *fixture = recovering(state);
    struct fake_websocket *client = saying(fixture, "40{\"entityId\":\"ann\"}");
    fixture->is_cut = true;
    wait_for(fixture, 4000);
    client_lost(fixture, client);
    fixture->is_cut = false;
    replace_router(fixture);
    assert_heard(&fixture->router, "session_end\nsync_done 0\n");
}

/* --- coming back ------------------------------------------------------------------------------ */

static void all_rooms_are_complete_before_anything_is_told(void **state)
{
    struct chat_fixture *fixture = recovering(state);
    struct fake_websocket *client = coming_back(fixture, offset_of(10, 8));
    assert_told(client, "");
    router_recovers(fixture, "r,s", false);
    assert_heard(&fixture->router, "recover #1\njoin #2 r ann since=position\n"
                                   "join #3 s ann since=position\n");
    assert_int_equal(last_heard(&fixture->router, BUS_JOIN)->join.since_seq, 10);
    assert_int_equal(last_heard(&fixture->router, BUS_JOIN)->join.socket.length, 0);
    router_rejoins(fixture, join_number(fixture, 1), "r", (uint64_t[]){11, 14}, 2, 8);
    assert_told(client, "");
    /* Meanwhile, in the room that is there already; the other one has an older message. */
    broadcast_at(fixture, "r", 3, 19, "\"text\":\"live\"");
    struct bus_message typing = {
        .type = BUS_SIGNAL,
        .signal = {
            .room = text("r"), .kind = BUS_SIGNAL_TYPING, .entity = text("bob"), .is_on = true}};
    router_says(fixture, &typing);
    router_rejoins(fixture, join_number(fixture, 2), "s", (uint64_t[]){12, 18}, 2, 8);
    assert_told(client, "r11@11 s12@12 r14@14 s18@18 live@19 40{\"sid\" userTyping ");
    broadcast_at(fixture, "s", 3, 30, "\"text\":\"on\"");
    assert_told(client, "on@30 ");
    assert_int_equal(chat_counters(fixture->chat)->recovered, 1);
    assert_heard(&fixture->router, "");
}

static void say_run(struct chat_fixture *fixture, const char *words)
{
    struct bus_message started = {.type = BUS_RUN,
                                  .run = {.room = text("r"),
                                          .state = BUS_RUN_STARTED,
                                          .agent = text("eliza"),
                                          .question = text(QUESTION),
                                          .reply = text(REPLY)}};
    struct bus_message chunk = {.type = BUS_CHUNK,
                                .chunk = {.room = text("r"),
                                          .reply = text(REPLY),
                                          .question = text(QUESTION),
                                          .agent = text("eliza"),
                                          .attempt = 1,
                                          .text = text(words)}};
    router_says(fixture, &started);
    router_says(fixture, &chunk);
}

static void a_reply_that_came_meanwhile_has_no_pieces_behind_it(void **state)
{
    struct chat_fixture *fixture = recovering(state);
    struct fake_websocket *client = coming_back(fixture, offset_of(10, 8));
    router_recovers(fixture, "r,s", false);
    router_rejoins(fixture, join_number(fixture, 1), "r", NULL, 0, 8);
    say_run(fixture, "why");
    struct bus_message reply = room_message("r", 2, "eliza");
    reply.room_message.id = text(REPLY);
    reply.room_message.in_reply_to = text(QUESTION);
    reply.room_message.position = 19;
    router_says(fixture, &reply);
    router_rejoins(fixture, join_number(fixture, 2), "s", NULL, 0, 8);
    assert_told(client, "hi@19 40{\"sid\" thinking controlMessage thinking messageComplete "
                        "controlMessage ");
}

static void a_reply_that_is_being_written_comes_with_its_text_so_far(void **state)
{
    struct chat_fixture *fixture = recovering(state);
    struct fake_websocket *client = coming_back(fixture, offset_of(10, 8));
    router_recovers(fixture, "r,s", false);
    router_rejoins(fixture, join_number(fixture, 1), "r", NULL, 0, 8);
    say_run(fixture, "why");
    router_rejoins(fixture, join_number(fixture, 2), "s", NULL, 0, 8);
    assert_told(client, "40{\"sid\" thinking controlMessage messageStreamChunk@20 ");
}

static void what_was_held_for_who_asked_outside_does_not_lead_back(void **state)
{
    struct chat_fixture *fixture = recovering(state);
    struct fake_websocket *client = saying(fixture, "40{\"entityId\":\"ann\"}");
    be_in(fixture, client, "s", 0, "ann");
    client_says(fixture, client,
                "42[\"message\",{\"type\":2,\"payload\":{\"roomId\":\"r\",\"message\":\"?\"}}]");
    router_accepts(fixture, 2, "r", 1, "ann", 1);
    say_run(fixture, "why");
    broadcast_at(fixture, "s", 1, 30, "\"text\":\"hi\"");
    buffer_clear(&client->sent);
    wait_for(fixture, 1000);
    assert_told(client, "messageStreamChunk ");
}

/* A page that is loaded again: the new connection is there before the end of the former one. */
static void a_socket_that_is_taken_over_has_not_ended(void **state)
{
    struct chat_fixture *fixture = recovering(state);
    char pid[RECOVERY_PID_LENGTH + 1], connect[256];
    struct recovery_keys keys;
    struct fake_websocket *former = saying(fixture, "40{\"entityId\":\"ann\"}");
    recovery_keys_init(&keys, SECRET);
    recovery_write_pid(&keys, last_heard(&fixture->router, BUS_SESSION_OPEN)->session_open.socket,
                       pid);
    snprintf(connect, sizeof(connect), "40{\"entityId\":\"ann\",\"pid\":\"%s\"}", pid);
    saying(fixture, connect);
    assert_heard(&fixture->router, "session_open ann\nrecover #1\n");
    client_lost(fixture, former);
    assert_heard(&fixture->router, "");
}

static void it_is_the_same_socket_again(void **state)
{
    struct chat_fixture *fixture = recovering(state);
    char expected[256];
    struct fake_websocket *client = coming_back(fixture, offset_of(10, 8));
    router_recovers(fixture, "", false);
    snprintf(expected, sizeof(expected), "40{\"sid\":\"" FORMER "\",\"pid\":\"%s\"}\n",
             former_pid());
    assert_got(client, expected);
    buffer_clear(&fixture->router.lines);
    be_in(fixture, client, "r", 0, "ann");
    assert_true(slice_is(last_heard(&fixture->router, BUS_JOIN)->join.socket, FORMER));
    client_lost(fixture, client);
    assert_heard(&fixture->router, "leave r ann\nsession_end\n");
    assert_true(
        slice_is(last_heard(&fixture->router, BUS_SESSION_END)->session_end.socket, FORMER));
}

static void rooms_whose_presence_changed_are_told_of_afterwards(void **state)
{
    struct chat_fixture *fixture = recovering(state);
    struct fake_websocket *client = coming_back(fixture, offset_of(10, 8));
    router_recovers(fixture, "r,s", false);
    router_rejoins(fixture, join_number(fixture, 1), "r", (uint64_t[]){11}, 1, 9);
    router_rejoins(fixture, join_number(fixture, 2), "s", NULL, 0, 8);
    assert_told(client, "r11@11 40{\"sid\" room_joined@20 ");
}

static void before_the_first_event_its_rooms_begin_where_it_joined(void **state)
{
    struct chat_fixture *fixture = recovering(state);
    struct fake_websocket *client = coming_back(fixture, NULL);
    router_recovers(fixture, "r", false);
    assert_int_equal(last_heard(&fixture->router, BUS_JOIN)->join.since_seq, 3);
    router_rejoins(fixture, join_number(fixture, 1), "r", (uint64_t[]){4}, 1, 1);
    assert_told(client, "r4@4 40{\"sid\" room_joined@20 ");
}

static void a_replay_that_was_cut_short_is_not_passed_over(void **state)
{
    struct chat_fixture *fixture = recovering(state);
    struct fake_websocket *client = coming_back(fixture, offset_of(10, 2));
    router_recovers(fixture, "r", true); /* joined with since, at stamp 3: not seen whole */
    assert_told(client, "40{\"sid\" authenticated@5 connection_established@5 ");
    client = coming_back(fixture, offset_of(10, 3));
    router_recovers(fixture, "r", true);
    router_rejoins(fixture, join_number(fixture, 1), "r", NULL, 0, 1);
    assert_told(client, "40{\"sid\" ");
}

/* --- not coming back -------------------------------------------------------------------------- */

#define NEW_SOCKET "40{\"sid\" authenticated@5 connection_established@5 "

static void what_is_forged_reaches_no_router(void **state)
{
    struct chat_fixture *fixture = recovering(state);
    static const char *const offsets[] = {"", "~", "AAAAAAAAAAAAAAAAAAAAAAAA",
                                          "\\u0000AAAAAAAAAAAAAAAAAAAAAAA"};
    char connect[512];
    for (size_t i = 1; i < sizeof(offsets) / sizeof(offsets[0]); i++) {
        assert_told(coming_back(fixture, offsets[i]), NEW_SOCKET);
    }
    snprintf(connect, sizeof(connect), "40{\"entityId\":\"ann\",\"pid\":\"%.45s%c\"}", former_pid(),
             former_pid()[45] == 'A' ? 'B' : 'A');
    assert_told(saying(fixture, connect), NEW_SOCKET);
    assert_told(saying(fixture, "40{\"entityId\":\"ann\",\"pid\":\"short\"}"), NEW_SOCKET);
    assert_told(saying(fixture, "40{\"entityId\":\"ann\",\"pid\":[],\"offset\":{}}"), NEW_SOCKET);
    assert_heard(&fixture->router, "session_open ann\nsession_open ann\nsession_open ann\n"
                                   "session_open ann\nsession_open ann\nsession_open ann\n");
    assert_int_equal(chat_counters(fixture->chat)->recoveries_refused[CHAT_RECOVERY_FORGED], 5);
}

static void whoever_is_refused_is_new_and_leaves_nothing(void **state)
{
    struct chat_fixture *fixture = recovering(state);
    struct fake_websocket *client = coming_back(fixture, offset_of(10, 8));
    router_recovers(fixture, "r,s", false);
    router_rejoins(fixture, join_number(fixture, 1), "r", (uint64_t[]){11}, 1, 8);
    buffer_clear(&fixture->router.lines);
    struct bus_message incomplete = {
        .type = BUS_JOINED,
        .joined = {
            .request = join_number(fixture, 2), .room = text("s"), .epoch = EPOCH, .last_seq = 9}};
    router_says(fixture, &incomplete);
    assert_told(client, "40{\"sid\" authenticated@20 connection_established@20 ");
    assert_heard(&fixture->router, "leave r ann\nleave s ann\nsession_end explicit\n"
                                   "session_open ann\n");
    assert_int_equal(chat_counters(fixture->chat)->memberships, 0);
    assert_int_equal(chat_counters(fixture->chat)->recoveries_refused[CHAT_RECOVERY_INCOMPLETE], 1);
}

static void another_s_socket_is_left_alone(void **state)
{
    struct chat_fixture *fixture = recovering(state);
    struct fake_websocket *client = coming_back(fixture, offset_of(10, 8));
    uint64_t request = last_heard(&fixture->router, BUS_RECOVER)->recover.request;
    struct bus_message refused = {.type = BUS_RECOVERED,
                                  .recovered = {.request = request, .error = ERROR_IDENTITY}};
    buffer_clear(&fixture->router.lines);
    router_says(fixture, &refused);
    assert_told(client, NEW_SOCKET);
    assert_heard(&fixture->router, "session_open ann\n"); /* nobody's session ends by that */
    assert_int_equal(chat_counters(fixture->chat)->recoveries_refused[CHAT_RECOVERY_FORBIDDEN], 1);
}

static void a_router_that_does_not_answer_is_not_waited_for(void **state)
{
    struct chat_fixture *fixture = recovering(state);
    struct fake_websocket *client = coming_back(fixture, offset_of(10, 8));
    fixture->is_cut = true;
    wait_for(fixture, 4900);
    assert_told(client, "");
    wait_for(fixture, 200);
    assert_told(client, NEW_SOCKET);
    assert_int_equal(chat_counters(fixture->chat)->recoveries_refused[CHAT_RECOVERY_LATE], 1);
}

static void a_client_that_goes_meanwhile_may_come_back_once_more(void **state)
{
    struct chat_fixture *fixture = recovering(state);
    struct fake_websocket *client = coming_back(fixture, offset_of(10, 8));
    router_recovers(fixture, "r,s", false);
    router_rejoins(fixture, join_number(fixture, 1), "r", (uint64_t[]){11}, 1, 8);
    buffer_clear(&fixture->router.lines);
    client_lost(fixture, client);
    assert_heard(&fixture->router, "leave r ann\nsession_end\n");
    /* Its other join is answered to nobody, and taken back. */
    router_rejoins(fixture, join_number(fixture, 2), "s", NULL, 0, 8);
    assert_heard(&fixture->router, "leave s ann\n");
}

static void a_new_router_is_asked_anew(void **state)
{
    struct chat_fixture *fixture = recovering(state);
    struct fake_websocket *client = coming_back(fixture, offset_of(10, 8));
    router_recovers(fixture, "r,s", false);
    router_rejoins(fixture, join_number(fixture, 1), "r", (uint64_t[]){11}, 1, 8);
    replace_router(fixture);
    say_cluster(fixture);
    buffer_clear(&fixture->router.lines);
    say_caught_up(fixture, 12);
    assert_told(client, "");
    router_recovers(fixture, "r", false);
    router_rejoins(fixture, join_number(fixture, 1), "r", (uint64_t[]){11}, 1, 8);
    assert_told(client, "r11@11 40{\"sid\" ");
}

static void a_socket_that_goes_on_elsewhere_is_closed_here(void **state)
{
    struct chat_fixture *fixture = recovering(state);
    struct fake_websocket *client = saying(fixture, "40{\"entityId\":\"bob\"}");
    struct slice id = last_heard(&fixture->router, BUS_SESSION_OPEN)->session_open.socket;
    struct bus_message taken = {.type = BUS_SESSION_TAKEN, .session_taken = {id}};
    router_says(fixture, &taken);
    assert_null(client->websocket.session);
    /* One that was recovered has another id than its session. */
    client = coming_back(fixture, offset_of(10, 8));
    router_recovers(fixture, "", false);
    taken.session_taken.socket = SLICE_LITERAL(FORMER);
    router_says(fixture, &taken);
    assert_null(client->websocket.session);
    router_says(fixture, &taken);
    taken.session_taken.socket = SLICE_LITERAL("x");
    router_says(fixture, &taken);
}

static void of_two_that_come_back_as_one_the_last_stays(void **state)
{
    struct chat_fixture *fixture = recovering(state);
    struct bus_message taken = {.type = BUS_SESSION_TAKEN,
                                .session_taken = {SLICE_LITERAL(FORMER)}};
    struct fake_websocket *first = coming_back(fixture, offset_of(10, 8));
    router_recovers(fixture, "r", false);
    struct fake_websocket *second = coming_back(fixture, offset_of(10, 8));
    buffer_clear(&fixture->router.lines);
    router_says(fixture, &taken);
    assert_null(first->websocket.session);
    assert_heard(&fixture->router, ""); /* the row is the second one's now */
    router_recovers(fixture, "", false);
    assert_told(second, "40{\"sid\" ");
    first = coming_back(fixture, offset_of(10, 8));
    router_says(fixture, &taken);
    assert_null(second->websocket.session);
    router_recovers(fixture, "", false);
    assert_told(first, "40{\"sid\" ");
    assert_heard(&fixture->router, "recover #4\n");
}

static void before_the_cluster_is_known_a_client_waits(void **state)
{
    struct chat_fixture *fixture = *state;
    struct fake_websocket *client = coming_back(fixture, offset_of(10, 8));
    /* This cluster has said nothing of recovering anybody. */
    assert_told(client, "40{\"sid\" authenticated connection_established ");
    fixture->is_cut = true;
    wait_for(fixture, 4000);
    client = coming_back(fixture, offset_of(10, 8));
    assert_told(client, "");
    fixture->is_cut = false;
    replace_router(fixture);
    say_cluster(fixture);
    say_caught_up(fixture, 5);
    router_recovers(fixture, "", false);
    assert_told(client, "40{\"sid\" ");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        CHAT_TEST(a_new_socket_gets_a_private_id_and_offsets),
        CHAT_TEST(a_client_that_cannot_take_offsets_gets_none),
        CHAT_TEST(leaving_ends_it_for_good),
        CHAT_TEST(a_join_that_is_given_up_is_not_to_be_kept),
        CHAT_TEST(a_join_that_is_asked_for_again_decides_what_is_kept),
        CHAT_TEST(what_the_router_refuses_is_not_kept_anyway),
        CHAT_TEST(while_it_catches_up_messages_prove_nothing_and_the_rest_says_nothing),
        CHAT_TEST(what_ends_without_a_router_is_said_later),
        CHAT_TEST(all_rooms_are_complete_before_anything_is_told),
        CHAT_TEST(a_reply_that_came_meanwhile_has_no_pieces_behind_it),
        CHAT_TEST(a_reply_that_is_being_written_comes_with_its_text_so_far),
        CHAT_TEST(what_was_held_for_who_asked_outside_does_not_lead_back),
        CHAT_TEST(a_socket_that_is_taken_over_has_not_ended),
        CHAT_TEST(it_is_the_same_socket_again),
        CHAT_TEST(rooms_whose_presence_changed_are_told_of_afterwards),
        CHAT_TEST(before_the_first_event_its_rooms_begin_where_it_joined),
        CHAT_TEST(a_replay_that_was_cut_short_is_not_passed_over),
        CHAT_TEST(what_is_forged_reaches_no_router),
        CHAT_TEST(whoever_is_refused_is_new_and_leaves_nothing),
        CHAT_TEST(another_s_socket_is_left_alone),
        CHAT_TEST(a_router_that_does_not_answer_is_not_waited_for),
        CHAT_TEST(a_client_that_goes_meanwhile_may_come_back_once_more),
        CHAT_TEST(a_new_router_is_asked_anew),
        CHAT_TEST(a_socket_that_goes_on_elsewhere_is_closed_here),
        CHAT_TEST(of_two_that_come_back_as_one_the_last_stays),
        CHAT_TEST(before_the_cluster_is_known_a_client_waits),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
