#include "proto/base/metrics.h"

#include <dirent.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "proto/base/version.h"

#define FIRST_BOUND_SECONDS 0.0001

static double bound_of(size_t bucket)
{
    return FIRST_BOUND_SECONDS * (double)(1U << bucket);
}

void histogram_observe(struct histogram *histogram, double seconds)
{
    size_t bucket = 0;
    double sum = histogram->sum + seconds;

    while (bucket < METRIC_BUCKETS - 1 && seconds > bound_of(bucket)) {
        bucket++;
    }
    __atomic_store_n(&histogram->buckets[bucket], histogram->buckets[bucket] + 1, __ATOMIC_RELAXED);
    __atomic_store(&histogram->sum, &sum, __ATOMIC_RELAXED);
}

static const char *type_name(enum metric_type type)
{
    switch (type) {
    case METRIC_COUNTER:
        return "counter";
    case METRIC_GAUGE:
        return "gauge";
    case METRIC_HISTOGRAM:
        return "histogram";
    }
    return "untyped";
}

static void write_head(struct buffer *out, const char *name, const char *help, const char *type)
{
    buffer_append_format(out, "# HELP %s %s\n# TYPE %s %s\n", name, help, name, type);
}

/* NAME{labels} and a space. */
static void write_name(struct buffer *out, const char *name, const char *suffix, const char *labels)
{
    buffer_append_string(out, name);
    buffer_append_string(out, suffix);
    if (labels != NULL && *labels != '\0') {
        buffer_append_format(out, "{%s}", labels);
    }
    buffer_append_char(out, ' ');
}

static void write_histogram(const struct metric *metric, struct buffer *out)
{
    const char *labels = metric->labels == NULL ? "" : metric->labels;
    const char *comma = *labels == '\0' ? "" : ",";
    const struct histogram *histogram = metric->histogram;
    uint64_t observations = 0;
    double sum;

    for (size_t i = 0; i < METRIC_BUCKETS; i++) {
        observations += __atomic_load_n(&histogram->buckets[i], __ATOMIC_RELAXED);
        buffer_append_format(out, "%s_bucket{%s%sle=\"", metric->name, labels, comma);
        if (i == METRIC_BUCKETS - 1) {
            buffer_append_string(out, "+Inf");
        } else {
            buffer_append_format(out, "%.9g", bound_of(i));
        }
        buffer_append_string(out, "\"} ");
        buffer_append_unsigned(out, observations);
        buffer_append_char(out, '\n');
    }
    __atomic_load(&histogram->sum, &sum, __ATOMIC_RELAXED);
    write_name(out, metric->name, "_sum", labels);
    buffer_append_format(out, "%.9g\n", sum);
    /* Another thread may write: what was counted is the last bucket. */
    write_name(out, metric->name, "_count", labels);
    buffer_append_unsigned(out, observations);
    buffer_append_char(out, '\n');
}

static void write_metric(const struct metric *metric, struct buffer *out)
{
    if (metric->type == METRIC_HISTOGRAM) {
        write_histogram(metric, out);
        return;
    }
    write_name(out, metric->name, "", metric->labels);
    buffer_append_unsigned(out, metric->value);
    buffer_append_char(out, '\n');
}

static bool is_first_of_name(const struct metric *table, size_t index)
{
    for (size_t i = 0; i < index; i++) {
        if (strcmp(table[i].name, table[index].name) == 0) {
            return false;
        }
    }
    return true;
}

static double seconds_of(struct timespec time)
{
    return (double)time.tv_sec + (double)time.tv_nsec / 1e9;
}

static double clock_seconds(clockid_t id)
{
    struct timespec now = {0, 0};

    clock_gettime(id, &now);
    return seconds_of(now);
}

static size_t read_small_file(const char *path, char *out, size_t size)
{
    FILE *file = fopen(path, "re");
    size_t length = 0;

    if (file != NULL) {
        length = fread(out, 1, size - 1, file);
        fclose(file);
    }
    out[length] = '\0';
    return length;
}

static uint64_t resident_bytes(void)
{
    char text[128];
    unsigned long long pages;

    if (read_small_file("/proc/self/statm", text, sizeof(text)) == 0 ||
        sscanf(text, "%*u %llu", &pages) != 1) {
        return 0;
    }
    return pages * (uint64_t)sysconf(_SC_PAGESIZE);
}

/* Since Linux 6.2 the directory's size is the count; before, its entries are counted. */
static uint64_t open_files(void)
{
    struct stat status;
    uint64_t count = 0;
    DIR *directory;

    if (stat("/proc/self/fd", &status) == 0 && status.st_size > 0) {
        return (uint64_t)status.st_size;
    }
    directory = opendir("/proc/self/fd");
    if (directory == NULL) {
        return 0;
    }
    for (struct dirent *entry; (entry = readdir(directory)) != NULL;) {
        if (entry->d_name[0] != '.') {
            count++;
        }
    }
    closedir(directory);
    return count > 0 ? count - 1 : 0; /* not the one that reads the directory */
}

/* Seconds since 1970, from the start time in ticks since boot: field 22 of /proc/self/stat. */
static double start_time(void)
{
    enum { START_FIELD = 22, FIELD_AFTER_NAME = 3 };
    char text[1024];
    unsigned long long ticks;
    const char *at;

    if (read_small_file("/proc/self/stat", text, sizeof(text)) == 0) {
        return 0;
    }
    at = strrchr(text, ')'); /* the name of the program may hold spaces */
    if (at == NULL) {
        return 0;
    }
    at++;
    for (int field = FIELD_AFTER_NAME; at != NULL && field < START_FIELD; field++) {
        at = strchr(at + 1, ' ');
    }
    if (at == NULL || sscanf(at, "%llu", &ticks) != 1) {
        return 0;
    }
    return clock_seconds(CLOCK_REALTIME) - clock_seconds(CLOCK_BOOTTIME) +
           (double)ticks / (double)sysconf(_SC_CLK_TCK);
}

static void write_process(const char *program, struct buffer *out)
{
    struct rlimit files = {0, 0};

    getrlimit(RLIMIT_NOFILE, &files);
    write_head(out, "process_cpu_seconds_total", "User and system CPU time spent in seconds.",
               "counter");
    buffer_append_format(out, "process_cpu_seconds_total %.6f\n",
                         clock_seconds(CLOCK_PROCESS_CPUTIME_ID));
    write_head(out, "process_resident_memory_bytes", "Resident memory size in bytes.", "gauge");
    buffer_append_format(out, "process_resident_memory_bytes %llu\n",
                         (unsigned long long)resident_bytes());
    write_head(out, "process_open_fds", "Number of open file descriptors.", "gauge");
    buffer_append_format(out, "process_open_fds %llu\n", (unsigned long long)open_files());
    write_head(out, "process_max_fds", "Maximum number of open file descriptors.", "gauge");
    buffer_append_format(out, "process_max_fds %llu\n", (unsigned long long)files.rlim_cur);
    write_head(out, "process_start_time_seconds",
               "Start time of the process since the Unix epoch in seconds.", "gauge");
    buffer_append_format(out, "process_start_time_seconds %.2f\n", start_time());
    write_head(out, "elizamq_build_info", "The program and its version; always 1.", "gauge");
    buffer_append_format(out, "elizamq_build_info{program=\"%s\",version=\"%s\"} 1\n", program,
                         ELIZAMQ_VERSION);
}

void metrics_render(const struct metric *table, size_t count, const char *program,
                    struct buffer *out)
{
    for (size_t i = 0; i < count; i++) {
        if (!is_first_of_name(table, i)) {
            continue;
        }
        write_head(out, table[i].name, table[i].help, type_name(table[i].type));
        for (size_t j = i; j < count; j++) {
            if (strcmp(table[j].name, table[i].name) == 0) {
                write_metric(&table[j], out);
            }
        }
    }
    write_process(program, out);
}
