#include "tests/sim/network.h"

#include <stdlib.h>
#include <string.h>

#include "proto/base/memory.h"
#include "proto/bus/link.h"

enum {
    HIGH_WATER = 10000, /* frames, BUS_SOCKET_HIGH_WATER */
    HIGH_WATER_TIGHT = 20,
    RECONNECT_MS_MAX = 100,
    CONNECT_MS_MAX = 30,
    LATE_MS_MAX = 200,           /* by which a frame out of order is late */
    HELLO_AGAIN_PER_MILLE = 100, /* of the connections to another router */
    SEED_SALT = 555
};

struct frame {
    struct input input; /* first */
    struct channel *channel;
    enum direction direction;
    uint64_t connection;
    struct frame *next; /* while kept by a partition */
    char routing_id[ROUTING_ID_LENGTH];
    size_t length;
    char bytes[];
};

void network_init(struct network *network, struct world *world, struct actor *router,
                  void (*received)(struct actor *router, enum router_side side,
                                   struct slice routing_id, struct slice frame))
{
    *network = (struct network){.world = world,
                                .router = router,
                                .received = received,
                                .chance = {world->seed + SEED_SALT}};
}

static void forget_kept(struct lane *lane)
{
    while (lane->first != NULL) {
        struct frame *frame = lane->first;
        lane->first = frame->next;
        free(frame);
    }
    lane->last = NULL;
}

void network_deinit(struct network *network)
{
    for (size_t i = 0; i < network->count; i++) {
        forget_kept(&network->channels[i].lanes[TO_ROUTER]);
        forget_kept(&network->channels[i].lanes[FROM_ROUTER]);
        buffer_deinit(&network->channels[i].hello);
    }
}

struct channel *network_add(struct network *network, struct actor *far, enum router_side side,
                            void (*received)(struct actor *far, struct slice frame))
{
    struct channel *channel = &network->channels[network->count++];
    channel->network = network;
    channel->far = far;
    channel->side = side;
    channel->received = received;
    return channel;
}

/* --- frames ----------------------------------------------------------------------------------- */

static bool is_current(const struct frame *frame)
{
    const struct channel *channel = frame->channel;
    const struct lane *lane = &channel->lanes[frame->direction];
    return frame->connection == channel->connection ||
           (frame->connection == lane->former &&
            channel->network->world->now <= lane->former_until);
}

static void handle_frame(struct actor *actor, struct input *input)
{
    struct frame *frame = (struct frame *)input;
    struct channel *channel = frame->channel;
    struct slice bytes = slice_of(frame->bytes, frame->length);
    if (!is_current(frame)) {
        return;
    }
    if (frame->direction == TO_ROUTER) {
        channel->network->received(actor, channel->side,
                                   slice_of(frame->routing_id, ROUTING_ID_LENGTH), bytes);
    } else {
        channel->received(actor, bytes);
    }
}

static void discard_frame(struct input *input)
{
    struct frame *frame = (struct frame *)input;
    frame->channel->lanes[frame->direction].in_flight--;
    free(frame);
}

static const struct input_class frame_class = {handle_frame, discard_frame};

static struct frame *frame_new(struct channel *channel, enum direction direction,
                               struct slice header, struct slice body)
{
    size_t length = header.length + body.length;
    struct frame *frame = memory_allocate(sizeof(*frame) + length);
    *frame = (struct frame){.input = {.class = &frame_class},
                            .channel = channel,
                            .direction = direction,
                            .connection = channel->connection,
                            .length = length};
    memcpy(frame->routing_id, channel->routing_id, ROUTING_ID_LENGTH);
    memcpy(frame->bytes, header.data, header.length);
    if (body.length > 0) {
        memcpy(frame->bytes + header.length, body.data, body.length);
    }
    return frame;
}

static void send_frame(struct frame *frame, int64_t late)
{
    struct channel *channel = frame->channel;
    struct network *network = channel->network;
    struct world *world = network->world;
    struct lane *lane = &channel->lanes[frame->direction];
    int64_t most = world->is_calm ? 1 : world->profile->delay_max;
    int64_t arrival = world->now + chance_between(&world->chance, 0, most) + late;
    if (late == 0) {
        arrival = arrival < lane->last_arrival ? lane->last_arrival : arrival;
        lane->last_arrival = arrival;
    }
    lane->in_flight++;
    actor_post(frame->direction == TO_ROUTER ? network->router : channel->far, &frame->input,
               arrival - world->now);
}

static bool refuses(struct world *world, const struct lane *lane)
{
    size_t mark = world->profile->is_tight ? HIGH_WATER_TIGHT : HIGH_WATER;
    return lane->in_flight >= mark ||
           (!world->is_calm && (world->now < lane->refuses_until ||
                                chance_happens(&world->chance, world->profile->refuse)));
}

static bool transmit(struct channel *channel, enum direction direction, struct slice header,
                     struct slice body)
{
    struct world *world = channel->network->world;
    const struct profile *profile = world->profile;
    struct lane *lane = &channel->lanes[direction];
    if (!channel->is_connected || refuses(world, lane)) {
        return false;
    }
    if (lane->is_blocked && lane->keeps) {
        struct frame *frame = frame_new(channel, direction, header, body);
        if (lane->last == NULL) {
            lane->first = frame;
        } else {
            lane->last->next = frame;
        }
        lane->last = frame;
        return true;
    }
    if (lane->is_blocked || (!world->is_calm && chance_happens(&world->chance, profile->drop))) {
        return true; /* lost */
    }
    bool is_late = !world->is_calm && chance_happens(&world->chance, profile->reorder);
    send_frame(frame_new(channel, direction, header, body),
               is_late ? chance_between(&world->chance, 1, LATE_MS_MAX) : 0);
    if (!world->is_calm && chance_happens(&world->chance, profile->duplicate)) {
        send_frame(frame_new(channel, direction, header, body),
                   chance_between(&world->chance, 1, LATE_MS_MAX));
    }
    return true;
}

static void note_hello(struct channel *channel, struct slice header, struct slice body)
{
    struct msgpack_reader reader = msgpack_reader_of(header);
    struct link_header decoded;
    if (link_header_decode(&reader, &decoded) == 0 && decoded.kind == LINK_HELLO) {
        buffer_clear(&channel->hello);
        buffer_append_slice(&channel->hello, header);
        buffer_append_slice(&channel->hello, body);
        channel->hello_life = channel->far->life;
    }
}

bool channel_transmit(struct channel *channel, struct slice header, struct slice body)
{
    note_hello(channel, header, body);
    return channel->far->is_running && transmit(channel, TO_ROUTER, header, body);
}

bool network_transmit(struct network *network, enum router_side side, struct slice routing_id,
                      struct slice header, struct slice body)
{
    for (size_t i = 0; i < network->count; i++) {
        struct channel *channel = &network->channels[i];
        if (channel->side == side &&
            slice_equals(routing_id, slice_of(channel->routing_id, ROUTING_ID_LENGTH))) {
            return network->router->is_running && transmit(channel, FROM_ROUTER, header, body);
        }
    }
    return false;
}

/* What waited in a socket while routers came and went. */
static void say_hello_again(struct channel *channel)
{
    struct network *network = channel->network;
    if (network->router->life > 1 && !network->world->is_calm && channel->hello.length > 0 &&
        channel->hello_life == channel->far->life &&
        chance_happens(&network->chance, HELLO_AGAIN_PER_MILLE)) {
        int64_t late = chance_between(&network->chance, 0, LATE_MS_MAX);
        world_tell(network->world, "the last HELLO of %s comes again", channel->far->name);
        send_frame(frame_new(channel, TO_ROUTER, buffer_slice(&channel->hello), SLICE_EMPTY), late);
    }
}

/* --- connections ------------------------------------------------------------------------------ */

static void try_to_connect(void *context, uint64_t connection)
{
    struct channel *channel = context;
    struct world *world = channel->network->world;
    if (channel->connection != connection || channel->is_connected || !channel->far->is_running) {
        return;
    }
    if (!channel->network->router->is_running || channel->lanes[TO_ROUTER].is_blocked ||
        channel->lanes[FROM_ROUTER].is_blocked) {
        world_after(world, chance_between(&world->chance, 10, RECONNECT_MS_MAX), try_to_connect,
                    channel, connection);
        return;
    }
    channel->is_connected = true;
    for (size_t i = 0; i < ROUTING_ID_LENGTH; i++) {
        channel->routing_id[i] = (char)chance_below(&world->chance, 256);
    }
    say_hello_again(channel);
}

void channel_connect(struct channel *channel, int64_t delay)
{
    struct world *world = channel->network->world;
    world_after(world, delay + chance_between(&world->chance, 0, CONNECT_MS_MAX), try_to_connect,
                channel, channel->connection);
}

void channel_break(struct channel *channel, int64_t linger)
{
    struct world *world = channel->network->world;
    for (int i = 0; i < 2; i++) {
        struct lane *lane = &channel->lanes[i];
        forget_kept(lane);
        lane->former = channel->connection;
        lane->former_until = world->now + linger;
        lane->last_arrival = world->now;
    }
    channel->is_connected = false;
    channel->connection++;
}

void network_router_started(struct network *network)
{
    for (size_t i = 0; i < network->count; i++) {
        channel_connect(&network->channels[i], 0);
    }
}

void network_router_ended(struct network *network, int64_t linger)
{
    for (size_t i = 0; i < network->count; i++) {
        channel_break(&network->channels[i], linger);
    }
}

void channel_block(struct channel *channel, enum direction direction, bool keeps)
{
    channel->lanes[direction].is_blocked = true;
    channel->lanes[direction].keeps = keeps;
}

void channel_unblock(struct channel *channel, enum direction direction)
{
    struct lane *lane = &channel->lanes[direction];
    struct frame *frame = lane->first;
    lane->is_blocked = false;
    lane->first = lane->last = NULL;
    while (frame != NULL) {
        struct frame *next = frame->next;
        send_frame(frame, 0);
        frame = next;
    }
}
