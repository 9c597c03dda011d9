/*
 * One line of a log: pairs of key and value, as logfmt or as members of a JSON object. Pure. A
 * value ends neither its field nor its line, whatever is in it, and is cut at LOG_VALUE_MAX bytes;
 * a pair that has no room is left out as a whole.
 */
#ifndef PROTO_BASE_LOG_LINE_H
#define PROTO_BASE_LOG_LINE_H

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include "proto/base/log.h"
#include "proto/base/slice.h"

enum { LOG_LINE_MAX = 4096 /* PIPE_BUF: lines of several processes on one pipe do not mix */ };

struct log_line {
    char bytes[LOG_LINE_MAX];
    size_t length;
    size_t pair_start; /* where the pair being written begins: it is whole or not there at all */
    bool is_full;
    bool is_json;
};

/* One value as the caller's conversions gave it. */
struct log_value {
    char bytes[LOG_VALUE_MAX];
    size_t length;
    bool is_number;
    bool is_cut;
};

/* A va_list inside a struct can be handed on by pointer everywhere. */
struct log_arguments {
    va_list list;
};

void log_line_begin(struct log_line *line, bool is_json);
void log_line_put_text(struct log_line *line, const char *key, const char *text);
void log_line_put_number(struct log_line *line, const char *key, unsigned number);
/*
 * The pairs of a format as log_event() takes it. agent: gets the value of the pair of that name;
 * may be NULL.
 */
void log_line_put_pairs(struct log_line *line, const char *format, struct log_arguments *arguments,
                        struct log_value *agent);
/* All of it, with the line feed; borrowed from the line, to which nothing is added any more. */
struct slice log_line_end(struct log_line *line);

#endif
