/*
 * Answers and requests of HTTP/1.1 as the load generators read them: a Content-Length and a body.
 */
#ifndef TESTS_BENCH_ANSWER_H
#define TESTS_BENCH_ANSWER_H

#include <stddef.h>

struct answer {
    size_t head; /* bytes, with the empty line */
    size_t body; /* bytes */
};

enum answer_state {
    ANSWER_INCOMPLETE,
    ANSWER_WHOLE,
    ANSWER_REFUSED, /* not 200, or without a length; its head is there */
};

/* Looks at the answer that `bytes` begin with. */
enum answer_state answer_read(const char *bytes, size_t length, struct answer *answer);

/* Likewise at a request: ANSWER_REFUSED when it is no POST, or without a length. */
enum answer_state request_read(const char *bytes, size_t length, struct answer *request);

#endif
