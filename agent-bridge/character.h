/*
 * An agent's character: the JSON files of ElizaOS (name, id, system, bio, adjectives, topics,
 * style, messageExamples, settings, …), read as leniently as ElizaOS reads them: lists may be
 * single texts, unknown members are kept for whoever asks about the agent, and none but `name` is
 * required. `settings.elizamq` is ours:
 *
 *     "settings": {"elizamq": {"runtime": "openai", "model": "…", "extract": "xml-tag:text",
 *                              "reply": "always|mention|never",
 *                              "replyToAgents": "always|mention|never", "agentId": "…"}}
 *
 * Immutable once read; all slices belong to the character. Pure.
 */
#ifndef AGENT_BRIDGE_CHARACTER_H
#define AGENT_BRIDGE_CHARACTER_H

#include <stddef.h>
#include "proto/base/arena.h"
#include "proto/base/slice.h"

enum { CHARACTER_MAX = 256 * 1024 /* bytes of JSON */, CHARACTER_ERROR_SIZE = 160 };

struct character {
    struct slice name;
    struct slice id; /* UUID; empty: derived from the name */
    struct slice system;
    struct slice bio;        /* one line per entry */
    struct slice adjectives; /* separated by ", " */
    struct slice topics;     /* likewise */
    struct slice style;      /* one line per rule: style.all, then style.chat */
    struct slice examples;   /* messageExamples as dialogues, one line per speech, or empty */
    /* settings.elizamq; empty: not said */
    struct slice runtime;
    struct slice model;
    struct slice extract;
    struct slice reply; /* whom it answers in groups: the router reads it of the details */
    struct slice reply_to_agents; /* likewise, of what other agents say */
    struct slice remote_id;       /* agentId: what a remote ElizaOS calls this agent */
    /* The character as a JSON object, without `secrets` and `settings.secrets`. */
    struct slice details;
    struct arena arena;
};

/* NULL: error[CHARACTER_ERROR_SIZE] says in a few words why. */
struct character *character_read(struct slice json, char *error);
void character_destroy(struct character **character);

#endif
