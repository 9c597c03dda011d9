/* What a process logs reaches the bus, within its bounds. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdlib.h>

#include "proto/bus/log_feed.h"
#include "proto/wire/log_entry.h"

static struct log_record record(int64_t at)
{
    return (struct log_record){.at = at,
                               .level = LOG_LEVEL_WARN,
                               .program = "edge",
                               .event = "router_lost",
                               .pairs = SLICE_LITERAL("reason=goodbye")};
}

static void assert_text(struct slice text, const char *expected)
{
    assert_int_equal(text.length, strlen(expected));
    assert_memory_equal(text.data, expected, text.length);
}

static void a_line_that_is_logged_waits_with_all_that_it_says(void **state)
{
    struct log_feed feed;
    struct bus_message message;
    struct bus_log_line line;
    (void)state;
    log_feed_init(&feed, SLICE_LITERAL("Ab_-09"));
    assert_false(log_feed_message(&feed, &message));
    log_configure("edge", LOG_LEVEL_INFO, LOG_FORMAT_JSON); /* which the feed does not follow */
    log_set_tap(log_feed_take, &feed);
    log_info("run_failed", "job=%d agent=%s why=%s", 7, "Dr. Eliza", "a=b");
    log_debug("not_written", "x=%d", 1);
    log_set_tap(NULL, NULL);
    log_info("not_passed_on", "x=%d", 1);

    assert_true(log_feed_message(&feed, &message));
    assert_int_equal(message.log_lines.lines.count, 1);
    struct msgpack_reader reader = bus_list_read(&message.log_lines.lines);
    assert_true(bus_list_next(&reader, BUS_ELEMENT_LOG_LINE, &line));
    assert_int_equal(line.level, 30);
    assert_text(line.program, "edge");
    assert_text(line.process, "Ab_-09");
    assert_text(line.agent, "Dr. Eliza");
    assert_text(line.event, "run_failed");
    assert_text(line.pairs, "job=7 agent=\"Dr. Eliza\" why=\"a=b\"");
    log_feed_clear(&feed);
    assert_false(log_feed_message(&feed, &message));
    log_feed_deinit(&feed);
}

static void lines_beyond_the_rate_or_the_bytes_are_left_out(void **state)
{
    struct log_feed feed;
    struct log_record one = record(1000);
    (void)state;
    log_feed_init(&feed, SLICE_LITERAL("Ab_-09"));
    for (int i = 0; i < LOG_FEED_LINES_PER_SECOND + 5; i++) {
        log_feed_take(&feed, &one);
    }
    assert_int_equal(feed.lines.count, LOG_FEED_LINES_PER_SECOND);
    assert_int_equal(feed.left_out, 5);
    for (one.at = 2000; feed.lines.count > 0 && feed.left_out == 5; one.at += 1000) {
        log_feed_take(&feed, &one); /* nobody takes them */
    }
    assert_true(feed.lines.bytes.length <= LOG_FEED_BYTES_MAX + 200);
    log_feed_deinit(&feed);
}

static void an_entry_is_written_as_elizaos_shows_it(void **state)
{
    struct buffer out = BUFFER_EMPTY;
    const struct log_entry entry = {.at = 5,
                                    .level = 40,
                                    .program = SLICE_LITERAL("edge"),
                                    .process = SLICE_LITERAL("Ab_-09"),
                                    .agent = SLICE_LITERAL("Eliza"),
                                    .event = SLICE_LITERAL("run_failed"),
                                    .pairs = SLICE_LITERAL("why=\"no\"")};
    (void)state;
    log_entry_write(&entry, &out);
    assert_text(buffer_slice(&out),
                "{\"time\":5,\"level\":40,\"msg\":\"run_failed why=\\\"no\\\"\","
                "\"program\":\"edge\",\"process\":\"Ab_-09\","
                "\"agentName\":\"Eliza\"}");
    assert_int_equal(log_entry_level(SLICE_LITERAL("warn")), 40);
    assert_int_equal(log_entry_level(SLICE_LITERAL("all")), 0);
    buffer_deinit(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_line_that_is_logged_waits_with_all_that_it_says),
        cmocka_unit_test(lines_beyond_the_rate_or_the_bytes_are_left_out),
        cmocka_unit_test(an_entry_is_written_as_elizaos_shows_it),
    };
    return cmocka_run_group_tests_name("log_feed", tests, NULL, NULL);
}
