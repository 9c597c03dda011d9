#include "proto/base/error.h"
#include "tests/unit/message_forms.h"
#include "tests/unit/random.h"

/* The message with one field of another form: written by `instead` or left to the caller. */
static void write_message(struct buffer *out, const struct message_form *form, size_t except,
                          struct slice instead)
{
    write_head(out, form);
    for (size_t i = 0; i < count_of(form); i++) {
        if (i == except) {
            buffer_append_slice(out, instead);
        } else {
            write_small(out, form->fields[i].kind, i);
        }
    }
}

static void write_plain(struct buffer *out, const struct message_form *form)
{
    write_message(out, form, SIZE_MAX, SLICE_EMPTY);
}

/* Decodes a copy of exactly these bytes. *left: how many remain behind the message. */
static int decode(struct slice bytes, struct bus_message *message, size_t *left, char **copy)
{
    *copy = malloc(bytes.length == 0 ? 1 : bytes.length);
    if (bytes.length > 0) {
        memcpy(*copy, bytes.data, bytes.length);
    }
    struct msgpack_reader reader = msgpack_reader_of(slice_of(*copy, bytes.length));
    int error = bus_decode(&reader, message);
    *left = (size_t)(reader.end - reader.at);
    return error;
}

static void assert_decodes(struct slice bytes, int error)
{
    struct bus_message message;
    size_t left;
    char *copy;
    assert_int_equal(decode(bytes, &message, &left, &copy), error);
    if (error == 0) {
        struct buffer again = BUFFER_EMPTY;
        assert_int_equal(left, 0);
        bus_encode(&again, &message);
        assert_int_equal(again.length, bytes.length);
        assert_memory_equal(again.data, bytes.data, bytes.length);
        buffer_deinit(&again);
    }
    free(copy);
}

static void test_the_numbers_and_names_of_all_messages_are_the_grammar_s(void **state)
{
    size_t types = 0;
    (void)state;
#define X(name, member, number) types++;
    BUS_MESSAGES(X)
#undef X
    assert_int_equal(types, FORMS);
    for (size_t i = 0; i < FORMS; i++) {
        assert_string_equal(bus_type_name(forms[i].type), forms[i].name);
    }
    assert_string_equal(bus_type_name((enum bus_type)5000), "unknown");
    assert_int_equal(BUS_VERSION, 3);
}

static void assert_field(const char *base, const struct field *field, size_t position)
{
    char text[16];
    const void *at = base + field->offset;
    snprintf(text, sizeof(text), "field%zu", position);
    switch (field->kind) {
    case 'U':
        assert_int_equal(*(const uint64_t *)at, 1000 + position);
        break;
    case 'I':
        assert_int_equal(*(const int64_t *)at, -1000 - (int64_t)position);
        break;
    case 'B':
        assert_int_equal(*(const bool *)at, position % 2 == 0);
        break;
    case 'T':
    case 'N':
    case 'P':
        assert_true(slice_is(*(const struct slice *)at, text));
        break;
    default:
        assert_int_equal(((const struct bus_list *)at)->count, 2);
    }
}

static void test_every_field_lands_in_its_member_and_comes_back(void **state)
{
    (void)state;
    for (size_t i = 0; i < FORMS; i++) {
        struct buffer bytes = BUFFER_EMPTY;
        struct bus_message message;
        size_t left;
        char *copy;
        write_plain(&bytes, &forms[i]);
        assert_decodes(buffer_slice(&bytes), 0);
        assert_int_equal(decode(buffer_slice(&bytes), &message, &left, &copy), 0);
        assert_int_equal(message.type, forms[i].type);
        assert_true(message.trace == UINT64_MAX - 5);
        assert_true(slice_is(message.viewer, "viewer"));
        for (size_t f = 0; f < count_of(&forms[i]); f++) {
            assert_field((const char *)&message.hello, &forms[i].fields[f], f);
        }
        free(copy);
        buffer_deinit(&bytes);
    }
}

/* Replaces one field of a message and tells whether the decoder takes it. */
static void assert_with(const struct message_form *form, size_t field, const struct buffer *value,
                        int error)
{
    struct buffer bytes = BUFFER_EMPTY;
    write_message(&bytes, form, field, buffer_slice(value));
    assert_decodes(buffer_slice(&bytes), error);
    buffer_deinit(&bytes);
}

static void test_every_field_is_taken_at_its_bound_and_refused_beyond(void **state)
{
    (void)state;
    for (size_t i = 0; i < FORMS; i++) {
        for (size_t f = 0; f < count_of(&forms[i]); f++) {
            struct buffer value = BUFFER_EMPTY, beyond = BUFFER_EMPTY;
            char kind = forms[i].fields[f].kind;
            int refused = ERROR_BUS_MALFORMED;
            if (kind == 'U') {
                msgpack_write_unsigned(&value, UINT64_MAX);
                msgpack_write_signed(&beyond, -1);
            } else if (kind == 'I') {
                msgpack_write_signed(&value, INT64_MIN);
                msgpack_write_unsigned(&beyond, (uint64_t)INT64_MAX + 1);
            } else if (kind == 'B') {
                msgpack_write_boolean(&value, true);
                msgpack_write_unsigned(&beyond, 2);
            } else if (is_list(kind)) {
                write_list_of(&value, kind, most_of(kind));
                write_list_of(&beyond, kind, most_of(kind) + 1);
            } else {
                write_long(&value, kind, most_of(kind));
                write_long(&beyond, kind, most_of(kind) + 1);
            }
            assert_with(&forms[i], f, &value, 0);
            assert_with(&forms[i], f, &beyond, refused);
            buffer_deinit(&value);
            buffer_deinit(&beyond);
        }
    }
}

static void test_a_field_of_another_kind_is_refused(void **state)
{
    static const struct slice others[] = {{"\xc0", 1},                 /* nil */
                                          {"\xca\x00\x00\x00\x00", 5}, /* float */
                                          {"\x80", 1},                 /* map */
                                          {"\xd4\x00\x00", 3},         /* extension */
                                          {"\xc1", 1},                 /* never used */
                                          {"\x05", 1},
                                          {"\xff", 1},
                                          {"\xc3", 1},
                                          {"\xa1x", 2},
                                          {"\xc4\x01x", 3},
                                          {"\x91\x00", 2}};
    static const char kinds[] = {'?', '?', '?', '?', '?', 'U', 'I', 'B', 'T', 'P', 'L'};
    (void)state;
    for (size_t i = 0; i < FORMS; i++) {
        for (size_t f = 0; f < count_of(&forms[i]); f++) {
            char kind = forms[i].fields[f].kind;
            for (size_t o = 0; o < sizeof(others) / sizeof(others[0]); o++) {
                struct buffer bytes = BUFFER_EMPTY;
                bool fits = kinds[o] == kind || (kind == 'I' && kinds[o] == 'U') ||
                            (kind == 'N' && kinds[o] == 'T');
                write_message(&bytes, &forms[i], f, others[o]);
                assert_decodes(buffer_slice(&bytes), fits ? 0 : ERROR_BUS_MALFORMED);
                buffer_deinit(&bytes);
            }
        }
    }
}

static void test_a_wrong_number_of_fields_is_refused(void **state)
{
    (void)state;
    for (size_t i = 0; i < FORMS; i++) {
        struct buffer bytes = BUFFER_EMPTY;
        write_plain(&bytes, &forms[i]);
        buffer_append_char(&bytes, 0); /* what an added field would be */
        for (unsigned count = 0; count < 16; count++) {
            if (count != count_of(&forms[i]) + 3) {
                bytes.data[0] = (char)(0x90 | count);
                assert_decodes(buffer_slice(&bytes), ERROR_BUS_MALFORMED);
            }
        }
        buffer_deinit(&bytes);
    }
}

static void test_an_unknown_type_is_refused(void **state)
{
    static const uint64_t large[] = {256 + 11, UINT32_MAX, (UINT64_C(1) << 32) + 11,
                                     (uint64_t)INT32_MAX + 1, UINT64_MAX};
    (void)state;
    for (uint64_t type = 0; type < 300 + sizeof(large) / sizeof(large[0]); type++) {
        struct buffer bytes = BUFFER_EMPTY;
        bool known = false;
        for (size_t i = 0; i < FORMS; i++) {
            known = known || (uint64_t)forms[i].type == type;
        }
        msgpack_write_array(&bytes, 4);
        msgpack_write_unsigned(&bytes, type < 300 ? type : large[type - 300]);
        msgpack_write_unsigned(&bytes, 0);
        msgpack_write_text(&bytes, SLICE_EMPTY);
        msgpack_write_unsigned(&bytes, 1);
        if (!known) {
            assert_decodes(buffer_slice(&bytes), ERROR_BUS_MALFORMED);
        }
        buffer_deinit(&bytes);
    }
}

static void test_a_message_cut_at_any_byte_is_refused(void **state)
{
    (void)state;
    for (size_t i = 0; i < FORMS; i++) {
        struct buffer bytes = BUFFER_EMPTY;
        write_plain(&bytes, &forms[i]);
        for (size_t length = 0; length < bytes.length; length++) {
            assert_decodes(slice_of(bytes.data, length), ERROR_BUS_MALFORMED);
        }
        buffer_deinit(&bytes);
    }
}

static void test_messages_are_read_one_after_the_other_and_nothing_beyond(void **state)
{
    struct buffer bytes = BUFFER_EMPTY;
    struct bus_message message;
    (void)state;

    for (size_t i = 0; i < FORMS; i++) {
        write_plain(&bytes, &forms[i]);
    }
    struct msgpack_reader reader = msgpack_reader_of(buffer_slice(&bytes));
    for (size_t i = 0; i < FORMS; i++) {
        assert_int_equal(bus_decode(&reader, &message), 0);
        assert_int_equal(message.type, forms[i].type);
    }
    assert_ptr_equal(reader.at, reader.end);
    assert_int_equal(bus_decode(&reader, &message), ERROR_BUS_MALFORMED);
    buffer_deinit(&bytes);
}

static void test_lists_with_elements_of_another_shape_are_refused(void **state)
{
    (void)state;
    for (size_t i = 0; i < FORMS; i++) {
        for (size_t f = 0; f < count_of(&forms[i]); f++) {
            char kind = forms[i].fields[f].kind;
            for (size_t k = 0; is_list(kind) && k < sizeof(elements) / sizeof(elements[0]); k++) {
                struct buffer list = BUFFER_EMPTY;
                msgpack_write_array(&list, 1);
                write_element(&list, elements[k].kind, 3);
                assert_with(&forms[i], f, &list,
                            elements[k].kind == kind ? 0 : ERROR_BUS_MALFORMED);
                list.data[1]++; /* the element claims one more field */
                assert_with(&forms[i], f, &list, ERROR_BUS_MALFORMED);
                buffer_deinit(&list);
            }
        }
    }
}

static void test_a_list_s_claim_of_more_elements_than_bytes_is_refused(void **state)
{
    static const struct slice claims[] = {
        {"\xdd\xff\xff\xff\xff", 5}, {"\xdc\xff\xff", 3}, {"\x92\x91\xa1x", 4}};
    (void)state;
    for (size_t i = 0; i < sizeof(claims) / sizeof(claims[0]); i++) {
        struct buffer bytes = BUFFER_EMPTY;
        msgpack_write_array(&bytes, 4);
        msgpack_write_unsigned(&bytes, BUS_PEERS);
        msgpack_write_unsigned(&bytes, 0);
        msgpack_write_text(&bytes, SLICE_EMPTY);
        buffer_append_slice(&bytes, claims[i]);
        assert_decodes(buffer_slice(&bytes), ERROR_BUS_MALFORMED);
        buffer_deinit(&bytes);
    }
    assert_decodes(SLICE_LITERAL("\xdd\xff\xff\xff\xff\x0b\x00\xa0\x00"), ERROR_BUS_MALFORMED);
}

static void test_a_list_is_built_and_walked(void **state)
{
    struct bus_list_builder builder = {BUFFER_EMPTY, 0};
    struct bus_member ann = {SLICE_LITERAL("ann"), SLICE_LITERAL("Ann"), 2};
    struct bus_member bob = {SLICE_LITERAL("bob"), SLICE_EMPTY, 1};
    struct bus_member member;
    (void)state;

    struct bus_list empty = bus_list_of(&builder);
    struct msgpack_reader reader = bus_list_read(&empty);
    assert_false(bus_list_next(&reader, BUS_ELEMENT_MEMBER, &member));
    assert_false(reader.failed);

    bus_list_add(&builder, BUS_ELEMENT_MEMBER, &ann);
    bus_list_add(&builder, BUS_ELEMENT_MEMBER, &bob);
    struct bus_list list = bus_list_of(&builder);
    assert_int_equal(list.count, 2);
    reader = bus_list_read(&list);
    assert_true(bus_list_next(&reader, BUS_ELEMENT_MEMBER, &member));
    assert_true(slice_is(member.entity, "ann"));
    assert_true(slice_is(member.name, "Ann"));
    assert_int_equal(member.connections, 2);
    assert_true(bus_list_next(&reader, BUS_ELEMENT_MEMBER, &member));
    assert_true(slice_is(member.entity, "bob"));
    assert_int_equal(member.name.length, 0);
    assert_false(bus_list_next(&reader, BUS_ELEMENT_MEMBER, &member));
    assert_false(reader.failed);
    buffer_deinit(&builder.bytes);
}

static void test_every_element_s_fields_land_in_their_members(void **state)
{
    struct bus_list_builder builder = {BUFFER_EMPTY, 0};
    struct bus_stored_message in = {SLICE_LITERAL("id"),
                                    7,
                                    1,
                                    -5,
                                    SLICE_LITERAL("sender"),
                                    SLICE_LITERAL("client"),
                                    SLICE_LITERAL("reply"),
                                    SLICE_LITERAL("body"),
                                    12},
                              out;
    struct bus_agent agent = {SLICE_LITERAL("a"), SLICE_LITERAL("n"), SLICE_LITERAL("{}")};
    struct bus_peer peer = {SLICE_LITERAL("edgeAB"), SLICE_LITERAL("tcp://h:1")};
    struct bus_text text = {SLICE_LITERAL("t")};
    (void)state;

    bus_list_add(&builder, BUS_ELEMENT_STORED, &in);
    bus_list_add(&builder, BUS_ELEMENT_AGENT, &agent);
    bus_list_add(&builder, BUS_ELEMENT_PEER, &peer);
    bus_list_add(&builder, BUS_ELEMENT_TEXT, &text);
    struct msgpack_reader reader = msgpack_reader_of(buffer_slice(&builder.bytes));
    assert_true(bus_list_next(&reader, BUS_ELEMENT_STORED, &out));
    assert_true(slice_is(out.id, "id") && out.seq == 7 && out.kind == 1 && out.created_at == -5);
    assert_true(slice_is(out.sender, "sender") && slice_is(out.client_message_id, "client") &&
                slice_is(out.in_reply_to, "reply") && slice_is(out.body, "body"));
    assert_true(bus_list_next(&reader, BUS_ELEMENT_AGENT, &agent));
    assert_true(slice_is(agent.id, "a") && slice_is(agent.name, "n") &&
                slice_is(agent.details, "{}"));
    assert_true(bus_list_next(&reader, BUS_ELEMENT_PEER, &peer));
    assert_true(slice_is(peer.incarnation, "edgeAB") && slice_is(peer.address, "tcp://h:1"));
    assert_true(bus_list_next(&reader, BUS_ELEMENT_TEXT, &text));
    assert_true(slice_is(text.text, "t"));
    buffer_deinit(&builder.bytes);
}

/* What is accepted says the same when it is encoded again. */
static void decode_and_repeat(struct slice bytes)
{
    struct bus_message message;
    size_t left;
    char *copy;
    if (decode(bytes, &message, &left, &copy) == 0) {
        struct buffer once = BUFFER_EMPTY;
        bus_encode(&once, &message);
        assert_decodes(buffer_slice(&once), 0);
        buffer_deinit(&once);
    }
    free(copy);
}

static void test_random_and_damaged_messages_never_get_through_wrong(void **state)
{
    struct random random = {7};
    (void)state;
    for (int round = 0; round < 30000; round++) {
        struct buffer bytes = BUFFER_EMPTY;
        if (round % 3 == 0) {
            size_t length = random_below(&random, 64);
            for (size_t i = 0; i < length; i++) {
                buffer_append_char(&bytes, (char)random_next(&random));
            }
        } else {
            write_plain(&bytes, &forms[random_below(&random, FORMS)]);
            size_t damages = 1 + random_below(&random, 3);
            for (size_t i = 0; i < damages; i++) {
                bytes.data[random_below(&random, bytes.length)] = (char)random_next(&random);
            }
        }
        decode_and_repeat(buffer_slice(&bytes));
        buffer_deinit(&bytes);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_the_numbers_and_names_of_all_messages_are_the_grammar_s),
        cmocka_unit_test(test_every_field_lands_in_its_member_and_comes_back),
        cmocka_unit_test(test_every_field_is_taken_at_its_bound_and_refused_beyond),
        cmocka_unit_test(test_a_field_of_another_kind_is_refused),
        cmocka_unit_test(test_a_wrong_number_of_fields_is_refused),
        cmocka_unit_test(test_an_unknown_type_is_refused),
        cmocka_unit_test(test_a_message_cut_at_any_byte_is_refused),
        cmocka_unit_test(test_messages_are_read_one_after_the_other_and_nothing_beyond),
        cmocka_unit_test(test_lists_with_elements_of_another_shape_are_refused),
        cmocka_unit_test(test_a_list_s_claim_of_more_elements_than_bytes_is_refused),
        cmocka_unit_test(test_a_list_is_built_and_walked),
        cmocka_unit_test(test_every_element_s_fields_land_in_their_members),
        cmocka_unit_test(test_random_and_damaged_messages_never_get_through_wrong),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
