/*
 * The router's side of recovering sockets: rows, stamps, claims, and what they are answered with.
 */
#include "proto/wire/recovery.h"
#include "tests/unit/router_fixture.h"

enum { WINDOW = 120000 };
#define SOCKET "edge01abcdefghijklmnopqr"
#define OTHER "edge02abcdefghijklmnopqr"

static struct fixture *recovering(void **state)
{
    struct fixture *fixture = *state;
    restart_recovering(fixture, WINDOW);
    return fixture;
}

static void join_kept(struct fixture *fixture, struct fake_peer *edge, uint64_t request,
                      const char *room, const char *socket, bool begins)
{
    struct bus_message message = {.type = BUS_JOIN,
                                  .join = {.request = request,
                                           .room = text(room),
                                           .entity = text("ann"),
                                           .name = SLICE_LITERAL("Ann"),
                                           .socket = text(socket),
                                           .begins = begins}};
    say(fixture, edge, &message);
}

static void keep(struct fixture *fixture, struct fake_peer *edge, uint64_t request,
                 const char *room, const char *socket)
{
    join_kept(fixture, edge, request, room, socket, true);
}

static void end(struct fixture *fixture, struct fake_peer *edge, const char *socket,
                bool is_explicit)
{
    struct bus_message message = {.type = BUS_SESSION_END,
                                  .session_end = {text(socket), is_explicit}};
    say(fixture, edge, &message);
}

static void recover(struct fixture *fixture, struct fake_peer *edge, uint64_t request,
                    const char *socket)
{
    struct bus_message message = {.type = BUS_RECOVER,
                                  .recover = {.request = request, .socket = text(socket)}};
    say(fixture, edge, &message);
}

static struct bus_message joining_since(uint64_t request, const char *room, uint64_t position)
{
    return (struct bus_message){.type = BUS_JOIN,
                                .join = {.request = request,
                                         .room = text(room),
                                         .entity = text("ann"),
                                         .since = BUS_SINCE_POSITION,
                                         .since_seq = position}};
}

static void a_link_begins_with_what_edges_share(void **state)
{
    struct fixture *fixture = recovering(state);
    struct fake_peer *edge = edge_new(fixture, "edge01");
    pass(fixture, 200);
    assert_peer_heard(edge, "cluster\ncaught_up\nsettled\n");
    struct slice secret = last_of(edge, BUS_CLUSTER)->cluster.secret;
    assert_int_equal(secret.length, RECOVERY_SECRET_LENGTH);
    assert_true(slice_equals(secret, fixture->store.secret));
}

static void the_secret_stays_over_restarts(void **state)
{
    struct fixture *fixture = recovering(state);
    struct fake_peer *edge = edge_new(fixture, "edge01");
    struct slice before = fixture->store.secret;
    restart_router(fixture);
    open_edge(fixture, edge);
    assert_true(slice_equals(last_of(edge, BUS_CLUSTER)->cluster.secret, before));
}

static void a_kept_join_is_answered_when_its_row_is_committed(void **state)
{
    struct fixture *fixture = recovering(state);
    struct fake_peer *edge = edge_new(fixture, "edge01");
    hear_nothing_yet(fixture);
    fixture->store_waits = true;
    keep(fixture, edge, 1, "r", SOCKET);
    assert_peer_heard(edge, "");
    commit(fixture);
    assert_peer_heard(edge, "presence r +ann count=1\n"
                            "joined #1 r last=0 count=1 members=ann\n");
    assert_int_equal(fixture->store.membership_count, 1);
    keep(fixture, edge, 2, "s", SOCKET);
    fail_commit(fixture);
    assert_peer_heard(edge, "joined #2 s error=overloaded\n");
}

static void a_join_whose_socket_is_gone_before_its_row_enters_nobody(void **state)
{
    struct fixture *fixture = recovering(state);
    struct fake_peer *edge = edge_new(fixture, "edge01");
    hear_nothing_yet(fixture);
    fixture->store_waits = true;
    keep(fixture, edge, 1, "r", SOCKET);
    struct bus_message leave = {.type = BUS_LEAVE,
                                .leave = {.room = text("r"), .entity = text("ann"), .request = 1}};
    say(fixture, edge, &leave);
    commit(fixture);
    assert_peer_heard(edge, "");
    assert_int_equal(counted(fixture)->members, 0);
    assert_int_equal(counted(fixture)->rooms, 0);
}

static void a_kept_join_begins_behind_what_was_said_before_it(void **state)
{
    struct fixture *fixture = recovering(state);
    struct fake_peer *edge = edge_new(fixture, "edge01");
    join(fixture, edge, 1, "r", "bob");
    fixture->store_waits = true;
    send(fixture, edge, 2, "r", "bob", "with the store");
    send(fixture, edge, 3, "r", "bob", "in the open batch");
    keep(fixture, edge, 4, "r", SOCKET);
    send(fixture, edge, 5, "r", "bob", "later");
    commit(fixture);
    commit(fixture);
    assert_int_equal(last_of(edge, BUS_JOINED)->joined.last_seq, 2);
    uint64_t later = last_of(edge, BUS_ROOM_MESSAGE)->room_message.position;
    uint64_t kept = fixture->store.memberships[0].position;
    assert_int_equal(last_of(edge, BUS_ROOM_MESSAGE)->room_message.seq, 3);
    assert_true(kept < later);
    assert_true(kept >= last_of(edge, BUS_JOINED)->joined.position);
}

static void say_left(struct fixture *fixture, struct fake_peer *edge, uint64_t request,
                     const char *socket, const char *room)
{
    struct bus_message message = {
        .type = BUS_SESSION_LEAVE,
        .session_leave = {.request = request, .socket = text(socket), .room = text(room)}};
    say(fixture, edge, &message);
}

static void a_join_that_was_given_up_is_not_kept(void **state)
{
    struct fixture *fixture = recovering(state);
    struct fake_peer *edge = edge_new(fixture, "edge01"), *other = edge_new(fixture, "edge02");
    keep(fixture, edge, 1, "r", SOCKET);
    keep(fixture, edge, 2, "s", SOCKET);
    assert_int_equal(fixture->store.membership_count, 2);
    hear_nothing_yet(fixture);
    say_left(fixture, other, 3, SOCKET, "r"); /* not its own */
    assert_peer_heard(other, "done #3\n");
    assert_int_equal(fixture->store.membership_count, 2);
    fixture->store_waits = true;
    say_left(fixture, edge, 3, SOCKET, "r");
    fail_commit(fixture);
    assert_peer_heard(edge, ""); /* the edge asks again */
    say_left(fixture, edge, 4, SOCKET, "r");
    assert_peer_heard(edge, "");
    commit(fixture);
    assert_peer_heard(edge, "done #4\n");
    assert_int_equal(fixture->store.membership_count, 1);
    assert_true(slice_is(fixture->store.memberships[0].room, "s"));
}

static void no_stamp_is_told_that_a_join_under_way_has_passed(void **state)
{
    struct fixture *fixture = recovering(state);
    struct fake_peer *edge = edge_new(fixture, "edge01");
    join(fixture, edge, 1, "s", "bob");
    fixture->store_waits = true;
    keep(fixture, edge, 2, "r", SOCKET);
    join(fixture, edge, 3, "s", "cat"); /* not kept: answered at once */
    uint64_t told = last_of(edge, BUS_PRESENCE)->presence.stamp;
    assert_int_equal(last_of(edge, BUS_JOINED)->joined.stamp, told);
    commit(fixture);
    const struct bus_joined *joined = &last_of(edge, BUS_JOINED)->joined;
    assert_int_equal(joined->request, 2);
    assert_true(joined->stamp > told);
    uint64_t kept = fixture->store.memberships[0].stamp;
    assert_true(told < kept && kept <= joined->stamp);
}

static void a_lost_socket_is_handed_over_once(void **state)
{
    struct fixture *fixture = recovering(state);
    struct fake_peer *a = edge_new(fixture, "edge01"), *b = edge_new(fixture, "edge02");
    keep(fixture, a, 1, "r", SOCKET);
    keep(fixture, a, 2, "s", SOCKET);
    hear_nothing_yet(fixture);
    recover(fixture, b, 7, SOCKET); /* its edge has not noticed anything yet */
    assert_peer_heard(b, "recovered #7 ann r/ann s/ann\n");
    assert_peer_heard(a, "session_taken " SOCKET "\n");
    /* The former edge's word does not count any more. */
    end(fixture, a, SOCKET, true);
    assert_int_equal(fixture->store.sessions[0].record.ended_at, 0);
    recover(fixture, b, 8, OTHER);
    assert_peer_heard(b, "recovered #8 error=not_found \n");
    end(fixture, b, SOCKET, true);
    recover(fixture, b, 9, SOCKET);
    assert_peer_heard(b, "recovered #9 error=not_found \n");
    assert_int_equal(counted(fixture)->recoveries, 1);
    assert_int_equal(counted(fixture)->recoveries_refused, 2);
}

static void another_subject_cannot_even_disturb_it(void **state)
{
    struct fixture *fixture = recovering(state);
    struct fake_peer *a = edge_new(fixture, "edge01"), *b = edge_new(fixture, "edge02");
    struct bus_message claim = {
        .type = BUS_RECOVER,
        .recover = {.request = 7, .socket = text(SOCKET), .subject = text("eve")}};
    keep(fixture, a, 1, "r", SOCKET);
    hear_nothing_yet(fixture);
    say(fixture, b, &claim);
    assert_peer_heard(b, "recovered #7 error=identity_mismatch \n");
    say(fixture, a, &claim); /* who has it is not asked whether eve may have it */
    assert_peer_heard(a, "recovered #7 error=identity_mismatch \n");
    claim.recover.subject = text("ann");
    say(fixture, b, &claim);
    assert_peer_heard(b, "recovered #7 ann r/ann\n");
    assert_peer_heard(a, "session_taken " SOCKET "\n");
}

static void an_edge_that_knows_of_the_loss_is_told_nothing(void **state)
{
    struct fixture *fixture = recovering(state);
    struct fake_peer *a = edge_new(fixture, "edge01"), *b = edge_new(fixture, "edge02");
    keep(fixture, a, 1, "r", SOCKET);
    end(fixture, a, SOCKET, false);
    hear_nothing_yet(fixture);
    recover(fixture, b, 2, SOCKET);
    assert_peer_heard(a, "");
    assert_peer_heard(b, "recovered #2 ann r/ann\n");
    /* At the same edge, which may have it still, it is told before it has it again. */
    recover(fixture, b, 3, SOCKET);
    assert_peer_heard(b, "session_taken " SOCKET "\nrecovered #3 ann r/ann\n");
}

static void of_two_who_ask_one_has_it(void **state)
{
    struct fixture *fixture = recovering(state);
    struct fake_peer *a = edge_new(fixture, "edge01"), *b = edge_new(fixture, "edge02");
    keep(fixture, a, 1, "r", SOCKET);
    hear_nothing_yet(fixture);
    fixture->store_waits = true;
    recover(fixture, a, 2, SOCKET);
    recover(fixture, b, 3, SOCKET);
    commit(fixture); /* the first one's claim */
    commit(fixture); /* and the second one's, before the first one's question */
    answer(fixture);
    answer(fixture);
    assert_peer_heard(a, "recovered #2 error=not_found \nsession_taken " SOCKET "\n");
    assert_peer_heard(b, "recovered #3 ann r/ann\n");
}

static void a_store_that_fails_recovers_nobody(void **state)
{
    struct fixture *fixture = recovering(state);
    struct fake_peer *edge = edge_new(fixture, "edge01");
    keep(fixture, edge, 1, "r", SOCKET);
    hear_nothing_yet(fixture);
    fixture->store_is_down = true;
    recover(fixture, edge, 2, SOCKET);
    assert_peer_heard(edge, "recovered #2 error=store_failed \n");
}

static void a_session_goes_when_its_window_has_passed(void **state)
{
    struct fixture *fixture = recovering(state);
    struct fake_peer *edge = edge_new(fixture, "edge01");
    keep(fixture, edge, 1, "r", SOCKET);
    keep(fixture, edge, 2, "r", OTHER);
    pass(fixture, 10 * WINDOW); /* however old it is */
    end(fixture, edge, SOCKET, false);
    pass(fixture, WINDOW - 1000);
    recover(fixture, edge, 3, SOCKET);
    assert_int_equal(last_of(edge, BUS_RECOVERED)->recovered.error, 0);
    end(fixture, edge, SOCKET, false);
    pass(fixture, WINDOW + 20000);
    assert_true(fixture->store.sessions[0].is_gone);
    assert_false(fixture->store.sessions[1].is_gone);
    recover(fixture, edge, 4, SOCKET);
    assert_int_equal(last_of(edge, BUS_RECOVERED)->recovered.error, ERROR_NOT_FOUND);
}

/* Its edge was cut off for so long, and the socket is there still: in two rooms, not in one. */
static void what_has_gone_does_not_begin_in_the_middle(void **state)
{
    struct fixture *fixture = recovering(state);
    struct fake_peer *edge = edge_new(fixture, "edge01");
    keep(fixture, edge, 1, "r", SOCKET);
    end(fixture, edge, SOCKET, false);
    pass(fixture, WINDOW + 20000);
    assert_true(fixture->store.sessions[0].is_gone);
    join_kept(fixture, edge, 2, "s", SOCKET, false);
    assert_int_equal(last_of(edge, BUS_JOINED)->joined.error, 0);
    recover(fixture, edge, 3, SOCKET);
    assert_int_equal(last_of(edge, BUS_RECOVERED)->recovered.error, ERROR_NOT_FOUND);
}

static void sockets_of_a_lost_edge_end_until_it_comes_back(void **state)
{
    struct fixture *fixture = recovering(state);
    struct fake_peer *a = edge_new(fixture, "edge01"), *b = edge_new(fixture, "edge02");
    keep(fixture, a, 1, "r", SOCKET);
    restart_router(fixture);
    open_edge(fixture, b);
    assert_true(fixture->store.sessions[0].record.ended_at > 0);
    open_edge(fixture, a);
    assert_int_equal(fixture->store.sessions[0].record.ended_at, 0);
    kill_peer(a);
    pass(fixture, fixture->settings.link.timeout + 200);
    assert_true(fixture->store.sessions[0].record.ended_at > 0);
    recover(fixture, b, 2, SOCKET);
    assert_int_equal(last_of(b, BUS_RECOVERED)->recovered.error, 0);
}

static void positions_rise_over_rooms_and_restarts(void **state)
{
    struct fixture *fixture = recovering(state);
    struct fake_peer *edge = edge_new(fixture, "edge01");
    join(fixture, edge, 1, "r", "ann");
    join(fixture, edge, 2, "s", "ann");
    uint64_t last = 0;
    for (uint64_t i = 0; i < 6; i++) {
        char id[8];
        snprintf(id, sizeof(id), "m%u", (unsigned)i);
        send(fixture, edge, 10 + i, i % 2 == 0 ? "r" : "s", "ann", id);
        uint64_t position = last_of(edge, BUS_ROOM_MESSAGE)->room_message.position;
        assert_true(position > last);
        last = position;
        if (i == 3) {
            fixture->now.wall -= 3600000; /* and when the clock falls */
            restart_router(fixture);
            open_edge(fixture, edge);
            assert_int_equal(last_of(edge, BUS_CAUGHT_UP)->caught_up.position, last);
            join(fixture, edge, 20, "r", "ann");
            join(fixture, edge, 21, "s", "ann");
        }
    }
}

static void a_room_is_replayed_from_a_position_on(void **state)
{
    struct fixture *fixture = recovering(state);
    struct fake_peer *a = edge_new(fixture, "edge01"), *b = edge_new(fixture, "edge02");
    join(fixture, a, 1, "r", "bob");
    send(fixture, a, 2, "r", "bob", "one");
    uint64_t first = last_of(a, BUS_ROOM_MESSAGE)->room_message.position;
    send(fixture, a, 3, "s", "bob", "elsewhere");
    uint64_t elsewhere = fixture->store.messages[1].position;
    send(fixture, a, 4, "r", "bob", "two");
    uint64_t last = last_of(a, BUS_ROOM_MESSAGE)->room_message.position;
    uint64_t queries = 0;
    hear_nothing_yet(fixture);
    struct bus_message asked = joining_since(5, "r", first);
    say(fixture, b, &asked);
    assert_peer_heard(b, "presence r +ann count=2\n"
                         "joined #5 r last=2 count=2 members=bob,ann replay=2:two\n");
    asked = joining_since(6, "r", elsewhere);
    say(fixture, b, &asked);
    assert_peer_heard(b, "joined #6 r last=2 count=2 members=bob,ann*2 replay=2:two\n");
    /* Nothing was said since: the store is not asked. */
    fixture->store_waits = true;
    queries = fixture->store.query_count;
    asked = joining_since(7, "r", last);
    say(fixture, b, &asked);
    assert_int_equal(fixture->store.query_count, queries);
    assert_peer_heard(b, "joined #7 r last=2 count=2 members=bob,ann*3\n");
    asked = joining_since(8, "r", last + 1);
    say(fixture, b, &asked);
    assert_peer_heard(b, "joined #8 r last=2 count=2 members=bob,ann*4 incomplete\n");
}

static void an_edge_that_is_behind_is_told_when_it_is_not_any_more(void **state)
{
    struct fixture *fixture = recovering(state);
    struct fake_peer *edge = edge_new(fixture, "edge01");
    join(fixture, edge, 1, "r", "ann");
    send(fixture, edge, 2, "r", "ann", "one");
    uint64_t epoch = last_of(edge, BUS_JOINED)->joined.epoch;
    uint64_t position = last_of(edge, BUS_ROOM_MESSAGE)->room_message.position;
    fixture->store_waits = true;
    open_link(fixture, edge);
    sync_room(fixture, edge, "r", epoch, 0, "ann");
    hear_nothing_yet(fixture);
    sync_done(fixture, edge);
    assert_peer_heard(edge, "");
    answer(fixture);
    assert_peer_heard(edge, "room_message r 1 ann one\ncaught_up\n");
    assert_int_equal(last_of(edge, BUS_CAUGHT_UP)->caught_up.position, position);
}

static void rejoin(struct fixture *fixture, struct fake_peer *edge, uint64_t request,
                   const char *entity)
{
    struct bus_message message = {.type = BUS_REJOIN, .rejoin = {request, text(entity)}};
    say(fixture, edge, &message);
}

static void an_entity_s_last_socket_says_where_it_was(void **state)
{
    struct fixture *fixture = recovering(state);
    struct fake_peer *edge = edge_new(fixture, "edge01");
    keep(fixture, edge, 1, "old", OTHER);
    end(fixture, edge, OTHER, false);
    pass(fixture, 50000);
    keep(fixture, edge, 2, "r", SOCKET);
    for (uint64_t i = 0; i < 30; i++) {
        char id[8];
        snprintf(id, sizeof(id), "m%u", (unsigned)i);
        send(fixture, edge, 10 + i, "r", "ann", id);
        pass(fixture, 5000);
    }
    rejoin(fixture, edge, 3, "ann"); /* it lives; the other one ended too long ago */
    assert_int_equal(last_of(edge, BUS_REJOINED)->rejoined.error, ERROR_NOT_FOUND);
    end(fixture, edge, SOCKET, false);
    hear_nothing_yet(fixture);
    rejoin(fixture, edge, 4, "ann");
    struct msgpack_reader reader = bus_list_read(&last_of(edge, BUS_REJOINED)->rejoined.rooms);
    struct bus_session_room room;
    assert_true(bus_list_next(&reader, BUS_ELEMENT_SESSION_ROOM, &room));
    assert_true(slice_is(room.room, "r"));
    /* All of the last minute, and not the whole of it. */
    assert_true(room.position > fixture->store.messages[17].position);
    assert_true(room.position <= fixture->store.messages[18].position);
    assert_false(bus_list_next(&reader, BUS_ELEMENT_SESSION_ROOM, &room));
    hear_nothing_yet(fixture);
    rejoin(fixture, edge, 5, "nobody");
    rejoin(fixture, edge, 6, "");
    fixture->store_is_down = true;
    rejoin(fixture, edge, 7, "ann");
    assert_peer_heard(edge, "rejoined #5 error=not_found\nrejoined #6 error=not_found\n"
                            "rejoined #7 error=not_found\n");
}

static void without_a_window_nothing_is_kept(void **state)
{
    struct fixture *fixture = *state;
    struct fake_peer *edge = edge_new(fixture, "edge01");
    keep(fixture, edge, 1, "r", SOCKET);
    recover(fixture, edge, 2, SOCKET);
    assert_peer_heard(edge, "presence r +ann count=1\n"
                            "joined #1 r last=0 count=1 members=ann\n"
                            "recovered #2 error=not_found \n");
    assert_int_equal(fixture->store.session_count, 0);
}

static void malformed_ids_reach_no_store(void **state)
{
    struct fixture *fixture = recovering(state);
    struct fake_peer *edge = edge_new(fixture, "edge01");
    hear_nothing_yet(fixture);
    fixture->store_waits = true;
    recover(fixture, edge, 1, "");
    recover(fixture, edge, 2, "short");
    recover(fixture, edge, 3, SOCKET SOCKET);
    assert_null(fixture->store.batch);
    assert_peer_heard(edge, "recovered #1 error=not_found \nrecovered #2 error=not_found \n"
                            "recovered #3 error=not_found \n");
}

static void joins_that_the_store_is_too_slow_for_are_refused_until_it_is_through(void **state)
{
    struct fixture *fixture = *state;
    fixture->settings.batch_bytes_max = 400;
    restart_recovering(fixture, WINDOW);
    struct fake_peer *edge = edge_new(fixture, "edge01");
    fixture->store_waits = true;
    uint64_t request = 0;
    while (heard_of(edge, BUS_JOINED) == 0 && request < 100) {
        keep(fixture, edge, ++request, "r", SOCKET);
    }
    assert_int_equal(last_of(edge, BUS_JOINED)->joined.request, request);
    assert_int_equal(last_of(edge, BUS_JOINED)->joined.error, ERROR_OVERLOADED);
    fixture->store_waits = false;
    settle(fixture);
    keep(fixture, edge, ++request, "r", SOCKET);
    assert_int_equal(last_of(edge, BUS_JOINED)->joined.request, request);
    assert_int_equal(last_of(edge, BUS_JOINED)->joined.error, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        ROUTER_TEST(a_link_begins_with_what_edges_share),
        ROUTER_TEST(the_secret_stays_over_restarts),
        ROUTER_TEST(a_kept_join_is_answered_when_its_row_is_committed),
        ROUTER_TEST(a_join_whose_socket_is_gone_before_its_row_enters_nobody),
        ROUTER_TEST(a_kept_join_begins_behind_what_was_said_before_it),
        ROUTER_TEST(a_join_that_was_given_up_is_not_kept),
        ROUTER_TEST(no_stamp_is_told_that_a_join_under_way_has_passed),
        ROUTER_TEST(a_lost_socket_is_handed_over_once),
        ROUTER_TEST(another_subject_cannot_even_disturb_it),
        ROUTER_TEST(an_edge_that_knows_of_the_loss_is_told_nothing),
        ROUTER_TEST(of_two_who_ask_one_has_it),
        ROUTER_TEST(a_store_that_fails_recovers_nobody),
        ROUTER_TEST(a_session_goes_when_its_window_has_passed),
        ROUTER_TEST(what_has_gone_does_not_begin_in_the_middle),
        ROUTER_TEST(sockets_of_a_lost_edge_end_until_it_comes_back),
        ROUTER_TEST(positions_rise_over_rooms_and_restarts),
        ROUTER_TEST(a_room_is_replayed_from_a_position_on),
        ROUTER_TEST(an_edge_that_is_behind_is_told_when_it_is_not_any_more),
        ROUTER_TEST(an_entity_s_last_socket_says_where_it_was),
        ROUTER_TEST(without_a_window_nothing_is_kept),
        ROUTER_TEST(malformed_ids_reach_no_store),
        ROUTER_TEST(joins_that_the_store_is_too_slow_for_are_refused_until_it_is_through),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
