/* Sessions that can be recovered, as SQLite keeps them; positions; the secret. */
#include "tests/unit/store_fixture.h"

static struct store_batch *batch_new(void)
{
    return store_batch_new(1);
}

static void open_session(struct store *store, const char *id, const char *edge)
{
    struct store_batch *batch = batch_new();
    struct session_record session = {
        .id = slice_of_string(id), .entity = SLICE_LITERAL("ann"), .edge = slice_of_string(edge)};

    store_batch_open_session(batch, &session);
    assert_int_equal(commit(store, &batch), 0);
}

static void enter(struct store *store, const char *id, const char *room, uint64_t position)
{
    struct store_batch *batch = batch_new();
    struct membership_record membership = {.session = slice_of_string(id),
                                           .room = slice_of_string(room),
                                           .entity = SLICE_LITERAL("ann"),
                                           .name = SLICE_LITERAL("Ann"),
                                           .position = position,
                                           .stamp = position + 1,
                                           .was_replayed = position == 2};

    store_batch_add_membership(batch, &membership);
    assert_int_equal(commit(store, &batch), 0);
}

static struct store_page *session(struct store *store, const char *id)
{
    struct store_query query = {.type = STORE_QUERY_SESSION};

    snprintf(query.id, sizeof(query.id), "%s", id);
    return ask(store, &query);
}

/* Its edge, and whether it has ended; NULL: it is not there. */
static void assert_session(struct store *store, const char *id, const char *edge, int64_t ended_at)
{
    struct store_page *page = session(store, id);

    assert_int_equal(page->found, edge != NULL);
    if (edge != NULL) {
        assert_slice(page->session.id, id);
        assert_slice(page->session.edge, edge);
        assert_int_equal(page->session.ended_at, ended_at);
    }
    store_page_destroy(&page);
}

#define COMMIT(call)                                                                               \
    do {                                                                                           \
        struct store_batch *batch = batch_new();                                                   \
        call;                                                                                      \
        assert_int_equal(commit(store, &batch), 0);                                                \
    } while (0)
#define TEXT(text) slice_of_string(text)

static void a_session_has_its_rooms_in_order(void **state)
{
    struct store *store = fixture_open(*state);
    struct store_page *page;

    open_session(store, "s1", "edge01");
    enter(store, "s1", "late", 5);
    enter(store, "s1", "018f0000-0000-7000-8000-0000000000ab", 2);
    enter(store, "s2", "late", 1);
    enter(store, "s1", "late", 9); /* it keeps its beginning */
    page = session(store, "s1");
    assert_slice(page->session.entity, "ann");
    assert_int_equal(page->membership_count, 2);
    assert_slice(page->memberships[0].room, "018f0000-0000-7000-8000-0000000000ab");
    assert_true(page->memberships[0].was_replayed);
    assert_slice(page->memberships[1].room, "late");
    assert_int_equal(page->memberships[1].position, 5);
    assert_int_equal(page->memberships[1].stamp, 6);
    assert_slice(page->memberships[1].name, "Ann");
    store_page_destroy(&page);
    store_close(&store);
}

static void a_session_is_without_a_room_that_its_own_edge_names(void **state)
{
    struct store *store = fixture_open(*state);
    struct store_page *page;

    open_session(store, "s1", "edge01");
    open_session(store, "s2", "edge01");
    enter(store, "s1", "r", 1);
    enter(store, "s1", "018f0000-0000-7000-8000-0000000000ab", 2);
    enter(store, "s2", "r", 3);
    COMMIT(store_batch_drop_membership(batch, TEXT("s1"), TEXT("edge02"), TEXT("r")));
    COMMIT(store_batch_drop_membership(batch, TEXT("s1"), TEXT("edge01"),
                                       TEXT("018f0000-0000-7000-8000-0000000000ab")));
    page = session(store, "s1");
    assert_int_equal(page->membership_count, 1);
    assert_slice(page->memberships[0].room, "r");
    store_page_destroy(&page);
    COMMIT(store_batch_drop_membership(batch, TEXT("s1"), TEXT("edge01"), TEXT("r")));
    page = session(store, "s1");
    assert_true(page->found);
    assert_int_equal(page->membership_count, 0);
    store_page_destroy(&page);
    page = session(store, "s2");
    assert_int_equal(page->membership_count, 1);
    store_page_destroy(&page);
    store_close(&store);
}

static void a_session_ends_and_goes(void **state)
{
    struct store *store = fixture_open(*state);
    struct store_page *page;

    open_session(store, "s1", "edge01");
    open_session(store, "s2", "edge01");
    enter(store, "s1", "r", 1);
    COMMIT(store_batch_end_session(batch, TEXT("s1"), TEXT("edge02"), 100));
    assert_session(store, "s1", "edge01", 0); /* another edge's word */
    COMMIT(store_batch_end_session(batch, TEXT("s1"), TEXT("edge01"), 100));
    COMMIT(store_batch_end_session(batch, TEXT("s1"), TEXT("edge01"), 200));
    assert_session(store, "s1", "edge01", 100); /* once */
    COMMIT(store_batch_drop_session(batch, TEXT("s2"), TEXT("edge02")));
    assert_session(store, "s2", "edge01", 0);
    COMMIT(store_batch_drop_session(batch, TEXT("s2"), TEXT("edge01")));
    assert_session(store, "s2", NULL, 0);
    COMMIT(store_batch_sweep_sessions(batch, 100, 10));
    assert_session(store, "s1", "edge01", 100);
    COMMIT(store_batch_sweep_sessions(batch, 101, 0));
    assert_session(store, "s1", "edge01", 100);
    COMMIT(store_batch_sweep_sessions(batch, 101, 10));
    assert_session(store, "s1", NULL, 0);
    enter(store, "s1", "r", 2);          /* nobody's: no row is made of it */
    open_session(store, "s1", "edge01"); /* nothing of its rooms was left */
    page = session(store, "s1");
    assert_int_equal(page->membership_count, 0);
    store_page_destroy(&page);
    store_close(&store);
}

static void a_claim_is_for_one_and_not_too_late(void **state)
{
    struct store *store = fixture_open(*state);
    struct store_page *page;

    open_session(store, "s1", "edge01");
    COMMIT(store_batch_claim_session(batch, TEXT("s1"), TEXT("edge02"), SLICE_EMPTY,
                                     50)); /* it lives */
    page = session(store, "s1");
    assert_slice(page->session.former, "edge01");
    store_page_destroy(&page);
    COMMIT(store_batch_end_session(batch, TEXT("s1"), TEXT("edge02"), 49));
    COMMIT(store_batch_claim_session(batch, TEXT("s1"), TEXT("edge03"), SLICE_EMPTY, 50));
    assert_session(store, "s1", "edge02", 49);
    COMMIT(store_batch_claim_session(batch, TEXT("s1"), TEXT("edge03"), SLICE_EMPTY, 49));
    assert_session(store, "s1", "edge03", 0);
    COMMIT(store_batch_claim_session(batch, TEXT("s9"), TEXT("edge03"), SLICE_EMPTY, 49));
    assert_session(store, "s9", NULL, 0);
    store_close(&store);
}

static void a_claim_is_for_its_own_entity(void **state)
{
    struct store *store = fixture_open(*state);

    open_session(store, "s1", "edge01");
    COMMIT(store_batch_claim_session(batch, TEXT("s1"), TEXT("edge02"), TEXT("eve"), 50));
    assert_session(store, "s1", "edge01", 0);
    COMMIT(store_batch_claim_session(batch, TEXT("s1"), TEXT("edge02"), TEXT("ann"), 50));
    assert_session(store, "s1", "edge02", 0);
    store_close(&store);
}

static void the_last_session_of_an_entity_is_found(void **state)
{
    struct store *store = fixture_open(*state);
    struct store_query query = {.type = STORE_QUERY_LAST_SESSION, .id = "ann"};
    struct store_page *page;

    open_session(store, "s1", "edge01");
    open_session(store, "s2", "edge01");
    open_session(store, "s3", "edge01");
    enter(store, "s2", "r", 7);
    page = ask(store, &query);
    assert_false(page->found); /* all of them live */
    store_page_destroy(&page);
    COMMIT(store_batch_end_session(batch, TEXT("s2"), TEXT("edge01"), 20));
    COMMIT(store_batch_end_session(batch, TEXT("s1"), TEXT("edge01"), 10));
    page = ask(store, &query);
    assert_slice(page->session.id, "s2");
    assert_int_equal(page->membership_count, 1);
    assert_slice(page->memberships[0].room, "r");
    store_page_destroy(&page);
    store_close(&store);
}

static void what_a_lost_edge_had_lives_on_when_it_is_found(void **state)
{
    struct store *store = fixture_open(*state);

    open_session(store, "s1", "edge01");
    open_session(store, "s2", "edge01");
    open_session(store, "s3", "edge02");
    COMMIT(store_batch_end_session(batch, TEXT("s2"), TEXT("edge01"), 10));
    COMMIT(store_batch_lose_edge(batch, TEXT("edge01"), 20));
    assert_session(store, "s1", "edge01", 20);
    assert_session(store, "s2", "edge01", 10);
    assert_session(store, "s3", "edge02", 0);
    COMMIT(store_batch_lose_edge(batch, SLICE_EMPTY, 30));
    assert_session(store, "s1", "edge01", 20);
    assert_session(store, "s3", "edge02", 30);
    COMMIT(store_batch_find_edge(batch, TEXT("edge01")));
    assert_session(store, "s1", "edge01", 0);
    assert_session(store, "s2", "edge01", 10);
    assert_session(store, "s3", "edge02", 30);
    /* One that ended while its edge was lost stays so. */
    COMMIT(store_batch_end_session(batch, TEXT("s3"), TEXT("edge02"), 40));
    COMMIT(store_batch_find_edge(batch, TEXT("edge02")));
    assert_session(store, "s3", "edge02", 40);
    store_close(&store);
}

static void messages_are_found_by_their_positions(void **state)
{
    struct store *store = fixture_open(*state);
    struct store_batch *batch = batch_new();
    struct loaded *loaded;
    char uuid[UUID_TEXT_SIZE];

    /* Old ones have no position; numbers have gaps. */
    for (uint64_t i = 1; i <= 20; i++) {
        struct message_record message = {.room = 1 + i % 2,
                                         .seq = i * 3,
                                         .id = test_uuid(i, uuid),
                                         .created_at = 5,
                                         .position = i <= 4 ? 0 : i * 10};

        store_batch_add_message(batch, &message);
    }
    assert_int_equal(commit(store, &batch), 0);
    for (uint64_t after = 0; after <= 201; after++) {
        struct store_query query = {
            .type = STORE_QUERY_AFTER_POSITION, .room = 2, .after_seq = after, .limit = 100};
        struct store_page *page = ask(store, &query);
        size_t expected = 0;

        for (uint64_t i = 5; i <= 20; i += 2) {
            expected += i * 10 > after;
        }
        assert_int_equal(page->count, expected);
        for (size_t i = 0; i < page->count; i++) {
            assert_true(page->messages[i].position > after);
        }
        store_page_destroy(&page);
    }
    loaded = load(store, 0);
    assert_int_equal(loaded->loader.last_position, 200);
    loaded_destroy(loaded);
    store_close(&store);
}

static void keep_secret(void *context, struct slice secret)
{
    snprintf(context, 32, "%.*s", (int)secret.length, secret.data);
}

static void the_secret_is_made_once(void **state)
{
    struct store *store = fixture_open(*state);
    char secret[32] = "";
    struct loaded *loaded = load(store, 0);

    loaded->loader.context = secret;
    loaded->loader.secret = keep_secret;
    assert_int_equal(store->backend->load(store, &loaded->loader), 0);
    assert_string_equal(secret, "");
    COMMIT(store_batch_put_secret(batch, TEXT("first")));
    COMMIT(store_batch_put_secret(batch, TEXT("second")));
    assert_int_equal(store->backend->load(store, &loaded->loader), 0);
    assert_string_equal(secret, "first");
    loaded_destroy(loaded);
    store_close(&store);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, fixture_set_up, fixture_tear_down)
        TEST(a_session_has_its_rooms_in_order),
        TEST(a_session_is_without_a_room_that_its_own_edge_names),
        TEST(a_session_ends_and_goes),
        TEST(a_claim_is_for_one_and_not_too_late),
        TEST(a_claim_is_for_its_own_entity),
        TEST(the_last_session_of_an_entity_is_found),
        TEST(what_a_lost_edge_had_lives_on_when_it_is_found),
        TEST(messages_are_found_by_their_positions),
        TEST(the_secret_is_made_once),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
