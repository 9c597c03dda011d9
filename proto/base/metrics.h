/*
 * Metrics: counters, gauges and histograms, printed as Prometheus text (exposition format 0.0.4).
 * Counters are fields of whoever counts; a program puts them into a table when it is asked.
 * Histograms stand where their values come up, written by one thread, which need not be the one
 * that prints, and the table points to them.
 */
#ifndef PROTO_BASE_METRICS_H
#define PROTO_BASE_METRICS_H

#include <stddef.h>
#include <stdint.h>
#include "proto/base/buffer.h"

enum metric_type { METRIC_COUNTER, METRIC_GAUGE, METRIC_HISTOGRAM };
enum { METRIC_BUCKETS = 22 };

/* Upper bounds of the buckets in seconds: 0.0001 · 2^i up to 105, the last one is +Inf. */
struct histogram {
    double sum; /* seconds */
    uint64_t buckets[METRIC_BUCKETS];
};
void histogram_observe(struct histogram *histogram, double seconds);

struct metric {
    const char *name;   /* elizamq_edge_deliveries_total */
    const char *labels; /* NULL or e.g. transport="websocket" */
    const char *help;
    enum metric_type type;
    uint64_t value;                    /* counter, gauge */
    const struct histogram *histogram; /* borrows */
};

/* Appends the table, and the process_* metrics (CPU, RSS, open files, start time, build info). */
void metrics_render(const struct metric *table, size_t count, const char *program,
                    struct buffer *out);

#endif
