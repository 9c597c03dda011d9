/*
 * Fuzzes REST: a request as "METHOD /path?query" on a line, its body behind it. Whatever is asked
 * is answered once, and what is answered as JSON is JSON. The body of a GET is a message that was
 * sent before: history has it.
 */
#include "proto/wire/chat_event.h"
#include "tests/fuzz/fuzz_router.h"
#include "tests/unit/rest_fixture.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct slice take_line(struct slice *rest)
{
    const char *end = memchr(rest->data, '\n', rest->length);
    struct slice line =
        slice_of(rest->data, end == NULL ? rest->length : (size_t)(end - rest->data));
    size_t used = line.length + (end != NULL);

    *rest = slice_of(rest->data + used, rest->length - used);
    return line;
}

static enum http_method take_method(struct slice *line)
{
    static const char *const names[HTTP_OTHER_METHOD] = {
        [HTTP_GET_METHOD] = "GET ",         [HTTP_HEAD_METHOD] = "HEAD ",
        [HTTP_POST_METHOD] = "POST ",       [HTTP_PUT_METHOD] = "PUT ",
        [HTTP_PATCH_METHOD] = "PATCH ",     [HTTP_DELETE_METHOD] = "DELETE ",
        [HTTP_OPTIONS_METHOD] = "OPTIONS ",
    };

    for (int method = 0; method < HTTP_OTHER_METHOD; method++) {
        size_t length = strlen(names[method]);

        if (line->length >= length && memcmp(line->data, names[method], length) == 0) {
            *line = slice_of(line->data + length, line->length - length);
            return (enum http_method)method;
        }
    }
    return HTTP_OTHER_METHOD;
}

static struct http_request request_of(struct slice input, const struct http_header *json)
{
    struct http_request request = {
        .headers = json, .header_count = 1, .remote_address = "192.0.2.1"};
    struct slice line = take_line(&input);

    request.method = take_method(&line);
    request.path = line;
    const char *mark = memchr(line.data, '?', line.length);
    if (mark != NULL) {
        request.path = slice_of(line.data, (size_t)(mark - line.data));
        request.query = slice_of(mark + 1, line.length - request.path.length - 1);
    }
    request.body = input;
    return request;
}

/* What the store would hold of that message. */
static void remember(struct fuzz_router *router, struct slice body)
{
    struct chat_send send;
    struct slice value;
    struct arena arena;

    arena_init(&arena);
    buffer_clear(&router->body);
    if (json_scan(body, JSON_MAX_DEPTH, &value) == 0 && json_type(value) == JSON_OBJECT &&
        chat_decode_send(value, SLICE_LITERAL("r"), &arena, "fuzz", &send).error == 0) {
        chat_write_body(&send, send.sender, &router->body);
    }
    arena_deinit(&arena);
}

static void check_answer(struct http_exchange *exchange)
{
    struct slice value;

    fuzz_expect(exchange->status >= 200 && exchange->status < 600);
    if (has(&exchange->headers, "application/json")) {
        fuzz_expect(json_scan(buffer_slice(&exchange->body), JSON_MAX_DEPTH + 4, &value) == 0);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct rest_fixture *fixture;
    static struct fuzz_router router;
    const struct http_header json = {SLICE_LITERAL("content-type"),
                                     SLICE_LITERAL("application/json")};
    char *bytes = malloc(size + 1); /* not shared with the fuzzer, so that ASan sees its end */

    if (fixture == NULL) {
        void *state;
        rest_setup(&state);
        fixture = state;
        router.chat = fixture->chat;
    }
    memcpy(bytes, data, size);
    struct http_request request = request_of(slice_of(bytes, size), &json);
    struct http_exchange exchange = {.status = 0};

    remember(&router, request.body);
    rest_handle(fixture->rest, &exchange, &request, NULL, fixture->chat->sessions.now);
    free(bytes);
    fuzz_router_run(&router);
    if (exchange.is_stream && !exchange.is_over) {
        say_reply(fixture);
    }
    if (!exchange.is_over) {
        say_end(fixture, BUS_RUN_FAILED);
    }
    if (!exchange.is_over) {
        rest_wait_for(fixture, STREAM_TIMEOUT + 50);
    }
    fuzz_expect(exchange.is_over);
    check_answer(&exchange);
    wait_for(fixture->chat, 50);
    fuzz_router_run(&router);
    buffer_deinit(&exchange.headers);
    buffer_deinit(&exchange.body);
    return 0;
}
