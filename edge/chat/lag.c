#include "edge/chat/internal.h"

/*
 * Viewers that are behind. A socket that more than LAG_BACKLOG bytes wait for gets no further
 * chunks of a stream, until it has taken them; then all that it has not got comes in one. So what a
 * slow viewer costs is bounded by the text, not by the number of its pieces, and its chunks add up
 * to the same text as everybody's. At the end of a stream it gets the rest before the reply.
 */

enum {
    LAG_BACKLOG = 16 * 1024,        /* bytes that wait for a socket from which on it is behind */
    LAG_CAUGHT_UP = LAG_BACKLOG / 4 /* and down to which it has caught up */
};

/* What a socket does not have of a stream. */
struct lag {
    struct chat_socket *socket;
    struct stream *stream;
    size_t shown;  /* bytes of the stream's text that it has */
    bool is_reset; /* they, and all that was said before, are to be replaced */
    struct lag *socket_prev, *socket_next; /* socket->lags */
    struct lag *stream_prev, *stream_next; /* stream->lags */
    struct lag *prev, *next;               /* chat->lags */
};

static size_t backlog_of(const struct chat_socket *socket)
{
    return session_backlog(socket_session(socket->socket));
}

static struct lag *find(const struct chat_socket *socket, const struct stream *stream)
{
    struct lag *lag;
    DL_FOREACH2(socket->lags, lag, socket_next)
    {
        if (lag->stream == stream) {
            return lag;
        }
    }
    return NULL;
}

static void forget(struct lag *lag)
{
    struct chat *chat = lag->socket->chat;
    DL_DELETE2(lag->socket->lags, lag, socket_prev, socket_next);
    DL_DELETE2(lag->stream->lags, lag, stream_prev, stream_next);
    DL_DELETE(chat->lags, lag);
    free(lag);
}

/* It gets what it has not got; the lag is over. */
static void catch_up(struct lag *lag)
{
    struct chat_socket *socket = lag->socket;
    struct bus_chunk chunk = stream_so_far(lag->stream);
    if (!lag->is_reset) {
        chunk.is_reset = false;
        chunk.offset = lag->shown;
        chunk.text.data += lag->shown;
        chunk.text.length -= lag->shown;
    }
    forget(lag);
    if (chunk.text.length > 0 && member_of(socket, chunk.room) != NULL) {
        struct packet *packet = render_chunk(socket->chat, &chunk);
        chat_emit(socket, packet);
        packet_release(&packet);
        socket->chat->counters.deliveries++;
    }
}

/* Does this chunk have to wait? */
static bool is_behind(struct chat_socket *socket, struct stream *stream,
                      const struct bus_chunk *chunk)
{
    struct lag *lag = find(socket, stream);
    if (lag == NULL && backlog_of(socket) <= LAG_BACKLOG) {
        return false;
    }
    if (lag == NULL) {
        lag = memory_allocate_zeroed(sizeof(*lag));
        lag->socket = socket;
        lag->stream = stream;
        lag->shown = chunk->offset;
        DL_APPEND2(socket->lags, lag, socket_prev, socket_next);
        DL_APPEND2(stream->lags, lag, stream_prev, stream_next);
        DL_APPEND(socket->chat->lags, lag);
    }
    if (chunk->is_reset) {
        lag->is_reset = true;
        lag->shown = 0;
    }
    socket->chat->counters.chunks_held++;
    return true;
}

void lag_broadcast(struct chat *chat, struct chat_room *room, struct stream *stream,
                   const struct bus_chunk *chunk)
{
    struct packet *packet = render_chunk(chat, chunk);
    for (uint32_t i = 0; i < room->count; i++) {
        struct chat_socket *socket = room->members[i]->owner;
        /* One that is being recovered gets the text so far in the end, if there is use for it. */
        if (socket->recovery == NULL && !is_behind(socket, stream, chunk)) {
            socket_emit(socket->socket, packet);
            chat->counters.deliveries++;
        }
    }
    chat->counters.rendered++;
    packet_release(&packet);
}

void lag_forget(struct chat_socket *socket, const struct stream *stream)
{
    struct lag *lag = find(socket, stream);
    if (lag != NULL) {
        forget(lag);
    }
}

void lags_settle(struct stream *stream)
{
    while (stream->lags != NULL) {
        catch_up(stream->lags);
    }
}

void lags_forget_socket(struct chat_socket *socket)
{
    while (socket->lags != NULL) {
        forget(socket->lags);
    }
}

void lags_tick(struct chat *chat)
{
    struct lag *lag, *next;
    DL_FOREACH_SAFE (chat->lags, lag, next) {
        if (backlog_of(lag->socket) <= LAG_CAUGHT_UP) {
            catch_up(lag);
        }
    }
}
