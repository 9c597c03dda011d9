#include "edge/http/response.h"

#include <stddef.h>

struct status_line {
    int status;
    struct slice text;
};

#define STATUS(number, reason)                                                                     \
    {                                                                                              \
        number, SLICE_LITERAL("HTTP/1.1 " #number " " reason "\r\n")                               \
    }

static const struct status_line status_lines[] = {
    STATUS(200, "OK"),
    STATUS(201, "Created"),
    STATUS(202, "Accepted"),
    STATUS(204, "No Content"),
    STATUS(206, "Partial Content"),
    STATUS(301, "Moved Permanently"),
    STATUS(302, "Found"),
    STATUS(304, "Not Modified"),
    STATUS(307, "Temporary Redirect"),
    STATUS(308, "Permanent Redirect"),
    STATUS(400, "Bad Request"),
    STATUS(401, "Unauthorized"),
    STATUS(403, "Forbidden"),
    STATUS(404, "Not Found"),
    STATUS(405, "Method Not Allowed"),
    STATUS(406, "Not Acceptable"),
    STATUS(408, "Request Timeout"),
    STATUS(409, "Conflict"),
    STATUS(410, "Gone"),
    STATUS(411, "Length Required"),
    STATUS(412, "Precondition Failed"),
    STATUS(413, "Content Too Large"),
    STATUS(414, "URI Too Long"),
    STATUS(415, "Unsupported Media Type"),
    STATUS(416, "Range Not Satisfiable"),
    STATUS(417, "Expectation Failed"),
    STATUS(422, "Unprocessable Content"),
    STATUS(426, "Upgrade Required"),
    STATUS(429, "Too Many Requests"),
    STATUS(431, "Request Header Fields Too Large"),
    STATUS(500, "Internal Server Error"),
    STATUS(501, "Not Implemented"),
    STATUS(502, "Bad Gateway"),
    STATUS(503, "Service Unavailable"),
    STATUS(504, "Gateway Timeout"),
    STATUS(505, "HTTP Version Not Supported"),
};

static void append_status_line(struct buffer *out, int status)
{
    for (size_t i = 0; i < sizeof(status_lines) / sizeof(status_lines[0]); i++) {
        if (status_lines[i].status == status) {
            buffer_append_slice(out, status_lines[i].text);
            return;
        }
    }
    /* The reason may be empty (RFC 9112 §4). */
    buffer_append_string(out, "HTTP/1.1 ");
    buffer_append_signed(out, status);
    buffer_append_string(out, " \r\n");
}

static void append_line(struct buffer *out, const char *name, const char *value)
{
    buffer_append_string(out, name);
    buffer_append(out, ": ", 2);
    buffer_append_string(out, value);
    buffer_append(out, "\r\n", 2);
}

bool http_status_has_no_body(int status)
{
    return status < 200 || status == 204 || status == 304;
}

void http_response_render(const struct http_response *response, struct buffer *out)
{
    buffer_clear(out);
    append_status_line(out, response->status);
    append_line(out, "Date", response->date);
    if (response->content_type != NULL) {
        append_line(out, "Content-Type", response->content_type);
    }
    if (response->body == HTTP_BODY_LENGTH) {
        buffer_append_string(out, "Content-Length: ");
        buffer_append_unsigned(out, response->length);
        buffer_append(out, "\r\n", 2);
    } else if (response->body == HTTP_BODY_CHUNKED) {
        append_line(out, "Transfer-Encoding", "chunked");
    }
    append_line(out, "X-Content-Type-Options", "nosniff");
    if (response->connection != NULL) {
        append_line(out, "Connection", response->connection);
    }
    buffer_append_slice(out, response->added);
    buffer_append(out, "\r\n", 2);
}

void http_response_add_line(struct buffer *lines, const char *name, struct slice value)
{
    buffer_append_string(lines, name);
    buffer_append(lines, ": ", 2);
    size_t start = lines->length;
    buffer_append_slice(lines, value);
    for (size_t i = start; i < lines->length; i++) {
        unsigned char c = (unsigned char)lines->data[i];

        if ((c < ' ' && c != '\t') || c == 0x7f) {
            lines->data[i] = ' ';
        }
    }
    buffer_append(lines, "\r\n", 2);
}

#define REFUSAL(code, message)                                                                     \
    SLICE_LITERAL("{\"success\":false,\"error\":{\"code\":\"" code "\",\"message\":\"" message     \
                  "\"}}")

struct slice http_refusal_body(int status)
{
    switch (status) {
    case 408:
        return REFUSAL("timeout", "The request did not arrive in time");
    case 413:
        return REFUSAL("too_large", "The payload is too large");
    case 417:
        return REFUSAL("expectation_failed", "The expectation cannot be met");
    case 431:
        return REFUSAL("head_too_large", "The request head is too large");
    case 501:
        return REFUSAL("not_implemented", "The method or transfer coding is not implemented");
    case 503:
        return REFUSAL("overloaded", "Too many requests are being received, try again");
    case 505:
        return REFUSAL("http_version", "Only HTTP/1.0 and HTTP/1.1 are spoken here");
    default:
        return REFUSAL("malformed", "The request is malformed");
    }
}
