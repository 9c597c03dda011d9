/* Private ids and offsets: what we wrote is read again, and nothing else is. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

#include "edge/client_kind.h"
#include "proto/base/packet.h"
#include "proto/wire/recovery.h"

enum { ROUNDS = 20000 };

#define SOCKET SLICE_LITERAL("edge01abcdefghijklmnopqr")

static struct recovery_keys keys_of(const char *secret)
{
    struct recovery_keys keys;

    recovery_keys_init(&keys, slice_of_string(secret));
    return keys;
}

static void pids_are_read_by_their_cluster_only(void **state)
{
    struct recovery_keys ours = keys_of("secret"), others = keys_of("Secret");
    char pid[RECOVERY_PID_LENGTH + 1];
    struct slice id;
    (void)state;

    recovery_write_pid(&ours, SOCKET, pid);
    assert_int_equal(strlen(pid), RECOVERY_PID_LENGTH);
    assert_true(recovery_read_pid(&ours, slice_of_string(pid), &id));
    assert_true(slice_equals(id, SOCKET));
    assert_false(recovery_read_pid(&others, slice_of_string(pid), &id));
    for (size_t i = 0; i < RECOVERY_PID_LENGTH; i++) {
        char *forged = strdup(pid);

        forged[i] = forged[i] == 'A' ? 'B' : 'A';
        assert_false(recovery_read_pid(&ours, slice_of_string(forged), &id));
        assert_false(recovery_read_pid(&ours, slice_of(pid, i), &id));
        free(forged);
    }
}

static void offsets_come_back_as_they_were(void **state)
{
    static const struct recovery_point points[] = {
        {0, 0, false},
        {1, 2, true},
        {(UINT64_C(1) << 56) - 1, (UINT64_C(1) << 55) - 1, false},
        {UINT64_C(1790000000000000), UINT64_C(1790000000000001), true},
    };
    struct recovery_keys ours = keys_of("secret"), others = keys_of("other");
    (void)state;

    for (size_t i = 0; i < sizeof(points) / sizeof(points[0]); i++) {
        char offset[RECOVERY_OFFSET_LENGTH + 1];
        struct recovery_point point;

        recovery_write_offset(&ours, &points[i], offset);
        assert_int_equal(strlen(offset), RECOVERY_OFFSET_LENGTH);
        assert_true(recovery_read_offset(&ours, slice_of_string(offset), &point));
        assert_int_equal(point.position, points[i].position);
        assert_int_equal(point.stamp, points[i].stamp);
        assert_int_equal(point.is_unsettled, points[i].is_unsettled);
        assert_false(recovery_read_offset(&others, slice_of_string(offset), &point));
    }
    struct recovery_point point;
    assert_false(recovery_read_offset(&ours, SLICE_LITERAL(RECOVERY_OFFSET_VOID), &point));
}

/* Random bytes, and good ones with one byte changed, in memory that ends where they do. */
static void garbled_text_is_refused(void **state)
{
    struct recovery_keys keys = keys_of("secret");
    struct recovery_point point = {UINT64_C(1790000000000000), 77, false};
    char offset[RECOVERY_OFFSET_LENGTH + 1], pid[RECOVERY_PID_LENGTH + 1];
    struct slice id;
    (void)state;

    recovery_write_offset(&keys, &point, offset);
    recovery_write_pid(&keys, SOCKET, pid);
    srandom(1);
    for (int round = 0; round < ROUNDS; round++) {
        size_t length = (size_t)(random() % 64);
        char *bytes = malloc(length + 1);

        for (size_t i = 0; i < length; i++) {
            bytes[i] = (char)random();
        }
        assert_false(recovery_read_offset(&keys, slice_of(bytes, length), &point));
        assert_false(recovery_read_pid(&keys, slice_of(bytes, length), &id));
        free(bytes);
        bytes = strdup(offset);
        bytes[random() % RECOVERY_OFFSET_LENGTH] = (char)random();
        assert_true(strcmp(bytes, offset) == 0 ||
                    !recovery_read_offset(&keys, slice_of(bytes, RECOVERY_OFFSET_LENGTH), &point));
        free(bytes);
    }
}

static void strict_clients_are_known_by_what_they_say(void **state)
{
    (void)state;
    assert_true(client_takes_offsets(SLICE_EMPTY, SLICE_EMPTY));
    assert_true(client_takes_offsets(SLICE_LITERAL("Mozilla/5.0"), SLICE_LITERAL("PabcD12.3")));
    assert_true(
        client_takes_offsets(SLICE_LITERAL("node-XMLHttpRequest"), SLICE_LITERAL("17900000")));
    assert_true(client_takes_offsets(SLICE_LITERAL("pytho"), SLICE_LITERAL("1790000000.")));
    assert_false(client_takes_offsets(SLICE_LITERAL("python-requests/2.28"), SLICE_EMPTY));
    assert_false(client_takes_offsets(SLICE_LITERAL("Python/3.11 aiohttp/3.8"), SLICE_EMPTY));
    assert_false(client_takes_offsets(SLICE_LITERAL("Dart/3.1 (dart:io)"), SLICE_EMPTY));
    assert_false(client_takes_offsets(SLICE_EMPTY, SLICE_LITERAL("1790000000.1234567")));
}

static void a_packet_s_suffix_can_be_left_out_or_replaced(void **state)
{
    struct slice parts[] = {SLICE_LITERAL("42[\"e\",1"), SLICE_LITERAL(",\"off\""),
                            SLICE_LITERAL("]")};
    struct slice attachment = SLICE_LITERAL("bytes");
    struct packet *packet = packet_new(PACKET_TEXT, parts, 3);
    struct packet *other;
    (void)state;

    assert_ptr_equal(packet_plain(packet), packet);
    packet->suffix_length = (uint8_t)parts[1].length;
    packet_attach(packet, &attachment, 1);
    assert_true(slice_is(packet_payload(packet_plain(packet)), "42[\"e\",1]"));
    assert_ptr_equal(packet_plain(packet), packet_plain(packet));
    assert_ptr_equal(packet_plain(packet)->attachments[0], packet->attachments[0]);
    other = packet_with_suffix(packet, SLICE_LITERAL(",\"2\""));
    assert_true(slice_is(packet_payload(other), "42[\"e\",1,\"2\"]"));
    assert_int_equal(other->suffix_length, 4);
    packet_release(&packet);
    assert_true(slice_is(packet_payload(other->attachments[0]), "bytes"));
    packet_release(&other);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(pids_are_read_by_their_cluster_only),
        cmocka_unit_test(offsets_come_back_as_they_were),
        cmocka_unit_test(garbled_text_is_refused),
        cmocka_unit_test(strict_clients_are_known_by_what_they_say),
        cmocka_unit_test(a_packet_s_suffix_can_be_left_out_or_replaced),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
