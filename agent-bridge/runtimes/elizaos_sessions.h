/*
 * Which session of a remote ElizaOS goes on with a conversation of ours. Bounded: the one unused
 * for longest is forgotten, and its conversation begins a new session. Pure.
 */
#ifndef AGENT_BRIDGE_RUNTIMES_ELIZAOS_SESSIONS_H
#define AGENT_BRIDGE_RUNTIMES_ELIZAOS_SESSIONS_H

#include <stddef.h>
#include "proto/base/slice.h"

enum { ELIZAOS_SESSIONS_MAX = 20000 };

struct elizaos_sessions;

struct elizaos_sessions *elizaos_sessions_new(size_t most);
void elizaos_sessions_destroy(struct elizaos_sessions **sessions);

/* Empty: there is none. The id stays until the next call. */
struct slice elizaos_sessions_find(struct elizaos_sessions *sessions, struct slice key);
void elizaos_sessions_put(struct elizaos_sessions *sessions, struct slice key, struct slice id);
void elizaos_sessions_forget(struct elizaos_sessions *sessions, struct slice key);
size_t elizaos_sessions_count(const struct elizaos_sessions *sessions);

#endif
