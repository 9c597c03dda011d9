#include "tests/unit/chat_event_fixture.h"

/* --- send ------------------------------------------------------------------------------------- */

static void test_a_send_takes_every_alias(void **state)
{
    static const char *const rooms[] = {"channelId", "roomId", "channel_id"};
    static const char *const senders[] = {"senderId", "author_id", "entityId", "userId"};
    static const char *const texts[] = {"message", "text", "content"};
    static const char *const servers[] = {"messageServerId", "serverId", "message_server_id",
                                          "server_id"};
    static const char *const ids[] = {"messageId", "message_id"};
    static const char *const sources[] = {"source", "source_type"};
    struct fixture *fixture = *state;
    for (size_t i = 0; i < 36; i++) {
        struct chat_send out;
        char json[256];
        snprintf(json, sizeof(json),
                 "{\"%s\":\"r\",\"%s\":\"e\",\"%s\":\"t\",\"%s\":\"s\",\"%s\":\"m\",\"%s\":\"o\","
                 "\"senderName\":\"N\"}",
                 rooms[i % 3], senders[i % 4], texts[i / 3 % 3], servers[i % 4], ids[i % 2],
                 sources[i / 2 % 2]);
        assert_string_equal(send(fixture, json, &out), "");
        assert_slice(out.room, "r");
        assert_slice(out.sender, "e");
        assert_slice(out.text, "t");
        assert_slice(out.server_id, "s");
        assert_slice(out.message_id, "m");
        assert_slice(out.source, "o");
        assert_slice(out.sender_name, "N");
    }
}

static void test_what_a_send_leaves_out_has_its_default(void **state)
{
    struct chat_send out;
    assert_string_equal(send(*state, "{\"roomId\":\"r\",\"message\":\"hi\"}", &out), "");
    assert_int_equal(out.sender.length, 0);
    assert_int_equal(out.message_id.length, 0);
    assert_slice(out.sender_name, "User");
    assert_slice(out.server_id, NIL_UUID);
    assert_slice(out.source, "socketio_client");
    assert_false(out.is_direct);
    assert_int_equal(out.raw_attachments.length, 0);
    assert_int_equal(out.raw_metadata.length, 0);
}

static void test_what_a_send_replies_to_is_a_uuid_by_any_name(void **state)
{
#define REPLIED "aaaaaaaa-0000-4000-8000-000000000001"
    static const char *const taken[] = {
        "\"inReplyTo\":\"" REPLIED "\"",
        "\"inReplyToMessageId\":\"" REPLIED "\"",
        "\"replyTo\":\"" REPLIED "\",\"metadata\":{\"replyTo\":\"" NIL_UUID "\"}",
        "\"inReplyTo\":null,\"metadata\":{\"inReplyTo\":\"" REPLIED "\"}",
        "\"metadata\":{\"replyToMessageId\":\"" REPLIED "\"}",
    };
    static const char *const ignored[] = {"\"inReplyTo\":5", "\"inReplyTo\":\"x\"",
                                          "\"replyTo\":{\"id\":\"" REPLIED "\"}",
                                          "\"inReplyTo\":[]"};
    struct chat_send out;
    char json[256];
    for (size_t i = 0; i < sizeof(taken) / sizeof(taken[0]); i++) {
        snprintf(json, sizeof(json), "{\"roomId\":\"r\",\"message\":\"hi\",%s}", taken[i]);
        assert_string_equal(send(*state, json, &out), "");
        assert_slice(out.in_reply_to, REPLIED);
    }
    for (size_t i = 0; i < sizeof(ignored) / sizeof(ignored[0]); i++) {
        snprintf(json, sizeof(json), "{\"roomId\":\"r\",\"message\":\"hi\",%s}", ignored[i]);
        assert_string_equal(send(*state, json, &out), "");
        assert_int_equal(out.in_reply_to.length, 0);
    }
#undef REPLIED
}

static void test_a_room_known_from_the_path_is_not_looked_for(void **state)
{
    struct chat_send out;
    assert_string_equal(send_to(*state, "{\"roomId\":5,\"message\":\"hi\"}", "path", &out), "");
    assert_slice(out.room, "path");
}

static void test_a_faulty_send_names_its_field(void **state)
{
    static const struct {
        const char *members, *fault;
    } cases[] = {{"\"roomId\":5", "malformed roomId"},
                 {"\"roomId\":\"\"", "malformed roomId"},
                 {"\"senderId\":5", "malformed senderId"},
                 {"\"senderId\":\"a\\u0000\"", "malformed senderId"},
                 {"\"messageId\":17", "malformed messageId"},
                 {"\"messageId\":{}", "malformed messageId"},
                 {"\"serverId\":false", "malformed messageServerId"},
                 {"\"source\":1", "malformed source"},
                 {"\"senderName\":[]", "malformed senderName"},
                 {"\"attachments\":{}", "malformed attachments"},
                 {"\"attachments\":\"a\"", "malformed attachments"},
                 {"\"metadata\":[]", "malformed metadata"},
                 {"\"metadata\":3", "malformed metadata"},
                 {"\"message\":\"\"", "malformed message"},
                 {"\"message\":null", "malformed message"},
                 {"\"message\":5", "malformed message"},
                 {"\"message\":\"\",\"attachments\":[]", "malformed message"},
                 {"\"message\":\"\",\"attachments\":null", "malformed message"}};
    struct fixture *fixture = *state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct chat_send out;
        char json[256]; /* the last of equal keys wins */
        snprintf(json, sizeof(json), "{\"roomId\":\"r\",\"message\":\"hi\",%s}", cases[i].members);
        assert_string_equal(send(fixture, json, &out), cases[i].fault);
    }
}

static void test_a_send_s_fields_are_bounded_but_its_text_is_not(void **state)
{
    static const struct {
        const char *key, *fault;
        size_t most;
    } cases[] = {
        {"roomId", "malformed roomId", 256},       {"senderId", "malformed senderId", 256},
        {"messageId", "malformed messageId", 256}, {"serverId", "malformed messageServerId", 256},
        {"source", "malformed source", 256},       {"senderName", "malformed senderName", 256}};
    struct fixture *fixture = *state;
    struct chat_send out;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        const char *start = "{\"roomId\":\"r\",\"message\":\"hi\",";
        char *fits = with_long(start, cases[i].key, cases[i].most);
        char *beyond = with_long(start, cases[i].key, cases[i].most + 1);
        assert_string_equal(send(fixture, fits, &out), "");
        assert_string_equal(send(fixture, beyond, &out), cases[i].fault);
        free(fits);
        free(beyond);
    }
    char *long_text = with_long("{\"roomId\":\"r\",", "message", 1000000);
    assert_string_equal(send(fixture, long_text, &out), "");
    assert_int_equal(out.text.length, 1000000);
    free(long_text);
}

static void test_attachments_and_metadata_stay_as_their_sender_wrote_them(void **state)
{
    struct chat_send out;
    assert_string_equal(send(*state,
                             "{\"roomId\":\"r\",\"attachments\":[ {\"n\":1.50} ],"
                             "\"metadata\":{ \"k\" : 12345678901234567890 }}",
                             &out),
                        "");
    assert_slice(out.raw_attachments, "[ {\"n\":1.50} ]");
    assert_slice(out.raw_metadata, "{ \"k\" : 12345678901234567890 }");
    assert_int_equal(out.text.length, 0);
}

static void test_metadata_tells_a_direct_channel(void **state)
{
    static const struct {
        const char *metadata;
        bool is_direct;
    } cases[] = {{"{\"isDm\":true}", true},
                 {"{\"channelType\":\"DM\"}", true},
                 {"{\"channel_type\":\"DM\"}", true},
                 {"{\"isDm\":false}", false},
                 {"{\"isDm\":\"true\"}", false},
                 {"{\"channelType\":\"GROUP\"}", false},
                 {"{}", false},
                 {"null", false}};
    struct fixture *fixture = *state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct chat_send out;
        char json[128];
        snprintf(json, sizeof(json), "{\"roomId\":\"r\",\"message\":\"hi\",\"metadata\":%s}",
                 cases[i].metadata);
        assert_string_equal(send(fixture, json, &out), "");
        assert_int_equal(out.is_direct, cases[i].is_direct);
    }
}

static void test_escapes_are_decoded_and_lone_surrogates_replaced(void **state)
{
    struct chat_send out;
    assert_string_equal(
        send(*state, "{\"roomId\":\"\\u0072\",\"message\":\"\\\"\\n\\ud800 \\u0000\"}", &out), "");
    assert_slice(out.room, "r");
    assert_int_equal(out.text.length, 7);
    assert_memory_equal(out.text.data, "\"\n\xef\xbf\xbd \0", 7);
}

/* --- rendering -------------------------------------------------------------------------------- */

static void assert_written(struct buffer *out, const char *expected)
{
    assert_slice(buffer_slice(out), expected);
    buffer_clear(out);
}

static void test_a_broadcast_is_the_stamp_the_body_and_what_is_extra(void **state)
{
    struct fixture *fixture = *state;
    struct chat_stamp stamp = {SLICE_LITERAL("m\"1"), UINT64_MAX, 4503599627370495, -5};
    struct buffer body = BUFFER_EMPTY, out = BUFFER_EMPTY;
    struct chat_send in;
    assert_string_equal(send(fixture,
                             "{\"roomId\":\"r\",\"message\":\"a\\\"b\",\"senderName\":\"Ann\","
                             "\"serverId\":\"s\",\"source\":\"o\",\"attachments\":[1],"
                             "\"metadata\":{\"k\":1}}",
                             &in),
                        "");
    chat_write_body(&in, SLICE_LITERAL("ann"), &body);
    chat_write_broadcast(&stamp, buffer_slice(&body), SLICE_LITERAL("\"replay\":true"), &out);
    assert_written(&out,
                   "{\"id\":\"m\\\"1\",\"seq\":18446744073709551615,\"epoch\":4503599627370495,"
                   "\"createdAt\":-5,\"senderId\":\"ann\",\"senderName\":\"Ann\","
                   "\"text\":\"a\\\"b\",\"roomId\":\"r\",\"channelId\":\"r\",\"serverId\":\"s\","
                   "\"messageServerId\":\"s\",\"source\":\"o\",\"attachments\":[1],"
                   "\"metadata\":{\"k\":1},\"replay\":true}");
    chat_write_broadcast(&stamp, SLICE_EMPTY, SLICE_EMPTY, &out);
    assert_written(&out, "{\"id\":\"m\\\"1\",\"seq\":18446744073709551615,"
                         "\"epoch\":4503599627370495,\"createdAt\":-5}");
    buffer_deinit(&body);
    buffer_deinit(&out);
}

static void test_a_reply_s_body_has_what_agents_add(void **state)
{
    struct buffer out = BUFFER_EMPTY;
    struct chat_reply reply = {.agent_id = SLICE_LITERAL("eliza"),
                               .agent_name = SLICE_LITERAL("Eliza"),
                               .text = SLICE_LITERAL("why?"),
                               .room = SLICE_LITERAL("r"),
                               .server_id = SLICE_LITERAL("s"),
                               .in_reply_to = SLICE_LITERAL("q"),
                               .raw_actions = SLICE_LITERAL("[\"REPLY\"]")};
    (void)state;
    chat_write_reply_body(&reply, &out);
    assert_written(&out, "\"senderId\":\"eliza\",\"senderName\":\"Eliza\",\"text\":\"why?\","
                         "\"roomId\":\"r\",\"channelId\":\"r\",\"serverId\":\"s\","
                         "\"messageServerId\":\"s\",\"source\":\"agent_response\","
                         "\"actions\":[\"REPLY\"],\"inReplyTo\":\"q\"");
    reply.thought = SLICE_LITERAL("hm");
    reply.raw_metadata = SLICE_LITERAL("{\"rank\":3}");
    chat_write_reply_body(&reply, &out);
    assert_written(&out, "\"senderId\":\"eliza\",\"senderName\":\"Eliza\",\"text\":\"why?\","
                         "\"roomId\":\"r\",\"channelId\":\"r\",\"serverId\":\"s\","
                         "\"messageServerId\":\"s\",\"source\":\"agent_response\","
                         "\"thought\":\"hm\",\"actions\":[\"REPLY\"],\"inReplyTo\":\"q\","
                         "\"metadata\":{\"rank\":3}");
    buffer_deinit(&out);
}

static void test_an_error_names_code_field_and_message_and_never_more(void **state)
{
    struct buffer out = BUFFER_EMPTY;
    (void)state;
    chat_write_error(false, (struct chat_fault){ERROR_MALFORMED, "roomId"}, SLICE_LITERAL("m"), 0,
                     &out);
    assert_written(&out, "{\"error\":\"The payload is malformed\",\"code\":\"malformed\","
                         "\"field\":\"roomId\",\"clientMessageId\":\"m\"}");
    chat_write_error(true, (struct chat_fault){ERROR_OVERLOADED, NULL}, SLICE_EMPTY, 1000, &out);
    assert_written(&out, "{\"success\":false,\"error\":\"The cluster is overloaded, try again\","
                         "\"code\":\"overloaded\",\"retryAfterMs\":1000}");
    buffer_deinit(&out);
}

static void test_an_event_is_a_socketio_packet(void **state)
{
    struct packet *packet =
        chat_event_packet("userTyping", SLICE_LITERAL("{\"a\":1}"), SLICE_EMPTY);
    (void)state;
    assert_slice(packet_payload(packet), "42[\"userTyping\",{\"a\":1}]");
    assert_int_equal(packet->kind, PACKET_TEXT);
    packet_release(&packet);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_a_send_takes_every_alias),
        TEST(test_what_a_send_leaves_out_has_its_default),
        TEST(test_what_a_send_replies_to_is_a_uuid_by_any_name),
        TEST(test_a_room_known_from_the_path_is_not_looked_for),
        TEST(test_a_faulty_send_names_its_field),
        TEST(test_a_send_s_fields_are_bounded_but_its_text_is_not),
        TEST(test_attachments_and_metadata_stay_as_their_sender_wrote_them),
        TEST(test_metadata_tells_a_direct_channel),
        TEST(test_escapes_are_decoded_and_lone_surrogates_replaced),
        TEST(test_a_broadcast_is_the_stamp_the_body_and_what_is_extra),
        TEST(test_a_reply_s_body_has_what_agents_add),
        TEST(test_an_error_names_code_field_and_message_and_never_more),
        TEST(test_an_event_is_a_socketio_packet),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
