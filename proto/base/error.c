#include "proto/base/error.h"

#include <stddef.h>

struct error_row {
    int value;
    const char *code;
    int http_status;
    bool is_retryable;
    const char *text;
};

static const struct error_row rows[] = {
#define X(name, value, wire, status, retryable, text)                                              \
    {(value), (wire), (status), (retryable), (text)},
    ERROR_TABLE(X)
#undef X
};

enum { ROW_COUNT = sizeof(rows) / sizeof(rows[0]) };

/* Rows are numbered -1, -2, … without a gap; what is not in the table counts as the last one. */
static const struct error_row *row_of(int error)
{
    if (error < 0 && error >= -ROW_COUNT) {
        return &rows[-(error + 1)];
    }
    return &rows[ROW_COUNT - 1];
}

_Static_assert(ERROR_INTERNAL == -ROW_COUNT,
               "ERROR_TABLE has a gap, or INTERNAL is not its last row");

const char *error_code(int error)
{
    return row_of(error)->code;
}

int error_of_code(struct slice code)
{
    for (int i = 0; i < ROW_COUNT; i++) {
        if (slice_is(code, rows[i].code)) {
            return rows[i].value;
        }
    }
    return ERROR_INTERNAL;
}

const char *error_text(int error)
{
    return row_of(error)->text;
}

int error_http_status(int error)
{
    return row_of(error)->http_status;
}

bool error_is_retryable(int error)
{
    return row_of(error)->is_retryable;
}
