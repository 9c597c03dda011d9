#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include "proto/base/error.h"
#include "proto/wire/socketio.h"
#include "tests/unit/random.h"

static int decode(const char *text, struct socketio_packet *packet)
{
    return socketio_codec(5)->decode(slice_of_string(text), packet);
}

static struct socketio_packet decoded(const char *text)
{
    struct socketio_packet packet;

    if (decode(text, &packet) != 0) {
        fail_msg("refused: %s", text);
    }
    return packet;
}

static void assert_refused(const char *text)
{
    struct socketio_packet packet;

    if (decode(text, &packet) != ERROR_MALFORMED) {
        fail_msg("accepted: %s", text);
    }
}

static void assert_slice(struct slice slice, const char *expected)
{
    assert_true(slice_is(slice, expected));
}

static void revisions_4_and_5_are_served(void **state)
{
    (void)state;
    assert_int_equal(socketio_codec(5)->revision, 5);
    assert_int_equal(socketio_codec(4)->revision, 4);
    assert_null(socketio_codec(3));
    assert_null(socketio_codec(0));
}

static void connects(void **state)
{
    struct socketio_packet packet = decoded("0");

    (void)state;
    assert_int_equal(packet.type, SOCKETIO_CONNECT);
    assert_slice(packet.name_space, "/");
    assert_int_equal(json_type(packet.data), JSON_NONE);
    assert_false(packet.has_ack_id);
    packet = decoded("0{\"token\":\"123\"}");
    assert_slice(packet.data, "{\"token\":\"123\"}");
    packet = decoded("0/admin,{ \"a\" : 1 } ");
    assert_slice(packet.name_space, "/admin");
    assert_slice(packet.data, "{ \"a\" : 1 }");
    packet = decoded("0/admin");
    assert_slice(packet.name_space, "/admin");
    assert_refused("0[]");
    assert_refused("0null");
    assert_refused("0\"text\"");
    assert_refused("0{");
}

static void disconnects_carry_nothing(void **state)
{
    (void)state;
    assert_int_equal(decoded("1").type, SOCKETIO_DISCONNECT);
    assert_slice(decoded("1/admin,").name_space, "/admin");
    assert_refused("1{}");
    assert_refused("1[]");
    assert_refused("1/admin,null");
}

static void events(void **state)
{
    struct socketio_packet packet = decoded("2[\"hello\",1,{\"a\":[2]}]");
    struct json_iterator arguments = socketio_arguments(&packet);
    struct slice value;

    (void)state;
    assert_int_equal(packet.type, SOCKETIO_EVENT);
    assert_slice(packet.event, "\"hello\"");
    assert_int_equal(packet.data_state, SOCKETIO_DATA_VALID);
    assert_true(json_next_element(&arguments, &value));
    assert_slice(value, "1");
    assert_true(json_next_element(&arguments, &value));
    assert_slice(value, "{\"a\":[2]}");
    assert_false(json_next_element(&arguments, &value));

    packet = decoded("2/admin,456[\"project:delete\",123]");
    assert_slice(packet.name_space, "/admin");
    assert_true(packet.has_ack_id);
    assert_int_equal(packet.ack_id, 456);
    assert_slice(packet.arguments, "[\"project:delete\",123]");

    packet = decoded("20[\"a\"]");
    assert_true(packet.has_ack_id);
    assert_int_equal(packet.ack_id, 0);
    arguments = socketio_arguments(&packet);
    assert_false(json_next_element(&arguments, &value));

    assert_slice(decoded("2[\"2\",{}]").event, "\"2\"");
    assert_slice(decoded("2[2,{}]").event, "2"); /* emit(2, …) */
}

static void events_without_a_name_are_refused(void **state)
{
    static const char *const wrong[] = {
        "2{}",       "2[]",        "2[{}]",      "2[null]",     "2[[\"a\"]]",
        "2[true]",   "2\"a\"",     "2[\"a\"",    "2[\"a\",]",   "2[\"a\"]x",
        "2a[\"a\"]", "2 1[\"a\"]", "2-1[\"a\"]", "21.5[\"a\"]", "2,[\"a\"]",
    };

    (void)state;
    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
        assert_refused(wrong[i]);
    }
}

static void reserved_names_are_refused(void **state)
{
    static const char *const reserved[] = {"connect",       "connect_error", "disconnect",
                                           "disconnecting", "newListener",   "removeListener"};
    char text[64];

    (void)state;
    for (size_t i = 0; i < sizeof(reserved) / sizeof(reserved[0]); i++) {
        snprintf(text, sizeof(text), "2[\"%s\",1]", reserved[i]);
        assert_refused(text);
        snprintf(text, sizeof(text), "51-[\"%s\",1]", reserved[i]);
        assert_refused(text);
        snprintf(text, sizeof(text), "2[\"%sx\",1]", reserved[i]);
        assert_slice(decoded(text).name_space, "/");
    }
    assert_refused("2[\"\\u0063onnect\"]");
    assert_slice(decoded("2[\"connection\"]").event, "\"connection\"");
    assert_slice(decoded("2[\"error\"]").event, "\"error\"");
    assert_slice(decoded("31[\"connect\"]").arguments, "[\"connect\"]");
}

static void acks(void **state)
{
    struct socketio_packet packet = decoded("3/admin,456[\"a\",2]");
    struct json_iterator arguments = socketio_arguments(&packet);
    struct slice value;

    (void)state;
    assert_int_equal(packet.type, SOCKETIO_ACK);
    assert_int_equal(packet.ack_id, 456);
    assert_true(json_next_element(&arguments, &value));
    assert_slice(value, "\"a\"");
    packet = decoded("31[]");
    arguments = socketio_arguments(&packet);
    assert_false(json_next_element(&arguments, &value));
    assert_false(decoded("3[]").has_ack_id);        /* to nobody; the session ignores it */
    assert_int_equal(decoded("31").data.length, 0); /* says nothing, as an event without any */
    assert_int_equal(decoded("2").data.length, 0);
    assert_refused("31{}");
    assert_refused("31\"a\"");
}

static void ack_ids_are_bounded(void **state)
{
    (void)state;
    assert_true(decoded("29007199254740991[\"a\"]").ack_id == UINT64_C(9007199254740991));
    assert_int_equal(decoded("2000000000000000000000000000012[\"a\"]").ack_id, 12);
    assert_refused("29007199254740992[\"a\"]");
    assert_refused("218446744073709551617[\"a\"]");
    assert_refused("299999999999999999999999999999999999[\"a\"]");
}

static void binary_packets_announce_their_attachments(void **state)
{
    struct socketio_packet packet =
        decoded("51-/admin,456[\"baz\",{\"_placeholder\":true,\"num\":0}]");

    (void)state;
    assert_int_equal(packet.type, SOCKETIO_BINARY_EVENT);
    assert_int_equal(packet.attachments, 1);
    assert_slice(packet.name_space, "/admin");
    assert_int_equal(packet.ack_id, 456);
    assert_slice(packet.event, "\"baz\"");
    packet = decoded("62-7[{\"_placeholder\":true,\"num\":0}]");
    assert_int_equal(packet.type, SOCKETIO_BINARY_ACK);
    assert_int_equal(packet.attachments, 2);
    assert_int_equal(packet.ack_id, 7);
    assert_refused("50-[\"a\"]");
    assert_int_equal(decoded("510-[\"a\"]").attachments, SOCKETIO_ATTACHMENTS_MAX);
    assert_refused("511-[\"a\"]");
    assert_refused("599999999999999999999-[\"a\"]");
    assert_refused("5[\"a\"]");
    assert_refused("51[\"a\"]");
    assert_refused("5-[\"a\"]");
    assert_refused("5-1-[\"a\"]");
    assert_int_equal(decoded("51-").attachments, 1); /* of an event that says nothing */
    assert_refused("5");
    assert_refused("61-7{}");
    assert_refused("2"
                   "1-[\"a\"]");
}

static void connect_errors_are_objects_or_texts(void **state)
{
    (void)state;
    assert_int_equal(decoded("4{\"message\":\"no\"}").type, SOCKETIO_CONNECT_ERROR);
    assert_slice(decoded("4\"no\"").data, "\"no\"");
    assert_int_equal(json_type(decoded("4").data), JSON_NONE);
    assert_refused("4[]");
    assert_refused("4null");
}

static void other_types_are_refused(void **state)
{
    struct socketio_packet packet;

    (void)state;
    assert_refused("");
    assert_refused("7");
    assert_refused("a");
    assert_refused(" 2[\"a\"]");
    assert_refused("[\"a\"]");
    assert_int_equal(socketio_codec(5)->decode(SLICE_EMPTY, &packet), ERROR_MALFORMED);
    assert_int_equal(socketio_codec(5)->decode(slice_of("2[\"a\"]\0", 7), &packet),
                     ERROR_MALFORMED);
}

static void namespaces_are_bounded_text(void **state)
{
    char text[SOCKETIO_NAMESPACE_MAX + 10];

    (void)state;
    memset(text, 'n', sizeof(text));
    memcpy(text, "0/", 2);
    text[1 + SOCKETIO_NAMESPACE_MAX] = '\0';
    assert_int_equal(decoded(text).name_space.length, SOCKETIO_NAMESPACE_MAX);
    text[1 + SOCKETIO_NAMESPACE_MAX] = 'n';
    text[2 + SOCKETIO_NAMESPACE_MAX] = '\0';
    assert_refused(text);
    assert_slice(decoded("0/caf\xc3\xa9,").name_space, "/caf\xc3\xa9");
    assert_slice(decoded("0/,{}").name_space, "/");
    assert_refused("0/a\x1e"
                   "b,");
    assert_refused("0/a\nb,");
    assert_refused("0/a\xff,");
}

static void depth_over_the_limit_is_no_protocol_error(void **state)
{
    enum { DEPTH = 1000 };
    struct buffer text = BUFFER_EMPTY;
    struct socketio_packet packet;
    struct json_iterator arguments;
    struct slice value;

    (void)state;
    buffer_append_string(&text, "212[\"message\",");
    for (int i = 0; i < DEPTH; i++) {
        buffer_append_string(&text, "{\"a\":[");
    }
    for (int i = 0; i < DEPTH; i++) {
        buffer_append_string(&text, "]}");
    }
    buffer_append_string(&text, ",1]");
    assert_int_equal(socketio_codec(5)->decode(buffer_slice(&text), &packet), 0);
    assert_int_equal(packet.data_state, SOCKETIO_DATA_TOO_DEEP);
    assert_slice(packet.event, "\"message\"");
    assert_int_equal(packet.ack_id, 12);
    arguments = socketio_arguments(&packet);
    assert_true(json_next_element(&arguments, &value));
    assert_int_equal(value.length, DEPTH * 8);
    assert_true(json_next_element(&arguments, &value));
    assert_slice(value, "1");
    text.length--;
    assert_int_equal(socketio_codec(5)->decode(buffer_slice(&text), &packet), ERROR_MALFORMED);
    buffer_deinit(&text);
}

static void assert_encoded(struct buffer *out, const char *expected)
{
    struct socketio_packet packet;

    assert_slice(buffer_slice(out), expected);
    /* What is written is understood, without the type of Engine.IO. */
    assert_int_equal(socketio_codec(5)->decode(slice_of(out->data + 1, out->length - 1), &packet),
                     0);
    buffer_clear(out);
}

static void a_namespace_may_carry_a_query_in_revision_4(void **state)
{
    struct socketio_packet packet;

    (void)state;
    assert_slice(decoded("0/admin?token=1,{}").name_space, "/admin?token=1"); /* not so in 5 */
    assert_int_equal(socketio_codec(4)->decode(SLICE_LITERAL("0/admin?token=a%20b&x=1"), &packet),
                     0);
    assert_true(slice_is(packet.name_space, "/admin"));
    assert_true(slice_is(packet.query, "token=a%20b&x=1"));
    assert_int_equal(socketio_codec(4)->decode(SLICE_LITERAL("0/?,"), &packet), 0);
    assert_true(slice_is(packet.name_space, "/"));
    assert_int_equal(packet.query.length, 0);
}

static void encoders_write_whole_engineio_messages(void **state)
{
    const struct slice root = SLICE_LITERAL("/");
    const struct slice admin = SLICE_LITERAL("/admin");
    struct buffer out = BUFFER_EMPTY;

    (void)state;
    socketio_codec(5)->write_connect(&out, root, SLICE_LITERAL("wZX3oN0bSVIhsaknAAAI"),
                                     SLICE_EMPTY);
    assert_encoded(&out, "40{\"sid\":\"wZX3oN0bSVIhsaknAAAI\"}");
    socketio_codec(5)->write_connect(&out, admin, SLICE_LITERAL("s"), SLICE_EMPTY);
    assert_encoded(&out, "40/admin,{\"sid\":\"s\"}");
    socketio_codec(5)->write_connect_error(&out, admin, "Not \"authorized\"");
    assert_encoded(&out, "44/admin,{\"message\":\"Not \\\"authorized\\\"\"}");
    socketio_codec(4)->write_connect(&out, root, SLICE_LITERAL("s"), SLICE_EMPTY);
    assert_encoded(&out, "40");
    socketio_codec(4)->write_connect(&out, admin, SLICE_LITERAL("s"), SLICE_EMPTY);
    assert_encoded(&out, "40/admin,");
    socketio_codec(4)->write_connect_error(&out, admin, "Not \"authorized\"");
    assert_encoded(&out, "44/admin,\"Not \\\"authorized\\\"\"");
    socketio_codec(4)->write_connect_error(&out, root, "no");
    assert_encoded(&out, "44\"no\"");
    socketio_write_disconnect(&out, root);
    assert_encoded(&out, "41");
    socketio_write_disconnect(&out, admin);
    assert_encoded(&out, "41/admin,");
    socketio_write_event(&out, root, "foo", SLICE_LITERAL("1,{\"a\":2}"), false, 0);
    assert_encoded(&out, "42[\"foo\",1,{\"a\":2}]");
    socketio_write_event(&out, admin, "foo", SLICE_EMPTY, true, 12);
    assert_encoded(&out, "42/admin,12[\"foo\"]");
    socketio_write_ack(&out, root, 0, SLICE_EMPTY);
    assert_encoded(&out, "430[]");
    socketio_write_ack(&out, admin, 456, SLICE_LITERAL("{\"success\":true}"));
    assert_encoded(&out, "43/admin,456[{\"success\":true}]");
    buffer_deinit(&out);
}

/* Whatever is accepted keeps the promises of the header; nothing is read beyond the text. */
static void random_packets_are_refused_or_sound(void **state)
{
    static const char *const pieces[] = {
        "0",    "1",    "2",     "3",           "4",  "5",    "6",       "7",
        "12",   "-",    "/",     "/ns",         ",",  "?q=1", "[",       "]",
        "{",    "}",    "\"a\"", "\"connect\"", "[]", "{}",   "[\"a\"]", "[\"a\",{\"b\":[1]}]",
        "null", "\xff", "\x1e",  " ",           ":",  "1-",
    };
    struct random random = {13};
    size_t accepted = 0;

    (void)state;
    for (int i = 0; i < 300000; i++) {
        struct buffer text = BUFFER_EMPTY;
        struct socketio_packet packet;
        struct json_iterator arguments;
        struct slice value;
        size_t count = 1 + random_below(&random, 5);
        char *exact;

        for (size_t j = 0; j < count; j++) {
            buffer_append_string(&text,
                                 pieces[random_below(&random, sizeof(pieces) / sizeof(pieces[0]))]);
        }
        exact = malloc(text.length);
        memcpy(exact, text.data, text.length);
        if (socketio_codec(5)->decode(slice_of(exact, text.length), &packet) == 0) {
            accepted++;
            assert_true(packet.name_space.length > 0 && packet.name_space.data[0] == '/');
            assert_true(packet.name_space.length <= SOCKETIO_NAMESPACE_MAX);
            assert_true(packet.attachments <= SOCKETIO_ATTACHMENTS_MAX);
            if (packet.type == SOCKETIO_EVENT || packet.type == SOCKETIO_BINARY_EVENT) {
                assert_true(packet.event.length > 0 || packet.data.length == 0);
            }
            arguments = socketio_arguments(&packet);
            while (json_next_element(&arguments, &value)) {
                assert_true(json_type(value) != JSON_NONE);
            }
        }
        free(exact);
        buffer_deinit(&text);
    }
    assert_true(accepted > 1000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(revisions_4_and_5_are_served),
        cmocka_unit_test(connects),
        cmocka_unit_test(disconnects_carry_nothing),
        cmocka_unit_test(events),
        cmocka_unit_test(events_without_a_name_are_refused),
        cmocka_unit_test(reserved_names_are_refused),
        cmocka_unit_test(acks),
        cmocka_unit_test(ack_ids_are_bounded),
        cmocka_unit_test(binary_packets_announce_their_attachments),
        cmocka_unit_test(connect_errors_are_objects_or_texts),
        cmocka_unit_test(other_types_are_refused),
        cmocka_unit_test(namespaces_are_bounded_text),
        cmocka_unit_test(depth_over_the_limit_is_no_protocol_error),
        cmocka_unit_test(a_namespace_may_carry_a_query_in_revision_4),
        cmocka_unit_test(encoders_write_whole_engineio_messages),
        cmocka_unit_test(random_packets_are_refused_or_sound),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
