#include "proto/base/clock.h"

#include <assert.h>
#include <string.h>
#include <time.h>

enum { DAYS_PER_ERA = 146097, EPOCH_SHIFT_DAYS = 719468 /* from 0000-03-01 to 1970-01-01 */ };

#define DAY_MS INT64_C(86400000)
#define HOUR_MS INT64_C(3600000)
#define MINUTE_MS INT64_C(60000)
#define TIME_MIN (INT64_C(-62167219200000)) /* 0000-01-01T00:00:00.000Z */
#define TIME_MAX INT64_C(253402300799999)   /* 9999-12-31T23:59:59.999Z */

static struct timespec read_clock(clockid_t id)
{
    struct timespec now;
    int error = clock_gettime(id, &now);

    assert(error == 0);
    (void)error;
    return now;
}

int64_t clock_monotonic_ms(void)
{
    struct timespec now = read_clock(CLOCK_MONOTONIC);

    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

int64_t clock_monotonic_us(void)
{
    struct timespec now = read_clock(CLOCK_MONOTONIC);

    return (int64_t)now.tv_sec * 1000000 + now.tv_nsec / 1000;
}

int64_t clock_wall_ms(void)
{
    struct timespec now = read_clock(CLOCK_REALTIME);

    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/*
 * Days and dates of the Gregorian calendar. Years are counted from March, so that the leap day is
 * the last one of its year, and in eras of 400 years, after which the calendar repeats.
 */
static int64_t days_from_date(int year, int month, int day)
{
    int shifted = month <= 2 ? year - 1 : year;
    int era = (shifted >= 0 ? shifted : shifted - 399) / 400;
    int year_of_era = shifted - era * 400;
    int day_of_year = (153 * (month > 2 ? month - 3 : month + 9) + 2) / 5 + day - 1;
    int day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;

    return (int64_t)era * DAYS_PER_ERA + day_of_era - EPOCH_SHIFT_DAYS;
}

static void date_from_days(int64_t days, int *year, int *month, int *day)
{
    int64_t shifted = days + EPOCH_SHIFT_DAYS;
    int64_t era = (shifted >= 0 ? shifted : shifted - (DAYS_PER_ERA - 1)) / DAYS_PER_ERA;
    int day_of_era = (int)(shifted - era * DAYS_PER_ERA);
    int year_of_era =
        (day_of_era - day_of_era / 1460 + day_of_era / 36524 - day_of_era / 146096) / 365;
    int day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    int month_from_march = (5 * day_of_year + 2) / 153;

    *day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
    *month = month_from_march < 10 ? month_from_march + 3 : month_from_march - 9;
    *year = (int)(year_of_era + era * 400) + (*month <= 2 ? 1 : 0);
}

static char *write_digits(char *out, int64_t value, int digits)
{
    for (int i = digits - 1; i >= 0; i--) {
        out[i] = (char)('0' + value % 10);
        value /= 10;
    }
    return out + digits;
}

/* Days since 1970 of a moment, which is brought into the range of what can be printed. */
static int64_t split_days(int64_t wall_ms, int64_t *in_day)
{
    int64_t time = wall_ms < TIME_MIN ? TIME_MIN : wall_ms > TIME_MAX ? TIME_MAX : wall_ms;

    *in_day = time % DAY_MS;
    if (*in_day < 0) {
        *in_day += DAY_MS;
    }
    return (time - *in_day) / DAY_MS;
}

void clock_format_iso(int64_t wall_ms, char out[CLOCK_ISO_SIZE])
{
    int64_t in_day;
    int year;
    int month;
    int day;

    date_from_days(split_days(wall_ms, &in_day), &year, &month, &day);
    out = write_digits(out, year, 4);
    *out++ = '-';
    out = write_digits(out, month, 2);
    *out++ = '-';
    out = write_digits(out, day, 2);
    *out++ = 'T';
    out = write_digits(out, in_day / HOUR_MS, 2);
    *out++ = ':';
    out = write_digits(out, in_day / MINUTE_MS % 60, 2);
    *out++ = ':';
    out = write_digits(out, in_day / 1000 % 60, 2);
    *out++ = '.';
    out = write_digits(out, in_day % 1000, 3);
    *out++ = 'Z';
    *out = '\0';
}

static char *write_name(char *out, const char *name)
{
    memcpy(out, name, 3);
    return out + 3;
}

void clock_format_http(int64_t wall_ms, char out[CLOCK_HTTP_SIZE])
{
    static const char weekdays[][4] = {"Thu", "Fri", "Sat", "Sun", "Mon", "Tue", "Wed"};
    static const char months[][4] = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                     "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
    int64_t in_day;
    int64_t days = split_days(wall_ms, &in_day);
    int year;
    int month;
    int day;

    date_from_days(days, &year, &month, &day);
    out = write_name(out, weekdays[(days % 7 + 7) % 7]); /* 1970 began on a Thursday */
    *out++ = ',';
    *out++ = ' ';
    out = write_digits(out, day, 2);
    *out++ = ' ';
    out = write_name(out, months[month - 1]);
    *out++ = ' ';
    out = write_digits(out, year, 4);
    *out++ = ' ';
    out = write_digits(out, in_day / HOUR_MS, 2);
    *out++ = ':';
    out = write_digits(out, in_day / MINUTE_MS % 60, 2);
    *out++ = ':';
    out = write_digits(out, in_day / 1000 % 60, 2);
    memcpy(out, " GMT", sizeof(" GMT"));
}

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static bool take_char(struct slice *text, char c)
{
    if (text->length == 0 || text->data[0] != c) {
        return false;
    }
    text->data++;
    text->length--;
    return true;
}

static bool take_digits(struct slice *text, int digits, int maximum, int *value)
{
    if (text->length < (size_t)digits) {
        return false;
    }
    *value = 0;
    for (int i = 0; i < digits; i++) {
        if (!is_digit(text->data[i])) {
            return false;
        }
        *value = *value * 10 + (text->data[i] - '0');
    }
    text->data += digits;
    text->length -= (size_t)digits;
    return *value <= maximum;
}

/* The digits after the point: the first three count, the others are cut off. */
static bool take_fraction(struct slice *text, int64_t *milliseconds)
{
    int64_t weight = 100;
    bool any = false;

    *milliseconds = 0;
    while (text->length > 0 && is_digit(text->data[0])) {
        *milliseconds += (text->data[0] - '0') * weight;
        weight /= 10;
        text->data++;
        text->length--;
        any = true;
    }
    return any;
}

static bool take_date(struct slice *text, int64_t *time)
{
    static const int lengths[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    bool is_leap;
    int year;
    int month;
    int day;

    if (!take_digits(text, 4, 9999, &year) || !take_char(text, '-') ||
        !take_digits(text, 2, 12, &month) || !take_char(text, '-') ||
        !take_digits(text, 2, 31, &day) || month == 0 || day == 0) {
        return false;
    }
    is_leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
    if (day > lengths[month - 1] + (month == 2 && is_leap ? 1 : 0)) {
        return false;
    }
    *time = days_from_date(year, month, day) * DAY_MS;
    return true;
}

static bool take_time_of_day(struct slice *text, int64_t *time)
{
    int hour;
    int minute;
    int second = 0;
    int64_t milliseconds = 0;

    if (!take_digits(text, 2, 23, &hour) || !take_char(text, ':') ||
        !take_digits(text, 2, 59, &minute)) {
        return false;
    }
    if (take_char(text, ':')) {
        if (!take_digits(text, 2, 59, &second)) {
            return false;
        }
        if ((take_char(text, '.') || take_char(text, ',')) && !take_fraction(text, &milliseconds)) {
            return false;
        }
    }
    *time += hour * HOUR_MS + minute * MINUTE_MS + second * 1000 + milliseconds;
    return true;
}

static bool take_zone(struct slice *text, int64_t *time)
{
    int64_t sign;
    int hours;
    int minutes = 0;

    if (text->length == 0 || take_char(text, 'Z') || take_char(text, 'z')) {
        return true;
    }
    if (take_char(text, '+')) {
        sign = 1;
    } else if (take_char(text, '-')) {
        sign = -1;
    } else {
        return false;
    }
    if (!take_digits(text, 2, 23, &hours)) {
        return false;
    }
    if ((take_char(text, ':') || text->length > 0) && !take_digits(text, 2, 59, &minutes)) {
        return false;
    }
    *time -= sign * (hours * HOUR_MS + minutes * MINUTE_MS);
    return true;
}

static bool parse_iso(struct slice text, int64_t *time)
{
    if (!take_date(&text, time)) {
        return false;
    }
    if (text.length == 0) {
        return true;
    }
    if (!take_char(&text, 'T') && !take_char(&text, 't') && !take_char(&text, ' ')) {
        return false;
    }
    return take_time_of_day(&text, time) && take_zone(&text, time) && text.length == 0;
}

static bool parse_milliseconds(struct slice text, int64_t *time)
{
    *time = 0;
    for (size_t i = 0; i < text.length; i++) {
        if (!is_digit(text.data[i])) {
            return false;
        }
        *time = *time * 10 + (text.data[i] - '0');
        if (*time > TIME_MAX) {
            return false;
        }
    }
    return text.length > 0;
}

bool clock_parse_time(struct slice text, int64_t *wall_ms)
{
    int64_t time;

    if (!parse_milliseconds(text, &time) && !parse_iso(text, &time)) {
        return false;
    }
    if (time < TIME_MIN || time > TIME_MAX) {
        return false;
    }
    *wall_ms = time;
    return true;
}
