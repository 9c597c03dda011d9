/*
 * The validating scanner. Cases are named in the manner of the public JSON test suites: what must
 * be accepted, what must be refused; then random texts against a recursive validator.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include "proto/base/error.h"
#include "proto/base/json.h"
#include "tests/unit/random.h"

#define BYTES(text)                                                                                \
    {                                                                                              \
        (text), sizeof(text) - 1                                                                   \
    }

static int scan(struct slice text)
{
    struct slice value;

    return json_scan(text, JSON_MAX_DEPTH, &value);
}

/* In memory of exactly its size, so that a sanitizer sees every byte read beyond. */
static int scan_exactly(struct slice text)
{
    char *copy = malloc(text.length == 0 ? 1 : text.length);
    int result;

    if (text.length > 0) {
        memcpy(copy, text.data, text.length);
    }
    result = scan(slice_of(copy, text.length));
    free(copy);
    return result;
}

static const struct slice accepted[] = {
    BYTES("0"),
    BYTES("-0"),
    BYTES("0.0"),
    BYTES("-0.0e-0"),
    BYTES("1E+400"),
    BYTES("123456789012345678901234567890"),
    BYTES("0e1"),
    BYTES("null"),
    BYTES("true"),
    BYTES("false"),
    BYTES("\"\""),
    BYTES("\"\\\"\\\\\\/\\b\\f\\n\\r\\t\""),
    BYTES("\"\\u0000\\uFFFF\\uabCD\""),
    BYTES("\"\\ud800\""), /* a lone surrogate is syntax; decoding replaces it */
    BYTES("\"\\udc00\\ud800\""),
    BYTES("\"\x7f\""),
    BYTES("\"\xc2\x80\""),
    BYTES("\"\xdf\xbf\""),
    BYTES("\"\xe0\xa0\x80\""),
    BYTES("\"\xed\x9f\xbf\""),
    BYTES("\"\xee\x80\x80\""),
    BYTES("\"\xef\xbf\xbf\""),
    BYTES("\"\xe2\x80\xa8\xe2\x80\xa9\""), /* U+2028, U+2029 */
    BYTES("\"\xf0\x90\x80\x80\""),
    BYTES("\"\xf4\x8f\xbf\xbf\""),
    BYTES("[]"),
    BYTES("[ ]"),
    BYTES("[[],{}]"),
    BYTES("[1,\"a\",null,true,false,{\"b\":[]}]"),
    BYTES("{}"),
    BYTES("{ \"a\" : 1 , \"b\" : [ 2 ] }"),
    BYTES("{\"\":0}"),
    BYTES("{\"a\":1,\"a\":2}"),
    BYTES("{\"\\u0061\":1}"),
    BYTES(" \t\r\n1 \t\r\n"),
    BYTES("[\n]\n"),
    BYTES("\"12345678\""),
    BYTES("\"1234567\\n12345678901\xc3\xa9z\""),
};

static const struct slice refused[] = {
    BYTES(""),
    BYTES(" "),
    BYTES("\0"),
    BYTES("1\0"),
    BYTES("\xef\xbb\xbf{}"), /* byte order mark */
    BYTES("n"),
    BYTES("nul"),
    BYTES("nulll"),
    BYTES("True"),
    BYTES("truefalse"),
    BYTES("NaN"),
    BYTES("Infinity"),
    BYTES("undefined"),
    BYTES("-"),
    BYTES("+1"),
    BYTES("--1"),
    BYTES("01"),
    BYTES("-01"),
    BYTES(".5"),
    BYTES("1."),
    BYTES("1.e1"),
    BYTES("1e"),
    BYTES("1e+"),
    BYTES("1e1.5"),
    BYTES("0x1"),
    BYTES("1 2"),
    BYTES("1,"),
    BYTES("\""),
    BYTES("\"a"),
    BYTES("\"\\\""),
    BYTES("\"\\"),
    BYTES("\"\\x\""),
    BYTES("\"\\a\""),
    BYTES("\"\\u\""),
    BYTES("\"\\u123\""),
    BYTES("\"\\u123g\""),
    BYTES("\"\\U0041\""),
    BYTES("\"\n\""),
    BYTES("\"\t\""),
    BYTES("\"\0\""),
    BYTES("\"12345678\x1f\""),
    BYTES("'a'"),
    BYTES("\"\x80\""), /* stray continuation */
    BYTES("\"\xbf\""),
    BYTES("\"\xc0\x80\""), /* overlong */
    BYTES("\"\xc1\xbf\""),
    BYTES("\"\xe0\x9f\xbf\""),
    BYTES("\"\xf0\x8f\xbf\xbf\""),
    BYTES("\"\xed\xa0\x80\""), /* surrogates */
    BYTES("\"\xed\xbf\xbf\""),
    BYTES("\"\xf4\x90\x80\x80\""), /* beyond U+10FFFF */
    BYTES("\"\xf5\x80\x80\x80\""),
    BYTES("\"\xff\""),
    BYTES("\"\xc3\""),
    BYTES("\"\xc3"),
    BYTES("\"\xe2\x82\""),
    BYTES("\"\xe2\x82"),
    BYTES("\"\xf0\x9f\x99"),
    BYTES("\"\xf0\x9f\x99z\""),
    BYTES("[\xff]"),
    BYTES("["),
    BYTES("[1"),
    BYTES("[1,"),
    BYTES("[1,]"),
    BYTES("[,1]"),
    BYTES("[1,,2]"),
    BYTES("[1 2]"),
    BYTES("[1}"),
    BYTES("]"),
    BYTES("[]]"),
    BYTES("[[]"),
    BYTES("{"),
    BYTES("{\"a\""),
    BYTES("{\"a\":"),
    BYTES("{\"a\":1"),
    BYTES("{\"a\":1,"),
    BYTES("{\"a\":1,}"),
    BYTES("{\"a\":1]"),
    BYTES("{\"a\"}"),
    BYTES("{\"a\" 1}"),
    BYTES("{\"a\"::1}"),
    BYTES("{a:1}"),
    BYTES("{1:1}"),
    BYTES("{\"a\":1 \"b\":2}"),
    BYTES("{\"a\":1,,\"b\":2}"),
    BYTES("{,\"a\":1}"),
    BYTES("{null:1}"),
    BYTES("}"),
    BYTES("{}}"),
    BYTES("{[]}"),
    BYTES("[{]}"),
    BYTES("[1]//c"),
    BYTES("/**/1"),
    BYTES("[1]\v"),
    BYTES("\xc2\xa0"
          "1"),
};

static void what_the_rfc_allows_is_accepted(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(accepted) / sizeof(accepted[0]); i++) {
        if (scan_exactly(accepted[i]) != 0) {
            fail_msg("refused: %.*s", (int)accepted[i].length, accepted[i].data);
        }
    }
}

static void anything_else_is_malformed(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(refused) / sizeof(refused[0]); i++) {
        if (scan_exactly(refused[i]) != ERROR_MALFORMED) {
            fail_msg("accepted: %.*s", (int)refused[i].length, refused[i].data);
        }
    }
    assert_int_equal(scan(SLICE_EMPTY), ERROR_MALFORMED);
}

static void the_value_comes_without_white_space(void **state)
{
    struct slice value;

    (void)state;
    assert_int_equal(json_scan(SLICE_LITERAL(" \n{ \"a\" : 1 }\t "), 1, &value), 0);
    assert_true(slice_is(value, "{ \"a\" : 1 }"));
    assert_int_equal(json_scan(SLICE_LITERAL("17 "), 0, &value), 0);
    assert_true(slice_is(value, "17"));
}

/* Brackets of a kind each, an innermost text, and the closing ones. */
static struct slice nested(struct buffer *out, size_t depth, uint64_t seed, const char *inside)
{
    struct random random = {seed};
    bool *is_object = malloc(depth + 1);

    buffer_clear(out);
    for (size_t i = 0; i < depth; i++) {
        is_object[i] = random_below(&random, 2) == 0;
        buffer_append_string(out, is_object[i] ? "{\"k\":" : "[");
    }
    buffer_append_string(out, inside);
    for (size_t i = depth; i > 0; i--) {
        buffer_append_char(out, is_object[i - 1] ? '}' : ']');
    }
    free(is_object);
    return buffer_slice(out);
}

static void a_fault_is_where_the_wrong_piece_begins(void **state)
{
    static const struct {
        const char *text, *in_order;
    } cases[] = {
        {"", ""},
        {"{", "{"},
        {"{\"a\":1,}", "{\"a\":1,"},
        {"{ \"a\" : [1, tru], \"b\": 2}", "{ \"a\" : [1, "},
        {"{\"a\":1 \"b\":2}", "{\"a\":1 "},
        {"{\"a\":\"open", "{\"a\":"},
        {"{'a':1}", "{"},
        {"[] []", "[] "},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        assert_int_equal(json_fault(slice_of_string(cases[i].text)), strlen(cases[i].in_order));
    }
}

static void depth_is_counted_exactly(void **state)
{
    static const size_t depths[] = {1, 2, 63, 64, 65, 127, 128, 129, 1000, 1023, 1024, 1025, 5000};
    struct buffer text = BUFFER_EMPTY;
    struct slice value;

    (void)state;
    for (size_t i = 0; i < sizeof(depths) / sizeof(depths[0]); i++) {
        struct slice json = nested(&text, depths[i], i, "0");
        unsigned depth = (unsigned)depths[i];

        assert_int_equal(json_scan(json, depth, &value), 0);
        value = SLICE_EMPTY;
        assert_int_equal(json_scan(json, depth - 1, &value), ERROR_TOO_DEEP);
        assert_true(slice_equals(value, json));
    }
    assert_int_equal(json_scan(SLICE_LITERAL("1"), 0, &value), 0);
    assert_int_equal(json_scan(SLICE_LITERAL("[]"), 0, &value), ERROR_TOO_DEEP);
    assert_int_equal(json_scan(SLICE_LITERAL("[[],[],[]]"), 2, &value), 0);
    buffer_deinit(&text);
}

/* Too deep is said of valid text only: beyond the limit everything is still checked. */
static void deep_and_wrong_is_malformed(void **state)
{
    struct buffer text = BUFFER_EMPTY;

    (void)state;
    for (size_t depth = 1; depth < 3000; depth = depth * 2 + 1) {
        struct slice json = nested(&text, depth, depth, "tru");
        size_t last;

        assert_int_equal(scan(json), ERROR_MALFORMED);
        json = nested(&text, depth, depth, "true");
        last = json.length - 1;
        text.data[last] = text.data[last] == '}' ? ']' : '}';
        assert_int_equal(scan(json), ERROR_MALFORMED);
        assert_int_equal(scan(slice_of(json.data, last)), ERROR_MALFORMED);
    }
    buffer_deinit(&text);
}

/* The naive validator: recursion, one byte at a time, code points computed. */
struct naive {
    const unsigned char *at;
    const unsigned char *end;
};

static int peek(const struct naive *naive)
{
    return naive->at < naive->end ? *naive->at : -1;
}

static bool take(struct naive *naive, int c)
{
    if (peek(naive) != c) {
        return false;
    }
    naive->at++;
    return true;
}

static void take_space(struct naive *naive)
{
    while (take(naive, ' ') || take(naive, '\t') || take(naive, '\n') || take(naive, '\r')) {
        continue;
    }
}

static bool take_digits(struct naive *naive)
{
    bool any = false;

    while (peek(naive) >= '0' && peek(naive) <= '9') {
        naive->at++;
        any = true;
    }
    return any;
}

static bool take_character(struct naive *naive)
{
    static const uint32_t minimum[] = {0, 0x80, 0x800, 0x10000};
    int first = *naive->at++;
    int more = first < 0x80       ? 0
               : first >> 5 == 6  ? 1
               : first >> 4 == 14 ? 2
               : first >> 3 == 30 ? 3
                                  : -1;
    uint32_t code;

    if (more < 0) {
        return false;
    }
    code = (uint32_t)(more == 0 ? first : first & (0x3f >> more));
    for (int i = 0; i < more; i++) {
        int next = peek(naive);

        if (next < 0 || next >> 6 != 2) {
            return false;
        }
        naive->at++;
        code = code << 6 | (uint32_t)(next & 0x3f);
    }
    return code >= minimum[more] && code <= 0x10ffff && (code < 0xd800 || code > 0xdfff);
}

static bool take_string(struct naive *naive)
{
    if (!take(naive, '"')) {
        return false;
    }
    while (peek(naive) >= 0x20) {
        if (take(naive, '"')) {
            return true;
        }
        if (take(naive, '\\')) {
            int escape = peek(naive);

            naive->at++;
            if (escape == 'u') {
                for (int i = 0; i < 4; i++, naive->at++) {
                    if (peek(naive) <= 0 || strchr("0123456789abcdefABCDEF", peek(naive)) == NULL) {
                        return false;
                    }
                }
            } else if (escape <= 0 || strchr("\"\\/bfnrt", escape) == NULL) {
                return false;
            }
        } else if (!take_character(naive)) {
            return false;
        }
    }
    return false;
}

static bool take_literal(struct naive *naive, const char *literal)
{
    for (; *literal != '\0'; literal++) {
        if (!take(naive, *literal)) {
            return false;
        }
    }
    return true;
}

static bool take_value(struct naive *naive, size_t depth, size_t *deepest);

static bool take_container(struct naive *naive, size_t depth, size_t *deepest)
{
    bool is_object = *naive->at++ == '{';
    int close = is_object ? '}' : ']';

    *deepest = depth > *deepest ? depth : *deepest;
    take_space(naive);
    if (take(naive, close)) {
        return true;
    }
    do {
        take_space(naive);
        if (is_object) {
            if (!take_string(naive)) {
                return false;
            }
            take_space(naive);
            if (!take(naive, ':')) {
                return false;
            }
            take_space(naive);
        }
        if (!take_value(naive, depth, deepest)) {
            return false;
        }
        take_space(naive);
    } while (take(naive, ','));
    return take(naive, close);
}

static bool take_value(struct naive *naive, size_t depth, size_t *deepest)
{
    switch (peek(naive)) {
    case '{':
    case '[':
        return take_container(naive, depth + 1, deepest);
    case '"':
        return take_string(naive);
    case 't':
        return take_literal(naive, "true");
    case 'f':
        return take_literal(naive, "false");
    case 'n':
        return take_literal(naive, "null");
    default:
        take(naive, '-');
        if (!take(naive, '0') && !take_digits(naive)) {
            return false;
        }
        if (take(naive, '.') && !take_digits(naive)) {
            return false;
        }
        if (take(naive, 'e') || take(naive, 'E')) {
            if (!take(naive, '+')) {
                take(naive, '-');
            }
            return take_digits(naive);
        }
        return true;
    }
}

static int scan_naively(struct slice text)
{
    struct naive naive = {(const unsigned char *)text.data,
                          (const unsigned char *)text.data + text.length};
    size_t deepest = 0;

    take_space(&naive);
    if (!take_value(&naive, 0, &deepest)) {
        return ERROR_MALFORMED;
    }
    take_space(&naive);
    if (naive.at != naive.end) {
        return ERROR_MALFORMED;
    }
    return deepest > JSON_MAX_DEPTH ? ERROR_TOO_DEEP : 0;
}

static void random_token_strings_agree_with_recursion(void **state)
{
    static const char *const tokens[] = {
        "{",    "}",   "[",  "]",  ",", ":",         "\"a\"", "\"a\":", "1",    "-0.5e3",
        "true", "nul", "\"", "\\", " ", "\"\\u12\"", "\xc3",  "\xa9",   "\x01", "\"bcdefghij\"",
    };
    struct random random = {5};
    struct buffer text = BUFFER_EMPTY;
    size_t valid = 0;

    (void)state;
    for (int i = 0; i < 200000; i++) {
        size_t count = 1 + random_below(&random, 7);

        buffer_clear(&text);
        for (size_t j = 0; j < count; j++) {
            buffer_append_string(&text,
                                 tokens[random_below(&random, sizeof(tokens) / sizeof(tokens[0]))]);
        }
        assert_int_equal(scan(buffer_slice(&text)), scan_naively(buffer_slice(&text)));
        valid += scan(buffer_slice(&text)) == 0;
    }
    assert_true(valid > 1000);
    buffer_deinit(&text);
}

static void mutated_events_agree_with_recursion(void **state)
{
    static const char event[] =
        "[\"message\",{\"type\":2,\"payload\":{\"senderId\":\"8d7f\",\"message\":\"caf\xc3\xa9 "
        "\\u263a \xf0\x9f\x99\x82 \\\"ok\\\"\",\"roomId\":\"r-1\",\"metadata\":{\"n\":[1,-2.5e10,"
        "true,false,null,{}],\"deep\":[[[[]]]]}}}]";
    struct random random = {6};
    char text[sizeof(event) + 8];

    (void)state;
    for (int i = 0; i < 200000; i++) {
        size_t length = sizeof(event) - 1;
        size_t changes = 1 + random_below(&random, 3);
        struct slice mutant;

        memcpy(text, event, length);
        for (size_t j = 0; j < changes; j++) {
            size_t at = random_below(&random, length);

            switch (random_below(&random, 4)) {
            case 0:
                text[at] = (char)random_below(&random, 256);
                break;
            case 1:
                text[at] = event[random_below(&random, sizeof(event) - 1)];
                break;
            case 2:
                memmove(text + at, text + at + 1, length - at - 1);
                length--;
                break;
            default:
                length = random_below(&random, 20) == 0 ? at : length;
            }
            if (length == 0) {
                break;
            }
        }
        mutant = slice_of(text, length);
        assert_int_equal(scan_exactly(mutant),
                         length == 0 ? ERROR_MALFORMED : scan_naively(mutant));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_the_rfc_allows_is_accepted),
        cmocka_unit_test(anything_else_is_malformed),
        cmocka_unit_test(the_value_comes_without_white_space),
        cmocka_unit_test(a_fault_is_where_the_wrong_piece_begins),
        cmocka_unit_test(depth_is_counted_exactly),
        cmocka_unit_test(deep_and_wrong_is_malformed),
        cmocka_unit_test(random_token_strings_agree_with_recursion),
        cmocka_unit_test(mutated_events_agree_with_recursion),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
