#include "agent-bridge/metrics.h"

#include "proto/base/metrics.h"

enum runtime_value { TRIES, TRIES_FAILED, OPENINGS, RUNNING, IS_OPEN, RUNTIME_VALUES };

static uint64_t value_of(const struct runtime_counters *counters, enum runtime_value value)
{
    const uint64_t values[RUNTIME_VALUES] = {counters->tries, counters->tries_failed,
                                             counters->openings, counters->running,
                                             counters->is_open};
    return values[value];
}

/* Of the runtimes that ask others, one line each. */
static void render_runtimes(const struct runtime_set *runtimes, struct buffer *out)
{
    static const struct {
        const char *id, *type, *help;
    } table[RUNTIME_VALUES] = {
        {"tries_total", "counter", "Requests to a runtime"},
        {"tries_failed_total", "counter", "Of them: no answer, or status 5xx"},
        {"breaker_openings_total", "counter", "Times that a runtime failed too often in a row"},
        {"running", "gauge", "Questions a runtime is being asked"},
        {"breaker_open", "gauge", "Whether a runtime is left alone because it failed too often"},
    };
    for (enum runtime_value value = 0; value < RUNTIME_VALUES; value++) {
        buffer_append_format(out,
                             "# HELP elizamq_bridge_runtime_%s %s\n"
                             "# TYPE elizamq_bridge_runtime_%s %s\n",
                             table[value].id, table[value].help, table[value].id,
                             table[value].type);
        for (size_t i = 0; i < runtimes->count; i++) {
            struct runtime *runtime = runtimes->list[i];
            if (runtime->class->counters != NULL) {
                buffer_append_format(
                    out, "elizamq_bridge_runtime_%s{runtime=\"%s\"} %llu\n", table[value].id,
                    runtime->class->name,
                    (unsigned long long)value_of(runtime->class->counters(runtime), value));
            }
        }
    }
}

void bridge_metrics_render(struct bridge *bridge, const struct runtime_set *runtimes, int64_t now,
                           struct buffer *out)
{
    const struct bridge_counters *c = bridge_counters(bridge);
    const char *reason;
    bool is_registered = bridge_is_ready(bridge, now, &reason);
#define METRIC(id, kind, field, text)                                                              \
    {                                                                                              \
        .name = "elizamq_bridge_" id, .help = text, .type = kind, .value = field                   \
    }
#define HISTOGRAM(id, field, text)                                                                 \
    {                                                                                              \
        .name = "elizamq_bridge_" id, .help = text, .type = METRIC_HISTOGRAM, .histogram = field   \
    }
#define COUNTER(id, field, text) METRIC(id, METRIC_COUNTER, field, text)
#define GAUGE(id, field, text) METRIC(id, METRIC_GAUGE, field, text)
    const struct metric table[] = {
        GAUGE("registered", is_registered, "Whether the router gives this bridge work"),
        GAUGE("running", c->jobs->running, "Questions that the runtime is answering"),
        GAUGE("waiting", c->jobs->waiting, "Questions that the runtime has no room for yet"),
        GAUGE("retained_bytes", c->retained, "Bytes that the router has not acknowledged"),
        COUNTER("jobs_total", c->jobs->given, "Questions given to this bridge"),
        COUNTER("done_total", c->jobs->done, "Questions answered"),
        HISTOGRAM("run_seconds", &c->jobs->run_seconds, "Time of an answer"),
        HISTOGRAM("first_chunk_seconds", &c->jobs->first_seconds,
                  "Time until the first of an answer was shown"),
        COUNTER("failed_total", c->jobs->failed, "Questions whose run failed"),
        COUNTER("cancelled_total", c->jobs->cancelled, "Questions the router took back"),
        COUNTER("dropped_total", c->jobs->dropped,
                "Questions dropped with their link, for the router to give out again"),
        COUNTER("refused_total", c->jobs->refused,
                "Questions refused: for an unknown agent, or beyond the credit"),
        COUNTER("over_credit_total", c->jobs->over_credit, "Questions beyond the credit"),
        COUNTER("chunks_total", c->jobs->chunks, "Pieces of answers sent"),
        COUNTER("overloaded_total", c->jobs->overloaded, "Times that the runtime had no room"),
        COUNTER("waited_out_total", c->jobs->waited_out,
                "Questions failed because their runtime had no room for too long"),
        COUNTER("link_gaps_total", c->gaps, "Gaps noticed in the frames of the router"),
        COUNTER("frames_resent_total", c->frames_resent, "Frames sent to the router again"),
        COUNTER("frames_held_total", c->frames_held,
                "Times that ZeroMQ took no frame: not connected, or its high-water mark"),
        COUNTER("links_opened_total", c->links_opened, "Links to the router opened"),
        COUNTER("links_overflowed_total", c->links_overflowed,
                "Links given up because of --bus-buffer"),
        COUNTER("frames_refused_total", c->frames_refused,
                "Frames malformed, of another version, or with no message for a bridge"),
    };
    metrics_render(table, sizeof(table) / sizeof(table[0]), "agent-bridge", out);
    render_runtimes(runtimes, out);
}
