/*
 * What the files of the extractors share. Not included outside agent-bridge/extract.
 *
 *   extractor.c   names, limits, the life of an extractor; passthrough and xml-tag
 *   response.c    the action-aware one        action_filter.c   the one that looks at the type
 */
#ifndef AGENT_BRIDGE_EXTRACT_INTERNAL_H
#define AGENT_BRIDGE_EXTRACT_INTERNAL_H

#include "agent-bridge/extract/extractor.h"

/*
 * A tag that is looked for in what is held. That grows at its end and loses its front, and a
 * search begins where the one before ended: many small chunks cost no more than few large ones.
 */
struct tag {
    struct units text;
    size_t clean; /* it does not begin before this unit of what is held */
};

enum extract_decision {
    EXTRACT_UNDECIDED,
    EXTRACT_DIRECT,    /* response: REPLY and nothing else */
    EXTRACT_DELEGATED, /* response: other actions; their handlers will speak */
    EXTRACT_JSON,      /* action-filter */
    EXTRACT_XML,
    EXTRACT_TEXT
};

struct extractor {
    const struct extractor_class *class;
    struct tag open; /* of what is shown */
    struct tag close;
    struct tag open_actions; /* response only */
    struct tag close_actions;
    struct units held;
    size_t blank; /* action-filter, undecided: so much of what is held is white space */
    enum extract_decision decision;
    bool is_inside;
    bool is_done;
};

struct extractor_class {
    const char *name;
    bool has_argument; /* NAME:TAG; else the tag is <text> */
    bool has_actions;
    /* What was pushed is at the end of what is held. */
    void (*advance)(struct extractor *extractor, struct units *out);
};

extern const struct extractor_class extractor_response;
extern const struct extractor_class extractor_action_filter;

size_t tag_find(struct tag *tag, const struct units *held, size_t from);
/* Drops from the front of what is held. */
void extractor_skip(struct extractor *extractor, size_t length);
/* Of more than `most` units held only the last `kept` stay. */
void extractor_trim(struct extractor *extractor, size_t most, size_t kept);
/* Looks for the opening tag, and goes behind it. False: it is not there. */
bool extractor_enter(struct extractor *extractor);
/* Inside: appends what may be shown, and goes behind the closing tag if it is there. */
void extractor_show(struct extractor *extractor, struct units *out);

#endif
