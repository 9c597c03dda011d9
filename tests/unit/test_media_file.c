/*
 * A file has its name when it is whole, and before and otherwise there is nothing of it.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>
#include <uv.h>

#include "edge/media/media_file.h"
#include "proto/base/buffer.h"

enum { NOT_FINISHED = -1 };

struct fixture {
    uv_loop_t loop;
    char root[64];
    int incoming, place;
    struct media_path path;
    size_t ready;
    int outcome;
};

static void on_ready(void *context)
{
    struct fixture *fixture = context;
    fixture->ready++;
}

static void on_finished(void *context, int error)
{
    struct fixture *fixture = context;
    assert_int_equal(fixture->outcome, NOT_FINISHED);
    fixture->outcome = error;
}

static const struct media_file_operations operations = {on_ready, on_finished};

static int make_directory(const struct fixture *fixture, const char *name)
{
    char path[100];
    snprintf(path, sizeof(path), "%s/%s", fixture->root, name);
    assert_int_equal(mkdir(path, 0700), 0);
    int descriptor = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    assert_true(descriptor >= 0);
    return descriptor;
}

static int set_up(void **state)
{
    struct fixture *fixture = calloc(1, sizeof(*fixture));
    snprintf(fixture->root, sizeof(fixture->root), "/tmp/elizamq-media-XXXXXX");
    assert_non_null(mkdtemp(fixture->root));
    fixture->incoming = make_directory(fixture, "incoming");
    fixture->place = make_directory(fixture, "place");
    fixture->path = (struct media_path){MEDIA_AGENTS, "somebody", "file.txt"};
    fixture->outcome = NOT_FINISHED;
    uv_loop_init(&fixture->loop);
    *state = fixture;
    return 0;
}

static int tear_down(void **state)
{
    struct fixture *fixture = *state;
    char command[100];
    uv_run(&fixture->loop, UV_RUN_DEFAULT);
    assert_int_equal(uv_loop_close(&fixture->loop), 0);
    close(fixture->incoming);
    close(fixture->place);
    snprintf(command, sizeof(command), "rm -rf %s", fixture->root);
    assert_int_equal(system(command), 0);
    free(fixture);
    return 0;
}

static size_t count_entries(const struct fixture *fixture, const char *name)
{
    char path[100];
    size_t count = 0;
    snprintf(path, sizeof(path), "%s/%s", fixture->root, name);
    DIR *directory = opendir(path);
    if (directory == NULL) {
        return 0;
    }
    while (readdir(directory) != NULL) {
        count++;
    }
    closedir(directory);
    return count - 2;
}

static struct media_file *begin(struct fixture *fixture)
{
    return media_file_new(&fixture->loop, fixture->incoming, "temporary", &operations, fixture);
}

/* Writes so much, as fast as the disk takes it. */
static void write_bytes(struct fixture *fixture, struct media_file *file, size_t length)
{
    char piece[60000];
    memset(piece, 'x', sizeof(piece));
    for (size_t left = length; left > 0;) {
        size_t part = left < sizeof(piece) ? left : sizeof(piece);
        size_t ready = fixture->ready;
        bool goes_on = media_file_write(file, slice_of(piece, part));
        left -= part;
        while (!goes_on && fixture->ready == ready && fixture->outcome == NOT_FINISHED) {
            uv_run(&fixture->loop, UV_RUN_ONCE);
        }
    }
}

static void a_whole_file_has_its_name_and_time(void **state)
{
    static const size_t sizes[] = {0, 1, MEDIA_FILE_WAITING_MAX, 5000000};
    struct fixture *fixture = *state;
    const struct timespec modified = {.tv_sec = 1000000000, .tv_nsec = 5000000};
    for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
        struct media_file *file = begin(fixture);
        struct stat status;
        fixture->outcome = NOT_FINISHED;
        write_bytes(fixture, file, sizes[i]);
        media_file_finish(file, fixture->place, &fixture->path, i == 0 ? NULL : &modified);
        uv_run(&fixture->loop, UV_RUN_DEFAULT);
        assert_int_equal(fixture->outcome, 0);
        assert_int_equal(fstatat(fixture->place, "somebody/file.txt", &status, 0), 0);
        assert_int_equal(status.st_size, sizes[i]);
        assert_int_equal(status.st_mtim.tv_sec == modified.tv_sec, i > 0);
        assert_int_equal(count_entries(fixture, "incoming"), 0);
        media_file_destroy(&file);
        assert_null(file);
    }
    assert_true(fixture->ready > 0);
}

static void one_that_is_given_up_leaves_nothing(void **state)
{
    static const size_t sizes[] = {0, 1, 300000, 2000000};
    struct fixture *fixture = *state;
    for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
        struct media_file *file = begin(fixture);
        write_bytes(fixture, file, sizes[i]);
        media_file_destroy(&file);
        uv_run(&fixture->loop, UV_RUN_DEFAULT);
        assert_int_equal(count_entries(fixture, "incoming"), 0);
        assert_int_equal(count_entries(fixture, "place"), 0);
    }
    assert_int_equal(fixture->outcome, NOT_FINISHED);
}

static void what_fails_is_said_once_and_leaves_nothing(void **state)
{
    struct fixture *fixture = *state;
    struct media_file *file = begin(fixture);
    assert_int_equal(symlinkat("/tmp", fixture->place, "somebody"), 0);
    write_bytes(fixture, file, 1000000);
    media_file_finish(file, fixture->place, &fixture->path, NULL);
    uv_run(&fixture->loop, UV_RUN_DEFAULT);
    assert_int_equal(fixture->outcome, ENOTDIR); /* links are not followed */
    media_file_destroy(&file);
    uv_run(&fixture->loop, UV_RUN_DEFAULT);
    assert_int_equal(count_entries(fixture, "incoming"), 0);

    fixture->outcome = NOT_FINISHED;
    file = media_file_new(&fixture->loop, -2, "temporary", &operations, fixture);
    write_bytes(fixture, file, 1000000);
    uv_run(&fixture->loop, UV_RUN_DEFAULT);
    assert_int_equal(fixture->outcome, EBADF);
    media_file_destroy(&file);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_whole_file_has_its_name_and_time, set_up, tear_down),
        cmocka_unit_test_setup_teardown(one_that_is_given_up_leaves_nothing, set_up, tear_down),
        cmocka_unit_test_setup_teardown(what_fails_is_said_once_and_leaves_nothing, set_up,
                                        tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
