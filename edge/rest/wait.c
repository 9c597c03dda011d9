#include "edge/rest/internal.h"

/* Requests that wait for the router, one question after the other. */

static void on_client_gone(struct http_exchange *exchange, void *context)
{
    struct rest_wait *wait = context;
    (void)exchange;
    wait->exchange = NULL; /* the question goes on; its end finds nobody */
}

static void copy_id(char *out, struct slice id)
{
    memcpy(out, id.data, id.length); /* zeroed before, and bounded by the router of paths */
}

struct rest_wait *rest_wait_new(const struct rest_call *call, enum rest_mode mode)
{
    struct rest_wait *wait = memory_allocate_zeroed(sizeof(*wait));
    wait->rest = call->rest;
    wait->exchange = call->exchange;
    wait->mode = mode;
    wait->identity = identity_copy(call->identity);
    if (call->viewer.length > 0) {
        copy_id(wait->viewer, call->viewer);
    }
    if (call->channel.length > 0) {
        copy_id(wait->channel, call->channel);
    }
    if (call->id.length > 0) {
        copy_id(wait->id, call->id);
    }
    http_exchange_on_closed(call->exchange, on_client_gone, wait);
    return wait;
}

void rest_wait_destroy(struct rest_wait *wait)
{
    identity_destroy(&wait->identity);
    buffer_deinit(&wait->note);
    buffer_deinit(&wait->list);
    free(wait->walk);
    free(wait);
}

int rest_request(struct rest *rest, struct bus_message *message, uint64_t *number,
                 uplink_answered *answered, void *context, struct uplink_owner *owner, int64_t now)
{
    if (uplink_is_away(rest->uplink, now)) {
        rest->counters.router_away++;
        return ERROR_ROUTER_AWAY;
    }
    return uplink_request(rest->uplink, message, number, answered, context, owner, now);
}

struct rest_wait *rest_ask(const struct rest_call *call, struct bus_message *message,
                           uint64_t *number, uplink_answered *answered)
{
    struct rest_wait *wait = rest_wait_new(call, REST_WEBSOCKET);
    return rest_ask_on(wait, message, number, answered, call->now) ? wait : NULL;
}

bool rest_ask_on(struct rest_wait *wait, struct bus_message *message, uint64_t *number,
                 uplink_answered *answered, int64_t now)
{
    struct rest *rest = wait->rest;
    message->trace = id_random_u64(rest->ids);
    message->viewer = slice_of_string(wait->viewer);
    int error = rest_request(rest, message, number, answered, wait, &wait->owner, now);
    if (error != 0) {
        rest_wait_refuse(wait, error, NULL);
    }
    return error == 0;
}

static int64_t error_of(const struct bus_message *answer)
{
    switch (answer->type) {
    case BUS_CHANNEL:
        return answer->channel.error;
    case BUS_CHANNELS_PAGE:
        return answer->channels_page.error;
    case BUS_AGENTS_PAGE:
        return answer->agents_page.error;
    case BUS_LOGS_PAGE:
        return answer->logs_page.error;
    case BUS_RUNS_PAGE:
        return answer->runs_page.error;
    case BUS_AGENT_STATE:
        return answer->agent_state.error;
    case BUS_RECORD:
        return answer->record.error;
    case BUS_RECORDS_PAGE:
        return answer->records_page.error;
    case BUS_HISTORY_PAGE:
        return answer->history_page.error;
    case BUS_SEND_DONE:
        return answer->send_done.error;
    case BUS_DONE:
        return answer->done.error;
    default:
        return 0;
    }
}

int rest_error_of(const struct uplink_outcome *outcome)
{
    return outcome->answer == NULL ? outcome->error : (int)error_of(outcome->answer);
}

bool rest_is_over(struct rest_wait *wait, const struct uplink_outcome *outcome,
                  const char *not_found)
{
    int error = rest_error_of(outcome);
    if (wait->exchange == NULL) {
        rest_wait_destroy(wait);
        return true;
    }
    if (error != 0) {
        rest_wait_refuse(wait, error, error == ERROR_NOT_FOUND ? not_found : NULL);
    }
    return error != 0;
}

void rest_wait_refuse(struct rest_wait *wait, int error, const char *message)
{
    if (wait->exchange != NULL) {
        rest_refuse(wait->rest, wait->exchange, error, message);
    }
    rest_wait_destroy(wait);
}

void rest_wait_answer(struct rest_wait *wait, int status, struct slice json)
{
    if (wait->exchange != NULL && status == 204) {
        http_respond(wait->exchange, status, NULL, SLICE_EMPTY);
    } else if (wait->exchange != NULL) {
        rest_answer(wait->rest, wait->exchange, status, json);
    }
    rest_wait_destroy(wait);
}

struct buffer *rest_begin_data(struct rest *rest)
{
    buffer_clear(&rest->scratch);
    buffer_append_string(&rest->scratch, "{\"success\":true,\"data\":");
    return &rest->scratch;
}

void rest_end_data(struct rest_wait *wait, int status)
{
    struct buffer *out = &wait->rest->scratch;
    struct rest *rest = wait->rest;
    buffer_append_char(out, '}');
    rest_wait_answer(wait, status, buffer_slice(out));
    buffer_shrink(&rest->scratch, 1 << 16);
}

bool rest_may_show(const struct rest_wait *wait, struct slice channel)
{
    return identity_may_enter(wait->identity, channel);
}
