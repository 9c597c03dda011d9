#include "tests/bench/streams.h"

#include <stdio.h>
#include <sys/prctl.h>

#include "tests/bench/replies.h"
#include "tests/bench/run.h"
#include "tests/bench/runtime.h"

/* The kernel may be so late with a timer; its default is 50 µs. */
static const unsigned long timer_slack_ns = 1;

struct streams {
    struct run run;
    struct replies replies;
    struct runtime runtime;
};

static void on_chunk(void *context, struct client *client, const char *packet, size_t length,
                     int64_t now)
{
    struct streams *self = context;
    if (replies_receive(&self->replies, client->number, packet, length, now) != 0) {
        run_fail(&self->run, "out of memory");
    }
}

static void on_delivered(void *context, struct client *client, const char *packet, size_t length,
                         int64_t now)
{
    struct streams *self = context;
    (void)now;
    replies_end(&self->replies, client->number, packet, length);
}

static void on_watched(void *context)
{
    struct streams *self = context;
    runtime_receive(&self->runtime);
}

static void ask_all(struct streams *self)
{
    char text[REPLIES_QUESTION_LENGTH + 1];
    for (uint32_t i = 0; i < self->replies.count; i++) {
        replies_question(i, text);
        client_send_message(&self->run.clients, &self->run.clients.all[i], i, text);
    }
}

/* Lets everybody talk until `until`, or until `*counter` has reached `wanted`. */
static int talk(struct streams *self, int64_t until, const uint32_t *counter, uint32_t wanted)
{
    int64_t progress = clock_now();
    uint64_t moved = 0;
    for (;;) {
        int64_t due = runtime_speak(&self->runtime);
        int64_t now = clock_now();
        if (now >= until || *counter >= wanted) {
            return 0;
        }
        int64_t next = due < until ? due : until;
        clients_turn(&self->run.clients,
                     next - now < run_turn_longest ? next - now : run_turn_longest);
        uint64_t moves = self->replies.chunks + self->replies.ended;
        progress = moves > moved ? now : progress;
        moved = moves;
        if (self->runtime.error[0] != '\0') {
            return run_fail(&self->run, self->runtime.error);
        }
        if (run_check(&self->run, now, progress, "replies have stopped") != 0) {
            return -1;
        }
    }
}

static int talk_for(struct streams *self, double seconds)
{
    return talk(self, clock_now() + run_ns(seconds), &self->replies.ended, UINT32_MAX);
}

/* Until `*counter` counts every reply: it may not stand still, however much the others say. */
static int talk_till_all(struct streams *self, const uint32_t *counter, const char *what)
{
    while (*counter < self->replies.count) {
        uint32_t before = *counter;
        if (talk(self, clock_now() + run_stall_limit, counter, before + 1) != 0) {
            return -1;
        }
        if (*counter == before) {
            return run_fail(&self->run, what);
        }
    }
    return 0;
}

static int run_streams(struct streams *self)
{
    const struct scenario_options *options = self->run.options;
    struct replies *replies = &self->replies;
    if (run_open(&self->run, replies->count, 0) != 0) {
        return -1;
    }
    ask_all(self);
    if (talk_till_all(self, &replies->begun, "replies do not begin") != 0 ||
        talk_for(self, options->warmup) != 0) {
        return -1;
    }
    replies->measuring = true;
    struct mark mark = run_mark(&self->run, replies->chunks);
    if (talk_for(self, options->seconds) != 0) {
        return -1;
    }
    run_note_window(&self->run, &mark, replies->chunks);
    replies->measuring = false;
    self->runtime.finishing = true;
    if (talk_till_all(self, &replies->ended, "replies do not end") != 0) {
        return -1;
    }
    return run_listen_for_repeats(&self->run);
}

static void note_totals(struct streams *self)
{
    struct scenario_result *result = self->run.result;
    const struct replies *replies = &self->replies;
    result->latency = replies->latency;
    result->sent = replies->written;
    result->delivered = replies->came;
    result->missing = replies_missing(replies);
    result->stray = replies->stray;
    run_note_clients(&self->run);
    if (result->missing + result->stray + replies->wrong > 0 && result->error[0] == '\0') {
        snprintf(result->error, sizeof result->error,
                 "replies are not exact: %u of %u are not what their chunks say, %llu tokens "
                 "missing, %llu stray",
                 replies->wrong, replies->count, (unsigned long long)result->missing,
                 (unsigned long long)result->stray);
    }
}

int streams_run(const struct scenario_options *options, struct scenario_result *result)
{
    struct streams self = {.run = {.options = options, .result = result}};
    struct clients_options clients = options->clients;
    struct clients_events events = {
        .context = &self, .chunk = on_chunk, .delivered = on_delivered, .watched = on_watched};
    prctl(PR_SET_TIMERSLACK, timer_slack_ns, 0, 0, 0);
    if (replies_init(&self.replies, clients.count) != 0) {
        return run_fail(&self.run, "out of memory");
    }
    if (runtime_init(&self.runtime, &self.replies, options->runtime_port, options->rate) != 0) {
        run_fail(&self.run, "the runtime cannot listen");
        goto replies;
    }
    if (clients.bare) {
        clients.ports[0] = self.runtime.port;
        clients.port_count = 1;
    }
    if (clients_init(&self.run.clients, &clients, &events) != 0 ||
        clients_watch(&self.run.clients, self.runtime.epoll) != 0) {
        run_fail(&self.run, "the clients cannot be prepared");
        goto runtime;
    }
    run_streams(&self);
    note_totals(&self);
runtime:
    clients_deinit(&self.run.clients);
    runtime_deinit(&self.runtime);
replies:
    replies_deinit(&self.replies);
    return result->error[0] == '\0' ? 0 : -1;
}
