/*
 * The bridge's counters as Prometheus text, names under elizamq_bridge_*.
 */
#ifndef AGENT_BRIDGE_METRICS_H
#define AGENT_BRIDGE_METRICS_H

#include <stdint.h>
#include "agent-bridge/work.h"
#include "proto/base/buffer.h"

void bridge_metrics_render(struct bridge *bridge, const struct runtime_set *runtimes, int64_t now,
                           struct buffer *out);

#endif
