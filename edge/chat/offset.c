#include "edge/chat/internal.h"

/*
 * Packets are shared by all sockets of a room, so what they say of how far a socket has come is a
 * property of the edge: messages reach it in the order of their positions, over all rooms, and
 * whatever it is told later comes later. While rooms are being caught up after a resynchronisation
 * that is not so: messages say then that they prove nothing, and everything else says nothing.
 */

void offset_reach_position(struct chat *chat, uint64_t position)
{
    if (position > chat->point.position) {
        chat->point.position = position;
        chat->is_offset_made = false;
    }
}

void offset_reach_stamp(struct chat *chat, uint64_t stamp)
{
    if (stamp > chat->point.stamp) {
        chat->point.stamp = stamp;
        chat->is_offset_made = false;
    }
}

void offset_set_settled(struct chat *chat, bool is_settled)
{
    chat->point.is_unsettled = !is_settled;
    chat->is_offset_made = false;
}

static struct slice current(struct chat *chat)
{
    if (!chat->is_offset_made) {
        recovery_write_offset(&chat->keys, &chat->point, chat->offset);
        chat->is_offset_made = true;
    }
    return slice_of(chat->offset, RECOVERY_OFFSET_LENGTH);
}

struct slice offset_of_message(struct chat *chat)
{
    if (!chat->has_keys) {
        return SLICE_EMPTY;
    }
    return chat->is_caught_up ? current(chat) : SLICE_LITERAL(RECOVERY_OFFSET_VOID);
}

struct slice offset_of_event(struct chat *chat)
{
    return chat->has_keys && chat->is_caught_up ? current(chat) : SLICE_EMPTY;
}
