#include "tests/sim/oracle_internal.h"

#include <string.h>
#include <utlist.h>

#include "proto/base/memory.h"
#include "proto/wire/chat_event.h"
#include "tests/sim/runtime_simulated.h"

enum {
    PATIENCE_MS = 3000,
    QUESTION_MS_MAX = 1000 /* of one question with a bridge */
};

void oracle_init(struct oracle *oracle, struct world *world, struct memory_store *store,
                 const struct actor *router)
{
    *oracle = (struct oracle){.world = world, .store = store, .router = router};
}

int oracle_agent_of(const struct oracle *oracle, struct slice id)
{
    for (size_t i = 0; i < oracle->agent_count; i++) {
        if (slice_equals(oracle->agents[i], id)) {
            return (int)i;
        }
    }
    return -1;
}

/* --- what is stored --------------------------------------------------------------------------- */

static struct note *note_new(struct oracle *oracle, const struct stored_message *message)
{
    struct slice body = message->record.body;
    struct arena *arena = &oracle->store->arena;
    char *object = arena_allocate(arena, body.length + 2);
    struct note *note = memory_allocate_zeroed(sizeof(*note));
    struct slice value;
    object[0] = '{';
    memcpy(object + 1, body.data, body.length);
    object[body.length + 1] = '}';
    if (json_scan(slice_of(object, body.length + 2), JSON_MAX_DEPTH, &value) != 0) {
        world_fail(oracle->world, "committed", "a body is no JSON: %.*s", (int)body.length,
                   body.data);
        return note;
    }
    note->sender = json_decode_string(json_get(value, "senderId"), arena);
    note->text = json_decode_string(json_get(value, "text"), arena);
    return note;
}

/* "#client.number words" */
static struct letter *letter_of_text(struct oracle *oracle, struct slice text)
{
    unsigned client = 0, number = 0;
    struct letter *letter = NULL;
    size_t i = 1;
    for (; i < text.length && text.data[i] != '.'; i++) {
        client = client * 10 + (unsigned)(text.data[i] - '0');
    }
    for (i++; i < text.length && text.data[i] != ' ' && text.data[i] != 'x'; i++) {
        number = number * 10 + (unsigned)(text.data[i] - '0');
    }
    if (text.length > 0 && text.data[0] == '#' && client < oracle->client_count) {
        LL_SEARCH_SCALAR(oracle->clients[client].letters, letter, number, number);
    }
    return letter;
}

static void letter_committed(struct oracle *oracle, struct stored_message *message,
                             struct note *note)
{
    struct slice id = message->record.id;
    if (askers_committed(oracle->askers, message, note->sender, note->text)) {
        return;
    }
    struct letter *letter = letter_of_text(oracle, note->text);
    note->letter = letter;
    if (letter == NULL || room_of_name(message->room->record.id) != (int)letter->room ||
        !slice_is(note->sender, letter->author->entity_id)) {
        world_fail(oracle->world, "committed", "nobody sent %.*s", (int)note->text.length,
                   note->text.data);
    } else if (!oracle_is_open(oracle, letter->room, letter->author->entity_id)) {
        world_fail(oracle->world, "isolation", "letter %u.%u is stored in a room that is closed",
                   letter->author->number, letter->number);
    } else if (letter->stored != NULL) {
        world_fail(oracle->world, "exactly-once", "letter %u.%u is stored as %.*s and as %.*s",
                   letter->author->number, letter->number, (int)letter->stored->record.id.length,
                   letter->stored->record.id.data, (int)id.length, id.data);
    } else {
        letter->stored = message;
    }
}

static bool is_answer(const struct oracle *oracle, struct slice question, struct slice answer,
                      bool was_stopped)
{
    struct buffer expected = BUFFER_EMPTY;
    runtime_simulated_answer(question, &expected);
    bool is_so_far = was_stopped && answer.length > 0 && answer.length <= expected.length &&
                     memcmp(answer.data, expected.data, answer.length) == 0;
    bool is_it = !is_foretold(oracle) || is_so_far ||
                 (!was_stopped && slice_equals(buffer_slice(&expected), answer));
    buffer_deinit(&expected);
    return is_it;
}

/* Replies of one agent in one room keep the order of the questions. */
static bool overtakes(const struct stored_message *reply, const struct stored_message *question)
{
    const struct stored_room *room = reply->room;
    for (size_t i = memory_store_after(room, reply->record.seq) - 1; i > 0; i--) {
        const struct stored_message *former = room->messages[i - 1];
        if (slice_equals(former->record.sender, reply->record.sender)) {
            const struct stored_message *its_question = note_of(former)->question;
            return its_question != NULL && its_question->record.seq > question->record.seq;
        }
    }
    return false;
}

/*
 * Bridges are there, and a question costs them a second or so at most: its turn comes when those
 * that were asked before it, and what was said since, have had theirs.
 */
static bool is_starved(const struct oracle *oracle, const struct stored_message *reply,
                       const struct stored_message *question)
{
    const struct profile *profile = oracle->world->profile;
    int64_t waited = reply->record.created_at - question->record.created_at;
    uint64_t before = reply->arrival - question->arrival;
    bool is_served = profile_keeps_links(profile) && profile->weights[FAULT_KILL_BRIDGE] == 0 &&
                     profile->weights[FAULT_KILL_ROUTER] == 0 &&
                     profile->weights[FAULT_STOP_BRIDGE] == 0 &&
                     profile->weights[FAULT_STORE_STALL] == 0;
    return is_served && waited > PATIENCE_MS + (int64_t)before * QUESTION_MS_MAX;
}

static void reply_committed(struct oracle *oracle, struct stored_message *message,
                            struct note *note)
{
    struct world *world = oracle->world;
    struct slice question_id = message->record.in_reply_to;
    struct stored_message *question = memory_store_message(oracle->store, question_id);
    int agent = oracle_agent_of(oracle, message->record.sender);
    char id[UUID_TEXT_SIZE];
    if (question == NULL || agent < 0 || question->room != message->room ||
        question->record.kind != MESSAGE_KIND_USER) {
        world_fail(world, "reply", "%.*s answers nothing", (int)message->record.id.length,
                   message->record.id.data);
        return;
    }
    struct note *asked = question->notes;
    note->question = question;
    uuid_of_reply(question_id, message->record.sender, id);
    if (!slice_is(message->record.id, id)) {
        world_fail(world, "reply", "%s is stored under another id", id);
    } else if (!is_answer(oracle, asked->text, note->text,
                          chat_reply_was_stopped(message->record.body))) {
        world_fail(world, "reply", "%s is \"%.*s\"", id, (int)note->text.length, note->text.data);
    } else if (overtakes(message, question)) {
        world_fail(world, "reply", "%s comes after the reply to a later question", id);
    }
    if (is_starved(oracle, message, question)) {
        world_fail(world, "reply", "the question of %s had to wait for %lld ms", id,
                   (long long)(message->record.created_at - question->record.created_at));
    }
    asked->replies |= 1U << agent;
    oracle->replied++;
}

/* What somebody said over HTTP, or did: under an id of theirs. */
static void call_committed(struct oracle *oracle, const struct stored_message *message)
{
    if (!callers_know(oracle->callers, message->record.id)) {
        world_fail(oracle->world, "committed", "nobody asked for %.*s",
                   (int)message->record.id.length, message->record.id.data);
    }
}

static bool goes_back_in_time(const struct stored_message *message)
{
    const struct stored_room *room = message->room;
    size_t at = memory_store_after(room, message->record.seq);
    return at > 1 && room->messages[at - 2]->record.created_at > message->record.created_at;
}

void oracle_committed(void *context, struct stored_message *message)
{
    struct oracle *oracle = context;
    bool is_event = message->record.kind == MESSAGE_KIND_EVENT;
    struct note *note =
        is_event ? memory_allocate_zeroed(sizeof(*note)) : note_new(oracle, message);
    message->notes = note;
    world_tell(oracle->world, "stored: %s seq %llu %.*s \"%.*s\"",
               message->room->has_row ? message->room->record.id.data : "?",
               (unsigned long long)message->record.seq, (int)message->record.id.length,
               message->record.id.data, (int)note->text.length, note->text.data);
    if (goes_back_in_time(message)) {
        world_fail(oracle->world, "committed", "a message is older than the one before it");
    }
    if (!message->room->has_row) {
        world_fail(oracle->world, "committed", "a message is stored in a room that is not");
    } else if (is_event || (message->record.kind == MESSAGE_KIND_AGENT &&
                            message->record.in_reply_to.length == 0)) {
        call_committed(oracle, message);
    } else if (message->record.kind == MESSAGE_KIND_AGENT) {
        reply_committed(oracle, message, note);
    } else {
        letter_committed(oracle, message, note);
    }
}

/* --- the end ---------------------------------------------------------------------------------- */

bool oracle_is_up_to_date(const struct oracle *oracle, const struct client *client, unsigned room)
{
    const struct stored_room *stored = room_at(oracle, room);
    return stored == NULL || client->rooms[room].cursor >= stored->record.last_seq;
}

const struct stored_message *oracle_message_at(const struct oracle *oracle, uint64_t epoch,
                                               uint64_t seq, unsigned room)
{
    const struct stored_room *stored = room_at(oracle, room);
    if (stored == NULL || stored->record.epoch != epoch || seq == 0) {
        return NULL;
    }
    size_t at = memory_store_after(stored, seq - 1);
    bool is_there = at < stored->count && stored->messages[at]->record.seq == seq;
    return is_there ? stored->messages[at] : NULL;
}

bool oracle_is_text_of(const struct stored_message *message, struct slice text)
{
    struct buffer member = BUFFER_EMPTY;
    json_write_string_member(&member, "text", text);
    const struct slice body = message->record.body;
    bool is_now =
        member.length > 0 && memmem(body.data, body.length, member.data, member.length) != NULL;
    buffer_deinit(&member);
    return is_now || slice_equals(note_of(message)->text, text);
}

struct slice oracle_id_of(const struct stored_message *message)
{
    return message->record.id;
}

static void check_job(struct oracle *oracle, const struct stored_job *job)
{
    struct world *world = oracle->world;
    const struct profile *profile = world->profile;
    struct stored_message *question = memory_store_message(oracle->store, job->record.question);
    int agent = oracle_agent_of(oracle, job->record.agent);
    if (question == NULL || agent < 0) {
        world_fail(world, "reply", "job %llu has no question",
                   (unsigned long long)job->record.number);
        return;
    }
    struct note *asked = question->notes;
    bool has_reply = (asked->replies & (1U << agent)) != 0;
    if ((asked->jobs & (1U << agent)) != 0) {
        world_fail(world, "reply", "job %llu is a second one for its question",
                   (unsigned long long)job->record.number);
    }
    asked->jobs |= 1U << agent;
    /* One that was stopped has a reply if it had said something. */
    bool is_right =
        job->record.state == JOB_CANCELLED || (job->record.state == JOB_DONE) == has_reply;
    bool was_unlucky = oracle->bridge_deaths >= oracle->job_attempts ||
                       profile->weights[FAULT_PAUSE_BRIDGE] > 0 || !profile_keeps_links(profile);
    bool may_be = job->record.state == JOB_DONE ||
                  (job->record.state == JOB_FAILED &&
                   (profile->agent_failures > 0 || profile->store_failures > 0 || was_unlucky)) ||
                  (job->record.state == JOB_CANCELLED &&
                   (profile->controls > 0 || !memory_store_shows(question)));
    if (!is_right || !may_be) {
        world_fail(world, "reply", "job %llu ended in state %d and its question has %s reply",
                   (unsigned long long)job->record.number, (int)job->record.state,
                   has_reply ? "a" : "no");
    }
}

static void check_letter(struct oracle *oracle, const struct letter *letter)
{
    unsigned jobs = letter->stored == NULL ? 0 : note_of(letter->stored)->jobs;
    /* A router that starts anew does not know of what it acknowledges again that nobody answers. */
    bool wants_jobs =
        letter->asks_agent && letter->is_acked && !letter->no_agent && oracle->router->life == 1;
    if (letter->has_id && !letter->is_acked && !letter->is_refused) {
        world_fail(oracle->world, "answered", "letter %u.%u was never acknowledged",
                   letter->author->number, letter->number);
    } else if ((wants_jobs && jobs == 0) || (jobs > 0 && !letter->asks_agent) ||
               (jobs > 0 && letter->is_acked && letter->no_agent)) {
        world_fail(oracle->world, "reply", "letter %u.%u asks %s and has jobs %x",
                   letter->author->number, letter->number,
                   letter->asks_agent ? "an agent" : "nobody", jobs);
    }
}

static void check_inputs(struct oracle *oracle, const struct client *client)
{
    for (unsigned room = 0; room < client->room_count; room++) {
        const struct attendance *attendance = &client->rooms[room];
        if (attendance->state == ATTENDANCE_IN && attendance->is_input_disabled) {
            world_fail(oracle->world, "chunks", "%s may not write in %s any more", client->name,
                       room_name(room));
        }
    }
}

void oracle_check_end(struct oracle *oracle)
{
    struct stored_job *job, *next;
    HASH_ITER (hh, oracle->store->jobs, job, next) {
        check_job(oracle, job);
    }
    askers_check_end(oracle->askers);
    for (size_t i = 0; i < oracle->client_count; i++) {
        const struct letter *letter;
        LL_FOREACH (oracle->clients[i].letters, letter) {
            check_letter(oracle, letter);
        }
        check_inputs(oracle, &oracle->clients[i]);
    }
}
