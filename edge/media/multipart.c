#include "edge/media/multipart.h"

#include <string.h>
#include <strings.h>

enum multipart_state {
    AT_DELIMITER, /* in data, or before the first boundary */
    BEHIND_IT,    /* "--" or CRLF is to come */
    BEHIND_DASH,  /* the second dash is */
    BEHIND_CR,    /* the LF is */
    IN_HEADERS,   /* up to an empty line */
    IN_EPILOGUE,
    IS_MALFORMED
};

/* --- header lines ----------------------------------------------------------------------------- */

static bool is_token(char c)
{
    return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') ||
           (c != '\0' && strchr("!#$%&'*+-.^_`|~", c) != NULL);
}

static bool is_boundary_byte(char c)
{
    return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') ||
           (c != '\0' && strchr("'()+_,-./:=? ", c) != NULL);
}

static bool slice_is_word(struct slice text, const char *word)
{
    return text.length == strlen(word) && strncasecmp(text.data, word, text.length) == 0;
}

static void skip_blanks(struct slice *text)
{
    while (text->length > 0 && (*text->data == ' ' || *text->data == '\t')) {
        *text = slice_of(text->data + 1, text->length - 1);
    }
}

static struct slice take_token(struct slice *text)
{
    size_t length = 0;

    while (length < text->length && is_token(text->data[length])) {
        length++;
    }
    struct slice token = slice_of(text->data, length);
    *text = slice_of(text->data + length, text->length - length);
    return token;
}

/*
 * A quoted text; browsers write a quote in it as %22, others as \". What is escaped stays so: names
 * with escapes are nobody's here.
 */
static bool take_quoted(struct slice *text, struct slice *value)
{
    for (size_t i = 1; i < text->length; i++) {
        if (text->data[i] == '\\') {
            i++;
        } else if (text->data[i] == '"') {
            *value = slice_of(text->data + 1, i - 1);
            *text = slice_of(text->data + i + 1, text->length - i - 1);
            return true;
        }
    }
    return false;
}

/* Takes `; name=value` off the front. False at the end, or where it cannot be read. */
static bool take_parameter(struct slice *text, struct slice *name, struct slice *value)
{
    skip_blanks(text);
    if (text->length == 0 || *text->data != ';') {
        return false;
    }
    *text = slice_of(text->data + 1, text->length - 1);
    skip_blanks(text);
    *name = take_token(text);
    if (name->length == 0 || text->length == 0 || *text->data != '=') {
        return false;
    }
    *text = slice_of(text->data + 1, text->length - 1);
    if (text->length > 0 && *text->data == '"') {
        return take_quoted(text, value);
    }
    *value = take_token(text);
    return value->length > 0;
}

bool multipart_init(struct multipart *multipart, struct slice content_type)
{
    static const char type[] = "multipart/form-data";
    const size_t type_length = sizeof(type) - 1;
    struct slice name, value, boundary = SLICE_EMPTY;

    memset(multipart, 0, offsetof(struct multipart, headers));
    if (content_type.length < type_length ||
        strncasecmp(content_type.data, type, type_length) != 0) {
        return false;
    }
    content_type = slice_of(content_type.data + type_length, content_type.length - type_length);
    while (take_parameter(&content_type, &name, &value)) {
        if (slice_is_word(name, "boundary")) {
            if (boundary.length > 0) {
                return false;
            }
            boundary = value;
        }
    }
    if (content_type.length > 0 || boundary.length == 0 ||
        boundary.length > MULTIPART_BOUNDARY_MAX || boundary.data[boundary.length - 1] == ' ') {
        return false;
    }
    for (size_t i = 0; i < boundary.length; i++) {
        if (!is_boundary_byte(boundary.data[i])) {
            return false;
        }
    }
    memcpy(multipart->delimiter, "\r\n--", 4);
    memcpy(multipart->delimiter + 4, boundary.data, boundary.length);
    multipart->delimiter_length = boundary.length + 4;
    multipart->matched = 2; /* the first boundary has no line before it */
    multipart->state = AT_DELIMITER;
    return true;
}

static bool read_disposition(struct multipart_part *part, struct slice value)
{
    struct slice name, text;

    if (part->name.data != NULL || !slice_is_word(take_token(&value), "form-data")) {
        return false;
    }
    while (take_parameter(&value, &name, &text)) {
        if (slice_is_word(name, "name")) {
            if (part->name.data != NULL) {
                return false;
            }
            part->name = text;
        } else if (slice_is_word(name, "filename")) {
            if (part->is_file) {
                return false;
            }
            part->filename = text;
            part->is_file = true;
        }
    }
    return value.length == 0 && part->name.data != NULL;
}

/* Codings are a matter of mail (RFC 7578 §4.7); these three mean none. */
static bool is_uncoded(struct slice value)
{
    return slice_is_word(value, "binary") || slice_is_word(value, "8bit") ||
           slice_is_word(value, "7bit");
}

static bool read_line(struct multipart_part *part, struct slice line)
{
    struct slice name = take_token(&line);

    if (name.length == 0 || line.length == 0 || *line.data != ':') {
        return false;
    }
    line = slice_of(line.data + 1, line.length - 1);
    skip_blanks(&line);
    for (size_t i = 0; i < line.length; i++) {
        if (((unsigned char)line.data[i] < ' ' && line.data[i] != '\t') || line.data[i] == 0x7f) {
            return false;
        }
    }
    if (slice_is_word(name, "content-disposition")) {
        return read_disposition(part, line);
    }
    if (slice_is_word(name, "content-type")) {
        bool is_first = part->content_type.data == NULL;
        part->content_type = line;
        return is_first;
    }
    return !slice_is_word(name, "content-transfer-encoding") || is_uncoded(line);
}

/* All header lines of a part are there, each with its CRLF. */
static bool read_headers(struct multipart *multipart)
{
    struct slice rest = slice_of(multipart->headers, multipart->header_length);

    multipart->part = (struct multipart_part){.is_file = false};
    while (rest.length > 0) {
        const char *end = memchr(rest.data, '\n', rest.length);
        size_t length = (size_t)(end - rest.data);

        if (!read_line(&multipart->part, slice_of(rest.data, length - 1))) {
            return false;
        }
        rest = slice_of(end + 1, rest.length - length - 1);
    }
    return multipart->part.name.data != NULL;
}

/* --- bytes ------------------------------------------------------------------------------------ */

static char take_byte(struct slice *input)
{
    char c = *input->data;

    *input = slice_of(input->data + 1, input->length - 1);
    return c;
}

static enum multipart_event refuse(struct multipart *multipart)
{
    multipart->state = IS_MALFORMED;
    return MULTIPART_MALFORMED;
}

/*
 * A delimiter begins with CR and has no other one, so bytes that turned out not to be one are data,
 * and the delimiter can only begin again at the next byte.
 */
static enum multipart_event take_data(struct multipart *multipart, struct slice *input)
{
    while (input->length > 0 && multipart->matched < multipart->delimiter_length) {
        if (*input->data == multipart->delimiter[multipart->matched]) {
            multipart->matched++;
            take_byte(input);
            continue;
        }
        if (multipart->parts == 0) {
            return refuse(multipart);
        }
        if (multipart->matched > 0) {
            multipart->data = slice_of(multipart->delimiter, multipart->matched);
            multipart->matched = 0;
            return MULTIPART_DATA;
        }
        const char *end = memchr(input->data, '\r', input->length);
        size_t length = end == NULL ? input->length : (size_t)(end - input->data);
        multipart->data = slice_of(input->data, length);
        *input = slice_of(input->data + length, input->length - length);
        return MULTIPART_DATA;
    }
    if (multipart->matched < multipart->delimiter_length) {
        return MULTIPART_MORE;
    }
    multipart->matched = 0;
    multipart->state = BEHIND_IT;
    return multipart->parts == 0 ? MULTIPART_MORE : MULTIPART_PART_END;
}

/* Collects header lines up to the empty one. */
static enum multipart_event take_header(struct multipart *multipart, char c)
{
    char *headers = multipart->headers;
    size_t length = multipart->header_length;
    bool is_after_cr = length > 0 && headers[length - 1] == '\r';

    if (length == MULTIPART_HEADERS_MAX || (c == '\n') != is_after_cr) {
        return refuse(multipart);
    }
    headers[length++] = c;
    multipart->header_length = length;
    if (c != '\n' || (length > 2 && (length < 4 || headers[length - 3] != '\n'))) {
        return MULTIPART_MORE;
    }
    multipart->header_length = length - 2;
    if (!read_headers(multipart)) {
        return refuse(multipart);
    }
    multipart->state = AT_DELIMITER;
    return MULTIPART_PART;
}

enum multipart_event multipart_next(struct multipart *multipart, struct slice *input)
{
    enum multipart_event event = MULTIPART_MORE;

    while (event == MULTIPART_MORE && input->length > 0) {
        switch ((enum multipart_state)multipart->state) {
        case AT_DELIMITER:
            event = take_data(multipart, input);
            break;
        case BEHIND_IT:
            switch (take_byte(input)) {
            case '-':
                multipart->state = BEHIND_DASH;
                break;
            case '\r':
                multipart->state = BEHIND_CR;
                break;
            default:
                event = refuse(multipart);
            }
            break;
        case BEHIND_DASH:
            if (take_byte(input) != '-') {
                return refuse(multipart);
            }
            multipart->state = IN_EPILOGUE;
            event = MULTIPART_END;
            break;
        case BEHIND_CR:
            if (take_byte(input) != '\n' || ++multipart->parts > MULTIPART_PARTS_MAX) {
                return refuse(multipart);
            }
            multipart->header_length = 0;
            multipart->state = IN_HEADERS;
            break;
        case IN_HEADERS:
            event = take_header(multipart, take_byte(input));
            break;
        case IN_EPILOGUE:
            *input = SLICE_EMPTY;
            break;
        case IS_MALFORMED:
            event = MULTIPART_MALFORMED;
            break;
        }
    }
    return event;
}
