#include "edge/rest/internal.h"

#include "proto/base/version.h"

/* Versions and environment. Nothing of a process's environment is ever shown or changed here. */

void rest_get_version(const struct rest_call *call)
{
    struct rest *rest = call->rest;
    struct buffer *out = &rest->scratch;
    char now[CLOCK_ISO_SIZE];
    clock_format_iso(rest_wall(rest), now);
    buffer_clear(out);
    buffer_append_char(out, '{');
    json_write_string_member(out, "version", SLICE_LITERAL(REST_API_VERSION));
    json_write_string_member(out, "source", SLICE_LITERAL("elizamq"));
    json_write_string_member(out, "sourceVersion", SLICE_LITERAL(ELIZAMQ_VERSION));
    json_write_string_member(out, "timestamp", slice_of_string(now));
    json_write_string_member(out, "environment", SLICE_LITERAL("production"));
    json_write_signed_member(out, "uptime", (call->now - rest->started_at) / 1000);
    buffer_append_char(out, '}');
    rest_answer(rest, call->exchange, 200, buffer_slice(out));
}

/*
 * Whoever is answered has shown the key already, or there is none. In ElizaOS's words a cluster
 * with closed rooms requires that its users say who they are.
 */
void rest_get_config(const struct rest_call *call)
{
    bool has_closed_rooms = chat_has_closed_rooms(call->rest->chat);
    rest_answer(call->rest, call->exchange, 200,
                has_closed_rooms
                    ? SLICE_LITERAL("{\"success\":true,\"data\":{\"requiresAuth\":true}}")
                    : SLICE_LITERAL("{\"success\":true,\"data\":{\"requiresAuth\":false}}"));
}

void rest_get_environment(const struct rest_call *call)
{
    rest_answer(call->rest, call->exchange, 200, SLICE_LITERAL("{\"success\":true,\"data\":{}}"));
}

void rest_post_environment(const struct rest_call *call)
{
    rest_refuse_as(call->rest, call->exchange, 403, "READ_ONLY",
                   "The environment is set where the processes are started");
}
