#include "agent-bridge/extract/lines.h"

#include <errno.h>
#include <unistd.h>

#include "proto/base/error.h"
#include "proto/base/hex.h"
#include "proto/base/json.h"

enum { READ_SIZE = 64 * 1024, LINE_DEPTH_MAX = 4 };

/* The four digits behind \u of a string that was checked. */
static uint16_t code_unit(const char *at)
{
    unsigned value = 0;
    for (int i = 0; i < 4; i++) {
        value = value << 4 | (unsigned)hex_value(at[i]);
    }
    return (uint16_t)value;
}

static uint16_t unescape(char letter)
{
    switch (letter) {
    case 'b':
        return '\b';
    case 'f':
        return '\f';
    case 'n':
        return '\n';
    case 'r':
        return '\r';
    case 't':
        return '\t';
    default:
        return (unsigned char)letter; /* quote, slashes */
    }
}

/* The units of a validated string value. */
static void read_string(struct slice value, struct units *out)
{
    const char *at = value.data + 1;
    const char *end = value.data + value.length - 1;
    while (at < end) {
        const char *escape = memchr(at, '\\', (size_t)(end - at));
        const char *plain_end = escape == NULL ? end : escape;
        units_append_utf8(out, slice_of(at, (size_t)(plain_end - at)));
        at = plain_end;
        if (at < end) {
            uint16_t unit = at[1] == 'u' ? code_unit(at + 2) : unescape(at[1]);
            at += at[1] == 'u' ? 6 : 2;
            units_append(out, &unit, 1);
        }
    }
}

static void write_string(struct buffer *out, const struct units *text)
{
    const uint16_t *at = text->data;
    const uint16_t *end = text->length == 0 ? at : at + text->length;
    buffer_append_char(out, '"');
    while (at < end) {
        const uint16_t *first = at;
        uint32_t character = units_next(&at, end);
        if (character < 0x20 || (character >= 0xd800 && character < 0xe000)) {
            buffer_append_format(out, "\\u%04x", (unsigned)character);
            continue;
        }
        if (character == '"' || character == '\\') {
            buffer_append_char(out, '\\');
        }
        units_write_utf8(first, at, out);
    }
    buffer_append_char(out, '"');
}

static void refuse(struct buffer *out, const char *why)
{
    buffer_append_string(out, "{");
    json_write_string_member(out, "error", slice_of_string(why));
    buffer_append_string(out, "}\n");
}

/* Does what the line says; NULL, or why not. */
static const char *obey(struct extractor *extractor, struct slice line, struct units *shown)
{
    struct slice object, name, value, more;
    bool flag = false;
    if (json_scan(line, LINE_DEPTH_MAX, &object) != 0 || json_type(object) != JSON_OBJECT) {
        return "the line is no JSON object";
    }
    struct json_iterator members = json_iterate(object);
    if (!json_next_member(&members, &name, &value) || json_next_member(&members, &more, &more)) {
        return "the object has one member: push, flush or reset";
    }
    if (slice_is(name, "push")) {
        struct units chunk = UNITS_EMPTY;
        int error = 0;
        if (json_type(value) != JSON_STRING) {
            return "push is a string";
        }
        read_string(value, &chunk);
        error = extractor_push(extractor, chunk.data, chunk.length, shown);
        units_deinit(&chunk);
        return error == 0 ? NULL : "the chunk is larger than 1048576 UTF-16 units";
    }
    if (!json_to_boolean(value, &flag) || !flag) {
        return "push is a string, flush and reset are true";
    }
    if (slice_is(name, "flush")) {
        extractor_flush(extractor, shown);
        return NULL;
    }
    if (slice_is(name, "reset")) {
        extractor_reset(extractor);
        return NULL;
    }
    return "the object has one member: push, flush or reset";
}

void extract_answer_line(struct extractor *extractor, struct slice line, struct buffer *out)
{
    struct units shown = UNITS_EMPTY;
    const char *problem = obey(extractor, line, &shown);
    if (problem != NULL) {
        refuse(out, problem);
    } else {
        buffer_append_string(out, "{\"out\":");
        write_string(out, &shown);
        json_write_boolean_member(out, "done", extractor_is_done(extractor));
        buffer_append_string(out, "}\n");
    }
    units_deinit(&shown);
}

static bool write_all(int descriptor, struct slice bytes)
{
    while (bytes.length > 0) {
        ssize_t written = write(descriptor, bytes.data, bytes.length);
        if (written < 0 && errno != EINTR) {
            return false;
        }
        if (written > 0) {
            bytes.data += written;
            bytes.length -= (size_t)written;
        }
    }
    return true;
}

/* A line as it arrives; one that is too long is remembered as that and nothing more. */
struct line {
    struct buffer text;
    bool is_too_long;
};

static void line_append(struct line *line, const char *data, size_t length)
{
    if (line->is_too_long || length > EXTRACT_LINE_MAX - line->text.length) {
        line->is_too_long = true;
        buffer_clear(&line->text);
    } else {
        buffer_append(&line->text, data, length);
    }
}

static bool line_end(struct line *line, struct extractor *extractor, int out)
{
    struct buffer answer = BUFFER_EMPTY;
    if (line->is_too_long) {
        refuse(&answer, "the line is too long");
    } else {
        extract_answer_line(extractor, buffer_slice(&line->text), &answer);
    }
    bool is_written = write_all(out, buffer_slice(&answer));
    buffer_deinit(&answer);
    buffer_clear(&line->text);
    line->is_too_long = false;
    return is_written;
}

static ssize_t read_some(int descriptor, char *bytes, size_t size)
{
    ssize_t length;
    do {
        length = read(descriptor, bytes, size);
    } while (length < 0 && errno == EINTR);
    return length;
}

int extract_lines(struct extractor *extractor, int in, int out)
{
    struct line line = {BUFFER_EMPTY, false};
    char bytes[READ_SIZE];
    ssize_t length = 0;
    bool is_well = true;
    while (is_well && (length = read_some(in, bytes, sizeof(bytes))) > 0) {
        const char *at = bytes;
        const char *end = bytes + length;
        const char *feed;
        while (is_well && at < end && (feed = memchr(at, '\n', (size_t)(end - at))) != NULL) {
            line_append(&line, at, (size_t)(feed - at));
            is_well = line_end(&line, extractor, out);
            at = feed + 1;
        }
        if (at < end) {
            line_append(&line, at, (size_t)(end - at));
        }
    }
    if (is_well && length == 0 && (line.text.length > 0 || line.is_too_long)) {
        is_well = line_end(&line, extractor, out); /* the last line end is missing */
    }
    buffer_deinit(&line.text);
    return is_well && length == 0 ? 0 : ERROR_SYSTEM;
}
