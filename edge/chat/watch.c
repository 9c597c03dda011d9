#include "edge/chat/internal.h"

static struct watched *find(struct chat *chat, struct slice question)
{
    struct watched *watched;
    HASH_FIND(hh, chat->watched, question.data, question.length, watched);
    return watched;
}

void chat_watch(struct chat *chat, struct chat_watch *watch, struct slice question)
{
    if (question.length != UUID_TEXT_LENGTH) {
        return; /* not an id that a run can have */
    }
    memcpy(watch->question, question.data, UUID_TEXT_LENGTH);
    watch->question[UUID_TEXT_LENGTH] = '\0';
    struct watched *watched = find(chat, question);
    if (watched == NULL) {
        watched = memory_allocate_zeroed(sizeof(*watched));
        memcpy(watched->question, watch->question, sizeof(watched->question));
        HASH_ADD_KEYPTR(hh, chat->watched, watched->question, UUID_TEXT_LENGTH, watched);
    }
    DL_APPEND(watched->watches, watch);
}

void chat_unwatch(struct chat *chat, struct chat_watch *watch)
{
    if (watch->question[0] == '\0') {
        return;
    }
    struct watched *watched = find(chat, slice_of(watch->question, UUID_TEXT_LENGTH));
    watch->question[0] = '\0';
    if (watched == NULL) {
        return;
    }
    DL_DELETE(watched->watches, watch);
    if (watched->watches == NULL) {
        HASH_DELETE(hh, chat->watched, watched);
        free(watched);
    }
}

bool chat_is_watched(struct chat *chat, struct slice question)
{
    return find(chat, question) != NULL;
}

bool chat_so_far(struct chat *chat, const struct chat_watch *watch, struct slice room,
                 struct slice reply, struct bus_chunk *out)
{
    const struct stream *stream = streams_of_room(chat, room);
    for (; stream != NULL; stream = stream->room_next) {
        if (stream->text.length > 0 && strcmp(stream->question, watch->question) == 0 &&
            (reply.length == 0 || slice_is(reply, stream->reply))) {
            *out = stream_so_far(stream);
            return true;
        }
    }
    return false;
}

void chat_catch_up(struct chat *chat, struct chat_watch *watch, struct slice room)
{
    struct bus_message message = {.type = BUS_CHUNK};
    if (chat_so_far(chat, watch, room, SLICE_EMPTY, &message.chunk)) {
        watch->event(watch, &message);
    }
}

void watch_announce(struct chat *chat, struct slice question, const struct bus_message *event)
{
    struct watched *watched = find(chat, question);
    struct chat_watch *watch = watched == NULL ? NULL : watched->watches;
    while (watch != NULL) {
        struct chat_watch *next = watch->next; /* event() may end this watch, not another one */
        watch->event(watch, event);
        watch = next;
    }
}

void watch_announce_all(struct chat *chat, const struct bus_message *event)
{
    struct watched *watched, *next_watched;
    HASH_ITER (hh, chat->watched, watched, next_watched) {
        struct chat_watch *watch = watched->watches;
        while (watch != NULL) { /* with the last one that ends, `watched` is gone, too */
            struct chat_watch *next = watch->next;
            watch->event(watch, event);
            watch = next;
        }
    }
}

/* --- sockets that asked outside their rooms --------------------------------------------------- */

enum { FOLLOW_HOLD_MS = 1000, FOLLOW_HELD_MAX = 1000 };

static void stop_holding(struct follow *follow)
{
    if (follow->hold_until != 0) {
        follow->hold_until = 0;
        DL_DELETE2(follow->socket->chat->holding, follow, held_prev, held_next);
    }
}

static void emit(struct follow *follow, struct packet *packet)
{
    socket_emit(follow->socket->socket, packet);
    follow->socket->chat->counters.deliveries++;
}

/* Ends the hold; what was held goes out, or is let go of. */
static void release(struct follow *follow, bool goes_out)
{
    stop_holding(follow);
    for (uint32_t i = 0; i < follow->held_count; i++) {
        if (goes_out) {
            emit(follow, follow->held[i]);
        }
        packet_release(&follow->held[i]);
    }
    follow->held_count = 0;
}

static void follow_destroy(struct follow *follow)
{
    release(follow, false);
    chat_unwatch(follow->socket->chat, &follow->watch);
    DL_DELETE(follow->socket->follows, follow);
    free(follow->held);
    free(follow->room);
    free(follow->viewer);
    free(follow);
}

/* Without its offset: when it goes out, the socket may have come further. */
static void hold(struct follow *follow, struct packet *packet)
{
    if (follow->held == NULL) {
        follow->held = memory_allocate(FOLLOW_HELD_MAX * sizeof(struct packet *));
    }
    follow->held[follow->held_count++] = packet_share(packet_plain(packet));
}

static bool is_expelled(const struct follow *follow, const struct bus_expelled *expelled)
{
    return slice_is(expelled->room, follow->room) && slice_is(expelled->entity, follow->viewer);
}

static void on_event(struct chat_watch *watch, const struct bus_message *event)
{
    struct follow *follow = (struct follow *)watch;
    if (event->type == BUS_EXPELLED) {
        if (is_expelled(follow, &event->expelled)) {
            follow_destroy(follow);
        }
        return;
    }
    struct chat *chat = follow->socket->chat;
    bool is_end = event->type == BUS_ROOM_MESSAGE ||
                  (event->type == BUS_RUN && event->run.state != BUS_RUN_STARTED);
    struct packet *packets[2];
    uint32_t count = 0;
    if (member_of(follow->socket, chat_text(follow->room)) == NULL) {
        count = render_for_follower(chat, event, packets); /* a member has got it as a member */
    }
    for (uint32_t i = 0; i < count; i++) {
        if (follow->hold_until != 0 && follow->held_count < FOLLOW_HELD_MAX) {
            hold(follow, packets[i]);
        } else {
            release(follow, true);
            emit(follow, packets[i]);
        }
        packet_release(&packets[i]);
    }
    if (is_end && --follow->answers == 0 && follow->hold_until == 0) {
        follow_destroy(follow);
    }
}

/* It asked again amid an answer that others here have the beginning of. */
static void follow_from_here(struct follow *follow)
{
    const struct stream *stream = streams_of_room(follow->socket->chat, chat_text(follow->room));
    for (; stream != NULL; stream = stream->room_next) {
        if (stream->text.length > 0 &&
            memcmp(stream->question, follow->watch.question, UUID_TEXT_LENGTH) == 0) {
            struct bus_message message = {.type = BUS_CHUNK, .chunk = stream_so_far(stream)};
            on_event(&follow->watch, &message);
        }
    }
}

void chat_follow(struct chat_socket *socket, struct slice room, struct slice viewer,
                 struct slice question, uint64_t answers, int64_t now)
{
    if (chat_follows(socket, question)) {
        return; /* it asked twice, and is to be answered once */
    }
    struct follow *follow = memory_allocate_zeroed(sizeof(*follow));
    follow->watch.event = on_event;
    follow->socket = socket;
    follow->room = memory_copy_string(room.data, room.length);
    follow->viewer = memory_copy_string(viewer.data, viewer.length);
    follow->answers = (uint32_t)answers;
    follow->hold_until = now + FOLLOW_HOLD_MS;
    DL_APPEND(socket->follows, follow);
    DL_APPEND2(socket->chat->holding, follow, held_prev, held_next);
    chat_watch(socket->chat, &follow->watch, question);
    follow_from_here(follow);
}

bool chat_follows(const struct chat_socket *socket, struct slice question)
{
    const struct follow *follow;
    DL_FOREACH (socket->follows, follow) {
        if (slice_is(question, follow->watch.question)) {
            return true;
        }
    }
    return false;
}

void chat_unfollow_all(struct chat_socket *socket)
{
    while (socket->follows != NULL) {
        follow_destroy(socket->follows);
    }
}

void chat_follow_joined(struct chat_socket *socket, struct slice room, bool was_replayed)
{
    struct follow *follow, *next;
    DL_FOREACH_SAFE (socket->follows, follow, next) {
        if (slice_equals(chat_text(follow->room), room)) {
            release(follow, !was_replayed);
            follow_destroy(follow); /* the rest comes to it as a member */
        }
    }
}

void chat_tick(struct chat *chat, int64_t now)
{
    recover_tick(chat, now);
    lags_tick(chat);
    while (chat->holding != NULL && chat->holding->hold_until <= now) {
        struct follow *follow = chat->holding;
        release(follow, true);
        if (follow->answers == 0) {
            follow_destroy(follow);
        }
    }
}
