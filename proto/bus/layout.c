#include "proto/bus/layout.h"

/* The tables below read like the grammar in BUS.md: the fields in wire order. */
#define U(type, member)                                                                            \
    {                                                                                              \
        FIELD_UNSIGNED, offsetof(struct type, member), 0, 0                                        \
    }
#define I(type, member)                                                                            \
    {                                                                                              \
        FIELD_SIGNED, offsetof(struct type, member), 0, 0                                          \
    }
#define B(type, member)                                                                            \
    {                                                                                              \
        FIELD_BOOLEAN, offsetof(struct type, member), 0, 0                                         \
    }
#define ID(type, member)                                                                           \
    {                                                                                              \
        FIELD_TEXT, offsetof(struct type, member), BUS_ID_MAX, 0                                   \
    }
#define NAME(type, member)                                                                         \
    {                                                                                              \
        FIELD_TEXT, offsetof(struct type, member), BUS_NAME_MAX, 0                                 \
    }
#define PAYLOAD(type, member)                                                                      \
    {                                                                                              \
        FIELD_PAYLOAD, offsetof(struct type, member), BUS_PAYLOAD_MAX, 0                           \
    }
#define LIST(type, member, element)                                                                \
    {                                                                                              \
        FIELD_LIST, offsetof(struct type, member), BUS_PAYLOAD_MAX, element                        \
    }

/* --- list.h, message.h ------------------------------------------------------------------------ */

static const struct field text_fields[] = {NAME(bus_text, text)};
static const struct field done_fields[] = {U(bus_done, request), I(bus_done, error)};

/* --- messages/links.h ------------------------------------------------------------------------- */

static const struct field hello_fields[] = {U(bus_hello, role), ID(bus_hello, incarnation),
                                            NAME(bus_hello, name), NAME(bus_hello, peer_address),
                                            NAME(bus_hello, program_version)};
static const struct field peer_fields[] = {ID(bus_peer, incarnation), NAME(bus_peer, address)};
static const struct field cluster_fields[] = {PAYLOAD(bus_cluster, secret),
                                              B(bus_cluster, has_closed_rooms)};
static const struct field peers_fields[] = {LIST(bus_peers, peers, BUS_ELEMENT_PEER)};

/* --- messages/presence.h ---------------------------------------------------------------------- */

static const struct field member_fields[] = {ID(bus_member, entity), NAME(bus_member, name),
                                             U(bus_member, connections)};
static const struct field room_sync_fields[] = {ID(bus_room_sync, room), U(bus_room_sync, epoch),
                                                U(bus_room_sync, last_seq),
                                                LIST(bus_room_sync, members, BUS_ELEMENT_MEMBER)};
static const struct field sync_done_fields[] = {U(bus_sync_done, rooms)};
static const struct field join_fields[] = {
    U(bus_join, request),   ID(bus_join, room),       ID(bus_join, entity),
    NAME(bus_join, name),   ID(bus_join, server_id),  U(bus_join, since),
    U(bus_join, since_seq), U(bus_join, since_epoch), I(bus_join, since_time),
    ID(bus_join, since_id), ID(bus_join, socket),     B(bus_join, begins)};
static const struct field leave_fields[] = {ID(bus_leave, room),       ID(bus_leave, entity),
                                            B(bus_leave, is_explicit), U(bus_leave, silence),
                                            U(bus_leave, request),     B(bus_leave, is_last)};
static const struct field members_fields[] = {U(bus_members, request), ID(bus_members, room),
                                              U(bus_members, offset), U(bus_members, limit)};
static const struct field joined_fields[] = {
    U(bus_joined, request),         I(bus_joined, error),
    ID(bus_joined, room),           U(bus_joined, epoch),
    U(bus_joined, last_seq),        ID(bus_joined, server_id),
    U(bus_joined, member_count),    LIST(bus_joined, members, BUS_ELEMENT_MEMBER),
    B(bus_joined, replay_complete), LIST(bus_joined, replay, BUS_ELEMENT_STORED),
    U(bus_joined, position),        U(bus_joined, stamp),
    U(bus_joined, changed_at)};
static const struct field presence_fields[] = {
    ID(bus_presence, room),   B(bus_presence, is_joined),    ID(bus_presence, entity),
    NAME(bus_presence, name), U(bus_presence, member_count), U(bus_presence, stamp)};
static const struct field presence_left_fields[] = {
    ID(bus_presence_left, room), LIST(bus_presence_left, members, BUS_ELEMENT_MEMBER),
    U(bus_presence_left, member_count), U(bus_presence_left, stamp)};
static const struct field expelled_fields[] = {ID(bus_expelled, room), ID(bus_expelled, entity)};
static const struct field presence_list_fields[] = {
    ID(bus_presence_list, room), LIST(bus_presence_list, members, BUS_ELEMENT_MEMBER)};
static const struct field members_page_fields[] = {
    U(bus_members_page, request), I(bus_members_page, error), U(bus_members_page, total),
    LIST(bus_members_page, members, BUS_ELEMENT_MEMBER)};
static const struct field caught_up_fields[] = {U(bus_caught_up, position)};
static const struct field settled_fields[] = {U(bus_settled, stamp)};

/* --- messages/chat.h -------------------------------------------------------------------------- */

static const struct field stored_fields[] = {
    ID(bus_stored_message, id),          U(bus_stored_message, seq),
    U(bus_stored_message, kind),         I(bus_stored_message, created_at),
    ID(bus_stored_message, sender),      ID(bus_stored_message, client_message_id),
    ID(bus_stored_message, in_reply_to), PAYLOAD(bus_stored_message, body),
    U(bus_stored_message, position)};
static const struct field send_fields[] = {
    U(bus_send, request),         ID(bus_send, room),
    ID(bus_send, sender),         ID(bus_send, message_id),
    ID(bus_send, server_id),      B(bus_send, asks_agent),
    NAME(bus_send, channel_type), PAYLOAD(bus_send, channel_metadata),
    PAYLOAD(bus_send, body)};
static const struct field signal_fields[] = {ID(bus_signal, room), U(bus_signal, kind),
                                             ID(bus_signal, entity), B(bus_signal, is_on),
                                             NAME(bus_signal, action)};
static const struct field receipt_fields[] = {U(bus_receipt, request), ID(bus_receipt, room),
                                              ID(bus_receipt, message_id), ID(bus_receipt, user),
                                              NAME(bus_receipt, status)};
static const struct field history_fields[] = {U(bus_history, request), ID(bus_history, room),
                                              U(bus_history, limit), I(bus_history, before),
                                              I(bus_history, after)};
static const struct field message_get_fields[] = {U(bus_message_get, request),
                                                  ID(bus_message_get, id)};
static const struct field search_fields[] = {
    U(bus_search, request), ID(bus_search, room),  ID(bus_search, sender), NAME(bus_search, text),
    I(bus_search, after),   I(bus_search, before), U(bus_search, limit),   U(bus_search, offset)};
static const struct field submit_fields[] = {U(bus_submit, request),      ID(bus_submit, room),
                                             ID(bus_submit, id),          ID(bus_submit, sender),
                                             ID(bus_submit, in_reply_to), ID(bus_submit, server_id),
                                             PAYLOAD(bus_submit, body)};
static const struct field send_done_fields[] = {
    U(bus_send_done, request),      I(bus_send_done, error),    ID(bus_send_done, message_id),
    U(bus_send_done, seq),          U(bus_send_done, epoch),    I(bus_send_done, created_at),
    B(bus_send_done, is_duplicate), U(bus_send_done, no_agent), U(bus_send_done, jobs),
    U(bus_send_done, retry_after)};
static const struct field room_message_fields[] = {ID(bus_room_message, room),
                                                   U(bus_room_message, epoch),
                                                   U(bus_room_message, seq),
                                                   ID(bus_room_message, id),
                                                   U(bus_room_message, kind),
                                                   I(bus_room_message, created_at),
                                                   ID(bus_room_message, sender),
                                                   ID(bus_room_message, in_reply_to),
                                                   ID(bus_room_message, asker),
                                                   ID(bus_room_message, origin),
                                                   U(bus_room_message, origin_request),
                                                   ID(bus_room_message, client_message_id),
                                                   PAYLOAD(bus_room_message, body),
                                                   U(bus_room_message, position)};
static const struct field receipt_note_fields[] = {
    ID(bus_receipt_note, room), ID(bus_receipt_note, message_id), ID(bus_receipt_note, author),
    ID(bus_receipt_note, user), NAME(bus_receipt_note, status)};
static const struct field history_page_fields[] = {
    U(bus_history_page, request),         I(bus_history_page, error),
    U(bus_history_page, epoch),           ID(bus_history_page, server_id),
    NAME(bus_history_page, channel_type), LIST(bus_history_page, messages, BUS_ELEMENT_STORED)};

/* --- messages/sessions.h ---------------------------------------------------------------------- */

static const struct field session_room_fields[] = {
    ID(bus_session_room, room),    ID(bus_session_room, entity), NAME(bus_session_room, name),
    U(bus_session_room, position), U(bus_session_room, stamp),   B(bus_session_room, was_replayed)};
static const struct field session_open_fields[] = {ID(bus_session_open, socket),
                                                   ID(bus_session_open, entity)};
static const struct field session_end_fields[] = {ID(bus_session_end, socket),
                                                  B(bus_session_end, is_explicit)};
static const struct field session_leave_fields[] = {
    U(bus_session_leave, request), ID(bus_session_leave, socket), ID(bus_session_leave, room)};
static const struct field recover_fields[] = {U(bus_recover, request), ID(bus_recover, socket),
                                              ID(bus_recover, subject)};
static const struct field rejoin_fields[] = {U(bus_rejoin, request), ID(bus_rejoin, entity)};
static const struct field recovered_fields[] = {
    U(bus_recovered, request), I(bus_recovered, error), ID(bus_recovered, entity),
    LIST(bus_recovered, rooms, BUS_ELEMENT_SESSION_ROOM)};
static const struct field rejoined_fields[] = {U(bus_rejoined, request), I(bus_rejoined, error),
                                               LIST(bus_rejoined, rooms, BUS_ELEMENT_SESSION_ROOM)};
static const struct field session_taken_fields[] = {ID(bus_session_taken, socket)};

/* --- messages/channels.h ---------------------------------------------------------------------- */

static const struct field channel_row_fields[] = {ID(bus_channel_row, id),
                                                  ID(bus_channel_row, server_id),
                                                  NAME(bus_channel_row, name),
                                                  NAME(bus_channel_row, type),
                                                  NAME(bus_channel_row, source_type),
                                                  PAYLOAD(bus_channel_row, metadata),
                                                  I(bus_channel_row, created_at),
                                                  I(bus_channel_row, updated_at)};
static const struct field channel_put_fields[] = {
    U(bus_channel_put, request),
    ID(bus_channel_put, id),
    ID(bus_channel_put, server_id),
    NAME(bus_channel_put, name),
    NAME(bus_channel_put, type),
    PAYLOAD(bus_channel_put, metadata),
    NAME(bus_channel_put, source_type),
    ID(bus_channel_put, creator),
    LIST(bus_channel_put, participants, BUS_ELEMENT_TEXT)};
static const struct field channel_get_fields[] = {
    U(bus_channel_get, request), ID(bus_channel_get, room), B(bus_channel_get, wants_participants)};
static const struct field channel_change_fields[] = {
    U(bus_channel_change, request),
    ID(bus_channel_change, room),
    ID(bus_channel_change, id),
    NAME(bus_channel_change, name),
    PAYLOAD(bus_channel_change, metadata),
    B(bus_channel_change, sets_participants),
    LIST(bus_channel_change, participants, BUS_ELEMENT_TEXT),
    ID(bus_channel_change, added),
    ID(bus_channel_change, removed)};
static const struct field channel_list_fields[] = {
    U(bus_channel_list, request), ID(bus_channel_list, server_id), U(bus_channel_list, before),
    U(bus_channel_list, limit)};
static const struct field rooms_of_fields[] = {U(bus_rooms_of, request),
                                               ID(bus_rooms_of, participant),
                                               U(bus_rooms_of, before), U(bus_rooms_of, limit)};
static const struct field room_event_fields[] = {
    U(bus_room_event, request),    ID(bus_room_event, room),       ID(bus_room_event, id),
    U(bus_room_event, action),     ID(bus_room_event, message_id), PAYLOAD(bus_room_event, body),
    PAYLOAD(bus_room_event, event)};
static const struct field channel_fields[] = {U(bus_channel, request),
                                              I(bus_channel, error),
                                              ID(bus_channel, id),
                                              U(bus_channel, epoch),
                                              ID(bus_channel, server_id),
                                              NAME(bus_channel, name),
                                              NAME(bus_channel, type),
                                              NAME(bus_channel, source_type),
                                              PAYLOAD(bus_channel, metadata),
                                              I(bus_channel, created_at),
                                              I(bus_channel, updated_at),
                                              LIST(bus_channel, participants, BUS_ELEMENT_TEXT)};
static const struct field channels_page_fields[] = {
    U(bus_channels_page, request), I(bus_channels_page, error), U(bus_channels_page, next),
    LIST(bus_channels_page, channels, BUS_ELEMENT_CHANNEL)};

/* --- messages/records.h ----------------------------------------------------------------------- */

static const struct field record_row_fields[] = {
    ID(bus_record_row, id),        ID(bus_record_row, owner),     U(bus_record_row, number),
    U(bus_record_row, revision),   I(bus_record_row, created_at), I(bus_record_row, updated_at),
    I(bus_record_row, expires_at), PAYLOAD(bus_record_row, body)};
static const struct field record_put_fields[] = {
    U(bus_record_put, request),   NAME(bus_record_put, collection), ID(bus_record_put, id),
    ID(bus_record_put, owner),    U(bus_record_put, expected),      I(bus_record_put, expires_at),
    PAYLOAD(bus_record_put, body)};
static const struct field record_get_fields[] = {
    U(bus_record_get, request), NAME(bus_record_get, collection), ID(bus_record_get, id)};
static const struct field record_list_fields[] = {
    U(bus_record_list, request), NAME(bus_record_list, collection),
    ID(bus_record_list, owner),  U(bus_record_list, after),
    U(bus_record_list, limit),   B(bus_record_list, is_descending)};
static const struct field record_delete_fields[] = {
    U(bus_record_delete, request), NAME(bus_record_delete, collection), ID(bus_record_delete, id)};
static const struct field record_fields[] = {U(bus_record, request),    I(bus_record, error),
                                             ID(bus_record, id),        ID(bus_record, owner),
                                             U(bus_record, number),     U(bus_record, revision),
                                             I(bus_record, created_at), I(bus_record, updated_at),
                                             I(bus_record, expires_at), PAYLOAD(bus_record, body)};
static const struct field records_page_fields[] = {
    U(bus_records_page, request), I(bus_records_page, error), U(bus_records_page, total),
    B(bus_records_page, is_complete), LIST(bus_records_page, records, BUS_ELEMENT_RECORD)};

/* --- messages/agents.h ------------------------------------------------------------------------ */

static const struct field agent_fields[] = {ID(bus_agent, id), NAME(bus_agent, name),
                                            PAYLOAD(bus_agent, details)};
static const struct field known_agent_fields[] = {
    ID(bus_known_agent, id),       NAME(bus_known_agent, name),    NAME(bus_known_agent, bio),
    U(bus_known_agent, bridges),   B(bus_known_agent, is_stopped), I(bus_known_agent, created_at),
    I(bus_known_agent, updated_at)};
static const struct field agents_get_fields[] = {
    U(bus_agents_get, request), U(bus_agents_get, after), U(bus_agents_get, limit)};
static const struct field agent_get_fields[] = {U(bus_agent_get, request), ID(bus_agent_get, id)};
static const struct field agent_history_fields[] = {
    U(bus_agent_history, request), ID(bus_agent_history, agent), I(bus_agent_history, before),
    U(bus_agent_history, limit)};
static const struct field agent_change_fields[] = {
    U(bus_agent_change, request), ID(bus_agent_change, id), U(bus_agent_change, action),
    PAYLOAD(bus_agent_change, details)};
static const struct field agents_page_fields[] = {
    U(bus_agents_page, request),     I(bus_agents_page, error),
    U(bus_agents_page, total),       U(bus_agents_page, active),
    B(bus_agents_page, is_complete), LIST(bus_agents_page, agents, BUS_ELEMENT_KNOWN_AGENT)};
static const struct field agent_state_fields[] = {
    U(bus_agent_state, request),       I(bus_agent_state, error),
    ID(bus_agent_state, id),           NAME(bus_agent_state, name),
    U(bus_agent_state, bridges),       B(bus_agent_state, is_stopped),
    I(bus_agent_state, created_at),    I(bus_agent_state, updated_at),
    PAYLOAD(bus_agent_state, details), NAME(bus_agent_state, reason)};
static const struct field register_agents_fields[] = {
    U(bus_register_agents, credit), LIST(bus_register_agents, agents, BUS_ELEMENT_AGENT)};
static const struct field offer_fields[] = {LIST(bus_offer, agents, BUS_ELEMENT_AGENT)};
static const struct field withdraw_fields[] = {LIST(bus_withdraw, agents, BUS_ELEMENT_TEXT)};
static const struct field character_changed_fields[] = {U(bus_character_changed, change),
                                                        I(bus_character_changed, error),
                                                        NAME(bus_character_changed, reason)};
static const struct field registered_fields[] = {U(bus_registered, agents)};
static const struct field character_change_fields[] = {
    U(bus_character_change, change), U(bus_character_change, action),
    ID(bus_character_change, agent), PAYLOAD(bus_character_change, details)};

/* --- messages/runs.h -------------------------------------------------------------------------- */

static const struct field run_record_fields[] = {
    U(bus_run_record, job),        ID(bus_run_record, room),       ID(bus_run_record, question),
    ID(bus_run_record, reply),     ID(bus_run_record, asker),      U(bus_run_record, state),
    I(bus_run_record, created_at), I(bus_run_record, finished_at), U(bus_run_record, attempts),
    NAME(bus_run_record, error)};
static const struct field run_attach_fields[] = {U(bus_run_attach, request),
                                                 ID(bus_run_attach, room), ID(bus_run_attach, id)};
static const struct field run_stop_fields[] = {U(bus_run_stop, request), ID(bus_run_stop, room),
                                               ID(bus_run_stop, id)};
static const struct field runs_wanted_fields[] = {ID(bus_runs_wanted, room)};
static const struct field job_get_fields[] = {U(bus_job_get, request), ID(bus_job_get, room),
                                              ID(bus_job_get, question)};
static const struct field runs_list_fields[] = {
    U(bus_runs_list, request), ID(bus_runs_list, agent),  U(bus_runs_list, job),
    ID(bus_runs_list, room),   ID(bus_runs_list, status), I(bus_runs_list, after),
    I(bus_runs_list, before),  U(bus_runs_list, limit),   U(bus_runs_list, offset)};
static const struct field run_delete_fields[] = {U(bus_run_delete, request),
                                                 ID(bus_run_delete, agent), U(bus_run_delete, job)};
static const struct field chunk_fields[] = {
    ID(bus_chunk, room),   ID(bus_chunk, reply), ID(bus_chunk, question),
    ID(bus_chunk, agent),  U(bus_chunk, index),  PAYLOAD(bus_chunk, text),
    U(bus_chunk, attempt), U(bus_chunk, offset), B(bus_chunk, is_reset)};
static const struct field run_fields[] = {
    ID(bus_run, room),     U(bus_run, state),        ID(bus_run, agent), NAME(bus_run, agent_name),
    ID(bus_run, question), ID(bus_run, reply),       ID(bus_run, asker), ID(bus_run, server_id),
    NAME(bus_run, reason), PAYLOAD(bus_run, partial)};
static const struct field run_attached_fields[] = {
    U(bus_run_attached, request),    I(bus_run_attached, error),     B(bus_run_attached, is_open),
    B(bus_run_attached, no_agent),   ID(bus_run_attached, question), ID(bus_run_attached, reply),
    I(bus_run_attached, created_at), PAYLOAD(bus_run_attached, body)};
static const struct field runs_fields[] = {ID(bus_runs, room),
                                           LIST(bus_runs, replies, BUS_ELEMENT_TEXT)};
static const struct field input_fields[] = {ID(bus_input, room), ID(bus_input, entity),
                                            ID(bus_input, agent)};
static const struct field runs_page_fields[] = {
    U(bus_runs_page, request), I(bus_runs_page, error), U(bus_runs_page, total),
    B(bus_runs_page, is_complete), LIST(bus_runs_page, runs, BUS_ELEMENT_RUN)};
static const struct field work_chunk_fields[] = {U(bus_work_chunk, job), U(bus_work_chunk, attempt),
                                                 U(bus_work_chunk, index),
                                                 PAYLOAD(bus_work_chunk, text)};
static const struct field work_done_fields[] = {U(bus_work_done, job), U(bus_work_done, attempt),
                                                PAYLOAD(bus_work_done, body)};
static const struct field work_failed_fields[] = {
    U(bus_work_failed, job), U(bus_work_failed, attempt), I(bus_work_failed, error)};
static const struct field work_fields[] = {
    U(bus_work, job),        U(bus_work, attempt),   ID(bus_work, room),
    ID(bus_work, server_id), ID(bus_work, agent),    ID(bus_work, question),
    ID(bus_work, reply),     ID(bus_work, sender),   I(bus_work, created_at),
    U(bus_work, backlog),    PAYLOAD(bus_work, body)};
static const struct field work_cancel_fields[] = {U(bus_work_cancel, job),
                                                  U(bus_work_cancel, attempt)};

/* --- messages/moves.h ------------------------------------------------------------------------- */

static const struct field relay_request_fields[] = {
    U(bus_relay_request, request), U(bus_relay_request, method), U(bus_relay_request, revision),
    ID(bus_relay_request, sid), PAYLOAD(bus_relay_request, body)};
static const struct field relay_response_fields[] = {
    U(bus_relay_response, request), U(bus_relay_response, status),
    NAME(bus_relay_response, content_type), PAYLOAD(bus_relay_response, body)};
static const struct field relay_gone_fields[] = {U(bus_relay_gone, request)};
static const struct field relay_recall_fields[] = {U(bus_relay_recall, request)};
static const struct field move_begin_fields[] = {U(bus_move_begin, move), U(bus_move_begin, number),
                                                 ID(bus_move_begin, edge), ID(bus_move_begin, sid),
                                                 U(bus_move_begin, revision)};
static const struct field move_data_fields[] = {U(bus_move_data, move), U(bus_move_data, number),
                                                B(bus_move_data, is_binary),
                                                PAYLOAD(bus_move_data, bytes)};
static const struct field move_hold_fields[] = {U(bus_move_hold, move), U(bus_move_hold, number),
                                                B(bus_move_hold, is_on)};
static const struct field move_state_fields[] = {U(bus_move_state, move), U(bus_move_state, number),
                                                 PAYLOAD(bus_move_state, state)};
static const struct field move_end_fields[] = {U(bus_move_end, move), U(bus_move_end, number),
                                               B(bus_move_end, is_complete), U(bus_move_end, code),
                                               PAYLOAD(bus_move_end, state)};
static const struct field mark_fields[] = {U(bus_mark, request), ID(bus_mark, edge),
                                           U(bus_mark, move)};
static const struct field marked_fields[] = {U(bus_marked, move)};

/* --- messages/logs.h -------------------------------------------------------------------------- */

static const struct field log_line_fields[] = {
    I(bus_log_line, at),         U(bus_log_line, level),  ID(bus_log_line, program),
    ID(bus_log_line, process),   ID(bus_log_line, agent), ID(bus_log_line, event),
    PAYLOAD(bus_log_line, pairs)};
static const struct field log_lines_fields[] = {LIST(bus_log_lines, lines, BUS_ELEMENT_LOG_LINE)};
static const struct field logs_watch_fields[] = {B(bus_logs_watch, is_on)};
static const struct field logs_get_fields[] = {U(bus_logs_get, request), I(bus_logs_get, since),
                                               U(bus_logs_get, level),   ID(bus_logs_get, agent),
                                               U(bus_logs_get, limit),   B(bus_logs_get, clears)};
static const struct field logs_page_fields[] = {U(bus_logs_page, request), I(bus_logs_page, error),
                                                U(bus_logs_page, total),
                                                LIST(bus_logs_page, lines, BUS_ELEMENT_LOG_LINE)};

/* --- all of them ------------------------------------------------------------------------------ */

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

const struct layout *bus_layout_of(enum bus_type type)
{
    switch (type) {
#define X(name, member, number)                                                                    \
    case BUS_##name: {                                                                             \
        static const struct layout layout = {#member, member##_fields, COUNT(member##_fields)};    \
        return &layout;                                                                            \
    }
        BUS_MESSAGES(X)
#undef X
    }
    return NULL;
}

const struct layout *bus_element_layout(enum bus_element element)
{
    static const struct layout layouts[] = {
        [BUS_ELEMENT_MEMBER] = {"member", member_fields, COUNT(member_fields)},
        [BUS_ELEMENT_STORED] = {"stored", stored_fields, COUNT(stored_fields)},
        [BUS_ELEMENT_AGENT] = {"agent", agent_fields, COUNT(agent_fields)},
        [BUS_ELEMENT_PEER] = {"peer", peer_fields, COUNT(peer_fields)},
        [BUS_ELEMENT_TEXT] = {"text", text_fields, COUNT(text_fields)},
        [BUS_ELEMENT_SESSION_ROOM] = {"session_room", session_room_fields,
                                      COUNT(session_room_fields)},
        [BUS_ELEMENT_RECORD] = {"record", record_row_fields, COUNT(record_row_fields)},
        [BUS_ELEMENT_CHANNEL] = {"channel", channel_row_fields, COUNT(channel_row_fields)},
        [BUS_ELEMENT_KNOWN_AGENT] = {"agent", known_agent_fields, COUNT(known_agent_fields)},
        [BUS_ELEMENT_RUN] = {"run", run_record_fields, COUNT(run_record_fields)},
        [BUS_ELEMENT_LOG_LINE] = {"log_line", log_line_fields, COUNT(log_line_fields)},
    };
    return &layouts[element];
}
