/* What the store's tests share: a directory that goes away, and records made of few words. */
#ifndef TESTS_UNIT_STORE_FIXTURE_H
#define TESTS_UNIT_STORE_FIXTURE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <fcntl.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "proto/base/error.h"
#include "proto/base/log.h"
#include "router/store/store.h"

struct store_fixture {
    char directory[64]; /* real, removed with what is in it */
    char path[128];     /* of the database in it */
    char url[160];
    struct store_settings settings;
    char reason[512]; /* of the last open */
};

static inline void fixture_use_path(struct store_fixture *fixture, const char *name)
{
    snprintf(fixture->path, sizeof(fixture->path), "%s/%s", fixture->directory, name);
    snprintf(fixture->url, sizeof(fixture->url), "sqlite:%s", fixture->path);
    fixture->settings = (struct store_settings){.url = fixture->url};
}

static inline int fixture_set_up(void **state)
{
    struct store_fixture *fixture = calloc(1, sizeof(*fixture));

    log_configure("test", LOG_LEVEL_ERROR, LOG_FORMAT_LOGFMT);
    snprintf(fixture->directory, sizeof(fixture->directory), "/tmp/test_store.XXXXXX");
    if (mkdtemp(fixture->directory) == NULL)
        return -1;
    fixture_use_path(fixture, "store.db");
    *state = fixture;
    return 0;
}

static inline int fixture_remove(const char *path, const struct stat *status, int type,
                                 struct FTW *where)
{
    (void)status;
    (void)type;
    (void)where;
    return remove(path);
}

static inline int fixture_tear_down(void **state)
{
    struct store_fixture *fixture = *state;

    nftw(fixture->directory, fixture_remove, 8, FTW_DEPTH | FTW_PHYS);
    free(fixture);
    return 0;
}

static inline struct store *fixture_try_open(struct store_fixture *fixture)
{
    fixture->reason[0] = '\0';
    return store_open(&fixture->settings, fixture->reason, sizeof(fixture->reason));
}

static inline struct store *fixture_open(struct store_fixture *fixture)
{
    struct store *store = fixture_try_open(fixture);

    if (store == NULL)
        print_error("%s\n", fixture->reason);
    assert_non_null(store);
    return store;
}

static inline struct store *fixture_open_reader(struct store_fixture *fixture)
{
    struct store *store;

    fixture->settings.read_only = true;
    store = fixture_open(fixture);
    fixture->settings.read_only = false;
    return store;
}

/* Opens, expects a refusal of one line that has both words in it, the path counting as one. */
static inline void fixture_expect_refusal(struct store_fixture *fixture, const char *word)
{
    struct store *store = fixture_try_open(fixture);

    if (store != NULL)
        store_close(&store);
    else if (strstr(fixture->reason, word) != NULL && strstr(fixture->reason, fixture->path) &&
             strchr(fixture->reason, '\n') == NULL)
        return;
    fail_msg("expected a refusal with \"%s\", got \"%s\"", word, fixture->reason);
}

/* --- batches --- */

static inline int commit(struct store *store, struct store_batch **batch)
{
    int result = store->backend->commit(store, *batch);

    store_batch_destroy(batch);
    return result;
}

/* A UUID that is the same for the same number. */
static inline struct slice test_uuid(uint64_t number, char out[UUID_TEXT_SIZE])
{
    snprintf(out, UUID_TEXT_SIZE, "018f0000-%04x-7000-8000-%012llx",
             (unsigned)(number >> 16 & 0xffff), (unsigned long long)number & 0xffffffffffff);
    return slice_of(out, UUID_TEXT_LENGTH);
}

static inline void add_message(struct store_batch *batch, uint64_t room, uint64_t seq, uint64_t id,
                               int64_t created_at, struct slice body)
{
    char uuid[UUID_TEXT_SIZE];
    struct message_record message = {.room = room,
                                     .seq = seq,
                                     .id = test_uuid(id, uuid),
                                     .sender = SLICE_LITERAL("somebody"),
                                     .created_at = created_at,
                                     .body = body};

    store_batch_add_message(batch, &message);
}

static inline void add_room(struct store_batch *batch, uint64_t number, const char *id)
{
    struct room_record room = {.number = number,
                               .id = slice_of_string(id),
                               .epoch = number + 1000,
                               .type = SLICE_LITERAL("GROUP")};

    store_batch_put_room(batch, &room);
}

/* --- queries --- */

static inline struct store_page *ask(struct store *store, const struct store_query *query)
{
    struct store_page *page = store_page_new(query);

    assert_int_equal(store->backend->query(store, query, page), 0);
    assert_int_equal(page->error, 0);
    return page;
}

/* --- loading: everything handed over, counted and in part kept --- */

enum { LOADED_MAX = 4096 };

struct loaded {
    struct store_loader loader;
    size_t rooms, participants, agents, jobs, recent;
    struct room_record last_room; /* slices in arena */
    struct agent_record last_agent;
    uint64_t job_numbers[LOADED_MAX];
    struct job_record last_job;
    uint64_t recent_seqs[LOADED_MAX];
    struct message_record last_recent;
    struct slice participant_ids[LOADED_MAX];
    uint64_t participant_rooms[LOADED_MAX];
    int stage; /* the members of struct store_loader come in order */
    struct arena arena;
};

static inline void loaded_stage(struct loaded *loaded, int stage)
{
    assert_true(loaded->stage <= stage);
    loaded->stage = stage;
}

static inline void loaded_room(void *context, const struct room_record *room)
{
    struct loaded *loaded = context;
    struct room_record *own = &loaded->last_room;

    loaded_stage(loaded, 0);
    loaded->rooms++;
    *own = *room;
    own->id = arena_copy(&loaded->arena, room->id);
    own->server_id = arena_copy(&loaded->arena, room->server_id);
    own->name = arena_copy(&loaded->arena, room->name);
    own->type = arena_copy(&loaded->arena, room->type);
    own->source_type = arena_copy(&loaded->arena, room->source_type);
    own->metadata = arena_copy(&loaded->arena, room->metadata);
}

static inline void loaded_participant(void *context, uint64_t room, struct slice id)
{
    struct loaded *loaded = context;

    loaded_stage(loaded, 1);
    assert_true(loaded->participants < LOADED_MAX);
    loaded->participant_rooms[loaded->participants] = room;
    loaded->participant_ids[loaded->participants++] = arena_copy(&loaded->arena, id);
}

static inline void loaded_agent(void *context, const struct agent_record *agent)
{
    struct loaded *loaded = context;

    loaded_stage(loaded, 2);
    loaded->agents++;
    loaded->last_agent = *agent;
    loaded->last_agent.id = arena_copy(&loaded->arena, agent->id);
    loaded->last_agent.name = arena_copy(&loaded->arena, agent->name);
    loaded->last_agent.details = arena_copy(&loaded->arena, agent->details);
}

static inline void loaded_job(void *context, const struct job_record *job)
{
    struct loaded *loaded = context;

    loaded_stage(loaded, 3);
    assert_true(loaded->jobs < LOADED_MAX);
    loaded->job_numbers[loaded->jobs++] = job->number;
    loaded->last_job = *job;
    loaded->last_job.question = arena_copy(&loaded->arena, job->question);
    loaded->last_job.agent = arena_copy(&loaded->arena, job->agent);
    loaded->last_job.reply = arena_copy(&loaded->arena, job->reply);
    loaded->last_job.asker_edge = arena_copy(&loaded->arena, job->asker_edge);
}

static inline void loaded_recent(void *context, const struct message_record *message)
{
    struct loaded *loaded = context;

    loaded_stage(loaded, 4);
    assert_true(loaded->recent < LOADED_MAX);
    loaded->recent_seqs[loaded->recent++] = message->seq;
    loaded->last_recent = *message;
    loaded->last_recent.id = arena_copy(&loaded->arena, message->id);
    loaded->last_recent.sender = arena_copy(&loaded->arena, message->sender);
    loaded->last_recent.client_message_id = arena_copy(&loaded->arena, message->client_message_id);
    loaded->last_recent.in_reply_to = arena_copy(&loaded->arena, message->in_reply_to);
}

static inline struct loaded *load(struct store *store, int64_t recent_since)
{
    struct loaded *loaded = calloc(1, sizeof(*loaded));

    arena_init(&loaded->arena);
    loaded->loader = (struct store_loader){.context = loaded,
                                           .room = loaded_room,
                                           .participant = loaded_participant,
                                           .agent = loaded_agent,
                                           .open_job = loaded_job,
                                           .recent = loaded_recent,
                                           .recent_since = recent_since};
    assert_int_equal(store->backend->load(store, &loaded->loader), 0);
    return loaded;
}

static inline void loaded_destroy(struct loaded *loaded)
{
    arena_deinit(&loaded->arena);
    free(loaded);
}

#define assert_slice(slice, text) assert_true(slice_is((slice), (text)))

#endif
