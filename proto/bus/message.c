#include "proto/bus/message.h"

#include <assert.h>

#include "proto/base/error.h"
#include "proto/bus/codec.h"
#include "proto/bus/layout.h"

enum { ENVELOPE_FIELDS = 3 }; /* type, trace, viewer */

const char *bus_type_name(enum bus_type type)
{
    const struct layout *layout = bus_layout_of(type);
    return layout == NULL ? "unknown" : layout->name;
}

void bus_encode(struct buffer *out, const struct bus_message *message)
{
    const struct layout *layout = bus_layout_of(message->type);
    assert(layout != NULL);
    assert(message->viewer.length <= BUS_ID_MAX);
    msgpack_write_array(out, layout->count + ENVELOPE_FIELDS);
    msgpack_write_unsigned(out, message->type);
    msgpack_write_unsigned(out, message->trace);
    msgpack_write_text(out, message->viewer);
    bus_write_fields(out, layout, &message->hello);
}

int bus_decode(struct msgpack_reader *reader, struct bus_message *message)
{
    uint32_t count;
    uint64_t type;
    if (!msgpack_read_array(reader, &count) || !msgpack_read_unsigned(reader, &type) ||
        !msgpack_read_unsigned(reader, &message->trace) ||
        !msgpack_read_text(reader, BUS_ID_MAX, &message->viewer) || type > INT32_MAX) {
        return ERROR_BUS_MALFORMED;
    }
    const struct layout *layout = bus_layout_of((enum bus_type)type);
    if (layout == NULL || count != layout->count + ENVELOPE_FIELDS) {
        return ERROR_BUS_MALFORMED;
    }
    message->type = (enum bus_type)type;
    return bus_read_fields(reader, layout, &message->hello) ? 0 : ERROR_BUS_MALFORMED;
}

const char *bus_answering_reason(uint64_t answering)
{
    switch (answering) {
    case BUS_UNANSWERED_NO_AGENT:
        return "no_agent_in_channel";
    case BUS_UNANSWERED_AWAY:
        return "agents_away";
    case BUS_UNANSWERED_NOT_ADDRESSED:
        return "not_addressed";
    case BUS_UNANSWERED_OF_AGENT:
        return "from_agent";
    default:
        return "";
    }
}
