/* A form on its way in: its one file goes to the disk as it comes, nothing else is kept. */
#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "edge/media/internal.h"
#include "edge/media/media_type.h"
#include "edge/media/multipart.h"
#include "proto/base/buffer.h"
#include "proto/base/json.h"
#include "proto/base/log.h"
#include "proto/base/memory.h"

enum {
    FORM_MAX = 64 * 1024, /* bytes of a form besides its file */
    FILENAME_MAX_BYTES = 255
};

#define ALLOWED_TYPES                                                                              \
    "Invalid file type. Only audio/mpeg, audio/mp3, audio/wav, audio/ogg, audio/webm, audio/mp4, " \
    "audio/aac, audio/flac, audio/x-wav, audio/wave, image/jpeg, image/png, image/gif, "           \
    "image/webp, video/mp4, video/webm, application/pdf, text/plain are allowed"

/* Ends with its exchange: answered, or closed. */
struct upload {
    struct media *media;
    struct http_exchange *exchange;
    struct multipart multipart;
    struct media_file *file;       /* owns; NULL: its type is not known yet */
    const struct media_type *type; /* NULL: no file yet */
    struct media_path path;
    struct buffer first; /* bytes of the file, until they tell what it is */
    struct buffer name;  /* what its owner calls it */
    uint64_t size;
    bool is_in_file;  /* the part in hand is the file */
    bool is_complete; /* the form has come to its end */
    bool is_paused;
};

size_t media_body_max(const struct media *media)
{
    return (size_t)media->settings.upload_max + FORM_MAX;
}

static void upload_end(struct upload *upload)
{
    upload->media->counters.uploading--;
    media_file_destroy(&upload->file);
    buffer_deinit(&upload->first);
    buffer_deinit(&upload->name);
    free(upload);
}

/* Answers and ends it; false, for those who are asked whether to go on. */
static bool refuse(struct upload *upload, int status, const char *code, const char *message)
{
    struct http_exchange *exchange = upload->exchange;

    upload->media->counters.refused++;
    upload_end(upload);
    media_refuse(exchange, status, code, message);
    return false;
}

/* --- the file --------------------------------------------------------------------------------- */

static void answer(struct upload *upload)
{
    struct http_exchange *exchange = upload->exchange;
    bool is_agents = upload->path.place == MEDIA_AGENTS;
    struct buffer out = BUFFER_EMPTY, url = BUFFER_EMPTY;

    media_path_write(&upload->path, &url);
    buffer_append_string(&out, "{\"success\":true,\"data\":{");
    json_write_string_member(&out, "url", buffer_slice(&url));
    /* As ElizaOS does: an attachment's kind there, a type here. */
    json_write_string_member(
        &out, "type", slice_of_string(is_agents ? upload->type->kind : upload->type->declared));
    json_write_string_member(&out, "filename", slice_of_string(upload->path.file));
    json_write_string_member(&out, "originalName", buffer_slice(&upload->name));
    json_write_unsigned_member(&out, "size", upload->size);
    buffer_append_string(&out, "}}");
    upload->media->counters.uploaded++;
    log_info("uploaded", "file=%s size=%llu", url.data, (unsigned long long)upload->size);
    upload_end(upload);
    http_respond(exchange, 200, "application/json; charset=utf-8", buffer_slice(&out));
    buffer_deinit(&url);
    buffer_deinit(&out);
}

static void on_file_finished(void *context, int error)
{
    struct upload *upload = context;

    if (error == 0) {
        answer(upload);
        return;
    }
    upload->media->counters.failed++;
    log_error("upload_failed", "reason=%s", strerror(error));
    if (error == ENOSPC || error == EDQUOT || error == EFBIG) {
        refuse(upload, 507, "no_space", "There is no room for the file");
    } else {
        refuse(upload, 503, "store_failed", "The file could not be stored");
    }
}

static void on_file_ready(void *context)
{
    struct upload *upload = context;

    if (upload->is_paused) {
        upload->is_paused = false;
        http_body_resume(upload->exchange);
    }
}

static const struct media_file_operations file_operations = {on_file_ready, on_file_finished};

static void write_file(struct upload *upload, struct slice bytes)
{
    if (!media_file_write(upload->file, bytes) && !upload->is_paused) {
        upload->is_paused = true;
        http_body_pause(upload->exchange);
    }
}

/* The first bytes are there: is it what it is said to be? */
static bool begin_file(struct upload *upload)
{
    if (media_sniff(buffer_slice(&upload->first)) != upload->type->format) {
        return refuse(upload, 415, "UNSUPPORTED_MEDIA_TYPE", ALLOWED_TYPES);
    }
    upload->file = media_new_file(upload->media, &file_operations, upload);
    write_file(upload, buffer_slice(&upload->first));
    buffer_deinit(&upload->first);
    return true;
}

static bool take_data(struct upload *upload, struct slice bytes)
{
    upload->size += bytes.length;
    if (upload->size > (uint64_t)upload->media->settings.upload_max) {
        return refuse(upload, 413, "too_large", "The file is too large");
    }
    if (upload->file != NULL) {
        write_file(upload, bytes);
        return true;
    }
    buffer_append_slice(&upload->first, bytes);
    return upload->first.length < MEDIA_SNIFF_LENGTH || begin_file(upload);
}

/* --- the form --------------------------------------------------------------------------------- */

/* A name is shown to people only, but one that looks like a path is somebody's attempt. */
static bool is_filename(struct slice name)
{
    return name.length > 0 && name.length <= FILENAME_MAX_BYTES &&
           memchr(name.data, '/', name.length) == NULL &&
           memchr(name.data, '\\', name.length) == NULL &&
           memmem(name.data, name.length, "..", 2) == NULL;
}

static bool begin_part(struct upload *upload)
{
    const struct multipart_part *part = &upload->multipart.part;

    if (!part->is_file || part->filename.length == 0) {
        return true; /* browsers send that when nothing was chosen */
    }
    if (upload->type != NULL || !slice_is(part->name, "file")) {
        return refuse(upload, 400, "INVALID_REQUEST", "One file is expected, as \"file\"");
    }
    if (!is_filename(part->filename)) {
        return refuse(upload, 400, "INVALID_REQUEST", "Invalid filename detected");
    }
    upload->type = media_type_of(part->content_type);
    if (upload->type == NULL) {
        return refuse(upload, 415, "UNSUPPORTED_MEDIA_TYPE", ALLOWED_TYPES);
    }
    media_path_add_extension(&upload->path, upload->type->extension);
    upload->is_in_file = true;
    buffer_append_slice(&upload->name, part->filename);
    return true;
}

static bool end_part(struct upload *upload)
{
    bool was_in_file = upload->is_in_file;

    upload->is_in_file = false;
    return !was_in_file || upload->file != NULL || begin_file(upload);
}

static void on_piece(void *context, struct slice bytes)
{
    struct upload *upload = context;
    bool goes_on = true;

    while (goes_on) {
        switch (multipart_next(&upload->multipart, &bytes)) {
        case MULTIPART_MORE:
            return;
        case MULTIPART_PART:
            goes_on = begin_part(upload);
            break;
        case MULTIPART_DATA:
            goes_on = !upload->is_in_file || take_data(upload, upload->multipart.data);
            break;
        case MULTIPART_PART_END:
            goes_on = end_part(upload);
            break;
        case MULTIPART_END:
            upload->is_complete = true;
            break;
        case MULTIPART_MALFORMED:
            goes_on = refuse(upload, 400, "malformed", "The form is malformed");
            break;
        }
    }
}

static void on_end(void *context)
{
    struct upload *upload = context;

    if (!upload->is_complete) {
        refuse(upload, 400, "malformed", "The form is malformed");
    } else if (upload->file == NULL) {
        refuse(upload, 400, "INVALID_REQUEST", "No media file provided");
    } else {
        media_file_finish(upload->file, upload->media->places[upload->path.place], &upload->path,
                          NULL);
    }
}

static const struct http_body_taker taker = {on_piece, on_end};

static void on_closed(struct http_exchange *exchange, void *context)
{
    struct upload *upload = context;

    (void)exchange;
    upload->media->counters.abandoned++;
    upload_end(upload);
}

void media_upload(struct media *media, struct http_exchange *exchange,
                  const struct http_request *request, enum media_place place, struct slice id,
                  int64_t wall_ms)
{
    struct upload *upload;

    if (media == NULL) {
        media_refuse(exchange, 503, "uploads_disabled", "Uploads are not enabled here");
        return;
    }
    if (media->counters.uploading >= (size_t)media->settings.uploads_max) {
        media->counters.refused++;
        http_add_header(exchange, "Retry-After", SLICE_LITERAL("1"));
        media_refuse(exchange, 503, "overloaded", "Too many uploads at once, try again");
        return;
    }
    upload = memory_allocate_zeroed(sizeof(*upload));
    upload->media = media;
    upload->exchange = exchange;
    media->counters.uploading++;
    media_path_make(&upload->path, place, id, wall_ms, media->ids);
    if (!multipart_init(&upload->multipart, http_request_header(request, "Content-Type"))) {
        refuse(upload, 415, "INVALID_CONTENT_TYPE", "Invalid or missing Content-Type header");
    } else if (!request->has_body) {
        refuse(upload, 400, "INVALID_REQUEST", "No media file provided");
    } else {
        http_exchange_on_closed(exchange, on_closed, upload);
        http_body_take(exchange, &taker, media->settings.upload_deadline);
    }
}
