/*
 * What handlers ask of a request: a header, a query parameter, the segments of the path. And of a
 * response: a head whose lines are its own.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "edge/http/http.h"
#include "edge/http/response.h"

static struct arena arena;

static int set_up(void **state)
{
    (void)state;
    arena_init(&arena);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    arena_deinit(&arena);
    return 0;
}

static void test_headers_are_found_whatever_their_case(void **state)
{
    const struct http_header headers[] = {
        {SLICE_LITERAL("X-One"), SLICE_LITERAL("1")},
        {SLICE_LITERAL("x-two"), SLICE_LITERAL("2")},
        {SLICE_LITERAL("X-Two"), SLICE_LITERAL("3")},
    };
    const struct http_request request = {.headers = headers, .header_count = 3};

    (void)state;
    assert_true(slice_is(http_request_header(&request, "x-one"), "1"));
    assert_true(slice_is(http_request_header(&request, "X-TWO"), "2"));
    assert_int_equal(http_request_header(&request, "X-O").length, 0);
}

static void assert_parameter(const char *query, const char *expected)
{
    struct slice value;

    assert_true(http_query_get(slice_of_string(query), "sid", &arena, &value));
    assert_true(slice_is(value, expected));
}

static void assert_no_parameter(const char *query)
{
    struct slice value;

    assert_false(http_query_get(slice_of_string(query), "sid", &arena, &value));
}

static void test_query_parameters_are_decoded(void **state)
{
    (void)state;
    assert_parameter("sid=abc", "abc");
    assert_parameter("a=b&sid=abc&sid=d", "abc");
    assert_parameter("sid=a=b", "a=b");
    assert_parameter("sid", "");
    assert_parameter("sid=", "");
    assert_parameter("&&sid=%41%2fb+c", "A/b c");
    assert_parameter("s%69d=x", "x");
    assert_parameter("sid=%c3%bc\xc3\xbc", "\xc3\xbc\xc3\xbc");
    assert_parameter("sid=%", "%");
    assert_parameter("sid=%4&x", "%4");
    assert_parameter("sid=%zz%4", "%zz%4");
    assert_no_parameter("");
    assert_no_parameter("side=1&si=2&SID=3");
    assert_no_parameter("a=sid");
}

static void test_paths_are_split_before_they_are_decoded(void **state)
{
    struct slice segments[HTTP_PATH_SEGMENTS_MAX];

    (void)state;
    assert_int_equal(http_path_split(SLICE_LITERAL("/"), &arena, segments), 0);
    assert_int_equal(http_path_split(SLICE_LITERAL("/a"), &arena, segments), 1);
    assert_int_equal(http_path_split(SLICE_LITERAL("/a/"), &arena, segments), 1);
    assert_int_equal(http_path_split(SLICE_LITERAL("/a//b"), &arena, segments), 3);
    assert_int_equal(segments[1].length, 0);
    assert_int_equal(http_path_split(SLICE_LITERAL("/x%2Fy/%c3%bc+/%2e%2E"), &arena, segments), 3);
    assert_true(slice_is(segments[0], "x/y"));
    assert_true(slice_is(segments[1], "\xc3\xbc+"));
    assert_true(slice_is(segments[2], ".."));
}

static void test_bad_paths_have_no_segments(void **state)
{
    struct slice segments[HTTP_PATH_SEGMENTS_MAX];

    (void)state;
    assert_int_equal(http_path_split(SLICE_EMPTY, &arena, segments), -1);
    assert_int_equal(http_path_split(SLICE_LITERAL("*"), &arena, segments), -1);
    assert_int_equal(http_path_split(SLICE_LITERAL("/%"), &arena, segments), -1);
    assert_int_equal(http_path_split(SLICE_LITERAL("/%4"), &arena, segments), -1);
    assert_int_equal(http_path_split(SLICE_LITERAL("/%4g"), &arena, segments), -1);
    assert_int_equal(http_path_split(SLICE_LITERAL("/%00"), &arena, segments), -1);
    assert_int_equal(
        http_path_split(SLICE_LITERAL("/1/2/3/4/5/6/7/8/9/a/b/c/d/e/f/g"), &arena, segments),
        HTTP_PATH_SEGMENTS_MAX);
    assert_int_equal(
        http_path_split(SLICE_LITERAL("/1/2/3/4/5/6/7/8/9/a/b/c/d/e/f/g/h"), &arena, segments), -1);
}

static void test_added_header_lines_cannot_break_out(void **state)
{
    struct buffer lines = BUFFER_EMPTY;

    (void)state;
    http_response_add_line(&lines, "X", SLICE_LITERAL("a\r\nSet-Cookie: b\0\177\tc"));
    assert_true(slice_is(buffer_slice(&lines), "X: a  Set-Cookie: b  \tc\r\n"));
    buffer_deinit(&lines);
}

#define DATE "Sun, 06 Nov 1994 08:49:37 GMT"
#define DATE_LINE "Date: " DATE "\r\n"

static void test_response_heads_say_how_the_body_ends(void **state)
{
    struct buffer out = BUFFER_EMPTY;
    struct http_response response = {.status = 200,
                                     .date = DATE,
                                     .content_type = "text/plain",
                                     .body = HTTP_BODY_LENGTH,
                                     .length = 12};

    (void)state;
    http_response_render(&response, &out);
    assert_true(slice_is(buffer_slice(&out), "HTTP/1.1 200 OK\r\n" DATE_LINE
                                             "Content-Type: text/plain\r\nContent-Length: 12\r\n"
                                             "X-Content-Type-Options: nosniff\r\n\r\n"));
    response = (struct http_response){
        .status = 299, .date = DATE, .body = HTTP_BODY_CHUNKED, .added = SLICE_LITERAL("A: b\r\n")};
    http_response_render(&response, &out);
    assert_true(slice_is(buffer_slice(&out),
                         "HTTP/1.1 299 \r\n" DATE_LINE "Transfer-Encoding: chunked\r\n"
                         "X-Content-Type-Options: nosniff\r\nA: b\r\n\r\n"));
    response = (struct http_response){.status = 204, .date = DATE, .connection = "close"};
    http_response_render(&response, &out);
    assert_true(slice_is(buffer_slice(&out), "HTTP/1.1 204 No Content\r\n" DATE_LINE
                                             "X-Content-Type-Options: nosniff\r\n"
                                             "Connection: close\r\n\r\n"));
    buffer_deinit(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_headers_are_found_whatever_their_case),
        cmocka_unit_test(test_query_parameters_are_decoded),
        cmocka_unit_test(test_paths_are_split_before_they_are_decoded),
        cmocka_unit_test(test_bad_paths_have_no_segments),
        cmocka_unit_test(test_added_header_lines_cannot_break_out),
        cmocka_unit_test(test_response_heads_say_how_the_body_ends),
    };

    return cmocka_run_group_tests_name("http_request", tests, set_up, tear_down);
}
