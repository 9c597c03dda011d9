/*
 * What viewers see of a run. The text that an attempt has written so far is kept until the run is
 * over: an edge that comes later gets it in one piece. A chunk says where in the text of its
 * attempt it stands, so that whoever passes it on knows whether it continues what it has.
 *
 * Nothing of a run is shown while the answer to an earlier question of its queue is with the store:
 * clients see one run end before the next one begins.
 */
#ifndef ROUTER_CORE_RUN_H
#define ROUTER_CORE_RUN_H

#include <stdint.h>
#include "proto/base/slice.h"

struct attachment;
struct bus_message;
struct dedupe_entry;
struct job;
struct peer;
struct room;
struct router;
struct work_queue;

/* What concerns a run: to the room's edges, and to those where somebody waits for the reply. */
void run_publish(struct router *router, const struct job *job, struct bus_message *message);
/* A question was repeated through this edge: it hears of the reply too. Returns its open jobs. */
uint64_t run_also_tell(struct router *router, const struct dedupe_entry *question,
                       const struct peer *edge);
void run_tell(struct job *job, const struct peer *edge); /* this edge follows the job */
void run_begin(struct router *router, struct job *job);  /* a new attempt */
void run_append(struct router *router, struct job *job, struct slice text);
/* The answer to the question before has come: viewers get what they do not have yet. */
void run_reveal(struct router *router, struct work_queue *queue);
void run_flush(struct router *router);                   /* once per loop turn: one chunk per job */
void run_finish(struct router *router, struct job *job); /* the end follows */
void run_end(struct router *router, struct job *job);    /* the run is over without a reply */
void run_forget(struct router *router, struct job *job);
/* An edge that has a room now: what is being written there, so far. */
void run_catch_up(const struct room *room, struct peer *edge);
/* The run and its text so far, for an edge that has not the room; those that have it know. */
void run_catch_up_outsider(const struct job *job, struct peer *edge);
/* The same for an edge through which a question was repeated: after its answer. */
void run_catch_up_repeat(struct router *router, const struct dedupe_entry *question,
                         struct peer *edge);
/* And what is being written in rooms that it does not have, for those who asked from outside. */
void run_catch_up_askers(struct peer *edge);
/* It asks what is running, and hears it when it has all messages of the room. */
void run_receive_asking(struct peer *edge, struct slice room);
void run_caught_up(struct attachment *attachment);

#endif
