#include "tests/sim/oracle.h"

#include <stdlib.h>
#include <utlist.h>

#include "proto/base/memory.h"
#include "tests/sim/runtime_simulated.h"

/* What the oracle writes behind a stored message. */
struct note {
    struct slice sender;
    struct slice text;
    struct letter *letter; /* NULL: an agent's */
    const struct stored_message *question; /* of a reply */
    unsigned jobs;         /* by agent, one bit each */
    unsigned replies;      /* likewise */
};

void oracle_init(struct oracle *oracle, struct world *world, struct memory_store *store,
                 const struct actor *router)
{
    *oracle = (struct oracle){.world = world, .store = store, .router = router};
}

static int agent_of(const struct oracle *oracle, struct slice id)
{
    for (size_t i = 0; i < oracle->agent_count; i++) {
        if (slice_equals(oracle->agents[i], id)) {
            return (int)i;
        }
    }
    return -1;
}

static const struct note *note_of(const struct stored_message *message)
{
    return message->notes;
}

static bool has_faults(const struct oracle *oracle)
{
    return oracle->world->profile->fault_every > 0;
}

/* Does an answer follow from its question alone? */
static bool is_foretold(const struct oracle *oracle)
{
    return !oracle->is_eliza && oracle->world->profile->agent_diverges == 0;
}

/* --- what is stored ----------------------------------------------------------------------------- */

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
    struct letter *letter = letter_of_text(oracle, note->text);
    struct slice id = message->record.id;
    note->letter = letter;
    if (letter == NULL || room_of_name(message->room->record.id) != (int)letter->room ||
        !slice_is(note->sender, letter->author->entity_id)) {
        world_fail(oracle->world, "committed", "nobody sent %.*s", (int)note->text.length,
                   note->text.data);
    } else if (letter->stored != NULL) {
        world_fail(oracle->world, "exactly-once", "letter %u.%u is stored as %.*s and as %.*s",
                   letter->author->number, letter->number,
                   (int)letter->stored->record.id.length, letter->stored->record.id.data,
                   (int)id.length, id.data);
    } else {
        letter->stored = message;
    }
}

static bool is_answer(const struct oracle *oracle, struct slice question, struct slice answer)
{
    struct buffer expected = BUFFER_EMPTY;
    runtime_simulated_answer(question, &expected);
    bool is_it = !is_foretold(oracle) || slice_equals(buffer_slice(&expected), answer);
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

static void reply_committed(struct oracle *oracle, struct stored_message *message,
                            struct note *note)
{
    struct world *world = oracle->world;
    struct slice question_id = message->record.in_reply_to;
    struct stored_message *question = memory_store_message(oracle->store, question_id);
    int agent = agent_of(oracle, message->record.sender);
    char id[UUID_TEXT_SIZE];
    if (question == NULL || agent < 0 || question->room != message->room ||
        question->record.kind != MESSAGE_KIND_USER) {
        world_fail(world, "reply", "%.*s answers nothing", (int)message->record.id.length,
                   message->record.id.data);
        return;
    }
    /* A reply that the store did not take is asked for again, and a later one may be under way. */
    bool may_not_overtake = world->profile->store_failures == 0;
    struct note *asked = question->notes;
    note->question = question;
    uuid_of_reply(question_id, message->record.sender, id);
    if (!slice_is(message->record.id, id)) {
        world_fail(world, "reply", "%s is stored under another id", id);
    } else if (!is_answer(oracle, asked->text, note->text)) {
        world_fail(world, "reply", "%s is \"%.*s\"", id, (int)note->text.length, note->text.data);
    } else if (may_not_overtake && overtakes(message, question)) {
        world_fail(world, "reply", "%s comes after the reply to a later question", id);
    }
    asked->replies |= 1U << agent;
    oracle->replied++;
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
    struct note *note = note_new(oracle, message);
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
    } else if (message->record.kind == MESSAGE_KIND_AGENT) {
        reply_committed(oracle, message, note);
    } else {
        letter_committed(oracle, message, note);
    }
}

/* --- joins -------------------------------------------------------------------------------------- */

static struct stored_room *room_at(const struct oracle *oracle, unsigned room)
{
    return memory_store_room(oracle->store, slice_of_string(room_name(room)));
}

static size_t count_between(const struct stored_room *room, uint64_t after, uint64_t through)
{
    return room == NULL ? 0 : memory_store_after(room, through) - memory_store_after(room, after);
}

static void check_replay(struct oracle *oracle, struct client *client, unsigned room,
                         const struct told_join *told)
{
    struct world *world = oracle->world;
    struct attendance *attendance = &client->rooms[room];
    size_t missed = count_between(room_at(oracle, room), attendance->cursor, told->seq);
    bool is_other_line = attendance->epoch != told->epoch && attendance->cursor > 0;
    if (told->is_complete && (is_other_line || told->replay_count != missed)) {
        world_fail(world, "replay", "%s missed %zu of %s and is promised %zu", client->name,
                   missed, room_name(room), told->replay_count);
    } else if (!told->is_complete && !is_other_line && missed <= (size_t)oracle->replay_max &&
               world->profile->store_failures == 0) {
        world_fail(world, "replay", "%s missed %zu of %s and does not get them", client->name,
                   missed, room_name(room));
    } else if (!told->is_complete && told->replay_count > 0) {
        world_fail(world, "replay", "%s gets a part of what it missed", client->name);
    }
    oracle->replayed += told->replay_count;
}

static void check_members(struct oracle *oracle, const struct client *client, unsigned room,
                          const struct told_join *told)
{
    if ((told->view & (UINT64_C(1) << client->entity)) == 0 ||
        told->listed != told->member_count) {
        world_fail(oracle->world, "presence", "%s joins %s and gets the list %llx, %zu of %llu",
                   client->name, room_name(room), (unsigned long long)told->view, told->listed,
                   (unsigned long long)told->member_count);
    }
}

void oracle_joined(struct oracle *oracle, struct client *client, unsigned room,
                   const struct told_join *told)
{
    struct attendance *attendance = &client->rooms[room];
    struct stored_room *stored = room_at(oracle, room);
    bool is_again = attendance->state == ATTENDANCE_IN;
    if (told->seq > (stored == NULL ? 0 : stored->record.last_seq)) {
        world_fail(oracle->world, "committed", "%s joins %s at seq %llu", client->name,
                   room_name(room), (unsigned long long)told->seq);
    }
    check_members(oracle, client, room, told);
    attendance->view = told->view;
    if (is_again) {
        if (attendance->cursor < told->seq && attendance->epoch == told->epoch) {
            world_fail(oracle->world, "order", "%s is at %llu of %s, which was said to %llu",
                       client->name, (unsigned long long)attendance->cursor, room_name(room),
                       (unsigned long long)told->seq);
        }
        return;
    }
    attendance->state = ATTENDANCE_IN;
    if (!client->is_severed) {
        oracle_held(oracle, room, client->entity);
    }
    if (told->has_replay) {
        check_replay(oracle, client, room, told);
    }
    if (told->is_complete) {
        attendance->replay_left = told->replay_count;
    } else {
        attendance->cursor = told->seq;
    }
    attendance->has_cursor = true;
    attendance->floor = told->seq;
    attendance->epoch = told->epoch;
}

/* --- messages ----------------------------------------------------------------------------------- */

static struct stored_message *check_stored(struct oracle *oracle, const struct client *client,
                                           unsigned room, const struct told_message *told)
{
    struct stored_message *message = memory_store_message(oracle->store, told->id);
    if (message == NULL || message->room != room_at(oracle, room) ||
        message->record.seq != told->seq || message->room->record.epoch != told->epoch ||
        !slice_equals(message->record.sender, told->sender) ||
        !slice_equals(note_of(message)->text, told->text) ||
        !slice_equals(message->record.in_reply_to, told->in_reply_to)) {
        world_fail(oracle->world, "committed", "%s is told %.*s of %s, seq %llu, as it is not",
                   client->name, (int)told->id.length, told->id.data, room_name(room),
                   (unsigned long long)told->seq);
        return NULL;
    }
    return message;
}

/* The letter of this client that a message is, or answers; NULL: neither. */
static struct letter *own_letter(struct oracle *oracle, const struct client *client,
                                 const struct stored_message *message)
{
    const struct stored_message *question =
        message->record.in_reply_to.length == 0
            ? message
            : memory_store_message(oracle->store, message->record.in_reply_to);
    struct letter *letter = question == NULL ? NULL : note_of(question)->letter;
    return letter != NULL && letter->author == client ? letter : NULL;
}

/* Outside its rooms a client gets its own messages, and the answers to them. */
static void told_outside(struct oracle *oracle, const struct client *client, unsigned room,
                         const struct stored_message *message, const struct told_message *told)
{
    struct letter *letter = own_letter(oracle, client, message);
    int agent = agent_of(oracle, message->record.sender);
    unsigned bit = agent < 0 ? 0 : 1U << agent;
    if (letter == NULL || letter->connection != client->serial || told->is_replay) {
        world_fail(oracle->world, "stranger", "%s gets %.*s of %s", client->name,
                   (int)told->id.length, told->id.data, room_name(room));
        return;
    }
    if (told->in_reply_to.length == 0 && ++letter->echoes > letter->emissions) {
        world_fail(oracle->world, "exactly-once", "%s gets its own letter %u twice", client->name,
                   letter->number);
    } else if ((letter->answered_by & bit) != 0) {
        world_fail(oracle->world, "exactly-once", "%s gets an answer to letter %u twice",
                   client->name, letter->number);
    }
    letter->answered_by |= bit;
}

static void told_in_order(struct oracle *oracle, struct client *client, unsigned room,
                          const struct stored_message *message, const struct told_message *told)
{
    struct attendance *attendance = &client->rooms[room];
    struct stored_room *stored = message->room;
    size_t at = memory_store_after(stored, attendance->cursor);
    bool is_replayed = attendance->replay_left > 0;
    if (told->is_replay != is_replayed) {
        world_fail(oracle->world, "replay", "%s gets %.*s of %s %s", client->name,
                   (int)told->id.length, told->id.data, room_name(room),
                   is_replayed ? "amid a replay" : "as a replay");
    } else if (at == stored->count || stored->messages[at] != message) {
        world_fail(oracle->world, "order", "%s is at seq %llu of %s and gets %llu, not %llu",
                   client->name, (unsigned long long)attendance->cursor, room_name(room),
                   (unsigned long long)told->seq,
                   (unsigned long long)(at == stored->count ? 0
                                                            : stored->messages[at]->record.seq));
    }
    attendance->replay_left -= is_replayed;
    attendance->cursor = told->seq;
    attendance->epoch = told->epoch;
}

static void check_assembly(struct oracle *oracle, struct client *client, unsigned room,
                           const struct told_message *told)
{
    struct attendance *attendance = &client->rooms[room];
    struct assembly *assembly;
    LL_FOREACH(attendance->assemblies, assembly) {
        if (slice_is(told->id, assembly->reply)) {
            break;
        }
    }
    if (assembly == NULL) {
        return;
    }
    struct slice text = buffer_slice(&assembly->text);
    bool is_beginning = text.length <= told->text.length &&
                        (text.length == 0 || memcmp(text.data, told->text.data, text.length) == 0);
    bool may_differ = !is_foretold(oracle) && has_faults(oracle);
    if (assembly->is_whole && !may_differ &&
        (!is_beginning || (!has_faults(oracle) && text.length != told->text.length))) {
        world_fail(oracle->world, "chunks", "%s: \"%.*s\" was streamed as \"%.*s\"", client->name,
                   (int)told->text.length, told->text.data, (int)text.length, text.data);
    }
    LL_DELETE(attendance->assemblies, assembly);
    buffer_deinit(&assembly->text);
    free(assembly);
}

void oracle_told(struct oracle *oracle, struct client *client, unsigned room,
                 const struct told_message *told)
{
    struct attendance *attendance = &client->rooms[room];
    struct stored_message *message = check_stored(oracle, client, room, told);
    if (message == NULL) {
        return;
    }
    bool was_held = attendance->state == ATTENDANCE_IN && attendance->replay_left == 0 &&
                    told->seq <= attendance->floor;
    if (attendance->state != ATTENDANCE_IN || (was_held && told->in_reply_to.length > 0)) {
        told_outside(oracle, client, room, message, told);
    } else {
        told_in_order(oracle, client, room, message, told);
    }
    check_assembly(oracle, client, room, told);
}

/* --- acknowledgements --------------------------------------------------------------------------- */

void oracle_acked(struct oracle *oracle, struct letter *letter, const struct told_ack *told)
{
    struct world *world = oracle->world;
    struct stored_message *message = memory_store_message(oracle->store, told->id);
    const char *name = letter->author->name;
    if (message == NULL || message != letter->stored || message->record.seq != told->seq ||
        message->room->record.epoch != told->epoch) {
        world_fail(world, "committed", "%s: letter %u is acknowledged as %.*s, seq %llu, as it is "
                   "not", name, letter->number, (int)told->id.length, told->id.data,
                   (unsigned long long)told->seq);
        return;
    }
    if (letter->is_acked && !slice_is(told->id, letter->message_id)) {
        world_fail(world, "exactly-once", "%s: letter %u was acknowledged as %s before", name,
                   letter->number, letter->message_id);
    }
    if (told->is_duplicate && letter->all_emissions == 1) {
        world_fail(world, "exactly-once", "%s: letter %u was sent once and is a duplicate", name,
                   letter->number);
    }
    if (!has_faults(oracle) && letter->is_acked && letter->all_emissions > 1 &&
        letter->connection == letter->author->serial && letter->answers == letter->emissions &&
        letter->emissions > 1 && !told->is_duplicate) {
        world_fail(world, "exactly-once", "%s: a repeat of letter %u is no duplicate", name,
                   letter->number);
    }
    if (!letter->is_acked) {
        memcpy(letter->message_id, told->id.data, UUID_TEXT_LENGTH);
        letter->no_agent = told->no_agent;
        oracle->acked++;
    }
    letter->is_acked = letter->is_settled = true;
}

/* --- chunks ------------------------------------------------------------------------------------- */

static struct assembly *assembly_of(struct attendance *attendance, struct slice reply)
{
    struct assembly *assembly;
    LL_FOREACH(attendance->assemblies, assembly) {
        if (slice_is(reply, assembly->reply)) {
            return assembly;
        }
    }
    assembly = memory_allocate_zeroed(sizeof(*assembly));
    memcpy(assembly->reply, reply.data,
           reply.length < UUID_TEXT_LENGTH ? reply.length : UUID_TEXT_LENGTH);
    LL_PREPEND(attendance->assemblies, assembly);
    return assembly;
}

void oracle_chunk(struct oracle *oracle, struct client *client, unsigned room,
                  const struct told_chunk *told)
{
    struct attendance *attendance = &client->rooms[room];
    struct stored_message *question = memory_store_message(oracle->store, told->question);
    struct stored_message *reply = memory_store_message(oracle->store, told->reply);
    if (question == NULL || (attendance->state != ATTENDANCE_IN &&
                             own_letter(oracle, client, question) == NULL)) {
        world_fail(oracle->world, "stranger", "%s gets a piece of a reply in %s", client->name,
                   room_name(room));
        return;
    }
    if (attendance->state != ATTENDANCE_IN) {
        return;
    }
    if (reply != NULL && attendance->cursor >= reply->record.seq &&
        reply->record.seq > attendance->floor) {
        world_fail(oracle->world, "chunks", "%s has %.*s and gets more pieces of it",
                   client->name, (int)told->reply.length, told->reply.data);
        return;
    }
    struct assembly *assembly = assembly_of(attendance, told->reply);
    bool is_known = assembly->text.length > 0;
    if (told->index == 0 || told->is_reset) {
        if (is_known && !told->is_reset) {
            world_fail(oracle->world, "chunks", "%s gets the first piece of %.*s again",
                       client->name, (int)told->reply.length, told->reply.data);
        }
        buffer_clear(&assembly->text);
        assembly->is_whole = true;
    } else if (told->index != assembly->next_index) {
        assembly->is_whole = false;
    }
    assembly->next_index = told->index + 1;
    buffer_append_slice(&assembly->text, told->text);
}

void oracle_completed(struct oracle *oracle, const struct client *client, struct slice reply,
                      bool has_succeeded)
{
    bool is_stored = memory_store_message(oracle->store, reply) != NULL;
    if (has_succeeded != is_stored) {
        world_fail(oracle->world, "reply", "%s is told that %.*s has %s, and it is %s",
                   client->name, (int)reply.length, reply.data,
                   has_succeeded ? "succeeded" : "failed", is_stored ? "there" : "not there");
    }
}

/* --- the end ------------------------------------------------------------------------------------ */

bool oracle_is_up_to_date(const struct oracle *oracle, const struct client *client,
                          unsigned room)
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

struct slice oracle_id_of(const struct stored_message *message)
{
    return message->record.id;
}

static void check_job(struct oracle *oracle, const struct stored_job *job)
{
    struct world *world = oracle->world;
    const struct profile *profile = world->profile;
    struct stored_message *question =
        memory_store_message(oracle->store, job->record.question);
    int agent = agent_of(oracle, job->record.agent);
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
    bool is_right = job->record.state == JOB_DONE ? has_reply : !has_reply;
    bool may_be = job->record.state == JOB_DONE ||
                  (job->record.state == JOB_FAILED &&
                   (profile->agent_failures > 0 || profile->store_failures > 0)) ||
                  (job->record.state == JOB_CANCELLED && profile->controls > 0);
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
    bool wants_jobs = letter->asks_agent && letter->is_acked && !letter->no_agent &&
                      oracle->router->life == 1;
    if (letter->has_id && !letter->is_acked) {
        world_fail(oracle->world, "answered", "letter %u.%u was never acknowledged",
                   letter->author->number, letter->number);
    } else if ((wants_jobs && jobs == 0) || (jobs > 0 && !letter->asks_agent) ||
               (jobs > 0 && letter->is_acked && letter->no_agent)) {
        world_fail(oracle->world, "reply", "letter %u.%u asks %s and has jobs %x",
                   letter->author->number, letter->number,
                   letter->asks_agent ? "an agent" : "nobody", jobs);
    }
}

void oracle_check_end(struct oracle *oracle)
{
    struct stored_job *job, *next;
    HASH_ITER(hh, oracle->store->jobs, job, next) {
        check_job(oracle, job);
    }
    for (size_t i = 0; i < oracle->client_count; i++) {
        const struct letter *letter;
        LL_FOREACH(oracle->clients[i].letters, letter) {
            check_letter(oracle, letter);
        }
    }
}
