#include "tests/bench/scenario.h"

#include <stdio.h>
#include <string.h>

#include "tests/bench/run.h"
#include "tests/bench/streams.h"
#include "tests/bench/traffic.h"

struct load {
    struct run run;
    struct traffic traffic;
    bool sending;
};

/* Sends the room's next message, which is due at `at`. */
static void send_message(struct load *self, uint32_t room, int64_t at)
{
    char text[TRAFFIC_TEXT_LENGTH + 1];
    uint32_t members = self->traffic.members;
    int64_t number = traffic_send(&self->traffic, room, at, text);
    if (number < 0) {
        run_fail(&self->run, "out of memory");
        return;
    }
    uint32_t sender =
        room * members + (self->run.options->one_sender ? 0 : (uint32_t)(number % members));
    client_send_message(&self->run.clients, &self->run.clients.all[sender],
                        (uint32_t)self->traffic.sent, text);
}

static void on_delivered(void *context, struct client *client, const char *packet, size_t length,
                         int64_t now)
{
    struct load *self = context;
    bool complete = traffic_deliver(&self->traffic, client->number, packet, length, now);
    if (complete && self->sending && self->run.options->kind == SCENARIO_CLOSED) {
        send_message(self, client->number / self->traffic.members, now);
    }
}

static void on_ready(void *context, struct client *client, int64_t now)
{
    struct load *self = context;
    if (self->run.options->kind == SCENARIO_STORM) {
        histogram_add(&self->run.result->latency, now - client->opened_at);
    }
}

/* Lets the load run until `until`; with a rate, sends what is due meanwhile. */
static int run_until(struct load *self, int64_t until, int64_t *due)
{
    const struct scenario_options *options = self->run.options;
    int64_t interval = options->kind == SCENARIO_RATE ? run_ns(1 / options->rate) : 0;
    int64_t progress = clock_now();
    uint64_t delivered = self->traffic.delivered;
    for (;;) {
        int64_t now = clock_now();
        int64_t wait = until - now < run_turn_longest ? until - now : run_turn_longest;
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
        clients_turn(&self->run.clients, wait);
        progress = self->traffic.delivered > delivered ? now : progress;
        delivered = self->traffic.delivered;
        if (run_check(&self->run, now, progress, "deliveries have stopped") != 0) {
            return -1;
        }
    }
}

/* Stops sending, waits for what is in flight, and then for what should not come. */
static int drain(struct load *self)
{
    self->sending = false;
    if (run_until(self, clock_now() + run_stall_limit, NULL) != 0) {
        return -1;
    }
    return run_listen_for_repeats(&self->run);
}

static int run_load(struct load *self)
{
    const struct scenario_options *options = self->run.options;
    if (run_open(&self->run, options->clients.count, 0) != 0) {
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
    int64_t measured = begin + run_ns(options->warmup);
    if (run_until(self, measured, &due) != 0) {
        return -1;
    }
    self->traffic.measuring = true;
    struct mark mark = run_mark(&self->run, self->traffic.delivered);
    if (run_until(self, measured + run_ns(options->seconds), &due) != 0) {
        return -1;
    }
    run_note_window(&self->run, &mark, self->traffic.delivered);
    return drain(self);
}

static int run_storm(struct load *self)
{
    struct mark mark = run_mark(&self->run, 0);
    int64_t deadline = mark.at + run_ns(self->run.options->seconds);
    if (run_open(&self->run, self->run.options->clients.count, deadline) != 0) {
        return -1;
    }
    run_note_window(&self->run, &mark, 0);
    return 0;
}

static int settle(struct load *self)
{
    return run_listen(&self->run, run_ns(self->run.options->settle));
}

static int run_idle(struct load *self)
{
    const struct scenario_options *options = self->run.options;
    if (run_open(&self->run, options->baseline, 0) != 0 || settle(self) != 0) {
        return -1;
    }
    double rss = processes_rss_kib(&options->server);
    double slab = kernel_slab_kib();
    for (uint32_t i = 0; i < options->step_count; i++) {
        uint32_t count = options->steps[i];
        if (run_open(&self->run, options->baseline + count, 0) != 0 || settle(self) != 0) {
            return -1;
        }
        double now = processes_rss_kib(&options->server);
        if (rss < 0 || now < 0) {
            return run_fail(&self->run, "a server process is gone");
        }
        self->run.result->memory[self->run.result->memory_count++] = (struct scenario_memory){
            .clients = count,
            .rss_kib = (now - rss) / count,
            .slab_kib = (kernel_slab_kib() - slab) / count,
        };
    }
    return 0;
}

static void note_totals(struct load *self)
{
    struct scenario_result *result = self->run.result;
    const struct traffic *traffic = &self->traffic;
    if (self->run.options->kind != SCENARIO_STORM) {
        result->latency = traffic->latency;
    }
    result->sent = traffic->sent;
    result->delivered = traffic->delivered;
    result->missing = traffic_missing(traffic);
    result->doubled = traffic->doubled;
    result->stray = traffic->stray;
    result->reordered = traffic->reordered;
    run_note_clients(&self->run);
    if (result->missing + result->doubled + result->stray > 0 && result->error[0] == '\0') {
        snprintf(result->error, sizeof result->error,
                 "deliveries are not exact: %llu missing, %llu doubled, %llu stray of %llu",
                 (unsigned long long)result->missing, (unsigned long long)result->doubled,
                 (unsigned long long)result->stray,
                 (unsigned long long)(result->missing + result->delivered));
    }
}

/* What is counted in deliveries of messages: every scenario but the streams. */
static int run_messages(const struct scenario_options *options, struct scenario_result *result)
{
    struct load load = {.run = {.options = options, .result = result}};
    struct clients_events events = {.context = &load, .ready = on_ready, .delivered = on_delivered};
    uint32_t members = options->clients.members;
    uint32_t rooms = (options->clients.count + members - 1) / members;
    if (traffic_init(&load.traffic, rooms, members) != 0) {
        return run_fail(&load.run, "out of memory");
    }
    if (clients_init(&load.run.clients, &options->clients, &events) != 0) {
        traffic_deinit(&load.traffic);
        return run_fail(&load.run, "the clients cannot be prepared");
    }
    switch (options->kind) {
    case SCENARIO_CLOSED:
    case SCENARIO_RATE:
        run_load(&load);
        break;
    case SCENARIO_IDLE:
        run_idle(&load);
        break;
    case SCENARIO_STORM:
        run_storm(&load);
        break;
    case SCENARIO_STREAMS:
        break;
    }
    note_totals(&load);
    clients_deinit(&load.run.clients);
    traffic_deinit(&load.traffic);
    return result->error[0] == '\0' ? 0 : -1;
}

int scenario_run(const struct scenario_options *options, struct scenario_result *result)
{
    memset(result, 0, sizeof *result);
    return options->kind == SCENARIO_STREAMS ? streams_run(options, result)
                                             : run_messages(options, result);
}
