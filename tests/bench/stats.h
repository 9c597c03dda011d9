/*
 * What a run measures: a clock, a latency histogram, and what a set of processes has used.
 */
#ifndef TESTS_BENCH_STATS_H
#define TESTS_BENCH_STATS_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

enum {
    PROCESSES_MAX = 16,
    HISTOGRAM_SUB_BITS = 6, /* 64 steps per power of two: at most 1.6 % wide */
    HISTOGRAM_BUCKETS = (64 - HISTOGRAM_SUB_BITS) << HISTOGRAM_SUB_BITS,
};

/* Nanoseconds of the monotonic clock. */
int64_t clock_now(void);

/* Counts non-negative nanoseconds; zero-initialised it is empty. */
struct histogram {
    uint64_t count;
    int64_t max;
    uint32_t buckets[HISTOGRAM_BUCKETS];
};

void histogram_add(struct histogram *self, int64_t value);

/* The value below which `fraction` (0..1) of all lie, in nanoseconds; 0 when empty. */
int64_t histogram_quantile(const struct histogram *self, double fraction);

/* The server's processes, summed. */
struct processes {
    pid_t pids[PROCESSES_MAX];
    size_t count;
};

/* Parses "12,34"; returns 0, or -1 when it is no list of at most PROCESSES_MAX process ids. */
int processes_parse(struct processes *self, const char *list);

/* Seconds of user and system time that all threads of all of them have used so far; -1 when one
 * of them is gone. */
double processes_cpu_seconds(const struct processes *self);

/* KiB resident in all of them; -1 when one of them is gone. */
double processes_rss_kib(const struct processes *self);

/* Seconds of CPU that this process has used. */
double own_cpu_seconds(void);

/* KiB of the kernel's slab caches, which hold both ends of every loopback socket. */
double kernel_slab_kib(void);

#endif
