/* The load generator's own books: that it sees every loss, repeat and stray, and counts time right.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "tests/bench/frame.h"
#include "tests/bench/stats.h"
#include "tests/bench/traffic.h"

enum { ROOMS = 2, MEMBERS = 3 };

static int set_up(void **state)
{
    static struct traffic traffic;
    *state = &traffic;
    return traffic_init(&traffic, ROOMS, MEMBERS);
}

static int tear_down(void **state)
{
    traffic_deinit(*state);
    return 0;
}

static bool deliver(struct traffic *traffic, uint32_t client, const char *text, int64_t now)
{
    char packet[512];
    int length =
        snprintf(packet, sizeof packet, "42[\"messageBroadcast\",{\"text\":\"%s\"}]", text);
    return traffic_deliver(traffic, client, packet, (size_t)length, now);
}

static void text_has_the_promised_length(void **state)
{
    char text[TRAFFIC_TEXT_LENGTH + 1];
    assert_int_equal(traffic_send(*state, 1, 0, text), 0);
    assert_int_equal(strlen(text), TRAFFIC_TEXT_LENGTH);
}

static void message_is_complete_with_its_last_member(void **state)
{
    struct traffic *traffic = *state;
    char text[TRAFFIC_TEXT_LENGTH + 1];
    traffic_send(traffic, 1, 0, text);
    assert_false(deliver(traffic, 3, text, 0));
    assert_false(deliver(traffic, 5, text, 0));
    assert_int_equal(traffic_missing(traffic), 1);
    assert_int_equal(traffic->in_flight, 1);
    assert_true(deliver(traffic, 4, text, 0));
    assert_int_equal(traffic_missing(traffic), 0);
    assert_int_equal(traffic->in_flight, 0);
}

static void loss_is_found(void **state)
{
    struct traffic *traffic = *state;
    char first[TRAFFIC_TEXT_LENGTH + 1];
    char second[TRAFFIC_TEXT_LENGTH + 1];
    traffic_send(traffic, 0, 0, first);
    traffic_send(traffic, 0, 0, second);
    for (uint32_t client = 0; client < MEMBERS; client++) {
        assert_int_equal(deliver(traffic, client, second, 0), client == MEMBERS - 1);
    }
    assert_int_equal(traffic_missing(traffic), MEMBERS);
    assert_int_equal(traffic->reordered, MEMBERS);
}

static void repeats_are_found_in_and_out_of_order(void **state)
{
    struct traffic *traffic = *state;
    char texts[3][TRAFFIC_TEXT_LENGTH + 1];
    for (int i = 0; i < 3; i++) {
        traffic_send(traffic, 0, 0, texts[i]);
    }
    deliver(traffic, 0, texts[2], 0);
    deliver(traffic, 0, texts[2], 0);
    assert_int_equal(traffic->doubled, 1);
    deliver(traffic, 0, texts[1], 0);
    deliver(traffic, 0, texts[0], 0);
    assert_int_equal(traffic->doubled, 1);
    for (int i = 0; i < 3; i++) {
        deliver(traffic, 0, texts[i], 0);
    }
    assert_int_equal(traffic->doubled, 4);
    assert_int_equal(traffic->delivered, 3);
    assert_int_equal(traffic->reordered, 2);
}

static void strays_are_found(void **state)
{
    struct traffic *traffic = *state;
    char text[TRAFFIC_TEXT_LENGTH + 1];
    traffic_send(traffic, 0, 0, text);
    deliver(traffic, MEMBERS, text, 0);
    deliver(traffic, 0, "bench/00000/00000001/", 0);
    deliver(traffic, 0, "bench/00000/0000000x/", 0);
    deliver(traffic, 0, "bench/0000", 0);
    deliver(traffic, 0, "something else", 0);
    assert_int_equal(traffic->stray, 5);
    assert_int_equal(traffic->delivered, 0);
}

static void latency_counts_from_the_due_time(void **state)
{
    struct traffic *traffic = *state;
    char text[TRAFFIC_TEXT_LENGTH + 1];
    traffic_send(traffic, 0, 1000, text);
    deliver(traffic, 0, text, 1500);
    assert_int_equal(traffic->latency.count, 0);
    traffic->measuring = true;
    deliver(traffic, 1, text, 51000);
    assert_int_equal(traffic->latency.count, 1);
    assert_int_equal(traffic->latency.max, 50000);
}

static void quantiles_are_within_two_percent(void **state)
{
    (void)state;
    static struct histogram histogram;
    assert_int_equal(histogram_quantile(&histogram, 0.5), 0);
    for (int64_t value = 1; value <= 100000; value++) {
        histogram_add(&histogram, value * 1000);
    }
    const double fractions[] = {0.01, 0.5, 0.99, 0.999};
    for (size_t i = 0; i < sizeof fractions / sizeof fractions[0]; i++) {
        double exact = fractions[i] * 100000 * 1000;
        double measured = (double)histogram_quantile(&histogram, fractions[i]);
        assert_true(measured > exact * 0.98 && measured < exact * 1.02);
    }
    assert_int_equal(histogram_quantile(&histogram, 1), 100000000);
    histogram_add(&histogram, INT64_MAX);
    histogram_add(&histogram, -1);
    assert_int_equal(histogram_quantile(&histogram, 1), INT64_MAX);
    assert_int_equal(histogram_quantile(&histogram, 0), 0);
}

static void frames_of_every_size_survive_the_trip(void **state)
{
    (void)state;
    static const size_t lengths[] = {0, 1, 125, 126, 127, 65535, 65536, 100000};
    static char payload[100000];
    static uint8_t bytes[sizeof payload + FRAME_HEADER_MAX];
    memset(payload, 'p', sizeof payload);
    for (size_t i = 0; i < sizeof lengths / sizeof lengths[0]; i++) {
        size_t size = frame_write_masked(bytes, FRAME_TEXT, payload, lengths[i]);
        struct frame frame;
        for (size_t part = 0; part < FRAME_HEADER_MAX && part < size; part++) {
            assert_int_equal(frame_read(&frame, bytes, part), FRAME_INCOMPLETE);
        }
        if (size > FRAME_HEADER_MAX) {
            assert_int_equal(frame_read(&frame, bytes, size - 1), FRAME_INCOMPLETE);
            assert_int_equal(frame.size, size);
        }
        assert_int_equal(frame_read(&frame, bytes, size), FRAME_COMPLETE);
        assert_int_equal(frame.opcode, FRAME_TEXT);
        assert_int_equal(frame.length, lengths[i]);
        assert_memory_equal(frame.payload, payload, lengths[i]);
    }
}

static void fragments_and_monsters_are_invalid(void **state)
{
    (void)state;
    struct frame frame;
    uint8_t fragment[] = {0x01, 0x00};
    uint8_t compressed[] = {0xc1, 0x00};
    uint8_t monster[] = {0x81, 127, 0, 0, 1, 0, 0, 0, 0, 0};
    assert_int_equal(frame_read(&frame, fragment, sizeof fragment), FRAME_INVALID);
    assert_int_equal(frame_read(&frame, compressed, sizeof compressed), FRAME_INVALID);
    assert_int_equal(frame_read(&frame, monster, sizeof monster), FRAME_INVALID);
}

static void process_lists_are_checked(void **state)
{
    (void)state;
    struct processes processes;
    assert_int_equal(processes_parse(&processes, "12,345"), 0);
    assert_int_equal(processes.count, 2);
    assert_int_equal(processes.pids[1], 345);
    assert_int_equal(processes_parse(&processes, "12,x"), -1);
    assert_int_equal(processes_parse(&processes, "0"), -1);
    assert_int_equal(processes_parse(&processes, "1;2"), -1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(text_has_the_promised_length, set_up, tear_down),
        cmocka_unit_test_setup_teardown(message_is_complete_with_its_last_member, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(loss_is_found, set_up, tear_down),
        cmocka_unit_test_setup_teardown(repeats_are_found_in_and_out_of_order, set_up, tear_down),
        cmocka_unit_test_setup_teardown(strays_are_found, set_up, tear_down),
        cmocka_unit_test_setup_teardown(latency_counts_from_the_due_time, set_up, tear_down),
        cmocka_unit_test(quantiles_are_within_two_percent),
        cmocka_unit_test(frames_of_every_size_survive_the_trip),
        cmocka_unit_test(fragments_and_monsters_are_invalid),
        cmocka_unit_test(process_lists_are_checked),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
