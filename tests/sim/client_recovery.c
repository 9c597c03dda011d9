#include "tests/sim/client.h"

#include <stdio.h>
#include <string.h>

#include "tests/sim/oracle.h"

/*
 * Connection state recovery as Socket.IO clients of today do it: the pid of the last CONNECT and
 * the last offset heard go out with the next CONNECT; what comes before the answer is what was
 * missed, and is looked at behind it. A socket is the same one when its pid is.
 */

enum { FORGED_PER_MILLE = 20 };

/* A pid or an offset that is none, as whoever wants to be somebody else sends it. */
static void forge(struct client *client)
{
    struct chance *chance = &client->world->chance;
    bool is_offset = client->offset[0] != '\0' && chance_below(chance, 2) == 0;
    char *text = is_offset ? client->offset : client->pid;
    size_t at = chance_below(chance, strlen(text));
    text[at] = text[at] == 'A' ? 'B' : 'A';
    client->is_forging = true;
}

void client_say_connect(struct client *client)
{
    struct buffer *out = &client->scratch;
    buffer_clear(out);
    buffer_append_format(out, "40{\"entityId\":\"%s\"", client->entity_id);
    if (client->pid[0] != '\0') {
        if (!client->world->is_calm && chance_happens(&client->world->chance, FORGED_PER_MILLE)) {
            forge(client);
        }
        buffer_append_format(out, ",\"pid\":\"%s\"", client->pid);
        if (client->offset[0] != '\0') {
            buffer_append_format(out, ",\"offset\":\"%s\"", client->offset);
        }
    }
    buffer_append_char(out, '}');
    world_tell(client->world, "says %.*s", (int)out->length, out->data);
    connection_send(client->connection, buffer_slice(out));
}

bool client_keeps_for_later(struct client *client, struct slice data)
{
    if (client->state == CLIENT_CONNECTED) {
        return false;
    }
    buffer_append(&client->early, &data.length, sizeof(data.length));
    buffer_append_slice(&client->early, data);
    return true;
}

/* What was missed, in order. */
static void hear_early(struct client *client)
{
    struct buffer early = client->early;
    client->early = BUFFER_EMPTY;
    for (size_t at = 0; at < early.length && !client->world->has_failed;) {
        size_t length;
        memcpy(&length, early.data + at, sizeof(length));
        at += sizeof(length);
        client_receive_message(client, slice_of(early.data + at, length));
        at += length;
    }
    buffer_deinit(&early);
}

static void forget_former(struct client *client)
{
    for (unsigned room = 0; room < ROOMS_MAX; room++) {
        client->rooms[room].former = ATTENDANCE_OUT;
        client->rooms[room].was_amid_replay = false;
    }
    client->offset[0] = '\0';
    client->has_left = client->may_have_left = false;
}

void client_connected(struct client *client, struct slice auth)
{
    struct slice pid = json_decode_string(json_get(auth, "pid"), &client->arena);
    bool is_same = pid.length > 0 && slice_is(pid, client->pid);
    client->state = CLIENT_CONNECTED;
    if (is_same) {
        world_tell(client->world, "is recovered");
        oracle_recovered(client->oracle, client);
        client->is_catching_up = true;
        hear_early(client);
        client->is_catching_up = false;
        client->is_forging = false;
        return;
    }
    oracle_not_recovered(client->oracle, client, client->early.length > 0);
    forget_former(client);
    client->is_forging = false;
    snprintf(client->pid, sizeof(client->pid), "%.*s", (int)pid.length, pid.data);
}

/* The last argument of an event, if it is text, says how far this client has come. */
void client_note_offset(struct client *client, struct slice last)
{
    if (client->pid[0] == '\0' || json_type(last) != JSON_STRING) {
        return;
    }
    struct slice offset = json_decode_string(last, &client->arena);
    snprintf(client->offset, sizeof(client->offset), "%.*s", (int)offset.length, offset.data);
    world_tell(client->world, "has come to %s", client->offset);
}
