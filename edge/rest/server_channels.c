#include "edge/rest/internal.h"

#include "proto/wire/channel_row.h"

/* The channels of a message server: listed, and taken over from elsewhere. */

enum { CHANNELS_DEFAULT = 1000, SYNC_CHANNELS_MAX = 200 };

static void on_channels(void *context, const struct uplink_outcome *outcome)
{
    struct rest_wait *wait = context;
    if (rest_is_over(wait, outcome, NULL)) {
        return;
    }
    const struct bus_channels_page *page = &outcome->answer->channels_page;
    struct msgpack_reader reader = bus_list_read(&page->channels);
    struct bus_channel_row element;
    struct buffer *out = rest_begin_data(wait->rest);
    buffer_append_string(out, "{\"channels\":[");
    while (bus_list_next(&reader, BUS_ELEMENT_CHANNEL, &element)) {
        struct channel_row row = {.id = element.id,
                                  .server_id = element.server_id,
                                  .name = element.name,
                                  .type = element.type,
                                  .source_type = element.source_type,
                                  .metadata = element.metadata,
                                  .created_at = element.created_at,
                                  .updated_at = element.updated_at};
        if (rest_may_show(wait, element.id)) {
            rest_begin_element(out);
            channel_row_write(&row, out);
        }
    }
    buffer_append_char(out, ']');
    if (page->next != 0) {
        json_write_unsigned_member(out, "next", page->next);
    }
    buffer_append_char(out, '}');
    rest_end_data(wait, 200);
}

/* Newest first; `next` of one page is `before` of the following one. */
void rest_get_server_channels(const struct rest_call *call)
{
    struct bus_message message = {.type = BUS_CHANNEL_LIST,
                                  .channel_list = {.server_id = call->id}};
    struct bus_channel_list *list = &message.channel_list;
    if (!uuid_is_valid(call->id)) {
        rest_refuse_format(call, "Invalid messageServerId");
        return;
    }
    if (!rest_take_count(call, "limit", CHANNELS_DEFAULT, CHANNELS_DEFAULT, &list->limit) ||
        !rest_take_count(call, "before", 0, INT64_MAX, &list->before)) {
        rest_refuse_format(call, "Invalid limit or before");
        return;
    }
    rest_ask(call, &message, &list->request, on_channels);
}

/* One channel per sourceId, whoever asks how often: its id follows from server and source. */
static bool put_synchronised(struct rest_wait *wait, struct slice server, struct slice channel,
                             struct arena *arena, uplink_answered *answered, int64_t now)
{
    struct slice raw_name = SLICE_EMPTY, raw_type = SLICE_EMPTY, raw_source = SLICE_EMPTY;
    const struct json_field fields[] = {
        {"name", &raw_name}, {"type", &raw_type}, {"sourceId", &raw_source}};
    struct slice name, type, source;
    json_collect(channel, fields, sizeof(fields) / sizeof(fields[0]));
    if (!rest_take_text(raw_name, CHAT_NAME_MAX, arena, &name) || name.length == 0 ||
        !rest_take_text(raw_type, CHAT_NAME_MAX, arena, &type) ||
        !rest_take_text(raw_source, USER_ID_MAX, arena, &source) || source.length == 0) {
        return false;
    }
    char id[UUID_TEXT_SIZE];
    struct buffer pair = BUFFER_EMPTY, metadata = BUFFER_EMPTY;
    buffer_append_string(&pair, "sync ");
    buffer_append_slice(&pair, server);
    uuid_of_reply(buffer_slice(&pair), source, id);
    buffer_append_char(&metadata, '{');
    json_write_string_member(&metadata, "sourceId", source);
    buffer_append_char(&metadata, '}');
    struct bus_message message = {
        .type = BUS_CHANNEL_PUT,
        .trace = id_random_u64(wait->rest->ids),
        .viewer = slice_of_string(wait->viewer),
        .channel_put = {.id = slice_of(id, UUID_TEXT_LENGTH),
                        .server_id = server,
                        .name = name,
                        .type = type.length > 0 ? type : SLICE_LITERAL("GROUP"),
                        .source_type = SLICE_LITERAL("synchronised"),
                        .creator = slice_of_string(wait->viewer),
                        .metadata = buffer_slice(&metadata)}};
    int error = rest_request(wait->rest, &message, &message.channel_put.request, answered, wait,
                             &wait->owner, now);
    buffer_deinit(&pair);
    buffer_deinit(&metadata);
    return error == 0;
}

static void on_synchronised(void *context, const struct uplink_outcome *outcome)
{
    struct rest_wait *wait = context;
    wait->done += rest_error_of(outcome) == 0;
    if (--wait->left > 0) {
        return;
    }
    if (wait->exchange == NULL) {
        rest_wait_destroy(wait);
        return;
    }
    struct buffer *out = rest_begin_data(wait->rest);
    buffer_append_char(out, '{');
    json_write_unsigned_member(out, "synced", wait->done);
    buffer_append_char(out, '}');
    rest_end_data(wait, 200);
}

void rest_sync_channels(const struct rest_call *call)
{
    struct slice channels = json_get(call->body, "channels"), element;
    size_t count = 0;
    if (!uuid_is_valid(call->id)) {
        rest_refuse_format(call, "Invalid messageServerId");
        return;
    }
    struct json_iterator elements = json_iterate(channels);
    while (json_type(channels) == JSON_ARRAY && json_next_element(&elements, &element)) {
        count += json_type(element) == JSON_OBJECT ? 1 : SYNC_CHANNELS_MAX;
    }
    if (json_type(channels) != JSON_ARRAY || count > SYNC_CHANNELS_MAX) {
        rest_refuse_format(call,
                           "Required: channels, an array of at most 200 {name, type, sourceId}");
        return;
    }
    if (count == 0) {
        rest_answer(call->rest, call->exchange, 200,
                    SLICE_LITERAL("{\"success\":true,\"data\":{\"synced\":0}}"));
        return;
    }
    struct rest_wait *wait = rest_wait_new(call, REST_WEBSOCKET);
    elements = json_iterate(channels);
    wait->left = 1; /* ours, until all are asked for */
    while (json_next_element(&elements, &element)) {
        wait->left += put_synchronised(wait, call->id, element, &call->rest->arena, on_synchronised,
                                       call->now);
    }
    if (wait->left == 1) {
        rest_wait_refuse(wait, ERROR_MALFORMED, "Required of each channel: name, sourceId");
        return;
    }
    wait->left--;
}
