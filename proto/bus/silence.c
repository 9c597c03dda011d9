#include "proto/bus/silence.h"

#include <inttypes.h>

#include "proto/base/log.h"

static void watch_open(struct silence *self, const struct link *link, int64_t now)
{
    bool is_silent = !link_is_alive(link, now);
    if (is_silent && !self->is_silent) {
        self->since = link->heard_at;
        log_warn("router_silent", "timeout=%" PRId64 "ms", link->settings->timeout);
    } else if (!is_silent && self->is_silent) {
        log_info("router_heard", "silence=%" PRId64 "ms", now - self->since);
    }
    self->is_silent = is_silent;
}

static void watch_unopened(struct silence *self, const struct link *link, int64_t now)
{
    if (!self->is_waiting) {
        self->waits_since = now;
        self->is_told = false;
    } else if (!self->is_told && !self->is_refused &&
               now - self->waits_since >= link->settings->timeout) {
        log_warn("router_unreachable", "waited=%" PRId64 "ms hint=%s", now - self->waits_since,
                 "does it run, and is --router right?");
        self->is_told = true;
    }
}

void silence_watch(struct silence *self, const struct link *link, int64_t now)
{
    if (link_is_open(link)) {
        self->is_refused = false;
        watch_open(self, link, now);
    } else {
        self->is_silent = false;
        watch_unopened(self, link, now);
    }
    self->is_waiting = !link_is_open(link);
}

void silence_refused(struct silence *self, const char *hint)
{
    if (!self->is_refused) {
        log_error("hello_refused", "hint=%s", hint);
    }
    self->is_refused = true;
}
