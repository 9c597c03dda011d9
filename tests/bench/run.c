#include "tests/bench/run.h"

#include <stdio.h>

static const int64_t ns_per_second = 1000000000;
const int64_t run_stall_limit = 10 * ns_per_second;
const int64_t run_turn_longest = ns_per_second / 20;
static const int64_t listen_for_repeats = ns_per_second / 10;

int64_t run_ns(double seconds)
{
    return (int64_t)(seconds * (double)ns_per_second);
}

static double to_seconds(int64_t ns)
{
    return (double)ns / (double)ns_per_second;
}

int run_fail(struct run *self, const char *reason)
{
    if (self->result->error[0] == '\0') {
        const char *detail = self->clients.error;
        snprintf(self->result->error, sizeof self->result->error, "%s%s%s", reason,
                 detail[0] ? ": " : "", detail);
    }
    return -1;
}

int run_check(struct run *self, int64_t now, int64_t progress, const char *what)
{
    if (self->clients.failed > 0) {
        return run_fail(self, "a client was lost");
    }
    return now - progress > run_stall_limit ? run_fail(self, what) : 0;
}

int run_open(struct run *self, uint32_t count, int64_t deadline)
{
    struct clients *clients = &self->clients;
    int64_t begun = clock_now();
    int64_t progress = begun;
    while (clients->ready < count && (deadline == 0 || clock_now() < deadline)) {
        uint32_t ready = clients->ready;
        clients_open(clients, count);
        clients_turn(clients, run_turn_longest);
        progress = clients->ready > ready ? clock_now() : progress;
        if (clients->failed > 0) {
            return run_fail(self, "a client could not open");
        }
        if (clock_now() - progress > run_stall_limit) {
            return run_fail(self, "clients do not get ready");
        }
    }
    self->result->open_seconds += to_seconds(clock_now() - begun);
    self->result->ready = clients->ready;
    return 0;
}

int run_listen(struct run *self, int64_t duration)
{
    int64_t end = clock_now() + duration;
    for (int64_t now = clock_now(); now < end; now = clock_now()) {
        clients_turn(&self->clients, end - now);
    }
    return self->clients.failed > 0 ? run_fail(self, "a client was lost") : 0;
}

int run_listen_for_repeats(struct run *self)
{
    return run_listen(self, listen_for_repeats);
}

struct mark run_mark(const struct run *self, uint64_t deliveries)
{
    return (struct mark){
        .at = clock_now(),
        .deliveries = deliveries,
        .reads = self->clients.reads,
        .server_cpu = processes_cpu_seconds(&self->options->server),
        .generator_cpu = own_cpu_seconds(),
    };
}

void run_note_window(struct run *self, const struct mark *begin, uint64_t deliveries)
{
    struct scenario_result *result = self->result;
    struct mark end = run_mark(self, deliveries);
    result->seconds = to_seconds(end.at - begin->at);
    result->window_deliveries = end.deliveries - begin->deliveries;
    result->reads = end.reads - begin->reads;
    result->server_cpu = end.server_cpu - begin->server_cpu;
    result->generator_cpu = end.generator_cpu - begin->generator_cpu;
    if (begin->server_cpu < 0 || end.server_cpu < 0) {
        run_fail(self, "a server process is gone");
    }
}

void run_note_clients(struct run *self)
{
    self->result->failed = self->clients.failed;
    self->result->pings = self->clients.pings;
    self->result->other_events = self->clients.other_events;
}
