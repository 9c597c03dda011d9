/*
 * Stream extractors: what of a model's output, as it arrives in chunks, is shown to people. They do
 * what those of @elizaos/core 1.7 do for any chunking of the input, so that a prompt written for
 * ElizaOS works here:
 *
 *   passthrough     everything
 *   xml-tag:TAG     the inside of the first <TAG>
 *   response        the inside of <text>, but only if <actions> says REPLY, and only that
 *   action-filter   by the first character that is no white space: nothing of JSON, of XML the
 *                   inside of <text>, all of anything else
 *
 * Inside a tag the last EXTRACT_MARGIN units are held back, since a closing tag may begin there;
 * outside, of a long text without the opening tag only its end is kept. Text is counted and cut in
 * UTF-16 code units as the original does it: see stream.h for UTF-8 in and out.
 */
#ifndef AGENT_BRIDGE_EXTRACT_EXTRACTOR_H
#define AGENT_BRIDGE_EXTRACT_EXTRACTOR_H

#include "agent-bridge/extract/units.h"
#include "proto/base/slice.h"

enum {
    EXTRACT_MARGIN = 10,              /* units held back inside a tag */
    EXTRACT_CHUNK_MAX = 1024 * 1024,  /* units of one chunk */
    EXTRACT_OUTSIDE_MAX = 100 * 1024, /* units held outside a tag, before they are trimmed */
    EXTRACT_OUTSIDE_KEPT = 1024,      /* to so many */
    EXTRACT_HELD_MAX = 8 << 20,       /* units held in all: white space before anything else */
    EXTRACT_TAG_MAX = 256,            /* bytes of TAG */
};

struct extractor;

/* NULL: nobody has that name, or TAG is empty, too long or no UTF-8. */
struct extractor *extractor_new(struct slice name);
void extractor_destroy(struct extractor **extractor);

/*
 * Takes a chunk and appends what of it, and of what was held back, may be shown. 0, or
 * ERROR_TOO_LARGE for a chunk that is refused: then nothing has changed.
 */
int extractor_push(struct extractor *extractor, const uint16_t *chunk, size_t length,
                   struct units *out);
/* The stream has ended: appends what is held back inside a tag. */
void extractor_flush(struct extractor *extractor, struct units *out);
/* As new. */
void extractor_reset(struct extractor *extractor);
/* Its closing tag came: no more is to be expected. */
bool extractor_is_done(const struct extractor *extractor);

#endif
