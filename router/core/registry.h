/*
 * Agents as REST sees them: who is registered, and who is stopped. That an agent is stopped is in
 * the store, and nothing that its bridges say changes it.
 */
#ifndef ROUTER_CORE_REGISTRY_H
#define ROUTER_CORE_REGISTRY_H

#include <stdbool.h>
#include <stdint.h>
#include "proto/base/slice.h"

struct agent;
struct bus_message;
struct peer;
struct pending;
struct router;

/* False: the message is not for this part. */
bool registry_receive(struct peer *peer, const struct bus_message *message);
void registry_answer(struct peer *peer, uint64_t request, uint64_t trace, int error,
                     const struct agent *agent, struct slice reason);
/* Its row is gone for everybody, until a bridge offers it again. */
void registry_delete(struct router *router, struct agent *agent);
void registry_stored(struct router *router, const struct pending *pending, int result);

#endif
