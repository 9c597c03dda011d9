#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include "proto/base/id.h"

/* A source that hands out ever the same byte. */
static void fill_with(void *context, void *bytes, size_t length)
{
    memset(bytes, *(unsigned char *)context, length);
}

static struct id_source constant_source(unsigned char *byte)
{
    struct id_source source;

    id_source_init(&source);
    source.fill = fill_with;
    source.context = byte;
    return source;
}

static void assert_uuid_form(const char *uuid, char version)
{
    assert_int_equal(strlen(uuid), UUID_TEXT_LENGTH);
    assert_true(uuid_is_valid(slice_of_string(uuid)));
    assert_int_equal(uuid[14], version);
    assert_non_null(strchr("89ab", uuid[19]));
    for (size_t i = 0; i < UUID_TEXT_LENGTH; i++) {
        assert_true(uuid[i] < 'A' || uuid[i] > 'Z');
    }
}

static void version_4_is_all_random_bits(void **state)
{
    unsigned char byte = 0xff;
    struct id_source source = constant_source(&byte);
    char uuid[UUID_TEXT_SIZE];

    (void)state;
    uuid_random(&source, uuid);
    assert_string_equal(uuid, "ffffffff-ffff-4fff-bfff-ffffffffffff");
    byte = 0;
    uuid_random(&source, uuid);
    assert_string_equal(uuid, "00000000-0000-4000-8000-000000000000");
}

/* The example of RFC 9562 Appendix A.6: 2022-02-22 14:22:22-05:00 is 0x017f22e279b0. */
static void version_7_begins_with_the_milliseconds(void **state)
{
    unsigned char byte = 0xcc;
    struct id_source source = constant_source(&byte);
    char uuid[UUID_TEXT_SIZE];

    (void)state;
    uuid_by_time(&source, INT64_C(0x017f22e279b0), uuid);
    assert_string_equal(uuid, "017f22e2-79b0-7ccc-8ccc-cccccccccccc");
    assert_uuid_form(uuid, '7');
}

static void version_7_sorts_by_time(void **state)
{
    struct id_source source;
    char before[UUID_TEXT_SIZE];
    char after[UUID_TEXT_SIZE];

    (void)state;
    id_source_init(&source);
    uuid_by_time(&source, 1, before);
    for (int64_t time = 2; time < INT64_C(1) << 46; time = time * 3 + 1) {
        uuid_by_time(&source, time, after);
        assert_true(strcmp(before, after) < 0);
        memcpy(before, after, sizeof(before));
    }
}

static int compare(const void *a, const void *b)
{
    return strcmp(a, b);
}

static void random_ids_do_not_repeat(void **state)
{
    enum { IDS = 2000 };
    static char ids[IDS][UUID_TEXT_SIZE];
    struct id_source source;

    (void)state;
    id_source_init(&source);
    for (size_t i = 0; i < IDS; i++) {
        uuid_random(&source, ids[i]);
        assert_uuid_form(ids[i], '4');
    }
    qsort(ids, IDS, sizeof(ids[0]), compare);
    for (size_t i = 1; i < IDS; i++) {
        assert_string_not_equal(ids[i - 1], ids[i]);
    }
}

static void text_is_url_safe_and_uses_the_whole_alphabet(void **state)
{
    enum { LENGTH = 5000 };
    static char text[LENGTH + 1];
    bool seen[256] = {false};
    struct id_source source;
    int different = 0;

    (void)state;
    id_source_init(&source);
    id_random_text(&source, text, 0);
    assert_string_equal(text, "");
    id_random_text(&source, text, SESSION_ID_LENGTH);
    assert_int_equal(strlen(text), SESSION_ID_LENGTH);
    id_random_text(&source, text, LENGTH);
    assert_int_equal(strlen(text), LENGTH);
    assert_int_equal(
        strspn(text, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"), LENGTH);
    for (size_t i = 0; i < LENGTH; i++) {
        different += !seen[(unsigned char)text[i]];
        seen[(unsigned char)text[i]] = true;
    }
    assert_int_equal(different, 64);
}

static void the_pool_hands_out_no_byte_twice(void **state)
{
    struct id_source source;
    unsigned char zeros[sizeof(source.pool)] = {0};
    unsigned char big[1000] = {0};
    uint64_t previous = 0;

    (void)state;
    id_source_init(&source);
    for (int i = 0; i < 1000; i++) {
        uint64_t value = id_random_u64(&source);

        assert_true(value != previous);
        previous = value;
        /* What is used is wiped. */
        assert_memory_equal(source.pool + source.available, zeros,
                            sizeof(source.pool) - source.available);
    }
    id_random_bytes(&source, big, sizeof(big));
    assert_memory_not_equal(big, big + 500, 500);
    id_random_bytes(&source, big, 0);
}

static void a_reply_keeps_its_id(void **state)
{
    static const char question[] = "017f22e2-79b0-7ccc-8ccc-cccccccccccc";
    char first[UUID_TEXT_SIZE];
    char second[UUID_TEXT_SIZE];

    (void)state;
    uuid_of_reply(slice_of_string(question), SLICE_LITERAL("agent"), first);
    uuid_of_reply(slice_of_string(question), SLICE_LITERAL("agent"), second);
    assert_string_equal(first, second);
    assert_uuid_form(first, '8');
    assert_memory_equal(first, question, 13); /* the time, and the dash in it */
    uuid_of_reply(SLICE_LITERAL("017F22E2-79B0-7CCC-8CCC-CCCCCCCCCCCC"), SLICE_LITERAL("agent"),
                  second);
    assert_memory_equal(second, question, 13);
    uuid_of_reply(slice_of_string(question), SLICE_LITERAL("other agent"), second);
    assert_memory_equal(first, second, 13);
    assert_string_not_equal(first, second);
}

/* Ids are stored: a change here would let a repeated attempt make a second reply. */
static void the_id_of_a_reply_never_changes(void **state)
{
    char id[UUID_TEXT_SIZE];

    (void)state;
    uuid_of_reply(SLICE_LITERAL("017f22e2-79b0-7ccc-8ccc-cccccccccccc"),
                  SLICE_LITERAL("b850bc30-45f8-0041-a00a-83df46d8555d"), id);
    assert_string_equal(id, "017f22e2-79b0-8168-be0d-1ced3c97f3eb");
    uuid_of_reply(SLICE_LITERAL("m-1"), SLICE_LITERAL("Eliza"), id);
    assert_string_equal(id, "9b53fdd6-6c16-8ed6-9062-6b723960770c");
}

static void pairs_do_not_run_into_each_other(void **state)
{
    char ab_c[UUID_TEXT_SIZE];
    char a_bc[UUID_TEXT_SIZE];
    char none[UUID_TEXT_SIZE];

    (void)state;
    uuid_of_reply(SLICE_LITERAL("ab"), SLICE_LITERAL("c"), ab_c);
    uuid_of_reply(SLICE_LITERAL("a"), SLICE_LITERAL("bc"), a_bc);
    uuid_of_reply(SLICE_EMPTY, SLICE_EMPTY, none);
    assert_string_not_equal(ab_c, a_bc);
    assert_uuid_form(none, '8');
}

static void only_the_text_form_is_valid(void **state)
{
    static const char *const wrong[] = {
        "",
        "0",
        "00000000-0000-0000-0000-00000000000",
        "00000000-0000-0000-0000-0000000000000",
        "00000000-0000-0000-0000-00000000000g",
        "000000000000-0000-0000-0000-00000000",
        "00000000000000000000000000000000",
        "{0000000-0000-0000-0000-000000000000}",
        "00000000-0000-0000-0000_000000000000",
        "00000000-0000-0000-000--000000000000",
        " 0000000-0000-0000-0000-000000000000",
    };

    (void)state;
    assert_true(uuid_is_valid(SLICE_LITERAL(NIL_UUID)));
    assert_true(uuid_is_valid(SLICE_LITERAL("B850bc30-45f8-0041-a00a-83DF46D8555D")));
    assert_false(uuid_is_valid(SLICE_EMPTY));
    assert_false(uuid_is_valid(slice_of("00000000-0000-0000-0000-0000000000\0\0", 36)));
    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
        assert_false(uuid_is_valid(slice_of_string(wrong[i])));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(version_4_is_all_random_bits),
        cmocka_unit_test(version_7_begins_with_the_milliseconds),
        cmocka_unit_test(version_7_sorts_by_time),
        cmocka_unit_test(random_ids_do_not_repeat),
        cmocka_unit_test(text_is_url_safe_and_uses_the_whole_alphabet),
        cmocka_unit_test(the_pool_hands_out_no_byte_twice),
        cmocka_unit_test(a_reply_keeps_its_id),
        cmocka_unit_test(the_id_of_a_reply_never_changes),
        cmocka_unit_test(pairs_do_not_run_into_each_other),
        cmocka_unit_test(only_the_text_form_is_valid),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
