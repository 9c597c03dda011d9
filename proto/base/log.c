#include "proto/base/log.h"

#include <assert.h>
#include <errno.h>
#include <math.h>
#include <pthread.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "proto/base/clock.h"
#include "proto/base/slice.h"
#include "proto/base/utf8.h"

enum {
    LINE_MAX_BYTES = 4096, /* PIPE_BUF: lines of several processes on one pipe do not mix */
    NUMBER_MAX = 64,
    PRECISION_DEFAULT = 6
};

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
static const char *const format_names[] = {"logfmt", "json"};

struct line {
    char bytes[LINE_MAX_BYTES];
    size_t length;
    size_t pair_start; /* where the pair being written begins: it is whole or not there at all */
    bool is_full;
    bool is_json;
};

/* One value as the caller's conversions gave it. */
struct value {
    char bytes[LOG_VALUE_MAX];
    size_t length;
    bool is_number;
    bool is_cut;
};

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

static bool parse_name(const char *text, const char *const *names, int count, int *out)
{
    for (int i = 0; i < count; i++) {
        if (strcmp(text, names[i]) == 0) {
            *out = i;
            return true;
        }
    }
    return false;
}

bool log_level_parse(const char *text, enum log_level *out)
{
    int level;

    if (!parse_name(text, level_names, LOG_LEVEL_DEBUG + 1, &level)) {
        return false;
    }
    *out = (enum log_level)level;
    return true;
}

bool log_format_parse(const char *text, enum log_format *out)
{
    int format;

    if (!parse_name(text, format_names, LOG_FORMAT_JSON + 1, &format)) {
        return false;
    }
    *out = (enum log_format)format;
    return true;
}

/* The last two bytes are kept for the closing brace and the line feed. */
static void line_put(struct line *line, const char *data, size_t length)
{
    if (line->is_full || length > sizeof(line->bytes) - 2 - line->length) {
        line->is_full = true;
        return;
    }
    memcpy(line->bytes + line->length, data, length);
    line->length += length;
}

static void line_put_string(struct line *line, const char *text)
{
    line_put(line, text, strlen(text));
}

/*
 * Quotes, backslashes and controls (C1 too: terminals obey them) are escaped and bytes that are
 * not UTF-8 replaced, so that no value can end its field, its line, or drive a terminal.
 */
static void line_put_escaped(struct line *line, const char *data, size_t length)
{
    const unsigned char *at = (const unsigned char *)data;
    const unsigned char *end = at + length;

    while (at < end) {
        size_t size = utf8_length(at, end);
        bool is_c1 = size == 2 && at[0] == 0xc2 && at[1] < 0xa0;
        char escape[8];

        if (size == 0) {
            line_put_string(line, "\xef\xbf\xbd");
            at++;
            continue;
        }
        if (*at == '"' || *at == '\\') {
            line_put(line, "\\", 1);
            line_put(line, (const char *)at, 1);
        } else if (*at == '\n') {
            line_put(line, "\\n", 2);
        } else if (*at == '\t') {
            line_put(line, "\\t", 2);
        } else if (*at < 0x20 || *at == 0x7f || is_c1) {
            snprintf(escape, sizeof(escape), "\\u00%02x", is_c1 ? at[1] : at[0]);
            line_put_string(line, escape);
        } else {
            line_put(line, (const char *)at, size);
        }
        at += size;
    }
}

static bool needs_quotes(const struct value *value)
{
    if (value->length == 0 || value->is_cut) {
        return true;
    }
    for (size_t i = 0; i < value->length; i++) {
        unsigned char byte = (unsigned char)value->bytes[i];

        if (byte <= ' ' || byte >= 0x7f || byte == '"' || byte == '=' || byte == '\\') {
            return true;
        }
    }
    return false;
}

static void line_put_pair(struct line *line, struct slice key, const struct value *value)
{
    bool is_json = line->is_json;
    bool is_quoted = is_json ? !value->is_number : needs_quotes(value);

    line->pair_start = line->length;
    if (is_json) {
        line_put_string(line, line->length == 1 ? "\"" : ",\"");
        line_put_escaped(line, key.data, key.length);
        line_put_string(line, "\":");
    } else {
        if (line->length > 0) {
            line_put(line, " ", 1);
        }
        line_put(line, key.data, key.length);
        line_put(line, "=", 1);
    }
    if (is_quoted) {
        line_put(line, "\"", 1);
    }
    line_put_escaped(line, value->bytes, value->length);
    if (value->is_cut) {
        line_put_string(line, "\xe2\x80\xa6"); /* an ellipsis */
    }
    if (is_quoted) {
        line_put(line, "\"", 1);
    }
    if (line->is_full) {
        line->length = line->pair_start;
    }
}

static void value_put(struct value *value, const char *data, size_t length)
{
    size_t room = LOG_VALUE_MAX - value->length;

    if (value->is_cut) {
        return;
    }
    if (length > room) {
        value->is_cut = true;
        length = room;
        /* Back to the start of a character. */
        while (length > 0 && utf8_is_continuation((unsigned char)data[length])) {
            length--;
        }
    }
    memcpy(value->bytes + value->length, data, length);
    value->length += length;
}

static void line_put_text_pair(struct line *line, const char *key, const char *text)
{
    struct value value = {.length = 0};

    value_put(&value, text, strlen(text));
    line_put_pair(line, slice_of_string(key), &value);
}

enum length_modifier { LENGTH_INT, LENGTH_LONG, LENGTH_LONG_LONG, LENGTH_SIZE, LENGTH_MAX };

static const char *parse_length(const char *at, enum length_modifier *length)
{
    *length = LENGTH_INT;
    if (*at == 'l') {
        *length = at[1] == 'l' ? LENGTH_LONG_LONG : LENGTH_LONG;
        return at + (at[1] == 'l' ? 2 : 1);
    }
    if (*at == 'z' || *at == 'j') {
        *length = *at == 'z' ? LENGTH_SIZE : LENGTH_MAX;
        return at + 1;
    }
    while (*at == 'h') { /* promoted to int */
        at++;
    }
    return at;
}

/* A va_list inside a struct can be handed on by pointer everywhere. */
struct arguments {
    va_list list;
};

static intmax_t next_signed(struct arguments *arguments, enum length_modifier length)
{
    switch (length) {
    case LENGTH_LONG:
        return va_arg(arguments->list, long);
    case LENGTH_LONG_LONG:
        return va_arg(arguments->list, long long);
    case LENGTH_SIZE:
        return va_arg(arguments->list, ssize_t);
    case LENGTH_MAX:
        return va_arg(arguments->list, intmax_t);
    case LENGTH_INT:
        break;
    }
    return va_arg(arguments->list, int);
}

static uintmax_t next_unsigned(struct arguments *arguments, enum length_modifier length)
{
    switch (length) {
    case LENGTH_LONG:
        return va_arg(arguments->list, unsigned long);
    case LENGTH_LONG_LONG:
        return va_arg(arguments->list, unsigned long long);
    case LENGTH_SIZE:
        return va_arg(arguments->list, size_t);
    case LENGTH_MAX:
        return va_arg(arguments->list, uintmax_t);
    case LENGTH_INT:
        break;
    }
    return va_arg(arguments->list, unsigned);
}

static void value_put_string(struct value *value, const char *text, int precision)
{
    if (text == NULL) {
        text = "";
    }
    value->is_number = false;
    value_put(value, text, precision < 0 ? strlen(text) : strnlen(text, (size_t)precision));
}

static void value_put_double(struct value *value, double number, char conversion, int precision)
{
    char text[LOG_VALUE_MAX];

    if (precision < 0) {
        precision = PRECISION_DEFAULT;
    }
    if (conversion == 'f') {
        snprintf(text, sizeof(text), "%.*f", precision, number);
    } else {
        snprintf(text, sizeof(text), "%.*g", precision, number);
    }
    if (!isfinite(number)) { /* JSON has no such number */
        value->is_number = false;
    }
    value_put(value, text, strlen(text));
}

/* The conversion that begins at the '%' at `at`; returns the place behind it. */
static const char *value_put_conversion(struct value *value, const char *at,
                                        struct arguments *arguments)
{
    enum length_modifier length;
    char text[NUMBER_MAX];
    int precision = -1;

    at += 1 + strspn(at + 1, "-+ #0123456789");
    if (*at == '.') {
        at++;
        if (*at == '*') {
            precision = va_arg(arguments->list, int);
            at++;
        } else {
            for (precision = 0; *at >= '0' && *at <= '9'; at++) {
                precision = precision * 10 + (*at - '0');
            }
        }
    }
    at = parse_length(at, &length);
    switch (*at) {
    case 's':
        value_put_string(value, va_arg(arguments->list, const char *), precision);
        break;
    case 'd':
    case 'i':
        snprintf(text, sizeof(text), "%jd", next_signed(arguments, length));
        value_put(value, text, strlen(text));
        break;
    case 'u':
        snprintf(text, sizeof(text), "%ju", next_unsigned(arguments, length));
        value_put(value, text, strlen(text));
        break;
    case 'x':
        snprintf(text, sizeof(text), "%jx", next_unsigned(arguments, length));
        value->is_number = false;
        value_put(value, text, strlen(text));
        break;
    case 'c':
        text[0] = (char)va_arg(arguments->list, int);
        value->is_number = false;
        value_put(value, text, 1);
        break;
    case 'f':
    case 'g':
        value_put_double(value, va_arg(arguments->list, double), *at, precision);
        break;
    default:
        assert(false); /* a conversion that log.h does not name */
    }
    return at + 1;
}

/* agent: gets the value of the pair of that name; may be NULL. */
static void line_put_pairs(struct line *line, const char *format, struct arguments *arguments,
                           struct value *agent)
{
    const char *at = format;

    while (*at != '\0') {
        struct value value = {.length = 0, .is_number = true};
        size_t key_length = strcspn(at, "= ");
        struct slice key = slice_of(at, key_length);
        unsigned conversions = 0;

        at += key_length;
        if (*at == '=') {
            at++;
        }
        while (*at != '\0' && *at != ' ') {
            if (*at == '%') {
                at = value_put_conversion(&value, at, arguments);
                conversions++;
            } else {
                value.is_number = false;
                value_put(&value, at, 1);
                at++;
            }
        }
        value.is_number = value.is_number && conversions == 1;
        if (key_length > 0) {
            line_put_pair(line, key, &value);
        }
        if (agent != NULL && slice_is(key, "agent")) {
            *agent = value;
        }
        at += strspn(at, " ");
    }
}

static void line_begin(struct line *line, enum log_level level, const char *event)
{
    char timestamp[CLOCK_ISO_SIZE];

    line->length = 0;
    line->is_full = false;
    line->is_json = settings.format == LOG_FORMAT_JSON;
    if (line->is_json) {
        line_put(line, "{", 1);
    }
    clock_format_iso(clock_wall_ms(), timestamp);
    line_put_text_pair(line, "ts", timestamp);
    line_put_text_pair(line, "level", level_names[level]);
    line_put_text_pair(line, "program", settings.program);
    line_put_text_pair(line, "event", event);
}

static void line_write(struct line *line)
{
    const char *at = line->bytes;

    if (line->is_json) {
        line->bytes[line->length++] = '}';
    }
    line->bytes[line->length++] = '\n';
    /* One write(2) as a rule. A stderr that takes nothing loses the line: logs never block work. */
    while (line->length > 0) {
        ssize_t written = write(STDERR_FILENO, at, line->length);

        if (written < 0 && errno == EINTR) {
            continue;
        }
        if (written <= 0) {
            return;
        }
        at += written;
        line->length -= (size_t)written;
    }
}

static void write_suppressed(unsigned lines, enum log_level level, const char *event)
{
    struct value value = {.is_number = true};
    struct line line;

    line_begin(&line, level, event);
    value.length = (size_t)snprintf(value.bytes, sizeof(value.bytes), "%u", lines);
    line_put_pair(&line, SLICE_LITERAL("suppressed"), &value);
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
                    struct arguments *arguments)
{
    struct line line = {.length = 0};
    struct value agent = {.length = 0};

    line_put_pairs(&line, format, arguments, &agent);
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
    struct arguments arguments;
    struct line line;

    if (level > settings.level || !site_admit(site, level, event)) {
        return;
    }
    line_begin(&line, level, event);
    va_start(arguments.list, format);
    line_put_pairs(&line, format, &arguments, NULL);
    va_end(arguments.list);
    line_write(&line);
    if (settings.tap != NULL && pthread_equal(pthread_self(), settings.tap_thread)) {
        va_start(arguments.list, format);
        pass_on(level, event, format, &arguments);
        va_end(arguments.list);
    }
}
