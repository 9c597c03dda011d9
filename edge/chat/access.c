#include "edge/chat/internal.h"

/* Adds a member of the CONNECT's auth. */
static void show(struct credentials *shown, struct slice auth, const char *name,
                 struct arena *arena)
{
    struct slice value = json_get(auth, name);
    if (json_type(value) == JSON_STRING) {
        credentials_add(shown, json_decode_string(value, arena));
    }
}

const char *chat_admit(const struct chat *chat, struct socket *socket, struct slice auth,
                       struct arena *arena, struct identity **identity)
{
    struct credentials shown = {.count = 0};
    struct auth_holder holder;
    *identity = NULL;
    if (chat->settings.auth == NULL) {
        return NULL;
    }
    if (auth.length > 0) {
        show(&shown, auth, "token", arena);
        show(&shown, auth, "apiKey", arena);
    }
    credentials_read(&shown, session_credentials(socket_session(socket)));
    switch (auth_check(chat->settings.auth, &shown, chat->wall(chat->wall_context), &holder)) {
    case AUTH_ACCEPTED:
        break;
    case AUTH_KEY_WANTED:
        return "Invalid or missing API Key";
    case AUTH_BAD_TOKEN:
        return "Authentication failed";
    }
    struct slice claimed = auth.length > 0 ? json_get(auth, "entityId") : SLICE_EMPTY;
    if (json_type(claimed) == JSON_STRING &&
        !identity_may_be(holder.identity, json_decode_string(claimed, arena))) {
        identity_destroy(&holder.identity);
        return error_text(ERROR_IDENTITY);
    }
    *identity = holder.identity;
    return NULL;
}

struct slice chat_viewer(const struct chat_socket *from, struct slice named)
{
    return from->is_named || named.length == 0 ? chat_text(from->entity) : named;
}

struct chat_fault chat_access(const struct chat_socket *from, struct slice room,
                              struct slice entity, const char *field)
{
    if (!identity_may_be(from->identity, entity)) {
        return (struct chat_fault){ERROR_IDENTITY, field};
    }
    if (room.length > 0 && !identity_may_enter(from->identity, room)) {
        return (struct chat_fault){ERROR_ACCESS, "channelId"};
    }
    return (struct chat_fault){0, NULL};
}
