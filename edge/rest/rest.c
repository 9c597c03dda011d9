#include "edge/rest/internal.h"

#include "proto/base/utf8.h"

struct route {
    enum http_method method;
    const char *pattern; /* below /api/messaging; :channel is one non-empty segment */
    void (*handle)(const struct rest_call *call);
};

/* A new route is one line here. */
static const struct route routes[] = {
    {HTTP_POST_METHOD, "channels", rest_post_channel},
    {HTTP_POST_METHOD, "channels/:channel/messages", rest_post_message},
    {HTTP_GET_METHOD, "channels/:channel/messages", rest_get_messages},
    {HTTP_GET_METHOD, "channels/:channel/presence", rest_get_presence},
};

struct rest *rest_new(const struct rest_settings *settings, struct chat *chat,
                      struct uplink *uplink, struct id_source *ids)
{
    struct rest *rest = memory_allocate_zeroed(sizeof(*rest));
    rest->settings = *settings;
    rest->chat = chat;
    rest->uplink = uplink;
    rest->ids = ids;
    arena_init(&rest->arena);
    return rest;
}

void rest_destroy(struct rest **self)
{
    struct rest *rest = *self;
    *self = NULL;
    if (rest == NULL) {
        return;
    }
    rest_runs_destroy(rest);
    arena_deinit(&rest->arena);
    buffer_deinit(&rest->scratch);
    free(rest);
}

void rest_answer(struct rest *rest, struct http_exchange *exchange, int status, struct slice json)
{
    (void)rest;
    http_respond(exchange, status, "application/json; charset=utf-8", json);
}

void rest_refuse(struct rest *rest, struct http_exchange *exchange, int error, const char *message)
{
    struct buffer out = BUFFER_EMPTY;
    rest->counters.refused++;
    buffer_append_string(&out, "{\"success\":false,\"error\":{");
    json_write_string_member(&out, "code", slice_of_string(error_code(error)));
    json_write_string_member(&out, "message",
                             slice_of_string(message == NULL ? error_text(error) : message));
    buffer_append_string(&out, "}}");
    if (error_is_retryable(error)) {
        http_add_header(exchange, "Retry-After", SLICE_LITERAL("1"));
    }
    rest_answer(rest, exchange, error_http_status(error), buffer_slice(&out));
    buffer_deinit(&out);
}

bool rest_take_count(const struct rest_call *call, const char *name, int64_t fallback, int64_t most,
                     uint64_t *count)
{
    struct slice text, value;
    int64_t number = fallback;
    if (http_query_get(call->request->query, name, &call->rest->arena, &text) && text.length > 0 &&
        (json_scan(text, 0, &value) != 0 || !json_to_integer(value, &number) || number < 0)) {
        return false;
    }
    *count = (uint64_t)(number > most ? most : number);
    return true;
}

/* --- waiting ---------------------------------------------------------------------------------- */

static void on_client_gone(struct http_exchange *exchange, void *context)
{
    struct rest_wait *wait = context;
    (void)exchange;
    wait->exchange = NULL; /* the request goes on; its end finds nobody */
}

struct rest_wait *rest_wait_new(const struct rest_call *call, enum rest_mode mode)
{
    struct rest_wait *wait = memory_allocate_zeroed(sizeof(*wait));
    wait->rest = call->rest;
    wait->exchange = call->exchange;
    wait->mode = mode;
    http_exchange_on_closed(call->exchange, on_client_gone, wait);
    return wait;
}

void rest_wait_destroy(struct rest_wait *wait)
{
    free(wait);
}

/* --- tokens ----------------------------------------------------------------------------------- */

enum { PEOPLE_NAMES = 8, ROOM_NAMES = 4 };

bool rest_keeps_to_identity(const struct rest_call *call, struct slice object)
{
    struct slice people[PEOPLE_NAMES], rooms[ROOM_NAMES];
    const struct json_field fields[] = {
        {"senderId", &people[0]},  {"sender_id", &people[1]}, {"entityId", &people[2]},
        {"entity_id", &people[3]}, {"authorId", &people[4]},  {"author_id", &people[5]},
        {"userId", &people[6]},    {"user_id", &people[7]},   {"channelId", &rooms[0]},
        {"channel_id", &rooms[1]}, {"roomId", &rooms[2]},     {"room_id", &rooms[3]},
    };
    int error = 0;
    if (call->identity == NULL) {
        return true;
    }
    memset(people, 0, sizeof(people));
    memset(rooms, 0, sizeof(rooms));
    json_collect(object, fields, sizeof(fields) / sizeof(fields[0]));
    for (size_t i = 0; i < PEOPLE_NAMES; i++) {
        struct slice who = json_decode_string(people[i], &call->rest->arena);
        error = identity_may_be(call->identity, who) ? error : ERROR_IDENTITY;
    }
    for (size_t i = 0; i < ROOM_NAMES; i++) {
        struct slice room = json_decode_string(rooms[i], &call->rest->arena);
        bool is_open = room.length == 0 || identity_may_enter(call->identity, room);
        error = is_open ? error : ERROR_ACCESS;
    }
    if (error != 0) {
        rest_refuse(call->rest, call->exchange, error, NULL);
    }
    return error == 0;
}

/* The same for what is not in the body: the path, and the header of ElizaOS's page. */
static bool keeps_path_to_identity(const struct rest_call *call)
{
    struct slice who = http_request_header(call->request, "X-Entity-Id");
    int error = 0;
    if (call->channel.length > 0 && !identity_may_enter(call->identity, call->channel)) {
        error = ERROR_ACCESS;
    } else if (!identity_may_be(call->identity, who)) {
        error = ERROR_IDENTITY;
    }
    if (error != 0) {
        rest_refuse(call->rest, call->exchange, error, NULL);
    }
    return error == 0;
}

/* --- routing ---------------------------------------------------------------------------------- */

/* Does the pattern fit these segments? */
static bool route_fits(const char *pattern, const struct slice *segments, int count,
                       struct slice *channel)
{
    *channel = SLICE_EMPTY;
    for (int i = 0; i < count; i++) {
        size_t length = strcspn(pattern, "/");
        if (length == 0) {
            return false;
        }
        if (pattern[0] == ':') {
            *channel = segments[i];
        } else if (!slice_equals(slice_of(pattern, length), segments[i])) {
            return false;
        }
        pattern += length;
        pattern += *pattern == '/';
    }
    return *pattern == '\0';
}

static void answer_preflight(struct http_exchange *exchange)
{
    http_add_header(exchange, "Access-Control-Allow-Methods",
                    SLICE_LITERAL("GET,POST,PUT,DELETE,PATCH,OPTIONS"));
    http_add_header(exchange, "Access-Control-Allow-Headers",
                    SLICE_LITERAL("Content-Type,Authorization,X-API-KEY,X-Entity-Id"));
    http_add_header(exchange, "Access-Control-Max-Age", SLICE_LITERAL("600"));
    http_respond(exchange, 204, NULL, SLICE_EMPTY);
}

static bool has_json_type(const struct http_request *request)
{
    static const char json[] = "application/json";
    struct slice type = http_request_header(request, "content-type");
    if (type.length < sizeof(json) - 1 || strncasecmp(type.data, json, sizeof(json) - 1) != 0) {
        return false;
    }
    char after = type.length == sizeof(json) - 1 ? ';' : type.data[sizeof(json) - 1];
    return after == ';' || after == ' ';
}

/* Reads the body of a POST as one JSON object; false: refused already. */
static bool take_body(struct rest_call *call)
{
    if (!has_json_type(call->request)) {
        rest_refuse(call->rest, call->exchange, ERROR_CONTENT_TYPE, NULL);
        return false;
    }
    int error = json_scan(call->request->body, JSON_MAX_DEPTH, &call->body);
    if (error == 0 && json_type(call->body) != JSON_OBJECT) {
        error = ERROR_MALFORMED;
    }
    if (error != 0) {
        rest_refuse(call->rest, call->exchange, error,
                    error == ERROR_MALFORMED ? "The body is not a JSON object" : NULL);
    }
    return error == 0;
}

static void refuse_path(struct rest *rest, struct http_exchange *exchange, const char *allow)
{
    if (allow[0] != '\0') {
        http_add_header(exchange, "Allow", slice_of_string(allow));
        rest_refuse(rest, exchange, ERROR_METHOD, NULL);
        return;
    }
    rest->counters.refused++;
    rest_answer(rest, exchange, 404,
                SLICE_LITERAL("{\"success\":false,\"error\":{\"message\":\"API endpoint not "
                              "found\",\"code\":404}}"));
}

/* Ids are text: what JSON could not carry is none. */
static bool is_usable_id(struct slice id)
{
    const unsigned char *at = (const unsigned char *)id.data;
    const unsigned char *end = at + id.length;
    size_t length = 1;
    while (at < end && *at != '\0' && length > 0) {
        length = utf8_length(at, end);
        at += length;
    }
    return id.length > 0 && id.length <= USER_ID_MAX && at == end;
}

static void dispatch(struct rest_call *call, const struct slice *segments, int count)
{
    enum http_method method =
        call->request->method == HTTP_HEAD_METHOD ? HTTP_GET_METHOD : call->request->method;
    char allow[32] = "";
    for (size_t i = 0; i < sizeof(routes) / sizeof(routes[0]); i++) {
        const struct route *route = &routes[i];
        if (!route_fits(route->pattern, segments, count, &call->channel)) {
            continue;
        }
        if (route->method != method) {
            snprintf(allow + strlen(allow), sizeof(allow) - strlen(allow), "%s%s",
                     allow[0] == '\0' ? "" : ", ",
                     route->method == HTTP_GET_METHOD ? "GET" : "POST");
            continue;
        }
        if (count > 1 && !is_usable_id(call->channel)) {
            rest_refuse(call->rest, call->exchange, ERROR_MALFORMED, "Invalid channelId");
            return;
        }
        if (!keeps_path_to_identity(call)) {
            return;
        }
        if (method == HTTP_POST_METHOD &&
            (!take_body(call) || !rest_keeps_to_identity(call, call->body))) {
            return;
        }
        route->handle(call);
        return;
    }
    refuse_path(call->rest, call->exchange, allow);
}

void rest_handle(struct rest *rest, struct http_exchange *exchange,
                 const struct http_request *request, const struct identity *identity, int64_t now)
{
    struct slice segments[HTTP_PATH_SEGMENTS_MAX];
    struct rest_call call = {
        .rest = rest, .exchange = exchange, .request = request, .identity = identity, .now = now};
    rest->counters.requests++;
    cors_add_headers(rest->settings.cors, exchange, request);
    if (request->method == HTTP_OPTIONS_METHOD) {
        answer_preflight(exchange);
        return;
    }
    int count = http_path_split(request->path, &rest->arena, segments);
    if (count >= 3 && slice_is(segments[0], "api") && slice_is(segments[1], "messaging")) {
        if (slice_is(segments[2], "central-channels")) {
            segments[2] = SLICE_LITERAL("channels"); /* ElizaOS before 1.6 */
        }
        dispatch(&call, segments + 2, count - 2);
    } else if (count < 0) {
        rest_refuse(rest, exchange, ERROR_MALFORMED, "The path is malformed");
    } else {
        refuse_path(rest, exchange, "");
    }
    arena_reset(&rest->arena);
}

void rest_too_large(struct rest *rest, struct http_exchange *exchange,
                    const struct http_request *head)
{
    cors_add_headers(rest->settings.cors, exchange, head);
    rest_refuse(rest, exchange, ERROR_TOO_LARGE, NULL);
}

void rest_tick(struct rest *rest, int64_t now)
{
    rest_runs_tick(rest, now);
}

const struct rest_counters *rest_counters(const struct rest *rest)
{
    return &rest->counters;
}
