#include "agent-bridge/runtimes/eliza_script.h"

#include <stdio.h>
#include <stdlib.h>
#include "agent-bridge/runtimes/eliza_rules.h"
#include "proto/base/error.h"
#include "proto/base/memory.h"

/* doctor.json as it stands: `ld -b binary` names the symbols after its path. */
extern const char _binary_agent_bridge_runtimes_doctor_json_start[];
extern const char _binary_agent_bridge_runtimes_doctor_json_end[];

static const cJSON *member(const cJSON *object, const char *name)
{
    return cJSON_GetObjectItemCaseSensitive(object, name);
}

static struct arena *arena_of(struct eliza_loader *loader)
{
    return &loader->script->arena;
}

/* Calls load() for each element of a list, or for each member of an object. Both are optional. */
static bool load_each(struct eliza_loader *loader, const cJSON *tree, const char *name,
                      bool is_object, bool (*load)(struct eliza_loader *, const cJSON *))
{
    const cJSON *list = member(tree, name);
    size_t outer = eliza_loader_enter(loader, "%s", name);
    const cJSON *item;
    size_t i = 0;

    if (list != NULL && is_object && !cJSON_IsObject(list)) {
        return eliza_loader_fail(loader, "must be an object");
    }
    if (list != NULL && !is_object && !eliza_loader_list(loader, list, 0, ELIZA_LIST_MAX)) {
        return false;
    }
    cJSON_ArrayForEach(item, list)
    {
        size_t inner = is_object ? eliza_loader_enter_name(loader, slice_of_string(item->string))
                                 : eliza_loader_enter(loader, "[%zu]", i++);

        if (!load(loader, item)) {
            return false;
        }
        eliza_loader_leave(loader, inner);
    }
    eliza_loader_leave(loader, outer);
    return true;
}

/* ---- words --------------------------------------------------------------------------------- */

static bool load_delimiter(struct eliza_loader *loader, const cJSON *item)
{
    struct eliza_entry *entry;
    struct slice word;

    if (!eliza_loader_word(loader, item, &word, &entry)) {
        return false;
    }
    entry->is_delimiter = true;
    return true;
}

static bool load_spelling(struct eliza_loader *loader, const cJSON *item)
{
    struct eliza_entry *entry;
    struct slice word;

    if (!eliza_loader_word(loader, item, &word, &entry)) {
        return false;
    }
    entry->spelling = word;
    return true;
}

static bool load_substitution(struct eliza_loader *loader, const cJSON *item)
{
    struct eliza_word word;
    size_t count;

    return eliza_loader_words(loader, slice_of_string(item->string), &word, &count, 1) &&
           eliza_loader_substitution(
               loader,
               eliza_vocabulary_add(&loader->script->vocabulary, arena_of(loader), word.text),
               item);
}

/* A repair stands before those of the same first word that are shorter or less particular. */
static void insert_repair(struct eliza_entry *entry, struct eliza_repair *repair)
{
    struct eliza_repair **at = &entry->repairs;

    while (*at != NULL && ((*at)->from_count > repair->from_count ||
                           ((*at)->from_count == repair->from_count && !repair->is_at_end))) {
        at = &(*at)->next;
    }
    repair->next = *at;
    *at = repair;
}

static bool load_repair(struct eliza_loader *loader, const cJSON *item)
{
    struct eliza_repair *repair = arena_allocate(arena_of(loader), sizeof(*repair));
    struct eliza_word words[ELIZA_PHRASE_WORDS];
    struct slice from = slice_of_string(item->string);

    memset(repair, 0, sizeof(*repair));
    repair->is_at_end = from.length > 0 && from.data[from.length - 1] == '$';
    if (repair->is_at_end) {
        from.length--;
    }
    if (!eliza_loader_words(loader, from, words, &repair->from_count, ELIZA_PHRASE_WORDS)) {
        return false;
    }
    repair->from = arena_allocate(arena_of(loader), repair->from_count * sizeof(repair->from[0]));
    for (size_t i = 0; i < repair->from_count; i++) {
        repair->from[i] = words[i].entry;
    }
    insert_repair(
        eliza_vocabulary_add(&loader->script->vocabulary, arena_of(loader), words[0].text), repair);
    return eliza_loader_phrase(loader, item, &repair->to, &repair->to_count);
}

static bool load_class(struct eliza_loader *loader, const cJSON *item)
{
    uint64_t bit = eliza_vocabulary_add_class(&loader->script->vocabulary, arena_of(loader),
                                              slice_of_string(item->string));
    const cJSON *element;

    if (bit == 0) {
        return eliza_loader_fail(loader, "there are more than %d classes", ELIZA_CLASSES_MAX);
    }
    if (!eliza_loader_list(loader, item, 1, ELIZA_LIST_MAX)) {
        return false;
    }
    cJSON_ArrayForEach(element, item)
    {
        struct eliza_entry *entry;
        struct slice word;

        if (!eliza_loader_word(loader, element, &word, &entry)) {
            return false;
        }
        entry->classes |= bit;
    }
    return true;
}

static bool load_quit(struct eliza_loader *loader, const cJSON *item)
{
    struct eliza_phrase *phrase = &loader->script->quit[loader->script->quit_count++];
    struct eliza_word words[ELIZA_PHRASE_WORDS];
    struct slice text;

    if (!eliza_loader_text(loader, item, &text) ||
        !eliza_loader_words(loader, text, words, &phrase->count, ELIZA_PHRASE_WORDS)) {
        return false;
    }
    phrase->words = arena_allocate(arena_of(loader), phrase->count * sizeof(phrase->words[0]));
    for (size_t i = 0; i < phrase->count; i++) {
        phrase->words[i] = words[i].entry;
    }
    return true;
}

/* ---- the whole ----------------------------------------------------------------------------- */

static bool load_tree(struct eliza_loader *loader, const cJSON *tree)
{
    static const char *const members[] = {
        "name",    "greetings", "quit",     "finals", "delimiters", "spelling", "substitutions",
        "repairs", "classes",   "keywords", "memory", "none",       "puzzled",  NULL};
    struct eliza_script *script = loader->script;
    size_t quits = (size_t)cJSON_GetArraySize(member(tree, "quit"));
    size_t place;

    if (!eliza_loader_object(loader, tree, members)) {
        return false;
    }
    place = eliza_loader_enter(loader, "name");
    if (!eliza_loader_text(loader, member(tree, "name"), &script->name)) {
        return false;
    }
    eliza_loader_leave(loader, place);
    script->quit = arena_allocate(arena_of(loader), (quits + 1) * sizeof(script->quit[0]));
    return load_each(loader, tree, "spelling", false, load_spelling) &&
           load_each(loader, tree, "delimiters", false, load_delimiter) &&
           load_each(loader, tree, "quit", false, load_quit) &&
           load_each(loader, tree, "substitutions", true, load_substitution) &&
           load_each(loader, tree, "repairs", true, load_repair) &&
           load_each(loader, tree, "classes", true, load_class) &&
           eliza_rules_load_keywords(loader, tree) && eliza_rules_load_memory(loader, tree) &&
           eliza_rules_load_templates(loader, tree, "greetings", 1, ELIZA_RULE_REPLIES,
                                      &script->greetings) &&
           eliza_rules_load_templates(loader, tree, "finals", 1, ELIZA_RULE_REPLIES,
                                      &script->finals) &&
           eliza_rules_load_templates(loader, tree, "none", 1, ELIZA_RULE_REPLIES, &script->none) &&
           eliza_rules_load_templates(loader, tree, "puzzled", ELIZA_PUZZLED_REPLIES,
                                      ELIZA_PUZZLED_REPLIES, &script->puzzled);
}

int eliza_script_new(struct eliza_script **script, struct slice json, char *error, size_t size)
{
    struct eliza_loader loader = {.error = error, .error_size = size};
    cJSON *tree = NULL;
    bool is_loaded;

    *script = NULL;
    if (json.length > ELIZA_SCRIPT_BYTES) {
        snprintf(error, size, "the script has more than %d bytes", ELIZA_SCRIPT_BYTES);
        return ERROR_TOO_LARGE;
    }
    loader.script = memory_allocate_zeroed(sizeof(*loader.script));
    arena_init(&loader.script->arena);
    eliza_vocabulary_init(&loader.script->vocabulary);
    is_loaded = eliza_loader_parse(&loader, json, &tree) && load_tree(&loader, tree);
    cJSON_Delete(tree);
    if (!is_loaded) {
        eliza_script_destroy(&loader.script);
        return ERROR_MALFORMED;
    }
    *script = loader.script;
    return 0;
}

void eliza_script_destroy(struct eliza_script **script)
{
    if (*script == NULL) {
        return;
    }
    eliza_vocabulary_deinit(&(*script)->vocabulary);
    arena_deinit(&(*script)->arena);
    free(*script);
    *script = NULL;
}

struct slice eliza_script_builtin(void)
{
    const char *start = _binary_agent_bridge_runtimes_doctor_json_start;
    const char *end = _binary_agent_bridge_runtimes_doctor_json_end;

    return slice_of(start, (size_t)(end - start));
}
