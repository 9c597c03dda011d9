/*
 * Links to edges and bridges: who is at the other end, and what is said to it. What a peer says
 * goes to the part that it concerns.
 */
#ifndef ROUTER_CORE_PEERS_H
#define ROUTER_CORE_PEERS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "proto/base/hash.h"
#include "proto/bus/link.h"
#include "router/core/internal.h"
#include "router/core/text.h"

struct attachment;
struct router_counters;

/* A process at the other end of a link. */
struct peer {
    struct router *router;
    enum router_side side;
    struct link link;
    uint64_t link_id; /* key of hh */
    char routing_id[ROUTING_ID_MAX];
    size_t routing_id_length;
    struct text incarnation;
    struct text name;
    struct text address;            /* of an edge, for relays */
    struct attachment *attachments; /* of an edge: its rooms */
    struct attachment *owed;        /* of these, borrows: those that get a PRESENCE_LIST */
    bool is_synchronised;           /* of an edge: SYNC_DONE came */
    bool is_caught_up;              /* and it was told CAUGHT_UP, or SETTLED */
    bool is_settled;
    size_t catching_up; /* of its attachments */
    uint64_t credit;    /* of a bridge */
    uint64_t working;   /* jobs it has now */
    bool has_left;      /* it said goodbye */
    bool watches_logs;  /* of an edge: clients of it do */
    bool is_dead;       /* given up, see peer_drop() */
    struct peer *next_dead;
    UT_hash_handle hh; /* router->peers, by link id */
};

struct peer *peer_by_incarnation(struct router *router, struct slice incarnation);
struct peer *peer_by_link(struct router *router, uint64_t link_id);
/* Nothing of its rooms is missing any more: says so, once. */
void peer_consider_caught_up(struct peer *peer);
void peer_receive(struct router *router, enum router_side side, struct slice routing_id,
                  struct slice frame);
/* Sends to one peer; one that cannot take it is given up and has to synchronise anew. */
void peer_send_encoded(struct peer *peer, struct slice message);
void peer_send(struct peer *peer, const struct bus_message *message);
/*
 * A question to the store, and what waits for the commit of the open batch, with who wants it
 * noted: whatever this process has to say of it is for that peer.
 */
struct question *peer_ask(struct peer *peer, enum question_kind kind,
                          const struct bus_message *message, uint64_t request,
                          struct store_query *query);
struct pending *peer_pend(struct peer *peer, enum pending_kind kind, uint64_t request,
                          uint64_t trace);
/*
 * Gives it up: it is found and told nothing any more. What hangs on it stays until peers_reap(), at
 * the end of the entry point, so that whoever is in the middle of it may go on.
 */
void peer_drop(struct peer *peer, const char *why);
void peer_count_link(const struct peer *peer, struct router_counters *counters); /* adds it up */
void peers_reap(struct router *router); /* lets go of those that were given up, and frees them */

#endif
