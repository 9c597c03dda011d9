#include "proto/wire/log_entry.h"

#include "proto/base/json.h"

static const struct {
    const char *name;
    uint64_t number;
} levels[] = {{"fatal", 60},    {"error", 50},   {"warn", 40},  {"info", 30}, {"log", 29},
              {"progress", 28}, {"success", 27}, {"debug", 20}, {"trace", 10}};

const char log_entry_levels[] = "[\"fatal\",\"error\",\"warn\",\"info\",\"log\",\"progress\","
                                "\"success\",\"debug\",\"trace\"]";

uint64_t log_entry_level(struct slice name)
{
    for (size_t i = 0; i < sizeof(levels) / sizeof(levels[0]); i++) {
        if (slice_is(name, levels[i].name)) {
            return levels[i].number;
        }
    }
    return 0;
}

void log_entry_write(const struct log_entry *entry, struct buffer *out)
{
    struct buffer text = BUFFER_EMPTY;
    buffer_append_slice(&text, entry->event);
    if (entry->pairs.length > 0) {
        buffer_append_char(&text, ' ');
        buffer_append_slice(&text, entry->pairs);
    }
    buffer_append_char(out, '{');
    json_write_signed_member(out, "time", entry->at);
    json_write_unsigned_member(out, "level", entry->level);
    json_write_string_member(out, "msg", buffer_slice(&text));
    json_write_string_member(out, "program", entry->program);
    json_write_string_member(out, "process", entry->process);
    if (entry->agent.length > 0) {
        json_write_string_member(out, "agentName", entry->agent);
    }
    buffer_append_char(out, '}');
    buffer_deinit(&text);
}
