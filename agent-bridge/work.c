#include "agent-bridge/work.h"

#include <assert.h>
#include <inttypes.h>
#include <stdlib.h>

#include "proto/base/error.h"
#include "proto/base/log.h"
#include "proto/base/memory.h"
#include "proto/bus/silence.h"

enum {
    REOPEN_INTERVAL_MS = 100,
    CHUNK_INTERVAL_MS = 1,   /* between frames that hold nothing but chunks */
    OFFER_BYTES = 1 << 20,   /* of one OFFER, and the last agent's */
    SCRATCH_KEPT = 64 * 1024 /* bytes of the scratch buffer that outlive their use */
};

struct bridge {
    struct bridge_settings settings;
    const struct bridge_operations *operations;
    void *context;
    struct id_source *ids;
    struct agents *agents;
    struct jobs *jobs; /* owns */
    struct link link;
    struct link_refusal refusal;
    struct silence silence;
    int64_t now;          /* of the entry point that runs */
    int64_t opened_at;    /* last attempt to open the link, or its end */
    int64_t idle_at;      /* since when a draining bridge has had no job */
    int64_t flushed_at;   /* when what was said last went out */
    bool is_pressing;     /* more than chunks was said since */
    unsigned unconfirmed; /* REGISTERs of this link without their REGISTERED */
    bool is_registered;
    bool is_draining;
    bool has_overflowed; /* the link is to be given up: nothing may follow what it did not take */
    struct buffer outgoing; /* scratch: one encoded message */
    struct bridge_counters counters;
};

/* --- saying something to the router ----------------------------------------------------------- */

static void say(void *context, const struct bus_message *message)
{
    struct bridge *bridge = context;
    if (bridge->has_overflowed) {
        return;
    }
    bridge->is_pressing |= message->type != BUS_WORK_CHUNK;
    bus_encode(&bridge->outgoing, message);
    bridge->has_overflowed =
        link_send_encoded(&bridge->link, buffer_slice(&bridge->outgoing)) == ERROR_OVERLOADED;
    buffer_shrink(&bridge->outgoing, SCRATCH_KEPT);
}

static void say_offer(struct bridge *bridge, struct bus_list_builder *list)
{
    if (list->count > 0) {
        struct bus_message message = {.type = BUS_OFFER, .offer = {bus_list_of(list)}};
        say(bridge, &message);
    }
    buffer_deinit(&list->bytes);
    list->count = 0;
}

static void add_offer(struct bridge *bridge, struct bus_list_builder *list,
                      const struct agent *agent)
{
    struct bus_agent element = {.id = agent->id, .name = agent->name, .details = agent->details};
    bus_list_add(list, BUS_ELEMENT_AGENT, &element);
    if (list->bytes.length >= OFFER_BYTES) {
        say_offer(bridge, list);
    }
}

/* The credit comes last: no work before all agents are known. */
static void say_register(struct bridge *bridge)
{
    struct bus_list_builder list = {BUFFER_EMPTY, 0};
    for (struct agent *agent = NULL; (agent = agents_next(bridge->agents, agent)) != NULL;) {
        add_offer(bridge, &list, agent);
    }
    struct bus_message message = {
        .type = BUS_REGISTER,
        .register_agents = {.credit = (uint64_t)bridge->settings.jobs.credit,
                            .agents = bus_list_of(&list)}};
    bridge->unconfirmed++;
    say(bridge, &message);
    buffer_deinit(&list.bytes);
}

static void say_no_more_work(struct bridge *bridge)
{
    struct bus_message message = {.type = BUS_REGISTER, .register_agents = {.credit = 0}};
    bridge->unconfirmed++;
    say(bridge, &message);
}

/* Ends every entry point that may have said something: no runtime is on the stack any more. */
static void settle(struct bridge *bridge)
{
    if (bridge->has_overflowed) {
        bridge->has_overflowed = false;
        bridge->counters.links_overflowed++;
        log_warn("link_overflowed", "retained=%zu", link_retained(&bridge->link));
        link_close(&bridge->link, bridge->now);
    }
    if (jobs_count(bridge->jobs) > 0) {
        bridge->idle_at = bridge->now;
    }
}

/* --- what the router says --------------------------------------------------------------------- */

static bool transmit(void *context, struct link *link, struct slice header, struct slice body)
{
    struct bridge *bridge = context;
    (void)link;
    return bridge->operations->transmit(bridge->context, header, body);
}

static void deliver(void *context, struct link *link, const struct bus_message *message,
                    int64_t now)
{
    struct bridge *bridge = context;
    (void)link;
    (void)now;
    switch (message->type) {
    case BUS_REGISTERED:
        if (!bridge->is_draining) {
            log_info("registered", "agents=%zu", agents_count(bridge->agents));
        }
        bridge->is_registered = true;
        bridge->unconfirmed -= bridge->unconfirmed > 0;
        break;
    case BUS_WORK:
        jobs_take(bridge->jobs, message);
        break;
    case BUS_HISTORY_PAGE:
        jobs_take_history(bridge->jobs, &message->history_page);
        break;
    case BUS_CHARACTER_CHANGE:
        bridge->operations->change_character(bridge->context, message);
        break;
    case BUS_WORK_CANCEL:
        jobs_cancel(bridge->jobs, &message->work_cancel);
        break;
    default:
        bridge->counters.frames_refused++;
        log_warn("message_refused", "type=%s", bus_type_name(message->type));
        break;
    }
}

static void opened(void *context, struct link *link, const struct bus_hello *peer, int64_t now)
{
    struct bridge *bridge = context;
    (void)link;
    (void)now;
    assert(jobs_count(bridge->jobs) == 0);
    log_info("router_welcome", "router=%.*s", (int)peer->incarnation.length,
             peer->incarnation.data);
    bridge->counters.links_opened++;
    bridge->unconfirmed = 0;
    if (bridge->is_draining) {
        say_no_more_work(bridge);
    } else {
        say_register(bridge);
    }
}

static void closed(void *context, struct link *link, int error, int64_t now)
{
    struct bridge *bridge = context;
    (void)link;
    if (error == ERROR_BUS_REFUSED) {
        silence_refused(&bridge->silence, "is --router the router's --bind-bridges?");
    } else if (!bridge->is_draining) {
        log_warn("router_lost", "reason=%s jobs=%zu", error == 0 ? "goodbye" : error_code(error),
                 jobs_count(bridge->jobs));
    }
    bridge->is_registered = false;
    bridge->opened_at = now;
    jobs_drop_all(bridge->jobs);
}

static const struct link_operations link_operations = {transmit, deliver, opened, closed};

/* --- entry points ----------------------------------------------------------------------------- */

struct bridge *bridge_new(const struct bridge_settings *settings,
                          const struct bridge_operations *operations, void *context,
                          struct id_source *ids, const struct bus_hello *self,
                          struct agents *agents, const struct runtime_set *runtimes, int64_t now)
{
    assert(settings->link.retained_max >= BRIDGE_RETAINED_MIN);
    struct bridge *bridge = memory_allocate_zeroed(sizeof(*bridge));
    bridge->settings = *settings;
    bridge->operations = operations;
    bridge->context = context;
    bridge->ids = ids;
    bridge->agents = agents;
    bridge->now = now;
    bridge->opened_at = now - REOPEN_INTERVAL_MS;
    bridge->jobs = jobs_new(&settings->jobs, agents, runtimes, say, bridge);
    bridge->counters.jobs = jobs_counters(bridge->jobs);
    link_init(&bridge->link, &bridge->settings.link, &link_operations, bridge, true, self, now);
    return bridge;
}

void bridge_destroy(struct bridge **self)
{
    struct bridge *bridge = *self;
    *self = NULL;
    if (bridge == NULL) {
        return;
    }
    jobs_destroy(&bridge->jobs);
    link_deinit(&bridge->link);
    buffer_deinit(&bridge->outgoing);
    free(bridge);
}

void bridge_receive(struct bridge *bridge, struct slice frame, int64_t now)
{
    struct link_header header = {0};
    struct msgpack_reader reader = msgpack_reader_of(frame);
    bridge->now = now;
    int error = link_header_decode(&reader, &header);
    if (error != 0) {
        bridge->counters.frames_refused++;
        if (link_refusal_is_news(&bridge->refusal, error, now)) {
            log_warn("frame_refused", "reason=%s bytes=%zu version=%" PRIu64 " ours=%d",
                     error_code(error), frame.length, header.version, BUS_VERSION);
        }
        return;
    }
    link_receive(&bridge->link, &header, &reader, now);
    settle(bridge);
}

void bridge_tick(struct bridge *bridge, int64_t now)
{
    bridge->now = now;
    if (bridge->link.state == LINK_CLOSED && !bridge->is_draining &&
        now - bridge->opened_at >= REOPEN_INTERVAL_MS) {
        bridge->opened_at = now;
        link_open(&bridge->link, id_random_u64(bridge->ids) | 1, now);
    }
    link_tick(&bridge->link, now);
    silence_watch(&bridge->silence, &bridge->link, now);
    jobs_offer_again(bridge->jobs, now);
    settle(bridge);
}

/* Half of what the link may keep is for the runs that are under way. */
static bool has_room(const struct bridge *bridge)
{
    return link_retained(&bridge->link) <= bridge->settings.link.retained_max / 2;
}

/*
 * Each frame wakes eight threads on its way to a client. Of many replies at once the chunks of a
 * millisecond share one; a chunk that comes alone goes out at once.
 */
static bool may_wait(const struct bridge *bridge, int64_t now)
{
    return !bridge->is_pressing && bridge->link.open.length > 0 &&
           now - bridge->flushed_at < CHUNK_INTERVAL_MS;
}

void bridge_flush(struct bridge *bridge, int64_t now)
{
    bridge->now = now;
    while (has_room(bridge) && jobs_start_next(bridge->jobs, now)) {
    }
    jobs_run_due(bridge->jobs, now);
    settle(bridge);
    if (!may_wait(bridge, now)) {
        bridge->flushed_at = bridge->link.open.length > 0 ? now : bridge->flushed_at;
        bridge->is_pressing = false;
        link_flush(&bridge->link, now);
    }
}

bool bridge_notify(struct bridge *bridge, const struct bus_message *message, int64_t now)
{
    bool is_open = link_is_open(&bridge->link);
    bridge->now = now;
    if (is_open) {
        say(bridge, message);
        settle(bridge);
    }
    return is_open;
}

int64_t bridge_deadline(const struct bridge *bridge)
{
    int64_t deadline = jobs_deadline(bridge->jobs);
    int64_t flush_at = bridge->flushed_at + CHUNK_INTERVAL_MS;
    if (may_wait(bridge, bridge->now) && (deadline < 0 || flush_at < deadline)) {
        return flush_at;
    }
    return deadline;
}

/* --- reload ----------------------------------------------------------------------------------- */

struct changes {
    struct bridge *bridge;
    struct bus_list_builder offered;
    struct bus_list_builder withdrawn;
    bool is_told; /* the router; else the next link begins with all of it */
    size_t changed;
    size_t gone;
};

static void on_changed(void *context, const struct agent *agent)
{
    struct changes *changes = context;
    changes->changed++;
    if (changes->is_told) {
        add_offer(changes->bridge, &changes->offered, agent);
    }
}

static void on_gone(void *context, struct slice id)
{
    struct changes *changes = context;
    struct bus_text element = {id};
    changes->gone++;
    bus_list_add(&changes->withdrawn, BUS_ELEMENT_TEXT, &element);
}

void bridge_reload(struct bridge *bridge, struct agents **next, int64_t now)
{
    struct changes changes = {.bridge = bridge,
                              .is_told = link_is_open(&bridge->link) && !bridge->is_draining};
    struct agents_listener listener = {&changes, on_changed, on_gone};
    bridge->now = now;
    agents_replace(bridge->agents, next, &listener);
    if (changes.is_told) {
        say_offer(bridge, &changes.offered);
    }
    if (changes.is_told && changes.withdrawn.count > 0) {
        struct bus_message message = {.type = BUS_WITHDRAW,
                                      .withdraw = {bus_list_of(&changes.withdrawn)}};
        say(bridge, &message);
    }
    buffer_deinit(&changes.withdrawn.bytes);
    log_info("agents_reloaded", "agents=%zu changed=%zu gone=%zu", agents_count(bridge->agents),
             changes.changed, changes.gone);
    settle(bridge);
}

void bridge_add_runtime(struct bridge *bridge, struct runtime *runtime)
{
    jobs_add_runtime(bridge->jobs, runtime);
}

/* --- state ------------------------------------------------------------------------------------ */

bool bridge_is_ready(const struct bridge *bridge, int64_t now, const char **reason)
{
    if (bridge->is_draining) {
        *reason = "stopping";
    } else if (!link_is_alive(&bridge->link, now)) {
        *reason = "router";
    } else if (!bridge->is_registered) {
        *reason = "registration";
    } else {
        *reason = "";
        return true;
    }
    return false;
}

void bridge_drain(struct bridge *bridge, int64_t now)
{
    if (bridge->is_draining) {
        return;
    }
    bridge->now = now;
    bridge->is_draining = true;
    bridge->idle_at = now;
    if (link_is_open(&bridge->link)) {
        say_no_more_work(bridge);
    }
    settle(bridge);
}

bool bridge_is_drained(const struct bridge *bridge, int64_t now)
{
    if (!link_is_alive(&bridge->link, now)) {
        return true; /* nobody hears us, and the router will give our jobs to others */
    }
    bool is_confirmed = bridge->unconfirmed == 0 && link_retained(&bridge->link) == 0;
    return jobs_count(bridge->jobs) == 0 &&
           (is_confirmed || now - bridge->idle_at >= BRIDGE_CONFIRM_MS);
}

void bridge_say_goodbye(struct bridge *bridge, int64_t now)
{
    bridge->now = now;
    bridge->is_draining = true;
    link_close(&bridge->link, now);
}

const struct bridge_counters *bridge_counters(struct bridge *bridge)
{
    bridge->counters.retained = link_retained(&bridge->link);
    bridge->counters.gaps = bridge->link.gaps;
    bridge->counters.frames_resent = bridge->link.frames_resent;
    bridge->counters.frames_held = bridge->link.frames_held;
    return &bridge->counters;
}
