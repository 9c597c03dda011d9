#include "tests/unit/chat_fixture.h"

/* Viewers that are behind: what waits for them is bounded, and nothing is lost. */

enum { LARGE = 20000 /* bytes of the piece that a client does not take */ };

static void viewer(struct chat_fixture *fixture, const char *entity, struct fake_websocket **out)
{
    *out = client_new(fixture, entity);
    be_in(fixture, *out, "r", 10, "ann,bob");
    buffer_clear(&(*out)->sent);
}

/* Pieces of one attempt, one behind the other. */
struct writer {
    uint64_t attempt, index, offset;
};

static void write_piece(struct chat_fixture *fixture, struct writer *writer, const char *words)
{
    struct bus_message message = {.type = BUS_CHUNK,
                                  .chunk = {.room = text("r"),
                                            .reply = text(REPLY),
                                            .question = text(QUESTION),
                                            .agent = text("eliza"),
                                            .index = writer->index++,
                                            .attempt = writer->attempt,
                                            .offset = writer->offset,
                                            .is_reset = writer->attempt > 1 && writer->offset == 0,
                                            .text = text(words)}};
    writer->offset += message.chunk.text.length;
    router_says(fixture, &message);
}

static void reply(struct chat_fixture *fixture)
{
    struct bus_message message = room_message("r", 11, "eliza");
    message.room_message.id = text(REPLY);
    message.room_message.in_reply_to = text(QUESTION);
    router_says(fixture, &message);
}

static void choke(struct chat_fixture *fixture, struct fake_websocket *client,
                  struct writer *writer)
{
    char large[LARGE + 1];
    memset(large, 'x', LARGE);
    large[LARGE] = '\0';
    client->room = 0;
    write_piece(fixture, writer, large);
}

static void take(struct chat_fixture *fixture, struct fake_websocket *client)
{
    client->room = SIZE_MAX;
    session_websocket_writable(fixture->sessions.table, &client->websocket, fixture->sessions.now);
    settle(fixture);
}

/* The text that the chunks of a client add up to; its other packets are ignored. */
static const char *text_of(struct fake_websocket *client, struct buffer *out)
{
    buffer_clear(out);
    buffer_append_char(&client->sent, '\0');
    const char *at = client->sent.data;
    while ((at = strstr(at, "\"chunk\":\"")) != NULL) {
        at += strlen("\"chunk\":\"");
        const char *end = strchr(at, '"');
        const char *closing = strchr(at, '}');
        const char *reset = strstr(at, "\"reset\":true");
        if (reset != NULL && reset < closing) {
            buffer_clear(out);
        }
        buffer_append(out, at, (size_t)(end - at));
    }
    client->sent.length--;
    buffer_append_char(out, '\0');
    return out->data;
}

static size_t count_of(const struct fake_websocket *client, const char *word)
{
    size_t count = 0;
    for (size_t i = 0; i + strlen(word) <= client->sent.length; i++) {
        count += memcmp(client->sent.data + i, word, strlen(word)) == 0;
    }
    return count;
}

static void who_is_behind_gets_what_it_missed_in_one_piece(void **state)
{
    struct chat_fixture *fixture = *state;
    struct fake_websocket *ann, *bob;
    struct writer writer = {.attempt = 1};
    struct buffer fast = BUFFER_EMPTY, slow = BUFFER_EMPTY;
    viewer(fixture, "ann", &ann);
    viewer(fixture, "bob", &bob);
    choke(fixture, bob, &writer);
    for (size_t i = 0; i < 100; i++) {
        write_piece(fixture, &writer, "why? ");
        wait_for(fixture, 50);
    }
    assert_int_equal(count_of(ann, "messageStreamChunk"), 101);
    assert_int_equal(chat_counters(fixture->chat)->chunks_held, 100);
    take(fixture, bob);
    assert_int_equal(count_of(bob, "messageStreamChunk"), 1); /* what waited for it */
    wait_for(fixture, 50);
    assert_int_equal(count_of(bob, "messageStreamChunk"), 2);
    assert_int_equal(count_of(bob, "\"index\":100,"), 1); /* of the last one it stands for */
    assert_string_equal(text_of(ann, &fast), text_of(bob, &slow));
    write_piece(fixture, &writer, "So."); /* it has caught up */
    assert_int_equal(count_of(bob, "messageStreamChunk"), 3);
    assert_string_equal(text_of(ann, &fast), text_of(bob, &slow));
    buffer_deinit(&fast);
    buffer_deinit(&slow);
}

static void the_rest_comes_before_the_end(void **state)
{
    struct chat_fixture *fixture = *state;
    struct fake_websocket *ann, *bob;
    struct writer writer = {.attempt = 1};
    struct buffer fast = BUFFER_EMPTY, slow = BUFFER_EMPTY;
    viewer(fixture, "ann", &ann);
    viewer(fixture, "bob", &bob);
    choke(fixture, bob, &writer);
    for (size_t i = 0; i < 10; i++) {
        write_piece(fixture, &writer, "why? ");
    }
    reply(fixture);
    take(fixture, bob);
    assert_string_equal(text_of(ann, &fast), text_of(bob, &slow));
    assert_events(bob, "messageStreamChunk messageStreamChunk messageBroadcast thinking "
                       "messageComplete controlMessage");
    buffer_deinit(&fast);
    buffer_deinit(&slow);
}

static void another_attempt_replaces_what_it_has(void **state)
{
    struct chat_fixture *fixture = *state;
    struct fake_websocket *ann, *bob;
    struct writer writer = {.attempt = 1};
    struct buffer fast = BUFFER_EMPTY, slow = BUFFER_EMPTY;
    viewer(fixture, "ann", &ann);
    viewer(fixture, "bob", &bob);
    choke(fixture, bob, &writer);
    write_piece(fixture, &writer, "lost");
    writer = (struct writer){.attempt = 2};
    write_piece(fixture, &writer, "again");
    write_piece(fixture, &writer, " and more");
    take(fixture, bob);
    wait_for(fixture, 50);
    assert_string_equal(text_of(bob, &slow), "again and more");
    assert_string_equal(text_of(ann, &fast), "again and more");
    assert_int_equal(count_of(bob, "\"attempt\":2,\"reset\":true"), 1);
    buffer_deinit(&fast);
    buffer_deinit(&slow);
}

static void a_socket_that_goes_leaves_nothing_behind(void **state)
{
    struct chat_fixture *fixture = *state;
    struct fake_websocket *ann, *bob;
    struct writer writer = {.attempt = 1};
    struct buffer text = BUFFER_EMPTY;
    viewer(fixture, "ann", &ann);
    viewer(fixture, "bob", &bob);
    choke(fixture, bob, &writer);
    write_piece(fixture, &writer, "why? ");
    client_lost(fixture, bob);
    wait_for(fixture, 100);
    write_piece(fixture, &writer, "So.");
    reply(fixture);
    assert_non_null(strstr(text_of(ann, &text), "xwhy? So."));
    buffer_deinit(&text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        CHAT_TEST(who_is_behind_gets_what_it_missed_in_one_piece),
        CHAT_TEST(the_rest_comes_before_the_end),
        CHAT_TEST(another_attempt_replaces_what_it_has),
        CHAT_TEST(a_socket_that_goes_leaves_nothing_behind),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
