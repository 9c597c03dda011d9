/*
 * The bus of the simulated cluster: a connection between the router and every edge and bridge. Each
 * direction has its own delays, losses, repetitions, partitions and high-water refusals;
 * connections break and come again under another routing id. ZeroMQ itself would keep frames in
 * order: links must survive worse.
 */
#ifndef TESTS_SIM_NETWORK_H
#define TESTS_SIM_NETWORK_H

#include "proto/base/buffer.h"
#include "proto/base/slice.h"
#include "router/core/router.h"
#include "tests/sim/actor.h"

enum { CHANNELS_MAX = 8, ROUTING_ID_LENGTH = 5 };

enum direction { TO_ROUTER, FROM_ROUTER };

struct frame;
struct network;

/* One direction of a channel. */
struct lane {
    int64_t last_arrival; /* of what keeps the order */
    size_t in_flight;
    int64_t refuses_until; /* high-water mark reached */
    bool is_blocked;       /* partitioned */
    bool keeps;            /* what is said meanwhile arrives when it is over, else it is lost */
    struct frame *first;   /* owns: kept by a partition */
    struct frame *last;
    uint64_t former;      /* the connection before this one: what it had delivered already … */
    int64_t former_until; /* … arrives still */
};

struct channel {
    struct network *network;
    struct actor *far; /* an edge or a bridge */
    enum router_side side;
    void (*received)(struct actor *far, struct slice frame);
    bool is_connected;
    uint64_t connection; /* counts them */
    char routing_id[ROUTING_ID_LENGTH];
    struct lane lanes[2]; /* by enum direction */
    struct buffer hello;  /* owns: the last one that the process said, and which life of it */
    uint64_t hello_life;
};

struct network {
    struct world *world;
    struct actor *router;
    void (*received)(struct actor *router, enum router_side side, struct slice routing_id,
                     struct slice frame);
    struct channel channels[CHANNELS_MAX];
    size_t count;
    struct chance chance; /* of its own: which HELLOs come again, late */
};

void network_init(struct network *network, struct world *world, struct actor *router,
                  void (*received)(struct actor *router, enum router_side side,
                                   struct slice routing_id, struct slice frame));
void network_deinit(struct network *network);
struct channel *network_add(struct network *network, struct actor *far, enum router_side side,
                            void (*received)(struct actor *far, struct slice frame));

/* What the sockets of the processes do; false: nothing was taken. */
bool channel_transmit(struct channel *channel, struct slice header, struct slice body);
bool network_transmit(struct network *network, enum router_side side, struct slice routing_id,
                      struct slice header, struct slice body);

/* A process began: it connects, or is connected to. It ended: its connections break. */
void channel_connect(struct channel *channel, int64_t delay);
/* What is in flight arrives still, for `linger` ms; -1: what has not arrived is lost. */
void channel_break(struct channel *channel, int64_t linger);
void network_router_started(struct network *network);
void network_router_ended(struct network *network, int64_t linger);

void channel_block(struct channel *channel, enum direction direction, bool keeps);
void channel_unblock(struct channel *channel, enum direction direction);

#endif
