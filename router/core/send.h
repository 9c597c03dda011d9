/*
 * Messages: their order in a room, each of them once, and what follows from a commit.
 */
#ifndef ROUTER_CORE_SEND_H
#define ROUTER_CORE_SEND_H

#include <stdint.h>
#include "proto/base/slice.h"

struct bus_message;
struct dedupe_entry;
struct job;
struct message_record;
struct peer;
struct pending;
struct room;
struct router;

void send_receive(struct peer *peer, const struct bus_message *message);
void send_committed(struct router *router, struct pending *pending, int result);
void send_reply(struct router *router, struct job *job, struct slice body);
/* An agent has said something: other agents may be meant. */
void send_ask_agents(struct router *router, struct room *room, const struct message_record *said,
                     uint64_t hops, struct pending *pending);
/* Gives a message its place in the room and puts it into the open batch. */
const struct message_record *send_append(struct router *router, struct room *room,
                                         struct message_record *record);
void send_answer_duplicate(struct peer *peer, uint64_t request, uint64_t trace,
                           const struct dedupe_entry *entry);

#endif
