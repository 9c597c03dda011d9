#include "tests/bench/scenario.h"

#include <stdio.h>
#include <string.h>

#include "tests/bench/traffic.h"

static const int64_t ns_per_second = 1000000000;
/* Nothing may stand still for longer than this. */
static const int64_t stall_limit = 10 * ns_per_second;
/* After the last delivery, how long to listen for repeats. */
static const int64_t listen_for_repeats = ns_per_second / 10;
static const int64_t turn_longest = ns_per_second / 20;

struct run {
    const struct scenario_options *options;
    struct scenario_result *result;
    struct clients clients;
    struct traffic traffic;
    bool sending;
};

/* The counters at the beginning of a measured window. */
struct mark {
    int64_t at;
    uint64_t delivered;
    uint64_t reads;
    double server_cpu;
    double generator_cpu;
};

static int64_t to_ns(double seconds)
{
    return (int64_t)(seconds * (double)ns_per_second);
}

static double to_seconds(int64_t ns)
{
    return (double)ns / (double)ns_per_second;
}

static int fail(struct run *self, const char *reason)
{
    if (self->result->error[0] == '\0') {
        const char *detail = self->clients.error;
        snprintf(self->result->error, sizeof self->result->error, "%s%s%s", reason,
                 detail[0] ? ": " : "", detail);
    }
    return -1;
}

/* Sends the room's next message, which is due at `at`. */
static void send_message(struct run *self, uint32_t room, int64_t at)
{
    char text[TRAFFIC_TEXT_LENGTH + 1];
    uint32_t members = self->traffic.members;
    int64_t number = traffic_send(&self->traffic, room, at, text);
    if (number < 0) {
        fail(self, "out of memory");
        return;
    }
    uint32_t sender =
        room * members + (self->options->one_sender ? 0 : (uint32_t)(number % members));
    client_send_message(&self->clients, &self->clients.all[sender], (uint32_t)self->traffic.sent,
                        text);
}

static void on_delivered(void *context, struct client *client, const char *packet, size_t length,
                         int64_t now)
{
    struct run *self = context;
    bool complete = traffic_deliver(&self->traffic, client->number, packet, length, now);
    if (complete && self->sending && self->options->kind == SCENARIO_CLOSED) {
        send_message(self, client->number / self->traffic.members, now);
    }
}

static void on_ready(void *context, struct client *client, int64_t now)
{
    struct run *self = context;
    if (self->options->kind == SCENARIO_STORM) {
        histogram_add(&self->result->latency, now - client->opened_at);
    }
}

/* Opens clients until `count` are ready, or until `deadline` if that is not 0. */
static int open_clients(struct run *self, uint32_t count, int64_t deadline)
{
    struct clients *clients = &self->clients;
    int64_t begun = clock_now();
    int64_t progress = begun;
    while (clients->ready < count && (deadline == 0 || clock_now() < deadline)) {
        uint32_t ready = clients->ready;
        clients_open(clients, count);
        clients_turn(clients, turn_longest);
        progress = clients->ready > ready ? clock_now() : progress;
        if (clients->failed > 0) {
            return fail(self, "a client could not open");
        }
        if (clock_now() - progress > stall_limit) {
            return fail(self, "clients do not get ready");
        }
    }
    self->result->open_seconds += to_seconds(clock_now() - begun);
    self->result->ready = clients->ready;
    return 0;
}

static struct mark take_mark(const struct run *self)
{
    return (struct mark){
        .at = clock_now(),
        .delivered = self->traffic.delivered,
        .reads = self->clients.reads,
        .server_cpu = processes_cpu_seconds(&self->options->server),
        .generator_cpu = own_cpu_seconds(),
    };
}

static void note_window(struct run *self, const struct mark *begin)
{
    struct mark end = take_mark(self);
    self->result->seconds = to_seconds(end.at - begin->at);
    self->result->window_deliveries = end.delivered - begin->delivered;
    self->result->reads = end.reads - begin->reads;
    self->result->server_cpu = end.server_cpu - begin->server_cpu;
    self->result->generator_cpu = end.generator_cpu - begin->generator_cpu;
    if (begin->server_cpu < 0 || end.server_cpu < 0) {
        fail(self, "a server process is gone");
    }
}

/* Lets the load run until `until`; with a rate, sends what is due meanwhile. */
static int run_until(struct run *self, int64_t until, int64_t *due)
{
    const struct scenario_options *options = self->options;
    int64_t interval = options->kind == SCENARIO_RATE ? to_ns(1 / options->rate) : 0;
    int64_t progress = clock_now();
    uint64_t delivered = self->traffic.delivered;
    for (;;) {
        int64_t now = clock_now();
        int64_t wait = until - now < turn_longest ? until - now : turn_longest;
        if (self->sending && interval > 0) {
            while (*due <= now && *due < until) {
                send_message(self, (uint32_t)(self->traffic.sent % self->traffic.room_count), *due);
                *due += interval;
            }
            wait = *due - now < wait ? *due - now : wait;
        }
        if (now >= until || (!self->sending && self->traffic.in_flight == 0)) {
            return 0;
        }
        clients_turn(&self->clients, wait);
        progress = self->traffic.delivered > delivered ? now : progress;
        delivered = self->traffic.delivered;
        if (self->clients.failed > 0) {
            return fail(self, "a client was lost");
        }
        if (now - progress > stall_limit) {
            return fail(self, "deliveries have stopped");
        }
    }
}

/* Stops sending, waits for what is in flight, and then for what should not come. */
static int drain(struct run *self)
{
    self->sending = false;
    if (run_until(self, clock_now() + stall_limit, NULL) != 0) {
        return -1;
    }
    int64_t end = clock_now() + listen_for_repeats;
    for (int64_t now = clock_now(); now < end; now = clock_now()) {
        clients_turn(&self->clients, end - now);
    }
    return self->clients.failed > 0 ? fail(self, "a client was lost") : 0;
}

static int run_load(struct run *self)
{
    const struct scenario_options *options = self->options;
    if (open_clients(self, options->clients.count, 0) != 0) {
        return -1;
    }
    int64_t begin = clock_now();
    int64_t due = begin;
    self->sending = true;
    for (uint32_t room = 0; options->kind == SCENARIO_CLOSED && room < self->traffic.room_count;
         room++) {
        for (uint32_t i = 0; i < options->window; i++) {
            send_message(self, room, begin);
        }
    }
    int64_t measured = begin + to_ns(options->warmup);
    if (run_until(self, measured, &due) != 0) {
        return -1;
    }
    self->traffic.measuring = true;
    struct mark mark = take_mark(self);
    if (run_until(self, measured + to_ns(options->seconds), &due) != 0) {
        return -1;
    }
    note_window(self, &mark);
    return drain(self);
}

static int run_storm(struct run *self)
{
    struct mark mark = take_mark(self);
    int64_t deadline = mark.at + to_ns(self->options->seconds);
    if (open_clients(self, self->options->clients.count, deadline) != 0) {
        return -1;
    }
    note_window(self, &mark);
    return 0;
}

static int settle(struct run *self)
{
    int64_t end = clock_now() + to_ns(self->options->settle);
    for (int64_t now = clock_now(); now < end; now = clock_now()) {
        clients_turn(&self->clients, end - now);
    }
    return self->clients.failed > 0 ? fail(self, "a client was lost") : 0;
}

static int run_idle(struct run *self)
{
    const struct scenario_options *options = self->options;
    if (open_clients(self, options->baseline, 0) != 0 || settle(self) != 0) {
        return -1;
    }
    double rss = processes_rss_kib(&options->server);
    double slab = kernel_slab_kib();
    for (uint32_t i = 0; i < options->step_count; i++) {
        uint32_t count = options->steps[i];
        if (open_clients(self, options->baseline + count, 0) != 0 || settle(self) != 0) {
            return -1;
        }
        double now = processes_rss_kib(&options->server);
        if (rss < 0 || now < 0) {
            return fail(self, "a server process is gone");
        }
        self->result->memory[self->result->memory_count++] = (struct scenario_memory){
            .clients = count,
            .rss_kib = (now - rss) / count,
            .slab_kib = (kernel_slab_kib() - slab) / count,
        };
    }
    return 0;
}

static void note_totals(struct run *self)
{
    struct scenario_result *result = self->result;
    const struct traffic *traffic = &self->traffic;
    if (self->options->kind != SCENARIO_STORM) {
        result->latency = traffic->latency;
    }
    result->sent = traffic->sent;
    result->delivered = traffic->delivered;
    result->missing = traffic_missing(traffic);
    result->doubled = traffic->doubled;
    result->stray = traffic->stray;
    result->reordered = traffic->reordered;
    result->failed = self->clients.failed;
    result->pings = self->clients.pings;
    result->other_events = self->clients.other_events;
    if (result->missing + result->doubled + result->stray > 0 && result->error[0] == '\0') {
        snprintf(result->error, sizeof result->error,
                 "deliveries are not exact: %llu missing, %llu doubled, %llu stray of %llu",
                 (unsigned long long)result->missing, (unsigned long long)result->doubled,
                 (unsigned long long)result->stray,
                 (unsigned long long)(result->missing + result->delivered));
    }
}

int scenario_run(const struct scenario_options *options, struct scenario_result *result)
{
    memset(result, 0, sizeof *result);
    struct run run = {.options = options, .result = result};
    struct clients_events events = {.context = &run, .ready = on_ready, .delivered = on_delivered};
    uint32_t members = options->clients.members;
    uint32_t rooms = (options->clients.count + members - 1) / members;
    if (traffic_init(&run.traffic, rooms, members) != 0) {
        return fail(&run, "out of memory");
    }
    if (clients_init(&run.clients, &options->clients, &events) != 0) {
        traffic_deinit(&run.traffic);
        return fail(&run, "the clients cannot be prepared");
    }
    switch (options->kind) {
    case SCENARIO_CLOSED:
    case SCENARIO_RATE:
        run_load(&run);
        break;
    case SCENARIO_IDLE:
        run_idle(&run);
        break;
    case SCENARIO_STORM:
        run_storm(&run);
        break;
    }
    note_totals(&run);
    clients_deinit(&run.clients);
    traffic_deinit(&run.traffic);
    return result->error[0] == '\0' ? 0 : -1;
}
