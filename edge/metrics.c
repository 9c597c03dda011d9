#include "edge/metrics.h"

#include "proto/base/metrics.h"

/* A counter with one line for each reason. */
static void render_by_reason(struct buffer *out, const char *name, const char *help,
                             const char *reason, uint64_t value, bool is_first)
{
    if (is_first) {
        buffer_append_format(out, "# HELP %s %s\n# TYPE %s counter\n", name, help, name);
    }
    buffer_append_format(out, "%s{reason=\"%s\"} %llu\n", name, reason, (unsigned long long)value);
}

static void render_closed(const struct session_counters *sessions, struct buffer *out)
{
    for (int i = 0; i < SESSION_CLOSE_REASONS; i++) {
        render_by_reason(out, "elizamq_edge_sessions_closed_total", "Sessions ended, by reason",
                         session_close_reason_name((enum session_close_reason)i),
                         sessions->closed[i], i == 0);
    }
}

static void render_moves_failed(const struct moves_counters *moves, struct buffer *out)
{
    for (int i = 0; i < MOVE_FAILURES; i++) {
        render_by_reason(out, "elizamq_edge_moves_failed_total",
                         "Moves that did not take place or broke off, by reason",
                         move_failure_name((enum move_failure)i), moves->failed[i], i == 0);
    }
}

static void render_refused_recoveries(const struct chat_counters *chat, struct buffer *out)
{
    static const char name[] = "elizamq_edge_recoveries_refused_total";
    buffer_append_format(out,
                         "# HELP %s Sockets that could not go on as the one before, by reason\n"
                         "# TYPE %s counter\n",
                         name, name);
    for (int i = 0; i < CHAT_RECOVERY_REFUSALS; i++) {
        buffer_append_format(out, "%s{reason=\"%s\"} %llu\n", name,
                             chat_recovery_refusal_name((enum chat_recovery_refusal)i),
                             (unsigned long long)chat->recoveries_refused[i]);
    }
}

void edge_metrics_render(const struct edge_parts *parts, struct buffer *out)
{
    const struct session_counters *sessions = session_table_counters(parts->sessions);
    const struct chat_counters *chat = chat_counters(parts->chat);
    const struct uplink_counters *uplink = uplink_counters(parts->uplink);
    const struct peers_counters *peers = peers_counters(parts->peers);
    const struct moves_counters *moves = moves_counters(parts->moves);
    const struct http_server_counters *http = http_server_counters(parts->http);
    const struct rest_counters *rest = rest_counters(parts->rest);
    static const struct media_counters none;
    const struct media_counters *media =
        parts->media == NULL ? &none : media_counters(parts->media);
#define COUNTER(name, field, help)                                                                 \
    {                                                                                              \
        "elizamq_edge_" name, NULL, help, METRIC_COUNTER, field, NULL                              \
    }
#define GAUGE(name, field, help)                                                                   \
    {                                                                                              \
        "elizamq_edge_" name, NULL, help, METRIC_GAUGE, field, NULL                                \
    }
    const struct metric table[] = {
        GAUGE("sessions", session_table_count(parts->sessions), "Engine.IO sessions"),
        GAUGE("websockets", sessions->websockets, "Sessions on a WebSocket"),
        GAUGE("pollings", sessions->pollings, "Sessions on HTTP long-polling"),
        COUNTER("sessions_opened_total", sessions->opened, "Sessions opened"),
        COUNTER("sessions_upgraded_total", sessions->upgraded, "Sessions upgraded to WebSocket"),
        COUNTER("packets_in_total", sessions->packets_in, "Engine.IO packets from clients"),
        COUNTER("packets_out_total", sessions->packets_out, "Engine.IO packets to clients"),
        COUNTER("bytes_in_total", sessions->bytes_in, "Bytes of packets from clients"),
        COUNTER("bytes_out_total", sessions->bytes_out, "Bytes of packets to clients"),
        COUNTER("flushes_total", sessions->flushes, "Writes that carried them"),
        COUNTER("volatile_dropped_total", sessions->volatile_dropped,
                "Volatile packets left out for slow consumers"),
        GAUGE("rooms", chat->rooms, "Rooms with sockets on this edge"),
        GAUGE("memberships", chat->memberships, "Sockets in rooms"),
        COUNTER("events_total", chat->events, "Socket.IO events from clients"),
        COUNTER("faults_total", chat->faults, "Events refused as malformed"),
        COUNTER("refused_total", chat->refused, "Events refused for any reason"),
        COUNTER("joins_total", chat->joins, "Joins recorded"),
        COUNTER("sends_total", chat->sends, "Messages handed to the router"),
        COUNTER("rejoins_total", chat->rejoins, "Rooms that --rejoin-entity put sockets into"),
        COUNTER("recovered_total", chat->recovered, "Sockets that clients went on with"),
        COUNTER("chunks_held_total", chat->chunks_held,
                "Pieces of replies kept back from viewers that are behind"),
        COUNTER("deliveries_total", chat->deliveries, "Room events queued to sockets"),
        COUNTER("rendered_total", chat->rendered, "Packets rendered for them"),
        GAUGE("requests_waiting", uplink->waiting, "Requests waiting for the router"),
        COUNTER("requests_total", uplink->requests, "Requests to the router"),
        {"elizamq_edge_answer_seconds", NULL, "Time from a request to the router to its answer",
         METRIC_HISTOGRAM, 0, &uplink->answer_seconds},
        COUNTER("requests_repeated_total", uplink->repeated, "Requests sent again on a new link"),
        COUNTER("requests_expired_total", uplink->deadlines, "Requests without answer in time"),
        COUNTER("requests_refused_total", uplink->refused, "Requests refused for a limit"),
        COUNTER("isolated_total", parts->isolation->times,
                "Times that the router was away for --isolation-timeout"),
        COUNTER("link_gaps_total", uplink->gaps, "Gaps noticed in the frames of the router"),
        COUNTER("frames_resent_total", uplink->frames_resent, "Frames sent to the router again"),
        COUNTER("frames_held_total", uplink->frames_held,
                "Times that ZeroMQ took no frame: not connected, or its high-water mark"),
        COUNTER("links_opened_total", uplink->links_opened, "Links to the router opened"),
        COUNTER("frames_refused_total", uplink->frames_refused + peers->frames_refused,
                "Bus frames malformed or of another version"),
        GAUGE("peers", peers->peers, "Other edges known"),
        COUNTER("relayed_total", peers->relayed, "Polls passed on to the edge that owns them"),
        COUNTER("relays_served_total", peers->served, "Polls of other edges' clients answered"),
        COUNTER("relays_failed_total", peers->failed, "Polls whose owner did not answer"),
        GAUGE("relays", peers->waiting, "Polls passed on that wait for their answer"),
        COUNTER("moved_in_total", moves->in, "Sessions taken over from other edges"),
        COUNTER("moved_out_total", moves->out, "Sessions handed over to other edges"),
        GAUGE("moves_in", moves->arriving, "WebSockets here whose session is another edge's still"),
        GAUGE("moves_out", moves->departing, "Sessions here whose WebSocket is another edge's"),
        GAUGE("http_connections", http->connections, "HTTP connections"),
        COUNTER("connections_accepted_total", http->accepted, "Connections accepted"),
        COUNTER("http_requests_total", http->requests, "HTTP requests"),
        COUNTER("http_heads_refused_total", http->refused_heads, "HTTP heads refused"),
        COUNTER("http_bodies_refused_total", http->refused_bodies, "HTTP bodies refused"),
        GAUGE("http_body_bytes", http->body_bytes,
              "Bytes of request bodies that are not whole yet"),
        COUNTER("http_bodies_overloaded_total", http->bodies_overloaded,
                "Requests refused at --http-bodies-max"),
        COUNTER("http_deadlines_total", http->deadlines, "HTTP connections cut at a deadline"),
        COUNTER("streams_cut_total", http->streams_cut, "SSE streams cut as slow consumers"),
        COUNTER("accept_pauses_total", http->accept_pauses, "Times accepting paused at a limit"),
        GAUGE("runs_waiting", rest->waiting, "REST callers waiting for an agent"),
        COUNTER("rest_requests_total", rest->requests, "REST requests"),
        COUNTER("rest_refused_total", rest->refused, "REST requests refused"),
        COUNTER("rest_router_away_total", rest->router_away,
                "REST requests refused at once while the router was away"),
        COUNTER("unauthorized_total", parts->guard->counters.unauthorized + chat->unauthorized,
                "REST requests and sockets refused for a missing or wrong key or token"),
        COUNTER("rate_limited_total", parts->guard->counters.limited + chat->limited,
                "REST requests and events refused at a rate limit"),
        GAUGE("rate_clients",
              rate_limit_count(parts->guard->addresses) + rate_limit_count(parts->guard->keys),
              "Addresses and keys whose requests are counted"),
        COUNTER("rate_evicted_total",
                rate_limit_evicted(parts->guard->addresses) +
                    rate_limit_evicted(parts->guard->keys),
                "Of them, forgotten before their time for lack of room"),
        COUNTER("rest_timeouts_total", rest->timeouts, "Sync callers answered 504"),
        GAUGE("uploading", media->uploading, "Uploads under way"),
        COUNTER("uploads_total", media->uploaded, "Files uploaded"),
        COUNTER("uploads_refused_total", media->refused, "Uploads refused"),
        COUNTER("uploads_abandoned_total", media->abandoned,
                "Uploads whose client left or took too long"),
        COUNTER("uploads_failed_total", media->failed, "Uploads that the disk failed"),
        COUNTER("media_served_total", media->served, "Uploaded files answered"),
    };
    metrics_render(table, sizeof(table) / sizeof(table[0]), "edge", out);
    render_closed(sessions, out);
    render_refused_recoveries(chat, out);
    render_moves_failed(moves, out);
}
