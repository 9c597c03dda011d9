/*
 * Bodies end where Content-Length or the chunks say, however they are cut into reads, and chunks
 * that another reader could see differently are refused.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <cmocka.h>

#include "edge/http/framing.h"

enum { LIMIT = 1000 };

static const struct http_head chunked = {.is_chunked = true};

/* Feeds the bytes cut at `first` and `second`; the verdict, and how much was used in all. */
static enum http_framing_verdict feed(const struct http_head *head, struct slice bytes,
                                      size_t first, size_t second, size_t limit,
                                      struct buffer *body, size_t *used_total)
{
    const size_t cuts[] = {first, second, bytes.length};
    enum http_framing_verdict verdict = HTTP_FRAMING_MORE;
    struct http_framing framing;
    size_t at = 0;

    http_framing_init(&framing, head);
    for (size_t i = 0; i < 3 && verdict == HTTP_FRAMING_MORE; i++) {
        size_t used = 0;

        verdict = http_framing_take(&framing, slice_of(bytes.data + at, cuts[i] - at), limit, body,
                                    &used);
        assert_true(used <= cuts[i] - at);
        at += used;
    }
    *used_total = at;
    return verdict;
}

/* At every pair of cuts: the same verdict, body and end. */
static void assert_body(const struct http_head *head, const char *text, const char *expected,
                        const char *rest)
{
    struct slice bytes = slice_of_string(text);

    for (size_t first = 0; first <= bytes.length; first++) {
        for (size_t second = first; second <= bytes.length; second++) {
            struct buffer body = BUFFER_EMPTY;
            size_t used;

            assert_int_equal(feed(head, bytes, first, second, LIMIT, &body, &used),
                             HTTP_FRAMING_DONE);
            assert_true(slice_is(buffer_slice(&body), expected));
            assert_string_equal(text + used, rest);
            buffer_deinit(&body);
        }
    }
}

static void assert_verdict(const char *text, enum http_framing_verdict expected)
{
    struct slice bytes = slice_of_string(text);

    for (size_t cut = 0; cut <= bytes.length; cut++) {
        struct buffer body = BUFFER_EMPTY;
        size_t used;
        enum http_framing_verdict verdict = feed(&chunked, bytes, cut, cut, LIMIT, &body, &used);

        if (verdict != expected) {
            fail_msg("%s: %d instead of %d, cut at %zu", text, verdict, expected, cut);
        }
        assert_true(body.length <= LIMIT);
        buffer_deinit(&body);
    }
}

static void test_a_length_ends_the_body(void **state)
{
    const struct http_head head = {.content_length = 5};

    (void)state;
    assert_body(&head, "helloGET /", "hello", "GET /");
}

static void test_chunks_are_joined(void **state)
{
    (void)state;
    assert_body(&chunked, "0\r\n\r\nGET /", "", "GET /");
    assert_body(&chunked, "5\r\nhello\r\n00\r\n\r\n", "hello", "");
    assert_body(&chunked, "1\r\na\r\n0A;x=\"y\"\r\n0123456789\r\n000;z\r\n\r\nPOST", "a0123456789",
                "POST");
    assert_body(&chunked, "2\r\n\r\n\r\n0\r\nA: b\r\nC:\r\n\r\nx", "\r\n", "x");
}

static void test_chunks_in_doubt_are_refused(void **state)
{
    (void)state;
    assert_verdict("4\rXabcd\r\n0\r\n\r\n", HTTP_FRAMING_MALFORMED);
    assert_verdict("4\r\nabcdXY0\r\n\r\n", HTTP_FRAMING_MALFORMED);
    assert_verdict("4\r\nabcd\n0\r\n\r\n", HTTP_FRAMING_MALFORMED);
    assert_verdict("4\r\nabcd0\r\n\r\n", HTTP_FRAMING_MALFORMED);
    assert_verdict("4\nabcd\r\n0\r\n\r\n", HTTP_FRAMING_MALFORMED);
    assert_verdict("4;a\nb\r\nabcd\r\n0\r\n\r\n", HTTP_FRAMING_MALFORMED);
    assert_verdict("4;\001\r\nabcd\r\n0\r\n\r\n", HTTP_FRAMING_MALFORMED);
    assert_verdict("4 \r\nabcd\r\n0\r\n\r\n", HTTP_FRAMING_MALFORMED);
    assert_verdict(" 4\r\nabcd\r\n0\r\n\r\n", HTTP_FRAMING_MALFORMED);
    assert_verdict("0x4\r\nabcd\r\n0\r\n\r\n", HTTP_FRAMING_MALFORMED);
    assert_verdict("+4\r\nabcd\r\n0\r\n\r\n", HTTP_FRAMING_MALFORMED);
    assert_verdict("-1\r\n", HTTP_FRAMING_MALFORMED);
    assert_verdict("\r\n", HTTP_FRAMING_MALFORMED);
    assert_verdict(";\r\n", HTTP_FRAMING_MALFORMED);
    assert_verdict("1234567890123456\r\n", HTTP_FRAMING_MALFORMED);
    assert_verdict("0000000000000004\r\n", HTTP_FRAMING_MALFORMED);
    assert_verdict("0\r\n\n", HTTP_FRAMING_MALFORMED);
    assert_verdict("0\r\n\rX", HTTP_FRAMING_MALFORMED);
    assert_verdict("0\r\nA: b\n\r\n", HTTP_FRAMING_MALFORMED);
    assert_verdict("0\r\nA: b\r\n c\r\n\r\n", HTTP_FRAMING_MALFORMED);
    assert_verdict("0\r\nA : b\r\n\r\n", HTTP_FRAMING_MALFORMED);
    assert_verdict("0\r\n: b\r\n\r\n", HTTP_FRAMING_MALFORMED);
    assert_verdict("0\r\nAb\r\n\r\n", HTTP_FRAMING_MALFORMED);
    assert_verdict("0\r\nGET / HTTP/1.1\r\n\r\n", HTTP_FRAMING_MALFORMED);
}

static void test_an_unfinished_body_waits(void **state)
{
    (void)state;
    assert_verdict("", HTTP_FRAMING_MORE);
    assert_verdict("4\r\nabc", HTTP_FRAMING_MORE);
    assert_verdict("4\r\nabcd\r\n0\r\nA: b\r\n", HTTP_FRAMING_MORE);
}

static void test_a_body_is_bounded_before_it_arrives(void **state)
{
    const struct http_head head = {.content_length = LIMIT + 1};
    struct buffer body = BUFFER_EMPTY;
    size_t used;

    (void)state;
    assert_verdict("3e8\r\n", HTTP_FRAMING_MORE);
    assert_verdict("3e9\r\n", HTTP_FRAMING_TOO_LARGE);
    assert_verdict("2\r\nab\r\n3e7\r\n", HTTP_FRAMING_TOO_LARGE);
    assert_verdict("fffffffffffffff\r\n", HTTP_FRAMING_TOO_LARGE);
    assert_int_equal(feed(&head, SLICE_LITERAL("abc"), 1, 2, LIMIT, &body, &used),
                     HTTP_FRAMING_TOO_LARGE);
    assert_int_equal(body.length, 0);
}

static void test_extensions_and_trailers_are_bounded(void **state)
{
    struct buffer text = BUFFER_EMPTY;

    (void)state;
    buffer_append_string(&text, "1;");
    for (size_t i = 0; i <= HTTP_CHUNK_LINE_MAX; i++) {
        buffer_append_char(&text, 'x');
    }
    buffer_append(&text, "", 1);
    assert_verdict(text.data, HTTP_FRAMING_MALFORMED);

    buffer_clear(&text);
    buffer_append_string(&text, "0\r\n");
    for (size_t i = 0; i <= HTTP_TRAILERS_MAX / 8; i++) {
        buffer_append_string(&text, "ab: cd\r\n");
    }
    buffer_append(&text, "", 1);
    assert_verdict(text.data, HTTP_FRAMING_MALFORMED);
    buffer_deinit(&text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_length_ends_the_body),
        cmocka_unit_test(test_chunks_are_joined),
        cmocka_unit_test(test_chunks_in_doubt_are_refused),
        cmocka_unit_test(test_an_unfinished_body_waits),
        cmocka_unit_test(test_a_body_is_bounded_before_it_arrives),
        cmocka_unit_test(test_extensions_and_trailers_are_bounded),
    };

    return cmocka_run_group_tests_name("http_framing", tests, NULL, NULL);
}
