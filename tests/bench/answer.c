#include "tests/bench/answer.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

/* The value of Content-Length in an answer's head, or -1. */
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

enum answer_state answer_read(const char *bytes, size_t length, struct answer *answer)
{
    static const char status[] = "HTTP/1.1 200";
    const char *head_end = memmem(bytes, length, "\r\n\r\n", 4);
    if (!head_end) {
        return ANSWER_INCOMPLETE;
    }
    answer->head = (size_t)(head_end - bytes) + 4;
    long body = content_length(bytes, answer->head);
    if (body < 0 || strncmp(bytes, status, sizeof status - 1) != 0) {
        return ANSWER_REFUSED;
    }
    answer->body = (size_t)body;
    return length - answer->head < answer->body ? ANSWER_INCOMPLETE : ANSWER_WHOLE;
}
