#include "router/core/attach.h"

#include <string.h>
#include <utlist.h>

#include "proto/base/error.h"
#include "proto/base/id.h"
#include "proto/bus/message.h"
#include "router/core/access.h"
#include "router/core/internal.h"
#include "router/core/peers.h"
#include "router/core/room.h"
#include "router/core/run.h"
#include "router/core/work.h"
#include "router/store/query.h"
#include "router/store/record.h"

static struct job *open_job(const struct room *room, struct slice id)
{
    const struct work_queue *queue;
    LL_FOREACH (room->queues, queue) {
        struct job *job;
        DL_FOREACH (queue->jobs, job) {
            bool is_over = job->phase == JOB_PHASE_ENDING && job->end != JOB_DONE;
            if (!is_over &&
                (slice_is(id, job->reply) || slice_equals(id, text_slice(&job->question)))) {
                return job;
            }
        }
    }
    return NULL;
}

static void answer(struct peer *peer, uint64_t request, uint64_t trace,
                   struct bus_run_attached attached)
{
    struct bus_message message = {
        .type = BUS_RUN_ATTACHED, .trace = trace, .run_attached = attached};
    message.run_attached.request = request;
    peer_send(peer, &message);
}

void attach_receive(struct peer *peer, const struct bus_message *message)
{
    const struct bus_run_attach *attach = &message->run_attach;
    struct router *router = peer->router;
    struct room *room = access_room(router, attach->room, message->viewer);
    struct job *job = room == NULL ? NULL : open_job(room, attach->id);
    int error = 0;
    if (room == NULL || attach->id.length != UUID_TEXT_LENGTH) {
        error = ERROR_NOT_FOUND;
    } else if (job == NULL && router_may_not_ask(router)) {
        error = ERROR_OVERLOADED;
    }
    if (error != 0) {
        answer(peer, attach->request, message->trace, (struct bus_run_attached){.error = error});
    } else if (job != NULL) {
        answer(peer, attach->request, message->trace,
               (struct bus_run_attached){.is_open = true,
                                         .question = text_slice(&job->question),
                                         .created_at = job->question_at});
        run_tell(job, peer);
        run_catch_up_outsider(job, peer);
    } else {
        struct store_query query = {.type = STORE_QUERY_MESSAGE, .limit = 1};
        memcpy(query.id, attach->id.data, attach->id.length);
        peer_ask(peer, QUESTION_RUN, message, attach->request, &query)->room = room->number;
    }
}

void attach_answered(struct router *router, const struct question *question,
                     const struct store_page *page)
{
    struct peer *peer = peer_by_incarnation(router, text_slice(&question->origin));
    struct bus_run_attached attached = {.error = page->error};
    if (peer == NULL) {
        return;
    }
    if (page->error == 0 && (page->count == 0 || page->messages[0].room != question->room)) {
        attached.error = ERROR_NOT_FOUND;
    } else if (page->error == 0) {
        const struct message_record *record = &page->messages[0];
        bool is_reply = record->kind == MESSAGE_KIND_AGENT && record->in_reply_to.length > 0;
        attached.question = is_reply ? record->in_reply_to : record->id;
        attached.reply = is_reply ? record->id : SLICE_EMPTY;
        attached.created_at = record->created_at;
        attached.body = is_reply ? record->body : SLICE_EMPTY;
        attached.no_agent = record->kind == MESSAGE_KIND_UNANSWERED;
    }
    answer(peer, question->request, question->trace, attached);
}

void attach_receive_stop(struct peer *peer, const struct bus_message *message)
{
    const struct bus_run_stop *stop = &message->run_stop;
    struct router *router = peer->router;
    struct room *room = access_room(router, stop->room, message->viewer);
    size_t stopped = room == NULL ? 0 : work_stop_run(router, room, stop->id);
    struct bus_message done = {
        .type = BUS_DONE,
        .trace = message->trace,
        .done = {.request = stop->request, .error = stopped > 0 ? 0 : ERROR_NOT_FOUND}};
    peer_send(peer, &done);
}
