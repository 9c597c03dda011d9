#include "tests/sim/oracle_internal.h"

#include <stdlib.h>
#include <string.h>
#include <utlist.h>

#include "proto/base/memory.h"
#include "proto/wire/chat_event.h"

/* --- chunks ----------------------------------------------------------------------------------- */

static struct assembly *assembly_of(struct oracle *oracle, struct attendance *attendance,
                                    struct slice reply)
{
    struct assembly *assembly;
    LL_FOREACH (attendance->assemblies, assembly) {
        if (slice_is(reply, assembly->reply)) {
            return assembly;
        }
    }
    assembly = memory_allocate_zeroed(sizeof(*assembly));
    memcpy(assembly->reply, reply.data,
           reply.length < UUID_TEXT_LENGTH ? reply.length : UUID_TEXT_LENGTH);
    assembly->since = oracle->world->now;
    LL_PREPEND(attendance->assemblies, assembly);
    return assembly;
}

void oracle_chunk(struct oracle *oracle, struct client *client, unsigned room,
                  const struct told_chunk *told)
{
    struct attendance *attendance = &client->rooms[room];
    struct stored_message *question = memory_store_message(oracle->store, told->question);
    struct stored_message *reply = memory_store_message(oracle->store, told->reply);
    if (question == NULL || (attendance->state != ATTENDANCE_IN &&
                             oracle_own_letter(oracle, client, question) == NULL)) {
        world_fail(oracle->world, "stranger", "%s gets a piece of a reply in %s", client->name,
                   room_name(room));
        return;
    }
    if (reply != NULL && attendance->state == ATTENDANCE_IN &&
        attendance->cursor >= reply->record.seq && reply->record.seq > attendance->floor) {
        world_fail(oracle->world, "chunks", "%s has %.*s and gets more pieces of it", client->name,
                   (int)told->reply.length, told->reply.data);
        return;
    }
    struct assembly *assembly = assembly_of(oracle, attendance, told->reply);
    if (told->is_reset) {
        buffer_clear(&assembly->text);
    } else if (assembly->text.length > 0 && told->index <= assembly->index) {
        world_fail(oracle->world, "chunks", "%s gets piece %llu of %.*s after piece %llu",
                   client->name, (unsigned long long)told->index, (int)told->reply.length,
                   told->reply.data, (unsigned long long)assembly->index);
    }
    assembly->index = told->index;
    buffer_append_slice(&assembly->text, told->text);
}

void oracle_controlled(struct oracle *oracle, struct client *client, unsigned room,
                       bool is_disabled)
{
    (void)oracle;
    client->rooms[room].is_input_disabled = is_disabled;
}

void oracle_completed(struct oracle *oracle, const struct client *client, struct slice reply,
                      bool has_succeeded)
{
    const struct stored_message *stored = memory_store_message(oracle->store, reply);
    bool is_stored = stored != NULL;
    bool is_whole = is_stored && !chat_reply_was_stopped(stored->record.body);
    bool is_gone =
        is_stored && !memory_store_shows(stored); /* an edge that was away finds nothing of it */
    if (has_succeeded != is_whole && !is_gone) {
        world_fail(oracle->world, "reply", "%s is told that %.*s has %s, and it is %s",
                   client->name, (int)reply.length, reply.data,
                   has_succeeded ? "succeeded" : "failed", is_stored ? "there" : "not there");
    }
}

/*
 * Did everything that was written of the reply reach this client's edge? Not if its link was opened
 * anew meanwhile, or so shortly before that the client may not have seen the end of the former one.
 */
static bool was_linked(const struct client *client, const struct assembly *assembly)
{
    const struct actor_edge *former = client->connection->former_edge;
    int64_t since = assembly->since - VIEW_LAG_MS;
    return client->connection->edge->linked_at < since &&
           (former == NULL || former->linked_at < since);
}

void oracle_check_assembly(struct oracle *oracle, struct client *client, unsigned room,
                           const struct told_message *told)
{
    struct attendance *attendance = &client->rooms[room];
    struct assembly *assembly;
    LL_FOREACH (attendance->assemblies, assembly) {
        if (slice_is(told->id, assembly->reply)) {
            break;
        }
    }
    if (assembly == NULL) {
        return;
    }
    struct slice text = buffer_slice(&assembly->text);
    bool is_text = slice_equals(text, told->text);
    bool is_beginning = text.length <= told->text.length &&
                        (text.length == 0 || memcmp(text.data, told->text.data, text.length) == 0);
    if (!is_text && (was_linked(client, assembly) || !is_beginning || !has_faults(oracle)) &&
        (was_linked(client, assembly) || is_foretold(oracle))) {
        world_fail(oracle->world, "chunks", "%s: \"%.*s\" was streamed as \"%.*s\"", client->name,
                   (int)told->text.length, told->text.data, (int)text.length, text.data);
    }
    LL_DELETE(attendance->assemblies, assembly);
    buffer_deinit(&assembly->text);
    free(assembly);
}
