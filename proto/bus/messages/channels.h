/* Rooms as REST sees them, and what happens to them and their messages. */
#ifndef PROTO_BUS_MESSAGES_CHANNELS_H
#define PROTO_BUS_MESSAGES_CHANNELS_H

#include <stdbool.h>
#include <stdint.h>
#include "proto/base/slice.h"
#include "proto/bus/list.h"

/* --- elements of lists ------------------------------------------------------------------------ */

struct bus_channel_row {
    struct slice id;
    struct slice server_id;
    struct slice name;
    struct slice type;
    struct slice source_type;
    struct slice metadata; /* raw JSON object */
    int64_t created_at;
    int64_t updated_at;
};

/* --- edge to router --------------------------------------------------------------------------- */

struct bus_channel_put {
    uint64_t request;
    struct slice id; /* made unless it is there already; then it is answered as it is */
    struct slice server_id;
    struct slice name;
    struct slice type;
    struct slice metadata; /* raw JSON object */
    struct slice source_type;
    struct slice creator;         /* for whom: where rooms are closed, a participant; or empty */
    struct bus_list participants; /* bus_text */
};
struct bus_channel_get {
    uint64_t request;
    struct slice room;
    bool wants_participants;
};
/* What is empty stays as it is. The room is told with channelUpdated. */
struct bus_channel_change {
    uint64_t request;
    struct slice room;
    struct slice id; /* of the event: makes the change idempotent */
    struct slice name;
    struct slice metadata;
    bool sets_participants;
    struct bus_list participants; /* bus_text */
    struct slice added;           /* to the participants */
    struct slice removed;
};
struct bus_channel_list {
    uint64_t request;
    struct slice server_id;
    uint64_t before; /* what the page before said is next; 0: from the newest on */
    uint64_t limit;
};
/* Rooms that somebody is noted in; channels_page answers. */
struct bus_rooms_of {
    uint64_t request;
    struct slice participant;
    uint64_t before; /* what the page before said is next; 0: from the newest on */
    uint64_t limit;
};

enum bus_room_action {
    BUS_ROOM_TELLS,           /* nothing but the event */
    BUS_ROOM_DELETES_MESSAGE, /* message_id */
    BUS_ROOM_EDITS_MESSAGE,   /* message_id gets that body */
    BUS_ROOM_CLEARS,          /* all messages so far */
    BUS_ROOM_IS_DELETED
};
struct bus_room_event {
    uint64_t request;
    struct slice room;
    struct slice id; /* makes it idempotent */
    uint64_t action; /* enum bus_room_action */
    struct slice message_id;
    struct slice body;
    struct slice event; /* name, a space, JSON object; see BUS.md, "Events of a room" */
};

/* --- router to edge --------------------------------------------------------------------------- */

struct bus_channel {
    uint64_t request;
    int64_t error;
    struct slice id;
    uint64_t epoch;
    struct slice server_id;
    struct slice name;
    struct slice type;
    struct slice source_type;
    struct slice metadata;
    int64_t created_at;
    int64_t updated_at;
    struct bus_list participants; /* bus_text */
};
struct bus_channels_page {
    uint64_t request;
    int64_t error;
    uint64_t next;            /* 0: these are the last */
    struct bus_list channels; /* bus_channel_row, newest first */
};

#endif
