/*
 * Who is addressed by a text: `@name`, or `@id`. Names are compared without regard to the case of
 * ASCII letters; of several names that fit at one place ("Ann", "Ann Lee") the longest is meant. An
 * '@' inside a word (an address of mail) names nobody. Pure.
 */
#ifndef PROTO_WIRE_MENTION_H
#define PROTO_WIRE_MENTION_H

#include <stdbool.h>
#include <stddef.h>
#include "proto/base/slice.h"

enum { MENTIONS_MAX = 64 }; /* places of one text that are looked at */

/* The places of a text where somebody may be named. Borrows the text. */
struct mentions {
    struct slice text;
    size_t count;
    size_t at[MENTIONS_MAX];      /* behind the '@' */
    size_t longest[MENTIONS_MAX]; /* of the names that fit there */
};

void mentions_find(struct mentions *mentions, struct slice text);
/* First every name that could be meant is offered, then each may be asked about. */
void mentions_offer(struct mentions *mentions, struct slice name);
bool mentions_mean(const struct mentions *mentions, struct slice name);

#endif
