/*
 * Lists within bus messages: elements of one kind, kept encoded. Read one with bus_list_next();
 * build it with bus_list_add() and bus_list_of().
 */
#ifndef PROTO_BUS_LIST_H
#define PROTO_BUS_LIST_H

#include <stdbool.h>
#include <stdint.h>
#include "proto/base/buffer.h"
#include "proto/base/msgpack.h"
#include "proto/base/slice.h"

struct bus_list {
    uint32_t count;
    struct slice elements; /* encoded elements, one after the other */
};

/* An id, or a short text. */
struct bus_text {
    struct slice text;
};

/* What a list is of: the struct that bus_list_add() takes and bus_list_next() fills. */
enum bus_element {
    BUS_ELEMENT_MEMBER,       /* bus_member */
    BUS_ELEMENT_STORED,       /* bus_stored_message */
    BUS_ELEMENT_AGENT,        /* bus_agent */
    BUS_ELEMENT_PEER,         /* bus_peer */
    BUS_ELEMENT_TEXT,         /* bus_text */
    BUS_ELEMENT_SESSION_ROOM, /* bus_session_room */
    BUS_ELEMENT_RECORD,       /* bus_record_row */
    BUS_ELEMENT_CHANNEL,      /* bus_channel_row */
    BUS_ELEMENT_KNOWN_AGENT,  /* bus_known_agent */
    BUS_ELEMENT_RUN,          /* bus_run_record */
    BUS_ELEMENT_LOG_LINE      /* bus_log_line */
};

/* A list under construction; owns its buffer. */
struct bus_list_builder {
    struct buffer bytes;
    uint32_t count;
};
void bus_list_add(struct bus_list_builder *builder, enum bus_element kind, const void *element);
static inline struct bus_list bus_list_of(const struct bus_list_builder *builder)
{
    return (struct bus_list){builder->count, buffer_slice(&builder->bytes)};
}
/* Walks a list that bus_decode() accepted; every element was checked there. */
struct msgpack_reader bus_list_read(const struct bus_list *list);
bool bus_list_next(struct msgpack_reader *reader, enum bus_element kind, void *element);

#endif
