#include "tests/unit/session_fixture.h"

#include "edge/session/handover.h"
#include "edge/session/internal.h"
#include "proto/base/error.h"

#define ID_A "edgeABaaaaaaaaaaaaaaaaaa"
#define ID_B "edgeABbbbbbbbbbbbbbbbbbb"

static struct handover example(void)
{
    return (struct handover){
        .parser = PARSER_MSGPACK,
        .takes_offsets = true,
        .is_awaiting_pong = true,
        .heartbeat = 1,
        .silence = 2,
        .connect = 3,
        .credentials = text("key"),
        .socket_count = 2,
        .sockets = {{text("/"), text(ID_A), text("state")}, {text("/x"), text(ID_B), SLICE_EMPTY}}};
}

static struct buffer written(const struct handover *handover)
{
    struct buffer state = BUFFER_EMPTY;
    handover_write(handover, &state);
    return state;
}

static int reread(const struct handover *handover)
{
    struct buffer state = written(handover);
    struct handover read;
    int error = handover_read(buffer_slice(&state), &read);
    buffer_deinit(&state);
    return error;
}

static void test_what_is_written_is_read(void **state)
{
    struct handover handover = example();
    struct buffer bytes = written(&handover);
    struct handover read;
    (void)state;
    assert_int_equal(handover_read(buffer_slice(&bytes), &read), 0);
    assert_int_equal(read.parser, PARSER_MSGPACK);
    assert_true(read.takes_offsets);
    assert_true(read.is_awaiting_pong);
    assert_int_equal(read.heartbeat, 1);
    assert_int_equal(read.silence, 2);
    assert_int_equal(read.connect, 3);
    assert_true(slice_is(read.credentials, "key"));
    assert_int_equal(read.socket_count, 2);
    assert_true(slice_is(read.sockets[0].name_space, "/"));
    assert_true(slice_is(read.sockets[0].id, ID_A));
    assert_true(slice_is(read.sockets[0].data, "state"));
    assert_true(slice_is(read.sockets[1].name_space, "/x"));
    assert_int_equal(read.sockets[1].data.length, 0);
    buffer_deinit(&bytes);
}

static void test_a_part_of_it_and_leftovers_are_refused(void **state)
{
    struct handover handover = example();
    struct buffer bytes = written(&handover);
    struct handover read;
    (void)state;
    for (size_t length = 0; length < bytes.length; length++) {
        assert_int_equal(handover_read(slice_of(bytes.data, length), &read), ERROR_BUS_MALFORMED);
    }
    buffer_append_char(&bytes, '\0');
    assert_int_equal(handover_read(buffer_slice(&bytes), &read), ERROR_BUS_MALFORMED);
    buffer_deinit(&bytes);
}

static void test_values_out_of_bounds_are_refused(void **state)
{
    struct handover handover = example();
    (void)state;
    assert_int_equal(reread(&handover), 0);
    handover.parser = PARSER_MSGPACK + 1;
    assert_int_equal(reread(&handover), ERROR_BUS_MALFORMED);
    handover = example();
    handover.heartbeat = UINT64_MAX;
    assert_int_equal(reread(&handover), ERROR_BUS_MALFORMED);
    handover = example();
    handover.silence = UINT64_MAX;
    assert_int_equal(reread(&handover), ERROR_BUS_MALFORMED);
    handover = example();
    handover.connect = UINT64_MAX;
    assert_int_equal(reread(&handover), ERROR_BUS_MALFORMED);
    handover = example();
    handover.sockets[1].id = text("short");
    assert_int_equal(reread(&handover), ERROR_BUS_MALFORMED);
    handover = example();
    handover.sockets[1].name_space = SLICE_EMPTY;
    assert_int_equal(reread(&handover), ERROR_BUS_MALFORMED);
}

static void test_a_namespace_has_one_socket(void **state)
{
    struct handover handover = example();
    (void)state;
    handover.sockets[1].name_space = text("/");
    assert_int_equal(reread(&handover), ERROR_BUS_MALFORMED);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_what_is_written_is_read),
        cmocka_unit_test(test_a_part_of_it_and_leftovers_are_refused),
        cmocka_unit_test(test_values_out_of_bounds_are_refused),
        cmocka_unit_test(test_a_namespace_has_one_socket),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
