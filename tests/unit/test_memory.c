#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>
#include <cmocka.h>
#include "proto/base/memory.h"

/* The sanitizers would end the process themselves otherwise. */
const char *__asan_default_options(void);
const char *__asan_default_options(void)
{
    return "allocator_may_return_null=1";
}
const char *__tsan_default_options(void);
const char *__tsan_default_options(void)
{
    return "allocator_may_return_null=1";
}

static void no_bytes_are_still_memory(void **state)
{
    void *memory = memory_allocate(0);

    (void)state;
    assert_non_null(memory);
    memory = memory_reallocate(memory, 0);
    assert_non_null(memory);
    free(memory);
    memory = memory_allocate_zeroed(0);
    assert_non_null(memory);
    free(memory);
}

static void zeroed_is_zero(void **state)
{
    unsigned char *memory = memory_allocate_zeroed(4096);

    (void)state;
    for (size_t i = 0; i < 4096; i++) {
        assert_int_equal(memory[i], 0);
    }
    free(memory);
}

static void reallocation_keeps_the_bytes(void **state)
{
    char *memory = memory_reallocate(NULL, 4);

    (void)state;
    memcpy(memory, "abc", 4);
    memory = memory_reallocate(memory, 100000);
    assert_string_equal(memory, "abc");
    free(memory);
}

static void a_copied_string_ends_with_nul(void **state)
{
    char *copy = memory_copy_string("abcdef", 3);

    (void)state;
    assert_string_equal(copy, "abc");
    free(copy);
    copy = memory_copy_string(NULL, 0);
    assert_string_equal(copy, "");
    free(copy);
    copy = memory_copy_string("a\0b", 3);
    assert_memory_equal(copy, "a\0b", 4);
    free(copy);
}

static void without_memory_the_process_says_so_and_aborts(void **state)
{
    volatile size_t impossible = SIZE_MAX / 2;
    char line[512] = "";
    int pipe_ends[2];
    int status;
    pid_t child;

    (void)state;
    assert_int_equal(pipe(pipe_ends), 0);
    child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        dup2(pipe_ends[1], STDERR_FILENO);
        signal(SIGABRT, SIG_DFL);
        memory_allocate(impossible);
        _exit(0);
    }
    close(pipe_ends[1]);
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(read(pipe_ends[0], line, sizeof(line) - 1) > 0);
    close(pipe_ends[0]);
    assert_true(WIFSIGNALED(status));
    assert_int_equal(WTERMSIG(status), SIGABRT);
    assert_non_null(strstr(line, "elizamq: out of memory\n"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(no_bytes_are_still_memory),
        cmocka_unit_test(zeroed_is_zero),
        cmocka_unit_test(reallocation_keeps_the_bytes),
        cmocka_unit_test(a_copied_string_ends_with_nul),
        cmocka_unit_test(without_memory_the_process_says_so_and_aborts),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
