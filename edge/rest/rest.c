#include "edge/rest/internal.h"

struct rest *rest_new(const struct rest_settings *settings, struct chat *chat,
                      struct uplink *uplink, struct id_source *ids, int64_t now)
{
    struct rest *rest = memory_allocate_zeroed(sizeof(*rest));
    rest->settings = *settings;
    rest->chat = chat;
    rest->uplink = uplink;
    rest->ids = ids;
    rest->started_at = now;
    snprintf(rest->timeout_fault, sizeof(rest->timeout_fault),
             "Invalid timeout configuration: Timeout must be between %g and %g minutes",
             (double)settings->session.timeout_min / 60000,
             (double)settings->session.timeout_max / 60000);
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
    http_add_header(exchange, "Cache-Control", SLICE_LITERAL("no-store"));
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

void rest_refuse_as(struct rest *rest, struct http_exchange *exchange, int status, const char *code,
                    const char *message)
{
    struct buffer out = BUFFER_EMPTY;
    rest->counters.refused++;
    buffer_append_string(&out, "{\"success\":false,\"error\":{");
    json_write_string_member(&out, "code", slice_of_string(code));
    json_write_string_member(&out, "message", slice_of_string(message));
    buffer_append_string(&out, "}}");
    rest_answer(rest, exchange, status, buffer_slice(&out));
    buffer_deinit(&out);
}

bool rest_is_for_operators(const struct rest_call *call)
{
    if (call->identity != NULL) {
        rest_refuse(call->rest, call->exchange, ERROR_FORBIDDEN,
                    "This needs the cluster's API key");
    }
    return call->identity == NULL;
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

/* --- tokens ----------------------------------------------------------------------------------- */

enum { PEOPLE_NAMES = 8, ROOM_NAMES = 4 };

void rest_name_guest(struct rest_call *call)
{
    static const char *const names[] = {"senderId", "sender_id", "author_id",
                                        "authorId", "entityId",  "entity_id",
                                        "userId",   "user_id",   NULL};
    struct slice named;
    if (call->is_guest &&
        rest_take_text(rest_field(call->body, names), USER_ID_MAX, &call->rest->arena, &named) &&
        named.length > 0) {
        call->viewer = named;
    }
}

struct slice rest_owner(const struct rest_call *call)
{
    return call->identity != NULL || chat_has_closed_rooms(call->rest->chat) ? call->viewer
                                                                             : SLICE_EMPTY;
}

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

bool rest_keeps_path_to_identity(const struct rest_call *call)
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

/* False: refused already. guest: room for the id of one. */
static bool take_viewer(struct rest_call *call, char guest[UUID_TEXT_SIZE])
{
    struct slice named = http_request_header(call->request, "X-Entity-Id");
    const struct auth *auth = call->rest->settings.auth;
    if (named.length > USER_ID_MAX ||
        (named.length > 0 && memchr(named.data, '\0', named.length) != NULL)) {
        rest_refuse(call->rest, call->exchange, ERROR_MALFORMED, "Invalid X-Entity-Id");
        return false;
    }
    call->viewer = call->identity != NULL ? identity_subject(call->identity) : named;
    call->is_guest = call->viewer.length == 0 && (auth == NULL || !auth_is_required(auth));
    if (call->is_guest) {
        uuid_random(call->rest->ids, guest);
        call->viewer = slice_of(guest, UUID_TEXT_LENGTH);
    }
    return true;
}

/* --- routing ---------------------------------------------------------------------------------- */

static void answer_preflight(struct http_exchange *exchange)
{
    http_add_header(exchange, "Access-Control-Allow-Methods",
                    SLICE_LITERAL("GET,POST,PUT,DELETE,PATCH,OPTIONS"));
    http_add_header(exchange, "Access-Control-Allow-Headers",
                    SLICE_LITERAL("Content-Type,Authorization,X-API-KEY,X-Entity-Id"));
    http_add_header(exchange, "Access-Control-Max-Age", SLICE_LITERAL("600"));
    http_respond(exchange, 204, NULL, SLICE_EMPTY);
}

void rest_handle(struct rest *rest, struct http_exchange *exchange,
                 const struct http_request *request, const struct identity *identity, int64_t now)
{
    struct slice segments[HTTP_PATH_SEGMENTS_MAX];
    char guest[UUID_TEXT_SIZE];
    struct rest_call call = {
        .rest = rest, .exchange = exchange, .request = request, .identity = identity, .now = now};
    rest->counters.requests++;
    cors_add_headers(rest->settings.cors, exchange, request);
    if (request->method == HTTP_OPTIONS_METHOD) {
        answer_preflight(exchange);
        return;
    }
    int count = http_path_split(request->path, &rest->arena, segments);
    if (count < 0) {
        rest_refuse(rest, exchange, ERROR_MALFORMED, "The path is malformed");
    } else if (take_viewer(&call, guest)) {
        if (count >= 3 && slice_is(segments[2], "central-channels")) {
            segments[2] = SLICE_LITERAL("channels"); /* ElizaOS before 1.6 */
        }
        rest_dispatch(&call, segments + 1, count - 1);
    }
    arena_reset(&rest->arena);
}

void rest_handle_health(struct rest *rest, struct http_exchange *exchange,
                        const struct http_request *request, int64_t now)
{
    struct rest_call call = {.rest = rest, .exchange = exchange, .request = request, .now = now};
    rest->counters.requests++;
    cors_add_headers(rest->settings.cors, exchange, request);
    rest_get_health(&call);
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

void rest_set_wall_clock(struct rest *rest, int64_t (*wall)(void *context), void *context)
{
    rest->wall = wall;
    rest->wall_context = context;
}

void rest_set_media(struct rest *rest, struct media *media)
{
    rest->media = media;
}

int64_t rest_wall(const struct rest *rest)
{
    return rest->wall == NULL ? 0 : rest->wall(rest->wall_context);
}

const struct rest_counters *rest_counters(const struct rest *rest)
{
    return &rest->counters;
}
