#include "proto/base/log.h"

#include <errno.h>
#include <pthread.h>
#include <stdarg.h>
#include <string.h>
#include <unistd.h>

#include "proto/base/clock.h"
#include "proto/base/log_line.h"
#include "proto/base/slice.h"

/* Written once by log_configure(), before anything else runs. */
static struct {
    const char *program; /* borrows */
    enum log_level level;
    enum log_format format;
    void (*tap)(void *context, const struct log_record *record);
    void *tap_context;
    pthread_t tap_thread;
} settings = {.program = "elizamq", .level = LOG_LEVEL_INFO, .format = LOG_FORMAT_LOGFMT};

static const char *const level_names[] = {"error", "warn", "info", "debug"};

void log_configure(const char *program, enum log_level level, enum log_format format)
{
    settings.program = program;
    settings.level = level;
    settings.format = format;
}

void log_set_tap(void (*tap)(void *context, const struct log_record *record), void *context)
{
    settings.tap = tap;
    settings.tap_context = context;
    settings.tap_thread = pthread_self();
}

static void line_begin(struct log_line *line, enum log_level level, const char *event)
{
    char timestamp[CLOCK_ISO_SIZE];

    log_line_begin(line, settings.format == LOG_FORMAT_JSON);
    clock_format_iso(clock_wall_ms(), timestamp);
    log_line_put_text(line, "ts", timestamp);
    log_line_put_text(line, "level", level_names[level]);
    log_line_put_text(line, "program", settings.program);
    log_line_put_text(line, "event", event);
}

static void line_write(struct log_line *line)
{
    struct slice rest = log_line_end(line);

    /* One write(2) as a rule. A stderr that takes nothing loses the line: logs never block work. */
    while (rest.length > 0) {
        ssize_t written = write(STDERR_FILENO, rest.data, rest.length);

        if (written < 0 && errno == EINTR) {
            continue;
        }
        if (written <= 0) {
            return;
        }
        rest = slice_of(rest.data + written, rest.length - (size_t)written);
    }
}

static void write_suppressed(unsigned lines, enum log_level level, const char *event)
{
    struct log_line line;

    line_begin(&line, level, event);
    log_line_put_number(&line, "suppressed", lines);
    line_write(&line);
}

/* Whether a site may write one more line; says first how many it could not in the second before. */
static bool site_admit(struct log_site *site, enum log_level level, const char *event)
{
    int64_t second = clock_monotonic_ms() / 1000;

    if (site->second != second) {
        if (site->suppressed > 0) {
            write_suppressed(site->suppressed, level, event);
        }
        site->second = second;
        site->lines = 0;
        site->suppressed = 0;
    }
    if (site->lines == LOG_SITE_BURST) {
        site->suppressed++;
        return false;
    }
    site->lines++;
    return true;
}

static void pass_on(enum log_level level, const char *event, const char *format,
                    struct log_arguments *arguments)
{
    struct log_line line;
    struct log_value agent = {.length = 0};

    log_line_begin(&line, false);
    log_line_put_pairs(&line, format, arguments, &agent);
    struct log_record record = {.at = clock_wall_ms(),
                                .level = level,
                                .program = settings.program,
                                .event = event,
                                .pairs = slice_of(line.bytes, line.length),
                                .agent = slice_of(agent.bytes, agent.length)};
    settings.tap(settings.tap_context, &record);
}

void log_event(struct log_site *site, enum log_level level, const char *event, const char *format,
               ...)
{
    struct log_arguments arguments;
    struct log_line line;

    if (level > settings.level || !site_admit(site, level, event)) {
        return;
    }
    line_begin(&line, level, event);
    va_start(arguments.list, format);
    log_line_put_pairs(&line, format, &arguments, NULL);
    va_end(arguments.list);
    line_write(&line);
    if (settings.tap != NULL && pthread_equal(pthread_self(), settings.tap_thread)) {
        va_start(arguments.list, format);
        pass_on(level, event, format, &arguments);
        va_end(arguments.list);
    }
}
