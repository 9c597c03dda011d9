/*
 * The request to a chat completions API: who the agent is, what was said lately, the question. All
 * of it within a budget of tokens, an estimate of one per four bytes of text: the character and
 * the question are always there, examples go first, then the oldest messages. Pure.
 */
#ifndef AGENT_BRIDGE_RUNTIMES_OPENAI_PROMPT_H
#define AGENT_BRIDGE_RUNTIMES_OPENAI_PROMPT_H

#include <stddef.h>
#include "agent-bridge/runtimes/runtime.h"
#include "proto/base/buffer.h"

enum { OPENAI_BYTES_PER_TOKEN = 4, OPENAI_TOKENS_PER_MESSAGE = 4 };

struct openai_prompt_settings {
    struct slice model;
    const char *temperature; /* JSON number; NULL: the server's */
    int64_t max_tokens;      /* of the answer; 0: the server's */
    int64_t context_tokens;  /* of all that is sent, and of max_tokens */
};

/* What was written, for the log. */
struct openai_prompt_summary {
    size_t messages; /* the system's and the question among them */
    size_t left_out; /* of the history */
    size_t tokens;   /* estimate */
    bool has_examples;
};

/*
 * Appends the request but for its last members and the closing brace: the caller adds
 * ,"stream_options":… or nothing, and '}'.
 */
void openai_prompt_write(const struct openai_prompt_settings *settings,
                         const struct runtime_request *request, struct buffer *out,
                         struct openai_prompt_summary *summary);

#endif
