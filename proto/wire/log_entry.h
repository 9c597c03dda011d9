/*
 * Log lines as ElizaOS shows them, over REST and in the log_stream event: {time, level, msg, …}.
 */
#ifndef PROTO_WIRE_LOG_ENTRY_H
#define PROTO_WIRE_LOG_ENTRY_H

#include <stdint.h>
#include "proto/base/buffer.h"
#include "proto/base/slice.h"

struct log_entry {
    int64_t at;     /* wall ms */
    uint64_t level; /* its number */
    struct slice program;
    struct slice process;
    struct slice agent; /* name; or empty */
    struct slice event;
    struct slice pairs;
};
void log_entry_write(const struct log_entry *entry, struct buffer *out);
/* ["fatal","error",…] */
extern const char log_entry_levels[];
/* 0: no level of that name. */
uint64_t log_entry_level(struct slice name);

#endif
