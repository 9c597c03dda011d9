#include "edge/rest/internal.h"

#include "proto/base/version.h"

/* What is asked of "the server", which here is a cluster: is it there, and who can answer? */

static void write_now(const struct rest *rest, struct buffer *out)
{
    char now[CLOCK_ISO_SIZE];
    clock_format_iso(rest_wall(rest), now);
    json_write_string_member(out, "timestamp", slice_of_string(now));
}

void rest_get_ping(const struct rest_call *call)
{
    struct buffer *out = &call->rest->scratch;
    buffer_clear(out);
    buffer_append_string(out, "{\"pong\":true");
    json_write_signed_member(out, "timestamp", rest_wall(call->rest));
    buffer_append_char(out, '}');
    rest_answer(call->rest, call->exchange, 200, buffer_slice(out));
}

void rest_get_hello(const struct rest_call *call)
{
    rest_answer(call->rest, call->exchange, 200, SLICE_LITERAL("{\"message\":\"Hello World!\"}"));
}

/* --- health ----------------------------------------------------------------------------------- */

static void answer_health(struct rest *rest, struct http_exchange *exchange, const char *agents,
                          uint64_t active)
{
    bool is_healthy = active > 0;
    struct buffer *out = &rest->scratch;
    buffer_clear(out);
    buffer_append_char(out, '{');
    json_write_string_member(out, "status",
                             is_healthy ? SLICE_LITERAL("OK") : SLICE_LITERAL("DEGRADED"));
    json_write_string_member(out, "version", SLICE_LITERAL(ELIZAMQ_VERSION));
    write_now(rest, out);
    json_write_key(out, "dependencies");
    buffer_append_char(out, '{');
    json_write_string_member(out, "agents", slice_of_string(agents));
    buffer_append_char(out, '}');
    json_write_unsigned_member(out, "agentCount", active);
    buffer_append_char(out, '}');
    rest_answer(rest, exchange, is_healthy ? 200 : 503, buffer_slice(out));
}

static void on_counted(void *context, const struct uplink_outcome *outcome)
{
    struct rest_wait *wait = context;
    if (wait->exchange != NULL && rest_error_of(outcome) != 0) {
        answer_health(wait->rest, wait->exchange, "unknown", 0);
    } else if (wait->exchange != NULL) {
        uint64_t active = outcome->answer->agents_page.active;
        answer_health(wait->rest, wait->exchange, active > 0 ? "healthy" : "no_agents", active);
    }
    rest_wait_destroy(wait);
}

/* Whoever looks after health does not wait for a router that is away. */
void rest_get_health(const struct rest_call *call)
{
    struct bus_message message = {.type = BUS_AGENTS_GET, .agents_get = {.limit = 1}};
    if (uplink_is_ready(call->rest->uplink, call->now)) {
        rest_ask(call, &message, &message.agents_get.request, on_counted);
    } else {
        answer_health(call->rest, call->exchange, "unknown", 0);
    }
}

static void on_status(void *context, const struct uplink_outcome *outcome)
{
    struct rest_wait *wait = context;
    struct buffer *out = &wait->rest->scratch;
    if (rest_is_over(wait, outcome, NULL)) {
        return;
    }
    buffer_clear(out);
    buffer_append_string(out, "{\"status\":\"ok\"");
    json_write_unsigned_member(out, "agentCount", outcome->answer->agents_page.active);
    write_now(wait->rest, out);
    buffer_append_char(out, '}');
    rest_wait_answer(wait, 200, buffer_slice(out));
}

void rest_get_status(const struct rest_call *call)
{
    struct bus_message message = {.type = BUS_AGENTS_GET, .agents_get = {.limit = 1}};
    rest_ask(call, &message, &message.agents_get.request, on_status);
}

/* --- the rest --------------------------------------------------------------------------------- */

void rest_stop_server(const struct rest_call *call)
{
    rest_refuse(call->rest, call->exchange, ERROR_FORBIDDEN,
                "Processes of the cluster are stopped by signals, not over HTTP");
}

void rest_post_audio(const struct rest_call *call)
{
    rest_refuse_as(call->rest, call->exchange, 501, "NOT_IMPLEMENTED",
                   "Speech and transcription are not part of this server");
}
