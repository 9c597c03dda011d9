/* Batches and pages own what they carry. */
#include "tests/unit/store_fixture.h"

static void operations_come_back_in_order(void **state)
{
    struct store_batch *batch = store_batch_new(7);
    const enum store_operation_type expected[] = {
        STORE_PUT_ROOM, STORE_SET_PARTICIPANTS, STORE_ADD_PARTICIPANT, STORE_ADD_MESSAGE,
        STORE_ADD_JOB,  STORE_FINISH_JOB,       STORE_PUT_AGENT};
    const struct slice ids[] = {SLICE_LITERAL("a"), SLICE_LITERAL("bc")};
    struct job_record job = {.number = 3, .room = 1, .question = SLICE_LITERAL("q")};
    struct agent_record agent = {.id = SLICE_LITERAL("eliza")};
    size_t count = 0;

    (void)state;
    add_room(batch, 1, "room");
    store_batch_set_participants(batch, 1, ids, 2);
    store_batch_add_participant(batch, 1, SLICE_LITERAL("d"));
    add_message(batch, 1, 1, 1, 10, SLICE_LITERAL("body"));
    store_batch_add_job(batch, &job);
    store_batch_finish_job(batch, &(struct job_record){.number = 3, .state = JOB_DONE});
    store_batch_put_agent(batch, &agent);

    for (const struct store_operation *at = batch->first; at != NULL; at = at->next) {
        assert_int_equal(at->type, expected[count++]);
    }
    assert_int_equal(count, 7);
    assert_int_equal(batch->operations, 7);
    assert_int_equal(batch->messages, 1);
    assert_int_equal(batch->number, 7);
    assert_null(batch->refused);
    store_batch_destroy(&batch);
    assert_null(batch);
    store_batch_destroy(&batch);
}

static void what_is_added_is_copied(void **state)
{
    struct store_batch *batch = store_batch_new(1);
    char body[] = "{\"text\":\"hello\"}";
    char id[] = "an id";
    struct slice list[] = {slice_of_string(id)};
    struct message_record message = {.room = 1,
                                     .seq = 5,
                                     .id = slice_of_string(id),
                                     .kind = MESSAGE_KIND_AGENT,
                                     .body = slice_of_string(body)};
    const struct message_record *copy = store_batch_add_message(batch, &message);
    size_t bytes = batch->bytes;

    (void)state;
    store_batch_set_participants(batch, 1, list, 1);
    memset(body, '?', sizeof(body));
    memset(id, '?', sizeof(id));
    list[0] = SLICE_EMPTY;
    assert_slice(copy->id, "an id");
    assert_slice(copy->body, "{\"text\":\"hello\"}");
    assert_int_equal(copy->kind, MESSAGE_KIND_AGENT);
    assert_int_equal(copy->sender.length, 0);
    assert_int_equal(bytes, strlen("an id") + strlen("{\"text\":\"hello\"}"));
    assert_slice(batch->last->participants.ids[0], "an id");
    store_batch_destroy(&batch);
}

static void large_batches_hold_every_byte(void **state)
{
    struct store_batch *batch = store_batch_new(1);
    size_t size = 1 << 20;
    char *body = malloc(size);
    uint64_t seq = 0;

    (void)state;
    memset(body, 'x', size);
    for (uint64_t i = 1; i <= 2000; i++) {
        add_message(batch, 1, i, i, 1, slice_of(body, i % 100 == 0 ? size : (size_t)i % 300));
    }
    for (const struct store_operation *at = batch->first; at != NULL; at = at->next) {
        seq++;
        assert_int_equal(at->message.seq, seq);
        assert_int_equal(at->message.body.length, seq % 100 == 0 ? size : seq % 300);
        assert_int_equal(memcmp(at->message.body.data == NULL ? body : at->message.body.data, body,
                                at->message.body.length),
                         0);
    }
    assert_int_equal(seq, 2000);
    store_batch_destroy(&batch);
    free(body);
}

static void a_page_answers_its_query(void **state)
{
    struct store_query query = {.type = STORE_QUERY_HISTORY, .token = 42};
    struct store_page *page = store_page_new(&query);

    (void)state;
    assert_int_equal(page->token, 42);
    assert_int_equal(page->type, STORE_QUERY_HISTORY);
    assert_int_equal(page->count, 0);
    store_page_destroy(&page);
    assert_null(page);
    store_page_destroy(&page);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(operations_come_back_in_order),
        cmocka_unit_test(what_is_added_is_copied),
        cmocka_unit_test(large_batches_hold_every_byte),
        cmocka_unit_test(a_page_answers_its_query),
    };

    return cmocka_run_group_tests_name("batch", tests, NULL, NULL);
}
