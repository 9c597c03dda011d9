#include "tests/unit/session_fixture.h"

#include "edge/session/outbox.h"

static void push(struct outbox *outbox, unsigned number, bool is_volatile, int64_t now)
{
    char payload[16];
    struct packet *packet;

    snprintf(payload, sizeof(payload), "%u", number);
    packet = make_packet(payload);
    packet->is_volatile = is_volatile;
    outbox_push(outbox, packet, now);
    packet_release(&packet);
}

static unsigned number_of(const struct packet *packet)
{
    char copy[16] = "";
    struct slice payload = packet_payload(packet);

    memcpy(copy, payload.data, payload.length);
    return (unsigned)strtoul(copy, NULL, 10);
}

static void test_an_empty_outbox_owns_no_memory(void **state)
{
    struct outbox outbox;
    struct packet *copy[OUTBOX_BATCH];
    size_t count;

    (void)state;
    outbox_init(&outbox);
    assert_null(outbox.packets);
    outbox_front(&outbox, copy, &count);
    assert_int_equal(count, 0);
    assert_int_equal(outbox_age(&outbox, 5), 0);
    push(&outbox, 1, false, 0);
    outbox_trim(&outbox);
    assert_int_equal(outbox.count, 1);
    outbox_pop(&outbox, 1);
    outbox_trim(&outbox);
    assert_null(outbox.packets);
    outbox_deinit(&outbox);
}

/* Any interleaving of pushes and pops keeps order, through every growth and wrap. */
static void test_order_survives_growth_and_wrapping(void **state)
{
    struct outbox outbox;
    struct packet *copy[OUTBOX_BATCH];
    unsigned in = 0;
    unsigned out = 0;

    (void)state;
    outbox_init(&outbox);
    for (unsigned round = 0; round < 400; round++) {
        size_t count;
        struct packet *const *packets;
        size_t taken;

        for (unsigned i = 0; i < round % 13; i++) {
            push(&outbox, in++, false, round);
        }
        packets = outbox_front(&outbox, copy, &count);
        assert_true(count <= OUTBOX_BATCH);
        assert_int_equal(count, outbox.count < OUTBOX_BATCH ? outbox.count : OUTBOX_BATCH);
        for (size_t i = 0; i < count; i++) {
            assert_int_equal(number_of(packets[i]), out + i);
        }
        taken = count < round % 11 ? count : round % 11;
        outbox_pop(&outbox, taken);
        out += (unsigned)taken;
        assert_int_equal(outbox.count, in - out);
    }
    outbox_deinit(&outbox);
    assert_int_equal(outbox.bytes, 0);
}

static void test_it_knows_its_bytes_and_the_age_of_its_oldest(void **state)
{
    struct outbox outbox;

    (void)state;
    outbox_init(&outbox);
    push(&outbox, 10, false, 1000);
    push(&outbox, 200, false, 1500);
    assert_int_equal(outbox.bytes, 2 + 2 + 2 + 3);
    assert_int_equal(outbox_age(&outbox, 2000), 1000);
    outbox_pop(&outbox, 1);
    assert_int_equal(outbox.bytes, 2 + 3);
    assert_int_equal(outbox_age(&outbox, 2000), 500);
    assert_int_equal(outbox_age(&outbox, 1400), 0);
    outbox_deinit(&outbox);
}

static void test_ages_survive_the_wrap_of_the_clock(void **state)
{
    struct outbox outbox;

    (void)state;
    outbox_init(&outbox);
    push(&outbox, 1, false, INT64_C(0xfffffff0));
    assert_int_equal(outbox_age(&outbox, INT64_C(0x100000010)), 32);
    outbox_deinit(&outbox);
}

static void test_dropping_volatile_packets_keeps_the_others_in_order(void **state)
{
    struct outbox outbox;
    struct packet *copy[OUTBOX_BATCH];
    struct packet *const *packets;
    size_t count;

    (void)state;
    outbox_init(&outbox);
    for (unsigned i = 0; i < 3; i++) {
        push(&outbox, i, false, 0); /* so that the ring wraps */
    }
    outbox_pop(&outbox, 2);
    for (unsigned i = 3; i < 12; i++) {
        push(&outbox, i, i % 3 == 1, i);
    }
    assert_int_equal(outbox_drop_volatile(&outbox), 3);
    assert_int_equal(outbox_drop_volatile(&outbox), 0);
    packets = outbox_front(&outbox, copy, &count);
    assert_int_equal(count, 7);
    for (size_t i = 0, expected = 2; i < count; i++, expected++) {
        expected += expected % 3 == 1;
        assert_int_equal(number_of(packets[i]), expected);
    }
    outbox_clear(&outbox);
    assert_int_equal(outbox.bytes, 0);
    assert_int_equal(outbox.volatile_count, 0);
}

static void test_a_large_ring_is_freed_when_it_empties(void **state)
{
    struct outbox outbox;

    (void)state;
    outbox_init(&outbox);
    for (unsigned i = 0; i < 2 * OUTBOX_CAPACITY_KEPT; i++) {
        push(&outbox, i, false, 0);
    }
    outbox_pop(&outbox, outbox.count);
    assert_null(outbox.packets);
    outbox_deinit(&outbox);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_an_empty_outbox_owns_no_memory),
        cmocka_unit_test(test_order_survives_growth_and_wrapping),
        cmocka_unit_test(test_it_knows_its_bytes_and_the_age_of_its_oldest),
        cmocka_unit_test(test_ages_survive_the_wrap_of_the_clock),
        cmocka_unit_test(test_dropping_volatile_packets_keeps_the_others_in_order),
        cmocka_unit_test(test_a_large_ring_is_freed_when_it_empties),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
