/*
 * The router's counters as Prometheus text, names under elizamq_router_*.
 */
#ifndef ROUTER_METRICS_H
#define ROUTER_METRICS_H

#include "proto/base/buffer.h"
#include "router/core/router.h"
#include "router/store/store_thread.h"

void router_metrics_render(struct router *router, const struct store_thread *store,
                           struct buffer *out);

#endif
