#include "router/metrics.h"

#include "proto/base/metrics.h"

void router_metrics_render(struct router *router, const struct store_thread *store,
                           struct buffer *out)
{
    const struct router_counters *c = router_counters(router);
    struct store_thread_figures figures;
    store_thread_figures(store, &figures);
#define COUNTER(name, field, help)                                                                 \
    {                                                                                              \
        "elizamq_router_" name, NULL, help, METRIC_COUNTER, field, NULL                            \
    }
#define GAUGE(name, field, help)                                                                   \
    {                                                                                              \
        "elizamq_router_" name, NULL, help, METRIC_GAUGE, field, NULL                              \
    }
    const struct metric table[] = {
        GAUGE("edges", c->edges, "Edges connected"),
        GAUGE("bridges", c->bridges, "Agent bridges connected"),
        GAUGE("rooms", c->rooms, "Rooms known"),
        GAUGE("members", c->members, "Entities present, counted per room"),
        GAUGE("jobs", c->jobs, "Questions to agents not answered yet"),
        COUNTER("messages_total", c->messages, "Messages of users committed and broadcast"),
        COUNTER("replies_total", c->replies, "Replies of agents committed and broadcast"),
        COUNTER("duplicates_total", c->duplicates, "Sends repeated with a known messageId"),
        COUNTER("refused_total", c->refused, "Requests refused for a limit or overload"),
        COUNTER("presence_events_total", c->presence_events, "Joins and leaves announced"),
        COUNTER("signals_total", c->signals, "Typing, thinking and control events relayed"),
        COUNTER("chunks_total", c->chunks, "Pieces of replies relayed"),
        COUNTER("room_frames_total", c->room_frames, "Room events handed to edges"),
        COUNTER("frames_refused_total", c->frames_refused,
                "Frames malformed, of another version, or for an unknown link"),
        COUNTER("link_gaps_total", c->link_gaps, "Gaps noticed in the frames of edges and bridges"),
        COUNTER("frames_resent_total", c->frames_resent, "Frames sent to them again"),
        COUNTER("frames_held_total", c->frames_held,
                "Times that ZeroMQ took no frame: not connected, or its high-water mark"),
        COUNTER("dedupe_evicted_total", c->dedupe_evicted,
                "messageIds forgotten before their time because of --dedupe-limit"),
        COUNTER("jobs_made_total", c->jobs_made, "Questions given to agents"),
        COUNTER("jobs_redelivered_total", c->jobs_redelivered, "Questions given out again"),
        COUNTER("jobs_finished_total", c->jobs_finished, "Questions ended"),
        COUNTER("agents_stopped_total", c->agents_stopped,
                "Conversations of agents with agents that came to a limit."),
        COUNTER("jobs_given_up_total", c->jobs_given_up,
                "Questions that cost --job-attempts bridges, and failed"),
        COUNTER("jobs_timed_out_total", c->jobs_timed_out,
                "Questions not answered within --job-deadline"),
        COUNTER("jobs_late_total", c->jobs_late, "Answers of bridges that no longer had the job"),
        COUNTER("edges_lost_total", c->edges_lost, "Edges gone, for any reason"),
        COUNTER("bridges_lost_total", c->bridges_lost, "Bridges gone, for any reason"),
        COUNTER("links_overflowed_total", c->links_overflowed,
                "Links given up because of --bus-buffer"),
        COUNTER("replays_total", c->replays, "Joins that asked for what they missed"),
        COUNTER("recoveries_total", c->recoveries, "Sockets that clients went on with"),
        COUNTER("recoveries_refused_total", c->recoveries_refused,
                "Sockets that are not known, or ended too long ago"),
        COUNTER("commits_total", c->commits, "Batches committed"),
        COUNTER("commit_failures_total", c->commit_failures, "Batches the store refused"),
        {"elizamq_router_commit_seconds", NULL, "Time of a commit", METRIC_HISTOGRAM, 0,
         &figures.commit_seconds},
        COUNTER("store_operations_total", figures.operations, "Rows written"),
        COUNTER("store_queries_total", figures.queries, "Queries answered by the store"),
    };
    metrics_render(table, sizeof(table) / sizeof(table[0]), "router", out);
}
