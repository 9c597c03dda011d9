#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "agent-bridge/runtimes/elizaos_sessions.h"

static void put(struct elizaos_sessions *sessions, const char *key, const char *id)
{
    elizaos_sessions_put(sessions, slice_of_string(key), slice_of_string(id));
}

static bool is(struct elizaos_sessions *sessions, const char *key, const char *id)
{
    return slice_is(elizaos_sessions_find(sessions, slice_of_string(key)), id);
}

static void a_session_is_found_until_it_is_forgotten(void **state)
{
    struct elizaos_sessions *sessions = elizaos_sessions_new(4);
    (void)state;
    assert_true(is(sessions, "a", ""));
    put(sessions, "a", "one");
    put(sessions, "b", "two");
    assert_true(is(sessions, "a", "one"));
    put(sessions, "a", "three");
    assert_true(is(sessions, "a", "three"));
    elizaos_sessions_forget(sessions, SLICE_LITERAL("a"));
    elizaos_sessions_forget(sessions, SLICE_LITERAL("a"));
    assert_true(is(sessions, "a", ""));
    assert_true(is(sessions, "b", "two"));
    elizaos_sessions_destroy(&sessions);
    assert_null(sessions);
}

static void the_one_unused_for_longest_makes_room(void **state)
{
    struct elizaos_sessions *sessions = elizaos_sessions_new(2);
    (void)state;
    put(sessions, "a", "1");
    put(sessions, "b", "2");
    assert_true(is(sessions, "a", "1"));
    put(sessions, "c", "3");
    assert_int_equal(elizaos_sessions_count(sessions), 2);
    assert_true(is(sessions, "b", ""));
    assert_true(is(sessions, "a", "1"));
    elizaos_sessions_destroy(&sessions);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_session_is_found_until_it_is_forgotten),
        cmocka_unit_test(the_one_unused_for_longest_makes_room),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
