#include "edge/move_internal.h"

#include <assert.h>
#include <inttypes.h>

const char *move_failure_name(enum move_failure failure)
{
    static const char *const names[MOVE_FAILURES] = {
        [MOVE_REFUSED] = "refused",     [MOVE_ABANDONED] = "abandoned",
        [MOVE_EDGE_GONE] = "edge_gone", [MOVE_LATE] = "late",
        [MOVE_MALFORMED] = "malformed", [MOVE_TOO_LARGE] = "too_large",
        [MOVE_UNJOINED] = "unjoined",   [MOVE_DIVERGED] = "diverged",
    };
    assert(failure < MOVE_FAILURES);
    return names[failure];
}

void move_failed(struct moves *moves, enum move_failure failure, uint64_t move)
{
    moves->counters.failed[failure]++;
    log_debug("move_failed", "move=%016" PRIx64 " reason=%s", move, move_failure_name(failure));
}

struct moves *moves_new(const struct moves_settings *settings, struct session_table *sessions,
                        struct peers *peers, struct uplink *uplink, struct id_source *ids)
{
    struct moves *moves = memory_allocate_zeroed(sizeof(*moves));
    moves->settings = *settings;
    moves->sessions = sessions;
    moves->peers = peers;
    moves->uplink = uplink;
    moves->ids = ids;
    heap_init(&moves->departing);
    heap_init(&moves->arriving);
    return moves;
}

void moves_destroy(struct moves **self, int64_t now)
{
    struct moves *moves = *self;
    *self = NULL;
    if (moves == NULL) {
        return;
    }
    departures_destroy(moves, now);
    arrivals_destroy(moves, now);
    heap_deinit(&moves->departing);
    heap_deinit(&moves->arriving);
    free(moves);
}

void moves_receive(struct moves *moves, struct slice routing_id, const struct bus_message *message,
                   int64_t now)
{
    if (routing_id.length == 0) {
        arrival_receive(moves, message, now);
    } else if (routing_id.length <= MOVE_ROUTING_ID_MAX) {
        departure_receive(moves, routing_id, message, now);
    }
}

void moves_edge_gone(struct moves *moves, struct slice incarnation, int64_t now)
{
    departures_edge_gone(moves, incarnation, now);
    arrivals_edge_gone(moves, incarnation, now);
}

void moves_tick(struct moves *moves, int64_t now)
{
    departures_tick(moves, now);
    arrivals_tick(moves, now);
}

const struct moves_counters *moves_counters(struct moves *moves)
{
    moves->counters.departing = departures_count(moves);
    moves->counters.arriving = arrivals_count(moves);
    return &moves->counters;
}
