/* What is committed is what is loaded and found again, in this process and in the next. */
#include "tests/unit/store_fixture.h"

#define TEXT_WITH_NUL "a\0b \xc3\xa9 \xff\xfe '; DROP TABLE room; --"

static struct store *reopen(struct store_fixture *fixture, struct store *store)
{
    store_close(&store);
    return fixture_open(fixture);
}

static void an_empty_store_loads_nothing(void **state)
{
    struct store *store = fixture_open(*state);
    struct loaded *loaded = load(store, 0);

    assert_int_equal(loaded->rooms + loaded->participants + loaded->agents + loaded->jobs, 0);
    assert_int_equal(loaded->recent, 0);
    assert_int_equal(loaded->loader.last_room, 0);
    assert_int_equal(loaded->loader.last_job, 0);
    loaded_destroy(loaded);
    store_close(&store);
    assert_null(store);
}

static void a_room_keeps_number_id_epoch_and_creation(void **state)
{
    struct store *store = fixture_open(*state);
    struct store_batch *batch = store_batch_new(1);
    struct room_record room = {.number = 12,
                               .id = SLICE_LITERAL("9b2f5c1e-0d3a-4e5f-8a7b-1c2d3e4f5a6b"),
                               .epoch = (UINT64_C(1) << 53) - 1,
                               .server_id = SLICE_LITERAL(NIL_UUID),
                               .name = SLICE_LITERAL(TEXT_WITH_NUL),
                               .type = SLICE_LITERAL("DM"),
                               .source_type = SLICE_LITERAL("client"),
                               .metadata = SLICE_LITERAL("{\"a\":1}"),
                               .created_at = 1700000000001,
                               .updated_at = 1700000000002};
    struct room_record changed = {.number = 12,
                                  .id = SLICE_LITERAL("other id"),
                                  .epoch = 1,
                                  .name = SLICE_LITERAL("renamed"),
                                  .type = SLICE_LITERAL("GROUP"),
                                  .has_participants = true,
                                  .created_at = 5,
                                  .updated_at = 1700000000009};
    struct loaded *loaded;

    store_batch_put_room(batch, &room);
    assert_int_equal(commit(store, &batch), 0);
    store = reopen(*state, store);
    loaded = load(store, 0);
    assert_int_equal(loaded->rooms, 1);
    assert_int_equal(loaded->loader.last_room, 12);
    assert_int_equal(loaded->last_room.number, 12);
    assert_true(slice_equals(loaded->last_room.id, room.id));
    assert_int_equal(loaded->last_room.epoch, room.epoch);
    assert_slice(loaded->last_room.server_id, NIL_UUID);
    assert_true(slice_equals(loaded->last_room.name, room.name));
    assert_slice(loaded->last_room.type, "DM");
    assert_slice(loaded->last_room.source_type, "client");
    assert_slice(loaded->last_room.metadata, "{\"a\":1}");
    assert_false(loaded->last_room.has_participants);
    assert_int_equal(loaded->last_room.created_at, 1700000000001);
    assert_int_equal(loaded->last_room.updated_at, 1700000000002);
    assert_int_equal(loaded->last_room.last_seq, 0);
    assert_int_equal(loaded->last_room.last_at, 0);
    loaded_destroy(loaded);

    batch = store_batch_new(2);
    store_batch_put_room(batch, &changed);
    assert_int_equal(commit(store, &batch), 0);
    loaded = load(store, 0);
    assert_int_equal(loaded->rooms, 1);
    assert_true(slice_equals(loaded->last_room.id, room.id));
    assert_int_equal(loaded->last_room.epoch, room.epoch);
    assert_int_equal(loaded->last_room.created_at, 1700000000001);
    assert_slice(loaded->last_room.name, "renamed");
    assert_slice(loaded->last_room.type, "GROUP");
    assert_int_equal(loaded->last_room.metadata.length, 0);
    assert_true(loaded->last_room.has_participants);
    assert_int_equal(loaded->last_room.updated_at, 1700000000009);
    loaded_destroy(loaded);
    store_close(&store);
}

static void a_message_comes_back_byte_for_byte(void **state)
{
    struct store *store = fixture_open(*state);
    struct store_batch *batch = store_batch_new(1);
    struct store_query query = {.type = STORE_QUERY_MESSAGE};
    struct message_record message = {.room = 3,
                                     .seq = UINT64_C(1) << 52,
                                     .id = SLICE_LITERAL("018f3c4d-1111-7abc-8def-0123456789ab"),
                                     .kind = MESSAGE_KIND_AGENT,
                                     .sender = SLICE_LITERAL(TEXT_WITH_NUL),
                                     .client_message_id = SLICE_LITERAL("client-1"),
                                     .in_reply_to = SLICE_LITERAL(NIL_UUID),
                                     .created_at = 1700000000123,
                                     .body = SLICE_LITERAL("{\"text\":\"\0\xff\"}")};
    struct store_page *page;
    const struct message_record *found;

    store_batch_add_message(batch, &message);
    assert_int_equal(commit(store, &batch), 0);
    store = reopen(*state, store);
    snprintf(query.id, sizeof(query.id), "%.*s", (int)message.id.length, message.id.data);
    page = ask(store, &query);
    assert_true(page->found);
    assert_true(page->complete);
    assert_int_equal(page->count, 1);
    found = &page->messages[0];
    assert_int_equal(found->room, 3);
    assert_int_equal(found->seq, message.seq);
    assert_true(slice_equals(found->id, message.id));
    assert_int_equal(found->kind, MESSAGE_KIND_AGENT);
    assert_true(slice_equals(found->sender, message.sender));
    assert_true(slice_equals(found->client_message_id, message.client_message_id));
    assert_true(slice_equals(found->in_reply_to, message.in_reply_to));
    assert_int_equal(found->created_at, message.created_at);
    assert_true(slice_equals(found->body, message.body));
    store_page_destroy(&page);

    snprintf(query.id, sizeof(query.id), "no such message");
    page = ask(store, &query);
    assert_false(page->found);
    assert_int_equal(page->count, 0);
    store_page_destroy(&page);
    store_close(&store);
}

static void ids_that_differ_only_in_case_are_different(void **state)
{
    struct store *store = fixture_open(*state);
    struct store_batch *batch = store_batch_new(1);
    const char *const ids[] = {"018f3c4d-1111-7abc-8def-0123456789ab",
                               "018F3C4D-1111-7ABC-8DEF-0123456789AB", "018f3c4d"};

    for (size_t i = 0; i < 3; i++) {
        struct message_record message = {
            .room = 1, .seq = i + 1, .id = slice_of_string(ids[i]), .created_at = 1};

        store_batch_add_message(batch, &message);
    }
    assert_int_equal(commit(store, &batch), 0);
    for (size_t i = 0; i < 3; i++) {
        struct store_query query = {.type = STORE_QUERY_MESSAGE};
        struct store_page *page;

        snprintf(query.id, sizeof(query.id), "%s", ids[i]);
        page = ask(store, &query);
        assert_int_equal(page->count, 1);
        assert_int_equal(page->messages[0].seq, i + 1);
        assert_slice(page->messages[0].id, ids[i]);
        assert_int_equal(page->messages[0].body.length, 0);
        store_page_destroy(&page);
    }
    store_close(&store);
}

static void participants_keep_the_order_of_being_added(void **state)
{
    struct store *store = fixture_open(*state);
    struct store_batch *batch = store_batch_new(1);
    const struct slice first[] = {SLICE_LITERAL("zoe"), SLICE_LITERAL(NIL_UUID),
                                  SLICE_LITERAL("adam"), SLICE_LITERAL("zoe")};
    const struct slice second[] = {SLICE_LITERAL("adam"), SLICE_LITERAL("zoe")};
    struct room_record room = {.number = 1, .id = SLICE_LITERAL("r"), .has_participants = true};
    struct store_query query = {.type = STORE_QUERY_PARTICIPANTS, .room = 1};
    struct store_page *page;
    struct loaded *loaded;

    store_batch_put_room(batch, &room);
    add_room(batch, 2, "without a list of its own");
    store_batch_set_participants(batch, 1, first, 4);
    store_batch_add_participant(batch, 1, SLICE_LITERAL("bob"));
    store_batch_add_participant(batch, 1, SLICE_LITERAL("adam"));
    store_batch_add_participant(batch, 2, SLICE_LITERAL("sender"));
    assert_int_equal(commit(store, &batch), 0);

    page = ask(store, &query);
    assert_int_equal(page->id_count, 4);
    assert_slice(page->ids[0], "zoe");
    assert_slice(page->ids[1], NIL_UUID);
    assert_slice(page->ids[2], "adam");
    assert_slice(page->ids[3], "bob");
    assert_true(page->complete);
    store_page_destroy(&page);
    query.limit = 2;
    page = ask(store, &query);
    assert_int_equal(page->id_count, 2);
    assert_false(page->complete);
    store_page_destroy(&page);
    query.limit = 0;

    batch = store_batch_new(2);
    store_batch_set_participants(batch, 1, second, 2);
    assert_int_equal(commit(store, &batch), 0);
    loaded = load(store, 0);
    assert_int_equal(loaded->participants, 2); /* those of room 2 are no list */
    assert_int_equal(loaded->participant_rooms[0], 1);
    assert_slice(loaded->participant_ids[0], "adam");
    assert_slice(loaded->participant_ids[1], "zoe");
    loaded_destroy(loaded);

    batch = store_batch_new(3);
    store_batch_set_participants(batch, 1, NULL, 0);
    assert_int_equal(commit(store, &batch), 0);
    page = ask(store, &query);
    assert_int_equal(page->id_count, 0);
    store_page_destroy(&page);
    query.room = 2;
    page = ask(store, &query);
    assert_int_equal(page->id_count, 1);
    assert_slice(page->ids[0], "sender");
    store_page_destroy(&page);
    store_close(&store);
}

static void finish(struct store_batch *batch, uint64_t number, enum job_state state)
{
    struct job_record job = {.number = number, .state = state, .finished_at = 1700000000600};
    store_batch_finish_job(batch, &job);
}

static void open_jobs_are_loaded_in_order(void **state)
{
    struct store *store = fixture_open(*state);
    struct store_batch *batch = store_batch_new(1);
    struct job_record job = {.room = 4,
                             .question_seq = 17,
                             .question = SLICE_LITERAL(NIL_UUID),
                             .agent = SLICE_LITERAL("eliza"),
                             .reply = SLICE_LITERAL("018f3c4d-1111-8abc-8def-0123456789ab"),
                             .asker_edge = SLICE_LITERAL("Ab_-09"),
                             .created_at = 1700000000000};
    struct loaded *loaded;

    for (job.number = 1; job.number <= 9; job.number++) {
        store_batch_add_job(batch, &job);
    }
    finish(batch, 9, JOB_DONE);
    assert_int_equal(commit(store, &batch), 0);
    batch = store_batch_new(2);
    finish(batch, 2, JOB_FAILED);
    finish(batch, 4, JOB_CANCELLED);
    finish(batch, 77, JOB_DONE); /* never was */
    assert_int_equal(commit(store, &batch), 0);
    store = reopen(*state, store);
    loaded = load(store, 0);
    assert_int_equal(loaded->loader.last_job, 9);
    assert_int_equal(loaded->jobs, 6);
    assert_int_equal(loaded->job_numbers[0], 1);
    assert_int_equal(loaded->job_numbers[1], 3);
    assert_int_equal(loaded->job_numbers[2], 5);
    assert_int_equal(loaded->job_numbers[5], 8);
    assert_int_equal(loaded->last_job.room, 4);
    assert_int_equal(loaded->last_job.question_seq, 17);
    assert_slice(loaded->last_job.question, NIL_UUID);
    assert_slice(loaded->last_job.agent, "eliza");
    assert_slice(loaded->last_job.reply, "018f3c4d-1111-8abc-8def-0123456789ab");
    assert_slice(loaded->last_job.asker_edge, "Ab_-09");
    assert_int_equal(loaded->last_job.state, JOB_OPEN);
    assert_int_equal(loaded->last_job.created_at, 1700000000000);
    assert_int_equal(loaded->last_job.finished_at, 0);
    loaded_destroy(loaded);
    store_close(&store);
}

static void agents_are_replaced_by_id(void **state)
{
    struct store *store = fixture_open(*state);
    struct store_batch *batch = store_batch_new(1);
    struct agent_record agent = {.id = SLICE_LITERAL("eliza"),
                                 .name = SLICE_LITERAL("Eliza"),
                                 .details = SLICE_LITERAL("{}"),
                                 .created_at = 1,
                                 .updated_at = 1};
    struct loaded *loaded;

    store_batch_put_agent(batch, &agent);
    agent.name = SLICE_LITERAL("DOCTOR");
    agent.state = AGENT_STOPPED;
    agent.created_at = 3;
    agent.details = SLICE_LITERAL("{\"script\":1966}");
    agent.updated_at = 2;
    store_batch_put_agent(batch, &agent);
    assert_int_equal(commit(store, &batch), 0);
    loaded = load(store, 0);
    assert_int_equal(loaded->agents, 1);
    assert_slice(loaded->last_agent.id, "eliza");
    assert_slice(loaded->last_agent.name, "DOCTOR");
    assert_slice(loaded->last_agent.details, "{\"script\":1966}");
    assert_int_equal(loaded->last_agent.updated_at, 2);
    assert_int_equal(loaded->last_agent.state, AGENT_STOPPED);
    assert_int_equal(loaded->last_agent.created_at, 1); /* as it was first */
    loaded_destroy(loaded);
    store_close(&store);
}

static void recent_messages_are_loaded_oldest_first_without_body(void **state)
{
    struct store *store = fixture_open(*state);
    struct store_batch *batch = store_batch_new(1);
    struct loaded *loaded;

    add_room(batch, 1, "r1");
    add_room(batch, 2, "r2");
    for (uint64_t i = 1; i <= 100; i++) {
        add_message(batch, 1 + i % 2, i, i, (int64_t)(1000 + i), SLICE_LITERAL("body"));
    }
    assert_int_equal(commit(store, &batch), 0);
    loaded = load(store, 1070);
    assert_int_equal(loaded->recent, 30);
    for (uint64_t i = 0; i < 30; i++) {
        assert_int_equal(loaded->recent_seqs[i], 71 + i);
    }
    assert_int_equal(loaded->last_recent.body.length, 0);
    assert_slice(loaded->last_recent.sender, "somebody");
    assert_int_equal(loaded->last_recent.room, 1);
    assert_int_equal(loaded->last_recent.created_at, 1100);
    assert_int_equal(loaded->last_room.last_seq, 99);
    assert_int_equal(loaded->last_room.last_at, 1099);
    loaded_destroy(loaded);
    loaded = load(store, 0);
    assert_int_equal(loaded->recent, 100);
    loaded_destroy(loaded);
    loaded = load(store, 1100);
    assert_int_equal(loaded->recent, 0);
    loaded_destroy(loaded);
    store_close(&store);
}

static size_t count_messages(struct store *store, uint64_t room)
{
    struct store_query query = {.type = STORE_QUERY_AFTER_SEQ, .room = room, .limit = 1000};
    struct store_page *page = ask(store, &query);
    size_t count = page->count;

    store_page_destroy(&page);
    return count;
}

static void a_batch_with_a_repeated_id_fails_whole_and_names_it(void **state)
{
    struct store *store = fixture_open(*state);
    struct store_batch *batch = store_batch_new(1);
    const struct store_operation *culprit;

    add_message(batch, 1, 1, 1, 1, SLICE_LITERAL("x"));
    assert_int_equal(commit(store, &batch), 0);

    batch = store_batch_new(2);
    add_message(batch, 1, 2, 2, 1, SLICE_LITERAL("x"));
    add_message(batch, 1, 3, 1, 1, SLICE_LITERAL("x"));
    culprit = batch->last;
    add_message(batch, 1, 4, 4, 1, SLICE_LITERAL("x"));
    assert_int_equal(store->backend->commit(store, batch), ERROR_STORE);
    assert_ptr_equal(store->refused, culprit);
    store_batch_destroy(&batch);
    assert_int_equal(count_messages(store, 1), 1);

    batch = store_batch_new(3); /* a seq that is there */
    add_message(batch, 1, 1, 5, 1, SLICE_LITERAL("x"));
    assert_int_equal(store->backend->commit(store, batch), ERROR_STORE);
    assert_ptr_equal(store->refused, batch->first);
    store_batch_destroy(&batch);

    batch = store_batch_new(4); /* the others of batch 2 are not held up */
    add_message(batch, 1, 2, 2, 1, SLICE_LITERAL("x"));
    add_message(batch, 1, 4, 4, 1, SLICE_LITERAL("x"));
    assert_int_equal(store->backend->commit(store, batch), 0);
    assert_null(store->refused);
    store_batch_destroy(&batch);
    assert_int_equal(count_messages(store, 1), 3);
    store_close(&store);
}

static void an_empty_batch_commits(void **state)
{
    struct store *store = fixture_open(*state);
    struct store_batch *batch = store_batch_new(1);

    assert_int_equal(commit(store, &batch), 0);
    store_close(&store);
}

static void a_reader_sees_each_commit(void **state)
{
    struct store *store = fixture_open(*state);
    struct store *reader = fixture_open_reader(*state);
    struct store_batch *batch;

    for (uint64_t i = 1; i <= 50; i++) {
        batch = store_batch_new(i);
        add_message(batch, 1, i, i, 1, SLICE_LITERAL("x"));
        assert_int_equal(commit(store, &batch), 0);
        assert_int_equal(count_messages(reader, 1), i);
        if (i % 20 == 0) {
            reader->backend->checkpoint(reader);
        }
    }
    store_close(&reader);
    store_close(&store);
}

static void urls_name_a_backend_and_never_leak(void **state)
{
    const char *const urls[] = {"postgres://user:secret@host/db",
                                "mysql:secret",
                                "secret",
                                "sqlite:",
                                "sqlite::memory:",
                                "",
                                "http://x"};
    const char *const words[] = {"\"postgres\" is not built",
                                 "\"mysql\" is not built",
                                 "sqlite:PATH",
                                 "needs a file",
                                 "needs a file",
                                 "sqlite:PATH",
                                 "\"http\" is not built"};
    char reason[256];

    (void)state;
    for (size_t i = 0; i < sizeof(urls) / sizeof(urls[0]); i++) {
        struct store_settings settings = {.url = urls[i]};

        assert_null(store_open(&settings, reason, sizeof(reason)));
        assert_non_null(strstr(reason, words[i]));
        assert_null(strstr(reason, "secret"));
    }
}

static void the_log_is_measured_and_folded_back(void **state)
{
    struct store *store = fixture_open(*state);
    struct store *other = fixture_open_reader(*state);
    struct store_batch *batch = store_batch_new(1);
    size_t size;

    add_message(batch, 1, 1, 1, 1, SLICE_LITERAL("x"));
    assert_int_equal(commit(store, &batch), 0);
    size = store->log_bytes;
    assert_true(size >= 4096);
    store->backend->checkpoint(store);
    assert_int_equal(store->log_bytes, 0);
    for (uint64_t i = 2; i <= 500; i++) {
        batch = store_batch_new(i);
        add_message(batch, 1, i, i, 1, SLICE_LITERAL("x"));
        assert_int_equal(commit(store, &batch), 0);
        other->backend->checkpoint(other);
    }
    assert_true(store->log_bytes < 16 * size); /* it starts anew when another handle folded it */
    store_close(&other);
    store_close(&store);
}

int main(void)
{
#define STORE_TEST(name) cmocka_unit_test_setup_teardown(name, fixture_set_up, fixture_tear_down)
    const struct CMUnitTest tests[] = {
        STORE_TEST(an_empty_store_loads_nothing),
        STORE_TEST(a_room_keeps_number_id_epoch_and_creation),
        STORE_TEST(a_message_comes_back_byte_for_byte),
        STORE_TEST(ids_that_differ_only_in_case_are_different),
        STORE_TEST(participants_keep_the_order_of_being_added),
        STORE_TEST(open_jobs_are_loaded_in_order),
        STORE_TEST(agents_are_replaced_by_id),
        STORE_TEST(recent_messages_are_loaded_oldest_first_without_body),
        STORE_TEST(a_batch_with_a_repeated_id_fails_whole_and_names_it),
        STORE_TEST(an_empty_batch_commits),
        STORE_TEST(a_reader_sees_each_commit),
        STORE_TEST(the_log_is_measured_and_folded_back),
        cmocka_unit_test(urls_name_a_backend_and_never_leak),
    };

    return cmocka_run_group_tests_name("store", tests, NULL, NULL);
}
