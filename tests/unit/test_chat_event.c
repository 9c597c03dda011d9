#include "tests/unit/chat_event_fixture.h"

/* --- envelope --------------------------------------------------------------------------------- */

static const char *envelope(struct fixture *fixture, const char *json, enum chat_type *type,
                            struct slice *payload)
{
    return describe(fixture, chat_decode_envelope(scanned(json), type, payload));
}

static void test_the_six_types_are_known_as_number_and_as_text(void **state)
{
    struct fixture *fixture = *state;
    enum chat_type type;
    struct slice payload;
    for (int i = 1; i <= 6; i++) {
        char json[64];
        snprintf(json, sizeof(json), "{\"type\":%d,\"payload\":{\"a\":%d}}", i, i);
        assert_string_equal(envelope(fixture, json, &type, &payload), "");
        assert_int_equal(type, i);
        snprintf(json, sizeof(json), "{\"payload\":{},\"type\":\"%d\"}", i);
        assert_string_equal(envelope(fixture, json, &type, &payload), "");
        assert_int_equal(type, i);
        assert_slice(payload, "{}");
    }
}

static void test_a_faulty_envelope_names_its_field(void **state)
{
    static const struct {
        const char *json, *fault;
    } cases[] = {{"[]", "malformed"},
                 {"\"x\"", "malformed"},
                 {"null", "malformed"},
                 {"{}", "malformed type"},
                 {"{\"payload\":{}}", "malformed type"},
                 {"{\"type\":null,\"payload\":{}}", "malformed type"},
                 {"{\"type\":true,\"payload\":{}}", "malformed type"},
                 {"{\"type\":[2],\"payload\":{}}", "malformed type"},
                 {"{\"type\":\"SEND\",\"payload\":{}}", "malformed type"},
                 {"{\"type\":\"\",\"payload\":{}}", "malformed type"},
                 {"{\"type\":2.5,\"payload\":{}}", "malformed type"},
                 {"{\"type\":1e300,\"payload\":{}}", "malformed type"},
                 {"{\"type\":0,\"payload\":{}}", "unknown_type type"},
                 {"{\"type\":7,\"payload\":{}}", "unknown_type type"},
                 {"{\"type\":-1,\"payload\":{}}", "unknown_type type"},
                 {"{\"type\":\"9\",\"payload\":{}}", "unknown_type type"},
                 {"{\"type\":9007199254740993,\"payload\":{}}", "unknown_type type"},
                 {"{\"type\":2}", "malformed payload"},
                 {"{\"type\":2,\"payload\":null}", "malformed payload"},
                 {"{\"type\":2,\"payload\":\"text\"}", "malformed payload"},
                 {"{\"type\":2,\"payload\":[{}]}", "malformed payload"}};
    struct fixture *fixture = *state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        enum chat_type type;
        struct slice payload;
        assert_string_equal(envelope(fixture, cases[i].json, &type, &payload), cases[i].fault);
    }
}

/* --- join ------------------------------------------------------------------------------------- */

static void test_a_join_takes_every_alias(void **state)
{
    static const char *const rooms[] = {"channelId", "roomId", "channel_id"};
    static const char *const entities[] = {"entityId", "userId", "author_id"};
    static const char *const names[] = {"displayName", "username", "userName", "senderName",
                                        "name"};
    static const char *const servers[] = {"messageServerId", "serverId", "message_server_id",
                                          "server_id"};
    struct fixture *fixture = *state;
    for (size_t i = 0; i < 60; i++) {
        struct chat_join out;
        char json[256];
        snprintf(json, sizeof(json), "{\"%s\":\"r\",\"%s\":\"e\",\"%s\":\"n\",\"%s\":\"s\"}",
                 rooms[i % 3], entities[i / 3 % 3], names[i % 5], servers[i % 4]);
        assert_string_equal(join(fixture, json, &out), "");
        assert_slice(out.room, "r");
        assert_slice(out.entity, "e");
        assert_slice(out.name, "n");
        assert_slice(out.server_id, "s");
        assert_int_equal(out.since, CHAT_SINCE_NOTHING);
    }
}

static void test_the_document_s_name_wins_over_older_ones_and_null_is_absent(void **state)
{
    struct fixture *fixture = *state;
    struct chat_join out;
    assert_string_equal(
        join(fixture, "{\"roomId\":\"old\",\"channelId\":\"new\",\"agentId\":\"agent\"}", &out),
        "");
    assert_slice(out.room, "new");
    assert_slice(out.agent_id, "agent");
    assert_string_equal(
        join(fixture, "{\"channelId\":null,\"roomId\":\"r\",\"entityId\":null}", &out), "");
    assert_slice(out.room, "r");
    assert_int_equal(out.entity.length, 0);
    assert_int_equal(out.name.length, 0);
    assert_int_equal(out.server_id.length, 0);
}

static void test_a_faulty_join_names_its_field(void **state)
{
    static const struct {
        const char *json, *fault;
    } cases[] = {{"{}", "malformed roomId"},
                 {"{\"roomId\":\"\"}", "malformed roomId"},
                 {"{\"roomId\":null}", "malformed roomId"},
                 {"{\"roomId\":5}", "malformed roomId"},
                 {"{\"roomId\":{\"a\":1}}", "malformed roomId"},
                 {"{\"roomId\":\"a\\u0000b\"}", "malformed roomId"},
                 {"{\"roomId\":\"r\",\"entityId\":7}", "malformed entityId"},
                 {"{\"roomId\":\"r\",\"entityId\":\"\\u0000\"}", "malformed entityId"},
                 {"{\"roomId\":\"r\",\"username\":true}", "malformed displayName"},
                 {"{\"roomId\":\"r\",\"serverId\":[]}", "malformed messageServerId"},
                 {"{\"roomId\":\"r\",\"agentId\":1}", "malformed agentId"},
                 {"{\"roomId\":\"r\",\"since\":true}", "malformed since"},
                 {"{\"roomId\":\"r\",\"since\":\"\"}", "malformed since"},
                 {"{\"roomId\":\"r\",\"since\":{}}", "malformed since"},
                 {"{\"roomId\":\"r\",\"since\":-1}", "malformed since"},
                 {"{\"roomId\":\"r\",\"since\":-0.5}", "malformed since"},
                 {"{\"roomId\":\"r\",\"since\":1e300}", "malformed since"},
                 {"{\"roomId\":\"r\",\"since\":1,\"sinceEpoch\":-1}", "malformed sinceEpoch"},
                 {"{\"roomId\":\"r\",\"since\":1,\"sinceEpoch\":\"1\"}", "malformed sinceEpoch"},
                 {"{\"roomId\":\"r\",\"since\":1,\"sinceEpoch\":1.5}", "malformed sinceEpoch"}};
    struct fixture *fixture = *state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct chat_join out;
        assert_string_equal(join(fixture, cases[i].json, &out), cases[i].fault);
    }
}

static void test_ids_have_at_most_256_bytes_and_names_too(void **state)
{
    static const struct {
        const char *key, *fault;
    } cases[] = {
        {"channelId", "malformed roomId"},        {"entityId", "malformed entityId"},
        {"displayName", "malformed displayName"}, {"serverId", "malformed messageServerId"},
        {"agentId", "malformed agentId"},         {"since", "malformed since"}};
    struct fixture *fixture = *state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct chat_join out;
        const char *start = i == 0 ? "{" : "{\"roomId\":\"r\",";
        char *fits = with_long(start, cases[i].key, 256);
        char *beyond = with_long(start, cases[i].key, 257);
        assert_string_equal(join(fixture, fits, &out), "");
        assert_string_equal(join(fixture, beyond, &out), cases[i].fault);
        free(fits);
        free(beyond);
    }
}

static struct chat_join since(struct fixture *fixture, const char *value)
{
    struct chat_join out;
    char *json = arena_allocate(&fixture->arena, 256); /* what is decoded may borrow from it */
    snprintf(json, 256, "{\"roomId\":\"r\",\"since\":%s}", value);
    assert_string_equal(join(fixture, json, &out), "");
    return out;
}

static void test_since_is_a_seq_below_10_to_the_12_and_milliseconds_from_there(void **state)
{
    struct fixture *fixture = *state;
    struct chat_join out = since(fixture, "0");
    assert_int_equal(out.since, CHAT_SINCE_SEQ);
    assert_int_equal(out.since_seq, 0);
    assert_int_equal(out.since_epoch, 0);
    out = since(fixture, "999999999999,\"sinceEpoch\":4503599627370495");
    assert_int_equal(out.since, CHAT_SINCE_SEQ);
    assert_int_equal(out.since_seq, 999999999999);
    assert_int_equal(out.since_epoch, 4503599627370495);
    out = since(fixture, "1000000000000");
    assert_int_equal(out.since, CHAT_SINCE_TIME);
    assert_int_equal(out.since_time, 1000000000000);
    out = since(fixture, "1.7e12");
    assert_int_equal(out.since, CHAT_SINCE_TIME);
    assert_int_equal(out.since_time, 1700000000000);
    assert_int_equal(since(fixture, "null").since, CHAT_SINCE_NOTHING);
}

static void test_since_as_text_is_a_message_id_unless_it_is_an_iso_time(void **state)
{
    struct fixture *fixture = *state;
    struct chat_join out = since(fixture, "\"01890a5d-ac96-774b-bcce-b302099a8057\"");
    assert_int_equal(out.since, CHAT_SINCE_ID);
    assert_slice(out.since_id, "01890a5d-ac96-774b-bcce-b302099a8057");
    out = since(fixture, "\"my-own-id\"");
    assert_int_equal(out.since, CHAT_SINCE_ID);
    assert_slice(out.since_id, "my-own-id");
    out = since(fixture, "\"2026-11-23T05:59:00.123Z\"");
    assert_int_equal(out.since, CHAT_SINCE_TIME);
    assert_int_equal(out.since_time, INT64_C(1795413540123));
    out = since(fixture, "\"42\""); /* digits in a text are no time */
    assert_int_equal(out.since, CHAT_SINCE_ID);
    assert_slice(out.since_id, "42");
}

static void test_an_epoch_of_null_is_none(void **state)
{
    struct chat_join out = since(*state, "5,\"sinceEpoch\":null");
    assert_int_equal(out.since, CHAT_SINCE_SEQ);
    assert_int_equal(out.since_epoch, 0);
}

/* --- the smaller ones ------------------------------------------------------------------------- */

static void test_typing_and_thinking_have_one_flag(void **state)
{
    static const struct {
        const char *json, *flag, *fault;
    } cases[] = {
        {"{\"roomId\":\"r\",\"userId\":\"u\",\"isTyping\":true}", "isTyping", ""},
        {"{\"channelId\":\"r\",\"entityId\":\"u\",\"isTyping\":true}", "isTyping", ""},
        {"{\"channel_id\":\"r\",\"senderId\":\"u\",\"isThinking\":true}", "isThinking", ""},
        {"{\"roomId\":\"r\",\"isTyping\":true}", "isThinking", "malformed isThinking"},
        {"{\"roomId\":\"r\",\"isTyping\":1}", "isTyping", "malformed isTyping"},
        {"{\"roomId\":\"r\"}", "isTyping", "malformed isTyping"},
        {"{\"isTyping\":true}", "isTyping", "malformed roomId"},
        {"{\"roomId\":[],\"isTyping\":true}", "isTyping", "malformed roomId"},
        {"{\"roomId\":\"r\",\"userId\":4,\"isTyping\":true}", "isTyping", "malformed userId"},
        {"\"r\"", "isTyping", "malformed"},
        {"[]", "isTyping", "malformed"}};
    struct fixture *fixture = *state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct chat_typing out;
        assert_string_equal(
            describe(fixture, chat_decode_typing(scanned(cases[i].json), &fixture->arena,
                                                 cases[i].flag, &out)),
            cases[i].fault);
        if (cases[i].fault[0] == '\0') {
            assert_slice(out.room, "r");
            assert_slice(out.user, "u");
            assert_true(out.is_on);
        }
    }
}

static void test_a_receipt_says_delivered_or_read(void **state)
{
    static const struct {
        const char *json, *fault;
    } cases[] = {{"{\"messageId\":\"m\",\"status\":\"delivered\"}", ""},
                 {"{\"messageId\":\"m\",\"status\":\"read\",\"userId\":\"u\"}", ""},
                 {"{\"messageId\":\"m\",\"status\":\"seen\"}", "malformed status"},
                 {"{\"messageId\":\"m\",\"status\":\"\"}", "malformed status"},
                 {"{\"messageId\":\"m\"}", "malformed status"},
                 {"{\"messageId\":\"m\",\"status\":2}", "malformed status"},
                 {"{\"status\":\"read\"}", "malformed messageId"},
                 {"{\"messageId\":\"\",\"status\":\"read\"}", "malformed messageId"},
                 {"{\"messageId\":1,\"status\":\"read\"}", "malformed messageId"},
                 {"{\"messageId\":\"m\",\"userId\":1,\"status\":\"read\"}", "malformed userId"}};
    struct fixture *fixture = *state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct chat_receipt out;
        assert_string_equal(
            describe(fixture, chat_decode_receipt(scanned(cases[i].json), &fixture->arena, &out)),
            cases[i].fault);
    }
}

static void test_control_has_an_action(void **state)
{
    static const struct {
        const char *json, *fault;
    } cases[] = {{"{\"channelId\":\"r\",\"action\":\"stop\"}", ""},
                 {"{\"roomId\":\"r\",\"action\":\"stop\",\"senderId\":\"u\"}", ""},
                 {"{\"roomId\":\"r\"}", "malformed action"},
                 {"{\"roomId\":\"r\",\"action\":\"\"}", "malformed action"},
                 {"{\"roomId\":\"r\",\"action\":0}", "malformed action"},
                 {"{\"action\":\"stop\"}", "malformed roomId"},
                 {"{\"roomId\":\"r\",\"userId\":[],\"action\":\"stop\"}", "malformed userId"}};
    struct fixture *fixture = *state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct chat_control out;
        assert_string_equal(
            describe(fixture, chat_decode_control(scanned(cases[i].json), &fixture->arena, &out)),
            cases[i].fault);
    }
    struct chat_control out;
    char *beyond = with_long("{\"roomId\":\"r\",", "action", 257);
    assert_string_equal(
        describe(fixture, chat_decode_control(scanned(beyond), &fixture->arena, &out)),
        "malformed action");
    free(beyond);
}

static void test_the_client_s_message_id_is_found_in_a_faulty_payload(void **state)
{
    struct fixture *fixture = *state;
    assert_slice(chat_client_message_id(scanned("{\"messageId\":\"m\",\"x\":1}"), &fixture->arena),
                 "m");
    assert_slice(chat_client_message_id(scanned("{\"messageId\":5}"), &fixture->arena), "");
    assert_slice(chat_client_message_id(scanned("{}"), &fixture->arena), "");
    assert_slice(chat_client_message_id(scanned("[]"), &fixture->arena), "");
    assert_slice(chat_client_message_id(SLICE_EMPTY, &fixture->arena), "");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_the_six_types_are_known_as_number_and_as_text),
        TEST(test_a_faulty_envelope_names_its_field),
        TEST(test_a_join_takes_every_alias),
        TEST(test_the_document_s_name_wins_over_older_ones_and_null_is_absent),
        TEST(test_a_faulty_join_names_its_field),
        TEST(test_ids_have_at_most_256_bytes_and_names_too),
        TEST(test_since_is_a_seq_below_10_to_the_12_and_milliseconds_from_there),
        TEST(test_since_as_text_is_a_message_id_unless_it_is_an_iso_time),
        TEST(test_an_epoch_of_null_is_none),
        TEST(test_typing_and_thinking_have_one_flag),
        TEST(test_a_receipt_says_delivered_or_read),
        TEST(test_control_has_an_action),
        TEST(test_the_client_s_message_id_is_found_in_a_faulty_payload),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
