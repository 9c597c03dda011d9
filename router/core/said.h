/*
 * Which agent said what: whoever replies to a message of an agent addresses it. The latest are
 * remembered; beyond that a name is needed.
 */
#ifndef ROUTER_CORE_SAID_H
#define ROUTER_CORE_SAID_H

#include "proto/base/slice.h"

struct agent;
struct router;

void said_note(struct router *router, struct slice id, struct agent *agent); /* NULL: nobody */
struct agent *said_by(struct router *router, struct slice id);               /* NULL: not known */
void said_destroy(struct router *router);

#endif
