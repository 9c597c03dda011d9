/*
 * The edge's way to the router: one link, and the requests that wait for answers over it. Pure.
 *
 * A request is kept until its answer or its deadline. When the link is opened anew (router
 * restarted, or it gave this edge up), the owner synchronises its rooms first and then every
 * waiting request is sent again: sends are idempotent, joins and reads may be repeated. Joins and
 * recoveries whose owner is gone end instead.
 *
 * Implements: BUS.md, the edge's side of links and requests.
 */
#ifndef EDGE_UPLINK_H
#define EDGE_UPLINK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "proto/base/id.h"
#include "proto/base/metrics.h"
#include "proto/bus/link.h"

struct uplink;

/* Away for longer than a router takes to start again: see uplink_is_away(). */
enum { UPLINK_AWAY_MS = 5000 };

struct uplink_settings {
    int64_t request_deadline;  /* ms until a request without answer fails */
    int64_t requests_max;      /* waiting at once */
    int64_t request_bytes_max; /* of their messages; beyond: ERROR_OVERLOADED at once */
    struct link_settings link;
};

struct uplink_operations {
    bool (*transmit)(void *context, struct slice header, struct slice body);
    /* A new link: send what the router must know (uplink_notify), in one go. Returns rooms told. */
    uint64_t (*synchronise)(void *context, int64_t now);
    /* A message that answers no request. */
    void (*deliver)(void *context, const struct bus_message *message, int64_t now);
};

/*
 * The end of a request: its answer, or NULL and an error (ERROR_OVERLOADED at the deadline, or
 * ERROR_ROUTER_AWAY when the router is out of reach then, ERROR_CLOSED when the uplink is
 * destroyed). `sent` is the request as it was made; was_repeated
 * says that it went out on more than one link, so that an answer `duplicate` may mean ourselves.
 * Called exactly once per request, also when its owner was forgotten: context is the callee's
 * again.
 */
struct uplink_outcome {
    const struct bus_message *answer;
    int error;
    const struct bus_message *sent;
    bool was_repeated;
    bool is_forgotten;   /* nobody waits any more */
    bool is_with_router; /* without an answer: it went out on the link that is open now */
    int64_t now;
};
typedef void uplink_answered(void *context, const struct uplink_outcome *outcome);

/* Ties requests to whoever waits for them; embedded there, zeroed at first. */
struct uplink_owner {
    struct uplink_request *requests; /* managed by the uplink */
    size_t count;
};

struct uplink *uplink_new(const struct uplink_settings *settings,
                          const struct uplink_operations *operations, void *context,
                          struct id_source *ids, const struct bus_hello *self, int64_t now);
void uplink_destroy(struct uplink **uplink, int64_t now);

/*
 * Makes a request of `message`, whose request member is at *number; it is given its number here.
 * 0, or ERROR_OVERLOADED when a limit is reached: `answered` is then not called.
 */
int uplink_request(struct uplink *uplink, struct bus_message *message, uint64_t *number,
                   uplink_answered *answered, void *context, struct uplink_owner *owner,
                   int64_t now);
/* The owner goes away: its requests go on, and end with is_forgotten. */
void uplink_forget_owner(struct uplink *uplink, struct uplink_owner *owner);
/*
 * Context of the waiting request of that number and kind; NULL: none, another kind, or forgotten.
 */
void *uplink_context(struct uplink *uplink, uint64_t number, uplink_answered *kind);

/* A message without an answer. Not kept when the link is down: synchronisation says it anew. */
void uplink_notify(struct uplink *uplink, const struct bus_message *message);

void uplink_receive(struct uplink *uplink, struct slice frame, int64_t now);
void uplink_tick(struct uplink *uplink, int64_t now);
void uplink_flush(struct uplink *uplink, int64_t now);
void uplink_say_goodbye(struct uplink *uplink, int64_t now);
/* The router welcomed this edge and gives signs of life. */
bool uplink_is_ready(const struct uplink *uplink, int64_t now);
/*
 * It has not for longer than UPLINK_AWAY_MS. A request may still be made and waits for the router;
 * what can as well be made at another edge is better refused.
 */
bool uplink_is_away(const struct uplink *uplink, int64_t now);

struct uplink_counters {
    uint64_t requests, answers, deadlines, refused, repeated, links_opened, frames_refused;
    uint64_t gaps, frames_resent, frames_held; /* of the link, see link.h */
    size_t waiting;                            /* now */
    size_t bytes;                              /* now */
    struct histogram answer_seconds;           /* from request to answer */
};
const struct uplink_counters *uplink_counters(const struct uplink *uplink);

#endif
