#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include "proto/base/error.h"
#include "proto/wire/engineio.h"
#include "tests/unit/random.h"

enum { MANY = 1000 };

static struct arena arena;

static void revisions_3_and_4_are_served(void **state)
{
    (void)state;
    assert_non_null(engineio_codec(4));
    assert_int_equal(engineio_codec(4)->revision, 4);
    assert_true(engineio_codec(4)->server_pings);
    assert_int_equal(engineio_codec(3)->revision, 3);
    assert_false(engineio_codec(3)->server_pings);
    assert_null(engineio_codec(0));
    assert_null(engineio_codec(5));
    assert_null(engineio_codec(-4));
}

static void every_type_decodes_from_a_text_message(void **state)
{
    const struct engineio_codec *codec = engineio_codec(4);
    struct engineio_packet packet;

    (void)state;
    for (int type = ENGINEIO_OPEN; type <= ENGINEIO_NOOP; type++) {
        char text[] = {(char)('0' + type), 'p', 'r', 'o', 'b', 'e'};

        assert_int_equal(codec->decode(slice_of(text, 6), false, &arena, &packet), 0);
        assert_int_equal(packet.type, type);
        assert_false(packet.is_binary);
        assert_true(slice_is(packet.data, "probe"));
        assert_int_equal(codec->decode(slice_of(text, 1), false, &arena, &packet), 0);
        assert_int_equal(packet.data.length, 0);
    }
}

static void a_binary_message_is_a_message(void **state)
{
    const struct engineio_codec *codec = engineio_codec(4);
    struct engineio_packet packet;

    (void)state;
    assert_int_equal(codec->decode(slice_of("\0\x1e\xff", 3), true, &arena, &packet), 0);
    assert_int_equal(packet.type, ENGINEIO_MESSAGE);
    assert_true(packet.is_binary);
    assert_true(slice_equals(packet.data, slice_of("\0\x1e\xff", 3)));
    assert_int_equal(codec->decode(SLICE_EMPTY, true, &arena, &packet), 0);
    assert_int_equal(packet.data.length, 0);
}

static void other_text_messages_are_malformed(void **state)
{
    static const char *const wrong[] = {"7", "9x", "a", "b", "bAAAA", " 4", "-1", "\x1e", "\xff"};
    struct engineio_packet packet;

    (void)state;
    assert_int_equal(engineio_codec(4)->decode(SLICE_EMPTY, false, &arena, &packet),
                     ERROR_MALFORMED);
    assert_int_equal(engineio_codec(4)->decode(slice_of("\0", 1), false, &arena, &packet),
                     ERROR_MALFORMED);
    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
        assert_int_equal(
            engineio_codec(4)->decode(slice_of_string(wrong[i]), false, &arena, &packet),
            ERROR_MALFORMED);
    }
}

/* The example of the protocol: three messages, the second one binary. */
static void a_payload_is_walked(void **state)
{
    struct engineio_payload payload = engineio_payload_of(SLICE_LITERAL("4hello\x1e"
                                                                        "2\x1e"
                                                                        "bAQIDBA==\x1e"
                                                                        "4\xe2\x82\xac"));
    struct engineio_packet packet;

    (void)state;
    assert_int_equal(engineio_codec(4)->next(&payload, MANY, &arena, &packet), 1);
    assert_int_equal(packet.type, ENGINEIO_MESSAGE);
    assert_true(slice_is(packet.data, "hello"));
    assert_int_equal(engineio_codec(4)->next(&payload, MANY, &arena, &packet), 1);
    assert_int_equal(packet.type, ENGINEIO_PING);
    assert_int_equal(engineio_codec(4)->next(&payload, MANY, &arena, &packet), 1);
    assert_int_equal(packet.type, ENGINEIO_MESSAGE);
    assert_true(packet.is_binary);
    assert_true(slice_is(packet.data, "\x01\x02\x03\x04"));
    assert_int_equal(engineio_codec(4)->next(&payload, MANY, &arena, &packet), 1);
    assert_false(packet.is_binary);
    assert_true(slice_is(packet.data, "\xe2\x82\xac"));
    assert_int_equal(engineio_codec(4)->next(&payload, MANY, &arena, &packet), 0);
    assert_int_equal(engineio_codec(4)->next(&payload, MANY, &arena, &packet), 0);
    assert_int_equal(payload.packets, 4);
}

/* Result of walking a whole payload: how many packets, or the error. */
static int walk(struct slice body, size_t max_packets)
{
    struct engineio_payload payload = engineio_payload_of(body);
    struct engineio_packet packet;
    int result;

    while ((result = engineio_codec(4)->next(&payload, max_packets, &arena, &packet)) == 1) {
        continue;
    }
    return result == 0 ? (int)payload.packets : result;
}

static void broken_payloads_are_malformed(void **state)
{
    static const char *const wrong[] = {
        "",
        "\x1e",
        "4\x1e",
        "\x1e"
        "4",
        "4\x1e\x1e"
        "4",
        "8",
        "4\x1ex",
        "bA",
        "bA===",
        "b====",
        "b!!!!",
        "bAA==\x1e",
        "bAB==",
        "b AAA",
    };

    (void)state;
    assert_int_equal(walk(SLICE_EMPTY, MANY), ERROR_MALFORMED);
    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
        assert_int_equal(walk(slice_of_string(wrong[i]), MANY), ERROR_MALFORMED);
    }
    assert_int_equal(walk(SLICE_LITERAL("b"), MANY), 1); /* an empty binary message */
}

static void packets_of_a_payload_are_bounded(void **state)
{
    const struct slice three = SLICE_LITERAL("2\x1e"
                                             "2\x1e"
                                             "2");

    (void)state;
    assert_int_equal(walk(three, 3), 3);
    assert_int_equal(walk(three, 2), ERROR_TOO_LARGE);
    assert_int_equal(walk(three, 0), ERROR_TOO_LARGE);
}

static void appended_packets_are_walked_again(void **state)
{
    struct random random = {11};

    (void)state;
    for (int round = 0; round < 500; round++) {
        struct buffer payload = BUFFER_EMPTY;
        struct engineio_payload walked;
        struct engineio_packet packet;
        char data[8][40];
        size_t lengths[8];
        bool is_binary[8];
        size_t count = 1 + random_below(&random, 8);

        for (size_t i = 0; i < count; i++) {
            is_binary[i] = random_below(&random, 2) == 0;
            lengths[i] = random_below(&random, sizeof(data[0]) - 1);
            for (size_t j = 0; j < lengths[i]; j++) {
                data[i][j] = (char)(is_binary[i] ? random_below(&random, 256)
                                                 : 0x20 + random_below(&random, 0x5f));
            }
            if (!is_binary[i]) {
                data[i][0] = '4';
                lengths[i] = lengths[i] == 0 ? 1 : lengths[i];
            }
            engineio_codec(4)->append(&payload, slice_of(data[i], lengths[i]), is_binary[i]);
        }
        walked = engineio_payload_of(buffer_slice(&payload));
        for (size_t i = 0; i < count; i++) {
            size_t head = is_binary[i] ? 0 : 1;

            assert_int_equal(engineio_codec(4)->next(&walked, MANY, &arena, &packet), 1);
            assert_int_equal(packet.type, ENGINEIO_MESSAGE);
            assert_int_equal(packet.is_binary, is_binary[i]);
            assert_true(slice_equals(packet.data, slice_of(data[i] + head, lengths[i] - head)));
        }
        assert_int_equal(engineio_codec(4)->next(&walked, MANY, &arena, &packet), 0);
        arena_reset(&arena);
        buffer_deinit(&payload);
    }
}

static void random_payloads_end(void **state)
{
    static const char alphabet[] = "0123456789b=A+/\x1e\x1e\x1e\xff x";
    struct random random = {12};

    (void)state;
    for (int i = 0; i < 100000; i++) {
        size_t length = random_below(&random, 20);
        char *body = malloc(length + 1);
        int result;

        for (size_t j = 0; j < length; j++) {
            body[j] = alphabet[random_below(&random, sizeof(alphabet) - 1)];
        }
        body = realloc(body, length == 0 ? 1 : length);
        result = walk(slice_of(body, length), 5);
        assert_true(result == ERROR_MALFORMED || result == ERROR_TOO_LARGE ||
                    (result >= 1 && result <= 5));
        free(body);
        arena_reset(&arena);
    }
}

static void errors_are_those_of_the_protocol(void **state)
{
    static const char *const bodies[] = {
        "{\"code\":0,\"message\":\"Transport unknown\"}",
        "{\"code\":1,\"message\":\"Session ID unknown\"}",
        "{\"code\":2,\"message\":\"Bad handshake method\"}",
        "{\"code\":3,\"message\":\"Bad request\"}",
        "{\"code\":4,\"message\":\"Forbidden\"}",
        "{\"code\":5,\"message\":\"Unsupported protocol version\"}",
    };

    (void)state;
    for (int error = 0; error <= ENGINEIO_ERROR_UNSUPPORTED_VERSION; error++) {
        struct buffer out = BUFFER_EMPTY;

        engineio_write_error((enum engineio_error)error, &out);
        assert_true(slice_is(buffer_slice(&out), bodies[error]));
        buffer_deinit(&out);
    }
}

static void the_open_packet_is_that_of_the_protocol(void **state)
{
    struct engineio_handshake handshake = {.sid = SLICE_LITERAL("lv_VI97HAXpY6yYWAAAC"),
                                           .offer_websocket = true,
                                           .ping_interval_ms = 25000,
                                           .ping_timeout_ms = 20000,
                                           .max_payload = 1000000};
    struct buffer out = BUFFER_EMPTY;

    (void)state;
    engineio_write_open(&handshake, &out);
    assert_true(slice_is(buffer_slice(&out),
                         "0{\"sid\":\"lv_VI97HAXpY6yYWAAAC\",\"upgrades\":[\"websocket\"],"
                         "\"pingInterval\":25000,\"pingTimeout\":20000,\"maxPayload\":1000000}"));
    buffer_clear(&out);
    handshake.offer_websocket = false;
    engineio_write_open(&handshake, &out);
    assert_non_null(memmem(out.data, out.length, "\"upgrades\":[],", 14));
    buffer_deinit(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(revisions_3_and_4_are_served),
        cmocka_unit_test(every_type_decodes_from_a_text_message),
        cmocka_unit_test(a_binary_message_is_a_message),
        cmocka_unit_test(other_text_messages_are_malformed),
        cmocka_unit_test(a_payload_is_walked),
        cmocka_unit_test(broken_payloads_are_malformed),
        cmocka_unit_test(packets_of_a_payload_are_bounded),
        cmocka_unit_test(appended_packets_are_walked_again),
        cmocka_unit_test(random_payloads_end),
        cmocka_unit_test(errors_are_those_of_the_protocol),
        cmocka_unit_test(the_open_packet_is_that_of_the_protocol),
    };
    int failed;

    arena_init(&arena);
    failed = cmocka_run_group_tests(tests, NULL, NULL);
    arena_deinit(&arena);
    return failed;
}
