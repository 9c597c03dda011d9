#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include "proto/wire/chat_event.h"
#include "proto/wire/chat_packet.h"

static const struct slice binaries[] = {{"zero", 4}, {"\0one", 4}, {"", 0}};

static struct chat_send send_of(const char *attachments, const char *metadata, size_t count)
{
    return (struct chat_send){.room = SLICE_LITERAL("r"),
                              .sender_name = SLICE_LITERAL("n"),
                              .text = SLICE_LITERAL("t"),
                              .server_id = SLICE_LITERAL("s"),
                              .source = SLICE_LITERAL("x"),
                              .raw_attachments = slice_of_string(attachments),
                              .raw_metadata = slice_of_string(metadata),
                              .binaries = binaries,
                              .binary_count = count};
}

static struct buffer body_of(const struct chat_send *send)
{
    struct buffer body = BUFFER_EMPTY;
    chat_write_body(send, SLICE_LITERAL("me"), &body);
    return body;
}

static bool ends_with(struct slice text, const char *end)
{
    size_t length = strlen(end);
    return text.length >= length &&
           slice_is(slice_of(text.data + text.length - length, length), end);
}

static void test_a_body_without_binary_values_is_its_members(void **state)
{
    struct chat_send send = send_of("[1]", "{\"_placeholder\":true,\"num\":9}", 0);
    struct buffer body = body_of(&send);
    struct chat_body parts;
    (void)state;
    chat_read_body(buffer_slice(&body), &parts);
    assert_int_equal(parts.count, 0);
    assert_true(slice_equals(parts.members, buffer_slice(&body)));
    assert_true(ends_with(parts.members,
                          ",\"attachments\":[1],\"metadata\":{\"_placeholder\":true,\"num\":9}"));
    buffer_deinit(&body);
}

static void test_named_values_come_along_with_new_numbers(void **state)
{
    struct chat_send send = send_of("[{\"data\":{\"num\":2,\"_placeholder\":true}}]",
                                    "{\"a\":{\"_placeholder\":true,\"num\":1}}", 3);
    struct buffer body = body_of(&send);
    struct chat_body parts;
    (void)state;
    chat_read_body(buffer_slice(&body), &parts);
    assert_int_equal(parts.count, 2);
    assert_int_equal(parts.binaries[0].length, 0);
    assert_true(slice_equals(parts.binaries[1], binaries[1]));
    assert_true(ends_with(parts.members,
                          ",\"attachments\":[{\"data\":{\"_placeholder\":true,\"num\":0}}],"
                          "\"metadata\":{\"a\":{\"_placeholder\":true,\"num\":1}}"));
    assert_true(slice_equals(chat_body_members(buffer_slice(&body)), parts.members));
    buffer_deinit(&body);
}

static void test_a_member_that_names_what_is_not_there_is_left_out(void **state)
{
    struct chat_send send = send_of("[1]", "{\"a\":{\"_placeholder\":true,\"num\":3}}", 3);
    struct buffer body = body_of(&send);
    (void)state;
    assert_true(ends_with(buffer_slice(&body), "\"source\":\"x\",\"attachments\":[1]"));
    buffer_deinit(&body);
}

static void test_an_appendix_cut_anywhere_is_read_within_its_bounds(void **state)
{
    struct chat_send send =
        send_of("[{\"_placeholder\":true,\"num\":0},{\"_placeholder\":true,\"num\":1}]", "{}", 3);
    struct buffer body = body_of(&send);
    (void)state;
    for (size_t length = 0; length <= body.length; length++) {
        char *copy = malloc(length + 1);
        struct chat_body parts;
        memcpy(copy, body.data, length);
        chat_read_body(slice_of(copy, length), &parts);
        assert_true(parts.count <= 2);
        assert_int_equal(parts.count == 2, length == body.length);
        free(copy);
    }
    buffer_deinit(&body);
}

static void test_readers_without_a_binary_form_are_shown_base64(void **state)
{
    struct chat_send send = send_of("[]", "{\"a\":{\"_placeholder\":true,\"num\":0}}", 3);
    struct buffer body = body_of(&send);
    struct buffer shown = BUFFER_EMPTY;
    (void)state;
    chat_show_body(buffer_slice(&body), &shown);
    assert_true(ends_with(buffer_slice(&shown),
                          "\"metadata\":{\"a\":{\"type\":\"Buffer\",\"base64\":\"emVybw==\"}}}"));
    assert_int_equal(shown.data[0], '{');
    buffer_clear(&shown);
    chat_show_body(SLICE_LITERAL("\"a\":1"), &shown);
    assert_true(slice_is(buffer_slice(&shown), "{\"a\":1}"));
    buffer_deinit(&shown);
    buffer_deinit(&body);
}

static void test_a_channel_keeps_no_binary_values(void **state)
{
    struct chat_send send = send_of("", "{\"a\":[{\"_placeholder\":true,\"num\":0}]}", 3);
    struct buffer out = BUFFER_EMPTY;
    (void)state;
    chat_write_plain_metadata(&send, &out);
    assert_true(slice_is(buffer_slice(&out), "{\"a\":[null]}"));
    buffer_deinit(&out);
}

static void test_a_broadcast_carries_them_as_attachments(void **state)
{
    struct chat_send send = send_of("", "{\"a\":{\"_placeholder\":true,\"num\":1}}", 3);
    struct chat_stamp stamp = {SLICE_LITERAL("id"), 1, 2, 3};
    struct buffer body = body_of(&send);
    struct buffer scratch = BUFFER_EMPTY;
    struct packet *packet = chat_broadcast_packet(
        &stamp, buffer_slice(&body), SLICE_LITERAL("\"replay\":true"), SLICE_EMPTY, &scratch);
    (void)state;
    assert_memory_equal(packet_payload(packet).data, "451-[\"messageBroadcast\",{\"id\":\"id\",",
                        35);
    assert_true(ends_with(packet_payload(packet),
                          "{\"a\":{\"_placeholder\":true,\"num\":0}},\"replay\":true}]"));
    assert_int_equal(packet->attachment_count, 1);
    assert_true(slice_equals(packet_payload(packet->attachments[0]), binaries[1]));
    assert_int_equal(packet->attachments[0]->kind, PACKET_BINARY);
    packet_release(&packet);
    packet =
        chat_broadcast_packet(&stamp, SLICE_LITERAL("\"a\":1"), SLICE_EMPTY, SLICE_EMPTY, &scratch);
    assert_true(slice_is(packet_payload(packet), "42[\"messageBroadcast\",{\"id\":\"id\",\"seq\":1,"
                                                 "\"epoch\":2,\"createdAt\":3,\"a\":1}]"));
    packet_release(&packet);
    buffer_deinit(&scratch);
    buffer_deinit(&body);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_body_without_binary_values_is_its_members),
        cmocka_unit_test(test_named_values_come_along_with_new_numbers),
        cmocka_unit_test(test_a_member_that_names_what_is_not_there_is_left_out),
        cmocka_unit_test(test_an_appendix_cut_anywhere_is_read_within_its_bounds),
        cmocka_unit_test(test_readers_without_a_binary_form_are_shown_base64),
        cmocka_unit_test(test_a_channel_keeps_no_binary_values),
        cmocka_unit_test(test_a_broadcast_carries_them_as_attachments),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
