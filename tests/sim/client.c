#include "tests/sim/client.h"

#include <stdio.h>
#include <stdlib.h>
#include <utlist.h>

#include "proto/base/memory.h"
#include "proto/wire/engineio.h"
#include "proto/wire/socketio.h"
#include "tests/sim/oracle.h"

enum {
    THINK_MS = 100,
    POLLING_PER_MILLE = 500,  /* of the connections; the others are WebSockets */
    UPGRADED_PER_MILLE = 700, /* of those */
    CONNECT_TIMEOUT_MS = 4000,
    RECONNECT_MS_MAX = 1200,
    ANSWER_MS_MAX = 15000 /* every request is answered by then: deadline, pauses and chokes */
};

static const char *const room_names[ROOMS_MAX] = {"room-0", "room-1", "room-2",
                                                  "room-3", "room-4", "room-5"};

const char *room_name(unsigned room)
{
    return room_names[room];
}

int room_of_name(struct slice name)
{
    for (int room = 0; room < ROOMS_MAX; room++) {
        if (slice_is(name, room_names[room])) {
            return room;
        }
    }
    return -1;
}

int entity_of_name(struct slice name)
{
    unsigned number = 0;
    if (name.length < 6 || memcmp(name.data, "user-", 5) != 0) {
        return -1;
    }
    for (size_t i = 5; i < name.length; i++) {
        number = number * 10 + (unsigned)(name.data[i] - '0');
    }
    return number < ENTITIES_MAX ? (int)number : -1;
}

void client_init(struct client *client, struct world *world, struct oracle *oracle,
                 struct actor_edge *edges, size_t edge_count, struct connection **connections,
                 unsigned number, unsigned entity)
{
    *client = (struct client){.world = world,
                              .oracle = oracle,
                              .edges = edges,
                              .edge_count = edge_count,
                              .connections = connections,
                              .number = number,
                              .entity = entity};
    snprintf(client->name, sizeof(client->name), "client-%u", number);
    snprintf(client->entity_id, sizeof(client->entity_id), "user-%u", entity);
    arena_init(&client->arena);
}

void client_forget_assemblies(struct attendance *attendance)
{
    while (attendance->assemblies != NULL) {
        struct assembly *assembly = attendance->assemblies;
        attendance->assemblies = assembly->next;
        buffer_deinit(&assembly->text);
        free(assembly);
    }
}

static void forget_waits(struct client *client)
{
    while (client->waits != NULL) {
        struct wait *wait = client->waits;
        LL_DELETE(client->waits, wait);
        if (wait->kind == WAIT_SEND && !wait->letter->has_id) {
            wait->letter->is_settled = true; /* sent once; what became of it nobody can say */
        }
        free(wait);
    }
}

void client_deinit(struct client *client)
{
    forget_waits(client);
    for (unsigned room = 0; room < ROOMS_MAX; room++) {
        client_forget_assemblies(&client->rooms[room]);
    }
    while (client->letters != NULL) {
        struct letter *letter = client->letters;
        client->letters = letter->next;
        free(letter);
    }
    buffer_deinit(&client->early);
    buffer_deinit(&client->scratch);
    arena_deinit(&client->arena);
}

/* --- connections ------------------------------------------------------------------------------ */

/* It is in no room any more: its connection ended. */
static void forget_rooms(struct client *client, bool is_explicit)
{
    for (unsigned room = 0; room < ROOMS_MAX; room++) {
        struct attendance *attendance = &client->rooms[room];
        if (attendance->state == ATTENDANCE_IN && !client->is_severed) {
            oracle_released(client->oracle, room, client->entity, is_explicit, 0);
        } else if (attendance->state != ATTENDANCE_OUT && is_explicit) {
            /* Not answered yet, or believed to be cut off: what it says now may be heard. */
            oracle_left_early(client->oracle, room, client->entity);
        }
        if (client->state == CLIENT_CONNECTED) {
            /* What it was refused may have come to pass without its edge: then it is told so. */
            bool has_asked = attendance->may_be_in ||
                             (attendance->was_refused && attendance->state == ATTENDANCE_OUT);
            attendance->former = has_asked ? ATTENDANCE_ASKED : attendance->state;
            /* Where it begins it is to find out once more. */
            attendance->has_cursor = attendance->has_cursor && !attendance->may_be_in;
            attendance->was_amid_replay = attendance->replay_left > 0;
        }
        attendance->state = ATTENDANCE_OUT;
        attendance->may_be_in = attendance->was_refused = false;
        attendance->replay_left = 0;
        attendance->join_at = 0;
        client_forget_assemblies(attendance);
    }
}

static void go_offline(struct client *client)
{
    struct world *world = client->world;
    forget_waits(client);
    forget_rooms(client, false);
    client->state = CLIENT_OFFLINE;
    client->connection = NULL;
    client->online_at = world->now + chance_between(&world->chance, 0, RECONNECT_MS_MAX);
    buffer_clear(&client->early);
}

/* What is in flight arrives still; whether it is present is another matter. */
static void severed(void *context, struct connection *connection, int64_t doubt)
{
    struct client *client = context;
    if (client->connection != connection || client->is_severed) {
        return;
    }
    client->is_severed = true;
    for (unsigned room = 0; room < ROOMS_MAX; room++) {
        if (client->rooms[room].state == ATTENDANCE_IN) {
            oracle_released(client->oracle, room, client->entity, false, doubt);
        }
    }
}

static void closed(void *context, struct connection *connection)
{
    struct client *client = context;
    if (client->connection == connection) {
        client->world->actor = client->name;
        world_tell(client->world, "is disconnected");
        go_offline(client);
        client->world->actor = "";
    }
}

/*
 * The way back: it closes, and tries again somewhere. Who hears no pings has answered none, and its
 * silence counts from the last one that it did answer.
 */
static void drop_connection(struct client *client, const char *why)
{
    int64_t silence = 2 * client->ping_interval + client->ping_timeout;
    severed(client, client->connection, silence + connection_doubt(client->connection));
    world_tell(client->world, "closes its connection: %s", why);
    connection_close(client->connection);
    go_offline(client);
}

static void receive_event(struct client *client, const struct socketio_packet *packet)
{
    struct json_iterator arguments = socketio_arguments(packet);
    struct slice argument = SLICE_EMPTY, last, next;
    json_next_element(&arguments, &argument);
    last = argument;
    while (json_next_element(&arguments, &next)) {
        last = next;
    }
    client_receive_event(client, json_decode_string(packet->event, &client->arena), argument);
    client_note_offset(client, last);
}

void client_receive_message(struct client *client, struct slice data)
{
    struct socketio_packet packet;
    struct slice argument = SLICE_EMPTY;
    if (socketio_codec(5)->decode(data, &packet) != 0) {
        world_fail(client->world, "protocol", "%s cannot read a packet: %.*s", client->name,
                   (int)data.length, data.data);
        return;
    }
    struct json_iterator arguments = socketio_arguments(&packet);
    switch (packet.type) {
    case SOCKETIO_CONNECT:
        client_connected(client, packet.data);
        break;
    case SOCKETIO_EVENT:
        if (!client_keeps_for_later(client, data)) {
            receive_event(client, &packet);
        }
        break;
    case SOCKETIO_ACK:
        json_next_element(&arguments, &argument);
        client_receive_ack(client, packet.ack_id, argument);
        break;
    default:
        world_fail(client->world, "protocol", "%s is sent away: %.*s", client->name,
                   (int)data.length, data.data);
        break;
    }
    arena_reset(&client->arena);
}

static void receive_open(struct client *client, struct slice data)
{
    struct slice handshake;
    json_scan(data, JSON_MAX_DEPTH, &handshake);
    json_to_integer(json_get(handshake, "pingInterval"), &client->ping_interval);
    json_to_integer(json_get(handshake, "pingTimeout"), &client->ping_timeout);
    client_say_connect(client);
}

static void received(void *context, struct connection *connection, struct slice bytes)
{
    struct client *client = context;
    struct engineio_packet packet;
    if (client->connection != connection || client->world->has_failed) {
        return;
    }
    client->world->actor = client->name;
    if (engineio_codec(4)->decode(bytes, false, NULL, &packet) != 0) {
        world_fail(client->world, "protocol", "%s cannot read a packet", client->name);
        return;
    }
    client->heard_at = client->world->now;
    switch (packet.type) {
    case ENGINEIO_OPEN:
        receive_open(client, packet.data);
        break;
    case ENGINEIO_PING:
        connection_send(connection, SLICE_LITERAL("3"));
        break;
    case ENGINEIO_MESSAGE:
        client_receive_message(client, packet.data);
        break;
    default:
        break;
    }
    client->world->actor = "";
}

static const struct connection_peer peer = {received, severed, closed};

static void connect_somewhere(struct client *client)
{
    struct world *world = client->world;
    struct actor_edge *edge = &client->edges[chance_below(&world->chance, client->edge_count)];
    world_tell(world, "connects to %s", edge->actor.name);
    client->state = CLIENT_CONNECTING;
    client->serial++;
    client->is_severed = false;
    client->opened_at = client->heard_at = world->now;
    if (client->edge_count > 1 && chance_happens(&world->chance, POLLING_PER_MILLE)) {
        bool is_upgraded = chance_happens(&world->chance, UPGRADED_PER_MILLE);
        client->connection =
            connection_open_polling(client->connections, client->edges, client->edge_count,
                                    client->takes_offsets, is_upgraded, &peer, client);
        return;
    }
    client->connection =
        connection_open(client->connections, edge, client->takes_offsets, &peer, client);
}

/* --- what is said and waited for -------------------------------------------------------------- */

void client_emit(struct client *client, uint64_t ack_id, const char *event, struct slice argument)
{
    struct buffer packet = BUFFER_EMPTY;
    socketio_write_event(&packet, SLICE_LITERAL("/"), event, argument, ack_id != 0, ack_id);
    world_tell(client->world, "says %.*s", (int)packet.length, packet.data);
    connection_send(client->connection, buffer_slice(&packet));
    buffer_deinit(&packet);
}

struct wait *client_wait(struct client *client, enum wait_kind kind)
{
    struct wait *wait = memory_allocate_zeroed(sizeof(*wait));
    wait->kind = kind;
    wait->ack_id = ++client->last_ack_id;
    wait->since = client->world->now;
    LL_PREPEND(client->waits, wait);
    return wait;
}

static void check_answers(struct client *client)
{
    struct wait *wait;
    struct letter *letter;
    if (client->is_severed) {
        return;
    }
    LL_FOREACH (client->waits, wait) {
        if (client->world->now - wait->since > ANSWER_MS_MAX) {
            world_fail(client->world, "answered", "%s waits for ack %llu (kind %d) since %lld ms",
                       client->name, (unsigned long long)wait->ack_id, (int)wait->kind,
                       (long long)(client->world->now - wait->since));
            return;
        }
    }
    LL_FOREACH (client->letters, letter) {
        if (letter->has_id && letter->connection == client->serial &&
            letter->answers < letter->emissions &&
            client->world->now - letter->send_at > ANSWER_MS_MAX) {
            world_fail(client->world, "answered", "%s was never told what became of %u.%u",
                       client->name, client->number, letter->number);
            return;
        }
    }
}

/* --- time ------------------------------------------------------------------------------------- */

static void think(void *context, uint64_t argument)
{
    struct client *client = context;
    struct world *world = client->world;
    (void)argument;
    world->actor = client->name;
    switch (client->state) {
    case CLIENT_OFFLINE:
        if (client->wants_online && world->now >= client->online_at) {
            connect_somewhere(client);
        }
        break;
    case CLIENT_CONNECTING:
        if (world->now - client->opened_at > CONNECT_TIMEOUT_MS) {
            drop_connection(client, "no welcome");
        }
        break;
    case CLIENT_CONNECTED:
        if (world->now - client->heard_at > client->ping_interval + client->ping_timeout) {
            drop_connection(client, "no ping");
        } else {
            check_answers(client);
            client_act(client);
        }
        break;
    }
    world->actor = "";
    world_after(world, chance_between(&world->chance, THINK_MS / 2, THINK_MS * 3 / 2), think,
                client, 0);
}

void client_begin(struct client *client, int64_t delay)
{
    client->wants_online = true;
    client->online_at = client->world->now + delay;
    world_after(client->world, delay, think, client, 0);
}

void client_leave(struct client *client, bool politely)
{
    client->wants_online = false;
    if (client->state == CLIENT_OFFLINE) {
        return;
    }
    world_tell(client->world, "%s leaves%s", client->name, politely ? "" : ", without a word");
    connection_send(client->connection, politely ? SLICE_LITERAL("41") : SLICE_LITERAL("1"));
    /* As far as the edge can know: what is posted last may find nobody. */
    bool was_welcome = client->state == CLIENT_CONNECTED; /* else it is who it was before */
    client->may_have_left = politely || (!was_welcome && client->may_have_left);
    client->has_left = was_welcome
                           ? politely && !client->is_severed && client->connection->polling == NULL
                           : client->has_left;
    forget_rooms(client, true);
    client->state = CLIENT_OFFLINE;
    connection_close(client->connection);
    go_offline(client);
}

void client_come_back(struct client *client, int64_t delay)
{
    client->wants_online = true;
    client->online_at = client->world->now + delay;
}

void client_cut(struct client *client)
{
    if (client->state != CLIENT_OFFLINE) {
        world_tell(client->world, "%s's connection is cut", client->name);
        connection_cut(client->connection);
    }
}

void client_lose(struct client *client)
{
    if (client->state != CLIENT_OFFLINE) {
        world_tell(client->world, "%s's connection is lost", client->name);
        connection_lose(client->connection);
    }
}

static bool letters_are_settled(const struct client *client)
{
    const struct letter *letter;
    LL_FOREACH (client->letters, letter) {
        if (!letter->is_settled || (letter->has_id && letter->connection == client->serial &&
                                    letter->answers < letter->emissions)) {
            return false;
        }
    }
    return true;
}

bool client_is_settled(const struct client *client, const char **what)
{
    *what = "online";
    if (!client->wants_online || client->state != CLIENT_CONNECTED || client->is_severed) {
        return !client->wants_online && client->state == CLIENT_OFFLINE;
    }
    for (unsigned room = 0; room < client->room_count; room++) {
        const struct attendance *attendance = &client->rooms[room];
        *what = "joined";
        if (attendance->is_wanted && attendance->state != ATTENDANCE_IN &&
            oracle_is_open(client->oracle, room, client->entity_id)) {
            return false;
        }
        *what = "up to date";
        if (attendance->state == ATTENDANCE_IN &&
            !oracle_is_up_to_date(client->oracle, client, room)) {
            return false;
        }
    }
    *what = client->waits != NULL ? "answered" : "acknowledged";
    return client->waits == NULL && letters_are_settled(client);
}
