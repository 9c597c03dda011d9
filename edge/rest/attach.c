#include "edge/rest/internal.h"

/*
 * Runs by the id of their question or reply: GET …/messages/:message/stream follows one from any
 * edge, and says the whole of one that is over; POST …/messages/:message/stop ends one, on
 * whichever bridge it runs.
 */

struct attach_wait {
    struct rest *rest;
    struct http_exchange *exchange; /* NULL: the client left */
    struct uplink_owner owner;
    char *last_event_id; /* owns */
    char *viewer;        /* owns */
};

static void wait_destroy(struct attach_wait *wait)
{
    free(wait->last_event_id);
    free(wait->viewer);
    free(wait);
}

static void on_client_gone(struct http_exchange *exchange, void *context)
{
    struct attach_wait *wait = context;
    (void)exchange;
    wait->exchange = NULL;
}

static void on_attached(void *context, const struct uplink_outcome *outcome)
{
    struct attach_wait *wait = context;
    struct rest *rest = wait->rest;
    struct http_exchange *exchange = wait->exchange;
    const struct bus_run_attached *attached =
        outcome->answer == NULL ? NULL : &outcome->answer->run_attached;
    int error = attached == NULL ? outcome->error : (int)attached->error;
    if (exchange != NULL && error != 0) {
        rest_refuse(rest, exchange, error, error == ERROR_NOT_FOUND ? "No such message" : NULL);
    } else if (exchange != NULL && attached->no_agent) {
        rest_refuse(rest, exchange, ERROR_NO_AGENT, NULL);
    } else if (exchange != NULL && rest->counters.waiting >= (size_t)rest->settings.runs_max) {
        rest_refuse(rest, exchange, ERROR_OVERLOADED, NULL);
    } else if (exchange != NULL) {
        rest_run_attach(rest, exchange, outcome->sent->run_attach.room,
                        slice_of_string(wait->viewer), attached,
                        slice_of_string(wait->last_event_id), outcome->now);
    }
    wait_destroy(wait);
}

void rest_get_stream(const struct rest_call *call)
{
    struct rest *rest = call->rest;
    struct slice last = http_request_header(call->request, "Last-Event-ID");
    if (!uuid_is_valid(call->id)) {
        rest_refuse(rest, call->exchange, ERROR_NOT_FOUND, "No such message");
        return;
    }
    struct attach_wait *wait = memory_allocate_zeroed(sizeof(*wait));
    wait->rest = rest;
    wait->exchange = call->exchange;
    wait->last_event_id = memory_copy_string(last.data, last.length);
    wait->viewer = memory_copy_string(call->viewer.data, call->viewer.length);
    http_exchange_on_closed(call->exchange, on_client_gone, wait);
    struct bus_message message = {.type = BUS_RUN_ATTACH,
                                  .trace = id_random_u64(rest->ids),
                                  .viewer = call->viewer,
                                  .run_attach = {.room = call->channel, .id = call->id}};
    int error = rest_request(rest, &message, &message.run_attach.request, on_attached, wait,
                             &wait->owner, call->now);
    if (error != 0) {
        wait_destroy(wait);
        rest_refuse(rest, call->exchange, error, NULL);
    }
}

static void on_stopped(void *context, const struct uplink_outcome *outcome)
{
    struct rest_wait *wait = context;
    struct buffer *out = &wait->rest->scratch;
    if (rest_is_over(wait, outcome, "Nothing is being written for this message")) {
        return;
    }
    buffer_clear(out);
    buffer_append_string(out, "{\"success\":true");
    json_write_string_member(out, "messageId", outcome->sent->run_stop.id);
    json_write_string_member(out, "status", SLICE_LITERAL("stopped"));
    buffer_append_char(out, '}');
    rest_wait_answer(wait, 200, buffer_slice(out));
}

void rest_post_stop(const struct rest_call *call)
{
    struct bus_message message = {.type = BUS_RUN_STOP,
                                  .run_stop = {.room = call->channel, .id = call->id}};
    if (uuid_is_valid(call->id)) {
        rest_ask(call, &message, &message.run_stop.request, on_stopped);
    } else {
        rest_refuse(call->rest, call->exchange, ERROR_NOT_FOUND, "No such message");
    }
}
