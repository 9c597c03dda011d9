/*
 * What one run says, as people get to see it: through the agent's stream extractor, if it has one.
 * Pure.
 */
#ifndef AGENT_BRIDGE_SPEECH_H
#define AGENT_BRIDGE_SPEECH_H

#include "agent-bridge/extract/stream.h"
#include "proto/base/buffer.h"
#include "proto/base/slice.h"

struct speech {
    struct extract_stream *extractor; /* owns; NULL: all of it is shown */
    struct buffer shown;              /* with an extractor: all that it let through */
    uint64_t chunks;
    size_t streamed; /* bytes of text in them */
};

/* extractor: its name, empty for none. False: there is none of that name. */
bool speech_init(struct speech *speech, struct slice extractor);
void speech_deinit(struct speech *speech);

/* A chunk of the run's: 0 and what of it is shown, until the next call; or ERROR_TOO_LARGE. */
int speech_push(struct speech *speech, struct slice text, struct slice *shown);
/* The run is done: what is still to be shown, and then the text as a whole. */
struct slice speech_flush(struct speech *speech);
struct slice speech_whole(const struct speech *speech, struct slice text);

#endif
