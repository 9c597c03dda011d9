#include "tests/bench/answer.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

/* The value of Content-Length in a head, or -1. */
static long content_length(const char *head, size_t length)
{
    static const char name[] = "content-length:";
    const char *line = head;
    const char *end = head + length;
    while (line < end) {
        if ((size_t)(end - line) > sizeof name && strncasecmp(line, name, sizeof name - 1) == 0) {
            return strtol(line + sizeof name - 1, NULL, 10);
        }
        const char *newline = memchr(line, '\n', (size_t)(end - line));
        line = newline ? newline + 1 : end;
    }
    return -1;
}

static enum answer_state read_message(const char *bytes, size_t length, const char *beginning,
                                      struct answer *message)
{
    const char *head_end = memmem(bytes, length, "\r\n\r\n", 4);
    if (!head_end) {
        return ANSWER_INCOMPLETE;
    }
    message->head = (size_t)(head_end - bytes) + 4;
    long body = content_length(bytes, message->head);
    if (body < 0 || strncmp(bytes, beginning, strlen(beginning)) != 0) {
        return ANSWER_REFUSED;
    }
    message->body = (size_t)body;
    return length - message->head < message->body ? ANSWER_INCOMPLETE : ANSWER_WHOLE;
}

enum answer_state answer_read(const char *bytes, size_t length, struct answer *answer)
{
    return read_message(bytes, length, "HTTP/1.1 200", answer);
}

enum answer_state request_read(const char *bytes, size_t length, struct answer *request)
{
    return read_message(bytes, length, "POST ", request);
}
