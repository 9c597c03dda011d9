/*
 * ELIZA, after J. Weizenbaum, "ELIZA — A Computer Program For the Study of Natural Language
 * Communication Between Man And Machine", CACM 9(1), January 1966, and the listing of the program
 * found in his papers: where the paper is silent (the counter, the choice of a memory, the
 * answers when no rule fits), the listing decides. How an answer comes about:
 *
 *  1. The text is read word by word; words are replaced by their substitutions ("my" by "your").
 *     A stop, a comma or a delimiter word ends a clause: a clause without a keyword is thrown
 *     away, the first one with a keyword is all that is answered.
 *  2. Keywords go on a stack: on top when they outrank all before them, else at the bottom.
 *  3. Without a keyword: a memory, if there is one and the counter stands at 4; else a NONE reply.
 *  4. When the top keyword is the memory's, a memory is made, for later.
 *  5. The top keyword's rules are tried in order. The first that matches gives its next reply: a
 *     template to fill, a goto to another keyword, a rewriting of the clause and a goto (PRE), or
 *     NEWKEY: drop this keyword and try the next one of the stack.
 *  6. No rule matches: one of four puzzled replies, by the counter. The stack is empty: NONE.
 *
 * Pure: the same texts in the same order give the same answers, in each conversation on its own.
 * Time and memory per answer are bounded by the limits below, whatever the text.
 */
#ifndef AGENT_BRIDGE_RUNTIMES_ELIZA_H
#define AGENT_BRIDGE_RUNTIMES_ELIZA_H

#include "agent-bridge/runtimes/eliza_conversation.h"
#include "agent-bridge/runtimes/eliza_script.h"

enum {
    ELIZA_TEXT_MAX = 64 * 1024, /* bytes of a text that are read; what follows is passed over */
    ELIZA_CLAUSE_WORDS = 128,   /* words of a clause that are considered */
    ELIZA_GOTOS_MAX = 32,       /* gotos for one answer; then it is puzzled */
    ELIZA_CONVERSATIONS_MAX = 10000
};

enum eliza_source {
    ELIZA_FROM_KEYWORD,
    ELIZA_FROM_MEMORY,
    ELIZA_FROM_NONE,
    ELIZA_FROM_PUZZLED,
    ELIZA_FROM_GREETINGS,
    ELIZA_FROM_FINALS
};

struct eliza_answer {
    struct slice text; /* UTF-8 if the question was; all slices stay until the next answer */
    enum eliza_source source;
    struct slice keyword; /* the one of the text that led there, for ELIZA_FROM_KEYWORD */
    int rank;             /* of that keyword */
    struct slice pattern; /* of the rule that spoke, after all gotos */
};

struct eliza;

/* Borrows the script, which must outlive it. */
struct eliza *eliza_new(const struct eliza_script *script, size_t conversations);
void eliza_destroy(struct eliza **eliza);

/* Answers a text in the conversation of that key (any bytes). */
void eliza_answer(struct eliza *eliza, struct slice conversation, struct slice text,
                  struct eliza_answer *answer);

#endif
