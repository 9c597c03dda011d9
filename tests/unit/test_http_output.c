/*
 * Whatever the socket takes at a time, what was queued arrives whole and in order: bytes, then a
 * piece of a file.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>
#include <cmocka.h>

#include "edge/http/output.h"
#include "proto/base/error.h"

enum { LARGE = 3000000, ROUNDS_MAX = 10000 };

struct pair {
    int near;
    int far;
    struct http_output output;
    char *large; /* LARGE bytes, each telling its place */
};

static int set_up(void **state)
{
    struct pair *pair = calloc(1, sizeof(*pair));
    int descriptors[2];

    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, descriptors) != 0) {
        return -1;
    }
    pair->near = descriptors[0];
    pair->far = descriptors[1];
    pair->large = malloc(LARGE);
    for (size_t i = 0; i < LARGE; i++) {
        pair->large[i] = (char)('a' + i % 23);
    }
    http_output_init(&pair->output);
    *state = pair;
    return 0;
}

static int tear_down(void **state)
{
    struct pair *pair = *state;

    http_output_deinit(&pair->output);
    close(pair->near);
    close(pair->far);
    free(pair->large);
    free(pair);
    return 0;
}

/* Flushes and reads until nothing waits; what came is compared with prefix and large bytes. */
static void assert_arrives(struct pair *pair, const char *prefix, size_t first, size_t length)
{
    const size_t prefix_length = strlen(prefix);
    size_t at = 0;

    for (int round = 0; round < ROUNDS_MAX && at < prefix_length + length; round++) {
        char bytes[50000];
        ssize_t got = recv(pair->far, bytes, sizeof(bytes), 0);

        for (ssize_t i = 0; i < got; i++, at++) {
            assert_int_equal(bytes[i], at < prefix_length
                                           ? prefix[at]
                                           : pair->large[first + at - prefix_length]);
        }
        assert_true(http_output_flush(&pair->output, pair->near) >= 0);
    }
    assert_int_equal(at, prefix_length + length);
    assert_true(http_output_is_empty(&pair->output));
    assert_int_equal(http_output_backlog(&pair->output), 0);
}

static void test_a_small_answer_leaves_at_once(void **state)
{
    struct pair *pair = *state;

    assert_int_equal(
        http_output_send(&pair->output, pair->near, SLICE_LITERAL("head "), SLICE_LITERAL("body")),
        0);
    assert_true(http_output_is_empty(&pair->output));
    assert_arrives(pair, "head body", 0, 0);
}

static void test_the_rest_of_a_large_body_is_kept(void **state)
{
    struct pair *pair = *state;

    assert_int_equal(http_output_send(&pair->output, pair->near, SLICE_LITERAL("head "),
                                      slice_of(pair->large, LARGE)),
                     0);
    assert_false(http_output_is_empty(&pair->output));
    assert_true(http_output_backlog(&pair->output) > LARGE / 2);
    assert_arrives(pair, "head ", 0, LARGE);
}

static void test_appended_bytes_keep_their_order(void **state)
{
    struct pair *pair = *state;

    http_output_append(&pair->output, SLICE_LITERAL("one "));
    http_output_append(&pair->output, SLICE_LITERAL("two "));
    assert_int_equal(http_output_backlog(&pair->output), 8);
    assert_int_equal(http_output_send(&pair->output, pair->near, SLICE_LITERAL("three "),
                                      slice_of(pair->large, 1000)),
                     0);
    assert_arrives(pair, "one two three ", 0, 1000);
}

static int file_of(const struct pair *pair)
{
    FILE *file = tmpfile();

    assert_non_null(file);
    assert_int_equal(fwrite(pair->large, 1, LARGE, file), LARGE);
    fflush(file);
    int descriptor = dup(fileno(file));
    fclose(file);
    return descriptor;
}

static void test_a_file_is_read_as_it_is_taken(void **state)
{
    struct pair *pair = *state;

    assert_int_equal(http_output_send_file(&pair->output, pair->near, SLICE_LITERAL("head "),
                                           file_of(pair), 1000, LARGE - 2000),
                     0);
    assert_true(http_output_backlog(&pair->output) < 1000);
    assert_arrives(pair, "head ", 1000, LARGE - 2000);
    assert_int_equal(pair->output.file, -1);
}

static void test_a_file_may_have_to_wait(void **state)
{
    struct pair *pair = *state;

    http_output_append(&pair->output, SLICE_LITERAL("before "));
    assert_int_equal(http_output_send_file(&pair->output, pair->near, SLICE_LITERAL("head "),
                                           file_of(pair), 0, 100000),
                     0);
    assert_arrives(pair, "before head ", 0, 100000);
    assert_int_equal(http_output_send_file(&pair->output, pair->near, SLICE_LITERAL("head "),
                                           file_of(pair), 0, 0),
                     0);
    assert_arrives(pair, "head ", 0, 0);
}

static void test_a_file_that_shrinks_ends_the_connection(void **state)
{
    struct pair *pair = *state;
    int file = file_of(pair);

    assert_int_equal(ftruncate(file, 10), 0);
    assert_int_equal(
        http_output_send_file(&pair->output, pair->near, SLICE_LITERAL("head "), file, 100, 1000),
        ERROR_CLOSED);
}

static void test_a_closed_peer_is_an_error_and_no_signal(void **state)
{
    struct pair *pair = *state;

    shutdown(pair->far, SHUT_RDWR);
    assert_int_equal(
        http_output_send(&pair->output, pair->near, SLICE_LITERAL("head"), SLICE_EMPTY),
        ERROR_CLOSED);
    assert_int_equal(http_output_send_file(&pair->output, pair->near, SLICE_LITERAL("head "),
                                           file_of(pair), 0, 1000),
                     ERROR_CLOSED);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_a_small_answer_leaves_at_once, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_the_rest_of_a_large_body_is_kept, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_appended_bytes_keep_their_order, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_a_file_is_read_as_it_is_taken, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_a_file_may_have_to_wait, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_a_file_that_shrinks_ends_the_connection, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(test_a_closed_peer_is_an_error_and_no_signal, set_up,
                                        tear_down),
    };

    return cmocka_run_group_tests_name("http_output", tests, NULL, NULL);
}
