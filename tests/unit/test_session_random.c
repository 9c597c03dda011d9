/*
 * A client that keeps to the protocol and a server that emits, in random interleavings of polls,
 * posts, flushes, probes that fail, upgrades, heartbeats and choked connections. Whatever happens,
 * each side gets everything the other said, once and in order.
 *
 *     test_session_random [SEED]     one interleaving; without SEED, SEEDS of them
 */
#include "tests/unit/session_fixture.h"

enum { SEEDS = 2000, STEPS = 300 };

struct client {
    struct fixture *fixture;
    struct session *session;
    struct fake_poll *poll;
    struct fake_websocket *websocket; /* the probe, later the transport; or NULL */
    bool is_polling;                  /* its GET is on its way */
    bool is_paused;                   /* has seen 3probe: no further GETs */
    bool is_upgraded;
    unsigned emitted, heard;   /* server to client */
    unsigned said, understood; /* client to server */
    uint32_t random;
};

static uint64_t first_seed = 1;
static uint64_t last_seed = SEEDS;

static unsigned roll(struct client *client, unsigned sides)
{
    client->random = client->random * 1664525 + 1013904223;
    return (client->random >> 16) % sides;
}

static void understand(struct fixture *fixture, struct socket *socket,
                       const struct socketio_packet *packet)
{
    struct client *client = fixture->mine;

    assert_non_null(socket);
    assert_int_equal(strtoul(packet->arguments.data + 1, NULL, 10), client->understood);
    client->understood++;
}

static void speak(struct client *client, const char *message)
{
    if (client->is_upgraded) {
        say(client->fixture, client->websocket, message);
    } else {
        post(client->fixture, client->session, message, 200);
    }
}

static void hear(struct client *client, const char *packet)
{
    if (packet[0] == '4') {
        assert_int_equal(strtoul(packet + 3, NULL, 10), client->heard);
        client->heard++;
    } else if (strcmp(packet, "2") == 0) {
        speak(client, "3");
    } else if (strcmp(packet, "3probe") == 0) {
        assert_false(client->is_upgraded);
        client->is_paused = true;
    } else {
        assert_string_equal(packet, "6");
    }
}

/* Takes packets out of what a fake wrote down. */
static void hear_all(struct client *client, struct buffer *written, const char *separators)
{
    char *rest = NULL;
    char *copy;

    buffer_append_char(written, '\0');
    copy = strdup(written->data);
    buffer_clear(written);
    for (char *packet = strtok_r(copy, separators, &rest); packet != NULL;
         packet = strtok_r(NULL, separators, &rest)) {
        hear(client, packet);
    }
    free(copy);
}

static void read_transports(struct client *client)
{
    if (client->is_polling && client->poll->status != 0) {
        assert_int_equal(client->poll->status, 200);
        client->is_polling = false;
        client->poll->status = 0;
        hear_all(client, &client->poll->body, "\x1e");
    }
    if (client->websocket == NULL) {
        return;
    }
    hear_all(client, &client->websocket->sent, "|/");
    if (client->websocket->is_closed) {
        client->websocket = NULL;
    }
}

static void open_probe(struct client *client)
{
    client->websocket = fake_websocket_new(client->fixture);
    assert_true(session_upgrade_begin(client->fixture->table, client->session,
                                      &client->websocket->websocket, client->fixture->now));
}

static void lose_probe(struct client *client)
{
    session_websocket_gone(client->fixture->table, &client->websocket->websocket,
                           client->fixture->now);
    client->websocket = NULL;
}

static void choke_or_not(struct client *client)
{
    if (!client->is_upgraded) {
        return;
    }
    if (client->websocket->room == SIZE_MAX) {
        client->websocket->room = roll(client, 3);
    } else {
        client->websocket->room = SIZE_MAX;
        session_websocket_writable(client->fixture->table, &client->websocket->websocket,
                                   client->fixture->now);
    }
}

static void server_emits(struct client *client)
{
    for (unsigned count = 1 + roll(client, 70) / 23 * 30; count > 0; count--) {
        char payload[32];

        snprintf(payload, sizeof(payload), "42[%u]", client->emitted++);
        emit(client->fixture->socket, payload);
    }
}

static void client_says(struct client *client)
{
    char message[32];

    snprintf(message, sizeof(message), "42[%u]", client->said++);
    speak(client, message);
}

static void step(struct client *client)
{
    bool has_probe = client->websocket != NULL && !client->is_upgraded;

    switch (roll(client, 12)) {
    case 0:
    case 1:
        server_emits(client);
        break;
    case 2:
    case 3:
        flush(client->fixture);
        break;
    case 4:
        pass(client->fixture, roll(client, 120));
        break;
    case 5:
        if (roll(client, 20) == 0) {
            pass(client->fixture, 5000);
        }
        break;
    case 6:
    case 7:
        if (!client->is_polling && !client->is_paused) {
            client->is_polling = true;
            get(client->fixture, client->session, client->poll);
        }
        break;
    case 8:
        client_says(client);
        break;
    case 9:
        if (client->websocket == NULL && !client->is_paused && roll(client, 4) == 0) {
            open_probe(client);
        } else if (has_probe && !client->is_paused && roll(client, 8) == 0) {
            lose_probe(client);
        }
        break;
    case 10:
        if (has_probe && !client->is_paused) {
            say(client->fixture, client->websocket, "2probe");
        }
        break;
    case 11:
        choke_or_not(client);
        break;
    }
    read_transports(client);
    if (client->is_paused && !client->is_upgraded && !client->is_polling &&
        client->websocket != NULL) {
        client->is_upgraded = true;
        say(client->fixture, client->websocket, "5");
        read_transports(client);
    }
}

/* Whatever was on its way arrives. */
static void settle(struct client *client)
{
    for (int round = 0; round < 100 && client->heard < client->emitted; round++) {
        if (client->is_upgraded) {
            client->websocket->room = SIZE_MAX;
            session_websocket_writable(client->fixture->table, &client->websocket->websocket,
                                       client->fixture->now);
        } else if (!client->is_polling) {
            client->is_polling = true;
            get(client->fixture, client->session, client->poll);
        }
        flush(client->fixture);
        pass(client->fixture, 150);
        read_transports(client);
    }
}

static void run(struct fixture *fixture, uint64_t seed, uint64_t *upgrades)
{
    struct client client = {.fixture = fixture, .random = (uint32_t)seed};

    client.session = socket_session(join_polling(fixture));
    client.poll = fake_poll_new(fixture);
    fixture->mine = &client;
    fixture->on_event = understand;
    for (int i = 0; i < STEPS; i++) {
        step(&client);
    }
    settle(&client);
    if (client.heard != client.emitted || client.understood != client.said) {
        fail_msg("seed %llu: heard %u of %u, understood %u of %u", (unsigned long long)seed,
                 client.heard, client.emitted, client.understood, client.said);
    }
    buffer_append_char(&fixture->upcalls, '\0');
    assert_null(strstr(fixture->upcalls.data, "disconnected"));
    *upgrades += client.is_upgraded;
}

static void test_everything_arrives_once_and_in_order(void **state)
{
    uint64_t upgrades = 0;

    (void)state;
    for (uint64_t seed = first_seed; seed <= last_seed; seed++) {
        struct fixture *fixture;
        void *fresh;

        fixture_setup(&fresh);
        fixture = fresh;
        session_table_destroy(&fixture->table);
        fixture->settings.outbox_max_bytes = 1 << 20;
        fixture->settings.outbox_max_age = 1 << 20;
        fixture_open_table(fixture);
        run(fixture, seed, &upgrades);
        fixture_teardown(&fresh);
    }
    if (last_seed - first_seed > 100) {
        assert_in_range(upgrades, (last_seed - first_seed) / 4, last_seed);
    }
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_everything_arrives_once_and_in_order),
    };

    if (argc > 1) {
        first_seed = last_seed = strtoull(argv[1], NULL, 10);
    }
    return cmocka_run_group_tests(tests, NULL, NULL);
}
