#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>
#include "proto/wire/websocket.h"

static void assert_header(bool is_binary, size_t length, const char *expected, size_t size)
{
    unsigned char header[WEBSOCKET_HEADER_MAX];

    assert_int_equal(websocket_write_header(header, is_binary, length), size);
    assert_memory_equal(header, expected, size);
}

/* RFC 6455 §5.7 has 0x81 0x05 "Hello", 0x82 0x7e 0x0100 and 0x82 0x7f 0x0000000000010000. */
static void the_examples_of_the_rfc(void **state)
{
    (void)state;
    assert_header(false, 5, "\x81\x05", 2);
    assert_header(true, 256, "\x82\x7e\x01\x00", 4);
    assert_header(true, 65536, "\x82\x7f\x00\x00\x00\x00\x00\x01\x00\x00", 10);
}

static void each_length_takes_the_shortest_form(void **state)
{
    (void)state;
    assert_header(false, 0, "\x81\x00", 2);
    assert_header(false, 125, "\x81\x7d", 2);
    assert_header(false, 126, "\x81\x7e\x00\x7e", 4);
    assert_header(false, 65535, "\x81\x7e\xff\xff", 4);
    assert_header(false, 0x12345678, "\x81\x7f\x00\x00\x00\x00\x12\x34\x56\x78", 10);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_examples_of_the_rfc),
        cmocka_unit_test(each_length_takes_the_shortest_form),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
