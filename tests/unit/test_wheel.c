#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>
#include "proto/base/wheel.h"
#include "tests/unit/random.h"

enum { ENTRIES = 200, TURN_MS = WHEEL_TICK_MS * WHEEL_SLOTS };

/* What the callbacks are to do and what they saw. */
struct scene {
    struct wheel wheel;
    struct wheel_entry entries[ENTRIES];
    int64_t now;
    int64_t model[ENTRIES]; /* deadline, or -1 */
    size_t fired;
    struct random random;
};

static void count_only(void *context, struct wheel_entry *entry)
{
    struct scene *scene = context;

    assert_false(wheel_entry_is_set(entry));
    scene->fired++;
}

static size_t run_counted(struct scene *scene, int64_t now)
{
    scene->fired = 0;
    wheel_run(&scene->wheel, now, count_only, scene);
    return scene->fired;
}

static void fires_in_the_first_run_at_or_after_the_deadline(void **state)
{
    static struct scene scene;

    (void)state;
    memset(&scene, 0, sizeof(scene));
    wheel_init(&scene.wheel, 1003);
    for (int64_t deadline = 1003; deadline < 1300; deadline += 7) {
        wheel_set(&scene.wheel, &scene.entries[0], deadline);
        assert_true(wheel_entry_is_set(&scene.entries[0]));
        assert_int_equal(run_counted(&scene, deadline - 1), 0);
        assert_int_equal(run_counted(&scene, deadline), 1);
        assert_int_equal(run_counted(&scene, deadline), 0);
    }
}

static void an_overdue_deadline_fires_in_the_next_run(void **state)
{
    static struct scene scene;

    (void)state;
    memset(&scene, 0, sizeof(scene));
    wheel_init(&scene.wheel, 100000);
    wheel_set(&scene.wheel, &scene.entries[0], 5);
    wheel_set(&scene.wheel, &scene.entries[1], -5);
    assert_int_equal(run_counted(&scene, 100000), 2);
}

static void beyond_one_turn_waits_for_its_own(void **state)
{
    static struct scene scene;
    const int64_t deadline = 3 * TURN_MS + 120;
    size_t fired = 0;

    (void)state;
    memset(&scene, 0, sizeof(scene));
    wheel_init(&scene.wheel, 0);
    wheel_set(&scene.wheel, &scene.entries[0], deadline);
    for (int64_t now = 0; now < deadline; now += WHEEL_TICK_MS) {
        fired += run_counted(&scene, now);
    }
    assert_int_equal(fired, 0);
    assert_int_equal(run_counted(&scene, deadline), 1);
}

static void a_long_pause_loses_nothing(void **state)
{
    static struct scene scene;

    (void)state;
    memset(&scene, 0, sizeof(scene));
    wheel_init(&scene.wheel, 0);
    for (size_t i = 0; i < ENTRIES; i++) {
        wheel_set(&scene.wheel, &scene.entries[i], (int64_t)i * TURN_MS / 20);
    }
    assert_int_equal(run_counted(&scene, 20 * TURN_MS), ENTRIES);
}

static void cancelled_and_moved_entries_do_not_fire(void **state)
{
    static struct scene scene;

    (void)state;
    memset(&scene, 0, sizeof(scene));
    wheel_init(&scene.wheel, 0);
    wheel_cancel(&scene.entries[0]);
    wheel_set(&scene.wheel, &scene.entries[0], 100);
    wheel_set(&scene.wheel, &scene.entries[1], 100);
    wheel_set(&scene.wheel, &scene.entries[1], 900);
    wheel_cancel(&scene.entries[0]);
    assert_false(wheel_entry_is_set(&scene.entries[0]));
    assert_int_equal(run_counted(&scene, 899), 0);
    assert_int_equal(run_counted(&scene, 900), 1);
}

static void cancel_the_next_and_set_itself(void *context, struct wheel_entry *entry)
{
    struct scene *scene = context;

    scene->fired++;
    wheel_cancel(&scene->entries[entry == &scene->entries[0] ? 1 : 0]);
    wheel_set(&scene->wheel, entry, scene->now);
}

static void a_callback_may_set_itself_and_cancel_others(void **state)
{
    static struct scene scene;

    (void)state;
    memset(&scene, 0, sizeof(scene));
    wheel_init(&scene.wheel, 0);
    wheel_set(&scene.wheel, &scene.entries[0], 10);
    wheel_set(&scene.wheel, &scene.entries[1], 10);
    scene.now = 500;
    /* The one set anew is due at once, and still waits for the next run. */
    wheel_run(&scene.wheel, scene.now, cancel_the_next_and_set_itself, &scene);
    assert_int_equal(scene.fired, 1);
    wheel_run(&scene.wheel, scene.now, cancel_the_next_and_set_itself, &scene);
    assert_int_equal(scene.fired, 2);
}

/* Fires what the model says is due, and now and then sets or cancels another entry. */
static void check_and_stir(void *context, struct wheel_entry *entry)
{
    struct scene *scene = context;
    size_t fired = (size_t)(entry - scene->entries);
    size_t other = random_below(&scene->random, ENTRIES);

    assert_true(scene->model[fired] >= 0 && scene->model[fired] <= scene->now);
    scene->model[fired] = -1;
    switch (random_below(&scene->random, 4)) {
    case 0:
        wheel_cancel(&scene->entries[other]);
        scene->model[other] = -1;
        break;
    case 1:
        scene->model[other] = scene->now + 1 + (int64_t)random_below(&scene->random, 5000);
        wheel_set(&scene->wheel, &scene->entries[other], scene->model[other]);
        break;
    default:
        break;
    }
}

static void random_schedules_agree_with_a_scan(void **state)
{
    static struct scene scene;

    (void)state;
    for (uint64_t seed = 1; seed <= 10; seed++) {
        memset(&scene, 0, sizeof(scene));
        scene.random.state = seed;
        scene.now = (int64_t)random_below(&scene.random, 1000000);
        for (size_t i = 0; i < ENTRIES; i++) {
            scene.model[i] = -1;
        }
        wheel_init(&scene.wheel, scene.now);
        for (int step = 0; step < 3000; step++) {
            size_t i = random_below(&scene.random, ENTRIES);

            switch (random_below(&scene.random, 3)) {
            case 0:
                scene.model[i] = scene.now + (int64_t)random_below(&scene.random, 3 * TURN_MS);
                wheel_set(&scene.wheel, &scene.entries[i], scene.model[i]);
                break;
            case 1:
                wheel_cancel(&scene.entries[i]);
                scene.model[i] = -1;
                break;
            default:
                scene.now += (int64_t)random_below(
                    &scene.random, random_below(&scene.random, 50) == 0 ? 2 * TURN_MS : 120);
                wheel_run(&scene.wheel, scene.now, check_and_stir, &scene);
                for (size_t j = 0; j < ENTRIES; j++) {
                    assert_true(scene.model[j] < 0 || scene.model[j] > scene.now);
                }
            }
            assert_int_equal(wheel_entry_is_set(&scene.entries[i]), scene.model[i] >= 0);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(fires_in_the_first_run_at_or_after_the_deadline),
        cmocka_unit_test(an_overdue_deadline_fires_in_the_next_run),
        cmocka_unit_test(beyond_one_turn_waits_for_its_own),
        cmocka_unit_test(a_long_pause_loses_nothing),
        cmocka_unit_test(cancelled_and_moved_entries_do_not_fire),
        cmocka_unit_test(a_callback_may_set_itself_and_cancel_others),
        cmocka_unit_test(random_schedules_agree_with_a_scan),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
