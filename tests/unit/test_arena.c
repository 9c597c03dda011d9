#include <setjmp.h>
#include <stdalign.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>
#include "proto/base/arena.h"
#include "tests/unit/random.h"

static void pieces_are_aligned_and_apart(void **state)
{
    enum { PIECES = 400 };
    struct random random = {2};
    struct arena arena;

    (void)state;
    arena_init(&arena);
    for (int round = 0; round < 5; round++) {
        unsigned char *pieces[PIECES];
        size_t sizes[PIECES];

        for (size_t i = 0; i < PIECES; i++) {
            sizes[i] = random_below(&random, i % 50 == 0 ? 60000 : 300);
            pieces[i] = arena_allocate(&arena, sizes[i]);
            assert_int_equal((uintptr_t)pieces[i] % alignof(max_align_t), 0);
            memset(pieces[i], (int)(i & 0xff), sizes[i]);
        }
        for (size_t i = 0; i < PIECES; i++) {
            for (size_t j = 0; j < sizes[i]; j++) {
                assert_int_equal(pieces[i][j], i & 0xff);
            }
        }
        arena_reset(&arena);
    }
    arena_deinit(&arena);
}

static void the_first_block_is_kept(void **state)
{
    struct arena arena;
    void *first;

    (void)state;
    arena_init(&arena);
    arena_reset(&arena);
    first = arena_allocate(&arena, 10);
    arena_allocate(&arena, 1 << 20);
    arena_reset(&arena);
    assert_ptr_equal(arena_allocate(&arena, 10), first);
    arena_deinit(&arena);
    assert_null(arena.first);
    arena_deinit(&arena);
}

static void a_big_piece_leaves_the_current_block_in_use(void **state)
{
    struct arena arena;
    char *before;
    char *after;

    (void)state;
    arena_init(&arena);
    before = arena_allocate(&arena, 16);
    arena_allocate(&arena, 1 << 20);
    after = arena_allocate(&arena, 16);
    assert_ptr_equal(after, before + 16);
    arena_deinit(&arena);
}

static void a_copy_is_its_own(void **state)
{
    char text[] = "abc";
    struct arena arena;
    struct slice copy;

    (void)state;
    arena_init(&arena);
    copy = arena_copy(&arena, slice_of_string(text));
    text[0] = 'x';
    assert_true(slice_is(copy, "abc"));
    assert_int_equal(arena_copy(&arena, SLICE_EMPTY).length, 0);
    arena_deinit(&arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(pieces_are_aligned_and_apart),
        cmocka_unit_test(the_first_block_is_kept),
        cmocka_unit_test(a_big_piece_leaves_the_current_block_in_use),
        cmocka_unit_test(a_copy_is_its_own),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
