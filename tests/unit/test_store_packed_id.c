/* Packing an id loses nothing: only what unpacks to the same text is packed. */
#include "tests/unit/store_fixture.h"

#include "router/store/packed_id.h"
#include "tests/unit/random.h"

static bool packs(const char *text)
{
    unsigned char packed[PACKED_ID_LENGTH];

    return packed_id_from_text(slice_of_string(text), packed);
}

static void canonical_uuids_are_packed(void **state)
{
    unsigned char packed[PACKED_ID_LENGTH];
    const unsigned char expected[] = {0x01, 0x23, 0x45, 0x67, 0x89, 0xab, 0xcd, 0xef,
                                      0xfe, 0xdc, 0xba, 0x98, 0x76, 0x54, 0x32, 0x10};

    (void)state;
    assert_true(packed_id_from_text(SLICE_LITERAL("01234567-89ab-cdef-fedc-ba9876543210"), packed));
    assert_memory_equal(packed, expected, sizeof(expected));
    assert_true(packs(NIL_UUID));
}

static void everything_else_stays_text(void **state)
{
    (void)state;
    assert_false(packs(""));
    assert_false(packs("general"));
    assert_false(packs("01234567-89AB-cdef-fedc-ba9876543210"));
    assert_false(packs("01234567-89ab-cdef-fedc-ba987654321"));
    assert_false(packs("01234567-89ab-cdef-fedc-ba98765432100"));
    assert_false(packs("0123456789ab-cdef-fedc-ba98765432101"));
    assert_false(packs("01234567-89ab-cdef-fedc-ba987654321g"));
    assert_false(packs("0123456--89ab-cdef-fedc-ba9876543210"));
    assert_false(packs("01234567 89ab-cdef-fedc-ba9876543210"));
    assert_false(packs("{1234567-89ab-cdef-fedc-ba987654321}"));
}

static void what_packs_unpacks_to_the_same(void **state)
{
    struct random random = {.state = 1};
    unsigned char bytes[PACKED_ID_LENGTH];
    unsigned char again[PACKED_ID_LENGTH];
    char text[UUID_TEXT_LENGTH];

    (void)state;
    for (int round = 0; round < 10000; round++) {
        for (size_t i = 0; i < sizeof(bytes); i++) {
            bytes[i] = (unsigned char)random_next(&random);
        }
        packed_id_to_text(bytes, text);
        assert_true(uuid_is_valid(slice_of(text, sizeof(text))));
        assert_true(packed_id_from_text(slice_of(text, sizeof(text)), again));
        assert_memory_equal(bytes, again, sizeof(bytes));

        text[random_below(&random, sizeof(text))] = (char)random_next(&random);
        if (packed_id_from_text(slice_of(text, sizeof(text)), again)) {
            char back[UUID_TEXT_LENGTH];

            packed_id_to_text(again, back);
            assert_memory_equal(text, back, sizeof(text));
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(canonical_uuids_are_packed),
        cmocka_unit_test(everything_else_stays_text),
        cmocka_unit_test(what_packs_unpacks_to_the_same),
    };

    return cmocka_run_group_tests_name("store_packed_id", tests, NULL, NULL);
}
