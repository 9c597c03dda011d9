#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include "edge/rest/agent_job.h"
#include "proto/base/json.h"

enum { MADE = 1000, DEADLINE = 31000 };

static struct agent_job job_made(void)
{
    return (struct agent_job){.channel = SLICE_LITERAL("channel"),
                              .agent = SLICE_LITERAL("agent"),
                              .user = SLICE_LITERAL("user"),
                              .question = SLICE_LITERAL("question"),
                              .metadata = SLICE_LITERAL("{\"a\":1}"),
                              .created_at = MADE,
                              .expires_at = DEADLINE,
                              .status = AGENT_JOB_PROCESSING};
}

static void an_answer_in_time_completes_it(void **state)
{
    (void)state;
    struct agent_job job = job_made();
    agent_job_unanswered(&job, true, DEADLINE);
    assert_false(agent_job_is_over(&job));
    agent_job_answered(&job, DEADLINE);
    assert_int_equal(job.status, AGENT_JOB_COMPLETED);
    assert_int_equal(job.finished_at, DEADLINE);
}

static void an_answer_that_comes_later_does_not(void **state)
{
    (void)state;
    struct agent_job job = job_made();
    agent_job_answered(&job, DEADLINE + 1);
    assert_int_equal(job.status, AGENT_JOB_TIMED_OUT);
    assert_int_equal(job.finished_at, DEADLINE);
}

static void without_an_answer_it_fails_or_is_late(void **state)
{
    (void)state;
    struct agent_job job = job_made(), other = job_made();
    agent_job_unanswered(&job, false, MADE + 5);
    assert_int_equal(job.status, AGENT_JOB_FAILED);
    assert_int_equal(job.finished_at, MADE + 5);
    agent_job_unanswered(&other, true, DEADLINE + 1);
    assert_int_equal(other.status, AGENT_JOB_TIMED_OUT);
}

static void once_over_it_stays_as_it_is(void **state)
{
    (void)state;
    struct agent_job job = job_made();
    agent_job_unanswered(&job, true, DEADLINE + 1);
    agent_job_answered(&job, DEADLINE);
    agent_job_unanswered(&job, false, DEADLINE + 2);
    assert_int_equal(job.status, AGENT_JOB_TIMED_OUT);
    assert_int_equal(job.finished_at, DEADLINE);
}

static void the_note_of_an_action_is_no_answer(void **state)
{
    (void)state;
    struct agent_job job = job_made();
    assert_true(agent_job_is_answer(&job, job.agent, SLICE_LITERAL("Hello")));
    assert_true(agent_job_is_answer(&job, job.agent, SLICE_LITERAL("Executing action")));
    assert_true(agent_job_is_answer(&job, job.agent, SLICE_EMPTY));
    assert_false(agent_job_is_answer(&job, job.agent, SLICE_LITERAL("Executing action: X")));
    assert_false(agent_job_is_answer(&job, job.user, SLICE_LITERAL("Hello")));
}

static void statuses_have_names(void **state)
{
    (void)state;
    for (int status = 0; status < AGENT_JOB_STATUSES; status++) {
        const char *name = agent_job_status_name((enum agent_job_status)status);
        assert_int_equal(agent_job_status_of(slice_of_string(name)), status);
    }
    assert_int_equal(agent_job_status_of(SLICE_LITERAL("nonsense")), AGENT_JOB_STATUSES);
    assert_int_equal(agent_job_status_of(SLICE_EMPTY), AGENT_JOB_STATUSES);
}

static void a_record_brings_it_back(void **state)
{
    (void)state;
    struct agent_job job = job_made(), again;
    struct buffer body = BUFFER_EMPTY;
    struct arena arena;
    struct slice value;
    arena_init(&arena);
    agent_job_answered(&job, MADE + 7);
    agent_job_write(&job, &body);
    assert_int_equal(json_scan(buffer_slice(&body), JSON_MAX_DEPTH, &value), 0);
    assert_true(agent_job_read(value, &arena, &again));
    assert_true(slice_equals(again.channel, job.channel));
    assert_true(slice_equals(again.agent, job.agent));
    assert_true(slice_equals(again.user, job.user));
    assert_true(slice_equals(again.question, job.question));
    assert_true(slice_equals(again.metadata, job.metadata));
    assert_int_equal(again.created_at, MADE);
    assert_int_equal(again.expires_at, DEADLINE);
    assert_int_equal(again.status, AGENT_JOB_COMPLETED);
    assert_int_equal(again.finished_at, MADE + 7);
    assert_false(agent_job_read(SLICE_LITERAL("{\"channelId\":\"c\"}"), &arena, &again));
    assert_false(agent_job_read(SLICE_LITERAL("[]"), &arena, &again));
    assert_false(agent_job_read(SLICE_EMPTY, &arena, &again));
    buffer_deinit(&body);
    arena_deinit(&arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_answer_in_time_completes_it),
        cmocka_unit_test(an_answer_that_comes_later_does_not),
        cmocka_unit_test(without_an_answer_it_fails_or_is_late),
        cmocka_unit_test(once_over_it_stays_as_it_is),
        cmocka_unit_test(the_note_of_an_action_is_no_answer),
        cmocka_unit_test(statuses_have_names),
        cmocka_unit_test(a_record_brings_it_back),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
