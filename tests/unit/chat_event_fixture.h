/* What the tests of the chat events share: decoders' faults as text, and long values. */
#ifndef TESTS_UNIT_CHAT_EVENT_FIXTURE_H
#define TESTS_UNIT_CHAT_EVENT_FIXTURE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "proto/base/error.h"
#include "proto/base/id.h"
#include "proto/base/json.h"
#include "proto/wire/chat_event.h"
#include "proto/wire/chat_packet.h"

/* One decoder's input and what came of it; the arena holds what was decoded. */
struct fixture {
    struct arena arena;
    char fault[64];
};

static inline int setup(void **state)
{
    struct fixture *fixture = calloc(1, sizeof(*fixture));
    arena_init(&fixture->arena);
    *state = fixture;
    return 0;
}

static inline int teardown(void **state)
{
    struct fixture *fixture = *state;
    arena_deinit(&fixture->arena);
    free(fixture);
    return 0;
}

static inline struct slice scanned(const char *json)
{
    struct slice value;
    assert_int_equal(json_scan(slice_of_string(json), 16, &value), 0);
    return value;
}

/* "code field", "code" or "". */
static inline const char *describe(struct fixture *fixture, struct chat_fault fault)
{
    snprintf(fixture->fault, sizeof(fixture->fault), "%s%s%s",
             fault.error == 0 ? "" : error_code(fault.error), fault.field == NULL ? "" : " ",
             fault.field == NULL ? "" : fault.field);
    return fixture->fault;
}

static inline const char *join(struct fixture *fixture, const char *json, struct chat_join *out)
{
    return describe(fixture, chat_decode_join(scanned(json), &fixture->arena, out));
}

static inline const char *send_to(struct fixture *fixture, const char *json, const char *room,
                                  struct chat_send *out)
{
    return describe(fixture, chat_decode_send(scanned(json), slice_of_string(room), &fixture->arena,
                                              "socketio_client", out));
}

static inline const char *send(struct fixture *fixture, const char *json, struct chat_send *out)
{
    return send_to(fixture, json, "", out);
}

/* A JSON text "zzz…" of that many bytes behind a key, as a member of an object with a room. */
static inline char *with_long(const char *object_start, const char *key, size_t length)
{
    size_t size = strlen(object_start) + strlen(key) + length + 16;
    char *json = malloc(size);
    int at = snprintf(json, size, "%s\"%s\":\"", object_start, key);
    memset(json + at, 'z', length);
    strcpy(json + at + (int)length, "\"}");
    return json;
}

static inline void assert_slice(struct slice actual, const char *expected)
{
    char *copy = calloc(1, actual.length + 1);
    if (actual.length > 0) {
        memcpy(copy, actual.data, actual.length);
    }
    assert_string_equal(copy, expected);
    free(copy);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

#endif
