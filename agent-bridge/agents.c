#include "agent-bridge/agents.h"

#include <stdlib.h>
#include <utlist.h>

#include "proto/base/agent_uuid.h"
#include "proto/base/error.h"
#include "proto/base/hash.h"
#include "proto/base/json.h"
#include "proto/base/memory.h"
#include "proto/base/utf8.h"

struct entry {
    struct agent agent; /* first; its slices borrow from here */
    char id[UUID_TEXT_SIZE];
    char *name; /* owns */
    struct buffer details;
    char *source; /* owns; may be NULL */
    bool is_retired;
    struct entry *prev, *next; /* agents->retired */
    UT_hash_handle hh;         /* by id, in order of being added */
};

struct agents {
    struct entry *entries; /* owns */
    struct entry *retired; /* owns: in no table any more, but somebody works with them */
};

static struct entry *find(const struct agents *agents, struct slice id)
{
    struct entry *entry;
    HASH_FIND(hh, agents->entries, id.data, id.length, entry);
    return entry;
}

static void free_entry(struct entry *entry)
{
    struct character *character = (struct character *)entry->agent.character;
    character_destroy(&character);
    buffer_deinit(&entry->details);
    free(entry->name);
    free(entry->source);
    free(entry);
}

struct agents *agents_new(void)
{
    return memory_allocate_zeroed(sizeof(struct agents));
}

void agents_destroy(struct agents **self)
{
    struct agents *agents = *self;
    *self = NULL;
    if (agents == NULL) {
        return;
    }
    struct entry *entry, *next;
    HASH_ITER (hh, agents->entries, entry, next) {
        HASH_DEL(agents->entries, entry);
        free_entry(entry);
    }
    while (agents->retired != NULL) {
        entry = agents->retired;
        DL_DELETE(agents->retired, entry);
        free_entry(entry);
    }
    free(agents);
}

static int check(struct slice id, struct slice name)
{
    if (name.length == 0 || !utf8_is_valid(name) || (id.length > 0 && !uuid_is_valid(id))) {
        return ERROR_MALFORMED;
    }
    return name.length > AGENT_NAME_MAX ? ERROR_TOO_LARGE : 0;
}

static void write_details(struct buffer *out, struct slice name, struct slice runtime,
                          struct slice bio)
{
    buffer_append_char(out, '{');
    json_write_string_member(out, "name", name);
    json_write_string_member(out, "runtime", runtime);
    json_write_string_member(out, "bio", bio);
    buffer_append_char(out, '}');
}

/* 0 and the new entry with the details given, which become its own; or why there is none. */
static int add(struct agents *agents, struct slice id, struct slice name, struct buffer *details,
               struct entry **out)
{
    char derived[UUID_TEXT_SIZE];
    int error = check(id, name);
    if (error == 0 && details->length > AGENT_DETAILS_MAX) {
        error = ERROR_TOO_LARGE;
    }
    if (error != 0) {
        return error;
    }
    if (id.length == 0) {
        agent_uuid_from_name(name.data, name.length, derived);
        id = slice_of(derived, UUID_TEXT_LENGTH);
    }
    if (find(agents, id) != NULL) {
        return ERROR_CONFLICT;
    }
    if (HASH_COUNT(agents->entries) >= AGENTS_MAX) {
        return ERROR_LIMIT;
    }
    struct entry *entry = memory_allocate_zeroed(sizeof(*entry));
    memcpy(entry->id, id.data, UUID_TEXT_LENGTH);
    entry->name = memory_copy_string(name.data, name.length);
    entry->details = *details;
    *details = BUFFER_EMPTY;
    entry->agent = (struct agent){.id = slice_of(entry->id, UUID_TEXT_LENGTH),
                                  .name = slice_of(entry->name, name.length),
                                  .details = buffer_slice(&entry->details)};
    HASH_ADD_KEYPTR(hh, agents->entries, entry->id, UUID_TEXT_LENGTH, entry);
    *out = entry;
    return 0;
}

int agents_add(struct agents *agents, struct slice id, struct slice name, struct slice runtime,
               struct slice bio)
{
    struct buffer details = BUFFER_EMPTY;
    struct entry *entry;
    write_details(&details, name, runtime, bio);
    int error = add(agents, id, name, &details, &entry);
    buffer_deinit(&details);
    return error;
}

int agents_add_character(struct agents *agents, struct character **character,
                         struct runtime *runtime, const char *source)
{
    struct buffer details = BUFFER_EMPTY;
    struct entry *entry;
    struct character *self = *character;
    buffer_append_slice(&details, self->details);
    if (runtime != NULL && json_get(self->details, "runtime").length == 0) {
        details.length--; /* '}' */
        json_write_string_member(&details, "runtime", slice_of_string(runtime->class->name));
        buffer_append_char(&details, '}');
    }
    int error = add(agents, self->id, self->name, &details, &entry);
    buffer_deinit(&details);
    if (error == 0) {
        entry->agent.character = self;
        entry->agent.runtime = runtime;
        entry->source = source == NULL ? NULL : memory_copy_string(source, strlen(source));
        *character = NULL;
    }
    return error;
}

/* --- a reload --------------------------------------------------------------------------------- */

static bool is_same(const struct entry *a, const struct entry *b)
{
    return slice_equals(a->agent.details, b->agent.details) &&
           slice_equals(a->agent.name, b->agent.name) && a->agent.runtime == b->agent.runtime;
}

static void retire(struct agents *agents, struct entry *entry)
{
    if (entry->agent.references == 0) {
        free_entry(entry);
    } else {
        entry->is_retired = true;
        DL_APPEND(agents->retired, entry);
    }
}

void agents_replace(struct agents *agents, struct agents **next,
                    const struct agents_listener *listener)
{
    struct agents kept = {0};
    struct entry *entry, *following;
    HASH_ITER (hh, (*next)->entries, entry, following) {
        struct entry *former = find(agents, slice_of(entry->id, UUID_TEXT_LENGTH));
        HASH_DEL((*next)->entries, entry);
        if (former != NULL && is_same(former, entry)) {
            HASH_DEL(agents->entries, former);
            free(former->source);
            former->source = entry->source;
            entry->source = NULL;
            free_entry(entry);
            entry = former;
        } else {
            listener->changed(listener->context, &entry->agent);
        }
        HASH_ADD_KEYPTR(hh, kept.entries, entry->id, UUID_TEXT_LENGTH, entry);
    }
    HASH_ITER (hh, agents->entries, entry, following) {
        struct slice id = slice_of(entry->id, UUID_TEXT_LENGTH);
        HASH_DEL(agents->entries, entry);
        if (find(&kept, id) == NULL) {
            listener->gone(listener->context, id);
        }
        retire(agents, entry);
    }
    agents->entries = kept.entries;
    agents_destroy(next);
}

void agents_release(struct agents *agents, struct agent *agent)
{
    struct entry *entry = (struct entry *)agent;
    agent->references--;
    if (entry->is_retired && agent->references == 0) {
        DL_DELETE(agents->retired, entry);
        free_entry(entry);
    }
}

/* --- looking ---------------------------------------------------------------------------------- */

struct agent *agents_next(const struct agents *agents, const struct agent *agent)
{
    struct entry *entry = agent == NULL ? agents->entries : ((const struct entry *)agent)->hh.next;
    return entry == NULL ? NULL : &entry->agent;
}

const char *agent_source(const struct agent *agent)
{
    return ((const struct entry *)agent)->source;
}

size_t agents_bytes(const struct agents *agents)
{
    size_t bytes = 0;
    for (struct agent *agent = NULL; (agent = agents_next(agents, agent)) != NULL;) {
        bytes += agent->details.length;
    }
    return bytes;
}

struct agent *agents_find(const struct agents *agents, struct slice id)
{
    struct entry *entry = find(agents, id);
    return entry == NULL ? NULL : &entry->agent;
}

size_t agents_count(const struct agents *agents)
{
    return HASH_COUNT(agents->entries);
}

void agents_list(const struct agents *agents, struct bus_list_builder *list)
{
    struct entry *entry, *next;
    HASH_ITER (hh, agents->entries, entry, next) {
        struct bus_agent element = {
            .id = entry->agent.id, .name = entry->agent.name, .details = entry->agent.details};
        bus_list_add(list, BUS_ELEMENT_AGENT, &element);
    }
}
