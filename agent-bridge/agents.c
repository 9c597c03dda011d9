#include "agent-bridge/agents.h"

#include <stdlib.h>
#include "proto/base/hash.h"

#include "proto/base/agent_uuid.h"
#include "proto/base/error.h"
#include "proto/base/json.h"
#include "proto/base/memory.h"
#include "proto/base/utf8.h"

struct entry {
    struct agent agent; /* its slices borrow from here */
    char id[UUID_TEXT_SIZE];
    char *name; /* owns */
    struct buffer details;
    UT_hash_handle hh; /* by id, in order of being added */
};

struct agents {
    struct entry *entries;
};

static struct entry *find(const struct agents *agents, struct slice id)
{
    struct entry *entry;
    HASH_FIND(hh, agents->entries, id.data, id.length, entry);
    return entry;
}

static bool is_utf8(struct slice text)
{
    const unsigned char *at = (const unsigned char *)text.data;
    const unsigned char *end = at + text.length;
    while (at < end) {
        size_t length = utf8_length(at, end);
        if (length == 0) {
            return false;
        }
        at += length;
    }
    return true;
}

static void free_entry(struct entry *entry)
{
    character_destroy(&entry->agent.character);
    buffer_deinit(&entry->details);
    free(entry->name);
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
    free(agents);
}

static int check(struct slice id, struct slice name)
{
    if (name.length == 0 || !is_utf8(name) || (id.length > 0 && !uuid_is_valid(id))) {
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

int agents_add(struct agents *agents, struct slice id, struct slice name, struct slice runtime,
               struct slice bio)
{
    char derived[UUID_TEXT_SIZE];
    int error = check(id, name);
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
    write_details(&entry->details, name, runtime, bio);
    if (entry->details.length > AGENT_DETAILS_MAX) {
        free_entry(entry);
        return ERROR_TOO_LARGE;
    }
    memcpy(entry->id, id.data, UUID_TEXT_LENGTH);
    entry->name = memory_copy_string(name.data, name.length);
    entry->agent = (struct agent){.id = slice_of(entry->id, UUID_TEXT_LENGTH),
                                  .name = slice_of(entry->name, name.length),
                                  .details = buffer_slice(&entry->details)};
    HASH_ADD_KEYPTR(hh, agents->entries, entry->id, UUID_TEXT_LENGTH, entry);
    return 0;
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
