/*
 * What ELIZA keeps of a conversation, the bounds of it, and the hash of 1966.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>
#include "agent-bridge/runtimes/eliza_conversation.h"

/*
 * The paper says that ALWAYS gives 14 in seven bits; the other words are the last ones of the
 * inputs whose memories are recalled in the paper and in a dialogue of 1965.
 */
static void the_hash_is_that_of_1966(void **state)
{
    (void)state;
    assert_int_equal(eliza_hash(SLICE_LITERAL("ALWAYS"), 7), 14);
    assert_int_equal(eliza_hash(SLICE_LITERAL("always"), 7), 14);
    assert_int_equal(eliza_hash(SLICE_LITERAL("here"), 2), 3);
    assert_int_equal(eliza_hash(SLICE_LITERAL("kids"), 2), 1);
    assert_int_equal(eliza_hash(SLICE_LITERAL("time"), 2), 0);
    /* Only the last cell of six characters counts. */
    assert_int_equal(eliza_hash(SLICE_LITERAL("xxxxxxhere"), 2), 3);
    assert_int_equal(eliza_hash(SLICE_LITERAL("always"), 7),
                     eliza_hash(SLICE_LITERAL("foobarALWAYS"), 7));
    /* Anything has a hash. */
    assert_true(eliza_hash(SLICE_EMPTY, 2) < 4);
    assert_true(eliza_hash(SLICE_LITERAL("\U0001f642\xff"), 2) < 4);
}

static void the_counter_runs_from_one_to_four(void **state)
{
    (void)state;
    struct eliza_conversations *table = eliza_conversations_new(10, 3);
    struct eliza_conversation *one = eliza_conversations_get(table, SLICE_LITERAL("room"));
    static const unsigned expected[] = {2, 3, 4, 1, 2, 3, 4, 1};

    assert_int_equal(eliza_conversation_limit(one), 1);
    for (size_t i = 0; i < 8; i++) {
        assert_true(eliza_conversation_turn(one) == (i == 0));
        assert_int_equal(eliza_conversation_limit(one), expected[i]);
    }
    eliza_conversations_destroy(&table);
    assert_null(table);
}

static void rotation_is_per_rule_and_per_conversation(void **state)
{
    (void)state;
    struct eliza_conversations *table = eliza_conversations_new(10, 3);
    struct eliza_conversation *one = eliza_conversations_get(table, SLICE_LITERAL("one"));
    struct eliza_conversation *two = eliza_conversations_get(table, SLICE_LITERAL("two"));

    for (size_t i = 0; i < 5; i++) {
        assert_int_equal(eliza_conversation_rotate(one, 2, 3), i % 3);
    }
    assert_int_equal(eliza_conversation_rotate(one, 1, 3), 0);
    assert_int_equal(eliza_conversation_rotate(two, 2, 3), 0);
    eliza_conversations_destroy(&table);
}

static void memories_come_back_oldest_first_when_the_counter_is_four(void **state)
{
    (void)state;
    struct eliza_conversations *table = eliza_conversations_new(10, 1);
    struct eliza_conversation *one = eliza_conversations_get(table, SLICE_LITERAL("room"));
    size_t length;
    char *text;

    eliza_conversation_remember(one, SLICE_LITERAL("first"));
    eliza_conversation_remember(one, SLICE_LITERAL("second"));
    for (int i = 0; i < 2; i++) {
        assert_null(eliza_conversation_recall(one, &length));
        eliza_conversation_turn(one);
    }
    eliza_conversation_turn(one);
    text = eliza_conversation_recall(one, &length);
    assert_int_equal(length, 5);
    assert_memory_equal(text, "first", 5);
    free(text);
    for (int i = 0; i < 4; i++) {
        eliza_conversation_turn(one);
    }
    text = eliza_conversation_recall(one, &length);
    assert_int_equal(length, 6);
    free(text);
    assert_null(eliza_conversation_recall(one, &length));
    eliza_conversations_destroy(&table);
}

static void memories_are_bounded(void **state)
{
    (void)state;
    struct eliza_conversations *table = eliza_conversations_new(10, 1);
    struct eliza_conversation *one = eliza_conversations_get(table, SLICE_LITERAL("room"));
    char text[ELIZA_MEMORY_BYTES_MAX + 1] = {0};
    size_t length;
    char *oldest;

    eliza_conversation_remember(one, slice_of(text, sizeof(text))); /* too long: not kept */
    for (int i = 0; i <= ELIZA_MEMORIES_MAX; i++) {
        snprintf(text, sizeof(text), "%d", i);
        eliza_conversation_remember(one, slice_of_string(text));
    }
    for (int i = 0; i < 3; i++) {
        eliza_conversation_turn(one);
    }
    oldest = eliza_conversation_recall(one, &length);
    assert_string_equal(oldest, "1");
    free(oldest);
    eliza_conversation_end(one);
    for (int i = 0; i < 3; i++) {
        eliza_conversation_turn(one);
    }
    assert_null(eliza_conversation_recall(one, &length));
    eliza_conversations_destroy(&table);
}

static void the_conversation_longest_quiet_makes_room(void **state)
{
    (void)state;
    struct eliza_conversations *table = eliza_conversations_new(3, 1);
    static const char *const names[] = {"a", "b", "c"};

    for (size_t i = 0; i < 3; i++) {
        struct eliza_conversation *one = eliza_conversations_get(table, slice_of_string(names[i]));

        eliza_conversation_rotate(one, 0, 100);
        eliza_conversation_remember(one, SLICE_LITERAL("something"));
    }
    eliza_conversations_get(table, SLICE_LITERAL("a"));
    eliza_conversations_get(table, SLICE_LITERAL("d")); /* pushes out b */
    assert_int_equal(eliza_conversations_count(table), 3);
    assert_int_equal(
        eliza_conversation_rotate(eliza_conversations_get(table, SLICE_LITERAL("a")), 0, 100), 1);
    assert_int_equal(
        eliza_conversation_rotate(eliza_conversations_get(table, SLICE_LITERAL("c")), 0, 100), 1);
    assert_int_equal(
        eliza_conversation_rotate(eliza_conversations_get(table, SLICE_LITERAL("b")), 0, 100), 0);
    eliza_conversations_destroy(&table);
}

static void keys_are_any_bytes(void **state)
{
    (void)state;
    struct eliza_conversations *table = eliza_conversations_new(10, 1);
    struct eliza_conversation *one = eliza_conversations_get(table, SLICE_LITERAL("a\0b"));

    assert_ptr_not_equal(eliza_conversations_get(table, SLICE_LITERAL("a\0c")), one);
    assert_ptr_not_equal(eliza_conversations_get(table, SLICE_EMPTY), one);
    assert_ptr_equal(eliza_conversations_get(table, SLICE_LITERAL("a\0b")), one);
    assert_int_equal(eliza_conversations_count(table), 3);
    eliza_conversations_destroy(&table);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_hash_is_that_of_1966),
        cmocka_unit_test(the_counter_runs_from_one_to_four),
        cmocka_unit_test(rotation_is_per_rule_and_per_conversation),
        cmocka_unit_test(memories_come_back_oldest_first_when_the_counter_is_four),
        cmocka_unit_test(memories_are_bounded),
        cmocka_unit_test(the_conversation_longest_quiet_makes_room),
        cmocka_unit_test(keys_are_any_bytes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
