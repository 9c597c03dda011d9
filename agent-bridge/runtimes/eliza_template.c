#include "agent-bridge/runtimes/eliza_template.h"

#include "agent-bridge/runtimes/eliza_text.h"

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

/* Would the scanner read it as one word? "problem?" is a word and a stop. */
static bool is_plain_word(struct slice text)
{
    struct eliza_scanner scanner;
    struct slice word;

    eliza_scanner_init(&scanner, text);
    return eliza_scanner_next(&scanner, &word) == ELIZA_TOKEN_WORD && word.length == text.length;
}

/* Reads one part off the front of `rest`: a reference, or a word up to the next one or a space. */
static const char *compile_part(struct eliza_part *part, struct eliza_vocabulary *vocabulary,
                                struct arena *arena, struct slice *rest, size_t elements)
{
    const char *at = rest->data;
    const char *end = at + rest->length;

    if (*at == '$' && end - at > 1 && is_digit(at[1])) {
        for (at++; at < end && is_digit(*at) && part->reference <= elements; at++) {
            part->reference = part->reference * 10 + (size_t)(*at - '0');
        }
        if (part->reference == 0 || part->reference > elements) {
            return "it refers to an element that the pattern does not have";
        }
    } else if (*at == '$') {
        if (end - at < 2 || at[1] != '$') {
            return "after a dollar sign comes a number or another one";
        }
        part->word.text = slice_of(at, 1);
        at += 2;
    } else {
        while (at < end && *at != ' ' && *at != '$') {
            at++;
        }
        part->word.text = slice_of(rest->data, (size_t)(at - rest->data));
        if (part->word.text.length > ELIZA_WORD_MAX) {
            return "a word is too long";
        }
        if (is_plain_word(part->word.text)) {
            part->word.entry = eliza_vocabulary_add(vocabulary, arena, part->word.text);
        }
    }
    *rest = slice_of(at, (size_t)(end - at));
    return NULL;
}

const char *eliza_template_compile(struct eliza_template *template,
                                   struct eliza_vocabulary *vocabulary, struct arena *arena,
                                   struct slice source, size_t elements)
{
    struct eliza_part parts[ELIZA_PARTS_MAX] = {0};
    struct slice rest = source;
    bool is_glued = false;
    bool says_something = false;

    memset(template, 0, sizeof(*template));
    while (rest.length > 0) {
        const char *problem;

        if (rest.data[0] == ' ') {
            rest = slice_of(rest.data + 1, rest.length - 1);
            is_glued = false;
            continue;
        }
        if (template->count == ELIZA_PARTS_MAX) {
            return "it is too long";
        }
        parts[template->count].word.is_glued = is_glued;
        problem = compile_part(&parts[template->count], vocabulary, arena, &rest, elements);
        if (problem != NULL) {
            return problem;
        }
        says_something = says_something || parts[template->count].reference > 0 ||
                         eliza_has_letter(parts[template->count].word.text);
        template->count++;
        is_glued = true;
    }
    if (!says_something) {
        return "it has no word";
    }
    template->parts = arena_allocate(arena, template->count * sizeof(parts[0]));
    memcpy(template->parts, parts, template->count * sizeof(parts[0]));
    return NULL;
}

size_t eliza_template_fill(const struct eliza_template *template, const struct eliza_word *words,
                           const struct eliza_span *spans, struct eliza_word *out, size_t capacity)
{
    size_t count = 0;

    for (size_t i = 0; i < template->count; i++) {
        const struct eliza_part *part = &template->parts[i];
        const struct eliza_span *span;

        if (part->reference == 0) {
            if (count < capacity) {
                out[count++] = part->word;
            }
            continue;
        }
        span = &spans[part->reference - 1];
        for (size_t j = 0; j < span->count && count < capacity; j++) {
            out[count] = words[span->start + j];
            out[count].is_captured = true;
            out[count].is_glued = j == 0 && part->word.is_glued;
            count++;
        }
    }
    return count;
}

/* Does the repair apply to the words from `at` on? */
static bool repair_applies(const struct eliza_repair *repair, const struct eliza_word *words,
                           size_t count, size_t at)
{
    bool is_captured = false;

    if (repair->from_count > count - at) {
        return false;
    }
    for (size_t i = 0; i < repair->from_count; i++) {
        if (words[at + i].entry != repair->from[i] || (i > 0 && words[at + i].is_glued)) {
            return false;
        }
        is_captured = is_captured || words[at + i].is_captured;
    }
    if (!is_captured) {
        return false;
    }
    at += repair->from_count;
    return !repair->is_at_end || at == count || !words[at].is_captured;
}

static size_t repair(const struct eliza_word *words, size_t count, struct eliza_word *out,
                     size_t capacity)
{
    size_t length = 0;

    for (size_t at = 0; at < count && length < capacity;) {
        const struct eliza_repair *found =
            words[at].entry == NULL ? NULL : words[at].entry->repairs;

        while (found != NULL && !repair_applies(found, words, count, at)) {
            found = found->next;
        }
        if (found == NULL) {
            out[length++] = words[at++];
            continue;
        }
        for (size_t i = 0; i < found->to_count && length < capacity; i++) {
            out[length] = found->to[i];
            out[length].is_captured = true;
            out[length].is_glued = i == 0 && words[at].is_glued;
            length++;
        }
        at += found->from_count;
    }
    return length;
}

static bool ends_sentence(const struct eliza_word *word)
{
    char last = word->text.data[word->text.length - 1];

    return !word->is_captured && (last == '.' || last == '?' || last == '!');
}

bool eliza_sentence_write(struct buffer *out, const struct eliza_word *words, size_t count)
{
    struct eliza_word repaired[ELIZA_SENTENCE_WORDS];
    size_t start = out->length;
    bool is_first = true; /* of a sentence */
    bool has_letter = false;

    count = repair(words, count, repaired, ELIZA_SENTENCE_WORDS);
    for (size_t i = 0; i < count && !has_letter; i++) {
        has_letter = eliza_has_letter(repaired[i].text);
    }
    if (!has_letter) {
        return false;
    }

    for (size_t i = 0; i < count; i++) {
        const struct eliza_word *word = &repaired[i];

        if (out->length - start + word->text.length + 1 > ELIZA_SENTENCE_BYTES) {
            buffer_append_string(out, "\u2026");
            break;
        }
        if (out->length > start && !word->is_glued) {
            buffer_append_char(out, ' ');
        }
        buffer_append_slice(out, word->text);
        if (is_first && eliza_has_letter(word->text)) {
            char *letter = out->data + out->length - word->text.length;

            if (*letter >= 'a' && *letter <= 'z') {
                *letter = (char)(*letter - 'a' + 'A');
            }
            is_first = false;
        }
        is_first = is_first || ends_sentence(word);
    }
    return true;
}
