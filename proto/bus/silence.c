#include "proto/bus/silence.h"

#include <inttypes.h>

#include "proto/base/log.h"

void silence_watch(struct silence *self, const struct link *link, int64_t now)
{
    bool is_silent = link_is_open(link) && !link_is_alive(link, now);
    if (is_silent && !self->is_silent) {
        self->since = link->heard_at;
        log_warn("router_silent", "timeout=%" PRId64 "ms", link->settings->timeout);
    } else if (!is_silent && self->is_silent && link_is_open(link)) {
        log_info("router_heard", "silence=%" PRId64 "ms", now - self->since);
    }
    self->is_silent = is_silent;
}
