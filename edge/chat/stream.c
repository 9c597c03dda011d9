#include "edge/chat/internal.h"

/*
 * Replies that are being written, as this edge has passed their pieces on. Pieces are stored by
 * nobody: one that was missed is gone, and a router that starts anew has the agent write again from
 * the beginning. Whoever watches then waits for the final message; nothing is shown twice, and nothing
 * behind a gap.
 */

enum { STREAMS_MAX = 10000 }; /* an end that was missed must not keep its stream for ever */

struct stream {
    char reply[UUID_TEXT_SIZE];
    char *room; /* owns */
    uint64_t next; /* index of the piece that continues it */
    bool is_broken;
    UT_hash_handle hh; /* chat->streams, by reply, oldest first */
};

static struct stream *find(struct chat *chat, struct slice reply)
{
    struct stream *stream;
    HASH_FIND(hh, chat->streams, reply.data, reply.length, stream);
    return stream;
}

static void drop(struct chat *chat, struct stream *stream)
{
    HASH_DELETE(hh, chat->streams, stream);
    free(stream->room);
    free(stream);
}

static struct stream *begin(struct chat *chat, const struct bus_chunk *chunk)
{
    struct stream *stream = memory_allocate_zeroed(sizeof(*stream));
    if (HASH_COUNT(chat->streams) >= STREAMS_MAX) {
        drop(chat, chat->streams);
    }
    memcpy(stream->reply, chunk->reply.data, UUID_TEXT_LENGTH);
    stream->room = memory_copy_string(chunk->room.data, chunk->room.length);
    stream->next = chunk->index;
    HASH_ADD_KEYPTR(hh, chat->streams, stream->reply, UUID_TEXT_LENGTH, stream);
    return stream;
}

bool stream_continues(struct chat *chat, const struct bus_chunk *chunk)
{
    if (chunk->reply.length != UUID_TEXT_LENGTH) {
        return false;
    }
    struct stream *stream = find(chat, chunk->reply);
    if (stream == NULL) {
        stream = begin(chat, chunk);
    }
    stream->is_broken = stream->is_broken || chunk->index != stream->next;
    stream->next = chunk->index + 1;
    return !stream->is_broken;
}

bool stream_goes_on(const struct chat *chat, const char *room)
{
    for (const struct stream *stream = chat->streams; stream != NULL; stream = stream->hh.next) {
        if (!stream->is_broken && strcmp(stream->room, room) == 0) {
            return true;
        }
    }
    return false;
}

void stream_end(struct chat *chat, struct slice reply)
{
    struct stream *stream = find(chat, reply);
    if (stream != NULL) {
        drop(chat, stream);
    }
}

void streams_break(struct chat *chat)
{
    struct stream *stream, *next;
    HASH_ITER (hh, chat->streams, stream, next) {
        stream->is_broken = true;
    }
}

void streams_destroy(struct chat *chat)
{
    while (chat->streams != NULL) {
        drop(chat, chat->streams);
    }
}
