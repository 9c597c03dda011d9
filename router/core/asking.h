/*
 * Who is asked by a message, and the jobs that come of it. A channel's participants decide who is
 * there, or without any the default agent. In a group, who is addressed (@name, or a reply to what
 * an agent said) answers, and nobody else; a message that addresses no agent is for those whose
 * policy is `always`. In a direct channel all of them answer.
 *
 * Agents answer agents only by `replyToAgents` (`mention` unless a character says so), within two
 * limits that end any conversation among themselves: how many such answers may follow from one
 * another, and how many a room may have until a person speaks again. Both counts live in memory.
 */
#ifndef ROUTER_CORE_ASKING_H
#define ROUTER_CORE_ASKING_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "proto/base/slice.h"
#include "proto/bus/message.h"

struct agent;
struct message_record;
struct pending;
struct room;
struct router;

/* A message that may be a question. */
struct asking {
    struct room *room;
    struct slice sender;
    struct slice body;
    bool is_of_agent;
    uint64_t hops; /* of an agent: how many messages of agents follow from one another up to it */
};

/* Who is to answer it. */
struct choice {
    struct agent **agents; /* owns the array */
    size_t count;
    size_t capacity;
    bool is_stop; /* a conversation of agents is stopped here */
};

/* A person has spoken: agents may talk with each other anew. */
void asking_of_person(struct room *room);
enum bus_answering asking_choose(struct router *router, const struct asking *asking,
                                 struct choice *choice);
/* The jobs go into the batch of the message, whose `pending` notes them. */
void asking_make_jobs(struct router *router, const struct asking *asking,
                      const struct choice *choice, const struct message_record *message,
                      struct slice asker_edge, struct pending *pending);
void choice_deinit(struct choice *choice);
/* The room is told that its agents were stopped. */
void asking_say_stopped(struct router *router, const struct pending *pending);

#endif
