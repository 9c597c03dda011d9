/*
 * Between the files of a polling client: polling.c is the client, polling_request.c what becomes of
 * its requests at the edges.
 */
#ifndef TESTS_SIM_POLLING_INTERNAL_H
#define TESTS_SIM_POLLING_INTERNAL_H

#include "tests/sim/polling.h"

enum { POLLING_DELAY_MS_MAX = 4, POLLING_NOTICE_MS_MAX = 60 };

struct request;

enum polling_state {
    POLLING_OPENING,
    POLLING_OPEN,
    POLLING_PROBING, /* beside it a WebSocket has been asked */
    POLLING_PAUSED,  /* it has answered: what is under way comes to its end */
    POLLING_UPGRADED,
    POLLING_OVER
};

struct polling {
    struct connection *self; /* borrows, like the next three */
    struct actor_edge *edges;
    size_t edge_count;
    struct connection **all;
    enum polling_state state;
    bool wants_upgrade;
    char sid[SESSION_ID_LENGTH + 1];
    uint64_t last_number;
    uint64_t get, post;       /* numbers of those under way; 0: none */
    struct buffer out;        /* for the next POST */
    struct connection *probe; /* borrows: the WebSocket */
    struct request *requests; /* owns: at an edge, not answered yet */
};

struct actor_edge *polling_any_edge(struct polling *polling);
/* Asks any edge; returns the request's number. */
uint64_t polling_ask(struct polling *polling, bool is_get, struct slice body);
/* The client waits for it no more. */
void polling_let_go(struct polling *polling, uint64_t number);
/* Of those relayed by an edge that ends: nobody else answers them. */
void polling_requests_end(struct polling *polling, struct actor_edge *edge);
void polling_requests_free(struct polling *polling);

/* The answer for the client; status 0: none, but the end of the connection it was to come on. */
void polling_respond(struct polling *polling, uint64_t number, int status, struct slice body,
                     int64_t delay);

#endif
