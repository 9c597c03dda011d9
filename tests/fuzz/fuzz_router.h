/*
 * A router for fuzzers, at the other end of the chat fixture: it agrees to everything, and a page
 * of history is what was sent last.
 */
#ifndef TESTS_FUZZ_FUZZ_ROUTER_H
#define TESTS_FUZZ_FUZZ_ROUTER_H

#include "tests/unit/chat_fixture.h"

struct fuzz_router {
    struct chat_fixture *chat; /* borrows */
    struct buffer body;        /* of the latest send */
};

static inline void fuzz_expect(bool holds)
{
    if (!holds) {
        __builtin_trap();
    }
}

static inline void fuzz_router_accept(struct fuzz_router *self, const struct bus_send *send)
{
    struct bus_message message = {.type = BUS_ROOM_MESSAGE,
                                  .room_message = {.room = send->room,
                                                   .epoch = EPOCH,
                                                   .seq = 1,
                                                   .id = SLICE_LITERAL(QUESTION),
                                                   .created_at = 5,
                                                   .sender = send->sender,
                                                   .origin = text(TEST_INCARNATION),
                                                   .origin_request = send->request,
                                                   .body = send->body}};
    struct bus_message done = send_done(send->request, 1, 1);

    buffer_clear(&self->body);
    buffer_append_slice(&self->body, send->body);
    (void)link_send(&self->chat->router.link, &message);
    (void)link_send(&self->chat->router.link, &done);
}

static inline void fuzz_router_history(struct fuzz_router *self, uint64_t request)
{
    struct bus_list_builder list = {BUFFER_EMPTY, 0};
    struct bus_stored_message stored = {.id = text(REPLY),
                                        .seq = 1,
                                        .created_at = 6,
                                        .sender = text("eliza"),
                                        .body = buffer_slice(&self->body)};

    bus_list_add(&list, BUS_ELEMENT_STORED, &stored);
    struct bus_message page = {
        .type = BUS_HISTORY_PAGE,
        .history_page = {.request = request, .epoch = EPOCH, .messages = bus_list_of(&list)}};
    (void)link_send(&self->chat->router.link, &page);
    buffer_deinit(&list.bytes);
}

static inline void fuzz_router_joined(struct fuzz_router *self, const struct bus_join *join)
{
    struct bus_message joined = {.type = BUS_JOINED,
                                 .joined = {.request = join->request,
                                            .room = join->room,
                                            .epoch = EPOCH,
                                            .server_id = SLICE_LITERAL("server"),
                                            .member_count = 1,
                                            .replay_complete = true}};
    (void)link_send(&self->chat->router.link, &joined);
}

static inline void fuzz_router_page(struct fuzz_router *self, uint64_t request)
{
    struct bus_list_builder list = {BUFFER_EMPTY, 0};
    struct bus_member member = {SLICE_LITERAL("ann"), SLICE_LITERAL("Ann"), 1};

    bus_list_add(&list, BUS_ELEMENT_MEMBER, &member);
    struct bus_message page = {
        .type = BUS_MEMBERS_PAGE,
        .members_page = {.request = request, .total = 1, .members = bus_list_of(&list)}};
    (void)link_send(&self->chat->router.link, &page);
    buffer_deinit(&list.bytes);
}

static inline void fuzz_router_create(struct fuzz_router *self, const struct bus_channel_put *put)
{
    struct bus_message channel = {.type = BUS_CHANNEL,
                                  .channel = {.request = put->request,
                                              .id = SLICE_LITERAL(QUESTION),
                                              .name = put->name,
                                              .type = put->type,
                                              .server_id = put->server_id,
                                              .metadata = put->metadata,
                                              .participants = put->participants}};
    (void)link_send(&self->chat->router.link, &channel);
}

static inline void fuzz_router_answer(struct fuzz_router *self, const struct bus_message *message)
{
    struct bus_message done = {.type = BUS_DONE};

    switch (message->type) {
    case BUS_JOIN:
        fuzz_router_joined(self, &message->join);
        return;
    case BUS_SEND:
        fuzz_router_accept(self, &message->send);
        return;
    case BUS_HISTORY:
        fuzz_router_history(self, message->history.request);
        return;
    case BUS_MEMBERS:
        fuzz_router_page(self, message->members.request);
        return;
    case BUS_CHANNEL_PUT:
        fuzz_router_create(self, &message->channel_put);
        return;
    case BUS_LEAVE:
        done.done.request = message->leave.request;
        break;
    case BUS_RECEIPT:
        done.done.request = message->receipt.request;
        break;
    default:
        return;
    }
    if (done.done.request != 0) {
        (void)link_send(&self->chat->router.link, &done);
    }
}

/* Answers what the edge has asked, and lets everything happen that follows. */
static inline void fuzz_router_run(struct fuzz_router *self)
{
    struct bus_end *router = &self->chat->router;

    settle(self->chat);
    while (router->heard != NULL) {
        struct heard *heard = router->heard;

        router->heard = heard->next;
        fuzz_router_answer(self, &heard->message);
        buffer_deinit(&heard->bytes);
        free(heard);
        settle(self->chat);
    }
    buffer_clear(&router->lines);
}

#endif
