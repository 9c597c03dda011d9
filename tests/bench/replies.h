/*
 * The book of replies that are written token by token: what was written of each, what its viewer
 * has got of it, and how long each token was on its way. No I/O; time comes in as an argument.
 *
 * Replies are numbered, and each is asked for once. A token is the time at which it was written:
 * whatever chunk it comes in, it brings along what its latency counts from.
 */
#ifndef TESTS_BENCH_REPLIES_H
#define TESTS_BENCH_REPLIES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "tests/bench/stats.h"

enum {
    REPLIES_TOKEN_LENGTH = 17,    /* 16 hexadecimal digits and a space */
    REPLIES_QUESTION_LENGTH = 10, /* "talk/00012" */
    REPLIES_MAX = 100000,
};

struct replies_text {
    char *bytes; /* owns */
    size_t length;
    size_t capacity;
};

struct reply {
    bool asked;
    bool ended;
    size_t counted; /* bytes of what came whose tokens are counted */
    struct replies_text written;
    struct replies_text came; /* its chunks, one after the other */
};

struct replies {
    uint32_t count;
    struct reply *all; /* owns `count` of them */
    uint64_t written;  /* tokens */
    uint64_t came;     /* of those, as they were written */
    uint64_t stray;    /* chunks and replies that nobody wrote so, or that came after the end */
    uint64_t chunks;
    uint32_t begun; /* replies of which there is a chunk */
    uint32_t ended; /* replies whose whole is there */
    uint32_t wrong; /* of those: what was written, what came and the whole are not the same */
    bool measuring; /* latencies are taken */
    struct histogram latency;
};

/* Of at most REPLIES_MAX replies. Returns 0, or -1 when memory is out. */
int replies_init(struct replies *self, uint32_t count);
void replies_deinit(struct replies *self);

/* Writes the text that asks for a reply: REPLIES_QUESTION_LENGTH bytes and a NUL. */
void replies_question(uint32_t number, char *text);

/* Notes that a question came, somewhere in `bytes`. Returns the number of its reply, or -1 when
 * there is none, or it was asked for before. */
int64_t replies_ask(struct replies *self, const char *bytes, size_t length);

/* Notes that a reply's next token is written now, and writes it: REPLIES_TOKEN_LENGTH bytes.
 * Returns 0, or -1 when memory is out. */
int replies_write(struct replies *self, uint32_t number, int64_t now, char *token);

/* Notes a packet with a chunk that came to the viewer of a reply. Returns as above. */
int replies_receive(struct replies *self, uint32_t number, const char *packet, size_t length,
                    int64_t now);

/* Notes a packet with a message that came to the viewer of a reply: if it answers another one, it
 * is the reply as a whole. */
void replies_end(struct replies *self, uint32_t number, const char *packet, size_t length);

/* How many tokens were written and have not come. */
uint64_t replies_missing(const struct replies *self);

#endif
