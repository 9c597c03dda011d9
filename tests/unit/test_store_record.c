/* Records, events, clearing and search, as the SQLite backend keeps them. */
#include "tests/unit/store_fixture.h"

static const char json_ab[] = "{\"a\":\"b\"}";

static struct named_record record_of(const char *id, const char *owner, const char *body,
                                     int64_t now)
{
    return (struct named_record){.collection = SLICE_LITERAL("thing"),
                                 .id = slice_of_string(id),
                                 .owner = slice_of_string(owner),
                                 .body = slice_of_string(body),
                                 .updated_at = now};
}

static struct record_outcome put_until(struct store *store, const char *id, const char *owner,
                                       const char *body, uint64_t expected, int64_t now,
                                       int64_t expires_at)
{
    struct store_batch *batch = store_batch_new(1);
    struct named_record record = record_of(id, owner, body, now);
    record.expires_at = expires_at;
    const struct record_outcome *outcome = store_batch_put_record(batch, &record, expected);
    assert_int_equal(store->backend->commit(store, batch), 0);
    struct record_outcome copy = *outcome;
    store_batch_destroy(&batch);
    return copy;
}

static struct record_outcome put(struct store *store, const char *id, const char *body,
                                 uint64_t expected)
{
    return put_until(store, id, "", body, expected, 100, 0);
}

static int delete (struct store *store, const char *id)
{
    struct store_batch *batch = store_batch_new(1);
    const struct record_outcome *outcome =
        store_batch_delete_record(batch, SLICE_LITERAL("thing"), slice_of_string(id));
    assert_int_equal(store->backend->commit(store, batch), 0);
    int error = outcome->error;
    store_batch_destroy(&batch);
    return error;
}

static void expect_body(struct store *store, const char *id, const char *body, int64_t now)
{
    struct store_query query = {.type = STORE_QUERY_RECORD, .collection = "thing", .now_ms = now};
    strcpy(query.id, id);
    struct store_page *page = ask(store, &query);
    assert_int_equal(page->found, body != NULL);
    if (body != NULL) {
        assert_true(slice_is(page->records[0].body, body));
        assert_true(slice_is(page->records[0].id, id));
    }
    store_page_destroy(&page);
}

static void a_record_is_made_once_and_replaced_by_its_revision(void **state)
{
    struct store *store = fixture_open(*state);
    struct record_outcome first = put(store, "x", json_ab, RECORD_REVISION_NONE);
    assert_int_equal(first.error, 0);
    assert_int_equal(first.revision, 1);
    assert_int_equal(first.created_at, 100);
    assert_int_equal(put(store, "x", "{}", RECORD_REVISION_NONE).error, ERROR_CONFLICT);
    assert_int_equal(put(store, "x", json_ab, RECORD_REVISION_NONE).error, 0); /* said twice */
    expect_body(store, "x", json_ab, 0);

    struct record_outcome second = put(store, "x", "[1]", 1);
    assert_int_equal(second.error, 0);
    assert_int_equal(second.revision, 2);
    assert_int_equal(second.number, first.number);
    assert_int_equal(put(store, "x", "[2]", 1).error, ERROR_CONFLICT);
    assert_int_equal(put(store, "x", "[2]", 1).revision, 2);
    assert_int_equal(put(store, "x", "[1]", 1).revision, 2);
    assert_int_equal(put(store, "x", "[3]", RECORD_REVISION_ANY).revision, 3);
    expect_body(store, "x", "[3]", 0);
    assert_int_equal(put(store, "y", "[3]", 3).error, ERROR_NOT_FOUND);
    expect_body(store, "y", NULL, 0);
    store_close(&store);
}

static void a_record_is_deleted_and_its_name_is_free_again(void **state)
{
    struct store *store = fixture_open(*state);
    assert_int_equal(delete (store, "x"), ERROR_NOT_FOUND);
    put(store, "x", "1", RECORD_REVISION_NONE);
    assert_int_equal(delete (store, "x"), 0);
    expect_body(store, "x", NULL, 0);
    assert_int_equal(put(store, "x", "2", RECORD_REVISION_NONE).revision, 1);
    store_close(&store);
}

static void an_expired_record_is_not_there_and_is_swept(void **state)
{
    struct store *store = fixture_open(*state);
    put_until(store, "x", "", "1", RECORD_REVISION_NONE, 100, 200);
    expect_body(store, "x", "1", 199);
    expect_body(store, "x", NULL, 200);
    assert_int_equal(put_until(store, "x", "", "2", RECORD_REVISION_NONE, 200, 300).error, 0);
    expect_body(store, "x", "2", 250);

    struct store_batch *batch = store_batch_new(2);
    store_batch_sweep(batch, 300, 0);
    assert_int_equal(commit(store, &batch), 0);
    struct store_query query = {.type = STORE_QUERY_RECORDS, .collection = "thing", .limit = 5};
    struct store_page *page = ask(store, &query);
    assert_int_equal(page->record_count, 0);
    assert_int_equal(page->total, 0);
    store_page_destroy(&page);
    store_close(&store);
}

static void expect_list(struct store *store, const struct store_query *query, const char *ids,
                        bool complete)
{
    char found[64] = "";
    struct store_page *page = ask(store, query);
    for (size_t i = 0; i < page->record_count; i++) {
        strncat(found, page->records[i].id.data, page->records[i].id.length);
    }
    assert_string_equal(found, ids);
    assert_int_equal(page->complete, complete);
    assert_int_equal(page->total, 5);
    store_page_destroy(&page);
}

static void records_are_listed_by_owner_either_way_and_paged(void **state)
{
    struct store *store = fixture_open(*state);
    uint64_t numbers[5];
    for (int i = 0; i < 5; i++) {
        char id[2] = {(char)('a' + i), '\0'};
        numbers[i] =
            put_until(store, id, i % 2 == 0 ? "ann" : "bob", "1", RECORD_REVISION_NONE, 100, 0)
                .number;
    }
    struct store_query query = {.type = STORE_QUERY_RECORDS, .collection = "thing", .limit = 9};
    expect_list(store, &query, "abcde", true);
    query.is_descending = true;
    expect_list(store, &query, "edcba", true);
    query.limit = 2;
    expect_list(store, &query, "ed", false);
    query.after_number = numbers[3];
    expect_list(store, &query, "cb", false);
    strcpy(query.owner, "ann");
    query.after_number = 0;
    expect_list(store, &query, "ec", false);
    query.is_descending = false;
    query.limit = 9;
    query.after_number = numbers[0];
    expect_list(store, &query, "ce", true);
    store_close(&store);
}

/* --- messages --------------------------------------------------------------------------------- */

static void expect_messages(struct store *store, struct store_query *query, const char *seqs)
{
    char found[64] = "";
    struct store_page *page = ask(store, query);
    for (size_t i = 0; i < page->count; i++) {
        size_t length = strlen(found);
        snprintf(found + length, sizeof(found) - length, "%d", (int)page->messages[i].seq);
    }
    assert_string_equal(found, seqs);
    store_page_destroy(&page);
}

static void fill_room(struct store *store)
{
    struct store_batch *batch = store_batch_new(1);
    add_room(batch, 1, "r");
    for (uint64_t seq = 1; seq <= 4; seq++) {
        char text[64];
        snprintf(text, sizeof(text), "\"senderId\":\"s\",\"text\":\"Word %d \\u00e4\"", (int)seq);
        add_message(batch, 1, seq, seq, (int64_t)seq * 10, slice_of_string(text));
    }
    struct message_record event = {.room = 1,
                                   .seq = 5,
                                   .id = SLICE_LITERAL("event"),
                                   .kind = MESSAGE_KIND_EVENT,
                                   .created_at = 50,
                                   .body = SLICE_LITERAL("happened {\"text\":\"Word 5\"}")};
    store_batch_add_message(batch, &event);
    assert_int_equal(commit(store, &batch), 0);
}

static void events_are_replayed_but_no_history(void **state)
{
    struct store *store = fixture_open(*state);
    struct store_query after = {.type = STORE_QUERY_AFTER_SEQ, .room = 1, .limit = 9};
    struct store_query history = {.type = STORE_QUERY_HISTORY, .room = 1, .limit = 9};
    struct store_query message = {.type = STORE_QUERY_MESSAGE, .limit = 1, .id = "event"};
    fill_room(store);
    expect_messages(store, &after, "12345");
    expect_messages(store, &history, "4321");
    history.after_ms = 25;
    expect_messages(store, &history, "43");
    expect_messages(store, &message, "");
    store_close(&store);
}

static void what_is_cleared_is_gone_at_once_and_its_rows_by_and_by(void **state)
{
    struct store *store = fixture_open(*state);
    struct store_query after = {.type = STORE_QUERY_AFTER_SEQ, .room = 1, .limit = 9};
    struct store_query history = {.type = STORE_QUERY_HISTORY, .room = 1, .limit = 9};
    struct store_query message = {.type = STORE_QUERY_MESSAGE, .limit = 1};
    struct store_query search = {.type = STORE_QUERY_SEARCH, .limit = 9, .text = "word"};
    fill_room(store);
    test_uuid(2, message.id);
    expect_messages(store, &message, "2");
    struct store_batch *batch = store_batch_new(2);
    store_batch_clear_room(batch, 1, 3);
    assert_int_equal(commit(store, &batch), 0);
    for (int i = 0; i < 2; i++) {
        expect_messages(store, &after, "45");
        expect_messages(store, &history, "4");
        expect_messages(store, &message, "");
        expect_messages(store, &search, "4");
        batch = store_batch_new(3);
        store_batch_sweep(batch, 0, 0);
        assert_int_equal(commit(store, &batch), 0);
    }
    store_close(&store);
}

static void expect_recent(struct store *store, const char *seqs, bool needs_sweep)
{
    struct loaded *loaded = load(store, 0);
    assert_int_equal(loaded->recent, strlen(seqs));
    for (size_t i = 0; i < loaded->recent; i++) {
        assert_int_equal(loaded->recent_seqs[i], seqs[i] - '0');
    }
    assert_int_equal(loaded->loader.needs_sweep, needs_sweep);
    loaded_destroy(loaded);
}

static void what_is_gone_is_known_by_its_key_as_long_as_repeats_are(void **state)
{
    struct store *store = fixture_open(*state);
    struct store_batch *batch = store_batch_new(1);
    char uuid[UUID_TEXT_SIZE];
    add_room(batch, 1, "r");
    for (uint64_t seq = 1; seq <= 5; seq++) {
        struct message_record message = {.room = 1,
                                         .seq = seq,
                                         .id = test_uuid(seq, uuid),
                                         .sender = SLICE_LITERAL("ann"),
                                         .created_at = (int64_t)seq * 10,
                                         .body = SLICE_LITERAL("\"text\":\"word\"")};
        if (seq != 4) {
            message.client_message_id = SLICE_LITERAL("theirs"); /* else no repeat is known */
        }
        store_batch_add_message(batch, &message);
    }
    assert_int_equal(commit(store, &batch), 0);
    batch = store_batch_new(2);
    store_batch_delete_message(batch, 1, test_uuid(3, uuid));
    store_batch_delete_message(batch, 2, test_uuid(5, uuid)); /* not there */
    store_batch_clear_room(batch, 1, 4);
    assert_int_equal(commit(store, &batch), 0);
    expect_recent(store, "12453", true);
    batch = store_batch_new(3);
    store_batch_sweep(batch, 0, 10);
    assert_int_equal(commit(store, &batch), 0);
    expect_recent(store, "523", true);
    struct loaded *loaded = load(store, 0);
    assert_slice(loaded->last_recent.id, test_uuid(3, uuid).data);
    assert_slice(loaded->last_recent.sender, "ann");
    assert_slice(loaded->last_recent.client_message_id, "theirs");
    assert_int_equal(loaded->last_recent.room, 1);
    assert_int_equal(loaded->last_recent.created_at, 30);
    loaded_destroy(loaded);
    batch = store_batch_new(4);
    store_batch_sweep(batch, 0, 30);
    assert_int_equal(commit(store, &batch), 0);
    expect_recent(store, "5", false);
    store_close(&store);
}

static void messages_are_edited_and_deleted_in_their_own_room_only(void **state)
{
    struct store *store = fixture_open(*state);
    struct store_query history = {.type = STORE_QUERY_HISTORY, .room = 1, .limit = 9};
    char uuid[UUID_TEXT_SIZE];
    fill_room(store);
    struct store_batch *batch = store_batch_new(2);
    store_batch_delete_message(batch, 1, test_uuid(2, uuid));
    store_batch_delete_message(batch, 2, test_uuid(3, uuid));
    store_batch_delete_message(batch, 1, SLICE_LITERAL("event"));
    store_batch_replace_message(batch, 1, test_uuid(4, uuid), SLICE_LITERAL("\"text\":\"new\""));
    assert_int_equal(commit(store, &batch), 0);
    expect_messages(store, &history, "431");
    struct store_page *page = ask(store, &history);
    assert_true(slice_is(page->messages[0].body, "\"text\":\"new\""));
    store_page_destroy(&page);
    store_close(&store);
}

static void search_looks_into_texts_and_nothing_else(void **state)
{
    struct store *store = fixture_open(*state);
    struct store_query query = {.type = STORE_QUERY_SEARCH, .limit = 9, .text = "wORD"};
    fill_room(store);
    expect_messages(store, &query, "4321");
    query.room = 1;
    expect_messages(store, &query, "4321");
    query.skip = 1;
    query.limit = 2;
    expect_messages(store, &query, "32");
    query.skip = 0;
    strcpy(query.text, "3 ä");
    expect_messages(store, &query, "3");
    strcpy(query.text, "senderId");
    expect_messages(store, &query, "");
    query.text[0] = '\0';
    query.before_ms = 30;
    query.after_ms = 10;
    expect_messages(store, &query, "2");
    strcpy(query.owner, "nobody");
    expect_messages(store, &query, "");
    store_close(&store);
}

static void rooms_of_a_server_come_newest_first_without_deleted_ones(void **state)
{
    struct store *store = fixture_open(*state);
    struct store_batch *batch = store_batch_new(1);
    for (uint64_t number = 1; number <= 4; number++) {
        char id[2] = {(char)('a' + number), '\0'};
        struct room_record room = {.number = number,
                                   .id = slice_of_string(id),
                                   .server_id = SLICE_LITERAL(NIL_UUID),
                                   .epoch = 1,
                                   .deleted_at = number == 3 ? 7 : 0};
        store_batch_put_room(batch, &room);
    }
    assert_int_equal(commit(store, &batch), 0);
    struct store_query query = {.type = STORE_QUERY_ROOMS, .limit = 2, .id = NIL_UUID};
    struct store_page *page = ask(store, &query);
    assert_int_equal(page->room_count, 2);
    assert_int_equal(page->rooms[0].number, 4);
    assert_int_equal(page->rooms[1].number, 2);
    assert_false(page->complete);
    store_page_destroy(&page);
    query.before_number = 2;
    page = ask(store, &query);
    assert_int_equal(page->room_count, 1);
    assert_true(page->complete);
    store_page_destroy(&page);
    store_close(&store);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, fixture_set_up, fixture_tear_down)
        TEST(a_record_is_made_once_and_replaced_by_its_revision),
        TEST(a_record_is_deleted_and_its_name_is_free_again),
        TEST(an_expired_record_is_not_there_and_is_swept),
        TEST(records_are_listed_by_owner_either_way_and_paged),
        TEST(events_are_replayed_but_no_history),
        TEST(what_is_cleared_is_gone_at_once_and_its_rows_by_and_by),
        TEST(what_is_gone_is_known_by_its_key_as_long_as_repeats_are),
        TEST(messages_are_edited_and_deleted_in_their_own_room_only),
        TEST(search_looks_into_texts_and_nothing_else),
        TEST(rooms_of_a_server_come_newest_first_without_deleted_ones),
    };
    return cmocka_run_group_tests_name("store_record", tests, NULL, NULL);
}
