/*
 * The load generator's own books: that it sees every loss, repeat and stray, and counts time right.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "tests/bench/answer.h"
#include "tests/bench/frame.h"
#include "tests/bench/replies.h"
#include "tests/bench/scenario.h"
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

/* --- replies, token by token ------------------------------------------------------------------ */

enum { REPLIES = 2, TOKENS = 4 };

/* A reply that is written, a token a microsecond, from 1 000 ns on. */
struct written {
    struct replies replies;
    char text[TOKENS * REPLIES_TOKEN_LENGTH + 1];
};

static int set_up_reply(void **state)
{
    static struct written written;
    *state = &written;
    if (replies_init(&written.replies, REPLIES) != 0) {
        return -1;
    }
    for (int i = 0; i < TOKENS; i++) {
        replies_write(&written.replies, 1, (i + 1) * 1000, written.text + i * REPLIES_TOKEN_LENGTH);
    }
    return 0;
}

static int tear_down_reply(void **state)
{
    struct written *written = *state;
    replies_deinit(&written->replies);
    return 0;
}

/* The viewer gets `length` bytes of the text, from `offset` on. */
static void show(struct written *written, size_t offset, size_t length, int64_t now)
{
    char packet[512];
    int size = snprintf(packet, sizeof packet,
                        "42[\"messageStreamChunk\",{\"chunk\":\"%.*s\",\"index\":0}]", (int)length,
                        written->text + offset);
    assert_int_equal(replies_receive(&written->replies, 1, packet, (size_t)size, now), 0);
}

static void end_reply(struct written *written, const char *text)
{
    char packet[512];
    int size = snprintf(packet, sizeof packet,
                        "42[\"messageBroadcast\",{\"text\":\"%s\",\"inReplyTo\":\"id\"}]", text);
    replies_end(&written->replies, 1, packet, (size_t)size);
}

static void tokens_count_in_whatever_chunks_they_come(void **state)
{
    struct written *written = *state;
    struct replies *replies = &written->replies;
    size_t half = REPLIES_TOKEN_LENGTH / 2;
    show(written, 0, half, 9000);
    assert_int_equal(replies->begun, 1);
    assert_int_equal(replies->came, 0);
    show(written, half, 2 * REPLIES_TOKEN_LENGTH, 9000);
    assert_int_equal(replies->came, 2);
    assert_int_equal(replies_missing(replies), 2);
    show(written, half + 2 * REPLIES_TOKEN_LENGTH, 2 * REPLIES_TOKEN_LENGTH - half, 9000);
    assert_int_equal(replies->came, TOKENS);
    assert_int_equal(replies->chunks, 3);
    end_reply(written, written->text);
    assert_int_equal(replies->ended, 1);
    assert_int_equal(replies->begun, 1);
    assert_int_equal(replies->wrong + replies->stray + replies_missing(replies), 0);
}

static void latency_of_each_token_counts_from_its_writing(void **state)
{
    struct written *written = *state;
    struct replies *replies = &written->replies;
    show(written, 0, REPLIES_TOKEN_LENGTH, 1500);
    assert_int_equal(replies->latency.count, 0);
    replies->measuring = true;
    show(written, REPLIES_TOKEN_LENGTH, 2 * REPLIES_TOKEN_LENGTH, 3010);
    assert_int_equal(replies->latency.count, 2);
    assert_int_equal(replies->latency.max, 1010);
    assert_int_equal(histogram_quantile(&replies->latency, 0), 10);
}

static void chunks_that_nobody_wrote_so_are_found(void **state)
{
    struct written *written = *state;
    struct replies *replies = &written->replies;
    show(written, 0, REPLIES_TOKEN_LENGTH, 9000);
    show(written, 0, REPLIES_TOKEN_LENGTH, 9000); /* twice */
    assert_int_equal(replies->came, 1);
    assert_int_equal(replies->stray, 1);
    show(written, 0, 0, 9000);
    assert_int_equal(replies->stray, 2);
    end_reply(written, written->text);
    assert_int_equal(replies->wrong, 1);
    show(written, 0, REPLIES_TOKEN_LENGTH, 9000); /* after the end */
    end_reply(written, written->text);
    assert_int_equal(replies->stray, 4);
    assert_int_equal(replies->ended, 1);
    assert_int_equal(replies_missing(replies), 3);
}

static void lost_chunk_is_found(void **state)
{
    struct written *written = *state;
    show(written, 0, REPLIES_TOKEN_LENGTH, 9000);
    show(written, 2 * REPLIES_TOKEN_LENGTH, 2 * REPLIES_TOKEN_LENGTH, 9000);
    end_reply(written, written->text);
    assert_int_equal(replies_missing(&written->replies), 3);
    assert_int_equal(written->replies.wrong, 1);
}

static void whole_that_is_not_what_was_said_is_found(void **state)
{
    struct written *written = *state;
    char text[sizeof written->text];
    memcpy(text, written->text, sizeof text);
    text[sizeof text - 2] = 'x';
    show(written, 0, TOKENS * REPLIES_TOKEN_LENGTH, 9000);
    end_reply(written, text);
    assert_int_equal(written->replies.wrong, 1);
    assert_int_equal(replies_missing(&written->replies), 0);
}

static void message_that_answers_nothing_is_no_reply(void **state)
{
    struct written *written = *state;
    static const char question[] = "42[\"messageBroadcast\",{\"text\":\"talk/00001\"}]";
    replies_end(&written->replies, 1, question, sizeof question - 1);
    assert_int_equal(written->replies.ended, 0);
}

static void each_reply_is_asked_for_once(void **state)
{
    struct written *written = *state;
    char text[REPLIES_QUESTION_LENGTH + 1];
    replies_question(1, text);
    assert_int_equal(strlen(text), REPLIES_QUESTION_LENGTH);
    assert_int_equal(replies_ask(&written->replies, text, REPLIES_QUESTION_LENGTH - 1), -1);
    assert_int_equal(replies_ask(&written->replies, text, REPLIES_QUESTION_LENGTH), 1);
    assert_int_equal(replies_ask(&written->replies, text, REPLIES_QUESTION_LENGTH), -1);
    replies_question(REPLIES, text);
    assert_int_equal(replies_ask(&written->replies, text, REPLIES_QUESTION_LENGTH), -1);
    assert_int_equal(replies_ask(&written->replies, "talk/0000x", REPLIES_QUESTION_LENGTH), -1);
}

static void streams_without_a_server_are_exact(void **state)
{
    (void)state;
    static struct scenario_result result;
    struct scenario_options options = {
        .kind = SCENARIO_STREAMS,
        .clients = {.count = 10, .members = 1, .concurrency = 4, .joins = true, .bare = true},
        .rate = 200,
        .seconds = 0.05,
    };
    assert_int_equal(scenario_run(&options, &result), 0);
    assert_string_equal(result.error, "");
    assert_int_equal(result.ready, 10);
    assert_true(result.window_deliveries > 0);
    assert_true(result.latency.count > 0 && result.latency.max > 0);
    assert_int_equal(result.delivered, result.sent);
}

static void requests_are_read_with_their_bodies(void **state)
{
    (void)state;
    static const char post[] = "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\n\r\n{\"\"}";
    static const char get[] = "GET / HTTP/1.1\r\nContent-Length: 4\r\n\r\nbody";
    static const char endless[] = "POST / HTTP/1.1\r\nHost: x\r\n\r\nbody";
    struct answer request;
    assert_int_equal(request_read(post, 20, &request), ANSWER_INCOMPLETE);
    assert_int_equal(request_read(post, sizeof post - 2, &request), ANSWER_INCOMPLETE);
    assert_int_equal(request_read(post, sizeof post - 1, &request), ANSWER_WHOLE);
    assert_int_equal(request.body, 4);
    assert_memory_equal(post + request.head, "{\"\"}", 4);
    assert_int_equal(request_read(get, sizeof get - 1, &request), ANSWER_REFUSED);
    assert_int_equal(request_read(endless, sizeof endless - 1, &request), ANSWER_REFUSED);
}

/* --- figures and frames ----------------------------------------------------------------------- */

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
        cmocka_unit_test_setup_teardown(tokens_count_in_whatever_chunks_they_come, set_up_reply,
                                        tear_down_reply),
        cmocka_unit_test_setup_teardown(latency_of_each_token_counts_from_its_writing, set_up_reply,
                                        tear_down_reply),
        cmocka_unit_test_setup_teardown(chunks_that_nobody_wrote_so_are_found, set_up_reply,
                                        tear_down_reply),
        cmocka_unit_test_setup_teardown(lost_chunk_is_found, set_up_reply, tear_down_reply),
        cmocka_unit_test_setup_teardown(whole_that_is_not_what_was_said_is_found, set_up_reply,
                                        tear_down_reply),
        cmocka_unit_test_setup_teardown(message_that_answers_nothing_is_no_reply, set_up_reply,
                                        tear_down_reply),
        cmocka_unit_test_setup_teardown(each_reply_is_asked_for_once, set_up_reply,
                                        tear_down_reply),
        cmocka_unit_test(streams_without_a_server_are_exact),
        cmocka_unit_test(requests_are_read_with_their_bodies),
        cmocka_unit_test(quantiles_are_within_two_percent),
        cmocka_unit_test(frames_of_every_size_survive_the_trip),
        cmocka_unit_test(fragments_and_monsters_are_invalid),
        cmocka_unit_test(process_lists_are_checked),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
