#include "agent-bridge/runtimes/eliza_rules.h"

static const cJSON *member(const cJSON *object, const char *name)
{
    return cJSON_GetObjectItemCaseSensitive(object, name);
}

static struct arena *arena_of(struct eliza_loader *loader)
{
    return &loader->script->arena;
}

/* ---- rules --------------------------------------------------------------------------------- */

static const struct eliza_keyword *keyword_named(const struct eliza_script *script,
                                                 struct slice name)
{
    for (size_t i = 0; i < script->keyword_count; i++) {
        if (slice_equals(script->keywords[i].name, name)) {
            return &script->keywords[i];
        }
    }
    return NULL;
}

static bool load_goto(struct eliza_loader *loader, const cJSON *item, struct eliza_reply *reply)
{
    struct slice name;

    if (!eliza_loader_text(loader, item, &name)) {
        return false;
    }
    reply->action = ELIZA_GOTO;
    reply->keyword = keyword_named(loader->script, name);
    return reply->keyword != NULL || eliza_loader_fail(loader, "it goes to an unknown keyword");
}

static bool load_template(struct eliza_loader *loader, const cJSON *item, size_t elements,
                          struct eliza_template *template)
{
    struct slice text;
    const char *problem;

    if (!eliza_loader_text(loader, item, &text)) {
        return false;
    }
    problem = eliza_template_compile(template, &loader->script->vocabulary, arena_of(loader), text,
                                     elements);
    return problem == NULL || eliza_loader_fail(loader, "%s", problem);
}

static bool load_action(struct eliza_loader *loader, const cJSON *item, size_t elements,
                        struct eliza_reply *reply)
{
    static const char *const goto_members[] = {"goto", NULL};
    static const char *const newkey_members[] = {"newkey", NULL};
    static const char *const pre_members[] = {"pre", "goto", NULL};

    if (member(item, "newkey") != NULL) {
        reply->action = ELIZA_NEWKEY;
        return eliza_loader_object(loader, item, newkey_members) &&
               (cJSON_IsTrue(member(item, "newkey")) ||
                eliza_loader_fail(loader, "\"newkey\" can only be true"));
    }
    if (member(item, "pre") == NULL) {
        return eliza_loader_object(loader, item, goto_members) &&
               load_goto(loader, member(item, "goto"), reply);
    }
    if (!eliza_loader_object(loader, item, pre_members) ||
        !load_goto(loader, member(item, "goto"), reply)) {
        return false;
    }
    reply->action = ELIZA_PRE;
    return load_template(loader, member(item, "pre"), elements, &reply->template);
}

/* A reply that can only be a template. */
static bool load_saying(struct eliza_loader *loader, const cJSON *item, size_t elements,
                        struct eliza_reply *reply)
{
    memset(reply, 0, sizeof(*reply));
    reply->action = ELIZA_SAY;
    loader->script->reply_count++;
    return load_template(loader, item, elements, &reply->template);
}

static bool load_reply(struct eliza_loader *loader, const cJSON *item, size_t elements,
                       struct eliza_reply *reply)
{
    if (!cJSON_IsObject(item)) {
        return load_saying(loader, item, elements, reply);
    }
    memset(reply, 0, sizeof(*reply));
    return load_action(loader, item, elements, reply);
}

/* Begins a rule with room for `replies` of them. */
static bool begin_rule(struct eliza_loader *loader, struct slice pattern, size_t replies,
                       struct eliza_rule *rule)
{
    const char *problem;

    memset(rule, 0, sizeof(*rule));
    if (loader->script->rule_count == ELIZA_RULES_MAX) {
        return eliza_loader_fail(loader, "the script has more than %d rules", ELIZA_RULES_MAX);
    }
    rule->index = loader->script->rule_count++;
    rule->replies = arena_allocate(arena_of(loader), (replies + 1) * sizeof(rule->replies[0]));
    problem = eliza_pattern_compile(&rule->pattern, &loader->script->vocabulary, arena_of(loader),
                                    pattern);
    return problem == NULL || eliza_loader_fail(loader, "%s", problem);
}

/* The object of a rule and its "match". */
static bool load_match(struct eliza_loader *loader, const cJSON *item, size_t replies,
                       struct eliza_rule *rule)
{
    static const char *const members[] = {"match", "reply", NULL};
    struct slice pattern;
    size_t place;

    if (!eliza_loader_object(loader, item, members)) {
        return false;
    }
    place = eliza_loader_enter(loader, " match");
    if (!eliza_loader_text(loader, member(item, "match"), &pattern) ||
        !begin_rule(loader, pattern, replies, rule)) {
        return false;
    }
    eliza_loader_leave(loader, place);
    return true;
}

static bool load_rule(struct eliza_loader *loader, const cJSON *item, struct eliza_rule *rule)
{
    const cJSON *replies = member(item, "reply");
    const cJSON *reply;
    size_t place;

    if (!load_match(loader, item, (size_t)cJSON_GetArraySize(replies), rule)) {
        return false;
    }
    place = eliza_loader_enter(loader, " reply");
    if (!eliza_loader_list(loader, replies, 1, ELIZA_RULE_REPLIES)) {
        return false;
    }
    cJSON_ArrayForEach(reply, replies)
    {
        size_t inner = eliza_loader_enter(loader, "[%zu]", rule->reply_count);

        if (!load_reply(loader, reply, rule->pattern.count, &rule->replies[rule->reply_count++])) {
            return false;
        }
        eliza_loader_leave(loader, inner);
    }
    eliza_loader_leave(loader, place);
    return true;
}

bool eliza_rules_load_templates(struct eliza_loader *loader, const cJSON *tree, const char *name,
                                size_t minimum, size_t maximum, struct eliza_rule *rule)
{
    const cJSON *list = member(tree, name);
    const cJSON *item;
    size_t outer = eliza_loader_enter(loader, "%s", name);

    if (!eliza_loader_list(loader, list, minimum, maximum) ||
        !begin_rule(loader, SLICE_LITERAL("0"), (size_t)cJSON_GetArraySize(list), rule)) {
        return false;
    }
    cJSON_ArrayForEach(item, list)
    {
        size_t inner = eliza_loader_enter(loader, "[%zu]", rule->reply_count);

        if (!load_saying(loader, item, 0, &rule->replies[rule->reply_count++])) {
            return false;
        }
        eliza_loader_leave(loader, inner);
    }
    eliza_loader_leave(loader, outer);
    return true;
}

/* ---- keywords ------------------------------------------------------------------------------ */

static bool load_keyword_word(struct eliza_loader *loader, const cJSON *item, const cJSON *becomes,
                              struct eliza_keyword *keyword)
{
    struct eliza_entry *entry;
    struct slice word;

    if (!eliza_loader_word(loader, item, &word, &entry)) {
        return false;
    }
    if (entry->keyword != NULL) {
        return eliza_loader_fail(loader, "\"%.*s\" is a keyword already", (int)word.length,
                                 word.data);
    }
    entry->keyword = keyword;
    if (keyword->name.length == 0) {
        keyword->name = word;
    }
    return becomes == NULL || eliza_loader_substitution(loader, entry, becomes);
}

/* First pass: names, so that gotos can look forward; words, rank, substitution. */
static bool load_keyword_head(struct eliza_loader *loader, const cJSON *item)
{
    static const char *const members[] = {"word", "name", "becomes", "rank", "rules", "goto", NULL};
    struct eliza_keyword *keyword = &loader->script->keywords[loader->script->keyword_count];
    const cJSON *words = member(item, "word");
    const cJSON *name = member(item, "name");
    const cJSON *rank = member(item, "rank");
    const cJSON *word;

    if (!eliza_loader_object(loader, item, members)) {
        return false;
    }
    if (words == NULL && name == NULL) {
        return eliza_loader_fail(loader, "must have a \"word\" or a \"name\"");
    }
    if (member(item, "rules") == NULL && member(item, "goto") == NULL) {
        return eliza_loader_fail(loader, "must have \"rules\" or a \"goto\"");
    }
    if (name != NULL && !eliza_loader_text(loader, name, &keyword->name)) {
        return false;
    }
    if (cJSON_IsArray(words)) {
        if (!eliza_loader_list(loader, words, 1, ELIZA_LIST_MAX)) {
            return false;
        }
        cJSON_ArrayForEach(word, words)
        {
            if (!load_keyword_word(loader, word, member(item, "becomes"), keyword)) {
                return false;
            }
        }
    } else if (words != NULL &&
               !load_keyword_word(loader, words, member(item, "becomes"), keyword)) {
        return false;
    }
    if (rank != NULL && !eliza_loader_integer(loader, rank, 0, ELIZA_RANK_MAX, &keyword->rank)) {
        return false;
    }
    if (keyword_named(loader->script, keyword->name) != NULL) {
        return eliza_loader_fail(loader, "its name is another keyword's already");
    }
    loader->script->keyword_count++;
    return true;
}

/* Second pass: the rules, and the goto behind them. */
static bool load_keyword_rules(struct eliza_loader *loader, const cJSON *item,
                               struct eliza_keyword *keyword)
{
    const cJSON *rules = member(item, "rules");
    const cJSON *link = member(item, "goto");
    const cJSON *rule;
    size_t place = eliza_loader_enter(loader, " rules");

    if (rules != NULL && !eliza_loader_list(loader, rules, 1, ELIZA_KEYWORD_RULES)) {
        return false;
    }
    eliza_loader_leave(loader, place);
    keyword->rules = arena_allocate(arena_of(loader), ((size_t)cJSON_GetArraySize(rules) + 1) *
                                                          sizeof(keyword->rules[0]));
    cJSON_ArrayForEach(rule, rules)
    {
        eliza_loader_enter(loader, " rules[%zu]", keyword->rule_count);
        if (!load_rule(loader, rule, &keyword->rules[keyword->rule_count++])) {
            return false;
        }
        eliza_loader_leave(loader, place);
    }
    if (link != NULL) {
        struct eliza_rule *last = &keyword->rules[keyword->rule_count++];

        eliza_loader_enter(loader, " goto");
        if (!begin_rule(loader, SLICE_LITERAL("0"), 1, last)) {
            return false;
        }
        last->replies[last->reply_count++] = (struct eliza_reply){0};
        if (!load_goto(loader, link, &last->replies[0])) {
            return false;
        }
        eliza_loader_leave(loader, place);
    }
    return true;
}

/* Can a reply say something or give up the keyword, rather than only go round? */
static bool ends_somewhere(const struct eliza_script *script, const struct eliza_keyword *keyword,
                           const bool *known)
{
    for (size_t i = 0; i < keyword->rule_count; i++) {
        for (size_t j = 0; j < keyword->rules[i].reply_count; j++) {
            const struct eliza_reply *reply = &keyword->rules[i].replies[j];

            if (reply->keyword == NULL || known[reply->keyword - script->keywords]) {
                return true;
            }
        }
    }
    return false;
}

static bool check_circles(struct eliza_loader *loader)
{
    const struct eliza_script *script = loader->script;
    bool *known = arena_allocate(arena_of(loader), script->keyword_count * sizeof(*known));
    bool is_changed = true;

    memset(known, 0, script->keyword_count * sizeof(*known));
    while (is_changed) {
        is_changed = false;
        for (size_t i = 0; i < script->keyword_count; i++) {
            if (!known[i] && ends_somewhere(script, &script->keywords[i], known)) {
                known[i] = is_changed = true;
            }
        }
    }
    for (size_t i = 0; i < script->keyword_count; i++) {
        eliza_loader_enter(loader, "keywords[%zu]", i);
        if (!known[i]) {
            return eliza_loader_fail(loader, "its gotos run in a circle");
        }
        eliza_loader_leave(loader, 0);
    }
    return true;
}

static bool load_keyword(struct eliza_loader *loader, const cJSON *item, size_t index,
                         bool is_first_pass)
{
    struct eliza_script *script = loader->script;
    size_t place = eliza_loader_enter(loader, "keywords[%zu]", index);

    if (is_first_pass) {
        if (!load_keyword_head(loader, item)) {
            return false;
        }
    } else {
        struct eliza_keyword *keyword = &script->keywords[index];

        eliza_loader_enter_name(loader, keyword->name);
        if (!load_keyword_rules(loader, item, keyword)) {
            return false;
        }
    }
    eliza_loader_leave(loader, place);
    return true;
}

bool eliza_rules_load_keywords(struct eliza_loader *loader, const cJSON *tree)
{
    struct eliza_script *script = loader->script;
    const cJSON *list = member(tree, "keywords");
    size_t place = eliza_loader_enter(loader, "keywords");
    size_t size;

    if (!eliza_loader_list(loader, list, 1, ELIZA_KEYWORDS_MAX)) {
        return false;
    }
    eliza_loader_leave(loader, place);
    size = (size_t)cJSON_GetArraySize(list) * sizeof(script->keywords[0]);
    script->keywords = memset(arena_allocate(arena_of(loader), size), 0, size);
    for (int pass = 1; pass <= 2; pass++) {
        const cJSON *item;
        size_t index = 0;

        cJSON_ArrayForEach(item, list)
        {
            if (!load_keyword(loader, item, index++, pass == 1)) {
                return false;
            }
        }
    }
    return check_circles(loader);
}

static bool load_memory_rule(struct eliza_loader *loader, const cJSON *item,
                             struct eliza_rule *rule)
{
    if (!load_match(loader, item, 1, rule)) {
        return false;
    }
    eliza_loader_enter(loader, " reply");
    return load_saying(loader, member(item, "reply"), rule->pattern.count,
                       &rule->replies[rule->reply_count++]);
}

bool eliza_rules_load_memory(struct eliza_loader *loader, const cJSON *tree)
{
    static const char *const members[] = {"keyword", "rules", NULL};
    struct eliza_script *script = loader->script;
    const cJSON *memory = member(tree, "memory");
    const cJSON *rules = member(memory, "rules");
    struct eliza_entry *entry;
    struct slice word;
    size_t place = eliza_loader_enter(loader, "memory");

    if (!eliza_loader_object(loader, memory, members)) {
        return false;
    }
    eliza_loader_enter(loader, " keyword");
    if (!eliza_loader_word(loader, member(memory, "keyword"), &word, &entry)) {
        return false;
    }
    script->memory_keyword = entry->keyword;
    if (entry->keyword == NULL) {
        return eliza_loader_fail(loader, "it is not a keyword");
    }
    eliza_loader_leave(loader, place);
    eliza_loader_enter(loader, "memory rules");
    if (!eliza_loader_list(loader, rules, ELIZA_MEMORY_RULES, ELIZA_MEMORY_RULES)) {
        return false;
    }
    for (int i = 0; i < ELIZA_MEMORY_RULES; i++) {
        eliza_loader_leave(loader, place);
        eliza_loader_enter(loader, "memory rules[%d]", i);
        if (!load_memory_rule(loader, cJSON_GetArrayItem(rules, i), &script->memory[i])) {
            return false;
        }
    }
    eliza_loader_leave(loader, place);
    return true;
}
