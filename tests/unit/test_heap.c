#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>
#include "proto/base/heap.h"
#include "tests/unit/random.h"

static void an_empty_heap_has_nothing_due(void **state)
{
    struct heap_entry entry = {0};
    struct heap heap;

    (void)state;
    heap_init(&heap);
    assert_int_equal(heap_next_deadline(&heap), -1);
    assert_null(heap_pop_due(&heap, INT64_MAX));
    heap_remove(&heap, &entry);
    heap_deinit(&heap);
}

static void the_earliest_comes_first_and_not_early(void **state)
{
    struct heap_entry entries[3] = {0};
    struct heap heap;

    (void)state;
    heap_init(&heap);
    heap_set(&heap, &entries[0], 30);
    heap_set(&heap, &entries[1], 10);
    heap_set(&heap, &entries[2], 20);
    assert_int_equal(heap_next_deadline(&heap), 10);
    assert_null(heap_pop_due(&heap, 9));
    assert_ptr_equal(heap_pop_due(&heap, 10), &entries[1]);
    assert_int_equal(entries[1].position, 0);
    heap_set(&heap, &entries[0], 5);
    assert_ptr_equal(heap_pop_due(&heap, 100), &entries[0]);
    heap_remove(&heap, &entries[2]);
    assert_null(heap_pop_due(&heap, 100));
    heap_deinit(&heap);
}

static void deinit_lets_its_entries_go(void **state)
{
    struct heap_entry entry = {0};
    struct heap heap;

    (void)state;
    heap_init(&heap);
    heap_set(&heap, &entry, 1);
    heap_deinit(&heap);
    assert_int_equal(entry.position, 0);
    heap_set(&heap, &entry, 2);
    assert_ptr_equal(heap_pop_due(&heap, 2), &entry);
    heap_deinit(&heap);
}

enum { ENTRIES = 120, STEPS = 4000 };

/* The naive one: an array of deadlines, -1 where none is set. */
static int64_t earliest(const int64_t *model)
{
    int64_t deadline = -1;

    for (size_t i = 0; i < ENTRIES; i++) {
        if (model[i] >= 0 && (deadline < 0 || model[i] < deadline)) {
            deadline = model[i];
        }
    }
    return deadline;
}

static void random_schedules_agree_with_a_scan(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 20; seed++) {
        struct random random = {seed};
        struct heap_entry entries[ENTRIES] = {0};
        int64_t model[ENTRIES];
        struct heap heap;
        int64_t now = 0;

        for (size_t i = 0; i < ENTRIES; i++) {
            model[i] = -1;
        }
        heap_init(&heap);
        for (int step = 0; step < STEPS; step++) {
            size_t i = random_below(&random, ENTRIES);

            switch (random_below(&random, 4)) {
            case 0:
            case 1:
                model[i] = now + (int64_t)random_below(&random, 500);
                heap_set(&heap, &entries[i], model[i]);
                break;
            case 2:
                model[i] = -1;
                heap_remove(&heap, &entries[i]);
                break;
            default:
                now += (int64_t)random_below(&random, 20);
                for (struct heap_entry *due; (due = heap_pop_due(&heap, now)) != NULL;) {
                    assert_int_equal(due->deadline, earliest(model));
                    assert_int_equal(model[due - entries], due->deadline);
                    model[due - entries] = -1;
                }
                assert_true(earliest(model) == -1 || earliest(model) > now);
            }
            assert_int_equal(heap_next_deadline(&heap), earliest(model));
            assert_int_equal(entries[i].position == 0, model[i] < 0);
        }
        heap_deinit(&heap);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_empty_heap_has_nothing_due),
        cmocka_unit_test(the_earliest_comes_first_and_not_early),
        cmocka_unit_test(deinit_lets_its_entries_go),
        cmocka_unit_test(random_schedules_agree_with_a_scan),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
