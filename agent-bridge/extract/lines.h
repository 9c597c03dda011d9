/*
 * Extractors for the shell, for people who write prompts: JSON lines in, JSON lines out.
 *
 *     {"push":"…"} | {"flush":true} | {"reset":true}    →    {"out":"…","done":false}
 *     a line or a chunk that is refused                  →    {"error":"…"}, and nothing has
 * changed
 *
 * A surrogate alone, which the margin may leave of a character, is written as \ud83d, and read so:
 * what a JavaScript program reads is what the original would have returned.
 */
#ifndef AGENT_BRIDGE_EXTRACT_LINES_H
#define AGENT_BRIDGE_EXTRACT_LINES_H

#include "agent-bridge/extract/extractor.h"
#include "proto/base/buffer.h"

enum { EXTRACT_LINE_MAX = 8 << 20 }; /* bytes: the largest chunk with every unit escaped fits */

/* Answers one line, which has no line end; appends one with its line end. */
void extract_answer_line(struct extractor *extractor, struct slice line, struct buffer *out);

/*
 * Answers every line from descriptor `in` on descriptor `out`, each before the next is read, until
 * the end of `in`. 0, or ERROR_SYSTEM when a descriptor fails.
 */
int extract_lines(struct extractor *extractor, int in, int out);

#endif
