/* Every way of asking for messages agrees with a model that is a plain array. */
#include "tests/unit/store_fixture.h"

#include "tests/unit/random.h"

enum { ROOMS = 5, MESSAGES = 3000, QUESTIONS = 4000 };

struct model_message {
    uint64_t room;
    uint64_t seq;
    uint64_t id;
    int64_t created_at;
};

struct model {
    struct model_message messages[MESSAGES]; /* per room ascending in seq and created_at */
    size_t count;
};

static bool matches(const struct model_message *message, const struct store_query *query,
                    uint64_t after_seq)
{
    if (message->room != query->room || message->seq <= after_seq) {
        return false;
    }
    switch (query->type) {
    case STORE_QUERY_AFTER_TIME:
        return message->created_at > query->after_ms;
    case STORE_QUERY_HISTORY:
        return (query->before_ms == 0 || message->created_at < query->before_ms) &&
               (query->after_ms == 0 || message->created_at > query->after_ms);
    default:
        return true;
    }
}

/* What the store should answer, and how many; the number of messages it should find in all. */
static size_t expect(const struct model *model, const struct store_query *query, uint64_t after_seq,
                     const struct model_message **out, size_t *expected)
{
    const struct model_message *all[MESSAGES];
    bool newest = query->type == STORE_QUERY_HISTORY && query->after_ms == 0;
    size_t total = 0;
    size_t count;

    for (size_t i = 0; i < model->count; i++) {
        if (matches(&model->messages[i], query, after_seq)) {
            all[total++] = &model->messages[i];
        }
    }
    count = total < query->limit ? total : query->limit;
    while (query->type == STORE_QUERY_HISTORY && count > 0 && count < total &&
           all[newest ? total - 1 - count : count]->created_at ==
               all[newest ? total - count : count - 1]->created_at) {
        count++; /* a page does not end between two of one time */
    }
    *expected = count;
    for (size_t i = 0; i < count; i++) {
        out[i] = all[newest ? total - 1 - i : i];
    }
    if (query->type == STORE_QUERY_HISTORY && !newest) {
        for (size_t i = 0; i < count; i++) {
            out[i] = all[count - 1 - i];
        }
    }
    return total;
}

static void fill(struct store *store, struct model *model, struct random *random)
{
    uint64_t seq[ROOMS + 1] = {0, 0, 1000000, UINT64_C(1) << 52, 5, 0};
    int64_t time[ROOMS + 1] = {0, 1000, 1000, 1700000000000, -500, 1000};
    struct store_batch *batch = NULL;

    while (model->count < MESSAGES) {
        uint64_t room = 1 + random_below(random, ROOMS - 1); /* the last one stays empty */
        struct model_message *message = &model->messages[model->count++];

        seq[room] += 1 + (random_below(random, 4) == 0 ? random_below(random, 50) : 0);
        time[room] += (int64_t)(random_below(random, 3) == 0 ? random_below(random, 20) : 0);
        *message = (struct model_message){room, seq[room], model->count, time[room]};
        if (batch == NULL) {
            batch = store_batch_new(model->count);
        }
        add_message(batch, room, message->seq, message->id, message->created_at,
                    SLICE_LITERAL("{}"));
        if (random_below(random, 20) == 0 || model->count == MESSAGES) {
            assert_int_equal(commit(store, &batch), 0);
            batch = NULL;
        }
    }
}

static int64_t near(const struct model *model, struct random *random)
{
    const struct model_message *message = &model->messages[random_below(random, model->count)];

    switch (random_below(random, 8)) {
    case 0:
        return INT64_MAX;
    case 1:
        return INT64_MIN;
    case 2:
        return 0;
    default:
        return message->created_at + (int64_t)random_below(random, 5) - 2;
    }
}

/* Returns the seq after which the answer begins. */
static uint64_t make_question(const struct model *model, struct random *random,
                              struct store_query *query)
{
    const struct model_message *message = &model->messages[random_below(random, model->count)];
    const enum store_query_type types[] = {STORE_QUERY_AFTER_SEQ, STORE_QUERY_AFTER_ID,
                                           STORE_QUERY_AFTER_TIME, STORE_QUERY_HISTORY};
    const size_t limits[] = {0, 1, 2, 10, 50, 1000, MESSAGES};
    char uuid[UUID_TEXT_SIZE];

    *query = (struct store_query){.type = types[random_below(random, 4)],
                                  .room = 1 + random_below(random, ROOMS + 1),
                                  .limit = limits[random_below(random, 7)]};
    if (query->type == STORE_QUERY_AFTER_SEQ) {
        query->after_seq = message->seq + random_below(random, 3) - 1;
        if (random_below(random, 8) == 0) {
            query->after_seq = random_below(random, 2) ? 0 : UINT64_MAX;
        }
        return query->after_seq;
    }
    if (query->type == STORE_QUERY_AFTER_ID) {
        query->room = message->room;
        test_uuid(message->id, uuid);
        snprintf(query->id, sizeof(query->id), "%s", uuid);
        return message->seq;
    }
    query->after_ms = near(model, random);
    if (query->type == STORE_QUERY_HISTORY) {
        query->before_ms = near(model, random);
    }
    return 0;
}

static void every_question_is_answered_like_the_model(void **state)
{
    static struct model model;
    static const struct model_message *expected[MESSAGES];
    struct random random = {.state = 20261123};
    struct store *store = fixture_open(*state);
    struct store *reader = fixture_open_reader(*state);

    model.count = 0;
    fill(store, &model, &random);
    for (int i = 0; i < QUESTIONS; i++) {
        struct store_query query;
        uint64_t after_seq = make_question(&model, &random, &query);
        size_t count;
        size_t total = expect(&model, &query, after_seq, expected, &count);
        struct store_page *page = ask(i % 2 == 0 ? reader : store, &query);

        assert_true(page->found);
        assert_int_equal(page->count, count);
        assert_int_equal(page->complete, total == count);
        for (size_t k = 0; k < page->count; k++) {
            char uuid[UUID_TEXT_SIZE];

            assert_int_equal(page->messages[k].seq, expected[k]->seq);
            assert_int_equal(page->messages[k].room, query.room);
            assert_int_equal(page->messages[k].created_at, expected[k]->created_at);
            assert_true(slice_equals(page->messages[k].id, test_uuid(expected[k]->id, uuid)));
        }
        store_page_destroy(&page);
    }
    store_close(&reader);
    store_close(&store);
}

static void an_id_of_another_room_is_not_found(void **state)
{
    struct store *store = fixture_open(*state);
    struct store_batch *batch = store_batch_new(1);
    struct store_query query = {.type = STORE_QUERY_AFTER_ID, .room = 2, .limit = 10};
    struct store_page *page;
    char uuid[UUID_TEXT_SIZE];

    add_message(batch, 1, 1, 1, 1, SLICE_LITERAL("{}"));
    add_message(batch, 2, 1, 2, 1, SLICE_LITERAL("{}"));
    add_message(batch, 2, 2, 3, 1, SLICE_LITERAL("{}"));
    assert_int_equal(commit(store, &batch), 0);
    test_uuid(1, uuid);
    snprintf(query.id, sizeof(query.id), "%s", uuid);
    page = ask(store, &query);
    assert_false(page->found);
    assert_false(page->complete);
    assert_int_equal(page->count, 0);
    store_page_destroy(&page);
    test_uuid(2, uuid);
    snprintf(query.id, sizeof(query.id), "%s", uuid);
    page = ask(store, &query);
    assert_true(page->found);
    assert_int_equal(page->count, 1);
    store_page_destroy(&page);
    store_close(&store);
}

/* Whoever pages on from where a page ended gets all messages, once and in order. */
static void large_messages_come_in_smaller_pages(void **state)
{
    enum { SIZE = 1 << 20, COUNT = 40 };
    struct store *store = fixture_open(*state);
    struct store_query query = {.type = STORE_QUERY_AFTER_SEQ, .room = 1, .limit = 1000};
    char *body = malloc(SIZE);
    uint64_t seen = 0;
    int pages = 0;

    memset(body, 'x', SIZE);
    for (uint64_t i = 1; i <= COUNT; i++) {
        struct store_batch *batch = store_batch_new(i);

        add_message(batch, 1, i, i, (int64_t)i, slice_of(body, SIZE));
        assert_int_equal(commit(store, &batch), 0);
    }
    for (;;) {
        struct store_page *page = ask(store, &query);
        bool complete = page->complete;

        assert_true(page->count > 0);
        assert_true(page->count <= STORE_PAGE_BYTES_MAX / SIZE + 1);
        for (size_t i = 0; i < page->count; i++) {
            assert_int_equal(page->messages[i].seq, ++seen);
            assert_int_equal(page->messages[i].body.length, SIZE);
            assert_memory_equal(page->messages[i].body.data, body, SIZE);
        }
        query.after_seq = seen;
        store_page_destroy(&page);
        pages++;
        if (complete) {
            break;
        }
    }
    assert_int_equal(seen, COUNT);
    assert_true(pages > 1);
    free(body);
    store_close(&store);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(every_question_is_answered_like_the_model, fixture_set_up,
                                        fixture_tear_down),
        cmocka_unit_test_setup_teardown(an_id_of_another_room_is_not_found, fixture_set_up,
                                        fixture_tear_down),
        cmocka_unit_test_setup_teardown(large_messages_come_in_smaller_pages, fixture_set_up,
                                        fixture_tear_down),
    };

    return cmocka_run_group_tests_name("store_history", tests, NULL, NULL);
}
