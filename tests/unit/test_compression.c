#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <cmocka.h>
#include <zlib.h>
#include "edge/http/compression.h"

static void assert_accepted(const char *header, enum content_coding coding)
{
    assert_int_equal(content_coding_accepted(slice_of_string(header)), coding);
}

static void the_header_chooses(void **state)
{
    (void)state;
    assert_accepted("", CODING_NONE);
    assert_accepted("gzip, deflate, br", CODING_GZIP);
    assert_accepted("deflate", CODING_DEFLATE);
    assert_accepted("br", CODING_NONE);
    assert_accepted("GZIP", CODING_GZIP);
    assert_accepted("gzip;q=0", CODING_NONE);
    assert_accepted("gzip; q=0.4, deflate;q=0.5", CODING_DEFLATE);
    assert_accepted("*", CODING_GZIP);
    assert_accepted("gzip;q=0, *", CODING_DEFLATE);
    assert_accepted("*;q=0", CODING_NONE);
    assert_accepted("identity", CODING_NONE);
    assert_accepted(",,gzip;q=0.001,", CODING_GZIP);
}

static void assert_comes_back(struct compressor *compressor, enum content_coding coding,
                              struct slice bytes)
{
    struct buffer coded = BUFFER_EMPTY;
    char *again = malloc(bytes.length + 1);
    z_stream stream = {0};

    compressor_run(compressor, coding, bytes, &coded);
    assert_int_equal(inflateInit2(&stream, coding == CODING_GZIP ? 31 : 15), Z_OK);
    stream.next_in = (Bytef *)(void *)coded.data;
    stream.avail_in = (uInt)coded.length;
    stream.next_out = (Bytef *)(void *)again;
    stream.avail_out = (uInt)bytes.length + 1;
    assert_int_equal(inflate(&stream, Z_FINISH), Z_STREAM_END);
    assert_int_equal(stream.total_out, bytes.length);
    assert_memory_equal(again, bytes.data, bytes.length);
    inflateEnd(&stream);
    buffer_deinit(&coded);
    free(again);
}

static void what_is_coded_comes_back_time_after_time(void **state)
{
    struct compressor *compressor = compressor_new();
    char *bytes = malloc(200000);

    (void)state;
    for (size_t i = 0; i < 200000; i++) {
        bytes[i] = (char)(i * i >> 3);
    }
    for (size_t length = 1; length < 200000; length = length * 7 + 1) {
        assert_comes_back(compressor, CODING_GZIP, slice_of(bytes, length));
        assert_comes_back(compressor, CODING_DEFLATE, slice_of(bytes, length));
    }
    compressor_destroy(&compressor);
    assert_null(compressor);
    free(bytes);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_header_chooses),
        cmocka_unit_test(what_is_coded_comes_back_time_after_time),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
