/*
 * The timer wheel: very many coarse timers (one per session), O(1) to set, move and cancel.
 * Resolution WHEEL_TICK_MS; a deadline fires at most one tick late and never early. Deadlines
 * beyond one turn stay in their slot and wait for the right turn.
 */
#ifndef PROTO_BASE_WHEEL_H
#define PROTO_BASE_WHEEL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { WHEEL_TICK_MS = 50, WHEEL_SLOTS = 1024 };

struct wheel_entry {
    struct wheel_entry *next; /* borrows; both NULL while not set */
    struct wheel_entry *previous;
    int64_t deadline; /* ms, monotonic */
};

struct wheel {
    struct wheel_entry slots[WHEEL_SLOTS]; /* list heads */
    int64_t tick;                          /* last tick that was run */
};

void wheel_init(struct wheel *wheel, int64_t now);
void wheel_set(struct wheel *wheel, struct wheel_entry *entry, int64_t deadline);
void wheel_cancel(struct wheel_entry *entry); /* no-op when not set */
static inline bool wheel_entry_is_set(const struct wheel_entry *entry)
{
    return entry->next != NULL;
}
/*
 * Runs every entry due by now: each is cancelled first, then expire(context, entry) is called,
 * which may set or cancel any entry, its own too. Callers tick every WHEEL_TICK_MS.
 */
void wheel_run(struct wheel *wheel, int64_t now,
               void (*expire)(void *context, struct wheel_entry *entry), void *context);

#endif
