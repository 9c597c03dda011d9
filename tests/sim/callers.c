#include "tests/sim/callers.h"

#include <stdlib.h>
#include <string.h>
#include <utlist.h>

#include "proto/base/error.h"
#include "proto/base/memory.h"
#include "tests/sim/client.h"

enum {
    CALLED_PER_MILLE = 400, /* of the seeds */
    THINK_MS_MAX = 600,
    CALLS_MAX = 12,
    SEED_SALT = 77
};

enum call_kind { CALL_DELETE, CALL_EDIT, CALL_SUBMIT, CALL_KINDS };

struct call {
    struct callers *callers; /* borrows */
    enum call_kind kind;
    char id[UUID_TEXT_SIZE];
    struct slice room;   /* in the store's arena, like the next three */
    struct slice target; /* the reply, or empty */
    struct slice body;   /* of what is submitted, or put in its place */
    struct slice event;
    bool is_asked; /* an edge has it */
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

static void on_answer(void *context, const struct uplink_outcome *outcome)
{
    struct call *call = context;
    struct world *world = call->callers->world;
    const struct stored_message *stored =
        memory_store_message(call->callers->store, slice_of_string(call->id));
    int error = outcome->answer == NULL ? outcome->error : (int)outcome->answer->send_done.error;
    call->is_asked = false;
    world_tell(world, "call %s is answered: %d", call->id, error);
    if (error == 0 && (stored == NULL || stored->record.seq != outcome->answer->send_done.seq)) {
        world_fail(world, "committed", "call %s is acknowledged and not there", call->id);
    } else if (error != 0 && !error_is_retryable(error) && error != ERROR_NOT_FOUND) {
        world_fail(world, "exactly-once", "call %s is refused: %s", call->id, error_code(error));
    }
    call->is_settled = call->is_settled || error == 0;
}

static void ask(struct call *call)
{
    struct callers *callers = call->callers;
    struct actor_edge *edge = &callers->edges[chance_below(&callers->chance, callers->edge_count)];
    struct slice id = slice_of_string(call->id);
    struct bus_message event = {.type = BUS_ROOM_EVENT,
                                .room_event = {.room = call->room,
                                               .id = id,
                                               .action = call->kind == CALL_DELETE
                                                             ? BUS_ROOM_DELETES_MESSAGE
                                                             : BUS_ROOM_EDITS_MESSAGE,
                                               .message_id = call->target,
                                               .body = call->body,
                                               .event = call->event}};
    struct bus_message submit = {.type = BUS_SUBMIT,
                                 .submit = {.room = call->room,
                                            .id = id,
                                            .sender = SLICE_LITERAL("robot"),
                                            .server_id = SLICE_LITERAL(NIL_UUID),
                                            .body = call->body}};
    if (!actor_edge_accepts(edge)) {
        return;
    }
    bool is_submitted = call->kind == CALL_SUBMIT;
    world_tell(callers->world, "call %s (kind %d) is asked of %s", call->id, (int)call->kind,
               edge->actor.name);
    call->is_asked = true;
    if (uplink_request(edge->uplink, is_submitted ? &submit : &event,
                       is_submitted ? &submit.submit.request : &event.room_event.request, on_answer,
                       call, NULL, actor_now(&edge->actor).now) != 0) {
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

/* A reply of an agent that nobody has touched yet; or NULL. */
static struct stored_message *any_reply(struct callers *callers)
{
    struct stored_message *message, *next, *found = NULL;
    size_t seen = 0;
    HASH_ITER (hh, callers->store->messages, message, next) {
        if (message->record.in_reply_to.length > 0 && !message->is_called &&
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

static void change_reply(struct callers *callers, enum call_kind kind)
{
    struct stored_message *reply = any_reply(callers);
    struct buffer body = BUFFER_EMPTY, event = BUFFER_EMPTY;
    if (reply == NULL) {
        return;
    }
    struct call *call = call_new(callers, kind, reply->room->record.id);
    reply->is_called = true;
    call->target = reply->record.id;
    if (kind == CALL_EDIT) {
        write_edited(reply->record.body, callers->count, &body);
    }
    buffer_append_format(
        &event, "%s {\"roomId\":\"%.*s\",\"messageId\":\"%.*s\",\"eventId\":\"%s\"}",
        kind == CALL_EDIT ? "messageUpdated" : "messageDeleted", (int)call->room.length,
        call->room.data, (int)call->target.length, call->target.data, call->id);
    call->body = keep(callers, &body);
    call->event = keep(callers, &event);
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
        enum call_kind kind = (enum call_kind)chance_below(&callers->chance, CALL_KINDS);
        if (kind == CALL_SUBMIT) {
            submit(callers);
        } else {
            change_reply(callers, kind);
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
