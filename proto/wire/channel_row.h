/*
 * A channel as clients see it, in REST answers and in channelUpdated: one JSON object.
 *
 * Implements: the channel row of ElizaOS 1.7.
 */
#ifndef PROTO_WIRE_CHANNEL_ROW_H
#define PROTO_WIRE_CHANNEL_ROW_H

#include <stdint.h>
#include "proto/base/buffer.h"
#include "proto/base/slice.h"

struct channel_row {
    struct slice id;
    struct slice server_id;
    struct slice name;
    struct slice type;
    struct slice source_type; /* empty: left out */
    struct slice metadata;    /* raw JSON object; empty: {} */
    int64_t created_at;       /* wall ms */
    int64_t updated_at;
};

/* Appends {"id":…,…}. */
void channel_row_write(const struct channel_row *row, struct buffer *out);

#endif
