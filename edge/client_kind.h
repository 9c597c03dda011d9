/*
 * What must be known of a client's library beyond its protocol. Pure.
 */
#ifndef EDGE_CLIENT_KIND_H
#define EDGE_CLIENT_KIND_H

#include <stdbool.h>
#include "proto/base/slice.h"

/*
 * Can handlers of this client's events stand another argument behind those they know? That is where
 * offsets are. user_agent and `t` of the query as the client's first request had them, or empty.
 */
bool client_takes_offsets(struct slice user_agent, struct slice t);

#endif
