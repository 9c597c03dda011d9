#include "edge/rest/internal.h"

#include <inttypes.h>

/*
 * The id of a chunk's event names the attempt and the bytes of its text up to there: whoever comes
 * back with it as Last-Event-ID, to whichever edge, gets the rest; or, when another attempt is
 * being written, a chunk with `reset` and all of that.
 */

enum { ID_SIZE = 48 };

/* "ATTEMPT.BYTES" */
static bool read_id(struct slice id, uint64_t *attempt, uint64_t *offset)
{
    uint64_t numbers[2] = {0, 0};
    int part = 0;
    if (id.length == 0 || id.length >= ID_SIZE) {
        return false;
    }
    for (size_t i = 0; i < id.length; i++) {
        if (id.data[i] == '.' && part == 0) {
            part = 1;
        } else if (id.data[i] >= '0' && id.data[i] <= '9' && numbers[part] < UINT32_MAX) {
            numbers[part] = numbers[part] * 10 + (uint64_t)(id.data[i] - '0');
        } else {
            return false;
        }
    }
    *attempt = numbers[0];
    *offset = numbers[1];
    return part == 1;
}

void events_begin(struct event_stream *stream, struct http_exchange *exchange,
                  struct slice last_event_id)
{
    *stream = (struct event_stream){.exchange = exchange};
    if (!read_id(last_event_id, &stream->attempt, &stream->offset)) {
        stream->attempt = stream->offset = 0;
    }
    http_add_header(exchange, "Cache-Control", SLICE_LITERAL("no-cache"));
    http_add_header(exchange, "X-Accel-Buffering", SLICE_LITERAL("no"));
    http_stream_start(exchange, 200, "text/event-stream");
}

static bool write_event(struct event_stream *stream, const char *event, struct slice id,
                        struct slice json)
{
    struct buffer bytes = BUFFER_EMPTY;
    sse_write_event(&bytes, event, id, json);
    int error = http_stream_write(stream->exchange, buffer_slice(&bytes));
    buffer_deinit(&bytes);
    return error == 0;
}

bool events_write(struct event_stream *stream, const char *event, struct slice json)
{
    return write_event(stream, event, SLICE_EMPTY, json);
}

bool events_comment(struct event_stream *stream)
{
    struct buffer bytes = BUFFER_EMPTY;
    sse_write_comment(&bytes, "waiting");
    int error = http_stream_write(stream->exchange, buffer_slice(&bytes));
    buffer_deinit(&bytes);
    return error == 0;
}

static bool write_chunk(struct event_stream *stream, const struct bus_chunk *chunk)
{
    struct buffer out = BUFFER_EMPTY;
    char id[ID_SIZE];
    stream->attempt = chunk->attempt;
    stream->offset = chunk->offset + chunk->text.length;
    stream->index = chunk->index;
    snprintf(id, sizeof(id), "%" PRIu64 ".%" PRIu64, stream->attempt, stream->offset);
    buffer_append_char(&out, '{');
    json_write_string_member(&out, "messageId", chunk->reply);
    json_write_string_member(&out, "chunk", chunk->text);
    json_write_unsigned_member(&out, "index", chunk->index);
    if (chunk->is_reset) {
        json_write_unsigned_member(&out, "attempt", chunk->attempt);
        json_write_boolean_member(&out, "reset", true);
    }
    buffer_append_char(&out, '}');
    bool is_written = write_event(stream, "chunk", slice_of_string(id), buffer_slice(&out));
    buffer_deinit(&out);
    return is_written;
}

bool events_chunk(struct event_stream *stream, const struct bus_chunk *chunk)
{
    struct bus_chunk rest = *chunk;
    bool is_known = chunk->attempt == stream->attempt && chunk->offset <= stream->offset &&
                    chunk->offset + chunk->text.length >= stream->offset;
    if (is_known) {
        size_t known = (size_t)(stream->offset - chunk->offset);
        rest.offset = stream->offset;
        rest.text = slice_of(chunk->text.data + known, chunk->text.length - known);
        rest.is_reset = chunk->is_reset && stream->offset == 0;
    } else if (chunk->offset > 0) {
        return true; /* the piece before it was missed: events_settle() makes it good */
    } else {
        rest.is_reset = true;
    }
    bool is_first = stream->attempt == 0 && stream->offset == 0;
    rest.is_reset = rest.is_reset && !is_first; /* there is nothing that it could replace */
    return rest.text.length == 0 || write_chunk(stream, &rest);
}

bool events_settle(struct event_stream *stream, struct slice reply, struct slice text)
{
    if (stream->offset == text.length) {
        return true; /* an attempt's chunks are its reply's text */
    }
    bool is_first = stream->offset == 0;
    struct bus_chunk chunk = {.reply = reply,
                              .index = is_first ? 0 : stream->index + 1,
                              .text = text,
                              .attempt = stream->attempt,
                              .is_reset = !is_first};
    return write_chunk(stream, &chunk);
}
