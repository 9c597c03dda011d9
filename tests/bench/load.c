/*
 * The load generator: runs one scenario against a server and prints one line of JSON.
 *
 * Exit status: 0 when every delivery was exact and no client failed, 1 when not, 2 on bad usage.
 */
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#include "tests/bench/scenario.h"

enum { COUNT_MAX = 1000000, DESCRIPTORS_BESIDE_CLIENTS = 32 };

static const char usage[] =
    "usage: load --scenario closed|rate|idle|storm|streams --ports PORT[,PORT...] --clients N "
    "[options]\n"
    "  --pids PID[,PID...]  the server's processes: their CPU and memory are measured\n"
    "  --members N          clients per room (default: all in one)\n"
    "  --senders one|all    who of a room sends (default: its members take turns)\n"
    "  --window N           closed: messages in flight per room (default 1)\n"
    "  --rate N             rate: messages per second over all rooms; streams: tokens, per reply\n"
    "  --warmup SECONDS     load before the measured window (default 0.5)\n"
    "  --seconds SECONDS    measured window; storm: longest (default 2)\n"
    "  --concurrency N      clients that open at the same time (default 64)\n"
    "  --polling            HTTP long-polling instead of WebSocket\n"
    "  --old                as clients 1.x and 2.x do (Engine.IO 3), over WebSocket\n"
    "  --baseline N         idle: clients opened first and not counted (default 200)\n"
    "  --steps N[,N...]     idle: numbers of clients after which memory is read\n"
    "  --settle SECONDS     idle: quiet before memory is read (default 1.5)\n"
    "  --runtime-port PORT  streams: where the server's agent-bridge asks for replies\n"
    "  --direct             streams: no server, the clients ask the runtime itself: the floor\n";

enum option_name {
    OPTION_SCENARIO = 1,
    OPTION_PORTS,
    OPTION_CLIENTS,
    OPTION_PIDS,
    OPTION_MEMBERS,
    OPTION_SENDERS,
    OPTION_WINDOW,
    OPTION_RATE,
    OPTION_WARMUP,
    OPTION_SECONDS,
    OPTION_CONCURRENCY,
    OPTION_POLLING,
    OPTION_OLD,
    OPTION_BASELINE,
    OPTION_STEPS,
    OPTION_SETTLE,
    OPTION_RUNTIME_PORT,
    OPTION_DIRECT,
};

static const struct option long_options[] = {
    {"scenario", required_argument, NULL, OPTION_SCENARIO},
    {"ports", required_argument, NULL, OPTION_PORTS},
    {"clients", required_argument, NULL, OPTION_CLIENTS},
    {"pids", required_argument, NULL, OPTION_PIDS},
    {"members", required_argument, NULL, OPTION_MEMBERS},
    {"senders", required_argument, NULL, OPTION_SENDERS},
    {"window", required_argument, NULL, OPTION_WINDOW},
    {"rate", required_argument, NULL, OPTION_RATE},
    {"warmup", required_argument, NULL, OPTION_WARMUP},
    {"seconds", required_argument, NULL, OPTION_SECONDS},
    {"concurrency", required_argument, NULL, OPTION_CONCURRENCY},
    {"polling", no_argument, NULL, OPTION_POLLING},
    {"old", no_argument, NULL, OPTION_OLD},
    {"baseline", required_argument, NULL, OPTION_BASELINE},
    {"steps", required_argument, NULL, OPTION_STEPS},
    {"settle", required_argument, NULL, OPTION_SETTLE},
    {"runtime-port", required_argument, NULL, OPTION_RUNTIME_PORT},
    {"direct", no_argument, NULL, OPTION_DIRECT},
    {NULL, 0, NULL, 0},
};

static const char *const scenario_names[] = {
    [SCENARIO_CLOSED] = "closed", [SCENARIO_RATE] = "rate",       [SCENARIO_IDLE] = "idle",
    [SCENARIO_STORM] = "storm",   [SCENARIO_STREAMS] = "streams",
};
enum { SCENARIO_COUNT = sizeof scenario_names / sizeof scenario_names[0] };

static int parse_count(const char *text, uint32_t max, uint32_t *value)
{
    char *end = NULL;
    unsigned long parsed = strtoul(text, &end, 10);
    if (end == text || *end || parsed == 0 || parsed > max) {
        return -1;
    }
    *value = (uint32_t)parsed;
    return 0;
}

/* Parses "1,2,3" into at most `capacity` values; returns how many, or -1. */
static int parse_counts(const char *text, uint32_t max, uint32_t *values, size_t capacity)
{
    size_t count = 0;
    while (*text) {
        char *end = NULL;
        unsigned long parsed = strtoul(text, &end, 10);
        if (end == text || (*end && *end != ',') || parsed == 0 || parsed > max ||
            count == capacity) {
            return -1;
        }
        values[count++] = (uint32_t)parsed;
        text = *end == ',' ? end + 1 : end;
    }
    return count > 0 ? (int)count : -1;
}

static int parse_seconds(const char *text, double *value)
{
    char *end = NULL;
    *value = strtod(text, &end);
    return end == text || *end || !(*value >= 0 && *value <= COUNT_MAX) ? -1 : 0;
}

static int parse_ports(const char *text, struct clients_options *options)
{
    uint32_t ports[CLIENT_PORTS_MAX];
    int count = parse_counts(text, UINT16_MAX, ports, CLIENT_PORTS_MAX);
    if (count < 0) {
        return -1;
    }
    for (int i = 0; i < count; i++) {
        options->ports[i] = (uint16_t)ports[i];
    }
    options->port_count = (size_t)count;
    return 0;
}

static int parse_port(const char *text, uint16_t *port)
{
    uint32_t value = 0;
    int error = parse_count(text, UINT16_MAX, &value);
    *port = (uint16_t)value;
    return error;
}

static int parse_scenario(const char *text, enum scenario_kind *kind)
{
    for (size_t i = 0; i < SCENARIO_COUNT; i++) {
        if (strcmp(text, scenario_names[i]) == 0) {
            *kind = (enum scenario_kind)i;
            return 0;
        }
    }
    return -1;
}

static int parse_senders(const char *text, bool *one)
{
    *one = strcmp(text, "one") == 0;
    return *one || strcmp(text, "all") == 0 ? 0 : -1;
}

static int parse_steps(const char *text, struct scenario_options *options)
{
    int count = parse_counts(text, COUNT_MAX, options->steps, SCENARIO_STEPS_MAX);
    if (count < 0) {
        return -1;
    }
    options->step_count = (uint32_t)count;
    return 0;
}

static int apply_option(struct scenario_options *options, int name, const char *value)
{
    struct clients_options *clients = &options->clients;
    switch ((enum option_name)name) {
    case OPTION_SCENARIO:
        return parse_scenario(value, &options->kind);
    case OPTION_PORTS:
        return parse_ports(value, clients);
    case OPTION_CLIENTS:
        return parse_count(value, COUNT_MAX, &clients->count);
    case OPTION_PIDS:
        return processes_parse(&options->server, value);
    case OPTION_MEMBERS:
        return parse_count(value, COUNT_MAX, &clients->members);
    case OPTION_SENDERS:
        return parse_senders(value, &options->one_sender);
    case OPTION_WINDOW:
        return parse_count(value, COUNT_MAX, &options->window);
    case OPTION_RATE:
        return parse_seconds(value, &options->rate);
    case OPTION_WARMUP:
        return parse_seconds(value, &options->warmup);
    case OPTION_SECONDS:
        return parse_seconds(value, &options->seconds);
    case OPTION_CONCURRENCY:
        return parse_count(value, COUNT_MAX, &clients->concurrency);
    case OPTION_POLLING:
        clients->polling = true;
        return 0;
    case OPTION_OLD:
        clients->old = true;
        return 0;
    case OPTION_BASELINE:
        return parse_count(value, COUNT_MAX, &options->baseline);
    case OPTION_STEPS:
        return parse_steps(value, options);
    case OPTION_SETTLE:
        return parse_seconds(value, &options->settle);
    case OPTION_RUNTIME_PORT:
        return parse_port(value, &options->runtime_port);
    case OPTION_DIRECT:
        clients->bare = true;
        return 0;
    }
    return -1;
}

/* Completes what follows from other options; returns -1 when something is missing. */
static int complete_options(struct scenario_options *options)
{
    struct clients_options *clients = &options->clients;
    if (options->kind == SCENARIO_IDLE && options->step_count > 0) {
        clients->count = options->baseline + options->steps[options->step_count - 1];
    }
    bool streams = options->kind == SCENARIO_STREAMS;
    if (streams && (clients->members > 1 || clients->polling || clients->old)) {
        return -1;
    }
    if (clients->members == 0) {
        clients->members = streams ? 1 : clients->count;
    }
    clients->joins = options->kind != SCENARIO_STORM;
    bool served = clients->port_count > 0 && (!streams || options->runtime_port != 0);
    if (clients->count == 0 || clients->bare == served || (clients->bare && !streams) ||
        ((options->kind == SCENARIO_RATE || streams) && !(options->rate > 0)) ||
        (options->kind == SCENARIO_IDLE && options->step_count == 0)) {
        return -1;
    }
    bool whole_rooms = clients->count % clients->members == 0;
    bool sends = options->kind == SCENARIO_CLOSED || options->kind == SCENARIO_RATE;
    return sends && !whole_rooms ? -1 : 0;
}

static int raise_descriptor_limit(uint32_t sockets)
{
    struct rlimit limit;
    getrlimit(RLIMIT_NOFILE, &limit);
    limit.rlim_cur = limit.rlim_max;
    setrlimit(RLIMIT_NOFILE, &limit);
    return limit.rlim_cur >= sockets + DESCRIPTORS_BESIDE_CLIENTS ? 0 : -1;
}

static void print_text(const char *text)
{
    putchar('"');
    for (; *text; text++) {
        if (*text == '"' || *text == '\\') {
            putchar('\\');
        }
        putchar((unsigned char)*text < ' ' ? ' ' : *text);
    }
    putchar('"');
}

static void print_memory(const struct scenario_result *result)
{
    printf(",\"memory\":[");
    for (uint32_t i = 0; i < result->memory_count; i++) {
        const struct scenario_memory *memory = &result->memory[i];
        printf("%s{\"clients\":%u,\"rss_kib\":%.3f,\"slab_kib\":%.3f}", i ? "," : "",
               memory->clients, memory->rss_kib, memory->slab_kib);
    }
    printf("]");
}

static double milliseconds(const struct histogram *latency, double fraction)
{
    return (double)histogram_quantile(latency, fraction) / 1e6;
}

static void print_result(const struct scenario_options *options,
                         const struct scenario_result *result)
{
    const struct histogram *latency = &result->latency;
    printf("{\"scenario\":\"%s\",\"error\":", scenario_names[options->kind]);
    print_text(result->error);
    printf(",\"ready\":%u,\"open_seconds\":%.6f,\"seconds\":%.6f,\"deliveries\":%llu"
           ",\"server_cpu_seconds\":%.3f,\"generator_cpu_seconds\":%.3f,\"reads\":%llu",
           result->ready, result->open_seconds, result->seconds,
           (unsigned long long)result->window_deliveries, result->server_cpu, result->generator_cpu,
           (unsigned long long)result->reads);
    printf(",\"latency_ms\":{\"p50\":%.4f,\"p99\":%.4f,\"p999\":%.4f,\"max\":%.4f}",
           milliseconds(latency, 0.5), milliseconds(latency, 0.99), milliseconds(latency, 0.999),
           (double)latency->max / 1e6);
    printf(",\"sent\":%llu,\"delivered\":%llu,\"missing\":%llu,\"doubled\":%llu,\"stray\":%llu"
           ",\"reordered\":%llu,\"failed\":%u,\"pings\":%llu,\"other_events\":%llu",
           (unsigned long long)result->sent, (unsigned long long)result->delivered,
           (unsigned long long)result->missing, (unsigned long long)result->doubled,
           (unsigned long long)result->stray, (unsigned long long)result->reordered, result->failed,
           (unsigned long long)result->pings, (unsigned long long)result->other_events);
    print_memory(result);
    printf("}\n");
}

int main(int argc, char **argv)
{
    static struct scenario_result result;
    struct scenario_options options = {
        .clients.concurrency = 64,
        .window = 1,
        .warmup = 0.5,
        .seconds = 2,
        .settle = 1.5,
        .baseline = 200,
    };
    int name;
    while ((name = getopt_long(argc, argv, "", long_options, NULL)) != -1) {
        if (name == '?' || apply_option(&options, name, optarg) != 0) {
            fputs(usage, stderr);
            return 2;
        }
    }
    if (optind != argc || complete_options(&options) != 0) {
        fputs(usage, stderr);
        return 2;
    }
    uint32_t ends = options.kind == SCENARIO_STREAMS ? 2 : 1; /* the runtime's, too */
    if (raise_descriptor_limit(options.clients.count * ends) != 0) {
        fprintf(stderr, "load: %u clients need more open files than the limit allows\n",
                options.clients.count);
        return 2;
    }
    int status = scenario_run(&options, &result);
    print_result(&options, &result);
    return status == 0 ? 0 : 1;
}
