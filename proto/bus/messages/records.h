/* What REST keeps. The store decides, in the order of commits. */
#ifndef PROTO_BUS_MESSAGES_RECORDS_H
#define PROTO_BUS_MESSAGES_RECORDS_H

#include <stdbool.h>
#include <stdint.h>
#include "proto/base/slice.h"
#include "proto/bus/list.h"

/* --- elements of lists ------------------------------------------------------------------------ */

/* A record as it is listed; see router/store/record.h. */
struct bus_record_row {
    struct slice id;
    struct slice owner;
    uint64_t number;
    uint64_t revision;
    int64_t created_at;
    int64_t updated_at;
    int64_t expires_at;
    struct slice body;
};

/* --- edge to router --------------------------------------------------------------------------- */

struct bus_record_put {
    uint64_t request;
    struct slice collection;
    struct slice id;
    struct slice owner;
    uint64_t expected;  /* revision; 0: there is none yet; UINT64_MAX: any or none */
    int64_t expires_at; /* wall ms; 0: never */
    struct slice body;
};
struct bus_record_get {
    uint64_t request;
    struct slice collection;
    struct slice id;
};
struct bus_record_list {
    uint64_t request;
    struct slice collection;
    struct slice owner; /* empty: everybody's */
    uint64_t after;     /* number of a record; 0: from the first, or the last when descending */
    uint64_t limit;
    bool is_descending;
};
struct bus_record_delete {
    uint64_t request;
    struct slice collection;
    struct slice id;
};

/* --- router to edge --------------------------------------------------------------------------- */

/* Answers record_put (without body) and record_get. */
struct bus_record {
    uint64_t request;
    int64_t error; /* CONFLICT: another revision is there */
    struct slice id;
    struct slice owner;
    uint64_t number;
    uint64_t revision;
    int64_t created_at;
    int64_t updated_at;
    int64_t expires_at;
    struct slice body;
};
struct bus_records_page {
    uint64_t request;
    int64_t error;
    uint64_t total; /* of the collection, with those that have expired and are not swept yet */
    bool is_complete;
    struct bus_list records; /* bus_record_row */
};

#endif
