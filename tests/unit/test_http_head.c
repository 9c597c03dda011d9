/*
 * The head check lets through what can be read in one way only, and refuses everything with which
 * two readers can be made to disagree, at the byte where it goes wrong.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>

#include "edge/http/head.h"

#define HOST "Host: a\r\n"
#define GET "GET / HTTP/1.1\r\n"

struct refusal {
    const char *name;
    const char *bytes;
    int status;
};

static enum http_head_verdict check(const char *bytes, size_t length, struct http_head *head)
{
    /* A copy of exactly that size, so that a look beyond it is seen by ASan. */
    char *copy = malloc(length == 0 ? 1 : length);
    memcpy(copy, bytes, length);
    enum http_head_verdict verdict = http_head_check(copy, length, head);
    free(copy);
    return verdict;
}

/* Every prefix is incomplete or refused with the same status, and once refused stays refused. */
static void assert_refused(const struct refusal *refusal)
{
    struct http_head head;
    size_t length = strlen(refusal->bytes);
    bool was_refused = false;

    for (size_t i = 0; i <= length; i++) {
        enum http_head_verdict verdict = check(refusal->bytes, i, &head);

        if (verdict == HTTP_HEAD_COMPLETE) {
            fail_msg("%s: complete after %zu bytes", refusal->name, i);
        }
        if (was_refused && verdict != HTTP_HEAD_REFUSED) {
            fail_msg("%s: no longer refused after %zu bytes", refusal->name, i);
        }
        if (verdict == HTTP_HEAD_REFUSED && head.status != refusal->status) {
            fail_msg("%s: %d instead of %d", refusal->name, head.status, refusal->status);
        }
        was_refused = verdict == HTTP_HEAD_REFUSED;
    }
    if (!was_refused) {
        fail_msg("%s: not refused", refusal->name);
    }
}

static void assert_complete(const char *bytes, struct http_head *head)
{
    size_t length = strlen(bytes);

    for (size_t i = 0; i < length; i++) {
        if (check(bytes, i, head) != HTTP_HEAD_INCOMPLETE) {
            fail_msg("%s: not incomplete after %zu bytes", bytes, i);
        }
    }
    if (http_head_check(bytes, length, head) != HTTP_HEAD_COMPLETE) {
        fail_msg("%s: refused with %d", bytes, head->status);
    }
    assert_int_equal(head->length, length);
}

static void test_what_smuggles_is_refused(void **state)
{
    static const struct refusal refusals[] = {
        {"length and chunked", GET HOST "Content-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n",
         400},
        {"chunked and length", GET HOST "Transfer-Encoding: chunked\r\nContent-Length: 4\r\n\r\n",
         400},
        {"two lengths", GET HOST "Content-Length: 4\r\nContent-Length: 5\r\n\r\n", 400},
        {"the same length twice", GET HOST "Content-Length: 4\r\ncontent-length: 4\r\n\r\n", 400},
        {"a list of lengths", GET HOST "Content-Length: 4, 4\r\n\r\n", 400},
        {"no length", GET HOST "Content-Length:\r\n\r\n", 400},
        {"a signed length", GET HOST "Content-Length: +4\r\n\r\n", 400},
        {"a negative length", GET HOST "Content-Length: -4\r\n\r\n", 400},
        {"a hexadecimal length", GET HOST "Content-Length: 0x4\r\n\r\n", 400},
        {"a length with a space", GET HOST "Content-Length: 4 4\r\n\r\n", 400},
        {"a length beyond 63 bits", GET HOST "Content-Length: 1000000000000000000\r\n\r\n", 400},
        {"space before the colon", GET HOST "Content-Length : 4\r\n\r\n", 400},
        {"tab before the colon", GET HOST "Transfer-Encoding\t: chunked\r\n\r\n", 400},
        {"folded value", GET HOST "Transfer-Encoding:\r\n chunked\r\n\r\n", 400},
        {"folded line", GET HOST "X: a\r\n\tb\r\n\r\n", 400},
        {"first header line folded", GET " X: a\r\n" HOST "\r\n", 400},
        {"two codings", GET HOST "Transfer-Encoding: gzip, chunked\r\n\r\n", 501},
        {"unknown coding", GET HOST "Transfer-Encoding: chunked-false\r\n\r\n", 501},
        {"identity", GET HOST "Transfer-Encoding: identity\r\n\r\n", 501},
        {"quoted coding", GET HOST "Transfer-Encoding: \"chunked\"\r\n\r\n", 501},
        {"empty coding", GET HOST "Transfer-Encoding:\r\n\r\n", 400},
        {"coding with parameter", GET HOST "Transfer-Encoding: chunked;a=b\r\n\r\n", 501},
        {"chunked twice",
         GET HOST "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n", 400},
        {"chunked, then another",
         GET HOST "Transfer-Encoding: chunked\r\nTransfer-Encoding: x\r\n\r\n", 400},
        {"another, then chunked",
         GET HOST "Transfer-Encoding: x\r\nTransfer-Encoding: chunked\r\n\r\n", 501},
        {"vertical tab before chunked", GET HOST "Transfer-Encoding: \vchunked\r\n\r\n", 400},
        {"chunked in HTTP/1.0", "POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n", 400},
        {"LF after the request line", "GET / HTTP/1.1\n" HOST "\r\n", 400},
        {"LF after a header", GET "Host: a\n\r\n", 400},
        {"LF at the end", GET HOST "\n", 400},
        {"LF before the request", "\nGET / HTTP/1.1\r\n" HOST "\r\n", 400},
        {"CR in a value", GET "Host: a\rb\r\n\r\n", 400},
        {"CR in the request line", "GET /\r HTTP/1.1\r\n" HOST "\r\n", 400},
        {"CR at the end", GET HOST "\rX", 400},
        {"CR CR LF", GET "Host: a\r\r\n\r\n", 400},
        {"control byte in a value", GET "Host: a\001\r\n\r\n", 400},
        {"DEL in a value", GET HOST "X: \177\r\n\r\n", 400},
        {"no colon", GET HOST "Xyz\r\n\r\n", 400},
        {"empty name", GET HOST ": x\r\n\r\n", 400},
        {"separator in a name", GET HOST "X(y): z\r\n\r\n", 400},
        {"8-bit byte in a name", GET HOST "X\xc3\xa9: z\r\n\r\n", 400},
        {"no host", GET "\r\n", 400},
        {"two hosts", GET HOST HOST "\r\n", 400},
        {"two hosts in HTTP/1.0", "GET / HTTP/1.0\r\n" HOST HOST "\r\n", 400},
        {"host with a path", GET "Host: a/b\r\n\r\n", 400},
        {"host with user", GET "Host: u@a\r\n\r\n", 400},
        {"two names in a host", GET "Host: a b\r\n\r\n", 400},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(refusals) / sizeof(refusals[0]); i++) {
        assert_refused(&refusals[i]);
    }
}

static void test_request_lines_that_are_none_are_refused(void **state)
{
    static const struct refusal refusals[] = {
        {"HTTP/0.9", "GET /\r\n", 400},
        {"no method", " / HTTP/1.1\r\n", 400},
        {"no target", "GET  HTTP/1.1\r\n", 400},
        {"two spaces", "GET  / HTTP/1.1\r\n", 400},
        {"a tab", "GET\t/ HTTP/1.1\r\n", 400},
        {"space at the end", "GET / HTTP/1.1 \r\n", 400},
        {"something behind", "GET / HTTP/1.1 x\r\n", 400},
        {"two empty lines before", "\r\n\r\nGET / HTTP/1.1\r\n", 400},
        {"lower-case version", "GET / http/1.1\r\n", 400},
        {"another protocol", "GET / HTTQ/1.1\r\n", 400},
        {"two digits", "GET / HTTP/1.10\r\n", 400},
        {"leading zero", "GET / HTTP/01.1\r\n", 400},
        {"no minor version", "GET / HTTP/1\r\n", 400},
        {"HTTP/2", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 400},
        {"HTTP/2.0", "GET / HTTP/2.0\r\n", 505},
        {"HTTP/1.2", "GET / HTTP/1.2\r\n", 505},
        {"HTTP/0.9 by name", "GET / HTTP/0.9\r\n", 505},
        {"a fragment", "GET /a#b HTTP/1.1\r\n", 400},
        {"relative target", "GET a HTTP/1.1\r\n", 400},
        {"asterisk without OPTIONS", "GET * HTTP/1.1\r\n", 400},
        {"another scheme", "GET ftp://a/ HTTP/1.1\r\n", 400},
        {"no authority", "GET http:///a HTTP/1.1\r\n", 400},
        {"user in the authority", "GET http://u@a/ HTTP/1.1\r\n", 400},
        {"control byte in the target", "GET /\001 HTTP/1.1\r\n", 400},
        {"CONNECT", "CONNECT a:80 HTTP/1.1\r\n", 501},
        {"a method without end", "GETGETGETGETGETGETGETGETGET", 501},
        {"TLS", "\026\003\001\002", 400},
        {"unknown expectation", GET HOST "Expect: 200-ok\r\n\r\n", 417},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(refusals) / sizeof(refusals[0]); i++) {
        assert_refused(&refusals[i]);
    }
}

static void test_a_zero_byte_is_refused_everywhere(void **state)
{
    static const char text[] = "GET /a HTTP/1.1\r\nHost: a\r\nX: y\r\n\r\n";
    struct http_head head;

    (void)state;
    for (size_t i = 0; i < sizeof(text) - 1; i++) {
        char bytes[sizeof(text)];

        memcpy(bytes, text, sizeof(text));
        bytes[i] = '\0';
        assert_int_equal(check(bytes, sizeof(text) - 1, &head), HTTP_HEAD_REFUSED);
        assert_int_equal(check(bytes, i + 1, &head), HTTP_HEAD_REFUSED);
    }
}

static void test_a_head_is_taken_apart(void **state)
{
    struct http_head head;

    (void)state;
    assert_complete("POST /a/b%2Fc?d=e?f HTTP/1.1\r\nHost:a:80\r\nContent-Length: \t12 \t\r\n"
                    "X-Empty:\r\nX-Text: \"a\tb\" \xc3\xa9\r\n\r\n",
                    &head);
    assert_int_equal(head.method, HTTP_POST_METHOD);
    assert_true(slice_is(head.path, "/a/b%2Fc"));
    assert_true(slice_is(head.query, "d=e?f"));
    assert_int_equal(head.minor_version, 1);
    assert_int_equal(head.content_length, 12);
    assert_int_equal(head.header_count, 4);
    assert_true(slice_is(head.headers[0].value, "a:80"));
    assert_true(slice_is(head.headers[1].value, "12"));
    assert_true(slice_is(head.headers[2].value, ""));
    assert_true(slice_is(head.headers[3].value, "\"a\tb\" \xc3\xa9"));
    assert_true(head.keeps_alive);
    assert_false(head.is_chunked || head.wants_websocket || head.expects_continue);
}

static void test_targets_have_four_forms(void **state)
{
    struct http_head head;

    (void)state;
    assert_complete("GET /\xc3\xbc?\xc3\xa4 HTTP/1.1\r\n" HOST "\r\n", &head);
    assert_true(slice_is(head.path, "/\xc3\xbc"));
    assert_complete("GET http://b:8080/c?d HTTP/1.1\r\n" HOST "\r\n", &head);
    assert_true(slice_is(head.path, "/c"));
    assert_true(slice_is(head.query, "d"));
    assert_complete("GET HTTPS://b HTTP/1.1\r\n" HOST "\r\n", &head);
    assert_true(slice_is(head.path, "/"));
    assert_complete("GET http://b?d HTTP/1.1\r\n" HOST "\r\n", &head);
    assert_true(slice_is(head.path, "/"));
    assert_true(slice_is(head.query, "d"));
    assert_complete("OPTIONS * HTTP/1.1\r\n" HOST "\r\n", &head);
    assert_true(slice_is(head.path, "*"));
    assert_complete("\r\nBREW /pot HTTP/1.1\r\n" HOST "\r\n", &head);
    assert_int_equal(head.method, HTTP_OTHER_METHOD);
}

static bool keeps_alive(const char *bytes)
{
    struct http_head head;

    assert_complete(bytes, &head);
    return head.keeps_alive;
}

static void test_connection_options_are_a_list(void **state)
{
    (void)state;
    assert_true(keeps_alive(GET HOST "\r\n"));
    assert_false(keeps_alive(GET HOST "Connection: Close\r\n\r\n"));
    assert_false(keeps_alive(GET HOST "Connection: te , close\r\n\r\n"));
    assert_false(keeps_alive(GET HOST "Connection: te\r\nConnection: close\r\n\r\n"));
    assert_true(keeps_alive(GET HOST "Connection: closed, not-close,\r\n\r\n"));
    assert_false(keeps_alive("GET / HTTP/1.0\r\n\r\n"));
    assert_true(keeps_alive("GET / HTTP/1.0\r\nConnection: Keep-Alive\r\n\r\n"));
    assert_false(keeps_alive("GET / HTTP/1.0\r\nConnection: keep-alive, close\r\n\r\n"));
}

static bool wants_websocket(const char *bytes)
{
    struct http_head head;

    assert_complete(bytes, &head);
    return head.wants_websocket;
}

static void test_websocket_upgrades_are_found(void **state)
{
    (void)state;
    assert_true(wants_websocket(GET HOST "Upgrade: websocket\r\nConnection: Upgrade\r\n\r\n"));
    assert_true(
        wants_websocket(GET HOST "Connection: keep-alive, UPGRADE\r\nUPGRADE: WebSocket\r\n\r\n"));
    assert_true(wants_websocket(GET HOST "Connection: upgrade\r\nUpgrade: h2c, websocket\r\n\r\n"));
    assert_true(wants_websocket(
        GET HOST "Connection: upgrade\r\nUpgrade: websocket\r\nContent-Length: 0\r\n\r\n"));
    assert_false(wants_websocket(GET HOST "Upgrade: websocket\r\n\r\n"));
    assert_false(wants_websocket(GET HOST "Connection: upgrade\r\nUpgrade: h2c\r\n\r\n"));
    assert_false(wants_websocket(GET HOST "Connection: upgrade\r\nUpgrade: websockets\r\n\r\n"));
    assert_false(wants_websocket(
        GET HOST "Connection: upgrade\r\nUpgrade: websocket\r\nContent-Length: 5\r\n\r\n"));
    assert_false(wants_websocket("POST / HTTP/1.1\r\n" HOST
                                 "Connection: upgrade\r\nUpgrade: websocket\r\n\r\n"));
    assert_false(wants_websocket("GET / HTTP/1.0\r\n" HOST
                                 "Connection: upgrade\r\nUpgrade: websocket\r\n\r\n"));
}

static void test_a_body_is_announced(void **state)
{
    struct http_head head;

    (void)state;
    assert_complete("POST / HTTP/1.1\r\n" HOST
                    "Transfer-Encoding: Chunked\r\nExpect: 100-Continue\r\n\r\n",
                    &head);
    assert_true(head.is_chunked);
    assert_true(head.expects_continue);
    assert_complete(
        "POST / HTTP/1.0\r\nContent-Length: 999999999999999999\r\nExpect: 100-continue\r\n\r\n",
        &head);
    assert_int_equal(head.content_length, 999999999999999999);
    assert_false(head.expects_continue);
}

static void test_a_head_ends_where_it_ends(void **state)
{
    static const char bytes[] = GET HOST "\r\nGET /second HTTP/1.1\r\n";
    struct http_head head;

    (void)state;
    assert_int_equal(http_head_check(bytes, sizeof(bytes) - 1, &head), HTTP_HEAD_COMPLETE);
    assert_int_equal(head.length, strlen(GET HOST "\r\n"));
}

static void test_header_lines_are_bounded(void **state)
{
    char bytes[HTTP_HEADERS_MAX * 8 + 64];
    size_t length = 0;
    struct http_head head;

    (void)state;
    length += (size_t)sprintf(bytes, GET HOST);
    for (size_t i = 1; i < HTTP_HEADERS_MAX; i++) {
        length += (size_t)sprintf(bytes + length, "X: y\r\n");
    }
    assert_int_equal(check(bytes, length, &head), HTTP_HEAD_INCOMPLETE);
    length += (size_t)sprintf(bytes + length, "X: y\r\n");
    assert_int_equal(check(bytes, length, &head), HTTP_HEAD_REFUSED);
    assert_int_equal(head.status, 431);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_what_smuggles_is_refused),
        cmocka_unit_test(test_request_lines_that_are_none_are_refused),
        cmocka_unit_test(test_a_zero_byte_is_refused_everywhere),
        cmocka_unit_test(test_a_head_is_taken_apart),
        cmocka_unit_test(test_targets_have_four_forms),
        cmocka_unit_test(test_connection_options_are_a_list),
        cmocka_unit_test(test_websocket_upgrades_are_found),
        cmocka_unit_test(test_a_body_is_announced),
        cmocka_unit_test(test_a_head_ends_where_it_ends),
        cmocka_unit_test(test_header_lines_are_bounded),
    };

    return cmocka_run_group_tests_name("http_head", tests, NULL, NULL);
}
