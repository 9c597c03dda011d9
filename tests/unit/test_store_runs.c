/* What agents did: their jobs, the messages of these, and the rooms they are noted in. */
#include "tests/unit/store_fixture.h"

#include "proto/base/buffer.h"

#define ELIZA "b850bc30-45f8-0041-a00a-83df46d8555d"

static void id_of(char out[UUID_TEXT_SIZE], unsigned kind, unsigned number)
{
    snprintf(out, UUID_TEXT_SIZE, "018f0000-0000-7000-%04x-%012x", 0x8000 + kind, number);
}

static void add_text(struct store_batch *batch, uint64_t room, uint64_t seq, unsigned kind,
                     unsigned number)
{
    char id[UUID_TEXT_SIZE];
    struct message_record message = {.room = room,
                                     .seq = seq,
                                     .kind = kind == 0 ? MESSAGE_KIND_USER : MESSAGE_KIND_AGENT,
                                     .sender = SLICE_LITERAL("ann"),
                                     .created_at = (int64_t)(1000 * number + kind),
                                     .position = 10 * number + kind,
                                     .body = SLICE_LITERAL("{}")};
    id_of(id, kind, number);
    message.id = slice_of(id, UUID_TEXT_LENGTH);
    store_batch_add_message(batch, &message);
}

/* Question and job number `number`, and its end. */
static void add_run(struct store_batch *batch, uint64_t room, unsigned number, enum job_state state,
                    const char *error)
{
    char question[UUID_TEXT_SIZE], reply[UUID_TEXT_SIZE];
    id_of(question, 0, number);
    id_of(reply, 1, number);
    struct job_record job = {.number = number,
                             .room = room,
                             .question = slice_of_string(question),
                             .agent = SLICE_LITERAL(ELIZA),
                             .reply = slice_of_string(reply),
                             .created_at = (int64_t)(1000 * number)};
    add_text(batch, room, 2 * number, 0, number);
    store_batch_add_job(batch, &job);
    if (state == JOB_OPEN) {
        return;
    }
    job.state = state;
    job.finished_at = job.created_at + 5;
    job.attempts = 2;
    job.error = slice_of_string(error);
    store_batch_finish_job(batch, &job);
    if (state == JOB_DONE) {
        add_text(batch, room, 2 * number + 1, 1, number);
    }
}

static struct store *store_with_runs(struct store_fixture *fixture)
{
    struct store *store = fixture_open(fixture);
    struct store_batch *batch = store_batch_new(1);
    add_room(batch, 1, "one");
    add_room(batch, 2, "two");
    store_batch_add_participant(batch, 1, SLICE_LITERAL(ELIZA));
    store_batch_add_participant(batch, 1, SLICE_LITERAL("ann"));
    store_batch_add_participant(batch, 2, SLICE_LITERAL(ELIZA));
    add_run(batch, 1, 1, JOB_DONE, "");
    add_run(batch, 1, 2, JOB_FAILED, "timeout");
    add_run(batch, 2, 3, JOB_FAILED, "agent_failed");
    add_run(batch, 2, 4, JOB_CANCELLED, "");
    add_run(batch, 2, 5, JOB_DONE, "");
    add_run(batch, 1, 6, JOB_OPEN, "");
    assert_int_equal(commit(store, &batch), 0);
    return store;
}

/* The numbers of the runs found, in their order, as text. */
static void assert_runs(struct store *store, struct store_query query, const char *expected)
{
    struct buffer found = BUFFER_EMPTY;
    query.type = STORE_QUERY_RUNS;
    query.limit = query.limit == 0 ? 100 : query.limit;
    strcpy(query.id, ELIZA);
    struct store_page *page = ask(store, &query);
    for (size_t i = 0; i < page->run_count; i++) {
        buffer_append_unsigned(&found, page->runs[i].job.number);
    }
    assert_slice(buffer_slice(&found), expected);
    store_page_destroy(&page);
    buffer_deinit(&found);
}

static void runs_are_found_newest_first_by_room_time_and_status(void **state)
{
    struct store *store = store_with_runs(*state);
    assert_runs(store, (struct store_query){0}, "654321");
    assert_runs(store, (struct store_query){.room = 2}, "543");
    assert_runs(store, (struct store_query){.after_ms = 3000}, "6543");
    assert_runs(store, (struct store_query){.before_ms = 3000}, "321");
    assert_runs(store, (struct store_query){.limit = 2, .skip = 1}, "54");
    assert_runs(store, (struct store_query){.after_number = 4}, "4");
    assert_runs(store, (struct store_query){.after_number = 7}, "");
    assert_runs(store, (struct store_query){.text = "started"}, "6");
    assert_runs(store, (struct store_query){.text = "completed"}, "51");
    assert_runs(store, (struct store_query){.text = "timeout"}, "2");
    assert_runs(store, (struct store_query){.text = "error"}, "43");
    store_close(&store);
}

static void assert_total(struct store *store, struct store_query query, uint64_t total,
                         bool is_complete)
{
    query.type = STORE_QUERY_RUNS;
    strcpy(query.id, ELIZA);
    struct store_page *page = ask(store, &query);
    assert_int_equal(page->total, total);
    assert_int_equal(page->complete, is_complete);
    store_page_destroy(&page);
}

static void the_total_counts_those_that_are_not_shown_within_bounds(void **state)
{
    struct store *store = store_with_runs(*state);
    assert_total(store, (struct store_query){.limit = 2}, 6, true);
    assert_total(store, (struct store_query){.limit = 2, .skip = 3}, 6, true);
    assert_total(store, (struct store_query){.limit = 0}, 6, true);
    assert_total(store, (struct store_query){.limit = 1, .room = 1}, 3, true);
    struct store_batch *batch = store_batch_new(2);
    for (unsigned number = 7; number <= STORE_RUNS_SEEN_MAX; number++) {
        add_run(batch, 1, number, JOB_OPEN, "");
    }
    assert_int_equal(commit(store, &batch), 0);
    assert_total(store, (struct store_query){.limit = 3}, STORE_RUNS_SEEN_MAX, true);
    assert_total(store, (struct store_query){.limit = 3, .before_ms = INT64_MAX},
                 STORE_RUNS_SEEN_MAX, true);
    batch = store_batch_new(3);
    add_run(batch, 1, STORE_RUNS_SEEN_MAX + 1, JOB_OPEN, "");
    assert_int_equal(commit(store, &batch), 0);
    assert_total(store, (struct store_query){.limit = 3}, STORE_RUNS_SEEN_MAX, false);
    assert_total(store, (struct store_query){.limit = 3, .before_ms = INT64_MAX},
                 STORE_RUNS_SEEN_MAX, false);
    store_close(&store);
}

static void a_run_says_who_asked_where_and_how_it_ended(void **state)
{
    struct store *store = store_with_runs(*state);
    struct store_query query = {.type = STORE_QUERY_RUNS, .limit = 1, .after_number = 2};
    strcpy(query.id, ELIZA);
    struct store_page *page = ask(store, &query);
    assert_int_equal(page->total, 1);
    assert_slice(page->runs[0].room_id, "one");
    assert_slice(page->runs[0].asker, "ann");
    assert_slice(page->runs[0].job.error, "timeout");
    assert_int_equal(page->runs[0].job.attempts, 2);
    assert_int_equal(page->runs[0].job.finished_at, 2005);
    store_page_destroy(&page);
    store_close(&store);
}

static void a_run_that_is_over_can_be_deleted(void **state)
{
    struct store *store = store_with_runs(*state);
    struct store_batch *batch = store_batch_new(2);
    store_batch_delete_job(batch, 5, SLICE_LITERAL(ELIZA));
    store_batch_delete_job(batch, 6, SLICE_LITERAL(ELIZA)); /* open: it stays */
    store_batch_delete_job(batch, 1, SLICE_LITERAL("somebody else"));
    assert_int_equal(commit(store, &batch), 0);
    assert_runs(store, (struct store_query){0}, "64321");
    store_close(&store);
}

static void an_agent_s_history_is_its_questions_and_replies(void **state)
{
    struct store *store = store_with_runs(*state);
    struct store_query query = {.type = STORE_QUERY_AGENT_HISTORY, .limit = 4};
    strcpy(query.id, ELIZA);
    struct store_page *page = ask(store, &query);
    assert_int_equal(page->count, 4);
    assert_int_equal(page->messages[0].created_at, 6000);
    assert_int_equal(page->messages[1].created_at, 5001); /* the reply before its question */
    assert_int_equal(page->messages[2].created_at, 5000);
    assert_int_equal(page->messages[3].created_at, 4000);
    store_page_destroy(&page);
    query.before_ms = 1001;
    page = ask(store, &query);
    assert_int_equal(page->count, 1); /* not the reply of that very time */
    store_page_destroy(&page);

    struct store_batch *batch = store_batch_new(2);
    store_batch_clear_room(batch, 2, 100);
    assert_int_equal(commit(store, &batch), 0);
    query = (struct store_query){.type = STORE_QUERY_AGENT_HISTORY, .limit = 100};
    strcpy(query.id, ELIZA);
    page = ask(store, &query);
    assert_int_equal(page->count, 4); /* those of room 1 */
    store_page_destroy(&page);
    store_close(&store);
}

static void rooms_are_found_by_who_is_noted_in_them(void **state)
{
    struct store *store = store_with_runs(*state);
    struct store_query query = {.type = STORE_QUERY_ROOMS_OF, .limit = 1};
    strcpy(query.id, ELIZA);
    struct store_page *page = ask(store, &query);
    assert_int_equal(page->room_count, 1);
    assert_slice(page->rooms[0].id, "two");
    assert_false(page->complete);
    query.before_number = page->next;
    store_page_destroy(&page);
    page = ask(store, &query);
    assert_int_equal(page->room_count, 1);
    assert_slice(page->rooms[0].id, "one");
    assert_true(page->complete);
    store_page_destroy(&page);
    store_close(&store);
}

#define SERVER "5f1d7a00-0000-4000-8000-000000000001"

/* The rooms found, in their order. */
static void assert_rooms(struct store *store, struct store_query query, const char *expected)
{
    struct buffer found = BUFFER_EMPTY;
    query.limit = 10;
    struct store_page *page = ask(store, &query);
    for (size_t i = 0; i < page->room_count; i++) {
        buffer_append_slice(&found, page->rooms[i].id);
        buffer_append_char(&found, ' ');
    }
    assert_slice(buffer_slice(&found), expected);
    store_page_destroy(&page);
    buffer_deinit(&found);
}

/* Of an agent that is in all rooms; ann is in the first, eve nowhere. */
static void a_viewer_is_told_of_the_rooms_that_it_is_noted_in(void **state)
{
    struct store *store = store_with_runs(*state);
    struct store_query of_agent = {.type = STORE_QUERY_ROOMS_OF, .id = ELIZA};
    struct store_query history = {.type = STORE_QUERY_AGENT_HISTORY, .id = ELIZA, .limit = 10};
    struct store_query found = {.type = STORE_QUERY_SEARCH, .limit = 10};
    struct store_page *page;
    static const struct {
        const char *viewer, *runs, *rooms;
        size_t messages, texts;
    } seen[] = {
        {"", "654321", "two one ", 8, 8}, {"ann", "621", "one ", 4, 4}, {"eve", "", "", 0, 0}};
    for (size_t i = 0; i < sizeof(seen) / sizeof(seen[0]); i++) {
        struct store_query runs = {.limit = 10};
        strcpy(runs.viewer, seen[i].viewer);
        assert_runs(store, runs, seen[i].runs);
        strcpy(of_agent.viewer, seen[i].viewer);
        assert_rooms(store, of_agent, seen[i].rooms);
        strcpy(history.viewer, seen[i].viewer);
        page = ask(store, &history);
        assert_int_equal(page->count, seen[i].messages);
        store_page_destroy(&page);
        strcpy(found.viewer, seen[i].viewer);
        page = ask(store, &found);
        assert_int_equal(page->count, seen[i].texts);
        store_page_destroy(&page);
    }
    store_close(&store);
}

static void a_viewer_s_rooms_of_a_server_are_found_newest_first(void **state)
{
    struct store *store = fixture_open(*state);
    struct store_batch *batch = store_batch_new(1);
    struct store_query query = {.type = STORE_QUERY_ROOMS, .id = SERVER};
    for (unsigned number = 1; number <= 4; number++) {
        char id[8];
        snprintf(id, sizeof(id), "r%u", number);
        struct room_record room = {.number = number,
                                   .id = slice_of_string(id),
                                   .server_id = number == 3 ? SLICE_LITERAL("another")
                                                            : SLICE_LITERAL(SERVER)};
        store_batch_put_room(batch, &room);
        if (number != 2) {
            store_batch_add_participant(batch, number, SLICE_LITERAL("ann"));
        }
    }
    assert_int_equal(commit(store, &batch), 0);
    assert_rooms(store, query, "r4 r2 r1 ");
    strcpy(query.viewer, "ann");
    assert_rooms(store, query, "r4 r1 ");
    query.before_number = 4;
    assert_rooms(store, query, "r1 ");
    strcpy(query.viewer, "eve");
    assert_rooms(store, query, "");
    store_close(&store);
}

static void participants_of_rooms_without_a_list_are_loaded_when_they_are_wanted(void **state)
{
    struct store *store = store_with_runs(*state);
    struct loaded *loaded = load(store, 0);
    assert_int_equal(loaded->participants, 0);
    loaded->stage = 0;
    loaded->loader.wants_all_participants = true;
    assert_int_equal(store->backend->load(store, &loaded->loader), 0);
    assert_int_equal(loaded->participants, 3);
    assert_slice(loaded->participant_ids[1], "ann");
    loaded_destroy(loaded);
    store_close(&store);
}

int main(void)
{
#define STORE_TEST(name) cmocka_unit_test_setup_teardown(name, fixture_set_up, fixture_tear_down)
    const struct CMUnitTest tests[] = {
        STORE_TEST(runs_are_found_newest_first_by_room_time_and_status),
        STORE_TEST(the_total_counts_those_that_are_not_shown_within_bounds),
        STORE_TEST(a_run_says_who_asked_where_and_how_it_ended),
        STORE_TEST(a_run_that_is_over_can_be_deleted),
        STORE_TEST(an_agent_s_history_is_its_questions_and_replies),
        STORE_TEST(rooms_are_found_by_who_is_noted_in_them),
        STORE_TEST(a_viewer_is_told_of_the_rooms_that_it_is_noted_in),
        STORE_TEST(a_viewer_s_rooms_of_a_server_are_found_newest_first),
        STORE_TEST(participants_of_rooms_without_a_list_are_loaded_when_they_are_wanted),
    };
    return cmocka_run_group_tests_name("store_runs", tests, NULL, NULL);
}
