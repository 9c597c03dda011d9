/*
 * What the tests of REST stand on: the chat fixture, and an HTTP layer that writes down what was
 * answered. The functions below stand in for edge/http/exchange.c: one test program, one of either.
 */
#ifndef TESTS_UNIT_REST_FIXTURE_H
#define TESTS_UNIT_REST_FIXTURE_H

#include "edge/http/http.h"
#include "edge/rest/rest.h"
#include "tests/unit/chat_fixture.h"

struct http_exchange {
    int status; /* 0: not answered */
    struct buffer headers;
    struct buffer body;
    bool is_stream;
    bool is_over;
    bool is_behind; /* it takes what waits, but slowly */
    bool is_cut;    /* a client that takes nothing: its stream ends with the next write */
    void (*closed)(struct http_exchange *exchange, void *context);
    void *context;
};

void http_exchange_on_closed(struct http_exchange *exchange,
                             void (*closed)(struct http_exchange *exchange, void *context),
                             void *context)
{
    assert_false(exchange->is_over);
    exchange->closed = closed;
    exchange->context = context;
}

void http_add_header(struct http_exchange *exchange, const char *name, struct slice value)
{
    assert_int_equal(exchange->status, 0);
    buffer_append_format(&exchange->headers, "%s: ", name);
    buffer_append_slice(&exchange->headers, value);
    buffer_append_char(&exchange->headers, '\n');
}

static inline void begin_answer(struct http_exchange *exchange, int status,
                                const char *content_type)
{
    assert_int_equal(exchange->status, 0); /* once */
    assert_false(exchange->is_over);
    if (content_type != NULL) {
        http_add_header(exchange, "Content-Type", slice_of_string(content_type));
    }
    exchange->status = status;
}

void http_respond(struct http_exchange *exchange, int status, const char *content_type,
                  struct slice body)
{
    begin_answer(exchange, status, content_type);
    buffer_append_slice(&exchange->body, body);
    exchange->is_over = true;
}

void http_respond_file(struct http_exchange *exchange, int status, const char *content_type,
                       int descriptor, int64_t offset, uint64_t length)
{
    (void)descriptor;
    (void)offset;
    (void)length;
    begin_answer(exchange, status, content_type);
    exchange->is_over = true;
}

/* Bodies come with their requests here. */
void http_body_take(struct http_exchange *exchange, const struct http_body_taker *taker,
                    int64_t deadline)
{
    (void)exchange;
    (void)taker;
    (void)deadline;
}

void http_body_pause(struct http_exchange *exchange)
{
    (void)exchange;
}

void http_body_resume(struct http_exchange *exchange)
{
    (void)exchange;
}

void http_stream_start(struct http_exchange *exchange, int status, const char *content_type)
{
    begin_answer(exchange, status, content_type);
    exchange->is_stream = true;
}

int http_stream_write(struct http_exchange *exchange, struct slice bytes)
{
    assert_true(exchange->is_stream && !exchange->is_over);
    if (exchange->is_cut) {
        exchange->is_over = true;
        exchange->closed(exchange, exchange->context);
        return ERROR_OVERLOADED;
    }
    buffer_append_slice(&exchange->body, bytes);
    return 0;
}

bool http_stream_is_behind(struct http_exchange *exchange, size_t most)
{
    (void)most;
    return exchange->is_behind;
}

void http_stream_end(struct http_exchange *exchange)
{
    assert_true(exchange->is_stream && !exchange->is_over);
    exchange->is_over = true;
}

/* --- the fixture ------------------------------------------------------------------------------ */

enum { SYNC_TIMEOUT = 25000, STREAM_TIMEOUT = 60000, STREAM_COMMENT = 15000, EXCHANGES_MAX = 8 };

struct rest_fixture {
    struct chat_fixture *chat; /* owns */
    struct rest *rest;
    const struct identity *identity; /* of the requests to come; NULL */
    struct http_exchange exchanges[EXCHANGES_MAX];
    size_t exchange_count;
};

static inline int rest_setup(void **state)
{
    static const struct cors cors = {.methods = "GET,POST", .headers = NULL};
    struct rest_fixture *fixture = calloc(1, sizeof(*fixture));
    struct rest_settings settings = {.sync_timeout = SYNC_TIMEOUT,
                                     .stream_timeout = STREAM_TIMEOUT,
                                     .stream_comment = STREAM_COMMENT,
                                     .runs_max = 2,
                                     .session = {.timeout = 1800000,
                                                 .timeout_min = 300000,
                                                 .timeout_max = 86400000,
                                                 .duration = 43200000,
                                                 .warning = 300000,
                                                 .kept = 3600000},
                                     .cors = &cors};
    void *chat;
    chat_setup(&chat);
    fixture->chat = chat;
    fixture->rest = rest_new(&settings, fixture->chat->chat, fixture->chat->uplink,
                             &fixture->chat->sessions.ids, fixture->chat->sessions.now);
    *state = fixture;
    return 0;
}

/* The client leaves. */
static inline void hang_up(struct http_exchange *exchange)
{
    bool has_closed = !exchange->is_over && exchange->closed != NULL;
    exchange->is_over = true;
    if (has_closed) {
        exchange->closed(exchange, exchange->context);
    }
}

static inline int rest_teardown(void **state)
{
    struct rest_fixture *fixture = *state;
    void *chat = fixture->chat;
    for (size_t i = 0; i < fixture->exchange_count; i++) {
        hang_up(&fixture->exchanges[i]);
    }
    assert_int_equal(rest_counters(fixture->rest)->waiting, 0);
    rest_destroy(&fixture->rest);
    chat_teardown(&chat);
    for (size_t i = 0; i < fixture->exchange_count; i++) {
        buffer_deinit(&fixture->exchanges[i].headers);
        buffer_deinit(&fixture->exchanges[i].body);
    }
    free(fixture);
    return 0;
}

#define REST_TEST(name) cmocka_unit_test_setup_teardown(name, rest_setup, rest_teardown)

static inline void rest_wait_for(struct rest_fixture *fixture, int64_t ms)
{
    for (int64_t end = fixture->chat->sessions.now + ms; fixture->chat->sessions.now < end;) {
        wait_for(fixture->chat, 50);
        rest_tick(fixture->rest, fixture->chat->sessions.now);
        settle(fixture->chat);
    }
}

/* A request as "GET /path?query" with a JSON body, or with type "-" one of no type. */
static inline struct http_exchange *request_as(struct rest_fixture *fixture, const char *line,
                                               const char *type, const char *body)
{
    static const struct {
        const char *name;
        enum http_method method;
    } methods[] = {{"GET ", HTTP_GET_METHOD},         {"POST ", HTTP_POST_METHOD},
                   {"PUT ", HTTP_PUT_METHOD},         {"DELETE ", HTTP_DELETE_METHOD},
                   {"OPTIONS ", HTTP_OPTIONS_METHOD}, {"HEAD ", HTTP_HEAD_METHOD}};
    struct http_header header = {SLICE_LITERAL("content-type"), text(type)};
    struct http_request request = {.body = text(body), .remote_address = "192.0.2.1"};
    for (size_t i = 0; i < sizeof(methods) / sizeof(methods[0]); i++) {
        if (strncmp(line, methods[i].name, strlen(methods[i].name)) == 0) {
            request.method = methods[i].method;
            line += strlen(methods[i].name);
            break;
        }
    }
    size_t path = strcspn(line, "?");
    request.path = slice_of(line, path);
    request.query = text(line[path] == '?' ? line + path + 1 : "");
    if (strcmp(type, "-") != 0) {
        request.headers = &header;
        request.header_count = 1;
    }
    assert_true(fixture->exchange_count < EXCHANGES_MAX);
    struct http_exchange *exchange = &fixture->exchanges[fixture->exchange_count++];
    rest_handle(fixture->rest, exchange, &request, fixture->identity, fixture->chat->sessions.now);
    settle(fixture->chat);
    return exchange;
}

static inline struct http_exchange *request(struct rest_fixture *fixture, const char *line,
                                            const char *body)
{
    return request_as(fixture, line, body[0] == '\0' ? "-" : "application/json", body);
}

static inline void assert_answered(struct http_exchange *exchange, int status, const char *body)
{
    assert_int_equal(exchange->status, status);
    assert_true(exchange->is_over);
    assert_lines(&exchange->body, body);
}

static inline bool has(struct buffer *buffer, const char *needle)
{
    buffer_append_char(buffer, '\0');
    bool is_there = strstr(buffer->data, needle) != NULL;
    buffer->length--;
    return is_there;
}

/* --- one message, its answer ------------------------------------------------------------------ */

#define MESSAGES "/api/messaging/channels/r/messages"
#define BODY(more) "{\"text\":\"hello\",\"entityId\":\"ann\"" more "}"
#define USER_MESSAGE                                                                               \
    "{\"id\":\"" QUESTION "\",\"channel_id\":\"r\",\"message_server_id\":\"" NIL_UUID              \
    "\",\"author_id\":\"ann\",\"content\":\"hello\",\"text\":\"hello\",\"created_at\":5,"          \
    "\"source_type\":\"eliza_gui\",\"author_display_name\":\"User\",\"seq\":1,\"epoch\":7}"
#define RESPONSE                                                                                   \
    "{\"text\":\"why?\",\"thought\":\"hm\",\"actions\":[\"REPLY\"],\"providers\":[],"              \
    "\"simple\":true,\"responseId\":\"" REPLY "\",\"inReplyTo\":\"" QUESTION                       \
    "\",\"senderId\":\"eliza\",\"senderName\":\"Eliza\"}"

static inline void accept_send(struct rest_fixture *fixture, uint64_t number, uint64_t jobs)
{
    struct bus_message done = send_done(number, 1, jobs);
    router_says(fixture->chat, &done);
}

static inline void say_chunk(struct rest_fixture *fixture, uint64_t index, const char *words)
{
    struct bus_message message = {.type = BUS_CHUNK,
                                  .chunk = {.room = text("r"),
                                            .reply = text(REPLY),
                                            .question = text(QUESTION),
                                            .index = index,
                                            .offset = index * strlen(words), /* equal pieces */
                                            .attempt = 1,
                                            .text = text(words)}};
    router_says(fixture->chat, &message);
}

static inline void say_reply(struct rest_fixture *fixture)
{
    struct bus_message message = room_message("r", 2, "eliza");
    message.room_message.id = text(REPLY);
    message.room_message.in_reply_to = text(QUESTION);
    message.room_message.body = text("\"senderId\":\"eliza\",\"senderName\":\"Eliza\",\"text\":"
                                     "\"why?\",\"thought\":\"hm\",\"actions\":[\"REPLY\"]");
    router_says(fixture->chat, &message);
}

static inline void say_end(struct rest_fixture *fixture, enum bus_run_state state)
{
    struct bus_message message = {
        .type = BUS_RUN,
        .run = {.room = text("r"),
                .state = state,
                .question = text(QUESTION),
                .reply = text(REPLY),
                .reason = text(state == BUS_RUN_FAILED ? "agent_failed" : ""),
                .partial = text(state == BUS_RUN_FAILED ? "wh" : "")}};
    router_says(fixture->chat, &message);
}

static inline struct bus_message history_of(uint64_t number, const char *in_reply_to,
                                            struct bus_list_builder *list)
{
    struct bus_stored_message stored = {.id = text(REPLY),
                                        .seq = 2,
                                        .created_at = 6,
                                        .sender = text("eliza"),
                                        .in_reply_to = text(in_reply_to),
                                        .body = text("\"senderId\":\"eliza\",\"senderName\":"
                                                     "\"Eliza\",\"text\":\"why?\",\"thought\":"
                                                     "\"hm\",\"actions\":[\"REPLY\"]")};
    bus_list_add(list, BUS_ELEMENT_STORED, &stored);
    return (struct bus_message){
        .type = BUS_HISTORY_PAGE,
        .history_page = {.request = number, .epoch = EPOCH, .messages = bus_list_of(list)}};
}

#endif
