#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <cmocka.h>

#include "agent-bridge/history.h"

static const struct bus_work work = {
    .agent = {"agent", 5}, .question = {"q", 1}, .sender = {"ann", 3}, .created_at = 100};

struct row {
    const char *id, *sender, *body;
    int64_t created_at;
};

/* Rows newest first, as a page has them; "sender:text|" of each turn. */
static void assert_turns(const struct row *rows, size_t count, size_t most, const char *expected)
{
    struct bus_list_builder list = {BUFFER_EMPTY, 0};
    struct arena arena;
    struct runtime_turn *turns;
    struct buffer out = BUFFER_EMPTY;
    for (size_t i = 0; i < count; i++) {
        struct bus_stored_message message = {.id = slice_of_string(rows[i].id),
                                             .sender = slice_of_string(rows[i].sender),
                                             .created_at = rows[i].created_at,
                                             .body = slice_of_string(rows[i].body)};
        bus_list_add(&list, BUS_ELEMENT_STORED, &message);
    }
    struct bus_history_page page = {.messages = bus_list_of(&list)};
    arena_init(&arena);
    size_t found = history_read(&page, &work, most, &arena, &turns);
    for (size_t i = 0; i < found; i++) {
        buffer_append_slice(&out, turns[i].sender_name.length > 0 ? turns[i].sender_name
                                                                  : turns[i].sender_id);
        buffer_append_string(&out, turns[i].is_own ? "*:" : ":");
        buffer_append_slice(&out, turns[i].text);
        buffer_append_char(&out, '|');
    }
    buffer_append_char(&out, '\0');
    assert_string_equal(out.data, expected);
    buffer_deinit(&out);
    buffer_deinit(&list.bytes);
    arena_deinit(&arena);
}
#define ASSERT_TURNS(most, expected, ...)                                                          \
    do {                                                                                           \
        const struct row rows[] = {__VA_ARGS__};                                                   \
        assert_turns(rows, sizeof(rows) / sizeof(rows[0]), (most), (expected));                    \
    } while (0)

static void the_oldest_comes_first_and_the_question_is_left_out(void **state)
{
    (void)state;
    ASSERT_TURNS(10, "Ann:one|agent*:two|", {"q", "ann", "\"text\":\"why\"", 100},
                 {"2", "agent", "\"text\":\"two\"", 90},
                 {"1", "ann", "\"senderName\":\"Ann\",\"text\":\"one\"", 80});
}

static void what_others_said_later_is_not_known_yet(void **state)
{
    (void)state;
    ASSERT_TURNS(10, "ann:one|agent*:late answer|", {"4", "bob", "\"text\":\"later\"", 120},
                 {"3", "agent", "\"text\":\"late answer\"", 110},
                 {"q", "ann", "\"text\":\"why\"", 100}, {"1", "ann", "\"text\":\"one\"", 80});
}

static void without_the_question_its_time_decides(void **state)
{
    (void)state;
    ASSERT_TURNS(10, "ann:one|", {"3", "bob", "\"text\":\"later\"", 120},
                 {"1", "ann", "\"text\":\"one\"", 80});
}

static void the_latest_are_kept_and_what_has_no_text_is_left_out(void **state)
{
    (void)state;
    ASSERT_TURNS(2, "ann:two|ann:three|", {"q", "ann", "\"text\":\"why\"", 100},
                 {"3", "ann", "\"text\":\"three\"", 90}, {"e", "ann", "\"attachments\":[]", 85},
                 {"b", "ann", "\"text\":broken", 84}, {"2", "ann", "\"text\":\"two\"", 80},
                 {"1", "ann", "\"text\":\"one\"", 70});
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_oldest_comes_first_and_the_question_is_left_out),
        cmocka_unit_test(what_others_said_later_is_not_known_yet),
        cmocka_unit_test(without_the_question_its_time_decides),
        cmocka_unit_test(the_latest_are_kept_and_what_has_no_text_is_left_out),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
