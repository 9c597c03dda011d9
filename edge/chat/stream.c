#include "edge/chat/internal.h"

/*
 * Replies that are being written, as this edge has passed them on. The text so far is kept, so that
 * whoever joins in the middle gets it in one chunk, and so that what the router says again of a
 * reply (after an outage, or to an edge that came later) is told from what is new.
 *
 * The rule for whoever reads chunks: of one messageId, those behind the last `reset`, in the order
 * of their `index`, are the text. A chunk that stands for several carries the index of the last.
 */

enum {
    STREAMS_MAX = 10000,         /* an end that was missed must not keep its stream for ever */
    STREAM_TEXTS_MAX = 64 << 20, /* bytes of texts kept; the oldest stream goes first */
};

/* The streams of one room. */
struct stream_room {
    char *id; /* owns */
    struct stream *streams;
    UT_hash_handle hh; /* chat->stream_rooms */
};

static struct stream *find(struct chat *chat, struct slice reply)
{
    struct stream *stream;
    HASH_FIND(hh, chat->streams, reply.data, reply.length, stream);
    return stream;
}

static struct stream_room *room_find(struct chat *chat, struct slice id)
{
    struct stream_room *room;
    HASH_FIND(hh, chat->stream_rooms, id.data, id.length, room);
    return room;
}

static void drop(struct chat *chat, struct stream *stream)
{
    struct stream_room *room = stream->room;
    lags_settle(stream);
    DL_DELETE2(room->streams, stream, room_prev, room_next);
    if (room->streams == NULL) {
        HASH_DELETE(hh, chat->stream_rooms, room);
        free(room->id);
        free(room);
    }
    chat->stream_bytes -= stream->text.length;
    HASH_DELETE(hh, chat->streams, stream);
    buffer_deinit(&stream->text);
    free(stream->server_id);
    free(stream->agent);
    free(stream->asker);
    free(stream);
}

static void drop_room(struct chat *chat, struct stream_room *room)
{
    bool is_last;
    do {
        is_last = room->streams->room_next == NULL;
        drop(chat, room->streams); /* the last one takes the room along */
    } while (!is_last);
}

static struct stream *obtain(struct chat *chat, struct slice reply, struct slice question,
                             struct slice room_id, struct slice agent)
{
    struct stream *stream = find(chat, reply);
    if (stream != NULL) {
        return stream;
    }
    if (HASH_COUNT(chat->streams) >= STREAMS_MAX) {
        drop(chat, chat->streams);
    }
    struct stream_room *room = room_find(chat, room_id);
    if (room == NULL) {
        room = memory_allocate_zeroed(sizeof(*room));
        room->id = memory_copy_string(room_id.data, room_id.length);
        HASH_ADD_KEYPTR(hh, chat->stream_rooms, room->id, room_id.length, room);
    }
    stream = memory_allocate_zeroed(sizeof(*stream));
    memcpy(stream->reply, reply.data, UUID_TEXT_LENGTH);
    memcpy(stream->question, question.data, UUID_TEXT_LENGTH);
    stream->agent = memory_copy_string(agent.data, agent.length);
    stream->room = room;
    DL_APPEND2(room->streams, stream, room_prev, room_next);
    HASH_ADD_KEYPTR(hh, chat->streams, stream->reply, UUID_TEXT_LENGTH, stream);
    return stream;
}

static bool has_ids(struct slice reply, struct slice question)
{
    return reply.length == UUID_TEXT_LENGTH && question.length == UUID_TEXT_LENGTH;
}

/* Is it for anybody here? What comes for a room that everybody has left is not. */
static bool has_viewers(struct chat *chat, struct slice room, struct slice question)
{
    return room_lookup(chat, room) != NULL || chat_is_watched(chat, question);
}

/* --- beginning and end of a run --------------------------------------------------------------- */

bool stream_start(struct chat *chat, const struct bus_run *run)
{
    if (!has_ids(run->reply, run->question) || !has_viewers(chat, run->room, run->question)) {
        return true;
    }
    struct stream *stream = obtain(chat, run->reply, run->question, run->room, run->agent);
    bool is_news = !stream->is_started;
    if (is_news) {
        stream->is_started = true;
        stream->asker = memory_copy_string(run->asker.data, run->asker.length);
        stream->server_id = memory_copy_string(run->server_id.data, run->server_id.length);
    }
    return is_news;
}

bool stream_is_known(struct chat *chat, struct slice reply)
{
    return find(chat, reply) != NULL;
}

void stream_end(struct chat *chat, struct slice reply)
{
    struct stream *stream = find(chat, reply);
    if (stream != NULL) {
        drop(chat, stream);
    }
}

void stream_settle(struct chat *chat, struct slice reply)
{
    struct stream *stream = find(chat, reply);
    if (stream != NULL) {
        lags_settle(stream);
    }
}

void streams_destroy(struct chat *chat)
{
    while (chat->streams != NULL) {
        drop(chat, chat->streams);
    }
}

/* --- pieces ----------------------------------------------------------------------------------- */

/*
 * Does this whole text so far begin with what was passed on already? A router that starts anew may
 * number an attempt like one before: then it may say the same, but counts from 0.
 */
static bool is_continued_by(const struct stream *stream, const struct bus_chunk *chunk)
{
    size_t length = stream->text.length;
    bool is_longer = chunk->text.length > length && chunk->index > stream->index;
    bool is_same = chunk->text.length == length && chunk->index == stream->index;
    return chunk->attempt == stream->attempt && (is_longer || is_same) &&
           memcmp(chunk->text.data, stream->text.data, length) == 0;
}

static void keep(struct chat *chat, struct stream *stream, const struct bus_chunk *chunk)
{
    if (chunk->is_reset || chunk->attempt != stream->attempt) {
        chat->stream_bytes -= stream->text.length;
        buffer_clear(&stream->text);
        stream->attempt = chunk->attempt;
    }
    buffer_append_slice(&stream->text, chunk->text);
    chat->stream_bytes += chunk->text.length;
    stream->index = chunk->index;
    while (chat->stream_bytes > STREAM_TEXTS_MAX && chat->streams != stream) {
        drop(chat, chat->streams);
    }
}

struct stream *stream_take(struct chat *chat, struct bus_chunk *chunk)
{
    if (!has_ids(chunk->reply, chunk->question) ||
        !has_viewers(chat, chunk->room, chunk->question)) {
        return NULL;
    }
    struct stream *stream = obtain(chat, chunk->reply, chunk->question, chunk->room, chunk->agent);
    size_t known = stream->text.length;
    bool is_same = chunk->attempt == stream->attempt;
    if (chunk->is_reset && known > 0 && is_continued_by(stream, chunk)) {
        chunk->is_reset = false; /* only its end is news */
        chunk->offset = known;
        chunk->text.data += known;
        chunk->text.length -= known;
    } else if (!chunk->is_reset && chunk->offset == 0 && known > 0) {
        chunk->is_reset = true; /* an attempt that begins anew */
    } else if (!chunk->is_reset && (chunk->offset != known || (!is_same && known > 0))) {
        return NULL; /* something was missed: the rest comes with the text so far, or the end */
    }
    if (chunk->text.length == 0) {
        return NULL;
    }
    keep(chat, stream, chunk);
    return stream;
}

struct bus_chunk stream_so_far(const struct stream *stream)
{
    return (struct bus_chunk){.room = chat_text(stream->room->id),
                              .reply = slice_of(stream->reply, UUID_TEXT_LENGTH),
                              .question = slice_of(stream->question, UUID_TEXT_LENGTH),
                              .agent = chat_text(stream->agent),
                              .index = stream->index,
                              .attempt = stream->attempt,
                              .is_reset = true,
                              .text = buffer_slice(&stream->text)};
}

/* --- those who come later --------------------------------------------------------------------- */

struct stream *streams_of_room(struct chat *chat, struct slice room)
{
    struct stream_room *streams = room_find(chat, room);
    return streams == NULL ? NULL : streams->streams;
}

void streams_leave(struct chat *chat, struct slice room)
{
    struct stream *stream = streams_of_room(chat, room);
    while (stream != NULL) {
        struct stream *next = stream->room_next; /* read first: the last one takes the room along */
        if (!chat_is_watched(chat, slice_of(stream->question, UUID_TEXT_LENGTH))) {
            drop(chat, stream);
        }
        stream = next;
    }
}

void streams_ask(struct chat *chat)
{
    struct stream_room *room, *next;
    HASH_ITER (hh, chat->stream_rooms, room, next) {
        /* Only where this edge catches up is a run that is over and has no reply one that failed.
         */
        if (room_lookup(chat, chat_text(room->id)) != NULL) {
            struct bus_message message = {.type = BUS_RUNS_WANTED,
                                          .runs_wanted = {chat_text(room->id)}};
            uplink_notify(chat->uplink, &message);
        } else {
            drop_room(chat, room); /* what is followed still comes anew, with its text so far */
        }
    }
}

bool stream_goes_on(struct chat *chat, struct slice room)
{
    return streams_of_room(chat, room) != NULL;
}

static bool is_listed(const struct bus_list *replies, const struct stream *stream)
{
    struct msgpack_reader reader = bus_list_read(replies);
    struct bus_text element;
    while (bus_list_next(&reader, BUS_ELEMENT_TEXT, &element)) {
        if (slice_is(element.text, stream->reply)) {
            return true;
        }
    }
    return false;
}

struct stream *streams_first_over(struct chat *chat, const struct bus_runs *runs)
{
    struct stream *stream = streams_of_room(chat, runs->room);
    while (stream != NULL && is_listed(&runs->replies, stream)) {
        stream = stream->room_next;
    }
    return stream;
}
