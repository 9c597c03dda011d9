/*
 * What a process logs, on its way to the router: the tap of its log, and a queue that is bounded in
 * bytes and in lines per second. What does not fit is left out, counted, and on stderr all the
 * same.
 */
#ifndef PROTO_BUS_LOG_FEED_H
#define PROTO_BUS_LOG_FEED_H

#include <stdbool.h>
#include <stdint.h>
#include "proto/base/log.h"
#include "proto/bus/message.h"

enum {
    LOG_FEED_LINES_PER_SECOND = 100,
    LOG_FEED_BYTES_MAX = 256 * 1024, /* waiting, while there is no router */
};

struct log_feed {
    struct slice process; /* borrows: the incarnation that lines are marked with */
    struct bus_list_builder lines;
    int64_t second;
    unsigned count; /* lines of that second */
    uint64_t left_out;
};

void log_feed_init(struct log_feed *feed, struct slice process);
void log_feed_deinit(struct log_feed *feed);
/* For log_set_tap(), with the feed as context. */
void log_feed_take(void *context, const struct log_record *record);
/* The lines that wait as one message, which is valid until the feed is cleared; false: none. */
bool log_feed_message(const struct log_feed *feed, struct bus_message *message);
void log_feed_clear(struct log_feed *feed);

#endif
