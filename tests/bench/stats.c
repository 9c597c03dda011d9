#include "tests/bench/stats.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

static const int64_t ns_per_second = 1000000000;

int64_t clock_now(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec * ns_per_second + now.tv_nsec;
}

/* The first 2^SUB_BITS values have a bucket each; above, each power of two has 2^SUB_BITS. */
static size_t bucket_of(uint64_t value)
{
    if (value < 1u << HISTOGRAM_SUB_BITS) {
        return (size_t)value;
    }
    unsigned shift = 63u - (unsigned)__builtin_clzll(value) - HISTOGRAM_SUB_BITS;
    return ((size_t)shift << HISTOGRAM_SUB_BITS) + (size_t)(value >> shift);
}

static int64_t bucket_end(size_t bucket)
{
    if (bucket < 1u << HISTOGRAM_SUB_BITS) {
        return (int64_t)bucket;
    }
    size_t shift = (bucket >> HISTOGRAM_SUB_BITS) - 1;
    uint64_t mantissa = bucket - (shift << HISTOGRAM_SUB_BITS);
    return (int64_t)(((mantissa + 1) << shift) - 1);
}

void histogram_add(struct histogram *self, int64_t value)
{
    value = value < 0 ? 0 : value;
    self->count++;
    self->max = value > self->max ? value : self->max;
    self->buckets[bucket_of((uint64_t)value)]++;
}

int64_t histogram_quantile(const struct histogram *self, double fraction)
{
    if (self->count == 0) {
        return 0;
    }
    uint64_t wanted = (uint64_t)(fraction * (double)self->count);
    wanted = wanted < self->count ? wanted + 1 : self->count;
    uint64_t seen = 0;
    for (size_t i = 0; i < HISTOGRAM_BUCKETS; i++) {
        seen += self->buckets[i];
        if (seen >= wanted) {
            return bucket_end(i) < self->max ? bucket_end(i) : self->max;
        }
    }
    return self->max;
}

int processes_parse(struct processes *self, const char *list)
{
    self->count = 0;
    while (*list) {
        char *end = NULL;
        long pid = strtol(list, &end, 10);
        if (end == list || pid <= 0 || self->count == PROCESSES_MAX || (*end && *end != ',')) {
            return -1;
        }
        self->pids[self->count++] = (pid_t)pid;
        list = *end == ',' ? end + 1 : end;
    }
    return 0;
}

/* Reads /proc/PID/NAME into `text`; returns 0 or -1. */
static int read_process_file(pid_t pid, const char *name, char *text, size_t size)
{
    char path[64];
    snprintf(path, sizeof path, "/proc/%d/%s", (int)pid, name);
    FILE *file = fopen(path, "re");
    if (!file) {
        return -1;
    }
    size_t length = fread(text, 1, size - 1, file);
    fclose(file);
    text[length] = '\0';
    return length > 0 ? 0 : -1;
}

static double process_cpu_seconds(pid_t pid)
{
    char text[1024];
    if (read_process_file(pid, "stat", text, sizeof text) != 0) {
        return -1;
    }
    /* The name, in parentheses, may hold anything: the fields are counted after it. */
    const char *fields = strrchr(text, ')');
    unsigned long user = 0;
    unsigned long system = 0;
    if (!fields || sscanf(fields, ") %*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %lu %lu", &user,
                          &system) != 2) {
        return -1;
    }
    return (double)(user + system) / (double)sysconf(_SC_CLK_TCK);
}

static double process_rss_kib(pid_t pid)
{
    char text[256];
    unsigned long pages = 0;
    if (read_process_file(pid, "statm", text, sizeof text) != 0 ||
        sscanf(text, "%*u %lu", &pages) != 1) {
        return -1;
    }
    return (double)pages * (double)sysconf(_SC_PAGESIZE) / 1024;
}

static double sum_of(const struct processes *self, double (*read)(pid_t))
{
    double sum = 0;
    for (size_t i = 0; i < self->count; i++) {
        double value = read(self->pids[i]);
        if (value < 0) {
            return -1;
        }
        sum += value;
    }
    return sum;
}

double processes_cpu_seconds(const struct processes *self)
{
    return sum_of(self, process_cpu_seconds);
}

double processes_rss_kib(const struct processes *self)
{
    return sum_of(self, process_rss_kib);
}

double own_cpu_seconds(void)
{
    struct timespec used;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &used);
    return (double)used.tv_sec + (double)used.tv_nsec / (double)ns_per_second;
}

double kernel_slab_kib(void)
{
    double kib = 0;
    char line[256];
    FILE *file = fopen("/proc/meminfo", "re");
    if (!file) {
        return 0;
    }
    while (fgets(line, sizeof line, file)) {
        if (sscanf(line, "Slab: %lf", &kib) == 1) {
            break;
        }
    }
    fclose(file);
    return kib;
}
