#include "edge/http/framing.h"

#include "proto/base/hex.h"

void http_framing_init(struct http_framing *framing, const struct http_head *head)
{
    *framing = (struct http_framing){
        .state = head->is_chunked ? HTTP_FRAMING_SIZE : HTTP_FRAMING_LENGTH,
        .left = head->content_length,
    };
}

static bool is_text(char c)
{
    return c == '\t' || ((unsigned char)c >= ' ' && c != 0x7f);
}

/* A token's byte (RFC 9110 §5.6.2). */
static bool is_token(char c)
{
    return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') ||
           (c != '\0' && strchr("!#$%&'*+-.^_`|~", c) != NULL);
}

/* A byte of the line that holds a chunk's size. */
static enum http_framing_verdict take_size(struct http_framing *framing, char c)
{
    int digit = hex_value(c);

    if (digit >= 0) {
        if (framing->digits++ == HTTP_CHUNK_DIGITS_MAX) {
            return HTTP_FRAMING_MALFORMED;
        }
        framing->left = framing->left * 16 + (uint64_t)digit;
        return HTTP_FRAMING_MORE;
    }
    if (framing->digits == 0 || (c != '\r' && c != ';')) {
        return HTTP_FRAMING_MALFORMED;
    }
    framing->state = c == '\r' ? HTTP_FRAMING_SIZE_LF : HTTP_FRAMING_EXTENSION;
    framing->line_bytes = 0;
    return HTTP_FRAMING_MORE;
}

static enum http_framing_verdict end_size(struct http_framing *framing, size_t limit,
                                          const struct buffer *body)
{
    framing->digits = 0;
    framing->line_bytes = 0;
    framing->state = framing->left > 0 ? HTTP_FRAMING_DATA : HTTP_FRAMING_TRAILER_START;
    return framing->left > limit - body->length ? HTTP_FRAMING_TOO_LARGE : HTTP_FRAMING_MORE;
}

/* One byte of what is between the data of chunks. */
static enum http_framing_verdict take_byte(struct http_framing *framing, char c, size_t limit,
                                           const struct buffer *body)
{
    bool fits = true;

    if (framing->state >= HTTP_FRAMING_TRAILER_START && ++framing->line_bytes > HTTP_TRAILERS_MAX) {
        return HTTP_FRAMING_MALFORMED;
    }
    switch (framing->state) {
    case HTTP_FRAMING_SIZE:
        return take_size(framing, c);
    case HTTP_FRAMING_EXTENSION:
        if (c == '\r') {
            framing->state = HTTP_FRAMING_SIZE_LF;
        } else {
            fits = is_text(c) && ++framing->line_bytes <= HTTP_CHUNK_LINE_MAX;
        }
        break;
    case HTTP_FRAMING_SIZE_LF:
        return c == '\n' ? end_size(framing, limit, body) : HTTP_FRAMING_MALFORMED;
    case HTTP_FRAMING_DATA_CR:
        fits = c == '\r';
        framing->state = HTTP_FRAMING_DATA_LF;
        break;
    case HTTP_FRAMING_DATA_LF:
        fits = c == '\n';
        framing->state = HTTP_FRAMING_SIZE;
        break;
    case HTTP_FRAMING_TRAILER_START:
        fits = c == '\r' || is_token(c);
        framing->state = c == '\r' ? HTTP_FRAMING_LAST_LF : HTTP_FRAMING_TRAILER_NAME;
        break;
    case HTTP_FRAMING_TRAILER_NAME:
        fits = c == ':' || is_token(c);
        if (c == ':') {
            framing->state = HTTP_FRAMING_TRAILER_VALUE;
        }
        break;
    case HTTP_FRAMING_TRAILER_VALUE:
        fits = c == '\r' || is_text(c);
        if (c == '\r') {
            framing->state = HTTP_FRAMING_TRAILER_LF;
        }
        break;
    case HTTP_FRAMING_TRAILER_LF:
        fits = c == '\n';
        framing->state = HTTP_FRAMING_TRAILER_START;
        break;
    case HTTP_FRAMING_LAST_LF:
        return c == '\n' ? HTTP_FRAMING_DONE : HTTP_FRAMING_MALFORMED;
    case HTTP_FRAMING_LENGTH:
    case HTTP_FRAMING_DATA:
        break;
    }
    return fits ? HTTP_FRAMING_MORE : HTTP_FRAMING_MALFORMED;
}

enum http_framing_verdict http_framing_take(struct http_framing *framing, struct slice input,
                                            size_t limit, struct buffer *body, size_t *used)
{
    enum http_framing_verdict verdict = HTTP_FRAMING_MORE;
    size_t at = 0;

    if (framing->state == HTTP_FRAMING_LENGTH && framing->left > limit - body->length) {
        verdict = HTTP_FRAMING_TOO_LARGE;
    }
    while (verdict == HTTP_FRAMING_MORE && at < input.length) {
        if (framing->state != HTTP_FRAMING_LENGTH && framing->state != HTTP_FRAMING_DATA) {
            verdict = take_byte(framing, input.data[at++], limit, body);
            continue;
        }
        size_t length = input.length - at;
        if (length > framing->left) {
            length = (size_t)framing->left;
        }
        buffer_append(body, input.data + at, length);
        at += length;
        framing->left -= length;
        if (framing->left == 0) {
            if (framing->state == HTTP_FRAMING_LENGTH) {
                verdict = HTTP_FRAMING_DONE;
            }
            framing->state = HTTP_FRAMING_DATA_CR;
        }
    }
    *used = at;
    return verdict;
}
