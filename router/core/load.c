#include "router/core/router.h"

#include <inttypes.h>
#include <string.h>
#include <utlist.h>

#include "proto/base/log.h"
#include "router/core/agents.h"
#include "router/core/asked.h"
#include "router/core/dedupe.h"
#include "router/core/internal.h"
#include "router/core/room.h"
#include "router/core/said.h"
#include "router/core/sessions.h"
#include "router/core/work.h"
#include "router/store/record.h"
#include "router/store/store.h"

/* What the store knew when the router started. */

static void load_room(void *context, const struct room_record *record)
{
    struct room *room = room_new(context, record);
    room->is_stored = true;
    room->row_batch = UINT64_MAX;          /* one that does not fail */
    room->published_position = UINT64_MAX; /* the store knows */
}

static void load_secret(void *context, struct slice secret)
{
    sessions_load_secret(context, secret);
}

static void load_participant(void *context, uint64_t number, struct slice id)
{
    struct room *room = room_by_number(context, number);
    const struct router *router = context;
    if (room != NULL && (room->has_participants || router->settings.data_isolation)) {
        room_add_participant(room, id);
    }
}

static void load_agent(void *context, const struct agent_record *record)
{
    struct router *router = context;
    struct agent *agent = agent_obtain(router, record->id, record->name, record->details);
    agent->is_stopped = record->state == AGENT_STOPPED;
    agent->is_deleted = record->state == AGENT_DELETED;
    agent->created_at = record->created_at;
    agent->updated_at = record->updated_at;
    agent->is_stored = true;
    router->bridge_seen_at = router->time.now; /* one was there before this start */
}

static void load_job(void *context, const struct job_record *record)
{
    struct router *router = context;
    struct room *room = room_by_number(router, record->room);
    struct agent *agent = agent_find(router, record->agent);
    if (room == NULL || agent == NULL) {
        log_error("job_orphaned", "job=%" PRIu64, record->number);
        return;
    }
    struct job *job = work_job_new(router, room, agent, record, SLICE_EMPTY);
    job->attempt = 1; /* there may have been one, and viewers who have pieces of it */
    job->is_replacing = true;
    work_job_ready(router, job);
}

/* A message that open jobs answer: who asked, and which they are. */
static void load_question(struct room *room, const struct message_record *record,
                          struct dedupe_entry *entry)
{
    struct work_queue *queue;
    uint64_t last = 0;
    LL_FOREACH (room->queues, queue) {
        struct job *job = work_job_of(queue, record->seq);
        if (job == NULL) {
            continue;
        }
        text_replace(&job->asker, record->sender);
        entry->first_job =
            last == 0 || job->number < entry->first_job ? job->number : entry->first_job;
        last = job->number > last ? job->number : last;
    }
    entry->jobs = last == 0 ? 0 : (uint32_t)(last - entry->first_job + 1);
}

static void load_recent(void *context, const struct message_record *record)
{
    struct router *router = context;
    struct room *room = room_by_number(router, record->room);
    if (record->kind == MESSAGE_KIND_AGENT) {
        said_note(router, record->id, agent_find(router, record->sender));
    }
    if (room == NULL || record->client_message_id.length == 0 ||
        record->id.length != UUID_TEXT_LENGTH) {
        return;
    }
    bool is_submitted = record->kind == MESSAGE_KIND_AGENT; /* under its own id, in any room */
    struct dedupe_entry entry = {
        .key = is_submitted ? dedupe_key_of(router->dedupe, 0, SLICE_EMPTY, record->id)
                            : dedupe_key_of(router->dedupe, record->room, record->sender,
                                            record->client_message_id),
        .seq = record->seq,
        .epoch = room->epoch,
        .created_at = record->created_at,
        .no_agent = record->kind == MESSAGE_KIND_UNANSWERED,
        .is_committed = true};
    memcpy(entry.id, record->id.data, UUID_TEXT_LENGTH);
    load_question(room, record, &entry);
    if (dedupe_find(router->dedupe, entry.key) == NULL) {
        dedupe_add(router->dedupe, &entry);
    }
    if (record->kind == MESSAGE_KIND_USER) {
        asked_note(router, room, record->sender, SLICE_EMPTY, record->created_at);
    }
}

struct store_loader router_loader(struct router *router, struct instant now)
{
    router->time = now;
    return (struct store_loader){.context = router,
                                 .room = load_room,
                                 .participant = load_participant,
                                 .wants_all_participants = router->settings.data_isolation,
                                 .agent = load_agent,
                                 .open_job = load_job,
                                 .recent = load_recent,
                                 .secret = load_secret,
                                 .recent_since = now.wall - router->settings.dedupe_window};
}

void router_loaded(struct router *router, const struct store_loader *loader)
{
    router->last_room = loader->last_room;
    router->last_job = loader->last_job;
    router->last_position = loader->last_position;
    router->published_position = loader->last_position;
    sessions_loaded(router);
    router->needs_sweep = loader->needs_sweep;
    router->records_swept_at = router->time.now;
}
