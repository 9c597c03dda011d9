/* The vectors are what notepack.io 2.2, the reference's encoder, writes for the packets named. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include "proto/base/error.h"
#include "proto/wire/socketio_msgpack.h"
#include "proto/wire/socketio_msgpack_v4.h"
#include "tests/unit/random.h"

enum { MOST = 1000 };

#define TYPE(number) "\xa4type" number
#define NSP "\xa3nsp\xa1/"

struct decoded {
    struct buffer text;
    struct socketio_binaries binaries;
    struct socketio_packet packet;
    int error;
};

/* What borrows from the copy of a message then borrows from the message itself. */
static void rebase(struct slice *part, const char *copy, struct slice message)
{
    if (part->data >= copy && part->data < copy + message.length) {
        part->data = message.data + (part->data - copy);
    }
}

/* Of a copy that ends where its allocation ends: a read beyond it is seen by ASan. */
static struct decoded decode(struct slice message)
{
    struct decoded out = {.text = BUFFER_EMPTY};
    char *copy = malloc(message.length + (message.length == 0));

    if (message.length > 0) {
        memcpy(copy, message.data, message.length);
    }
    out.error = socketio_msgpack_decode(slice_of(copy, message.length), 5, MOST, &out.text,
                                        &out.binaries, &out.packet);
    for (unsigned i = 0; out.error == 0 && i < out.binaries.count; i++) {
        rebase(&out.binaries.list[i], copy, message);
    }
    rebase(&out.packet.name_space, copy, message);
    free(copy);
    return out;
}

static void assert_refused(struct slice message, int error)
{
    struct decoded out = decode(message);

    assert_int_equal(out.error, error);
    buffer_deinit(&out.text);
}
#define ASSERT_REFUSED(literal) assert_refused(SLICE_LITERAL(literal), ERROR_MALFORMED)

static void assert_decoded(struct slice message, enum socketio_type type, const char *data)
{
    struct decoded out = decode(message);

    assert_int_equal(out.error, 0);
    assert_int_equal(out.packet.type, type);
    if (!slice_is(out.packet.data, data)) {
        fail_msg("%.*s", (int)out.packet.data.length, out.packet.data.data);
    }
    buffer_deinit(&out.text);
}

static struct packet *packet_of(const char *text, const struct slice *attachments, size_t count)
{
    struct slice part = slice_of_string(text);
    struct packet *packet = packet_new(PACKET_TEXT, &part, 1);

    packet_attach(packet, attachments, count);
    return packet;
}

static void assert_packed(const char *text, struct slice expected)
{
    static const struct slice attachments[] = {{"\1\2", 2}, {"\0", 1}};
    struct packet *packet = packet_of(text, attachments, 2);
    struct packet *packed = socketio_msgpack_packet(packet);

    assert_int_equal(packed->kind, PACKET_BINARY);
    assert_ptr_equal(packed, socketio_msgpack_packet(packet));
    assert_int_equal(packet_payload(packed).length, expected.length);
    assert_memory_equal(packet_payload(packed).data, expected.data, expected.length);
    packet_release(&packet);
}
#define ASSERT_PACKED(text, literal) assert_packed(text, SLICE_LITERAL(literal))

static void the_references_packets_are_read(void **state)
{
    (void)state;
    assert_decoded(SLICE_LITERAL("\x83" TYPE("\x00") NSP "\xa4"
                                                         "data\x81\xa5token\xa2\xc3\xa9"),
                   SOCKETIO_CONNECT, "{\"token\":\"\xc3\xa9\"}");
    assert_decoded(SLICE_LITERAL("\x83" TYPE("\x00") NSP "\xa4"
                                                         "data\xd4\x00\x00"),
                   SOCKETIO_CONNECT, "");
    assert_decoded(SLICE_LITERAL("\x82" TYPE("\x01") "\xa3nsp\xa6/admin"), SOCKETIO_DISCONNECT, "");
    assert_decoded(
        SLICE_LITERAL("\x85" TYPE(
            "\x02") "\xa4"
                    "data\x92\xa7message\x85\xa1"
                    "a\x9e\x00\x7f\xcc\x80"
                    "\xcc\xff\xcd\x01\x00\xcd\xff\xff\xce\x00\x01\x00\x00\xcf\x00\x00\x00\x01\x00"
                    "\x00\x00\x00\xff\xe0\xd0\xdf\xd1\xff\x7f\xd2\xff\xff\x7f\xff\xd3\xff\xff\xff"
                    "\xff\x7f\xff\xff\xff\xa1"
                    "b\xcb\x3f\xf8\x00\x00\x00\x00\x00\x00\xa1"
                    "c\xc0\xa1"
                    "d\xc3\xa1"
                    "e\xc2\xa7options\x81\xa8"
                    "compress\xc3\xa2id\x03\xa3nsp\xa1/"),
        SOCKETIO_EVENT,
        "[\"message\",{\"a\":[0,127,128,255,256,65535,65536,4294967296,-1,-32,-33,-129,-32769,"
        "-2147483649],\"b\":1.5,\"c\":null,\"d\":true,\"e\":false}]");
}

static void binary_values_become_placeholders(void **state)
{
    struct decoded out =
        decode(SLICE_LITERAL("\x83" TYPE("\x02") "\xa4"
                                                 "data\x93\xa1"
                                                 "b\xc4\x02\x01\x02\x84\xa1x\xc7\x01\x00\x03\xa1"
                                                 "d\xd7\x00\x00\x00\x01\x8b\xcf\xe5\x68\x7b\xa1u"
                                                 "\xd4\x00\x00\xa1l\x91\xd4\x00\x00" NSP));

    (void)state;
    assert_int_equal(out.error, 0);
    assert_true(slice_is(out.packet.data,
                         "[\"b\",{\"_placeholder\":true,\"num\":0},{\"x\":{\"_placeholder\":true,"
                         "\"num\":1},\"d\":\"2023-11-14T22:13:20.123Z\",\"l\":[null]}]"));
    assert_int_equal(out.packet.attachments, 2);
    assert_true(slice_is(out.binaries.list[0], "\1\2"));
    assert_true(slice_is(out.binaries.list[1], "\3"));
    buffer_deinit(&out.text);
}

static void heads_are_read(void **state)
{
    struct decoded out =
        decode(SLICE_LITERAL("\x84" TYPE("\x03") "\xa4"
                                                 "data\x91\xa2ok\xa2id\x0c\xa3nsp\xa4/a?b"));

    (void)state;
    assert_int_equal(out.error, 0);
    assert_int_equal(out.packet.type, SOCKETIO_ACK);
    assert_true(out.packet.has_ack_id);
    assert_int_equal(out.packet.ack_id, 12);
    assert_true(slice_is(out.packet.name_space, "/a?b"));
    buffer_deinit(&out.text);
}

static void what_is_no_packet_is_refused(void **state)
{
    (void)state;
    assert_refused(SLICE_EMPTY, ERROR_MALFORMED);
    ASSERT_REFUSED("\x90");
    ASSERT_REFUSED("\x80");
    ASSERT_REFUSED("\x81" TYPE("\x00"));     /* no namespace */
    ASSERT_REFUSED("\x81" NSP);              /* no type */
    ASSERT_REFUSED("\x82" TYPE("\x05") NSP); /* of the JSON parser */
    ASSERT_REFUSED("\x82" TYPE("\xff") NSP);
    ASSERT_REFUSED("\x82" TYPE("\x00") "\xa3nsp\xa2/\xff");
    ASSERT_REFUSED("\x82" TYPE("\x00") NSP "\x00"); /* bytes behind it */
    ASSERT_REFUSED("\x82" TYPE("\x02") NSP);
    ASSERT_REFUSED("\x83" TYPE("\x02") NSP "\xa4"
                                           "data\x90"); /* no event name */
    ASSERT_REFUSED("\x83" TYPE("\x02") NSP "\xa4"
                                           "data\x91\xa7"
                                           "connect"); /* reserved */
    ASSERT_REFUSED("\x83" TYPE("\x02") NSP "\xa4"
                                           "data\x91\xc4\x01"
                                           "a");
    ASSERT_REFUSED("\x83" TYPE("\x00") NSP "\xa4"
                                           "data\xc0");
    ASSERT_REFUSED("\x83" TYPE("\x02") NSP "\xa4"
                                           "data\x92\xa1"
                                           "a\x81\x01\x01"); /* a key */
    ASSERT_REFUSED("\x83" TYPE("\x02") NSP "\xa4"
                                           "data\x92\xa1"
                                           "a\xc1");
    ASSERT_REFUSED("\x84" TYPE("\x03") NSP "\xa4"
                                           "data\x90\xa2id\xff"); /* ack id -1 */
    ASSERT_REFUSED("\x84" TYPE("\x03") NSP "\xa4"
                                           "data\x90\xa2id\xcf\x00\x20\0\0\0\0\0\0");
    ASSERT_REFUSED("\x83" TYPE("\x02") NSP "\xa4"
                                           "data\xdd\xff\xff\xff\xff\xa1"
                                           "a");
    ASSERT_REFUSED("\x83" TYPE("\x02") NSP "\xa4"
                                           "data\x92\xa1"
                                           "a\xdf\xff\xff\xff\xff");
}

static void a_namespace_is_any_text_and_some_have_a_json_form(void **state)
{
    struct decoded out = decode(SLICE_LITERAL("\x82" TYPE("\x00") "\xa3nsp\xa1x"));

    (void)state;
    assert_int_equal(out.error, 0);
    assert_int_equal(out.packet.type, SOCKETIO_CONNECT);
    buffer_deinit(&out.text);
    assert_true(socketio_msgpack_is_namespace(SLICE_LITERAL("/")));
    assert_true(socketio_msgpack_is_namespace(SLICE_LITERAL("/a b")));
    assert_false(socketio_msgpack_is_namespace(SLICE_EMPTY));
    assert_false(socketio_msgpack_is_namespace(SLICE_LITERAL("x")));
    assert_false(socketio_msgpack_is_namespace(SLICE_LITERAL("/,a")));
    assert_false(socketio_msgpack_is_namespace(SLICE_LITERAL("/\n")));
}

static void old_clients_have_types_for_binary_events(void **state)
{
    struct slice event = SLICE_LITERAL("\x83" TYPE("\x05") NSP "\xa4"
                                                               "data\x91\xa1"
                                                               "e");
    struct slice ack = SLICE_LITERAL("\x84" TYPE("\x06") NSP "\xa4"
                                                             "data\x90\xa2id\x07");
    struct buffer text = BUFFER_EMPTY;
    struct socketio_binaries binaries;
    struct socketio_packet packet;

    (void)state;
    assert_int_equal(socketio_msgpack_decode(event, 4, MOST, &text, &binaries, &packet), 0);
    assert_int_equal(packet.type, SOCKETIO_EVENT);
    assert_int_equal(socketio_msgpack_decode(ack, 4, MOST, &text, &binaries, &packet), 0);
    assert_int_equal(packet.type, SOCKETIO_ACK);
    assert_int_equal(packet.ack_id, 7);
    assert_refused(event, ERROR_MALFORMED);
    assert_int_equal(socketio_msgpack_decode(SLICE_LITERAL("\x82" TYPE("\x07") NSP), 4, MOST, &text,
                                             &binaries, &packet),
                     ERROR_MALFORMED);
    buffer_deinit(&text);
}

static void old_clients_say_some_packets_as_text(void **state)
{
    static const char *const refused[] = {
        "",
        "0",
        "[]",
        "{}",
        "{\"type\":0}",
        "{\"nsp\":\"/\"}",
        "{\"type\":\"0\",\"nsp\":\"/\"}",
        "{\"type\":0.5,\"nsp\":\"/\"}",
        "{\"type\":-1,\"nsp\":\"/\"}",
        "{\"type\":2,\"nsp\":\"/\",\"data\":[\"e\"]}",
        "{\"type\":4,\"nsp\":\"/\",\"data\":\"no\"}",
        "{\"type\":0,\"nsp\":1}",
        "{\"type\":0,\"nsp\":\"/\",\"data\":null}",
        "{\"type\":0,\"nsp\":\"/\"",
        "{\"type\":0,\"nsp\":\"/\xff\"}",
    };
    struct socketio_packet packet;
    struct arena arena;

    (void)state;
    arena_init(&arena);
    assert_int_equal(socketio_msgpack_v4_decode(
                         SLICE_LITERAL("{\"type\":0,\"nsp\":\"\\u002fa?b=c\",\"query\":\"b=c\"}"),
                         &arena, &packet),
                     0);
    assert_int_equal(packet.type, SOCKETIO_CONNECT);
    assert_true(slice_is(packet.name_space, "/a"));
    assert_true(slice_is(packet.query, "b=c"));
    assert_int_equal(
        socketio_msgpack_v4_decode(SLICE_LITERAL("{\"type\":1,\"nsp\":\"\"}"), &arena, &packet), 0);
    assert_int_equal(packet.type, SOCKETIO_DISCONNECT);
    assert_int_equal(packet.name_space.length, 0);
    for (size_t i = 0; i < sizeof(refused) / sizeof(refused[0]); i++) {
        assert_int_equal(socketio_msgpack_v4_decode(slice_of_string(refused[i]), &arena, &packet),
                         ERROR_MALFORMED);
    }
    arena_deinit(&arena);
}

static void assert_text_form(const char *packet, const char *expected)
{
    struct buffer text = BUFFER_EMPTY;

    assert_int_equal(socketio_msgpack_v4_write(slice_of_string(packet), &text), expected != NULL);
    assert_true(slice_is(buffer_slice(&text), expected == NULL ? "" : expected));
    buffer_deinit(&text);
}

static void old_clients_hear_some_packets_as_text(void **state)
{
    (void)state;
    assert_text_form("40", "4{\"type\":0,\"nsp\":\"/\"}");
    assert_text_form("40/a,", "4{\"type\":0,\"nsp\":\"/a\"}");
    assert_text_form("41/\"a,", "4{\"type\":1,\"nsp\":\"/\\\"a\"}");
    assert_text_form("44/a,\"no\"", "4{\"type\":4,\"nsp\":\"/a\",\"data\":\"no\"}");
    assert_text_form("42[\"e\"]", NULL);
    assert_text_form("431[]", NULL);
    assert_text_form("451-[\"e\",{\"_placeholder\":true,\"num\":0}]", NULL);
}

static void a_packet_cut_at_any_byte_is_refused(void **state)
{
    const struct slice whole =
        SLICE_LITERAL("\x84" TYPE("\x02") NSP "\xa4"
                                              "data\x94\xa1"
                                              "a\xd9\x01x\xc7\x02\x05yz\xcb\x3f\xf8\0\0\0\0\0\0"
                                              "\xa2id\x07");

    (void)state;
    assert_decoded(whole, SOCKETIO_EVENT,
                   "[\"a\",\"x\",[5,{\"_placeholder\":true,\"num\":0}],1.5]");
    for (size_t length = 0; length < whole.length; length++) {
        assert_refused(slice_of(whole.data, length), ERROR_MALFORMED);
    }
}

static void text_is_bounded_before_it_is_looked_at(void **state)
{
    struct buffer message = BUFFER_EMPTY;

    (void)state;
    buffer_append_slice(&message, SLICE_LITERAL("\x83" TYPE("\x02") NSP "\xa4"
                                                                        "data\xdc\x01\x2d\xa1"
                                                                        "a"));
    for (int i = 0; i < 300; i++) {
        buffer_append_char(&message, '\xc2'); /* false: six times as long in JSON */
    }
    assert_refused(buffer_slice(&message), ERROR_TOO_LARGE);
    buffer_deinit(&message);
}

static void depth_is_a_matter_of_the_application(void **state)
{
    struct buffer message = BUFFER_EMPTY;
    struct decoded out;

    (void)state;
    buffer_append_slice(&message, SLICE_LITERAL("\x83" TYPE("\x02") NSP "\xa4"
                                                                        "data\x92\xa1"
                                                                        "a"));
    for (int i = 1; i < SOCKETIO_EVENT_DEPTH; i++) {
        buffer_append_char(&message, '\x91');
    }
    buffer_append_char(&message, '\x01');
    out = decode(buffer_slice(&message));
    assert_int_equal(out.error, 0);
    assert_int_equal(out.packet.data_state, SOCKETIO_DATA_VALID);
    buffer_deinit(&out.text);
    message.data[message.length - 1] = '\x91';
    for (int i = 0; i < 100000; i++) {
        buffer_append_char(&message, '\x91');
    }
    assert_refused(buffer_slice(&message), ERROR_MALFORMED); /* it has no end */
    buffer_append_char(&message, '\x01');
    out = decode(buffer_slice(&message));
    assert_int_equal(out.error, 0);
    assert_int_equal(out.packet.data_state, SOCKETIO_DATA_TOO_DEEP);
    buffer_deinit(&out.text);
    buffer_deinit(&message);
}

static void more_binary_values_than_the_limit_are_refused(void **state)
{
    struct buffer message = BUFFER_EMPTY;
    struct decoded out;

    (void)state;
    for (int count = SOCKETIO_BINARIES_MAX; count <= SOCKETIO_BINARIES_MAX + 1; count++) {
        bool fits = count == SOCKETIO_BINARIES_MAX;

        buffer_clear(&message);
        buffer_append_slice(&message, SLICE_LITERAL("\x83" TYPE("\x02") NSP "\xa4"
                                                                            "data\x92\xa1"
                                                                            "a\xdc\x00"));
        buffer_append_char(&message, (char)count);
        for (int i = 0; i < count; i++) {
            buffer_append(&message, "\xc4\x00", 2);
        }
        out.text = BUFFER_EMPTY;
        assert_int_equal(socketio_msgpack_decode(buffer_slice(&message), 5, 1 << 20, &out.text,
                                                 &out.binaries, &out.packet),
                         fits ? 0 : ERROR_MALFORMED);
        buffer_deinit(&out.text);
    }
    buffer_deinit(&message);
}

static void text_packets_are_packed_as_the_reference_packs_them(void **state)
{
    (void)state;
    ASSERT_PACKED("40{\"sid\":\"\xc3\xa9\"}",
                  "\x83" TYPE("\x00") NSP "\xa4"
                                          "data\x81\xa3sid\xa2\xc3\xa9");
    ASSERT_PACKED("41/admin,", "\x82" TYPE("\x01") "\xa3nsp\xa6/admin");
    ASSERT_PACKED("44{\"message\":\"no\"}", "\x83" TYPE("\x04") NSP "\xa4"
                                                                    "data\x81\xa7message\xa2no");
    ASSERT_PACKED("43/a,12[\"ok\"]", "\x84" TYPE("\x03") "\xa3nsp\xa2/a\xa4"
                                                         "data\x91\xa2ok\xa2id\x0c");
    ASSERT_PACKED(
        "42[\"e\", {\"a\" : [ 0,-32,-33,256,1.5,1e2,null,true,false ], \"b\":{},\"c\":[]}]",
        "\x83" TYPE("\x02") NSP "\xa4"
                                "data\x92\xa1"
                                "e\x83\xa1"
                                "a\x99\x00\xe0\xd0\xdf\xcd"
                                "\x01\x00\xcb\x3f\xf8\0\0\0\0\0\0\x64\xc0\xc3\xc2\xa1"
                                "b\x80\xa1"
                                "c\x90");
    ASSERT_PACKED("42[\"\\u00e9\\n\\\"]{,:\"]",
                  "\x83" TYPE("\x02") NSP "\xa4"
                                          "data\x91\xa8\xc3\xa9\n\"]{,:");
    ASSERT_PACKED("42[\"e\",9223372036854775807,18446744073709551616]",
                  "\x83" TYPE("\x02") NSP "\xa4"
                                          "data\x93\xa1"
                                          "e\xcf\x7f\xff\xff\xff\xff\xff\xff\xff"
                                          "\xcb\x43\xf0\0\0\0\0\0\0");
    ASSERT_PACKED("452-[\"e\",{\"_placeholder\":true,\"num\":1},{\"x\":{\"_placeholder\":true,"
                  "\"num\":0}},{\"_placeholder\":true,\"num\":2}]",
                  "\x83" TYPE("\x02") NSP "\xa4"
                                          "data\x94\xa1"
                                          "e\xc4\x01\x00\x81\xa1x\xc4\x02\x01\x02"
                                          "\x82\xac_placeholder\xc3\xa3num\x02");
    ASSERT_PACKED("462-7[{\"_placeholder\":true,\"num\":0}]",
                  "\x84" TYPE("\x03") NSP "\xa4"
                                          "data\x91\xc4\x02\x01\x02\xa2id\x07");
}

static void long_containers_have_long_heads(void **state)
{
    struct buffer text = BUFFER_EMPTY;
    struct packet *packet;
    struct slice packed;

    (void)state;
    buffer_append_string(&text, "42[\"e\"");
    for (int i = 0; i < 70000; i++) {
        buffer_append_string(&text, ",[]");
    }
    buffer_append_char(&text, ']');
    buffer_append_char(&text, '\0');
    packet = packet_of(text.data, NULL, 0);
    packed = packet_payload(socketio_msgpack_packet(packet));
    assert_int_equal(packed.length, 18 + 5 + 2 + 70000);
    assert_memory_equal(packed.data + 18,
                        "\xdd\x00\x01\x11\x71\xa1"
                        "e\x90",
                        8);
    packet_release(&packet);
    buffer_deinit(&text);
}

static void random_bytes_are_read_within_their_bounds(void **state)
{
    struct random random = {7};

    (void)state;
    for (int round = 0; round < 50000; round++) {
        char bytes[64] = "\x83" TYPE("\x02") NSP "\xa4"
                                                 "data\x92\xa1"
                                                 "e";
        size_t start = 20;
        size_t length = start + random_below(&random, sizeof(bytes) - start);
        struct decoded out;

        for (size_t i = start; i < length; i++) {
            bytes[i] = (char)random_next(&random);
        }
        out = decode(slice_of(bytes, length));
        buffer_deinit(&out.text);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_references_packets_are_read),
        cmocka_unit_test(binary_values_become_placeholders),
        cmocka_unit_test(heads_are_read),
        cmocka_unit_test(what_is_no_packet_is_refused),
        cmocka_unit_test(a_namespace_is_any_text_and_some_have_a_json_form),
        cmocka_unit_test(old_clients_have_types_for_binary_events),
        cmocka_unit_test(old_clients_say_some_packets_as_text),
        cmocka_unit_test(old_clients_hear_some_packets_as_text),
        cmocka_unit_test(a_packet_cut_at_any_byte_is_refused),
        cmocka_unit_test(text_is_bounded_before_it_is_looked_at),
        cmocka_unit_test(depth_is_a_matter_of_the_application),
        cmocka_unit_test(more_binary_values_than_the_limit_are_refused),
        cmocka_unit_test(text_packets_are_packed_as_the_reference_packs_them),
        cmocka_unit_test(long_containers_have_long_heads),
        cmocka_unit_test(random_bytes_are_read_within_their_bounds),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
