/*
 * Fuzzes a whole session below chat: what one client sends over its life, on either transport and
 * in both revisions. The first byte is its kind: 3 or 4 (polling of that revision), t or f
 * (WebSocket of revision three or four). Steps follow, each a letter and what it sends up to a byte
 * 0xff:
 *
 *     t text message   b binary message   p POST   g GET   u WebSocket beside polling   w wait
 *
 * When the client is gone nothing of it is left.
 */
#include "tests/fuzz/fuzz_router.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { STEPS_MAX = 24, STEP_END = 0xff, STEP_WAIT_MS = 150 };

struct client {
    struct chat_fixture *chat;
    struct fuzz_router *router;
    struct fake_websocket *websocket; /* its latest, or NULL */
    char sid[SESSION_ID_LENGTH];      /* of its polling session */
    bool is_polling;
};

static struct session *session_of(const struct client *client)
{
    return session_find(client->chat->sessions.table, slice_of(client->sid, SESSION_ID_LENGTH));
}

static void open_client(struct client *client, char kind)
{
    struct fixture *sessions = &client->chat->sessions;

    client->is_polling = kind == '3' || kind == '4';
    if (client->is_polling) {
        struct session *session = open_polling_as(sessions, opening(kind == '3' ? 3 : 4));
        memcpy(client->sid, session_id(session), SESSION_ID_LENGTH);
        return;
    }
    struct session_opening websocket = *opening(kind == 'f' ? 4 : 3);
    websocket.speaks_msgpack = kind == 'm';
    client->websocket = fake_websocket_new(sessions);
    fuzz_expect(session_open_websocket(sessions->table, &websocket, &client->websocket->websocket,
                                       sessions->now));
}

static void send_message(struct client *client, struct slice bytes, bool is_binary)
{
    struct fixture *sessions = &client->chat->sessions;

    if (client->websocket != NULL) {
        session_websocket_message(sessions->table, &client->websocket->websocket, bytes, is_binary,
                                  sessions->now);
    }
}

static void begin_upgrade(struct client *client)
{
    struct fixture *sessions = &client->chat->sessions;
    struct session *session = session_of(client);

    if (session != NULL && client->websocket == NULL) {
        client->websocket = fake_websocket_new(sessions);
        (void)session_upgrade_begin(sessions->table, session, &client->websocket->websocket,
                                    sessions->now);
    }
}

static void poll(struct client *client)
{
    struct fixture *sessions = &client->chat->sessions;
    struct session *session = session_of(client);

    if (session != NULL) {
        session_poll(sessions->table, session, &fake_poll_new(sessions)->exchange, sessions->now);
    }
}

static void send_body(struct client *client, struct slice body)
{
    struct fixture *sessions = &client->chat->sessions;
    struct session *session = session_of(client);

    if (session != NULL) {
        session_post_begin(sessions->table, session, sessions->now);
        session_post(sessions->table, session, body, &fake_poll_new(sessions)->exchange,
                     sessions->now);
    }
}

static void take_step(struct client *client, char letter, struct slice bytes)
{
    switch (letter) {
    case 't':
    case 'b':
        send_message(client, bytes, letter == 'b');
        break;
    case 'p':
        send_body(client, bytes);
        break;
    case 'g':
        poll(client);
        break;
    case 'u':
        begin_upgrade(client);
        break;
    case 'w':
        wait_for(client->chat, STEP_WAIT_MS);
        break;
    default:
        break;
    }
    fuzz_router_run(client->router);
}

/* Loses its connections; a polling client that does not come back is ended. */
static void close_client(struct client *client)
{
    struct fixture *sessions = &client->chat->sessions;
    struct session *session;

    if (client->websocket != NULL) {
        session_websocket_gone(sessions->table, &client->websocket->websocket, sessions->now);
    }
    for (struct fake_poll *fake = sessions->polls; fake != NULL; fake = fake->next) {
        session_exchange_gone(sessions->table, &fake->exchange, sessions->now);
    }
    session = client->is_polling ? session_of(client) : NULL;
    if (session != NULL) {
        session_close(sessions->table, session, SESSION_CLOSE_SERVER, sessions->now);
    }
    while (client->is_polling && session_of(client) != NULL) {
        poll(client); /* what is queued, then the end */
    }
    fuzz_router_run(client->router);
}

static void drop_fakes(struct fixture *sessions)
{
    while (sessions->polls != NULL) {
        struct fake_poll *fake = sessions->polls;

        sessions->polls = fake->next;
        fuzz_expect(fake->exchange.session == NULL);
        buffer_deinit(&fake->body);
        free(fake);
    }
    while (sessions->websockets != NULL) {
        struct fake_websocket *fake = sessions->websockets;

        sessions->websockets = fake->next;
        fuzz_expect(fake->websocket.session == NULL);
        buffer_deinit(&fake->sent);
        free(fake);
    }
}

static void live(struct client *client, const char *at, size_t left)
{
    for (int steps = 0; steps < STEPS_MAX && left > 0; steps++) {
        const char *end = memchr(at, STEP_END, left);
        size_t length = end == NULL ? left : (size_t)(end - at);
        char *copy = malloc(length); /* of exactly that size, so that ASan sees more */

        if (length > 0) {
            memcpy(copy, at, length);
            take_step(client, copy[0], slice_of(copy + 1, length - 1));
        }
        free(copy);
        length += end != NULL;
        at += length;
        left -= length;
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct chat_fixture *fixture;
    static struct fuzz_router router;

    if (fixture == NULL) {
        void *state;
        chat_setup(&state);
        fixture = state;
        router.chat = fixture;
    }
    if (size == 0 || strchr("34tfm", (char)data[0]) == NULL || data[0] == '\0') {
        return 0;
    }
    struct client client = {.chat = fixture, .router = &router};
    open_client(&client, (char)data[0]);
    fuzz_router_run(&router);
    live(&client, (const char *)data + 1, size - 1);
    close_client(&client);
    fuzz_expect(session_table_count(fixture->sessions.table) == 0);
    fuzz_expect(chat_counters(fixture->chat)->memberships == 0);
    drop_fakes(&fixture->sessions);
    wait_for(fixture, 50);
    fuzz_router_run(&router);
    return 0;
}
