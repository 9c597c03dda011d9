#include "agent-bridge/runtimes/eliza.h"

#include <assert.h>
#include <limits.h>
#include <stdlib.h>
#include "agent-bridge/runtimes/eliza_text.h"
#include "proto/base/memory.h"

static_assert(ELIZA_RULE_REPLIES <= UCHAR_MAX, "a rotation is one byte");

struct clause {
    struct eliza_word words[ELIZA_CLAUSE_WORDS];
    size_t count;
    const struct eliza_keyword *stack[ELIZA_CLAUSE_WORDS]; /* top first */
    size_t stack_count;
    size_t words_seen; /* in the whole text so far */
};

struct eliza {
    const struct eliza_script *script;         /* borrows */
    struct eliza_conversations *conversations; /* owns */
    struct arena arena;                        /* words in another letter case, for one answer */
    struct buffer output;                      /* the answer */
    struct clause clause;
    struct eliza_span spans[ELIZA_ELEMENTS_MAX];
};

struct eliza *eliza_new(const struct eliza_script *script, size_t conversations)
{
    struct eliza *eliza = memory_allocate_zeroed(sizeof(*eliza));

    eliza->script = script;
    eliza->conversations = eliza_conversations_new(conversations, script->rule_count);
    arena_init(&eliza->arena);
    return eliza;
}

void eliza_destroy(struct eliza **eliza)
{
    if (*eliza == NULL) {
        return;
    }
    eliza_conversations_destroy(&(*eliza)->conversations);
    arena_deinit(&(*eliza)->arena);
    buffer_deinit(&(*eliza)->output);
    free(*eliza);
    *eliza = NULL;
}

/* ---- reading ------------------------------------------------------------------------------- */

static void push_keyword(struct clause *clause, const struct eliza_keyword *keyword)
{
    if (clause->stack_count == ELIZA_CLAUSE_WORDS) {
        return;
    }
    if (clause->stack_count > 0 && keyword->rank > clause->stack[0]->rank) {
        memmove(&clause->stack[1], &clause->stack[0],
                clause->stack_count * sizeof(clause->stack[0]));
        clause->stack[0] = keyword;
    } else {
        clause->stack[clause->stack_count] = keyword;
    }
    clause->stack_count++;
}

/* Adds a word of the input, or what takes its place. */
static void add_word(struct clause *clause, struct slice text, const struct eliza_entry *entry,
                     bool is_first)
{
    if (clause->count == ELIZA_CLAUSE_WORDS) {
        return;
    }
    if (entry != NULL && entry->keyword != NULL) {
        push_keyword(clause, entry->keyword);
    }
    if (entry == NULL || entry->becomes == NULL) {
        /* A capital that only the beginning of a sentence accounts for is not kept. */
        if (is_first && entry != NULL) {
            text = entry->spelling;
        }
        clause->words[clause->count++] =
            (struct eliza_word){.text = text, .entry = entry, .is_captured = true};
        return;
    }
    for (size_t i = 0; i < entry->becomes_count && clause->count < ELIZA_CLAUSE_WORDS; i++) {
        clause->words[clause->count++] = entry->becomes[i];
    }
}

static bool has_letter_between(struct slice text, char first, char last)
{
    for (size_t i = 0; i < text.length; i++) {
        if (text.data[i] >= first && text.data[i] <= last) {
            return true;
        }
    }
    return false;
}

static struct slice small_letters(struct eliza *eliza, struct slice text)
{
    char *small = arena_allocate(&eliza->arena, text.length);

    for (size_t i = 0; i < text.length; i++) {
        char c = text.data[i];

        small[i] = (char)(c >= 'A' && c <= 'Z' ? c - 'A' + 'a' : c);
    }
    return slice_of(small, text.length);
}

/* Somebody who SHOUTS THE WHOLE CLAUSE is not shouted back at. */
static void calm_down(struct eliza *eliza, struct slice source)
{
    struct clause *clause = &eliza->clause;

    if (clause->count < 2 || has_letter_between(source, 'a', 'z') ||
        !has_letter_between(source, 'A', 'Z')) {
        return;
    }
    for (size_t i = 0; i < clause->count; i++) {
        struct eliza_word *word = &clause->words[i];

        if (word->is_captured) {
            word->text =
                word->entry != NULL ? word->entry->spelling : small_letters(eliza, word->text);
        }
    }
}

/* Reads up to the end of the first clause with a keyword, or the last clause if none has one. */
static void read_clause(struct eliza *eliza, struct slice text)
{
    struct clause *clause = &eliza->clause;
    struct eliza_scanner scanner;
    const char *start = text.data;
    bool is_first = true; /* word of a sentence */

    clause->count = 0;
    clause->stack_count = 0;
    clause->words_seen = 0;
    eliza_scanner_init(&scanner, text);
    for (;;) {
        struct slice word;
        enum eliza_token token = eliza_scanner_next(&scanner, &word);

        if (token == ELIZA_TOKEN_WORD) {
            const struct eliza_entry *entry =
                eliza_vocabulary_find(&eliza->script->vocabulary, word);

            clause->words_seen++;
            if (entry == NULL || !entry->is_delimiter) {
                add_word(clause, word, entry, is_first);
                is_first = false;
                continue;
            }
        }
        if (token == ELIZA_TOKEN_END || clause->stack_count > 0) {
            break;
        }
        clause->count = 0;
        is_first = is_first || token == ELIZA_TOKEN_STOP;
        start = scanner.at;
    }
    calm_down(eliza, slice_of(start, (size_t)(scanner.at - start)));
}

/* Is the whole text one of the script's quit phrases? */
static bool is_farewell(const struct eliza *eliza, struct slice text)
{
    const struct eliza_entry *words[ELIZA_PHRASE_WORDS];
    struct eliza_scanner scanner;
    enum eliza_token token;
    struct slice word;
    size_t count = 0;

    eliza_scanner_init(&scanner, text);
    while ((token = eliza_scanner_next(&scanner, &word)) != ELIZA_TOKEN_END) {
        if (token != ELIZA_TOKEN_WORD) {
            continue;
        }
        if (count == ELIZA_PHRASE_WORDS) {
            return false;
        }
        words[count++] = eliza_vocabulary_find(&eliza->script->vocabulary, word);
    }
    for (size_t i = 0; i < eliza->script->quit_count; i++) {
        const struct eliza_phrase *phrase = &eliza->script->quit[i];

        if (phrase->count == count && memcmp(phrase->words, words, count * sizeof(words[0])) == 0) {
            return true;
        }
    }
    return false;
}

/* ---- answering ----------------------------------------------------------------------------- */

/* Puts the template's words together with what the last match found; false: there are none. */
static bool say(struct eliza *eliza, const struct eliza_template *template)
{
    struct eliza_word words[ELIZA_SENTENCE_WORDS];
    size_t count = eliza_template_fill(template, eliza->clause.words, eliza->spans, words,
                                       ELIZA_SENTENCE_WORDS);

    return eliza_sentence_write(&eliza->output, words, count);
}

static bool match(struct eliza *eliza, const struct eliza_rule *rule)
{
    return eliza_pattern_match(&rule->pattern, eliza->clause.words, eliza->clause.count,
                               eliza->spans);
}

/* The next of a list of templates, which refer to nothing and so never fail. */
static void say_next_of(struct eliza *eliza, struct eliza_conversation *conversation,
                        const struct eliza_rule *list)
{
    size_t index = eliza_conversation_rotate(conversation, list->index, list->reply_count);

    say(eliza, &list->replies[index].template);
}

static void remember(struct eliza *eliza, struct eliza_conversation *conversation)
{
    const struct clause *clause = &eliza->clause;
    const struct eliza_rule *rule =
        &eliza->script->memory[eliza_hash(clause->words[clause->count - 1].text, 2)];

    if (match(eliza, rule) && say(eliza, &rule->replies[0].template)) {
        eliza_conversation_remember(conversation, buffer_slice(&eliza->output));
    }
    buffer_clear(&eliza->output);
}

/* PRE: the filled template is the clause from now on. */
static void rewrite(struct eliza *eliza, const struct eliza_template *template)
{
    struct eliza_word words[ELIZA_CLAUSE_WORDS];
    struct clause *clause = &eliza->clause;

    clause->count =
        eliza_template_fill(template, clause->words, eliza->spans, words, ELIZA_CLAUSE_WORDS);
    memcpy(clause->words, words, clause->count * sizeof(words[0]));
}

enum outcome { OUTCOME_SAID, OUTCOME_NEWKEY, OUTCOME_NO_RULE };

static enum outcome follow(struct eliza *eliza, struct eliza_conversation *conversation,
                           const struct eliza_keyword *keyword, struct eliza_answer *answer)
{
    for (int gotos = 0; gotos <= ELIZA_GOTOS_MAX; gotos++) {
        const struct eliza_rule *rule = keyword->rules;
        const struct eliza_rule *end = keyword->rules + keyword->rule_count;
        const struct eliza_reply *reply;

        while (rule < end && !match(eliza, rule)) {
            rule++;
        }
        if (rule == end) {
            return OUTCOME_NO_RULE;
        }
        reply =
            &rule->replies[eliza_conversation_rotate(conversation, rule->index, rule->reply_count)];
        switch (reply->action) {
        case ELIZA_SAY:
            if (!say(eliza, &reply->template)) {
                return OUTCOME_NO_RULE;
            }
            answer->pattern = rule->pattern.source;
            return OUTCOME_SAID;
        case ELIZA_NEWKEY:
            return OUTCOME_NEWKEY;
        case ELIZA_PRE:
            rewrite(eliza, &reply->template);
            keyword = reply->keyword;
            break;
        case ELIZA_GOTO:
            keyword = reply->keyword;
            break;
        }
    }
    return OUTCOME_NO_RULE;
}

static enum eliza_source answer_without_keyword(struct eliza *eliza,
                                                struct eliza_conversation *conversation)
{
    size_t length;
    char *memory = eliza_conversation_recall(conversation, &length);

    if (memory != NULL) {
        buffer_append(&eliza->output, memory, length);
        free(memory);
        return ELIZA_FROM_MEMORY;
    }
    say_next_of(eliza, conversation, &eliza->script->none);
    return ELIZA_FROM_NONE;
}

static enum eliza_source answer_clause(struct eliza *eliza, struct eliza_conversation *conversation,
                                       struct eliza_answer *answer)
{
    const struct eliza_rule *puzzled = &eliza->script->puzzled;
    const struct clause *clause = &eliza->clause;

    if (clause->stack_count == 0) {
        return answer_without_keyword(eliza, conversation);
    }
    if (clause->stack[0] == eliza->script->memory_keyword) {
        remember(eliza, conversation);
    }
    for (size_t i = 0; i < clause->stack_count; i++) {
        switch (follow(eliza, conversation, clause->stack[i], answer)) {
        case OUTCOME_SAID:
            answer->keyword = clause->stack[i]->name;
            answer->rank = clause->stack[i]->rank;
            return ELIZA_FROM_KEYWORD;
        case OUTCOME_NO_RULE:
            say(eliza, &puzzled->replies[eliza_conversation_limit(conversation) - 1].template);
            return ELIZA_FROM_PUZZLED;
        case OUTCOME_NEWKEY:
            break;
        }
    }
    say_next_of(eliza, conversation, &eliza->script->none);
    return ELIZA_FROM_NONE;
}

void eliza_answer(struct eliza *eliza, struct slice conversation, struct slice text,
                  struct eliza_answer *answer)
{
    const struct eliza_script *script = eliza->script;
    struct eliza_conversation *current =
        eliza_conversations_get(eliza->conversations, conversation);
    bool is_first_turn = eliza_conversation_turn(current);

    *answer = (struct eliza_answer){0};
    arena_reset(&eliza->arena);
    buffer_clear(&eliza->output);
    text = text.length == 0 ? SLICE_LITERAL("") : eliza_cut(text, ELIZA_TEXT_MAX);
    read_clause(eliza, text);
    if (is_farewell(eliza, text)) {
        say_next_of(eliza, current, &script->finals);
        eliza_conversation_end(current);
        answer->source = ELIZA_FROM_FINALS;
    } else if (is_first_turn && eliza->clause.words_seen == 0) {
        say_next_of(eliza, current, &script->greetings);
        answer->source = ELIZA_FROM_GREETINGS;
    } else {
        answer->source = answer_clause(eliza, current, answer);
    }
    answer->text = buffer_slice(&eliza->output);
}
