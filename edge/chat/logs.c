#include "edge/chat/internal.h"

#include "proto/wire/log_entry.h"

/*
 * The log stream: sockets that watch what the cluster's processes log, each through its filters.
 * The router sends lines to an edge while somebody there watches.
 */

enum { LOG_SUBSCRIBERS_MAX = 100 };

struct log_subscription {
    struct chat_socket *socket;
    uint64_t level; /* lines of at least that one */
    char level_name[CHAT_NAME_MAX + 1];
    char agent[CHAT_NAME_MAX + 1];        /* "all", or a name */
    struct log_subscription *prev, *next; /* chat->log_subscriptions */
};

static void say_watching(struct chat *chat, bool is_on)
{
    struct bus_message message = {.type = BUS_LOGS_WATCH, .logs_watch = {is_on}};
    uplink_notify(chat->uplink, &message);
}

void logs_synchronise(struct chat *chat)
{
    if (chat->log_subscriptions != NULL) {
        say_watching(chat, true);
    }
}

static void confirm(const struct chat_call *call, bool is_subscribed, const char *text)
{
    struct buffer *out = &call->chat->scratch;
    buffer_clear(out);
    buffer_append_char(out, '{');
    json_write_boolean_member(out, "subscribed", is_subscribed);
    json_write_string_member(out, "message", slice_of_string(text));
    buffer_append_char(out, '}');
    socket_emit_event(call->from, "log_subscription_confirmed", buffer_slice(out));
    socket_answer(call->from, call->has_ack_id, call->ack_id, buffer_slice(out));
}

/* Logs are for holders of the key, not of a user's token. */
void chat_handle_subscribe_logs(const struct chat_call *call)
{
    struct chat *chat = call->chat;
    if (call->from->identity != NULL) {
        confirm(call, false, "This needs the cluster's API key");
        return;
    }
    if (call->from->logs == NULL && chat->log_subscribers >= LOG_SUBSCRIBERS_MAX) {
        confirm(call, false, "Too many are watching the log");
        return;
    }
    if (call->from->logs == NULL) {
        struct log_subscription *subscription = memory_allocate_zeroed(sizeof(*subscription));
        subscription->socket = call->from;
        strcpy(subscription->level_name, "all");
        strcpy(subscription->agent, "all");
        call->from->logs = subscription;
        DL_APPEND(chat->log_subscriptions, subscription);
        if (chat->log_subscribers++ == 0) {
            say_watching(chat, true);
        }
    }
    confirm(call, true, "Successfully subscribed to log stream");
}

void logs_unsubscribe(struct chat_socket *socket)
{
    struct chat *chat = socket->chat;
    if (socket->logs == NULL) {
        return;
    }
    DL_DELETE(chat->log_subscriptions, socket->logs);
    free(socket->logs);
    socket->logs = NULL;
    if (--chat->log_subscribers == 0) {
        say_watching(chat, false);
    }
}

void chat_handle_unsubscribe_logs(const struct chat_call *call)
{
    logs_unsubscribe(call->from);
    confirm(call, false, "Successfully unsubscribed from log stream");
}

/* --- filters ---------------------------------------------------------------------------------- */

/* Stays as it is when the filters do not say. False: not a name. */
static bool take_name(struct chat *chat, struct slice filters, const char *member,
                      char out[CHAT_NAME_MAX + 1])
{
    struct slice raw = json_get(filters, member);
    if (json_type(raw) <= JSON_NULL) {
        return true;
    }
    struct slice name =
        json_type(raw) == JSON_STRING ? json_decode_string(raw, &chat->arena) : SLICE_EMPTY;
    if (name.length == 0 || name.length > CHAT_NAME_MAX ||
        memchr(name.data, '\0', name.length) != NULL) {
        return false;
    }
    memcpy(out, name.data, name.length);
    out[name.length] = '\0';
    return true;
}

static void tell_filters(const struct chat_call *call, const char *error)
{
    const struct log_subscription *subscription = call->from->logs;
    struct buffer *out = &call->chat->scratch;
    buffer_clear(out);
    buffer_append_char(out, '{');
    json_write_boolean_member(out, "success", error == NULL);
    if (error != NULL) {
        json_write_string_member(out, "error", slice_of_string(error));
    } else {
        json_write_key(out, "filters");
        buffer_append_char(out, '{');
        json_write_string_member(out, "level", slice_of_string(subscription->level_name));
        json_write_string_member(out, "agentName", slice_of_string(subscription->agent));
        buffer_append_char(out, '}');
    }
    buffer_append_char(out, '}');
    socket_emit_event(call->from, "log_filters_updated", buffer_slice(out));
    socket_answer(call->from, call->has_ack_id, call->ack_id, buffer_slice(out));
}

void chat_handle_log_filters(const struct chat_call *call)
{
    struct log_subscription *subscription = call->from->logs;
    if (subscription == NULL) {
        tell_filters(call, "Not subscribed to log stream");
        return;
    }
    struct log_subscription wanted = *subscription;
    bool is_valid = json_type(call->payload) == JSON_OBJECT &&
                    take_name(call->chat, call->payload, "level", wanted.level_name) &&
                    take_name(call->chat, call->payload, "agentName", wanted.agent);
    wanted.level = log_entry_level(slice_of_string(wanted.level_name));
    if (!is_valid || (wanted.level == 0 && strcmp(wanted.level_name, "all") != 0)) {
        tell_filters(call, "Filters are level and agentName");
        return;
    }
    *subscription = wanted;
    tell_filters(call, NULL);
}

/* --- lines ------------------------------------------------------------------------------------ */

static bool fits(const struct log_subscription *subscription, const struct bus_log_line *line)
{
    return line->level >= subscription->level &&
           (strcmp(subscription->agent, "all") == 0 || slice_is(line->agent, subscription->agent));
}

static void deliver_line(struct chat *chat, const struct bus_log_line *line)
{
    const struct log_entry entry = {line->at,    line->level, line->program, line->process,
                                    line->agent, line->event, line->pairs};
    struct buffer *out = &chat->scratch;
    struct log_subscription *subscription, *next;
    buffer_clear(out);
    buffer_append_string(out, "{\"type\":\"log_entry\",\"payload\":");
    log_entry_write(&entry, out);
    buffer_append_char(out, '}');
    DL_FOREACH_SAFE (chat->log_subscriptions, subscription, next) {
        if (fits(subscription, line)) {
            socket_emit_event(subscription->socket, "log_stream", buffer_slice(out));
        }
    }
}

void logs_deliver(struct chat *chat, const struct bus_log_lines *lines)
{
    struct msgpack_reader reader = bus_list_read(&lines->lines);
    struct bus_log_line line;
    while (chat->log_subscriptions != NULL && bus_list_next(&reader, BUS_ELEMENT_LOG_LINE, &line)) {
        deliver_line(chat, &line);
    }
}
