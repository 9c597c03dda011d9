/* What the store in memory answers; see memory_store.h. */
#include "tests/sim/memory_store.h"

static struct slice copy(struct store_page *page, struct slice slice)
{
    return arena_copy(&page->arena, slice);
}

static void page_add(struct store_page *page, const struct stored_message *message)
{
    struct message_record *own = &page->messages[page->count++];
    *own = message->record;
    own->id = copy(page, own->id);
    own->sender = copy(page, own->sender);
    own->client_message_id = copy(page, own->client_message_id);
    own->in_reply_to = copy(page, own->in_reply_to);
    own->body = copy(page, own->body);
}

static bool is_shown(const struct stored_message *message, bool is_history)
{
    return memory_store_shows(message) &&
           !(is_history && message->record.kind == MESSAGE_KIND_EVENT);
}

/*
 * Messages from <= position < until of a room, at most `limit` from either end; of history, which
 * is paged by time, those of the last one's time come with it.
 */
static void page_of(struct store_page *page, const struct stored_room *room, size_t from,
                    size_t until, const struct store_query *query, bool newest_first)
{
    bool is_history = query->type == STORE_QUERY_HISTORY;
    size_t bytes = 0;
    page->complete = true;
    page->messages = arena_allocate(&page->arena, (until - from + 1) * sizeof(*page->messages));
    for (size_t i = 0; i < until - from; i++) {
        const struct stored_message *message =
            room->messages[newest_first ? until - 1 - i : from + i];
        if (!is_shown(message, is_history)) {
            continue;
        }
        bool is_tie = is_history && page->count > 0 &&
                      page->messages[page->count - 1].created_at == message->record.created_at;
        if ((page->count >= query->limit && !is_tie) || bytes > STORE_PAGE_BYTES_MAX) {
            page->complete = false;
            return;
        }
        bytes += message->record.body.length;
        page_add(page, message);
    }
}

/* The first position at which the room's messages have reached that time. */
static size_t reaches(const struct stored_room *room, int64_t time)
{
    size_t at = 0;
    while (at < room->count && room->messages[at]->record.created_at < time) {
        at++;
    }
    return at;
}

static size_t after_position(const struct stored_room *room, uint64_t position)
{
    size_t at = room->count;
    while (at > 0 && room->messages[at - 1]->record.position > position) {
        at--;
    }
    return at;
}

static void history(struct store_page *page, const struct stored_room *room,
                    const struct store_query *query)
{
    size_t from = query->after_ms == 0 ? 0 : reaches(room, query->after_ms + 1);
    size_t until = query->before_ms == 0 ? room->count : reaches(room, query->before_ms);
    until = until < from ? from : until;
    page_of(page, room, from, until, query, query->after_ms == 0);
    for (size_t i = 0; query->after_ms != 0 && i < page->count / 2; i++) {
        struct message_record swap = page->messages[i];
        page->messages[i] = page->messages[page->count - 1 - i];
        page->messages[page->count - 1 - i] = swap;
    }
}

static void answer_message(struct memory_store *store, struct store_page *page, const char *id)
{
    struct stored_message *message = memory_store_message(store, slice_of_string(id));
    page->found = message != NULL && memory_store_shows(message) &&
                  message->record.kind != MESSAGE_KIND_EVENT;
    page->complete = true;
    page->messages = arena_allocate(&page->arena, sizeof(*page->messages));
    if (page->found) {
        page_add(page, message);
    }
}

static bool is_taken(const struct stored_message *message)
{
    return message != NULL && !message->is_swept;
}

static void answer_after_id(struct memory_store *store, struct store_page *page,
                            const struct stored_room *room, const struct store_query *query)
{
    struct stored_message *message = memory_store_message(store, slice_of_string(query->id));
    page->found = is_taken(message) && message->room == room;
    if (page->found) {
        page_of(page, room, memory_store_after(room, message->record.seq), room->count, query,
                false);
    }
}

struct store_page *memory_store_query(struct memory_store *store, const struct store_query *query)
{
    static const struct stored_room nothing = {.count = 0};
    const struct stored_room *known = memory_store_room_numbered(store, query->room);
    const struct stored_room *room = known == NULL ? &nothing : known;
    struct store_page *page = store_page_new(query);
    page->found = true;
    switch (query->type) {
    case STORE_QUERY_AFTER_SEQ:
        page_of(page, room, memory_store_after(room, query->after_seq), room->count, query, false);
        break;
    case STORE_QUERY_AFTER_ID:
        answer_after_id(store, page, room, query);
        break;
    case STORE_QUERY_AFTER_TIME:
        page_of(page, room, reaches(room, query->after_ms + 1), room->count, query, false);
        break;
    case STORE_QUERY_HISTORY:
        history(page, room, query);
        break;
    case STORE_QUERY_MESSAGE:
        answer_message(store, page, query->id);
        break;
    case STORE_QUERY_AFTER_POSITION:
        page_of(page, room, after_position(room, query->after_seq), room->count, query, false);
        break;
    case STORE_QUERY_SESSION:
        memory_sessions_answer(&store->sessions, page, query->id);
        break;
    case STORE_QUERY_ID_TAKEN:
        page->found = is_taken(memory_store_message(store, slice_of_string(query->id)));
        page->complete = true;
        break;
    case STORE_QUERY_LAST_SESSION:
    case STORE_QUERY_PARTICIPANTS:
    case STORE_QUERY_SEARCH:
    case STORE_QUERY_ROOMS:
    case STORE_QUERY_ROOMS_OF:
    case STORE_QUERY_RUNS:
    case STORE_QUERY_AGENT_HISTORY:
    case STORE_QUERY_RECORD:
    case STORE_QUERY_RECORDS:
        page->complete = true; /* asked by nobody in a simulation */
        break;
    }
    return page;
}
