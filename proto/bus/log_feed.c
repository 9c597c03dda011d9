#include "proto/bus/log_feed.h"

#include <string.h>

static const uint64_t level_numbers[] = {
    [LOG_LEVEL_ERROR] = 50, [LOG_LEVEL_WARN] = 40, [LOG_LEVEL_INFO] = 30, [LOG_LEVEL_DEBUG] = 20};

void log_feed_init(struct log_feed *feed, struct slice process)
{
    *feed = (struct log_feed){.process = process};
}

void log_feed_deinit(struct log_feed *feed)
{
    buffer_deinit(&feed->lines.bytes);
}

void log_feed_take(void *context, const struct log_record *record)
{
    struct log_feed *feed = context;
    struct bus_log_line line = {.at = record->at,
                                .level = level_numbers[record->level],
                                .program = slice_of_string(record->program),
                                .process = feed->process,
                                .agent = record->agent,
                                .event = slice_of_string(record->event),
                                .pairs = record->pairs};
    if (record->at / 1000 != feed->second) {
        feed->second = record->at / 1000;
        feed->count = 0;
    }
    if (feed->count == LOG_FEED_LINES_PER_SECOND ||
        feed->lines.bytes.length + record->pairs.length > LOG_FEED_BYTES_MAX) {
        feed->left_out++;
        return;
    }
    feed->count++;
    bus_list_add(&feed->lines, BUS_ELEMENT_LOG_LINE, &line);
}

bool log_feed_message(const struct log_feed *feed, struct bus_message *message)
{
    *message = (struct bus_message){.type = BUS_LOG_LINES,
                                    .log_lines = {.lines = bus_list_of(&feed->lines)}};
    return feed->lines.count > 0;
}

void log_feed_clear(struct log_feed *feed)
{
    buffer_clear(&feed->lines.bytes);
    feed->lines.count = 0;
}
