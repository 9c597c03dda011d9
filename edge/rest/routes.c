#include "edge/rest/internal.h"

#include "proto/base/utf8.h"

/*
 * Every path of the API, with its aliases: one line each. :channel is an id that a token may be
 * confined to; any other name is an id whose form the handler checks.
 */
struct route {
    enum http_method method;
    const char *pattern; /* below /api */
    void (*handle)(const struct rest_call *call);
};

#define GET HTTP_GET_METHOD
#define POST HTTP_POST_METHOD
#define PATCH HTTP_PATCH_METHOD
#define DELETE HTTP_DELETE_METHOD

static const struct route routes[] = {
    {POST, "messaging/channels", rest_post_channel},
    {PATCH, "messaging/channels/:channel", rest_patch_channel},
    {DELETE, "messaging/channels/:channel", rest_delete_channel},
    {GET, "messaging/channels/:channel/details", rest_get_channel},
    {GET, "messaging/channels/:channel/participants", rest_get_participants},
    {GET, "messaging/channels/:channel/presence", rest_get_presence},
    {GET, "messaging/channels/:channel/agents", rest_get_channel_agents},
    {POST, "messaging/channels/:channel/agents", rest_post_channel_agent},
    {DELETE, "messaging/channels/:channel/agents/:agent", rest_delete_channel_agent},
    {POST, "messaging/channels/:channel/generate-title", rest_post_title},
    {GET, "messaging/dm-channel", rest_get_dm_channel},
    {POST, "messaging/channels/:channel/upload-media", rest_post_channel_media},
    {POST, "media/channels/:channel/upload-media", rest_post_channel_media},
    {POST, "media/agents/:agent/upload-media", rest_post_agent_media},

    {POST, "messaging/channels/:channel/messages", rest_post_message},
    {GET, "messaging/channels/:channel/messages", rest_get_messages},
    {DELETE, "messaging/channels/:channel/messages", rest_clear_messages},
    {GET, "messaging/channels/:channel/messages/:message", rest_get_message},
    {PATCH, "messaging/channels/:channel/messages/:message", rest_patch_message},
    {DELETE, "messaging/channels/:channel/messages/:message", rest_delete_message},
    {GET, "messaging/channels/:channel/messages/:message/stream", rest_get_stream},
    {POST, "messaging/channels/:channel/messages/:message/stop", rest_post_stop},
    {GET, "messaging/messages/:message", rest_get_message},
    {PATCH, "messaging/messages/:message", rest_patch_message},
    {POST, "messaging/messages/search", rest_search_messages},
    {POST, "messaging/submit", rest_submit},
    {POST, "messaging/action", rest_submit_action},
    {PATCH, "messaging/action/:message", rest_patch_action},
    {POST, "messaging/ingest-external", rest_ingest},
    {POST, "messaging/complete", rest_complete},

    {GET, "messaging/sessions", rest_get_sessions},
    {POST, "messaging/sessions", rest_post_session},
    {GET, "messaging/sessions/health", rest_get_sessions_health},
    {GET, "messaging/sessions/:session", rest_get_session},
    {DELETE, "messaging/sessions/:session", rest_delete_session},
    {GET, "messaging/sessions/:session/messages", rest_get_session_messages},
    {POST, "messaging/sessions/:session/messages", rest_post_session_message},
    {POST, "messaging/sessions/:session/renew", rest_renew_session},
    {POST, "messaging/sessions/:session/heartbeat", rest_heartbeat_session},
    {PATCH, "messaging/sessions/:session/timeout", rest_patch_session_timeout},

    {GET, "messaging/jobs", rest_get_jobs},
    {POST, "messaging/jobs", rest_post_job},
    {GET, "messaging/jobs/health", rest_get_jobs_health},
    {GET, "messaging/jobs/:job", rest_get_job},

    {GET, "messaging/message-server/current", rest_get_current_server},
    {GET, "messaging/message-servers", rest_get_servers},
    {POST, "messaging/message-servers", rest_post_server},
    {DELETE, "messaging/message-servers/:server", rest_delete_server},
    {GET, "messaging/message-servers/:server/channels", rest_get_server_channels},
    {POST, "messaging/message-servers/:server/sync-channels", rest_sync_channels},
    {GET, "messaging/message-servers/:server/agents", rest_get_server_agents},
    {POST, "messaging/message-servers/:server/agents", rest_post_server_agent},
    {DELETE, "messaging/message-servers/:server/agents/:agent", rest_delete_server_agent},
    {GET, "messaging/agents/:agent/message-servers", rest_get_agent_servers},

    /* What ElizaOS called a server before 1.6. */
    {GET, "messaging/central-servers", rest_get_central_servers},
    {GET, "messaging/central-servers/:server/channels", rest_get_server_channels},
    {POST, "messaging/servers", rest_post_server},
    {GET, "messaging/servers/:server/agents", rest_get_server_agents},
    {POST, "messaging/servers/:server/agents", rest_post_server_agent},
    {DELETE, "messaging/servers/:server/agents/:agent", rest_delete_server_agent},
    {GET, "messaging/agents/:agent/servers", rest_get_agent_servers},

    {GET, "agents", rest_get_agents},
    {POST, "agents", rest_post_agent},
    {GET, "agents/worlds", rest_get_worlds},
    {GET, "agents/:agent", rest_get_agent},
    {PATCH, "agents/:agent", rest_patch_agent},
    {DELETE, "agents/:agent", rest_delete_agent},
    {POST, "agents/:agent/start", rest_start_agent},
    {POST, "agents/:agent/stop", rest_stop_agent},
    {GET, "agents/:agent/panels", rest_get_panels},
    {POST, "agents/:agent/worlds", rest_post_agent_world},
    {PATCH, "agents/:agent/worlds/:world", rest_patch_agent_world},
    {GET, "agents/:agent/runs", rest_get_runs},
    {GET, "agents/:agent/runs/:run", rest_get_run},
    {GET, "agents/:agent/logs", rest_get_agent_logs},
    {DELETE, "agents/:agent/logs/:log", rest_delete_agent_log},

    {POST, "memory/groups/:server", rest_post_world},
    {DELETE, "memory/groups/:server", rest_delete_world},
    {DELETE, "memory/groups/:server/memories", rest_clear_world_memories},
    {GET, "memory/:agent/memories", rest_get_memories},
    {DELETE, "memory/:agent/memories", rest_clear_memories},
    {PATCH, "memory/:agent/memories/:memory", rest_patch_memory},
    {DELETE, "memory/:agent/memories/:memory", rest_delete_memory},
    {DELETE, "memory/:agent/memories/all/:channel", rest_clear_room_memories},
    {GET, "memory/:agent/rooms", rest_get_agent_rooms},
    {POST, "memory/:agent/rooms", rest_post_agent_room},
    {GET, "memory/:agent/rooms/:channel", rest_get_agent_room},
    {GET, "memory/:agent/rooms/:channel/memories", rest_get_room_memories},

    {GET, "server/ping", rest_get_ping},
    {GET, "server/hello", rest_get_hello},
    {GET, "server/status", rest_get_status},
    {GET, "server/health", rest_get_health},
    {GET, "server/debug/servers", rest_get_debug_servers},
    {GET, "server/logs", rest_get_logs},
    {POST, "server/logs", rest_get_logs},
    {DELETE, "server/logs", rest_clear_logs},
    {POST, "server/stop", rest_stop_server},
    {GET, "system/version", rest_get_version},
    {GET, "system/config", rest_get_config},
    {GET, "system/env/local", rest_get_environment},
    {POST, "system/env/local", rest_post_environment},

    {POST, "audio/:agent/speech", rest_post_audio},
    {POST, "audio/:agent/speech/conversation", rest_post_audio},
    {POST, "audio/:agent/speech/generate", rest_post_audio},
    {POST, "audio/:agent/audio-messages/synthesize", rest_post_audio},
    {POST, "audio/:agent/transcriptions", rest_post_audio},
};

#undef GET
#undef POST
#undef PATCH
#undef DELETE

enum { ALLOW_SIZE = 64 };

/* The ids of a path, as its pattern names them. */
static bool route_fits(const char *pattern, const struct slice *segments, int count,
                       struct rest_call *call)
{
    call->channel = SLICE_EMPTY;
    call->id = SLICE_EMPTY;
    call->other = SLICE_EMPTY;
    for (int i = 0; i < count; i++) {
        size_t length = strcspn(pattern, "/");
        struct slice name = slice_of(pattern, length);
        if (length == 0) {
            return false;
        }
        if (slice_is(name, ":channel")) {
            call->channel = segments[i];
        } else if (pattern[0] == ':') {
            *(call->id.data == NULL ? &call->id : &call->other) = segments[i];
        } else if (!slice_equals(name, segments[i])) {
            return false;
        }
        pattern += length;
        pattern += *pattern == '/';
    }
    return *pattern == '\0';
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

static bool has_usable_ids(const struct rest_call *call)
{
    const struct slice ids[] = {call->channel, call->id, call->other};
    const char *const texts[] = {"Invalid channelId", "Invalid id", "Invalid id"};
    for (size_t i = 0; i < 3; i++) {
        if (ids[i].data != NULL && !is_usable_id(ids[i])) {
            rest_refuse(call->rest, call->exchange, ERROR_MALFORMED, texts[i]);
            return false;
        }
    }
    return true;
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

/* Reads the body as one JSON object, none as an empty one; false: refused already. */
static bool take_body(struct rest_call *call)
{
    if (call->request->body.length == 0) {
        call->body = SLICE_LITERAL("{}");
        return true;
    }
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

/* Of JSON, that is. */
static bool has_body(const struct rest_call *call, const struct route *route)
{
    return route->method != HTTP_GET_METHOD && route->method != HTTP_DELETE_METHOD &&
           route->handle != rest_post_audio && !rest_is_upload(call->request);
}

static const char *method_name(enum http_method method)
{
    switch (method) {
    case HTTP_GET_METHOD:
        return "GET";
    case HTTP_POST_METHOD:
        return "POST";
    case HTTP_PATCH_METHOD:
        return "PATCH";
    case HTTP_PUT_METHOD:
        return "PUT";
    default:
        return "DELETE";
    }
}

static void refuse_path(const struct rest_call *call, const char *allow)
{
    if (allow[0] != '\0') {
        http_add_header(call->exchange, "Allow", slice_of_string(allow));
        rest_refuse(call->rest, call->exchange, ERROR_METHOD, NULL);
        return;
    }
    call->rest->counters.refused++;
    rest_answer(call->rest, call->exchange, 404,
                SLICE_LITERAL("{\"success\":false,\"error\":{\"message\":\"API endpoint not "
                              "found\",\"code\":404}}"));
}

void rest_dispatch(struct rest_call *call, const struct slice *segments, int count)
{
    enum http_method method =
        call->request->method == HTTP_HEAD_METHOD ? HTTP_GET_METHOD : call->request->method;
    char allow[ALLOW_SIZE] = "";
    for (size_t i = 0; i < sizeof(routes) / sizeof(routes[0]); i++) {
        const struct route *route = &routes[i];
        if (!route_fits(route->pattern, segments, count, call)) {
            continue;
        }
        if (route->method != method) {
            size_t length = strlen(allow);
            snprintf(allow + length, sizeof(allow) - length, "%s%s", length == 0 ? "" : ", ",
                     method_name(route->method));
            continue;
        }
        if (has_usable_ids(call) && rest_keeps_path_to_identity(call) &&
            (!has_body(call, route) ||
             (take_body(call) && rest_keeps_to_identity(call, call->body)))) {
            rest_name_guest(call);
            route->handle(call);
        }
        return;
    }
    refuse_path(call, allow);
}
