#include "edge/chat/internal.h"

/*
 * Passing events: relayed to the room, stored by nobody, acknowledged when they are on their way.
 */

static void refuse(const struct chat_call *call, struct chat_fault fault)
{
    call->chat->counters.faults += !error_is_retryable(fault.error);
    call_refuse(call, fault, SLICE_EMPTY, error_is_retryable(fault.error) ? 1000 : 0);
}

/* Who a socket is in a room when the event does not say: as whom it joined, else itself. */
static struct slice speaker_in(const struct chat_socket *from, struct slice room)
{
    const struct chat_member *member = member_of(from, room);
    return chat_text(member != NULL ? member->entity : from->entity);
}

static void relay(const struct chat_call *call, enum bus_signal_kind kind, struct slice room,
                  struct slice named, bool is_on, struct slice action)
{
    struct chat *chat = call->chat;
    struct slice user = named.length > 0 ? named : speaker_in(call->from, room);
    struct chat_fault fault = chat_access(call->from, room, user, "userId");
    if (fault.error != 0) {
        refuse(call, fault);
        return;
    }
    if (!uplink_is_ready(chat->uplink, call->now)) {
        refuse(call, (struct chat_fault){ERROR_OVERLOADED, NULL});
        return;
    }
    struct bus_message message = {.type = BUS_SIGNAL,
                                  .trace = id_random_u64(chat->ids),
                                  .viewer = chat_viewer(call->from, user),
                                  .signal = {.room = room,
                                             .kind = (uint64_t)kind,
                                             .entity = user,
                                             .is_on = is_on,
                                             .action = action}};
    chat->counters.signals++;
    uplink_notify(chat->uplink, &message);
    socket_answer(call->from, call->has_ack_id, call->ack_id, SLICE_LITERAL("{\"success\":true}"));
}

static void handle_flag(const struct chat_call *call, const char *flag, enum bus_signal_kind kind)
{
    struct chat_typing typing;
    struct chat_fault fault = chat_decode_typing(call->payload, &call->chat->arena, flag, &typing);
    if (fault.error != 0) {
        refuse(call, fault);
        return;
    }
    relay(call, kind, typing.room, typing.user, typing.is_on, SLICE_EMPTY);
}

void chat_handle_typing(const struct chat_call *call)
{
    handle_flag(call, "isTyping", BUS_SIGNAL_TYPING);
}

void chat_handle_thinking(const struct chat_call *call)
{
    handle_flag(call, "isThinking", BUS_SIGNAL_THINKING);
}

void chat_handle_control(const struct chat_call *call)
{
    struct chat_control control;
    struct chat_fault fault = chat_decode_control(call->payload, &call->chat->arena, &control);
    if (fault.error != 0) {
        refuse(call, fault);
        return;
    }
    relay(call, BUS_SIGNAL_CONTROL, control.room, control.user, false, control.action);
}

/* --- receipts: "I have it", "I have read it", for the message's author ------------------------ */

struct receipt_wait {
    struct chat *chat;
    struct chat_socket *from; /* invalid once forgotten */
    bool has_ack_id;
    uint64_t ack_id;
};

static void on_receipt_done(void *context, const struct uplink_outcome *outcome)
{
    struct receipt_wait *wait = context;
    int error = outcome->answer == NULL ? outcome->error : (int)outcome->answer->done.error;
    if (!outcome->is_forgotten && error == 0) {
        socket_answer(wait->from, wait->has_ack_id, wait->ack_id,
                      SLICE_LITERAL("{\"success\":true}"));
    } else if (!outcome->is_forgotten) {
        struct chat_call call = {.chat = wait->chat,
                                 .from = wait->from,
                                 .has_ack_id = wait->has_ack_id,
                                 .ack_id = wait->ack_id,
                                 .now = outcome->now};
        refuse(&call, (struct chat_fault){error, error == ERROR_NOT_FOUND ? "messageId" : NULL});
    }
    free(wait);
}

void chat_handle_receipt(const struct chat_call *call)
{
    struct chat *chat = call->chat;
    struct chat_receipt receipt;
    struct chat_fault fault = chat_decode_receipt(call->payload, &chat->arena, &receipt);
    if (fault.error == 0) {
        /* A receipt names no room: whoever knows a message's id has been told of it. */
        fault = chat_access(call->from, SLICE_EMPTY, receipt.user, "userId");
    }
    if (fault.error == 0 &&
        call->from->requests.count >= (size_t)chat->settings.requests_per_socket_max) {
        fault = (struct chat_fault){ERROR_OVERLOADED, NULL};
    }
    if (fault.error != 0) {
        refuse(call, fault);
        return;
    }
    struct receipt_wait *wait = memory_allocate_zeroed(sizeof(*wait));
    *wait = (struct receipt_wait){chat, call->from, call->has_ack_id, call->ack_id};
    struct bus_message message = {
        .type = BUS_RECEIPT,
        .trace = id_random_u64(chat->ids),
        .viewer = chat_viewer(call->from, receipt.user),
        .receipt = {.message_id = receipt.message_id,
                    .user = receipt.user.length > 0 ? receipt.user : chat_text(call->from->entity),
                    .status = receipt.status}};
    int error = uplink_request(chat->uplink, &message, &message.receipt.request, on_receipt_done,
                               wait, &call->from->requests, call->now);
    if (error != 0) {
        free(wait);
        refuse(call, (struct chat_fault){error, NULL});
    }
}
