#include "tests/unit/random.h"
#include "tests/unit/router_fixture.h"

/* --- being introduced ------------------------------------------------------------------------ */

static struct fake_peer *edge_at(struct fixture *fixture, const char *incarnation,
                                 const char *address)
{
    struct fake_peer *edge = fake_peer_new(fixture, ROUTER_SIDE_EDGES, incarnation);
    edge->end.self.peer_address = text(address);
    edge->end.link.self = edge->end.self;
    edge->end.keeps_peers = true;
    open_link(fixture, edge);
    return edge;
}

static void test_edges_are_told_of_each_other_whenever_one_comes_or_goes(void **state)
{
    struct fixture *fixture = *state;
    struct fake_peer *a = edge_at(fixture, "edgeA1", "tcp://a:1");
    assert_peer_heard(a, "peers edgeA1=tcp://a:1\n");
    struct fake_peer *b = edge_at(fixture, "edgeB2", "tcp://b:2");
    assert_peer_heard(a, "peers edgeA1=tcp://a:1 edgeB2=tcp://b:2\n");
    assert_peer_heard(b, "peers edgeA1=tcp://a:1 edgeB2=tcp://b:2\n");
    struct fake_peer *c = edge_at(fixture, "edgeC3", ""); /* cannot be relayed to */
    assert_peer_heard(c, "peers edgeA1=tcp://a:1 edgeB2=tcp://b:2\n");
    hear_nothing_yet(fixture);
    link_close(&b->end.link, fixture->now.now);
    settle(fixture);
    assert_peer_heard(a, "peers edgeA1=tcp://a:1\n");
    kill_peer(a);
    pass(fixture, 4000);
    assert_peer_heard(c, "peers edgeA1=tcp://a:1\npeers\n");
}

static void test_bridges_are_not_told_of_edges(void **state)
{
    struct fixture *fixture = *state;
    struct fake_peer *bridge = bridge_new(fixture, "bridg1", 4, "eliza");
    bridge->end.keeps_peers = true;
    edge_at(fixture, "edgeA1", "tcp://a:1");
    assert_peer_heard(bridge, "");
    assert_int_equal(counted(fixture)->bridges, 1);
    assert_int_equal(counted(fixture)->edges, 1);
}

static void test_a_process_on_a_new_link_replaces_itself(void **state)
{
    struct fixture *fixture = *state;
    struct fake_peer *edge = edge_at(fixture, "edgeA1", "tcp://a:1");
    hear_nothing_yet(fixture);
    open_link(fixture, edge);
    assert_int_equal(counted(fixture)->edges, 1);
    const struct heard *heard = edge->end.heard;
    assert_int_equal(heard->message.type, BUS_PEERS);
    assert_int_equal(heard->message.peers.peers.count, 1);
}

/* A frame made by hand, from that routing id. */
static void hand(struct fixture *fixture, enum router_side side, const char *routing_id,
                 struct link_header header, const struct bus_message *message)
{
    struct buffer frame = BUFFER_EMPTY;
    link_header_encode(&frame, &header);
    if (message != NULL) {
        bus_encode(&frame, message);
    }
    router_receive(fixture->router, side, text(routing_id), buffer_slice(&frame), fixture->now);
    buffer_deinit(&frame);
}

static struct bus_message hello(enum bus_role role, const char *incarnation)
{
    return (struct bus_message){.type = BUS_HELLO,
                                .hello = {.role = role, .incarnation = text(incarnation)}};
}

static void test_a_hello_that_does_not_fit_its_socket_is_refused(void **state)
{
    struct fixture *fixture = *state;
    struct link_header header = {BUS_VERSION, LINK_HELLO, 5, 0, 0};
    struct bus_message bridge = hello(BUS_ROLE_BRIDGE, "bridg1");
    struct bus_message router = hello(BUS_ROLE_ROUTER, "router");
    struct bus_message edge = hello(BUS_ROLE_EDGE, "edgeA1");
    struct bus_message nameless = hello(BUS_ROLE_EDGE, "");
    struct bus_message other = {.type = BUS_DONE};
    hand(fixture, ROUTER_SIDE_EDGES, "x", header, &bridge);
    hand(fixture, ROUTER_SIDE_EDGES, "x", header, &router);
    hand(fixture, ROUTER_SIDE_BRIDGES, "x", header, &edge);
    hand(fixture, ROUTER_SIDE_EDGES, "x", header, &nameless);
    hand(fixture, ROUTER_SIDE_EDGES, "x", header, &other);
    hand(fixture, ROUTER_SIDE_EDGES, "x", header, NULL);
    header.link = 0; /* never a link's id */
    hand(fixture, ROUTER_SIDE_EDGES, "x", header, &edge);
    assert_int_equal(counted(fixture)->frames_refused, 7);
    assert_int_equal(counted(fixture)->edges + counted(fixture)->bridges, 0);
}

/* The only frame in the peer's inbox: RESET of that link. */
static void assert_reset(struct fake_peer *peer, uint64_t link)
{
    struct msgpack_reader body;
    assert_non_null(peer->inbox);
    assert_null(peer->inbox->next);
    struct link_header header = header_of(buffer_slice(&peer->inbox->bytes), &body);
    assert_int_equal(header.version, BUS_VERSION);
    assert_int_equal(header.kind, LINK_RESET);
    assert_int_equal(header.link, link);
    bus_frames_lose(&peer->inbox);
}

static void test_who_is_refused_is_told_so_and_can_log_it(void **state)
{
    struct fixture *fixture = *state;
    struct fake_peer *edge = edge_new(fixture, "edgeA1");
    struct bus_message bridge = hello(BUS_ROLE_BRIDGE, "bridg1");
    struct bus_message other = hello(BUS_ROLE_EDGE, "edgeB2");
    edge->is_silent = true;
    bus_frames_lose(&edge->inbox);
    hand(fixture, ROUTER_SIDE_EDGES, "edgeA1",
         (struct link_header){BUS_VERSION, LINK_HELLO, 5, 0, 0}, &bridge);
    assert_reset(edge, 5);
    hand(fixture, ROUTER_SIDE_EDGES, "edgeA1",
         (struct link_header){BUS_VERSION + 1, LINK_HELLO, 6, 0, 0}, &other);
    assert_reset(edge, 0); /* in our version: for the other side a frame of another one */
    router_receive(fixture->router, ROUTER_SIDE_EDGES, text("edgeA1"), SLICE_LITERAL("nonsense"),
                   fixture->now);
    assert_null(edge->inbox);
}

static void test_frames_of_another_version_or_shape_are_counted_and_refused(void **state)
{
    struct fixture *fixture = *state;
    struct fake_peer *edge = edge_new(fixture, "edgeA1");
    struct random random = {3};
    hand(fixture, ROUTER_SIDE_EDGES, "edgeA1",
         (struct link_header){BUS_VERSION + 1, LINK_DATA, 1, 1, 0}, NULL);
    router_receive(fixture->router, ROUTER_SIDE_EDGES, text("edgeA1"), SLICE_EMPTY, fixture->now);
    assert_int_equal(counted(fixture)->frames_refused, 2);
    for (int round = 0; round < 2000; round++) {
        char bytes[32];
        size_t length = random_below(&random, sizeof(bytes));
        for (size_t i = 0; i < length; i++) {
            bytes[i] = (char)random_next(&random);
        }
        router_receive(fixture->router, ROUTER_SIDE_EDGES, text("edgeA1"), slice_of(bytes, length),
                       fixture->now);
    }
    assert_int_equal(counted(fixture)->frames_refused, 2002);
    send(fixture, edge, 1, "r", "ann", "m"); /* others never notice */
    assert_int_equal(last_of(edge, BUS_SEND_DONE)->send_done.error, 0);
}

static void test_an_unknown_link_is_answered_reset(void **state)
{
    struct fixture *fixture = *state;
    struct fake_peer *edge = edge_new(fixture, "edgeA1");
    restart_router(fixture);
    pass(fixture, 600); /* its heartbeat */
    assert_int_equal(edge->end.closed, 1);
    assert_int_equal(edge->end.close_error, ERROR_CLOSED);
    struct bus_frame **inbox = &edge->inbox;
    edge->is_silent = true;
    for (uint64_t kind = LINK_DATA; kind <= LINK_GOODBYE; kind++) {
        if (kind != LINK_HELLO) {
            hand(fixture, ROUTER_SIDE_EDGES, "edgeA1",
                 (struct link_header){BUS_VERSION, kind, 999, 0, 0}, NULL);
        }
        bool is_answered = kind != LINK_RESET && kind != LINK_GOODBYE && kind != LINK_HELLO;
        assert_int_equal(*inbox != NULL, is_answered); /* never a RESET for a RESET */
        if (is_answered) {
            struct msgpack_reader body;
            struct link_header header = header_of(buffer_slice(&(*inbox)->bytes), &body);
            assert_int_equal(header.kind, LINK_RESET);
            assert_int_equal(header.link, 999);
        }
        bus_frames_lose(inbox);
    }
}

static void test_a_link_is_known_only_on_its_own_socket(void **state)
{
    struct fixture *fixture = *state;
    struct fake_peer *edge = edge_new(fixture, "edgeA1");
    struct fake_peer *bridge = bridge_new(fixture, "bridg1", 4, "eliza");
    hand(fixture, ROUTER_SIDE_BRIDGES, "bridg1",
         (struct link_header){BUS_VERSION, LINK_GOODBYE, edge->end.link.id, 0, 0}, NULL);
    assert_int_equal(counted(fixture)->edges, 1);
    assert_true(link_is_open(&bridge->end.link));
    struct bus_message message = hello(BUS_ROLE_BRIDGE, "bridg2");
    hand(fixture, ROUTER_SIDE_BRIDGES, "bridg1",
         (struct link_header){BUS_VERSION, LINK_HELLO, edge->end.link.id, 0, 0}, &message);
    assert_int_equal(counted(fixture)->frames_refused, 2);
    send(fixture, edge, 1, "r", "ann", "m"); /* is answered where the edge is */
    assert_peer_heard(edge, "room_message r 1 ann m origin=edgeA1#1\nsend_done #1 seq=1\n");
}

static void test_answers_go_where_the_link_s_last_frame_came_from(void **state)
{
    struct fixture *fixture = *state;
    struct fake_peer *edge = edge_new(fixture, "edgeA1");
    /* ZeroMQ gives another routing id after a reconnect; the link goes on. */
    snprintf(edge->incarnation, sizeof(edge->incarnation), "other");
    send(fixture, edge, 1, "r", "ann", "m");
    assert_peer_heard(edge, "room_message r 1 ann m origin=edgeA1#1\nsend_done #1 seq=1\n");
    assert_int_equal(edge->end.opened, 1);
}

static void test_what_is_not_theirs_to_say_is_refused(void **state)
{
    struct fixture *fixture = *state;
    struct fake_peer *edge = edge_new(fixture, "edgeA1");
    struct fake_peer *bridge = bridge_new(fixture, "bridg1", 4, "eliza");
    struct bus_message done = {.type = BUS_SEND_DONE};
    struct bus_message work = {.type = BUS_REGISTER};
    struct bus_message joins = {.type = BUS_JOIN, .join = {.room = SLICE_LITERAL("r")}};
    say(fixture, edge, &done);
    say(fixture, edge, &work);
    say(fixture, bridge, &joins);
    assert_int_equal(counted(fixture)->frames_refused, 3);
    assert_int_equal(counted(fixture)->rooms, 0);
    assert_true(link_is_open(&edge->end.link));
}

/* --- being lost ------------------------------------------------------------------------------ */

static void test_a_silent_peer_is_given_up_after_the_bus_timeout(void **state)
{
    struct fixture *fixture = *state;
    struct fake_peer *edge = edge_new(fixture, "edgeA1");
    edge->is_silent = true;
    pass(fixture, 2950);
    assert_int_equal(counted(fixture)->edges, 1);
    pass(fixture, 50);
    assert_int_equal(counted(fixture)->edges, 0);
    edge->is_silent = false;
    pass(fixture, 100);
    assert_int_equal(edge->end.close_error, ERROR_CLOSED); /* RESET: it opens a new one */
}

static void test_a_link_that_was_given_up_is_not_begun_anew_by_a_late_hello(void **state)
{
    struct fixture *fixture = *state;
    struct fake_peer *edge = edge_new(fixture, "edgeA1");
    struct link_header header = {BUS_VERSION, LINK_HELLO, edge->end.link.id, 0, 0};
    struct bus_message again = hello(BUS_ROLE_EDGE, "edgeA1");
    edge->is_silent = true;
    pass(fixture, 3000);
    assert_int_equal(counted(fixture)->edges, 0);
    edge->is_silent = false;
    hand(fixture, ROUTER_SIDE_EDGES, "edgeA1", header, &again);
    assert_int_equal(counted(fixture)->edges, 0);
    settle(fixture);
    assert_int_equal(edge->end.close_error, ERROR_CLOSED); /* RESET: it opens a new one */
    open_edge(fixture, edge);
    assert_int_equal(counted(fixture)->edges, 1);
}

static void test_a_link_of_another_router_is_not_begun_by_a_late_hello(void **state)
{
    struct fixture *fixture = *state;
    struct fake_peer *edge = edge_new(fixture, "edgeA1");
    struct link_header header = {BUS_VERSION, LINK_HELLO, edge->end.link.id, 0, 0};
    struct bus_message again = hello(BUS_ROLE_EDGE, "edgeA1");
    restart_router(fixture);
    pass(fixture, 1000); /* a heartbeat is answered RESET */
    assert_int_equal(edge->end.close_error, ERROR_CLOSED);
    open_edge(fixture, edge);
    hand(fixture, ROUTER_SIDE_EDGES, "edgeA1", header, &again);
    settle(fixture);
    assert_true(link_is_open(&edge->end.link));
    assert_int_equal(counted(fixture)->edges, 1);
    assert_int_equal(counted(fixture)->edges_lost, 0);
}

static void test_data_that_does_not_decode_ends_its_link_and_its_members_stay_a_while(void **state)
{
    struct fixture *fixture = *state;
    struct fake_peer *edge = edge_new(fixture, "edgeA1");
    struct fake_peer *other = edge_new(fixture, "edgeB2");
    join(fixture, edge, 1, "r", "ann");
    join(fixture, other, 1, "r", "bob");
    hear_nothing_yet(fixture);
    struct buffer frame = BUFFER_EMPTY;
    struct link_header header = {BUS_VERSION, LINK_DATA, edge->end.link.id,
                                 edge->end.link.sent_sequence + 1, 0};
    link_header_encode(&frame, &header);
    buffer_append_string(&frame, "\xc1");
    router_receive(fixture->router, ROUTER_SIDE_EDGES, text("edgeA1"), buffer_slice(&frame),
                   fixture->now);
    buffer_deinit(&frame);
    settle(fixture);
    assert_int_equal(counted(fixture)->edges, 1);
    assert_int_equal(edge->end.close_error, ERROR_CLOSED);
    pass(fixture, 5100);
    assert_peer_heard(other, "presence_left r -ann count=1\n");
}

/* --- stopping -------------------------------------------------------------------------------- */

static void test_a_router_that_stops_says_goodbye_to_all(void **state)
{
    struct fixture *fixture = *state;
    struct fake_peer *edge = edge_new(fixture, "edgeA1");
    struct fake_peer *bridge = bridge_new(fixture, "bridg1", 4, "eliza");
    fixture->store_waits = true;
    send(fixture, edge, 1, "r", "ann", "m");
    assert_false(router_is_settled(fixture->router));
    finish_commit(fixture, 0);
    assert_true(router_is_settled(fixture->router));
    router_say_goodbye(fixture->router, fixture->now);
    settle(fixture);
    assert_peer_heard(edge, "room_message r 1 ann m origin=edgeA1#1\nsend_done #1 seq=1\n");
    assert_int_equal(edge->end.closed, 1);
    assert_int_equal(edge->end.close_error, 0);
    assert_int_equal(bridge->end.closed, 1);
    assert_int_equal(counted(fixture)->edges + counted(fixture)->bridges, 0);
}

static void test_a_router_ends_cleanly_in_the_middle_of_everything(void **state)
{
    struct fixture *fixture = *state;
    struct fake_peer *edge = edge_new(fixture, "edgeA1");
    bridge_new(fixture, "bridg1", 1, "eliza");
    join(fixture, edge, 1, "r", "ann");
    join(fixture, edge, 2, "r", "bob");
    leave(fixture, edge, "r", "bob", false);
    ask(fixture, edge, 3, "r", "ann", "q1");
    ask(fixture, edge, 4, "r", "ann", "q2");
    fixture->store_waits = true;
    ask(fixture, edge, 5, "r", "ann", "q3");
    ask(fixture, edge, 6, "r", "ann", "q4");
    ask(fixture, edge, 7, "r", "ann", "q4");
    struct bus_message message = {
        .type = BUS_JOIN,
        .join = {.request = 8, .room = text("r"), .entity = text("cat"), .since = BUS_SINCE_SEQ}};
    say(fixture, edge, &message);
    /* Teardown frees what is left; a leak is ASan's to find. */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        ROUTER_TEST(test_edges_are_told_of_each_other_whenever_one_comes_or_goes),
        ROUTER_TEST(test_bridges_are_not_told_of_edges),
        ROUTER_TEST(test_a_process_on_a_new_link_replaces_itself),
        ROUTER_TEST(test_a_hello_that_does_not_fit_its_socket_is_refused),
        ROUTER_TEST(test_who_is_refused_is_told_so_and_can_log_it),
        ROUTER_TEST(test_frames_of_another_version_or_shape_are_counted_and_refused),
        ROUTER_TEST(test_an_unknown_link_is_answered_reset),
        ROUTER_TEST(test_a_link_is_known_only_on_its_own_socket),
        ROUTER_TEST(test_answers_go_where_the_link_s_last_frame_came_from),
        ROUTER_TEST(test_what_is_not_theirs_to_say_is_refused),
        ROUTER_TEST(test_a_silent_peer_is_given_up_after_the_bus_timeout),
        ROUTER_TEST(test_a_link_that_was_given_up_is_not_begun_anew_by_a_late_hello),
        ROUTER_TEST(test_a_link_of_another_router_is_not_begun_by_a_late_hello),
        ROUTER_TEST(test_data_that_does_not_decode_ends_its_link_and_its_members_stay_a_while),
        ROUTER_TEST(test_a_router_that_stops_says_goodbye_to_all),
        ROUTER_TEST(test_a_router_ends_cleanly_in_the_middle_of_everything),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
