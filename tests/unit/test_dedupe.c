#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <string.h>

#include "router/core/dedupe.h"

enum { WINDOW = 600000, LIMIT = 8, NOW = 1000000 };

static struct dedupe *make(int64_t limit)
{
    struct id_source ids;
    id_source_init(&ids);
    return dedupe_new(&ids, WINDOW, limit);
}

static struct dedupe_key key_of(const struct dedupe *dedupe, const char *message_id)
{
    return dedupe_key_of(dedupe, 1, SLICE_LITERAL("ann"), slice_of_string(message_id));
}

static uint64_t add(struct dedupe *dedupe, const char *message_id, int64_t created_at)
{
    struct dedupe_entry entry = {
        .key = key_of(dedupe, message_id), .seq = 7, .epoch = 9, .created_at = created_at};
    snprintf(entry.id, sizeof(entry.id), "id of %s", message_id);
    return dedupe_add(dedupe, &entry);
}

static bool has(struct dedupe *dedupe, const char *message_id)
{
    return dedupe_find(dedupe, key_of(dedupe, message_id)) != NULL;
}

static bool is_same(struct dedupe_key a, struct dedupe_key b)
{
    return a.high == b.high && a.low == b.low;
}

static void test_an_entry_is_found_with_all_it_says(void **state)
{
    struct dedupe *dedupe = make(LIMIT);
    (void)state;
    assert_int_equal(add(dedupe, "m1", NOW), 0);
    const struct dedupe_entry *entry = dedupe_find(dedupe, key_of(dedupe, "m1"));
    assert_non_null(entry);
    assert_int_equal(entry->seq, 7);
    assert_int_equal(entry->epoch, 9);
    assert_int_equal(entry->created_at, NOW);
    assert_string_equal(entry->id, "id of m1");
    assert_false(entry->is_committed);
    assert_false(entry->no_agent);
    assert_false(has(dedupe, "m2"));
    assert_int_equal(dedupe_count(dedupe), 1);
    dedupe_destroy(&dedupe);
    assert_null(dedupe);
    dedupe_destroy(&dedupe);
}

static void test_what_is_changed_in_an_entry_stays(void **state)
{
    struct dedupe *dedupe = make(LIMIT);
    (void)state;
    add(dedupe, "m1", NOW);
    dedupe_find(dedupe, key_of(dedupe, "m1"))->is_committed = true;
    add(dedupe, "m2", NOW);
    assert_true(dedupe_find(dedupe, key_of(dedupe, "m1"))->is_committed);
    assert_false(dedupe_find(dedupe, key_of(dedupe, "m2"))->is_committed);
    dedupe_destroy(&dedupe);
}

static void test_room_sender_and_message_id_each_make_another_key(void **state)
{
    struct dedupe *dedupe = make(LIMIT);
    struct dedupe_key key = dedupe_key_of(dedupe, 1, SLICE_LITERAL("ann"), SLICE_LITERAL("m"));
    (void)state;
    assert_true(is_same(key, dedupe_key_of(dedupe, 1, SLICE_LITERAL("ann"), SLICE_LITERAL("m"))));
    assert_false(is_same(key, dedupe_key_of(dedupe, 2, SLICE_LITERAL("ann"), SLICE_LITERAL("m"))));
    assert_false(is_same(key, dedupe_key_of(dedupe, 1, SLICE_LITERAL("bob"), SLICE_LITERAL("m"))));
    assert_false(is_same(key, dedupe_key_of(dedupe, 1, SLICE_LITERAL("ann"), SLICE_LITERAL("n"))));
    /* The same bytes, cut elsewhere. */
    assert_false(is_same(key, dedupe_key_of(dedupe, 1, SLICE_LITERAL("an"), SLICE_LITERAL("nm"))));
    assert_false(is_same(key, dedupe_key_of(dedupe, 1, SLICE_LITERAL("annm"), SLICE_EMPTY)));
    assert_false(is_same(key, dedupe_key_of(dedupe, 1, SLICE_EMPTY, SLICE_LITERAL("annm"))));
    dedupe_destroy(&dedupe);
}

static void test_keys_of_one_table_say_nothing_about_another_s(void **state)
{
    struct dedupe *one = make(LIMIT), *other = make(LIMIT);
    (void)state;
    assert_false(is_same(key_of(one, "m"), key_of(other, "m")));
    dedupe_destroy(&one);
    dedupe_destroy(&other);
}

static void test_at_the_limit_the_oldest_leave_and_are_counted(void **state)
{
    struct dedupe *dedupe = make(3);
    (void)state;
    assert_int_equal(add(dedupe, "m1", NOW), 0);
    assert_int_equal(add(dedupe, "m2", NOW), 0);
    assert_int_equal(add(dedupe, "m3", NOW), 0);
    assert_int_equal(add(dedupe, "m4", NOW), 1);
    assert_int_equal(dedupe_count(dedupe), 3);
    assert_false(has(dedupe, "m1"));
    assert_true(has(dedupe, "m2") && has(dedupe, "m3") && has(dedupe, "m4"));
    assert_int_equal(add(dedupe, "m5", NOW), 1);
    assert_false(has(dedupe, "m2"));
    dedupe_destroy(&dedupe);
}

static void test_a_limit_of_one_keeps_the_newest(void **state)
{
    struct dedupe *dedupe = make(1);
    (void)state;
    add(dedupe, "m1", NOW);
    assert_int_equal(add(dedupe, "m2", NOW), 1);
    assert_true(has(dedupe, "m2"));
    assert_int_equal(dedupe_count(dedupe), 1);
    dedupe_destroy(&dedupe);
}

static void test_entries_live_for_the_whole_window_and_no_longer(void **state)
{
    struct dedupe *dedupe = make(LIMIT);
    (void)state;
    add(dedupe, "m1", NOW);
    add(dedupe, "m2", NOW + 1000);
    dedupe_expire(dedupe, NOW + WINDOW);
    assert_true(has(dedupe, "m1"));
    dedupe_expire(dedupe, NOW + WINDOW + 1);
    assert_false(has(dedupe, "m1"));
    assert_true(has(dedupe, "m2"));
    dedupe_expire(dedupe, NOW + WINDOW + 1001);
    assert_int_equal(dedupe_count(dedupe), 0);
    dedupe_expire(dedupe, INT64_MAX);
    dedupe_destroy(&dedupe);
}

static void test_a_clock_that_was_set_back_expires_nothing(void **state)
{
    struct dedupe *dedupe = make(LIMIT);
    (void)state;
    add(dedupe, "m1", NOW);
    dedupe_expire(dedupe, 0);
    assert_true(has(dedupe, "m1"));
    dedupe_destroy(&dedupe);
}

static void test_what_is_removed_can_be_added_again_as_the_youngest(void **state)
{
    struct dedupe *dedupe = make(2);
    (void)state;
    add(dedupe, "m1", NOW);
    add(dedupe, "m2", NOW);
    dedupe_remove(dedupe, key_of(dedupe, "m1"));
    dedupe_remove(dedupe, key_of(dedupe, "m1")); /* not there: nothing happens */
    assert_false(has(dedupe, "m1"));
    assert_int_equal(add(dedupe, "m1", NOW + 5), 0);
    assert_int_equal(add(dedupe, "m3", NOW + 6), 1);
    assert_false(has(dedupe, "m2"));
    assert_true(has(dedupe, "m1"));
    dedupe_destroy(&dedupe);
}

static void test_expiry_works_in_bounded_steps_and_gets_through(void **state)
{
    enum { MANY = 12000 };
    struct dedupe *dedupe = make(MANY);
    (void)state;
    for (int i = 0; i < MANY; i++) {
        char id[16];
        snprintf(id, sizeof(id), "m%d", i);
        add(dedupe, id, NOW);
    }
    dedupe_expire(dedupe, NOW + WINDOW + 1);
    assert_in_range(dedupe_count(dedupe), 1, MANY - 1);
    for (int i = 0; i < 20; i++) {
        dedupe_expire(dedupe, NOW + WINDOW + 1);
    }
    assert_int_equal(dedupe_count(dedupe), 0);
    dedupe_destroy(&dedupe);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_an_entry_is_found_with_all_it_says),
        cmocka_unit_test(test_what_is_changed_in_an_entry_stays),
        cmocka_unit_test(test_room_sender_and_message_id_each_make_another_key),
        cmocka_unit_test(test_keys_of_one_table_say_nothing_about_another_s),
        cmocka_unit_test(test_at_the_limit_the_oldest_leave_and_are_counted),
        cmocka_unit_test(test_a_limit_of_one_keeps_the_newest),
        cmocka_unit_test(test_entries_live_for_the_whole_window_and_no_longer),
        cmocka_unit_test(test_a_clock_that_was_set_back_expires_nothing),
        cmocka_unit_test(test_what_is_removed_can_be_added_again_as_the_youngest),
        cmocka_unit_test(test_expiry_works_in_bounded_steps_and_gets_through),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
