#include "router/core/asking.h"

#include <inttypes.h>
#include <stdlib.h>

#include "proto/base/arena.h"
#include "proto/base/id.h"
#include "proto/base/json.h"
#include "proto/base/log.h"
#include "proto/base/memory.h"
#include "proto/wire/chat_body.h"
#include "proto/wire/mention.h"
#include "router/core/agents.h"
#include "router/core/internal.h"
#include "router/core/room.h"
#include "router/core/said.h"
#include "router/core/work.h"
#include "router/store/batch.h"
#include "router/store/record.h"

/* --- who is there ----------------------------------------------------------------------------- */

static void add(struct choice *choice, struct agent *agent)
{
    if (choice->count == choice->capacity) {
        choice->capacity = choice->capacity == 0 ? 4 : 2 * choice->capacity;
        choice->agents =
            memory_reallocate(choice->agents, choice->capacity * sizeof(struct agent *));
    }
    choice->agents[choice->count++] = agent;
}

static void add_those_there(struct router *router, const struct asking *asking,
                            struct choice *choice)
{
    const struct room *room = asking->room;
    struct agent *agent = agent_default(router);
    if (!room->has_participants) {
        if (agent != NULL && !slice_equals(text_slice(&agent->id), asking->sender)) {
            add(choice, agent);
        }
        return;
    }
    const struct participant *participant;
    for (participant = room->participants; participant != NULL;
         participant = participant->hh.next) {
        agent = agent_find(router, text_slice(&participant->id));
        if (agent != NULL && agent_may_answer(agent) &&
            !slice_equals(text_slice(&agent->id), asking->sender)) {
            add(choice, agent);
        }
    }
}

/* --- who is meant ----------------------------------------------------------------------------- */

static enum agent_policy policy_of(const struct asking *asking, const struct agent *agent)
{
    if (asking->is_of_agent) {
        return agent->to_agents;
    }
    return slice_is(text_slice(&asking->room->type), "DM") ? AGENT_ALWAYS : agent->to_people;
}

static bool is_plain(const struct asking *asking, const struct choice *choice)
{
    return choice->count == 0 ||
           (choice->count == 1 && policy_of(asking, choice->agents[0]) != AGENT_MENTION);
}

struct addressing {
    struct mentions mentions;
    const struct agent *replied_to;
};

static void read_addressing(struct router *router, const struct asking *asking,
                            const struct choice *choice, struct arena *arena, struct buffer *braced,
                            struct addressing *out)
{
    struct slice object, text = SLICE_EMPTY, in_reply_to = SLICE_EMPTY;
    const struct json_field fields[] = {{"text", &text}, {"inReplyTo", &in_reply_to}};
    buffer_append_char(braced, '{');
    buffer_append_slice(braced, chat_body_members(asking->body));
    buffer_append_char(braced, '}');
    if (json_scan(buffer_slice(braced), JSON_MAX_DEPTH, &object) == 0) {
        json_collect(object, fields, sizeof(fields) / sizeof(fields[0]));
    }
    text = json_type(text) == JSON_STRING ? json_decode_string(text, arena) : SLICE_EMPTY;
    mentions_find(&out->mentions, text);
    out->replied_to = NULL;
    /* What an agent says is a reply to whom it answers: that alone addresses nobody. */
    if (!asking->is_of_agent && json_type(in_reply_to) == JSON_STRING) {
        out->replied_to = said_by(router, json_decode_string(in_reply_to, arena));
    }
    for (size_t i = 0; i < choice->count; i++) {
        mentions_offer(&out->mentions, text_slice(&choice->agents[i]->name));
        mentions_offer(&out->mentions, text_slice(&choice->agents[i]->id));
    }
}

static bool is_addressed(const struct addressing *addressing, const struct agent *agent)
{
    return agent == addressing->replied_to ||
           mentions_mean(&addressing->mentions, text_slice(&agent->name)) ||
           mentions_mean(&addressing->mentions, text_slice(&agent->id));
}

static void keep_those_meant(struct router *router, const struct asking *asking,
                             struct choice *choice)
{
    struct addressing addressing = {.replied_to = NULL};
    struct arena arena;
    struct buffer braced = BUFFER_EMPTY;
    bool is_group = asking->is_of_agent || !slice_is(text_slice(&asking->room->type), "DM");
    bool addresses = false;
    size_t kept = 0;
    arena_init(&arena);
    if (is_group && !is_plain(asking, choice)) {
        read_addressing(router, asking, choice, &arena, &braced, &addressing);
        for (size_t i = 0; i < choice->count && !addresses; i++) {
            addresses = is_addressed(&addressing, choice->agents[i]);
        }
    }
    for (size_t i = 0; i < choice->count; i++) {
        struct agent *agent = choice->agents[i];
        enum agent_policy policy = policy_of(asking, agent);
        if (addresses ? policy != AGENT_NEVER && is_addressed(&addressing, agent)
                      : policy == AGENT_ALWAYS) {
            choice->agents[kept++] = agent;
        }
    }
    choice->count = kept;
    buffer_deinit(&braced);
    arena_deinit(&arena);
}

/* --- agents among themselves ------------------------------------------------------------------ */

static bool is_beyond_limits(const struct router *router, const struct asking *asking,
                             const struct choice *choice)
{
    return asking->hops > (uint64_t)router->settings.agent_hops ||
           asking->room->agent_answers + choice->count > (uint64_t)router->settings.agent_budget ||
           HASH_COUNT(router->jobs) + choice->count > (size_t)router->settings.jobs_max;
}

static void limit_agents(struct router *router, const struct asking *asking, struct choice *choice)
{
    struct room *room = asking->room;
    if (choice->count == 0) {
        return;
    }
    if (is_beyond_limits(router, asking, choice)) {
        choice->count = 0;
        choice->is_stop = !room->agents_stopped;
        room->agents_stopped = true;
        router->counters.agents_stopped += choice->is_stop;
    } else {
        room->agent_answers += choice->count;
    }
}

void asking_of_person(struct room *room)
{
    room->agent_answers = 0;
    room->agents_stopped = false;
}

/* --- all of it -------------------------------------------------------------------------------- */

enum bus_answering asking_choose(struct router *router, const struct asking *asking,
                                 struct choice *choice)
{
    enum bus_answering why = BUS_UNANSWERED_NO_AGENT;
    *choice = (struct choice){.count = 0};
    add_those_there(router, asking, choice);
    if (choice->count > 0) {
        why = BUS_UNANSWERED_NOT_ADDRESSED;
        keep_those_meant(router, asking, choice);
    }
    if (asking->is_of_agent) {
        why = BUS_UNANSWERED_OF_AGENT;
        limit_agents(router, asking, choice);
    }
    if (choice->count > 0 && !agents_can_wait(router)) {
        why = BUS_UNANSWERED_AWAY;
        choice->count = 0;
    }
    return choice->count > 0 ? BUS_ANSWERED : why;
}

static void make_job(struct router *router, const struct asking *asking,
                     const struct message_record *message, struct slice asker_edge,
                     struct agent *agent)
{
    char reply[UUID_TEXT_SIZE];
    uuid_of_reply(message->id, text_slice(&agent->id), reply);
    struct job_record record = {.number = ++router->last_job,
                                .room = asking->room->number,
                                .question_seq = message->seq,
                                .question = message->id,
                                .agent = text_slice(&agent->id),
                                .reply = slice_of(reply, UUID_TEXT_LENGTH),
                                .asker_edge = asker_edge,
                                .state = JOB_OPEN,
                                .created_at = message->created_at};
    if (!agent->is_stored) {
        agent_store(router, agent);
    }
    if (asking->room->answers != agent) {
        asking->room->answers = agent;
        room_note_participant(router, asking->room, text_slice(&agent->id));
    }
    store_batch_add_job(router_batch(router), &record);
    struct job *job = work_job_new(router, asking->room, agent, &record, asking->sender);
    job->hops = asking->hops;
    if (router->question_bytes + asking->body.length <= QUESTION_BYTES_MAX) {
        buffer_append_slice(&job->body, asking->body);
        router->question_bytes += asking->body.length;
    }
}

void asking_make_jobs(struct router *router, const struct asking *asking,
                      const struct choice *choice, const struct message_record *message,
                      struct slice asker_edge, struct pending *pending)
{
    pending->jobs = choice->count;
    pending->first_job = router->last_job + 1;
    pending->stops_agents = choice->is_stop;
    for (size_t i = 0; i < choice->count; i++) {
        make_job(router, asking, message, asker_edge, choice->agents[i]);
    }
}

void choice_deinit(struct choice *choice)
{
    free(choice->agents);
    *choice = (struct choice){.count = 0};
}

void asking_say_stopped(struct router *router, const struct pending *pending)
{
    struct bus_message message = {.type = BUS_SIGNAL,
                                  .signal = {.room = text_slice(&pending->room->id),
                                             .kind = BUS_SIGNAL_CONTROL,
                                             .entity = pending->message->sender,
                                             .action = SLICE_LITERAL("agents_stopped")}};
    log_info("agents_stopped", "room=%" PRIu64, pending->room->number);
    room_publish(router, pending->room, &message, NULL);
}
