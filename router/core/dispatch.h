/*
 * Giving questions to bridges: the one that has waited longest goes to the least loaded bridge that
 * runs its agent.
 */
#ifndef ROUTER_CORE_DISPATCH_H
#define ROUTER_CORE_DISPATCH_H

struct agent;
struct question;
struct router;
struct store_page;
struct work_queue;

void dispatch_questions(struct router *router);
/* A question of this queue may be given out, or none any more. */
void dispatch_ready(struct router *router, struct work_queue *queue);
void dispatch_sleep(struct router *router, struct work_queue *queue);
/* Its questions or its bridges are others: it has its turn accordingly. */
void dispatch_agent(struct router *router, struct agent *agent);
void dispatch_question_read(struct router *router, struct question *question,
                            struct store_page *page);

#endif
