#include "agent-bridge/metrics.h"

#include "proto/base/metrics.h"

void bridge_metrics_render(struct bridge *bridge, int64_t now, struct buffer *out)
{
    const struct bridge_counters *c = bridge_counters(bridge);
    const char *reason;
    bool is_registered = bridge_is_ready(bridge, now, &reason);
#define METRIC(id, kind, field, text)                                                              \
    {                                                                                              \
        .name = "elizamq_bridge_" id, .help = text, .type = kind, .value = field                   \
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
        COUNTER("failed_total", c->jobs->failed, "Questions whose run failed"),
        COUNTER("cancelled_total", c->jobs->cancelled, "Questions the router took back"),
        COUNTER("dropped_total", c->jobs->dropped,
                "Questions dropped with their link, for the router to give out again"),
        COUNTER("refused_total", c->jobs->refused,
                "Questions refused: for an unknown agent, or beyond the credit"),
        COUNTER("over_credit_total", c->jobs->over_credit, "Questions beyond the credit"),
        COUNTER("chunks_total", c->jobs->chunks, "Pieces of answers sent"),
        COUNTER("overloaded_total", c->jobs->overloaded, "Times that the runtime had no room"),
        COUNTER("links_opened_total", c->links_opened, "Links to the router opened"),
        COUNTER("links_overflowed_total", c->links_overflowed,
                "Links given up because of --bus-buffer"),
        COUNTER("frames_refused_total", c->frames_refused,
                "Frames malformed, of another version, or with no message for a bridge"),
    };
    metrics_render(table, sizeof(table) / sizeof(table[0]), "agent-bridge", out);
    buffer_append_format(out,
                         "# HELP elizamq_bridge_run_seconds_total Time spent on answers given\n"
                         "# TYPE elizamq_bridge_run_seconds_total counter\n"
                         "elizamq_bridge_run_seconds_total %.3f\n",
                         (double)c->jobs->run_ms / 1000);
}
