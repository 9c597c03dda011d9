/* The bridge's jobs: what a question becomes, what its run says, and its one end. */
#include "bridge_fixture.h"

/* --- a question and its answer ---------------------------------------------------------------- */

static void a_question_is_streamed_and_has_one_reply(void **state)
{
    struct fixture *fixture = *state;

    give(fixture, 7, 1, "hi");
    settle(fixture);
    assert_asked(fixture, "room ann(Ann) asks Eliza: hi\n");
    assert_heard(fixture, "chunk 7/1 #0 h\nchunk 7/1 #1 i\ndone 7/1\n");
    assert_text(&fixture->body,
                "\"senderId\":\"" ELIZA "\",\"senderName\":\"Eliza\",\"text\":\"hi\","
                "\"roomId\":\"room\",\"channelId\":\"room\",\"serverId\":\"" NIL_UUID "\","
                "\"messageServerId\":\"" NIL_UUID "\",\"source\":\"agent_response\","
                "\"thought\":\"because\",\"actions\":[\"REPLY\"],\"inReplyTo\":\"question\","
                "\"metadata\":{\"k\":1}");
    assert_int_equal(counted(fixture)->done, 1);
    assert_int_equal(counted(fixture)->chunks, 2);
    assert_int_equal(counted(fixture)->running + counted(fixture)->waiting, 0);
}

static void a_turn_leaves_in_one_frame(void **state)
{
    struct fixture *fixture = *state;

    for (uint64_t job = 1; job <= 4; job++) {
        give(fixture, job, 1, "What leaves together arrives together.");
    }
    fixture->flushed = 0;
    settle(fixture);
    assert_int_equal(counted(fixture)->done, 4);
    assert_int_equal(fixture->flushed, 1);
}

static void says(struct fixture *fixture, const char *words)
{
    struct fake_run *run = fixture->fake.runs;

    fake_chunk(&fixture->fake, &run->events, run->context, slice_of_string(words));
    settle(fixture);
}

static void the_chunks_of_a_millisecond_share_a_frame(void **state)
{
    struct fixture *fixture = *state;
    struct fake_run *run;

    fixture->fake.behaviour = FAKE_HOLD;
    give(fixture, 1, 1, "a");
    wait_for(fixture, 50);
    fixture->flushed = 0;
    says(fixture, "x"); /* alone: at once */
    assert_int_equal(fixture->flushed, 1);
    says(fixture, "y");
    says(fixture, "z");
    assert_int_equal(fixture->flushed, 1);
    assert_int_equal(bridge_deadline(fixture->bridge), fixture->now + 1);
    fixture->now++;
    settle(fixture);
    assert_int_equal(fixture->flushed, 2);
    assert_heard(fixture, "chunk 1/1 #0 x\nchunk 1/1 #1 y\nchunk 1/1 #2 z\n");
    says(fixture, "w");
    assert_int_equal(fixture->flushed, 2);
    run = fixture->fake.runs;
    fake_done(&fixture->fake, &run->events, run->context, SLICE_LITERAL("xyzw"));
    fake_release(&fixture->fake, run);
    settle(fixture); /* an end waits for nothing, and takes along what was before it */
    assert_int_equal(fixture->flushed, 3);
    assert_heard(fixture, "chunk 1/1 #3 w\ndone 1/1\n");
}

static void a_slow_run_is_streamed_as_it_speaks(void **state)
{
    struct fixture *fixture = *state;

    fixture->fake.behaviour = FAKE_HOLD;
    give(fixture, 1, 1, "a");
    give(fixture, 2, 1, "b");
    settle(fixture);
    assert_heard(fixture, "");
    assert_int_equal(counted(fixture)->running, 2);
    let_runtime(fixture, "x");
    assert_heard(fixture, "chunk 1/1 #0 x\n");
    let_runtime(fixture, "yd");
    assert_heard(fixture, "chunk 1/1 #1 y\ndone 1/1\n");
    let_runtime(fixture, "zf");
    assert_heard(fixture, "chunk 2/1 #0 z\nfailed 2/1 timeout\n");
    assert_int_equal(counted(fixture)->running, 0);
    assert_float_equal((float)counted(fixture)->run_seconds.sum, 0.02F, 0.0001F);
    assert_float_equal((float)counted(fixture)->first_seconds.sum, 0.04F, 0.0001F);
    assert_int_equal(fixture->fake.cancelled, 0);
}

static void the_runtime_is_woken_when_it_asked_for_it(void **state)
{
    struct fixture *fixture = *state;

    assert_int_equal(bridge_deadline(fixture->bridge), -1);
    fixture->fake.behaviour = FAKE_HOLD;
    give(fixture, 1, 1, "a");
    settle(fixture);
    assert_int_equal(bridge_deadline(fixture->bridge), fixture->now + 10);
    let_runtime(fixture, "d");
    assert_int_equal(bridge_deadline(fixture->bridge), -1);
}

static void a_backlog_is_told_to_the_runtime(void **state)
{
    struct fixture *fixture = *state;

    say_work(fixture, 1, 1, ELIZA, 3, SLICE_LITERAL("\"text\":\"a\""));
    settle(fixture);
    assert_asked(fixture, "room ann() asks Eliza: a (backlog)\n");
}

/* --- questions that are not as they should be ------------------------------------------------- */

static void a_question_without_text_is_an_empty_one(void **state)
{
    static const char *const bodies[] = {"", "\"text\":null", "\"text\":{\"a\":[1]}",
                                         "\"senderName\":5,\"text\":7", "\"Text\":\"a\""};
    struct fixture *fixture = *state;

    for (size_t i = 0; i < sizeof(bodies) / sizeof(bodies[0]); i++) {
        say_work(fixture, i + 1, 1, ELIZA, 0, slice_of_string(bodies[i]));
        settle(fixture);
        assert_asked(fixture, "room ann() asks Eliza: \n");
        buffer_clear(&fixture->heard);
        assert_int_equal(counted(fixture)->done, i + 1);
    }
}

static void text_is_unescaped(void **state)
{
    struct fixture *fixture = *state;

    say_work(fixture, 1, 1, ELIZA, 0,
             SLICE_LITERAL("\"metadata\":{\"text\":\"no\"},\"te\\u0078t\":\"a\\n\\u00e9\\\"\""));
    settle(fixture);
    assert_asked(fixture, "room ann() asks Eliza: a\n\xc3\xa9\"\n");
}

static void a_body_that_is_no_json_fails(void **state)
{
    static const char *const bodies[] = {
        "\"text\"", "\"text\":\"a\"}", "}{", "\"text\":\"a\"},{\"b\":1", "\"text\":\"\xff\"", "x"};
    struct fixture *fixture = *state;
    char expected[64];

    for (size_t i = 0; i < sizeof(bodies) / sizeof(bodies[0]); i++) {
        say_work(fixture, i + 1, 1, ELIZA, 0, slice_of_string(bodies[i]));
        settle(fixture);
        snprintf(expected, sizeof(expected), "failed %zu/1 malformed\n", i + 1);
        assert_heard(fixture, expected);
    }
    assert_asked(fixture, "");
    assert_int_equal(counted(fixture)->failed, 6);
}

static void an_unknown_agent_fails(void **state)
{
    struct fixture *fixture = *state;

    say_work(fixture, 1, 1, NOBODY, 0, SLICE_LITERAL("\"text\":\"a\""));
    settle(fixture);
    assert_heard(fixture, "failed 1/1 no_agent\n");
    assert_int_equal(counted(fixture)->refused, 1);
}

/* --- bounds ----------------------------------------------------------------------------------- */

static void work_beyond_the_credit_is_refused(void **state)
{
    struct fixture *fixture = *state;

    fixture->fake.behaviour = FAKE_HOLD;
    for (uint64_t job = 1; job <= 6; job++) {
        give(fixture, job, 1, "a");
    }
    settle(fixture);
    assert_heard(fixture, "failed 5/1 overloaded\nfailed 6/1 overloaded\n");
    assert_int_equal(counted(fixture)->running, 4);
    assert_int_equal(counted(fixture)->over_credit, 2);
    let_runtime(fixture, "d");
    give(fixture, 7, 1, "b");
    settle(fixture);
    assert_heard(fixture, "done 1/1\n");
    assert_int_equal(counted(fixture)->running, 4);
}

static void a_full_runtime_is_asked_again_at_the_next_tick(void **state)
{
    struct fixture *fixture = *state;

    fixture->fake.behaviour = FAKE_FULL;
    give(fixture, 1, 1, "a");
    give(fixture, 2, 1, "b");
    settle(fixture);
    settle(fixture);
    assert_asked(fixture, "room ann(Ann) asks Eliza: a\n");
    assert_int_equal(counted(fixture)->waiting, 2);
    assert_int_equal(counted(fixture)->running, 0);
    wait_for(fixture, 50);
    assert_asked(fixture, "room ann(Ann) asks Eliza: a\n");
    assert_heard(fixture, "");
    fixture->fake.behaviour = FAKE_ECHO;
    wait_for(fixture, 50);
    assert_asked(fixture, "room ann(Ann) asks Eliza: a\nroom ann(Ann) asks Eliza: b\n");
    assert_heard(fixture, "chunk 1/1 #0 a\ndone 1/1\nchunk 2/1 #0 b\ndone 2/1\n");
    assert_int_equal(counted(fixture)->overloaded, 2);
}

static void an_answer_without_end_is_ended(void **state)
{
    struct fixture *fixture = *state;

    fixture->fake.behaviour = FAKE_BABBLE;
    give(fixture, 1, 1, "a");
    settle(fixture);
    assert_heard(fixture, "failed 1/1 too_large\n");
    assert_int_equal(fixture->fake.cancelled, 1);
    assert_int_equal(counted(fixture)->running, 0);
}

static void an_answer_has_a_largest_size(void **state)
{
    static const struct {
        size_t length;
        const char *heard;
    } cases[] = {
        {JOBS_REPLY_MAX + 1, "failed 1/1 too_large\n"},
        {JOBS_REPLY_MAX, "failed 2/1 too_large\n"}, /* its JSON is twice as long, and more */
        {JOBS_REPLY_MAX - 1024, "done 3/1\n"},
    };
    struct fixture *fixture = *state;

    fixture->fake.behaviour = FAKE_LONG;
    for (uint64_t i = 0; i < 3; i++) {
        fixture->fake.length = cases[i].length;
        give(fixture, i + 1, 1, "a");
        settle(fixture);
        assert_heard(fixture, cases[i].heard);
    }
}

static void says_long(struct fixture *fixture, size_t length)
{
    char *words = malloc(length + 1);
    memset(words, 'x', length);
    words[length] = '\0';
    says(fixture, words);
    free(words);
}

/* The end of its text lets go of what the extractor has held back of it. */
static void what_was_held_back_counts_towards_the_largest_size(void **state)
{
    struct fixture *fixture = *state;
    char error[CHARACTER_ERROR_SIZE];
    struct character *character =
        character_read(SLICE_LITERAL("{\"id\":\"" NOBODY "\",\"name\":\"Bob\",\"bio\":\"b\","
                                     "\"settings\":{\"elizamq\":{\"extract\":\"response\"}}}"),
                       error);

    assert_non_null(character);
    assert_int_equal(agents_add_character(fixture->agents, &character, NULL, "bob.json"), 0);
    fixture->fake.behaviour = FAKE_HOLD;
    say_work(fixture, 1, 1, NOBODY, 0, SLICE_LITERAL("\"senderId\":\"ann\",\"text\":\"a\""));
    settle(fixture);
    says(fixture, "<actions>REPLY</actions><text>");
    says_long(fixture, JOBS_REPLY_MAX / 2);
    says_long(fixture, JOBS_REPLY_MAX / 2 - 100);
    says_long(fixture, 101); /* one too many, but that the last ten are not out yet */
    assert_heard(fixture, "");
    says(fixture, "</text>");
    says_long(fixture, 100);
    assert_heard(fixture, "chunk 1/1 #4 xxxxxxxxxx\nfailed 1/1 too_large\n");
}

/* --- other ends ------------------------------------------------------------------------------- */

static void failure_ends_a_run(void **state)
{
    struct fixture *fixture = *state;

    fixture->fake.behaviour = FAKE_FAIL;
    give(fixture, 1, 1, "a");
    settle(fixture);
    assert_heard(fixture, "chunk 1/1 #0 half\nfailed 1/1 timeout\n");
    fixture->fake.behaviour = FAKE_REFUSE;
    give(fixture, 2, 1, "a");
    settle(fixture);
    assert_heard(fixture, "failed 2/1 internal\n");
    assert_int_equal(counted(fixture)->failed, 2);
}

static void a_cancelled_run_ends_in_silence(void **state)
{
    struct fixture *fixture = *state;

    fixture->fake.behaviour = FAKE_HOLD;
    give(fixture, 1, 2, "a");
    settle(fixture);
    let_runtime(fixture, "x");
    take_back(fixture, 1, 1); /* an attempt of long ago */
    settle(fixture);
    assert_int_equal(fixture->fake.cancelled, 0);
    take_back(fixture, 1, 2);
    take_back(fixture, 1, 2);
    take_back(fixture, 99, 1);
    settle(fixture);
    assert_heard(fixture, "chunk 1/2 #0 x\n");
    assert_int_equal(fixture->fake.cancelled, 1);
    assert_int_equal(counted(fixture)->cancelled, 1);
    assert_int_equal(counted(fixture)->running, 0);
}

static void a_question_taken_back_before_it_began_is_never_asked(void **state)
{
    struct fixture *fixture = *state;

    give(fixture, 1, 1, "a");
    take_back(fixture, 1, 1);
    settle(fixture);
    assert_asked(fixture, "");
    assert_heard(fixture, "");
    assert_int_equal(counted(fixture)->waiting, 0);
}

static void a_further_attempt_replaces_the_former(void **state)
{
    struct fixture *fixture = *state;

    fixture->fake.behaviour = FAKE_HOLD;
    give(fixture, 1, 1, "a");
    settle(fixture);
    give(fixture, 1, 2, "a");
    settle(fixture);
    assert_int_equal(fixture->fake.cancelled, 1);
    let_runtime(fixture, "xd");
    assert_heard(fixture, "chunk 1/2 #0 x\ndone 1/2\n");
}

static void destruction_ends_runs(void **state)
{
    struct fixture *fixture = *state;

    fixture->fake.behaviour = FAKE_HOLD;
    give(fixture, 1, 1, "a");
    settle(fixture);
    bridge_destroy(&fixture->bridge);
    assert_int_equal(fixture->fake.cancelled, 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        BRIDGE_TEST(a_question_is_streamed_and_has_one_reply),
        BRIDGE_TEST(a_turn_leaves_in_one_frame),
        BRIDGE_TEST(the_chunks_of_a_millisecond_share_a_frame),
        BRIDGE_TEST(a_slow_run_is_streamed_as_it_speaks),
        BRIDGE_TEST(the_runtime_is_woken_when_it_asked_for_it),
        BRIDGE_TEST(a_backlog_is_told_to_the_runtime),
        BRIDGE_TEST(a_question_without_text_is_an_empty_one),
        BRIDGE_TEST(text_is_unescaped),
        BRIDGE_TEST(a_body_that_is_no_json_fails),
        BRIDGE_TEST(an_unknown_agent_fails),
        BRIDGE_TEST(work_beyond_the_credit_is_refused),
        BRIDGE_TEST(a_full_runtime_is_asked_again_at_the_next_tick),
        BRIDGE_TEST(an_answer_without_end_is_ended),
        BRIDGE_TEST(an_answer_has_a_largest_size),
        BRIDGE_TEST(what_was_held_back_counts_towards_the_largest_size),
        BRIDGE_TEST(failure_ends_a_run),
        BRIDGE_TEST(a_cancelled_run_ends_in_silence),
        BRIDGE_TEST(a_question_taken_back_before_it_began_is_never_asked),
        BRIDGE_TEST(a_further_attempt_replaces_the_former),
        BRIDGE_TEST(destruction_ends_runs),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
