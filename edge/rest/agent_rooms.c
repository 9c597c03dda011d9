#include "edge/rest/internal.h"

/* The channels that an agent is noted in, as rooms of a world: their message server. */

enum { ROOMS_PAGE = 150 };

struct room_view {
    struct slice id, name, server_id, type, source_type, metadata;
    int64_t created_at, updated_at;
};

/* With its end still to come. */
static void begin_room(struct buffer *out, const struct room_view *room, struct slice agent)
{
    buffer_append_char(out, '{');
    json_write_string_member(out, "id", room->id);
    json_write_string_member(out, "name", room->name);
    json_write_string_member(out, "channelId", room->id);
    json_write_string_member(out, "agentId", agent);
    json_write_string_member(out, "messageServerId", room->server_id);
    json_write_string_member(out, "serverId", room->server_id);
    json_write_string_member(out, "worldId", room->server_id);
    json_write_string_member(out, "type", room->type);
    json_write_string_member(out, "source", room->source_type);
    json_write_raw_member(out, "metadata",
                          room->metadata.length > 0 ? room->metadata : SLICE_LITERAL("{}"));
    json_write_signed_member(out, "createdAt", room->created_at);
    json_write_signed_member(out, "updatedAt", room->updated_at);
}

static void on_rooms(void *context, const struct uplink_outcome *outcome)
{
    struct rest_wait *wait = context;
    if (rest_is_over(wait, outcome, NULL)) {
        return;
    }
    const struct bus_channels_page *page = &outcome->answer->channels_page;
    struct msgpack_reader reader = bus_list_read(&page->channels);
    struct bus_channel_row row;
    struct buffer *out = rest_begin_data(wait->rest);
    buffer_append_string(out, "{\"rooms\":[");
    while (bus_list_next(&reader, BUS_ELEMENT_CHANNEL, &row)) {
        struct room_view room = {row.id,          row.name,     row.server_id,  row.type,
                                 row.source_type, row.metadata, row.created_at, row.updated_at};
        if (!rest_may_show(wait, row.id)) {
            continue;
        }
        rest_begin_element(out);
        begin_room(out, &room, slice_of_string(wait->id));
        buffer_append_char(out, '}');
    }
    buffer_append_char(out, ']');
    if (page->next != 0) {
        json_write_unsigned_member(out, "next", page->next);
    }
    buffer_append_char(out, '}');
    rest_end_data(wait, 200);
}

/* `next` of one page is `before` of the following one. */
void rest_get_agent_rooms(const struct rest_call *call)
{
    struct bus_message message = {.type = BUS_ROOMS_OF, .rooms_of = {.participant = call->id}};
    struct bus_rooms_of *of = &message.rooms_of;
    if (!rest_has_agent_id(call)) {
        return;
    }
    if (!rest_take_count(call, "limit", ROOMS_PAGE, ROOMS_PAGE, &of->limit) ||
        !rest_take_count(call, "before", 0, INT64_MAX, &of->before)) {
        rest_refuse(call->rest, call->exchange, ERROR_MALFORMED, "Invalid limit or before");
        return;
    }
    rest_ask(call, &message, &of->request, on_rooms);
}

static struct room_view room_of(const struct bus_channel *channel)
{
    return (struct room_view){channel->id,         channel->name,        channel->server_id,
                              channel->type,       channel->source_type, channel->metadata,
                              channel->created_at, channel->updated_at};
}

/* The room, as it was begun, is in the list. */
static void on_world(void *context, const struct uplink_outcome *outcome)
{
    struct rest_wait *wait = context;
    int error = rest_error_of(outcome);
    if (error != ERROR_NOT_FOUND && rest_is_over(wait, outcome, NULL)) {
        return;
    }
    struct buffer *out = rest_begin_data(wait->rest);
    buffer_append_slice(out, buffer_slice(&wait->list));
    if (error == 0) {
        json_write_raw_member(out, "worldName", json_get(outcome->answer->record.body, "name"));
    } else if (rest_is_current_server(outcome->sent->record_get.id)) {
        json_write_string_member(out, "worldName", SLICE_LITERAL(REST_DEFAULT_SERVER));
    }
    buffer_append_char(out, '}');
    rest_end_data(wait, 200);
}

static void on_room(void *context, const struct uplink_outcome *outcome)
{
    struct rest_wait *wait = context;
    if (rest_is_over(wait, outcome, "Room not found")) {
        return;
    }
    struct room_view room = room_of(&outcome->answer->channel);
    struct bus_message message = {
        .type = BUS_RECORD_GET,
        .record_get = {.collection = SLICE_LITERAL(REST_SERVERS), .id = room.server_id}};
    begin_room(&wait->list, &room, slice_of_string(wait->id));
    rest_ask_on(wait, &message, &message.record_get.request, on_world, outcome->now);
}

void rest_get_agent_room(const struct rest_call *call)
{
    struct bus_message message = {.type = BUS_CHANNEL_GET, .channel_get = {.room = call->channel}};
    if (rest_has_agent_id(call)) {
        rest_ask(call, &message, &message.channel_get.request, on_room);
    }
}

static void on_room_made(void *context, const struct uplink_outcome *outcome)
{
    struct rest_wait *wait = context;
    if (!rest_is_over(wait, outcome, NULL)) {
        struct room_view room = room_of(&outcome->answer->channel);
        struct buffer *out = rest_begin_data(wait->rest);
        begin_room(out, &room, slice_of_string(wait->id));
        buffer_append_char(out, '}');
        rest_end_data(wait, 201);
    }
}

/* A channel with the agent in it. */
void rest_post_agent_room(const struct rest_call *call)
{
    struct arena *arena = &call->rest->arena;
    struct slice name, type, source, metadata = rest_object_of(json_get(call->body, "metadata"));
    struct bus_list_builder list = {BUFFER_EMPTY, 0};
    struct bus_text agent = {call->id};
    char id[UUID_TEXT_SIZE];
    if (!rest_has_agent_id(call)) {
        return;
    }
    if (!rest_take_text(json_get(call->body, "name"), CHAT_NAME_MAX, arena, &name) ||
        name.length == 0 ||
        !rest_take_text(json_get(call->body, "type"), CHAT_NAME_MAX, arena, &type) ||
        !rest_take_text(json_get(call->body, "source"), CHAT_NAME_MAX, arena, &source) ||
        metadata.length > REST_METADATA_MAX) {
        rest_refuse_as(call->rest, call->exchange, 400, "INVALID_REQUEST",
                       "Required: name. Optional: type, source, metadata");
        return;
    }
    uuid_random(call->rest->ids, id);
    bus_list_add(&list, BUS_ELEMENT_TEXT, &agent);
    struct bus_message message = {
        .type = BUS_CHANNEL_PUT,
        .channel_put = {.id = slice_of(id, UUID_TEXT_LENGTH),
                        .server_id = SLICE_LITERAL(NIL_UUID),
                        .name = name,
                        .type = type.length > 0 ? type : SLICE_LITERAL("DM"),
                        .source_type = source.length > 0 ? source : SLICE_LITERAL("client"),
                        .metadata = metadata.length > 0 ? metadata : SLICE_LITERAL("{}"),
                        .creator = call->viewer,
                        .participants = bus_list_of(&list)}};
    rest_ask(call, &message, &message.channel_put.request, on_room_made);
    buffer_deinit(&list.bytes);
}
