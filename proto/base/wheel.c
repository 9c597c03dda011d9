#include "proto/base/wheel.h"

#include <stddef.h>

/*
 * An entry lies in the slot of the tick that holds its deadline. A run looks through the slots from
 * the last tick it reached to the present one, the last one again, because its tick was not over:
 * so every entry expires in the first run at or after its deadline.
 */

static int64_t tick_of(int64_t time)
{
    return time / WHEEL_TICK_MS;
}

static struct wheel_entry *slot_of(struct wheel *wheel, int64_t tick)
{
    return &wheel->slots[(uint64_t)tick % WHEEL_SLOTS];
}

static void list_init(struct wheel_entry *list)
{
    list->next = list;
    list->previous = list;
}

static void list_append(struct wheel_entry *list, struct wheel_entry *entry)
{
    entry->next = list;
    entry->previous = list->previous;
    list->previous->next = entry;
    list->previous = entry;
}

void wheel_init(struct wheel *wheel, int64_t now)
{
    for (size_t i = 0; i < WHEEL_SLOTS; i++) {
        list_init(&wheel->slots[i]);
    }
    wheel->tick = tick_of(now);
}

void wheel_cancel(struct wheel_entry *entry)
{
    if (entry->next == NULL) {
        return;
    }
    entry->previous->next = entry->next;
    entry->next->previous = entry->previous;
    entry->next = NULL;
    entry->previous = NULL;
}

void wheel_set(struct wheel *wheel, struct wheel_entry *entry, int64_t deadline)
{
    int64_t tick = tick_of(deadline);

    wheel_cancel(entry);
    entry->deadline = deadline;
    /* What is overdue goes where the next run begins. */
    list_append(slot_of(wheel, tick < wheel->tick ? wheel->tick : tick), entry);
}

static void collect_due(struct wheel_entry *slot, int64_t now, struct wheel_entry *due)
{
    for (struct wheel_entry *entry = slot->next; entry != slot;) {
        struct wheel_entry *next = entry->next;

        if (entry->deadline <= now) {
            wheel_cancel(entry);
            list_append(due, entry);
        }
        entry = next;
    }
}

void wheel_run(struct wheel *wheel, int64_t now,
               void (*expire)(void *context, struct wheel_entry *entry), void *context)
{
    int64_t first = wheel->tick;
    int64_t last = tick_of(now);
    struct wheel_entry due;

    if (last < first) {
        last = first;
    }
    if (last - first >= WHEEL_SLOTS) {
        first = last - WHEEL_SLOTS + 1;
    }

    /* Collected before the first call, so that what expire() sets waits for the next run. */
    list_init(&due);
    for (int64_t tick = first; tick <= last; tick++) {
        collect_due(slot_of(wheel, tick), now, &due);
    }
    wheel->tick = last;

    while (due.next != &due) {
        struct wheel_entry *entry = due.next;

        wheel_cancel(entry);
        expire(context, entry);
    }
}
