#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include "proto/base/packet.h"

static void parts_are_joined_behind_one_header(void **state)
{
    const struct slice parts[] = {SLICE_LITERAL("42["), SLICE_EMPTY, SLICE_LITERAL("\"a\""),
                                  SLICE_LITERAL("]")};
    struct packet *packet = packet_new(PACKET_TEXT, parts, 4);

    (void)state;
    assert_true(slice_is(packet_payload(packet), "42[\"a\"]"));
    assert_true(slice_is(packet_frame(packet), "\x81\x07"
                                               "42[\"a\"]"));
    assert_int_equal(packet->kind, PACKET_TEXT);
    assert_int_equal(packet->is_volatile, 0);
    packet_release(&packet);
    assert_null(packet);
}

static void a_binary_packet_has_a_binary_frame(void **state)
{
    const struct slice part = slice_of("\0\xff", 2);
    struct packet *packet = packet_new(PACKET_BINARY, &part, 1);

    (void)state;
    assert_memory_equal(packet_frame(packet).data, "\x82\x02\0\xff", 4);
    assert_int_equal(packet_frame(packet).length, 4);
    packet_release(&packet);
}

static void an_empty_packet_is_a_header(void **state)
{
    struct packet *packet = packet_new(PACKET_TEXT, NULL, 0);

    (void)state;
    assert_int_equal(packet_payload(packet).length, 0);
    assert_true(slice_equals(packet_frame(packet), slice_of("\x81\0", 2)));
    packet_release(&packet);
}

static void headers_grow_with_the_payload(void **state)
{
    static const struct {
        size_t payload;
        size_t header;
    } cases[] = {{125, 2}, {126, 4}, {65535, 4}, {65536, 10}};

    (void)state;
    for (size_t i = 0; i < 4; i++) {
        char *data = calloc(1, cases[i].payload);
        const struct slice part = slice_of(data, cases[i].payload);
        struct packet *packet = packet_new(PACKET_TEXT, &part, 1);

        assert_int_equal(packet->header_length, cases[i].header);
        assert_int_equal(packet_payload(packet).length, cases[i].payload);
        assert_int_equal(packet_frame(packet).length, cases[i].payload + cases[i].header);
        packet_release(&packet);
        free(data);
    }
}

static void the_last_release_frees(void **state)
{
    struct packet *packet = packet_new(PACKET_TEXT, NULL, 0);
    struct packet *second = packet_share(packet);
    struct packet *none = NULL;

    (void)state;
    assert_ptr_equal(second, packet);
    assert_int_equal(packet->references, 2);
    packet_release(&packet);
    assert_null(packet);
    assert_int_equal(second->references, 1);
    packet_release(&second);
    packet_release(&none);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(parts_are_joined_behind_one_header),
        cmocka_unit_test(a_binary_packet_has_a_binary_frame),
        cmocka_unit_test(an_empty_packet_is_a_header),
        cmocka_unit_test(headers_grow_with_the_payload),
        cmocka_unit_test(the_last_release_frees),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
