#include "tests/sim/callers.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <utlist.h>

#include "proto/base/error.h"
#include "proto/base/memory.h"
#include "tests/sim/client.h"
#include "tests/sim/oracle.h"

enum {
    CALLED_PER_MILLE = 400, /* of the seeds */
    THINK_MS_MAX = 600,
    CALLS_MAX = 16,
    READ_LIMIT_MAX = 40,
    SEED_SALT = 77
};

enum call_kind { CALL_DELETE, CALL_EDIT, CALL_CLEAR, CALL_DELETE_ROOM, CALL_SUBMIT, CALL_READ };

/* How often, of all. */
static const enum call_kind kinds[] = {CALL_DELETE, CALL_DELETE, CALL_EDIT,        CALL_EDIT,
                                       CALL_SUBMIT, CALL_CLEAR,  CALL_DELETE_ROOM, CALL_READ,
                                       CALL_READ,   CALL_READ};

/* What becomes of a room or of a message of it; the event's name. */
static const struct {
    enum bus_room_action action;
    const char *event;
} changes[] = {[CALL_DELETE] = {BUS_ROOM_DELETES_MESSAGE, "messageDeleted"},
               [CALL_EDIT] = {BUS_ROOM_EDITS_MESSAGE, "messageUpdated"},
               [CALL_CLEAR] = {BUS_ROOM_CLEARS, "channelCleared"},
               [CALL_DELETE_ROOM] = {BUS_ROOM_IS_DELETED, "channelDeleted"}};

struct call {
    struct callers *callers; /* borrows */
    enum call_kind kind;
    char id[UUID_TEXT_SIZE];
    struct slice room;   /* in the store's arena, like the next three */
    struct slice target; /* the message, or empty */
    struct slice body;   /* of what is submitted, or put in its place */
    struct slice event;
    uint64_t limit;   /* of what is read */
    char viewer[16];  /* who reads; empty: an operator */
    int64_t asked_at; /* the last time */
    bool is_asked;    /* an edge has it */
    bool is_settled;
    struct call *next;
};

static void fill(void *context, void *bytes, size_t length)
{
    struct chance *chance = context;
    unsigned char *at = bytes;
    for (size_t i = 0; i < length; i++) {
        at[i] = (unsigned char)chance_u64(chance);
    }
}

void callers_init(struct callers *callers, struct world *world, struct memory_store *store,
                  struct actor_edge *edges, size_t edge_count)
{
    *callers = (struct callers){.world = world,
                                .store = store,
                                .edges = edges,
                                .edge_count = edge_count,
                                .chance = {world->seed + SEED_SALT}};
    callers->ids = (struct id_source){.fill = fill, .context = &callers->chance};
}

void callers_deinit(struct callers *callers)
{
    while (callers->calls != NULL) {
        struct call *call = callers->calls;
        callers->calls = call->next;
        free(call);
    }
}

bool callers_know(const struct callers *callers, struct slice id)
{
    const struct call *call;
    LL_FOREACH (callers->calls, call) {
        if (slice_is(id, call->id)) {
            return true;
        }
    }
    return false;
}

bool callers_are_settled(const struct callers *callers)
{
    const struct call *call;
    LL_FOREACH (callers->calls, call) {
        if (!call->is_settled) {
            return false;
        }
    }
    return true;
}

/* --- asking ----------------------------------------------------------------------------------- */

static void check_change(struct call *call, int error, uint64_t seq)
{
    struct world *world = call->callers->world;
    const struct stored_message *stored =
        memory_store_message(call->callers->store, slice_of_string(call->id));
    if (error == 0 && (stored == NULL || stored->record.seq != seq)) {
        world_fail(world, "committed", "call %s is acknowledged and not there", call->id);
    } else if (error == ERROR_NOT_FOUND) {
        const struct stored_room *room = memory_store_room(call->callers->store, call->room);
        if (room == NULL || room->gone_until < call->asked_at) {
            world_fail(world, "committed", "call %s does not find %.*s", call->id,
                       (int)call->room.length, call->room.data);
        }
    } else if (error != 0 && !error_is_retryable(error)) {
        world_fail(world, "exactly-once", "call %s is refused: %s", call->id, error_code(error));
    }
    call->is_settled = call->is_settled || error == 0 || error == ERROR_NOT_FOUND;
}

static bool is_closed_to(const struct call *call)
{
    const struct stored_room *room = memory_store_room(call->callers->store, call->room);
    return call->viewer[0] != '\0' &&
           !memory_store_has_participant(room, slice_of_string(call->viewer));
}

static void on_answer(void *context, const struct uplink_outcome *outcome)
{
    struct call *call = context;
    const struct bus_message *answer = outcome->answer;
    bool is_page = answer != NULL && answer->type == BUS_HISTORY_PAGE;
    int error = answer == NULL
                    ? outcome->error
                    : (int)(is_page ? answer->history_page.error : answer->send_done.error);
    call->is_asked = false;
    world_tell(call->callers->world, "call %s is answered: %d", call->id, error);
    if (call->kind != CALL_READ) {
        check_change(call, error, answer == NULL ? 0 : answer->send_done.seq);
    } else if (error == 0 && is_closed_to(call)) {
        if (answer->history_page.messages.count > 0 || answer->history_page.epoch != 0) {
            world_fail(call->callers->world, "isolation", "%s reads %.*s", call->viewer,
                       (int)call->room.length, call->room.data);
        }
        call->is_settled = true;
    } else if (error == 0) {
        oracle_read(call->callers->world, call->callers->store, call->room, call->asked_at,
                    call->limit, &answer->history_page.messages);
        call->is_settled = true;
    }
}

/* What is asked; where its number goes. */
static uint64_t *write_question(const struct call *call, struct bus_message *out)
{
    struct slice id = slice_of_string(call->id);
    switch (call->kind) {
    case CALL_SUBMIT:
        *out = (struct bus_message){.type = BUS_SUBMIT,
                                    .submit = {.room = call->room,
                                               .id = id,
                                               .sender = SLICE_LITERAL("robot"),
                                               .server_id = SLICE_LITERAL(NIL_UUID),
                                               .body = call->body}};
        return &out->submit.request;
    case CALL_READ:
        *out = (struct bus_message){.type = BUS_HISTORY,
                                    .viewer = slice_of_string(call->viewer),
                                    .history = {.room = call->room, .limit = call->limit}};
        return &out->history.request;
    default:
        *out = (struct bus_message){.type = BUS_ROOM_EVENT,
                                    .room_event = {.room = call->room,
                                                   .id = id,
                                                   .action = changes[call->kind].action,
                                                   .message_id = call->target,
                                                   .body = call->body,
                                                   .event = call->event}};
        return &out->room_event.request;
    }
}

static void ask(struct call *call)
{
    struct callers *callers = call->callers;
    struct actor_edge *edge = &callers->edges[chance_below(&callers->chance, callers->edge_count)];
    struct bus_message question;
    if (!actor_edge_accepts(edge)) {
        return;
    }
    uint64_t *request = write_question(call, &question);
    world_tell(callers->world, "call %s (kind %d) is asked of %s", call->id, (int)call->kind,
               edge->actor.name);
    call->is_asked = true;
    call->asked_at = callers->world->now;
    if (uplink_request(edge->uplink, &question, request, on_answer, call, NULL,
                       actor_now(&edge->actor).now) != 0) {
        call->is_asked = false;
    }
    actor_wake(&edge->actor, 0);
}

/* --- what they do ----------------------------------------------------------------------------- */

static struct call *call_new(struct callers *callers, enum call_kind kind, struct slice room)
{
    struct call *call = memory_allocate_zeroed(sizeof(*call));
    call->callers = callers;
    call->kind = kind;
    call->room = room;
    uuid_random(&callers->ids, call->id);
    LL_PREPEND(callers->calls, call);
    callers->count++;
    return call;
}

static struct slice keep(struct callers *callers, struct buffer *text)
{
    struct slice kept = arena_copy(&callers->store->arena, buffer_slice(text));
    buffer_deinit(text);
    return kept;
}

/* One that nobody has touched yet; or NULL. What is asked again and again stays as it is. */
static struct stored_message *any_message(struct callers *callers, enum call_kind kind)
{
    struct stored_message *message, *next, *found = NULL;
    size_t seen = 0;
    HASH_ITER (hh, callers->store->messages, message, next) {
        bool is_reply = message->record.in_reply_to.length > 0;
        bool is_event = message->record.kind == MESSAGE_KIND_EVENT;
        if (!message->is_called && !is_event && (is_reply || kind == CALL_DELETE) &&
            chance_below(&callers->chance, ++seen) == 0) {
            found = message;
        }
    }
    return found;
}

/* The same body with another text: these have no escapes. */
static void write_edited(struct slice body, unsigned number, struct buffer *out)
{
    static const char member[] = "\"text\":\"";
    const char *at = memmem(body.data, body.length, member, sizeof(member) - 1);
    size_t head = at == NULL ? body.length : (size_t)(at - body.data) + sizeof(member) - 1;
    size_t tail = head;
    while (tail < body.length && body.data[tail] != '"') {
        tail++;
    }
    buffer_append(out, body.data, head);
    buffer_append_format(out, "edited %u", number);
    buffer_append(out, body.data + tail, body.length - tail);
}

static void write_event(struct callers *callers, struct call *call)
{
    struct buffer event = BUFFER_EMPTY;
    buffer_append_format(
        &event, "%s {\"roomId\":\"%.*s\",\"messageId\":\"%.*s\",\"eventId\":\"%s\"}",
        changes[call->kind].event, (int)call->room.length, call->room.data,
        (int)call->target.length, call->target.length > 0 ? call->target.data : "", call->id);
    call->event = keep(callers, &event);
}

static void change_message(struct callers *callers, enum call_kind kind)
{
    struct stored_message *message = any_message(callers, kind);
    struct buffer body = BUFFER_EMPTY;
    if (message == NULL) {
        return;
    }
    struct call *call = call_new(callers, kind, message->room->record.id);
    message->is_called = true;
    call->target = message->record.id;
    if (kind == CALL_EDIT) {
        write_edited(message->record.body, callers->count, &body);
    }
    call->body = keep(callers, &body);
    write_event(callers, call);
}

/* In one that is there. */
static void call_room(struct callers *callers, enum call_kind kind)
{
    const char *name = room_name((unsigned)chance_below(&callers->chance, ROOMS_MAX));
    const struct stored_room *room = memory_store_room(callers->store, slice_of_string(name));
    /* A closed room that was deleted would be the next one's: nobody could say whose. */
    if (room == NULL || room->record.deleted_at != 0 ||
        (callers->is_isolated && kind == CALL_DELETE_ROOM)) {
        return;
    }
    struct call *call = call_new(callers, kind, slice_of_string(name));
    if (callers->is_isolated && kind == CALL_READ && chance_happens(&callers->chance, 700)) {
        snprintf(call->viewer, sizeof(call->viewer), "user-%u",
                 (unsigned)chance_below(&callers->chance, callers->entity_count));
    }
    call->limit = 1 + chance_below(&callers->chance, READ_LIMIT_MAX);
    if (kind != CALL_READ) {
        write_event(callers, call);
    }
}

static void submit(struct callers *callers)
{
    struct call *call = call_new(callers, CALL_SUBMIT, slice_of_string(room_name(0)));
    struct buffer body = BUFFER_EMPTY;
    buffer_append_format(&body,
                         "\"senderId\":\"robot\",\"text\":\"said elsewhere %u\",\"roomId\":\"%s\","
                         "\"channelId\":\"%s\"",
                         callers->count, room_name(0), room_name(0));
    call->body = keep(callers, &body);
}

static void think(void *context, uint64_t argument)
{
    struct callers *callers = context;
    struct world *world = callers->world;
    struct call *call;
    (void)argument;
    if (!world->is_calm && callers->count < CALLS_MAX) {
        enum call_kind kind =
            kinds[chance_below(&callers->chance, sizeof(kinds) / sizeof(kinds[0]))];
        if (kind == CALL_SUBMIT) {
            submit(callers);
        } else if (kind == CALL_DELETE || kind == CALL_EDIT) {
            change_message(callers, kind);
        } else {
            call_room(callers, kind);
        }
    }
    LL_FOREACH (callers->calls, call) {
        /* Sometimes what has been acknowledged, too. */
        bool is_again = call->is_settled && !world->is_calm && chance_happens(&callers->chance, 30);
        if (!call->is_asked && (!call->is_settled || is_again)) {
            ask(call);
        }
    }
    world_after(world, chance_between(&callers->chance, 50, THINK_MS_MAX), think, callers, 0);
}

void callers_begin(struct callers *callers)
{
    if (chance_happens(&callers->chance, CALLED_PER_MILLE)) {
        world_after(callers->world, chance_between(&callers->chance, 500, 2000), think, callers, 0);
    }
}
