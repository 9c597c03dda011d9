#include "proto/wire/channel_row.h"

#include "proto/base/clock.h"
#include "proto/base/json.h"

void channel_row_write(const struct channel_row *row, struct buffer *out)
{
    char created[CLOCK_ISO_SIZE], updated[CLOCK_ISO_SIZE];
    clock_format_iso(row->created_at, created);
    clock_format_iso(row->updated_at, updated);
    buffer_append_char(out, '{');
    json_write_string_member(out, "id", row->id);
    json_write_string_member(out, "messageServerId", row->server_id);
    json_write_string_member(out, "name", row->name);
    json_write_string_member(out, "type", row->type);
    if (row->source_type.length > 0) {
        json_write_string_member(out, "sourceType", row->source_type);
    }
    json_write_raw_member(out, "metadata",
                          row->metadata.length > 0 ? row->metadata : SLICE_LITERAL("{}"));
    json_write_string_member(out, "createdAt", slice_of_string(created));
    json_write_string_member(out, "updatedAt", slice_of_string(updated));
    buffer_append_char(out, '}');
}
