/*
 * Expected values were computed with stringToUuid() of the npm package @elizaos/core 1.7.2.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>
#include "proto/base/agent_uuid.h"

static void assert_uuid(const char *name, size_t length, const char *expected)
{
    char uuid[37];

    agent_uuid_from_name(name, length, uuid);
    assert_string_equal(uuid, expected);
}

#define ASSERT_UUID(name, expected) assert_uuid((name), sizeof(name) - 1, (expected))

static void plain_names_hash_like_elizaos(void **state)
{
    (void)state;
    ASSERT_UUID("Eliza", "b850bc30-45f8-0041-a00a-83df46d8555d");
    ASSERT_UUID("", "da39a3ee-5e6b-0b0d-b255-bfef95601890");
    ASSERT_UUID("a", "86f7e437-faa5-07fc-a15d-1ddcb9eaeaea");
    ASSERT_UUID("Stub", "76e01e2b-390f-092d-b67a-7cf363816a6b");
}

static void other_bytes_are_percent_encoded_first(void **state)
{
    (void)state;
    ASSERT_UUID("Dr. Weizenbaum", "2a517765-1905-0658-8268-129840c0337a");
    ASSERT_UUID("Zoë", "f9e8abe6-7aae-0546-871e-3c67f756587c");
    ASSERT_UUID("日本語 エージェント", "28a31651-1f76-0798-b465-7c2583e9ef07");
    ASSERT_UUID("\xf0\x9f\x99\x82 agent", "dfac39b8-a9a9-06c2-9627-b0f150329697");
    ASSERT_UUID("a/b?c=d&e", "9db0c9df-05ab-008b-b2a8-5938c339125a");
    ASSERT_UUID("!~*'()-_.", "870143c7-0226-0746-9693-eaa516cb5247");
    ASSERT_UUID("100% sure", "6ef23b89-ab66-0905-bd1a-eb81ebe07666");
    ASSERT_UUID("line\nbreak", "3e2b1928-a64b-08f6-9aae-1e42948a364b");
    ASSERT_UUID("nul\0byte", "4baa8b44-4d19-0a3a-b2ea-5cb2a2e7396d");
}

static void a_uuid_is_its_own_id(void **state)
{
    (void)state;
    ASSERT_UUID("00000000-0000-0000-0000-000000000000", "00000000-0000-0000-0000-000000000000");
    ASSERT_UUID("B850BC30-45F8-0041-A00A-83DF46D8555D", "B850BC30-45F8-0041-A00A-83DF46D8555D");
    /* One digit short of a UUID is a name like any other. */
    ASSERT_UUID("b850bc30-45f8-0041-a00a-83df46d8555", "dbd65e9c-b848-08cb-b4e9-f87f81589908");
}

static void length_has_no_seam(void **state)
{
    (void)state;
    char name[2000];

    memset(name, 'x', sizeof(name));
    assert_uuid(name, 55, "cef734ba-81a0-0447-9e09-eb5a75b6ddae");
    assert_uuid(name, 56, "90130536-7c25-0952-b4e7-af8323f480d5");
    assert_uuid(name, 64, "bb2fa3ee-7afb-0f54-86df-b5d021f14b1f");
    for (size_t i = 0; i < sizeof(name); i += 2) {
        memcpy(name + i, "é", 2);
    }
    assert_uuid(name, sizeof(name), "ba4ec739-59d4-0417-ba5e-4f8fd88e68de");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(plain_names_hash_like_elizaos),
        cmocka_unit_test(other_bytes_are_percent_encoded_first),
        cmocka_unit_test(a_uuid_is_its_own_id),
        cmocka_unit_test(length_has_no_seam),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
