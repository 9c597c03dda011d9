/*
 * What was said in a room before a question, as the router's history page has it, which is what GET
 * of the channel's messages shows. Left out are the question itself, what others said after it, and
 * what has no text. Answers that the agent gave to earlier questions belong to it even if they came
 * after the question. Pure.
 */
#ifndef AGENT_BRIDGE_HISTORY_H
#define AGENT_BRIDGE_HISTORY_H

#include <stddef.h>
#include "agent-bridge/runtimes/runtime.h"
#include "proto/base/arena.h"
#include "proto/bus/message.h"

/*
 * At most `most` turns, the latest, oldest first, in the arena. The page's slices have to stay as
 * long as they.
 */
size_t history_read(const struct bus_history_page *page, const struct bus_work *work, size_t most,
                    struct arena *arena, struct runtime_turn **turns);

#endif
