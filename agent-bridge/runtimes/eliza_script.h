/*
 * A script: all that ELIZA knows how to say, as data. The program itself has no words of its own.
 *
 * The file is one JSON object (UTF-8, see doctor.json for a complete one):
 *
 *   "name"           of the script
 *   "greetings"      [template …]  for an empty message that begins a conversation
 *   "quit"           [phrase …]    a message that says only this ends the conversation
 *   "finals"         [template …]  … and is answered by one of these
 *   "delimiters"     [word …]      end a clause as a comma does
 *   "spelling"       [word …]      how words are written inside a sentence; unlisted ones small
 *   "substitutions"  {word: words} take its place when the input is read: "me" becomes "you"
 *   "repairs"        {words: words} rewrite the user's words in an answer: "I are" to "I am";
 *                    a $ at the end of the key: only where the user's words end
 *   "classes"        {name: [word …]}
 *   "keywords"       [keyword …]
 *   "memory"         {"keyword": word, "rules": [{"match": pattern, "reply": template} × 4]}
 *   "none"           [template …]  when there is no keyword
 *   "puzzled"        [template × 4] when there is one, but no rule fits
 *                    (the templates of these lists have no pattern, so nothing to refer to)
 *
 *   keyword:  {"word": word or [word …], "name": …, "becomes": words, "rank": 0…1000,
 *              "rules": [{"match": pattern, "reply": [reply …]} …], "goto": name}
 *             "name" is by default the first word; a keyword that has only a name can be reached
 *             by a goto alone. "becomes" is a substitution; "goto" is a last rule that always fits.
 *   reply:    template, or {"goto": name}, {"newkey": true},
 *             or {"pre": template, "goto": name}: rewrite the clause and go on with that keyword
 *
 * Patterns are described in eliza_pattern.h, templates in eliza_template.h. Replies of one rule
 * are used in rotation. Everything is checked when the script is loaded: unknown members, unknown
 * keywords and classes, gotos that can only run in a circle, counts over the limits below.
 */
#ifndef AGENT_BRIDGE_RUNTIMES_ELIZA_SCRIPT_H
#define AGENT_BRIDGE_RUNTIMES_ELIZA_SCRIPT_H

#include "agent-bridge/runtimes/eliza_template.h"

enum {
    ELIZA_SCRIPT_BYTES = 1 << 20,
    ELIZA_KEYWORDS_MAX = 1024,
    ELIZA_RULES_MAX = 4096,   /* of the whole script */
    ELIZA_KEYWORD_RULES = 64, /* of one keyword */
    ELIZA_RULE_REPLIES = 64,  /* of one rule */
    ELIZA_LIST_MAX = 1024,    /* elements of any other list */
    ELIZA_PHRASE_WORDS = 8,   /* words of a substitution, repair or quit phrase */
    ELIZA_RANK_MAX = 1000,
    ELIZA_MEMORY_RULES = 4,   /* as in 1966: the choice is a hash of two bits */
    ELIZA_PUZZLED_REPLIES = 4 /* one for each state of the counter */
};

struct eliza_reply {
    enum { ELIZA_SAY, ELIZA_GOTO, ELIZA_NEWKEY, ELIZA_PRE } action;
    struct eliza_template template;      /* ELIZA_SAY, ELIZA_PRE */
    const struct eliza_keyword *keyword; /* ELIZA_GOTO, ELIZA_PRE: where to go on */
};

struct eliza_rule {
    struct eliza_pattern pattern;
    struct eliza_reply *replies;
    size_t reply_count;
    size_t index; /* of the rule in the script: its place among a conversation's rotations */
};

struct eliza_keyword {
    struct slice name;
    int rank;
    struct eliza_rule *rules; /* tried in order */
    size_t rule_count;
};

struct eliza_phrase {
    const struct eliza_entry **words;
    size_t count;
};

struct eliza_script {
    struct arena arena; /* owns everything below */
    struct eliza_vocabulary vocabulary;
    struct slice name;
    struct eliza_rule greetings; /* lists of templates are rules that match any clause */
    struct eliza_rule finals;
    struct eliza_rule none;
    struct eliza_rule puzzled;
    struct eliza_phrase *quit;
    size_t quit_count;
    struct eliza_keyword *keywords;
    size_t keyword_count;
    const struct eliza_keyword *memory_keyword;
    struct eliza_rule memory[ELIZA_MEMORY_RULES];
    size_t rule_count;
    size_t reply_count; /* ELIZA_SAY only */
};

/*
 * Loads a script. Returns 0, or ERROR_MALFORMED or ERROR_TOO_LARGE with one line in error[size]
 * that names the place: "line 3, column 7: …", "keywords[4] \"dream\" rules[0]: …".
 */
int eliza_script_new(struct eliza_script **script, struct slice json, char *error, size_t size);
void eliza_script_destroy(struct eliza_script **script);

/* The script that is part of the program, so that an installed one needs no file: doctor.json. */
struct slice eliza_script_builtin(void);

#endif
