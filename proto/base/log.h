/*
 * Logs: one line per event on stderr, key=value (logfmt) or JSON. Rate-limited per call site: at
 * most LOG_SITE_BURST lines a second from one site, then one line says how many were left out.
 * Never message texts, never secrets: what is logged are ids, counts, codes and addresses, and a
 * value that came from a peer is escaped and cut at LOG_VALUE_MAX bytes.
 */
#ifndef PROTO_BASE_LOG_H
#define PROTO_BASE_LOG_H

#include <stdbool.h>
#include <stdint.h>
#include "proto/base/slice.h"

enum { LOG_SITE_BURST = 10, LOG_VALUE_MAX = 200 };

enum log_level { LOG_LEVEL_ERROR, LOG_LEVEL_WARN, LOG_LEVEL_INFO, LOG_LEVEL_DEBUG };
enum log_format { LOG_FORMAT_LOGFMT, LOG_FORMAT_JSON };

/* Per call site; lives in the macro of its level. */
struct log_site {
    int64_t second;
    unsigned lines;
    unsigned suppressed;
};

/* The process's log settings: set once in main() before anything else runs. */
void log_configure(const char *program, enum log_level level, enum log_format format);

/* A line as it was written, for whoever passes it on. */
struct log_record {
    int64_t at; /* wall ms */
    enum log_level level;
    const char *program;
    const char *event;
    struct slice pairs; /* as logfmt, whatever stderr gets */
    struct slice agent; /* value of the pair `agent`, or empty */
};
/*
 * Gets a copy of every line that the calling thread writes from here on; must not log itself. NULL:
 * nobody does.
 */
void log_set_tap(void (*tap)(void *context, const struct log_record *record), void *context);

/*
 * log_info("listening", "address=%s port=%d", …): the format is a list of key=value pairs separated
 * by single spaces, each value being exactly one conversion (%s %.*s %c %d %u %x %f %g, with the
 * lengths l, ll, z and PRI*). Strings are quoted and escaped where needed.
 */
void log_event(struct log_site *site, enum log_level level, const char *event, const char *format,
               ...) __attribute__((format(printf, 4, 5)));

#define log_at(level, event, ...)                                                                  \
    do {                                                                                           \
        static struct log_site log_site_;                                                          \
        log_event(&log_site_, (level), (event), __VA_ARGS__);                                      \
    } while (0)
/* Lower case: syslog.h, which czmq.h brings along, owns the upper-case names. */
#define log_error(event, ...) log_at(LOG_LEVEL_ERROR, event, __VA_ARGS__)
#define log_warn(event, ...) log_at(LOG_LEVEL_WARN, event, __VA_ARGS__)
#define log_info(event, ...) log_at(LOG_LEVEL_INFO, event, __VA_ARGS__)
#define log_debug(event, ...) log_at(LOG_LEVEL_DEBUG, event, __VA_ARGS__)

#endif
