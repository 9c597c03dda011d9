/* Engine.IO revision 3: what clients 1.x and 2.x write, and what both of them can read. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include "proto/base/error.h"
#include "proto/base/json.h"
#include "proto/wire/engineio.h"
#include "tests/unit/random.h"

enum { MANY = 100 };

static struct arena arena;

/* Walks a payload; each packet becomes "type:data|", binary ones "type!data|". */
static int walk(struct slice body, size_t max_packets, struct buffer *seen)
{
    struct engineio_payload payload = engineio_payload_of(body);
    struct engineio_packet packet;
    int result;

    buffer_clear(seen);
    arena_reset(&arena);
    while ((result = engineio_codec(3)->next(&payload, max_packets, &arena, &packet)) == 1) {
        buffer_append_format(seen, "%d%c%.*s|", (int)packet.type, packet.is_binary ? '!' : ':',
                             (int)packet.data.length,
                             packet.data.length == 0 ? "" : packet.data.data);
    }
    buffer_append_char(seen, '\0');
    return result;
}

static void assert_walk(struct slice body, const char *expected)
{
    struct buffer seen = BUFFER_EMPTY;

    assert_int_equal(walk(body, MANY, &seen), 0);
    assert_string_equal(seen.data, expected);
    buffer_deinit(&seen);
}

static void assert_refused(struct slice body)
{
    struct buffer seen = BUFFER_EMPTY;

    assert_int_equal(walk(body, MANY, &seen), ERROR_MALFORMED);
    buffer_deinit(&seen);
}

static void lengths_count_utf16_units(void **state)
{
    (void)state;
    assert_walk(SLICE_LITERAL("6:4hello1:2"), "4:hello|2:|");
    assert_walk(SLICE_LITERAL("2:4\xe2\x82\xac"), "4:\xe2\x82\xac|");
    assert_walk(SLICE_LITERAL("3:4\xf0\x9f\x98\x80"
                              "1:2"),
                "4:\xf0\x9f\x98\x80|2:|");
    assert_walk(SLICE_LITERAL("0:1:2"), "2:|");
    assert_walk(SLICE_LITERAL("0:"), "");
    assert_walk(SLICE_LITERAL("01:2"), "2:|");
}

static void lengths_that_do_not_fit_are_refused(void **state)
{
    static const char *const wrong[] = {
        "",
        ":",
        "4",
        "x",
        "1",
        "2:4",
        "-1:4",
        "1:7",
        "1:",
        "1e0:4",
        " 1:4",
        "1:4x",
        "0000000001:4",
        "99999999999999999999:4",
        "2:4\xf0\x9f\x98\x80", /* half of a character */
        "2:4\xff",             /* no character */
    };

    (void)state;
    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
        assert_refused(slice_of_string(wrong[i]));
    }
}

static void base64_packets_are_bytes(void **state)
{
    (void)state;
    assert_walk(SLICE_LITERAL("10:b4AQIDBA==1:2"), "4!\1\2\3\4|2:|");
    assert_refused(SLICE_LITERAL("4:b4A="));
    assert_refused(SLICE_LITERAL("1:b"));
}

/* "é" as U+00C3 U+00A9, each in UTF-8: what client 1.x polls. */
static void text_encoded_twice_is_decoded_twice(void **state)
{
    (void)state;
    assert_walk(SLICE_LITERAL("3:4\xc3\x83\xc2\xa9"), "4:\xc3\xa9|");
    assert_walk(SLICE_LITERAL("5:4\xc3\xb0\xc2\x9f\xc2\x98\xc2\x80"), "4:\xf0\x9f\x98\x80|");
    /* Encoded once: bytes that are no UTF-8, or characters that are no bytes. */
    assert_walk(SLICE_LITERAL("2:4\xc3\xa9"), "4:\xc3\xa9|");
    assert_walk(SLICE_LITERAL("4:4\xc3\x83\xc2\xa9\xe2\x82\xac"),
                "4:\xc3\x83\xc2\xa9\xe2\x82\xac|");
}

static void the_binary_form_is_walked(void **state)
{
    (void)state;
    assert_walk(slice_of("\0\6\xff"
                         "4hello\1\3\xff\4\1\2",
                         15),
                "4:hello|4!\1\2|");
    assert_walk(slice_of("\0\1\1\xff"
                         "4h\xc3\xa9llo abc",
                         15),
                "4:h\xc3\xa9llo abc|");
    assert_refused(slice_of("\0\6\xff"
                            "4hel",
                            7));
    assert_refused(slice_of("\0", 1));
    assert_refused(slice_of("\0\xff", 2));
    assert_refused(slice_of("\1\0\xff", 3));
    assert_refused(slice_of("\1\1\xff\7", 4));
    assert_refused(slice_of("\0\1\xff"
                            "2x",
                            5));
    assert_refused(slice_of("\1\x0b\xff\4", 4));
}

static void a_payload_of_very_many_packets_is_too_large(void **state)
{
    struct buffer seen = BUFFER_EMPTY;

    (void)state;
    assert_int_equal(walk(SLICE_LITERAL("1:21:21:2"), 3, &seen), 0);
    assert_int_equal(walk(SLICE_LITERAL("1:21:21:2"), 2, &seen), ERROR_TOO_LARGE);
    buffer_deinit(&seen);
}

static void messages_of_a_websocket(void **state)
{
    const struct engineio_codec *codec = engineio_codec(3);
    struct engineio_packet packet;

    (void)state;
    assert_int_equal(codec->decode(SLICE_LITERAL("2probe"), false, &arena, &packet), 0);
    assert_int_equal(packet.type, ENGINEIO_PING);
    assert_true(slice_is(packet.data, "probe"));
    assert_int_equal(codec->decode(slice_of("\4ab", 3), true, &arena, &packet), 0);
    assert_true(packet.is_binary);
    assert_true(slice_is(packet.data, "ab"));
    assert_int_equal(codec->decode(SLICE_LITERAL("b4YWI="), false, &arena, &packet), 0);
    assert_true(packet.is_binary);
    assert_true(slice_is(packet.data, "ab"));
    /* Only polls are encoded twice. */
    assert_int_equal(codec->decode(SLICE_LITERAL("4\xc3\x83\xc2\xa9"), false, &arena, &packet), 0);
    assert_true(slice_is(packet.data, "\xc3\x83\xc2\xa9"));
    assert_int_equal(codec->decode(SLICE_EMPTY, true, &arena, &packet), ERROR_MALFORMED);
    assert_int_equal(codec->decode(SLICE_LITERAL("\7"), true, &arena, &packet), ERROR_MALFORMED);
    assert_int_equal(codec->decode(SLICE_LITERAL("4"), true, &arena, &packet), ERROR_MALFORMED);
}

static void assert_appended(struct slice packet, bool is_binary, const char *expected)
{
    struct buffer payload = BUFFER_EMPTY;

    engineio_codec(3)->append(&payload, packet, is_binary);
    assert_int_equal(payload.length, strlen(expected));
    assert_memory_equal(payload.data, expected, payload.length);
    buffer_deinit(&payload);
}

static void text_payloads_are_ascii_that_every_client_reads(void **state)
{
    (void)state;
    assert_appended(SLICE_LITERAL("3"), false, "1:3");
    assert_appended(SLICE_LITERAL("42[\"a\",1]"), false, "9:42[\"a\",1]");
    assert_appended(SLICE_LITERAL("42[\"\xc3\xa9\"]"), false, "12:42[\"\\u00e9\"]");
    assert_appended(SLICE_LITERAL("42[\"\xe2\x82\xac\"]"), false, "12:42[\"\\u20ac\"]");
    assert_appended(SLICE_LITERAL("42[\"\xf0\x9f\x98\x80\"]"), false, "18:42[\"\\ud83d\\ude00\"]");
    assert_appended(SLICE_LITERAL("44/\xf0\x9f\x98\x80,\"\xc3\xa9\""), false,
                    "14:44/\xf0\x9f\x98\x80,\"\\u00e9\"");
    assert_appended(slice_of("\4\1\2\3\4", 5), true, "10:b4AQIDBA==");
}

static void the_binary_form_carries_bytes_as_they_are(void **state)
{
    struct buffer payload = BUFFER_EMPTY;

    (void)state;
    engineio_codec(3)->append_binary(&payload, SLICE_LITERAL("42[\"h\xc3\xa9\"]"), false);
    engineio_codec(3)->append_binary(&payload, slice_of("\4\1\2", 3), true);
    assert_int_equal(payload.length, 3 + 9 + 3 + 3);
    assert_memory_equal(payload.data,
                        "\0\x09\xff"
                        "42[\"h\xc3\xa9\"]\1\3\xff\4\1\2",
                        18);
    assert_walk(buffer_slice(&payload), "4:2[\"h\xc3\xa9\"]|4!\1\2|");
    buffer_deinit(&payload);
}

/* Whatever is appended is walked again as it was, but for the spelling of JSON. */
static void random_payloads_survive(void **state)
{
    static const char *const characters[] = {"a",   "\xc3\xa9", "\xe2\x82\xac", "\xf0\x9f\x98\x80",
                                             "\\n", "\xc2\x80"};
    struct random random = {.state = 3};

    (void)state;
    for (int round = 0; round < 2000; round++) {
        struct buffer payload = BUFFER_EMPTY;
        struct buffer text = BUFFER_EMPTY;
        struct engineio_payload walked;
        struct engineio_packet packet;
        struct slice value;

        buffer_append_char(&text, '"');
        for (unsigned i = 0; i < random_below(&random, 12); i++) {
            buffer_append_string(&text, characters[random_below(&random, 6)]);
        }
        buffer_append_char(&text, '"');
        buffer_append_string(&payload, "1:2");
        {
            struct buffer whole = BUFFER_EMPTY;

            buffer_append_char(&whole, '4');
            buffer_append_slice(&whole, buffer_slice(&text));
            engineio_codec(3)->append(&payload, buffer_slice(&whole), false);
            buffer_deinit(&whole);
        }
        walked = engineio_payload_of(buffer_slice(&payload));
        arena_reset(&arena);
        assert_int_equal(engineio_codec(3)->next(&walked, MANY, &arena, &packet), 1);
        assert_int_equal(engineio_codec(3)->next(&walked, MANY, &arena, &packet), 1);
        assert_int_equal(json_scan(packet.data, JSON_MAX_DEPTH, &value), 0);
        assert_true(slice_equals(json_decode_string(value, &arena),
                                 json_decode_string(buffer_slice(&text), &arena)));
        assert_int_equal(engineio_codec(3)->next(&walked, MANY, &arena, &packet), 0);
        buffer_deinit(&payload);
        buffer_deinit(&text);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(lengths_count_utf16_units),
        cmocka_unit_test(lengths_that_do_not_fit_are_refused),
        cmocka_unit_test(base64_packets_are_bytes),
        cmocka_unit_test(text_encoded_twice_is_decoded_twice),
        cmocka_unit_test(the_binary_form_is_walked),
        cmocka_unit_test(a_payload_of_very_many_packets_is_too_large),
        cmocka_unit_test(messages_of_a_websocket),
        cmocka_unit_test(text_payloads_are_ascii_that_every_client_reads),
        cmocka_unit_test(the_binary_form_carries_bytes_as_they_are),
        cmocka_unit_test(random_payloads_survive),
    };
    int failed;

    arena_init(&arena);
    failed = cmocka_run_group_tests(tests, NULL, NULL);
    arena_deinit(&arena);
    return failed;
}
