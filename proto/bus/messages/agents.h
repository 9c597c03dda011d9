/* Agents: who runs them, and what REST asks and changes of them. */
#ifndef PROTO_BUS_MESSAGES_AGENTS_H
#define PROTO_BUS_MESSAGES_AGENTS_H

#include <stdbool.h>
#include <stdint.h>
#include "proto/base/slice.h"
#include "proto/bus/list.h"

/* --- elements of lists ------------------------------------------------------------------------ */

struct bus_agent {
    struct slice id;
    struct slice name;
    struct slice details; /* raw JSON object */
};

struct bus_known_agent {
    struct slice id;
    struct slice name;
    struct slice bio;   /* the first line */
    uint64_t bridges;   /* that run it now */
    bool is_stopped;    /* it answers nothing until it is started */
    int64_t created_at; /* first registration */
    int64_t updated_at;
};

/* --- edge to router --------------------------------------------------------------------------- */

struct bus_agents_get {
    uint64_t request;
    uint64_t after; /* so many of them are known already */
    uint64_t limit; /* 0: as many as fit */
};
struct bus_agent_get {
    uint64_t request;
    struct slice id;
};
/* What the agent was asked, and has answered; history_page answers, newest first. */
struct bus_agent_history {
    uint64_t request;
    struct slice agent;
    int64_t before; /* 0: from the newest on */
    uint64_t limit;
};

enum bus_agent_action {
    BUS_AGENT_STARTS,
    BUS_AGENT_STOPS,
    BUS_AGENT_IS_MADE, /* what follows is for the bridges that keep its character */
    BUS_AGENT_IS_CHANGED,
    BUS_AGENT_IS_DELETED
};
/* Answered when it is committed, or the bridges have done it. */
struct bus_agent_change {
    uint64_t request;
    struct slice id;
    uint64_t action;      /* enum bus_agent_action */
    struct slice details; /* MADE: the character, CHANGED: what is another; raw JSON object */
};

/* --- router to edge --------------------------------------------------------------------------- */

struct bus_agents_page {
    uint64_t request;
    int64_t error;
    uint64_t total;  /* of all pages */
    uint64_t active; /* of these: not stopped, and a bridge runs them */
    bool is_complete;
    struct bus_list agents; /* bus_known_agent, in order of first registration */
};
struct bus_agent_state {
    uint64_t request;
    int64_t error;
    struct slice id;
    struct slice name;
    uint64_t bridges;
    bool is_stopped;
    int64_t created_at;
    int64_t updated_at;
    struct slice details; /* raw JSON object */
    struct slice reason;  /* of an error, for people; or empty */
};

/* --- bridge to router ------------------------------------------------------------------------- */

struct bus_register_agents {
    uint64_t credit;        /* jobs this bridge works on at once */
    struct bus_list agents; /* bus_agent; the first one is a candidate for default agent */
};
/* Between registrations: agents that are new or have changed, and ids of those that are gone. */
struct bus_offer {
    struct bus_list agents; /* bus_agent */
};
struct bus_withdraw {
    struct bus_list agents; /* bus_text */
};
/* What became of a character_change; what has changed was offered or withdrawn before. */
struct bus_character_changed {
    uint64_t change;
    int64_t error; /* FORBIDDEN: this bridge keeps no characters */
    struct slice reason;
};

/* --- router to bridge ------------------------------------------------------------------------- */

struct bus_registered {
    uint64_t agents;
};
struct bus_character_change {
    uint64_t change;
    uint64_t action; /* enum bus_agent_action, from MADE on */
    struct slice agent;
    struct slice details;
};

#endif
