/*
 * What each message, and each element of a list, consists of: the table that drives the codec. For
 * proto/bus alone.
 */
#ifndef PROTO_BUS_LAYOUT_H
#define PROTO_BUS_LAYOUT_H

#include <stddef.h>
#include <stdint.h>
#include "proto/bus/list.h"
#include "proto/bus/message.h"

enum field_kind {
    FIELD_UNSIGNED,
    FIELD_SIGNED,
    FIELD_BOOLEAN,
    FIELD_TEXT,
    FIELD_PAYLOAD,
    FIELD_LIST
};

struct field {
    enum field_kind kind;
    size_t offset;
    size_t most;              /* bytes of a text or payload */
    enum bus_element element; /* of a list */
};

struct layout {
    const char *name;
    const struct field *fields;
    uint32_t count;
};

/* NULL: there is no message of that type. */
const struct layout *bus_layout_of(enum bus_type type);
const struct layout *bus_element_layout(enum bus_element element);

#endif
