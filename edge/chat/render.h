/*
 * Events as clients see them. Each function renders one packet, with one reference for the caller,
 * which all sockets of a room share.
 */
#ifndef EDGE_CHAT_RENDER_H
#define EDGE_CHAT_RENDER_H

#include <stdbool.h>
#include <stdint.h>
#include "proto/base/packet.h"
#include "proto/base/slice.h"
#include "proto/bus/message.h"

struct chat;
struct chat_room;

/* client_message_id: as its sender chose it, for the sender's own sockets; or empty. */
struct packet *render_message(struct chat *chat, const struct bus_room_message *message,
                              struct slice client_message_id);
struct packet *render_receipt(struct chat *chat, const struct bus_receipt_note *note);
struct packet *render_presence(struct chat *chat, const struct bus_presence *presence);
struct packet *render_typing(struct chat *chat, const struct bus_signal *signal);
/*
 * name: of an agent whose run this is, so that a reply can be headed before it is there; or empty.
 */
struct packet *render_thinking(struct chat *chat, struct slice room, struct slice user,
                               struct slice name, bool is_thinking);
struct packet *render_control(struct chat *chat, struct slice room, struct slice user,
                              struct slice action);

/* Runs. code: why there is no reply; empty: there is one. */
struct packet *render_chunk(struct chat *chat, const struct bus_chunk *chunk);
struct packet *render_stream_error(struct chat *chat, const struct bus_run *run);
struct packet *render_complete(struct chat *chat, struct slice room, struct slice server,
                               struct slice reply, struct slice question, struct slice agent,
                               struct slice code);
struct slice render_run_code(const struct bus_run *run);
/* The same of a reply's body: of one that was stopped, else empty. */
struct slice render_reply_code(struct slice body);

/* What a follower sees of an event of its run: up to two packets. Returns how many. */
uint32_t render_for_follower(struct chat *chat, const struct bus_message *event,
                             struct packet *packets[2]);
/* What ends a run for a socket that missed its reply: three packets. */
uint32_t render_run_end(struct chat *chat, const struct chat_room *room,
                        const struct bus_stored_message *reply, struct packet *packets[3]);

#endif
