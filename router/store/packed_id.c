#include "router/store/packed_id.h"

#include <stdint.h>

/* Where byte i's two digits stand in 8-4-4-4-12. */
static const uint8_t digit_at[PACKED_ID_LENGTH] = {0,  2,  4,  6,  9,  11, 14, 16,
                                                   19, 21, 24, 26, 28, 30, 32, 34};
static const uint8_t hyphen_at[] = {8, 13, 18, 23};

/* 0 to 15, or -1 for anything but a lower-case hexadecimal digit. */
static int digit_value(char digit)
{
    if (digit >= '0' && digit <= '9') {
        return digit - '0';
    }
    if (digit >= 'a' && digit <= 'f') {
        return digit - 'a' + 10;
    }
    return -1;
}

bool packed_id_from_text(struct slice text, unsigned char out[PACKED_ID_LENGTH])
{
    if (text.length != UUID_TEXT_LENGTH) {
        return false;
    }
    for (size_t i = 0; i < sizeof(hyphen_at); i++) {
        if (text.data[hyphen_at[i]] != '-') {
            return false;
        }
    }
    for (size_t i = 0; i < PACKED_ID_LENGTH; i++) {
        int high = digit_value(text.data[digit_at[i]]);
        int low = digit_value(text.data[digit_at[i] + 1]);

        if (high < 0 || low < 0) {
            return false;
        }
        out[i] = (unsigned char)(high << 4 | low);
    }
    return true;
}

void packed_id_to_text(const unsigned char bytes[PACKED_ID_LENGTH], char out[UUID_TEXT_LENGTH])
{
    static const char digits[] = "0123456789abcdef";

    for (size_t i = 0; i < sizeof(hyphen_at); i++) {
        out[hyphen_at[i]] = '-';
    }
    for (size_t i = 0; i < PACKED_ID_LENGTH; i++) {
        out[digit_at[i]] = digits[bytes[i] >> 4];
        out[digit_at[i] + 1] = digits[bytes[i] & 15];
    }
}
