#include "router/core/logs.h"

#include <stdlib.h>
#include <utlist.h>

#include "proto/base/memory.h"
#include "proto/bus/message.h"
#include "router/core/internal.h"
#include "router/core/peers.h"

enum { LINES_KEPT = 1000, LINE_BYTES_KEPT = 1 << 20 /* of all of them */ };

/* A line, as it is in a list on the bus. */
struct kept_line {
    struct buffer bytes;
    struct kept_line *prev, *next; /* router->logs, oldest first */
};

static void forget(struct router *router, struct kept_line *kept)
{
    router->log_bytes -= kept->bytes.length;
    router->log_count--;
    DL_DELETE(router->logs, kept);
    buffer_deinit(&kept->bytes);
    free(kept);
}

void logs_forget(struct router *router)
{
    while (router->logs != NULL) {
        forget(router, router->logs);
    }
}

static void keep(struct router *router, const struct bus_log_line *line)
{
    struct bus_list_builder one = {BUFFER_EMPTY, 0};
    struct kept_line *kept = memory_allocate_zeroed(sizeof(*kept));
    bus_list_add(&one, BUS_ELEMENT_LOG_LINE, line);
    kept->bytes = one.bytes;
    DL_APPEND(router->logs, kept);
    router->log_bytes += kept->bytes.length;
    router->log_count++;
    while (router->log_count > LINES_KEPT ||
           (router->log_bytes > LINE_BYTES_KEPT && router->log_count > 1)) {
        forget(router, router->logs);
    }
}

void logs_take(struct router *router, const struct bus_list *lines)
{
    struct msgpack_reader reader = bus_list_read(lines);
    struct bus_log_line line;
    struct peer *peer, *next;
    while (bus_list_next(&reader, BUS_ELEMENT_LOG_LINE, &line)) {
        keep(router, &line);
    }
    struct bus_message message = {.type = BUS_LOG_LINES, .log_lines = {*lines}};
    HASH_ITER (hh, router->peers, peer, next) {
        if (peer->watches_logs) {
            peer_send(peer, &message);
        }
    }
}

static bool fits(const struct bus_logs_get *get, const struct bus_log_line *line)
{
    return line->at >= get->since && (get->level == 0 || line->level == get->level) &&
           (get->agent.length == 0 || slice_equals(get->agent, line->agent));
}

/* The first of the newest ones that fit and are asked for. */
static const struct kept_line *first_wanted(const struct router *router,
                                            const struct bus_logs_get *get)
{
    const struct kept_line *kept = router->logs == NULL ? NULL : router->logs->prev;
    uint64_t count = 0;
    while (kept != NULL) {
        struct bus_list one = {1, buffer_slice(&kept->bytes)};
        struct msgpack_reader reader = bus_list_read(&one);
        struct bus_log_line line;
        count += bus_list_next(&reader, BUS_ELEMENT_LOG_LINE, &line) && fits(get, &line);
        if (count >= get->limit || kept == router->logs) {
            break;
        }
        kept = kept->prev;
    }
    return kept;
}

static void receive_get(struct peer *peer, const struct bus_message *message)
{
    const struct bus_logs_get *get = &message->logs_get;
    struct router *router = peer->router;
    struct bus_list_builder list = {BUFFER_EMPTY, 0};
    const struct kept_line *kept = get->limit == 0 ? NULL : first_wanted(router, get);
    for (; kept != NULL && list.count < get->limit; kept = kept->next) {
        struct bus_list one = {1, buffer_slice(&kept->bytes)};
        struct msgpack_reader reader = bus_list_read(&one);
        struct bus_log_line line;
        if (bus_list_next(&reader, BUS_ELEMENT_LOG_LINE, &line) && fits(get, &line)) {
            bus_list_add(&list, BUS_ELEMENT_LOG_LINE, &line);
        }
    }
    if (get->clears) {
        logs_forget(router);
    }
    struct bus_message answer = {.type = BUS_LOGS_PAGE,
                                 .trace = message->trace,
                                 .logs_page = {.request = get->request,
                                               .total = router->log_count,
                                               .lines = bus_list_of(&list)}};
    peer_send(peer, &answer);
    buffer_deinit(&list.bytes);
}

bool logs_receive(struct peer *peer, const struct bus_message *message)
{
    switch (message->type) {
    case BUS_LOG_LINES:
        logs_take(peer->router, &message->log_lines.lines);
        return true;
    case BUS_LOGS_WATCH:
        peer->watches_logs = message->logs_watch.is_on;
        return true;
    case BUS_LOGS_GET:
        receive_get(peer, message);
        return true;
    default:
        return false;
    }
}
