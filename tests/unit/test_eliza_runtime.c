/*
 * ELIZA behind the seam of runtimes: chunks and the whole text agree, exactly one end, delays on a
 * virtual clock, and clear errors for files that are no scripts.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>
#include <cmocka.h>
#include "agent-bridge/runtimes/runtime.h"
#include "proto/base/buffer.h"
#include "proto/base/error.h"

enum { START = 1000000 };

/* What one run told. */
struct told {
    struct buffer text; /* chunks with a | behind each */
    size_t chunks;
    int ends;
    bool is_exact; /* the chunks were the text of done() */
    bool has_thought;
    bool is_reply; /* actions and metadata as expected */
};

static void on_chunk(void *context, struct slice text)
{
    struct told *told = context;

    assert_int_equal(told->ends, 0);
    assert_true(text.length > 0);
    buffer_append_slice(&told->text, text);
    buffer_append_char(&told->text, '|');
    told->chunks++;
}

static void on_done(void *context, const struct runtime_reply *reply)
{
    struct told *told = context;
    size_t at = 0;

    told->ends++;
    told->is_exact = true;
    for (size_t i = 0; i < told->text.length; i++) {
        if (told->text.data[i] == '|') {
            continue;
        }
        told->is_exact =
            told->is_exact && at < reply->text.length && reply->text.data[at] == told->text.data[i];
        at++;
    }
    told->is_exact = told->is_exact && at == reply->text.length;
    told->has_thought = reply->thought.length > 0;
    told->is_reply = slice_is(reply->actions, "[\"REPLY\"]") && reply->metadata.length == 0;
}

static void on_failed(void *context, int error, const char *message)
{
    (void)context;
    fail_msg("failed with %d: %s", error, message);
}

static const struct runtime_events events = {on_chunk, on_done, on_failed};

/* The options as main() would fill them, after the flags given. */
static struct runtime *runtime_with(const char *script, const char *delay, char *error, int *result)
{
    const struct runtime_class *class = runtime_class_find(SLICE_LITERAL("eliza"));
    char *options = calloc(1, class->options_size);
    struct runtime_config config = {.options = options};
    struct runtime *runtime = NULL;
    char *argv[5] = {(char *)"test"};
    struct options_common common;
    int argc = 1;

    if (script != NULL) {
        argv[argc++] = (char *)"--eliza-script";
        argv[argc++] = (char *)script;
    }
    if (delay != NULL) {
        argv[argc++] = (char *)"--eliza-delay";
        argv[argc++] = (char *)delay;
    }
    assert_int_equal(options_parse(class->options, class->option_count, "test", "", argc, argv,
                                   options, &common),
                     OPTIONS_RUN);
    *result = class->create(&config, &runtime, error);
    free(options);
    return runtime;
}

static struct runtime *good_runtime(const char *delay)
{
    char error[RUNTIME_ERROR_SIZE] = "";
    struct runtime *runtime;
    int result;

    runtime = runtime_with(NULL, delay, error, &result);
    assert_string_equal(error, "");
    assert_int_equal(result, 0);
    assert_non_null(runtime);
    return runtime;
}

static struct runtime_request question(const char *room, const char *text)
{
    return (struct runtime_request){
        .room_id = slice_of_string(room),
        .agent_id = SLICE_LITERAL("b850bc30-45f8-0041-a00a-83df46d8555d"),
        .agent_name = SLICE_LITERAL("Eliza"),
        .sender_id = SLICE_LITERAL("somebody"),
        .sender_name = SLICE_LITERAL("Somebody"),
        .text = slice_of_string(text),
        .now = START,
    };
}

static struct runtime_run *ask(struct runtime *runtime, const struct runtime_request *request,
                               struct told *told)
{
    struct runtime_run *run = (struct runtime_run *)told; /* anything but NULL */

    memset(told, 0, sizeof(*told));
    assert_int_equal(runtime->class->run(runtime, request, &events, told, &run), 0);
    return run;
}

static void assert_told(struct told *told, const char *expected)
{
    assert_int_equal(told->ends, 1);
    assert_true(told->is_exact && told->has_thought && told->is_reply);
    buffer_append_char(&told->text, '\0');
    assert_string_equal(told->text.data, expected);
    buffer_deinit(&told->text);
}

static void the_table_knows_its_runtimes_by_name(void **state)
{
    (void)state;
    assert_string_equal(runtime_class_at(0)->name, "eliza");
    assert_null(runtime_class_at(1000));
    assert_null(runtime_class_find(SLICE_LITERAL("nobody")));
    assert_null(runtime_class_find(SLICE_EMPTY));
}

static void an_answer_comes_at_once_word_by_word(void **state)
{
    (void)state;
    struct runtime *runtime = good_runtime(NULL);
    struct runtime_request request = question("room", "Men are all alike.");
    struct told told;

    assert_null(ask(runtime, &request, &told));
    assert_told(&told, "In| what| way?|");
    assert_int_equal(runtime->class->tick(runtime, START), -1);
    request.text = SLICE_EMPTY;
    assert_null(ask(runtime, &request, &told));
    assert_int_equal(told.ends, 1);
    buffer_deinit(&told.text);
    runtime_destroy(&runtime);
    assert_null(runtime);
    runtime_destroy(&runtime);
}

static void a_backlog_makes_one_chunk(void **state)
{
    (void)state;
    struct runtime *runtime = good_runtime("1s");
    struct runtime_request request = question("room", "Men are all alike.");
    struct told told;

    request.has_backlog = true;
    assert_null(ask(runtime, &request, &told));
    assert_told(&told, "In what way?|");
    runtime_destroy(&runtime);
}

static void each_agent_has_its_own_conversation_in_a_room(void **state)
{
    (void)state;
    struct runtime *runtime = good_runtime(NULL);
    struct runtime_request request = question("room", "Men are all alike.");
    struct told told;

    ask(runtime, &request, &told);
    assert_told(&told, "In| what| way?|");
    ask(runtime, &request, &told);
    assert_told(&told, "What| resemblance| do| you| see?|");
    request.agent_id = SLICE_LITERAL("76e01e2b-390f-092d-b67a-7cf363816a6b");
    ask(runtime, &request, &told);
    assert_told(&told, "In| what| way?|");
    request = question("elsewhere", "Men are all alike.");
    ask(runtime, &request, &told);
    assert_told(&told, "In| what| way?|");
    runtime_destroy(&runtime);
}

static void a_delay_brings_one_word_per_deadline(void **state)
{
    (void)state;
    struct runtime *runtime = good_runtime("100");
    struct runtime_request request = question("one", "Men are all alike.");
    struct told one;
    struct told two;

    assert_non_null(ask(runtime, &request, &one));
    assert_int_equal(runtime->class->tick(runtime, START), START + 100);
    assert_int_equal(one.chunks, 0);
    request = question("two", "Men are all alike.");
    request.now = START + 50;
    assert_non_null(ask(runtime, &request, &two));
    assert_int_equal(runtime->class->tick(runtime, START + 50), START + 100);
    assert_int_equal(runtime->class->tick(runtime, START + 100), START + 150);
    assert_int_equal(one.chunks, 1);
    assert_int_equal(two.chunks, 0);
    assert_int_equal(runtime->class->tick(runtime, START + 150), START + 200);
    assert_int_equal(two.chunks, 1);
    /* A late tick brings one word of each, not all that are overdue. */
    assert_int_equal(runtime->class->tick(runtime, START + 9000), START + 9100);
    assert_int_equal(one.chunks, 2);
    assert_int_equal(two.chunks, 2);
    assert_int_equal(runtime->class->tick(runtime, START + 9100), -1);
    assert_told(&one, "In| what| way?|");
    assert_told(&two, "In| what| way?|");
    runtime_destroy(&runtime);
}

static void a_cancelled_run_is_silent(void **state)
{
    (void)state;
    struct runtime *runtime = good_runtime("100");
    struct runtime_request request = question("one", "Men are all alike.");
    struct runtime_run *run;
    struct told one;
    struct told two;

    run = ask(runtime, &request, &one);
    ask(runtime, &request, &two);
    runtime->class->tick(runtime, START + 100);
    runtime->class->cancel(run);
    for (int i = 2; i < 9; i++) {
        runtime->class->tick(runtime, START + i * 100);
    }
    assert_int_equal(one.chunks, 1);
    assert_int_equal(one.ends, 0);
    assert_told(&two, "What| resemblance| do| you| see?|");
    buffer_deinit(&one.text);
    /* So is what is under way when the runtime goes. */
    ask(runtime, &request, &one);
    runtime_destroy(&runtime);
    assert_int_equal(one.chunks + (size_t)one.ends, 0);
}

static void too_many_runs_are_refused_not_queued(void **state)
{
    (void)state;
    struct runtime *runtime = good_runtime("60s");
    struct runtime_request request = question("one", "Men are all alike.");
    struct told told = {0};
    struct runtime_run *run = NULL;
    int result = 0;
    int taken = 0;

    while (result == 0 && taken < 1000000) {
        result = runtime->class->run(runtime, &request, &events, &told, &run);
        taken += result == 0;
    }
    assert_int_equal(result, ERROR_OVERLOADED);
    assert_null(run);
    assert_int_equal(taken, 4096);
    assert_int_equal(told.chunks + (size_t)told.ends, 0);
    runtime_destroy(&runtime);
}

/* A file with this content; the caller removes it. */
static void write_file(char path[], struct slice content)
{
    int file = mkstemp(path);

    assert_true(file >= 0);
    assert_int_equal(write(file, content.data, content.length), content.length);
    close(file);
}

static void assert_create_fails(const char *script, int expected, const char *reason)
{
    char error[RUNTIME_ERROR_SIZE] = "";
    int result;

    assert_null(runtime_with(script, NULL, error, &result));
    assert_int_equal(result, expected);
    assert_non_null(strstr(error, reason));
    assert_non_null(strstr(error, script));
    assert_null(strchr(error, '\n'));
}

static void a_bad_script_file_is_one_clear_line(void **state)
{
    (void)state;
    char path[] = "/tmp/test_eliza_runtime.XXXXXX";

    write_file(path, SLICE_LITERAL("{\"name\":}"));
    assert_create_fails(path, ERROR_MALFORMED, ": line 1, column 9: not valid JSON");
    unlink(path);
    assert_create_fails(path, ERROR_NOT_FOUND, ": No such file or directory");
    assert_create_fails("/tmp", ERROR_SYSTEM, ": Is a directory");
}

static void a_script_file_takes_the_place_of_doctor(void **state)
{
    (void)state;
    static const char script[] =
        "{\"name\":\"t\",\"greetings\":[\"Hi.\"],\"finals\":[\"Bye.\"],\"none\":[\"None at all.\"],"
        "\"puzzled\":[\"1.\",\"2.\",\"3.\",\"4.\"],"
        "\"keywords\":[{\"word\":\"x\",\"rules\":[{\"match\":\"0\",\"reply\":[\"X.\"]}]}],"
        "\"memory\":{\"keyword\":\"x\",\"rules\":[{\"match\":\"0 y\",\"reply\":\"Y.\"},"
        "{\"match\":\"0 y\",\"reply\":\"Y.\"},{\"match\":\"0 y\",\"reply\":\"Y.\"},"
        "{\"match\":\"0 y\",\"reply\":\"Y.\"}]}}";
    char path[] = "/tmp/test_eliza_runtime.XXXXXX";
    char error[RUNTIME_ERROR_SIZE] = "";
    struct runtime_request request = question("room", "Men are all alike.");
    struct runtime *runtime;
    struct told told;
    int result;

    write_file(path, SLICE_LITERAL(script));
    runtime = runtime_with(path, NULL, error, &result);
    unlink(path);
    assert_string_equal(error, "");
    assert_int_equal(result, 0);
    ask(runtime, &request, &told);
    assert_told(&told, "None| at| all.|");
    runtime_destroy(&runtime);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_table_knows_its_runtimes_by_name),
        cmocka_unit_test(an_answer_comes_at_once_word_by_word),
        cmocka_unit_test(a_backlog_makes_one_chunk),
        cmocka_unit_test(each_agent_has_its_own_conversation_in_a_room),
        cmocka_unit_test(a_delay_brings_one_word_per_deadline),
        cmocka_unit_test(a_cancelled_run_is_silent),
        cmocka_unit_test(too_many_runs_are_refused_not_queued),
        cmocka_unit_test(a_bad_script_file_is_one_clear_line),
        cmocka_unit_test(a_script_file_takes_the_place_of_doctor),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
