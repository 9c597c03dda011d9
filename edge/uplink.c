#include "edge/uplink.h"

#include <inttypes.h>
#include <stdlib.h>
#include "proto/base/hash.h"
#include <utlist.h>

#include "proto/base/error.h"
#include "proto/base/heap.h"
#include "proto/base/log.h"
#include "proto/base/memory.h"
#include "proto/bus/silence.h"

struct uplink_request {
    struct heap_entry deadline;
    uint64_t number;
    enum bus_type awaits; /* the type of its answer */
    uplink_answered *answered;
    void *context; /* the requester's */
    bool is_forgotten;
    struct uplink_owner *owner;         /* borrows; NULL: forgotten, or none */
    struct buffer message;              /* encoded */
    unsigned links;                     /* how many links it went out on */
    uint64_t link_id;                   /* the last of them */
    struct uplink_request *prev, *next; /* owner->requests */
    UT_hash_handle hh;                  /* by number, in order of being made */
};

struct uplink {
    struct uplink_settings settings;
    const struct uplink_operations *operations;
    void *context;
    struct id_source *ids;
    struct link link;
    struct link_refusal refusal;
    struct silence silence;
    struct uplink_request *requests;
    struct heap deadlines;
    uint64_t last_number;
    int64_t opened_at; /* last attempt to open */
    int64_t alive_at; /* the router's last sign of life on a link that was open; first: the start */
    bool is_closing;
    struct uplink_counters counters;
};

enum { REOPEN_INTERVAL_MS = 100 };

/* --- requests --------------------------------------------------------------------------------- */

/* The number of the request that a message answers, or 0. */
static uint64_t answers_request(const struct bus_message *message)
{
    switch (message->type) {
    case BUS_JOINED:
        return message->joined.request;
    case BUS_SEND_DONE:
        return message->send_done.request;
    case BUS_DONE:
        return message->done.request;
    case BUS_HISTORY_PAGE:
        return message->history_page.request;
    case BUS_MEMBERS_PAGE:
        return message->members_page.request;
    case BUS_CHANNEL:
        return message->channel.request;
    case BUS_RUN_ATTACHED:
        return message->run_attached.request;
    case BUS_RECOVERED:
        return message->recovered.request;
    case BUS_REJOINED:
        return message->rejoined.request;
    case BUS_RECORD:
        return message->record.request;
    case BUS_RECORDS_PAGE:
        return message->records_page.request;
    case BUS_CHANNELS_PAGE:
        return message->channels_page.request;
    case BUS_AGENTS_PAGE:
        return message->agents_page.request;
    case BUS_LOGS_PAGE:
        return message->logs_page.request;
    case BUS_RUNS_PAGE:
        return message->runs_page.request;
    case BUS_AGENT_STATE:
        return message->agent_state.request;
    default:
        return 0;
    }
}

static enum bus_type answer_to(enum bus_type request)
{
    switch (request) {
    case BUS_JOIN:
        return BUS_JOINED;
    case BUS_SEND:
    case BUS_SUBMIT:
    case BUS_ROOM_EVENT:
        return BUS_SEND_DONE;
    case BUS_HISTORY:
    case BUS_MESSAGE_GET:
    case BUS_SEARCH:
    case BUS_AGENT_HISTORY:
        return BUS_HISTORY_PAGE;
    case BUS_MEMBERS:
        return BUS_MEMBERS_PAGE;
    case BUS_CHANNEL_PUT:
    case BUS_CHANNEL_GET:
    case BUS_CHANNEL_CHANGE:
        return BUS_CHANNEL;
    case BUS_RUN_ATTACH:
        return BUS_RUN_ATTACHED;
    case BUS_RECOVER:
        return BUS_RECOVERED;
    case BUS_REJOIN:
        return BUS_REJOINED;
    case BUS_CHANNEL_LIST:
    case BUS_ROOMS_OF:
        return BUS_CHANNELS_PAGE;
    case BUS_RECORD_PUT:
    case BUS_RECORD_GET:
        return BUS_RECORD;
    case BUS_RECORD_LIST:
        return BUS_RECORDS_PAGE;
    case BUS_AGENTS_GET:
        return BUS_AGENTS_PAGE;
    case BUS_LOGS_GET:
        return BUS_LOGS_PAGE;
    case BUS_RUNS_LIST:
        return BUS_RUNS_PAGE;
    case BUS_AGENT_GET:
    case BUS_AGENT_CHANGE:
        return BUS_AGENT_STATE;
    default:
        return BUS_DONE;
    }
}

static struct uplink_request *find(struct uplink *uplink, uint64_t number)
{
    struct uplink_request *request;
    HASH_FIND(hh, uplink->requests, &number, sizeof(number), request);
    return request;
}

static void detach_owner(struct uplink_request *request)
{
    if (request->owner != NULL) {
        DL_DELETE(request->owner->requests, request);
        request->owner->count--;
        request->owner = NULL;
    }
}

static void end_request(struct uplink *uplink, struct uplink_request *request,
                        const struct bus_message *answer, int error, int64_t now)
{
    struct bus_message sent;
    struct msgpack_reader reader = msgpack_reader_of(buffer_slice(&request->message));
    HASH_DEL(uplink->requests, request);
    heap_remove(&uplink->deadlines, &request->deadline);
    detach_owner(request);
    uplink->counters.bytes -= request->message.length;
    if (bus_decode(&reader, &sent) == 0) {
        struct uplink_outcome outcome = {.answer = answer,
                                         .error = error,
                                         .sent = &sent,
                                         .was_repeated = request->links > 1,
                                         .is_forgotten = request->is_forgotten,
                                         .is_with_router = answer == NULL &&
                                                           link_is_open(&uplink->link) &&
                                                           request->link_id == uplink->link.id,
                                         .now = now};
        request->answered(request->context, &outcome);
    }
    buffer_deinit(&request->message);
    free(request);
}

int uplink_request(struct uplink *uplink, struct bus_message *message, uint64_t *number,
                   uplink_answered *answered, void *context, struct uplink_owner *owner,
                   int64_t now)
{
    if (uplink->is_closing ||
        HASH_COUNT(uplink->requests) >= (size_t)uplink->settings.requests_max ||
        uplink->counters.bytes >= (size_t)uplink->settings.request_bytes_max) {
        uplink->counters.refused++;
        return ERROR_OVERLOADED;
    }
    struct uplink_request *request = memory_allocate_zeroed(sizeof(*request));
    request->number = ++uplink->last_number;
    *number = request->number;
    request->awaits = answer_to(message->type);
    request->answered = answered;
    request->context = context;
    bus_encode(&request->message, message);
    if (link_is_open(&uplink->link)) {
        if (link_send_encoded(&uplink->link, buffer_slice(&request->message)) != 0) {
            buffer_deinit(&request->message);
            free(request);
            uplink->counters.refused++;
            return ERROR_OVERLOADED;
        }
        request->links = 1;
        request->link_id = uplink->link.id;
    }
    if (owner != NULL) {
        request->owner = owner;
        DL_APPEND(owner->requests, request);
        owner->count++;
    }
    HASH_ADD(hh, uplink->requests, number, sizeof(request->number), request);
    heap_set(&uplink->deadlines, &request->deadline, now + uplink->settings.request_deadline);
    uplink->counters.bytes += request->message.length;
    uplink->counters.requests++;
    return 0;
}

void uplink_forget_owner(struct uplink *uplink, struct uplink_owner *owner)
{
    (void)uplink;
    while (owner->requests != NULL) {
        struct uplink_request *request = owner->requests;
        request->is_forgotten = true;
        detach_owner(request);
    }
}

void *uplink_context(struct uplink *uplink, uint64_t number, uplink_answered *kind)
{
    struct uplink_request *request = find(uplink, number);
    bool is_it = request != NULL && !request->is_forgotten && request->answered == kind;
    return is_it ? request->context : NULL;
}

void uplink_notify(struct uplink *uplink, const struct bus_message *message)
{
    if (link_is_open(&uplink->link) && link_send(&uplink->link, message) == ERROR_OVERLOADED) {
        uplink->counters.refused++;
        link_close(&uplink->link, uplink->link.heard_at); /* say it all anew on a new link */
    }
}

/* --- link ------------------------------------------------------------------------------------- */

static bool transmit(void *context, struct link *link, struct slice header, struct slice body)
{
    struct uplink *uplink = context;
    (void)link;
    return uplink->operations->transmit(uplink->context, header, body);
}

static void deliver(void *context, struct link *link, const struct bus_message *message,
                    int64_t now)
{
    struct uplink *uplink = context;
    uint64_t number = answers_request(message);
    (void)link;
    if (number == 0) {
        uplink->operations->deliver(uplink->context, message, now);
        return;
    }
    struct uplink_request *request = find(uplink, number);
    if (request != NULL && request->awaits == message->type) {
        int64_t since = request->deadline.deadline - uplink->settings.request_deadline;
        uplink->counters.answers++;
        histogram_observe(&uplink->counters.answer_seconds, (double)(now - since) / 1000);
        end_request(uplink, request, message, 0, now);
    }
}

/* A join or a recovery of a socket that is gone would begin anew what has been ended meanwhile. */
static bool is_pointless(const struct uplink_request *request)
{
    return request->is_forgotten &&
           (request->awaits == BUS_JOINED || request->awaits == BUS_RECOVERED);
}

static void opened(void *context, struct link *link, const struct bus_hello *peer, int64_t now)
{
    struct uplink *uplink = context;
    log_info("router_welcome", "router=%.*s", (int)peer->incarnation.length,
             peer->incarnation.data);
    uplink->counters.links_opened++;
    /* A copy of what this edge holds anyway: cut short, it would have to be begun again for ever.
     */
    link->is_unbounded = true;
    uint64_t rooms = uplink->operations->synchronise(uplink->context, now);
    struct bus_message done = {.type = BUS_SYNC_DONE, .sync_done = {rooms}};
    link_send(link, &done);
    struct uplink_request *request, *next;
    HASH_ITER (hh, uplink->requests, request, next) {
        if (is_pointless(request)) {
            end_request(uplink, request, NULL, ERROR_CLOSED, now);
        } else if (link_send_encoded(link, buffer_slice(&request->message)) == 0) {
            request->link_id = link->id;
            uplink->counters.repeated += ++request->links > 1;
        }
    }
    link->is_unbounded = false;
}

static void closed(void *context, struct link *link, int error, int64_t now)
{
    struct uplink *uplink = context;
    (void)link;
    (void)now;
    if (error == ERROR_BUS_REFUSED) {
        silence_refused(&uplink->silence, "is --router the router's --bind-edges?");
    } else if (!uplink->is_closing) {
        log_warn("router_lost", "reason=%s", error == 0 ? "goodbye" : error_code(error));
    }
    uplink->opened_at = now;
}

static const struct link_operations operations = {transmit, deliver, opened, closed};

static void open_link(struct uplink *uplink, int64_t now)
{
    uint64_t id = id_random_u64(uplink->ids) | 1;
    uplink->opened_at = now;
    link_open(&uplink->link, id, now);
}

struct uplink *uplink_new(const struct uplink_settings *settings,
                          const struct uplink_operations *uplink_operations, void *context,
                          struct id_source *ids, const struct bus_hello *self, int64_t now)
{
    struct uplink *uplink = memory_allocate_zeroed(sizeof(*uplink));
    uplink->settings = *settings;
    uplink->operations = uplink_operations;
    uplink->context = context;
    uplink->ids = ids;
    heap_init(&uplink->deadlines);
    link_init(&uplink->link, &uplink->settings.link, &operations, uplink, true, self, now);
    uplink->opened_at = now - REOPEN_INTERVAL_MS;
    uplink->alive_at = now;
    return uplink;
}

void uplink_destroy(struct uplink **self, int64_t now)
{
    struct uplink *uplink = *self;
    *self = NULL;
    if (uplink == NULL) {
        return;
    }
    uplink->is_closing = true;
    struct uplink_request *request, *next;
    HASH_ITER (hh, uplink->requests, request, next) {
        end_request(uplink, request, NULL, ERROR_CLOSED, now);
    }
    link_deinit(&uplink->link);
    heap_deinit(&uplink->deadlines);
    free(uplink);
}

void uplink_receive(struct uplink *uplink, struct slice frame, int64_t now)
{
    struct link_header header = {0};
    struct msgpack_reader reader = msgpack_reader_of(frame);
    int error = link_header_decode(&reader, &header);
    if (error != 0) {
        uplink->counters.frames_refused++;
        if (link_refusal_is_news(&uplink->refusal, error, now)) {
            log_warn("frame_refused", "reason=%s bytes=%zu version=%" PRIu64 " ours=%d",
                     error_code(error), frame.length, header.version, BUS_VERSION);
        }
        return;
    }
    link_receive(&uplink->link, &header, &reader, now);
    if (link_is_open(&uplink->link)) {
        uplink->alive_at = uplink->link.heard_at;
    }
}

void uplink_tick(struct uplink *uplink, int64_t now)
{
    if (uplink->link.state == LINK_CLOSED && !uplink->is_closing &&
        now - uplink->opened_at >= REOPEN_INTERVAL_MS) {
        open_link(uplink, now);
    }
    link_tick(&uplink->link, now);
    silence_watch(&uplink->silence, &uplink->link, now);
    struct heap_entry *entry;
    while ((entry = heap_pop_due(&uplink->deadlines, now)) != NULL) {
        uplink->counters.deadlines++;
        end_request(uplink, (struct uplink_request *)entry, NULL,
                    uplink_is_ready(uplink, now) ? ERROR_OVERLOADED : ERROR_ROUTER_AWAY, now);
    }
}

void uplink_flush(struct uplink *uplink, int64_t now)
{
    link_flush(&uplink->link, now);
}

void uplink_say_goodbye(struct uplink *uplink, int64_t now)
{
    uplink->is_closing = true;
    link_close(&uplink->link, now);
}

bool uplink_is_ready(const struct uplink *uplink, int64_t now)
{
    return link_is_alive(&uplink->link, now);
}

bool uplink_is_away(const struct uplink *uplink, int64_t now)
{
    return !uplink_is_ready(uplink, now) && now - uplink->alive_at > UPLINK_AWAY_MS;
}

const struct uplink_counters *uplink_counters(const struct uplink *uplink)
{
    struct uplink_counters *counters = (struct uplink_counters *)&uplink->counters;
    counters->waiting = HASH_COUNT(uplink->requests);
    counters->gaps = uplink->link.gaps;
    counters->frames_resent = uplink->link.frames_resent;
    counters->frames_held = uplink->link.frames_held;
    return counters;
}
