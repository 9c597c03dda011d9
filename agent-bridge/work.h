/*
 * The bridge: one link to the router, the registration of its agents over it, and the work that
 * comes back (jobs.h). Pure: frames and the time come in, frames go out through one operation,
 * questions go to a runtime.
 *
 * The end of a link ends all its jobs in silence: the router gives them out again, to whoever is
 * there, and takes no answer of the former attempt. A link that cannot keep what has to be said is
 * therefore given up, never shortened.
 *
 * Leaving is lossless for the same reason. bridge_drain() registers a credit of 0; what the router
 * sent before it heard so is worked on like the rest, since a refusal would end the question. When
 * all is said and confirmed the owner says GOODBYE; what is not done by then is given to others.
 *
 * Implements: BUS.md, the bridge's side of links and registration.
 */
#ifndef AGENT_BRIDGE_WORK_H
#define AGENT_BRIDGE_WORK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "agent-bridge/agents.h"
#include "agent-bridge/jobs.h"
#include "agent-bridge/runtimes/runtime.h"
#include "proto/base/id.h"
#include "proto/bus/link.h"

enum {
    BRIDGE_CONFIRM_MS = 500,        /* how long an idle bridge that leaves waits for the router */
    BRIDGE_RETAINED_MIN = 16 << 20, /* least retained_max of the link: any one answer fits */
};

struct bridge;

struct bridge_settings {
    struct jobs_settings jobs;
    struct link_settings link;
};

struct bridge_operations {
    /* Hands a frame to the transport. False: it takes nothing now. */
    bool (*transmit)(void *context, struct slice header, struct slice body);
    /* A character is to be made, changed or deleted; answered later, by bridge_notify(). */
    void (*change_character)(void *context, const struct bus_message *message);
};

/* Copies the settings and borrows the rest for its life, the texts of `self` too. */
struct bridge *bridge_new(const struct bridge_settings *settings,
                          const struct bridge_operations *operations, void *context,
                          struct id_source *ids, const struct bus_hello *self,
                          struct agents *agents, const struct runtime_set *runtimes, int64_t now);
/* Its runs end in silence. */
void bridge_destroy(struct bridge **bridge);

void bridge_receive(struct bridge *bridge, struct slice frame, int64_t now);
/* The link's timers, and questions that the runtime had no room for; every 50 to 100 ms. */
void bridge_tick(struct bridge *bridge, int64_t now);
/*
 * Once per loop turn: starts what waits, lets the runtime do what is due, and sends in one go all
 * that was said since the last flush. Where that is nothing but chunks, it sends once a
 * millisecond.
 */
void bridge_flush(struct bridge *bridge, int64_t now);
/* A message beside the work; false: there is no link, nothing was said. */
bool bridge_notify(struct bridge *bridge, const struct bus_message *message, int64_t now);
/* When the runtime, or chunks that wait, need the next flush: ms, or -1. */
int64_t bridge_deadline(const struct bridge *bridge);

/* The router took the registration and gives signs of life. Else *reason says in a word why not. */
bool bridge_is_ready(const struct bridge *bridge, int64_t now, const char **reason);

/*
 * Puts `next`, which is destroyed, in the place of its agents, and tells the router. Questions that
 * were given for one that is gone are answered.
 */
void bridge_reload(struct bridge *bridge, struct agents **next, int64_t now);
/* Another runtime, for agents to come. */
void bridge_add_runtime(struct bridge *bridge, struct runtime *runtime);

/* Takes no more work; see above. A link that closes is not opened again. */
void bridge_drain(struct bridge *bridge, int64_t now);
/* Nothing is left that is worth waiting for. */
bool bridge_is_drained(const struct bridge *bridge, int64_t now);
void bridge_say_goodbye(struct bridge *bridge, int64_t now);

struct bridge_counters {
    const struct jobs_counters *jobs;
    uint64_t links_opened;
    uint64_t links_overflowed;
    uint64_t frames_refused; /* malformed, of another version, or no message for a bridge */
    uint64_t gaps, frames_resent, frames_held; /* of the link, see link.h */
    size_t retained;                           /* bytes queued or not acknowledged, now */
};
const struct bridge_counters *bridge_counters(struct bridge *bridge);

#endif
