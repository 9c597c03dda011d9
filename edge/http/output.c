#include "edge/http/output.h"

#include <assert.h>
#include <errno.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#include "proto/base/error.h"

void http_output_init(struct http_output *output)
{
    *output = (struct http_output){.bytes = BUFFER_EMPTY, .file = -1};
}

static void drop_file(struct http_output *output)
{
    if (output->file >= 0) {
        close(output->file);
    }
    output->file = -1;
    output->file_left = 0;
}

void http_output_deinit(struct http_output *output)
{
    buffer_deinit(&output->bytes);
    output->bytes_sent = 0;
    drop_file(output);
}

bool http_output_is_empty(const struct http_output *output)
{
    return output->bytes.length == 0 && output->file < 0;
}

static struct slice waiting_bytes(const struct http_output *output)
{
    if (output->bytes.length == 0) {
        return SLICE_EMPTY;
    }
    return slice_of(output->bytes.data + output->bytes_sent,
                    output->bytes.length - output->bytes_sent);
}

size_t http_output_backlog(const struct http_output *output)
{
    return waiting_bytes(output).length;
}

/* One system call for two runs of bytes. How many were taken, 0 when choked, or ERROR_CLOSED. */
static ssize_t send_both(int descriptor, struct slice first, struct slice second)
{
    struct iovec parts[2] = {
        {.iov_base = (char *)(uintptr_t)first.data, .iov_len = first.length},
        {.iov_base = (char *)(uintptr_t)second.data, .iov_len = second.length},
    };
    size_t skip = first.length == 0 ? 1 : 0;
    struct msghdr message = {.msg_iov = parts + skip,
                             .msg_iovlen = second.length == 0 ? 1 : 2 - skip};
    ssize_t sent;

    do {
        sent = sendmsg(descriptor, &message, MSG_NOSIGNAL | MSG_DONTWAIT);
    } while (sent < 0 && errno == EINTR);
    if (sent >= 0) {
        return sent;
    }
    return errno == EAGAIN || errno == EWOULDBLOCK || errno == ENOBUFS ? 0 : ERROR_CLOSED;
}

void http_output_append(struct http_output *output, struct slice bytes)
{
    assert(output->file < 0);
    if (output->bytes_sent > 0 && output->bytes_sent * 2 > output->bytes.length) {
        buffer_consume(&output->bytes, output->bytes_sent);
        output->bytes_sent = 0;
    }
    buffer_append_slice(&output->bytes, bytes);
}

int http_output_send(struct http_output *output, int descriptor, struct slice head,
                     struct slice body)
{
    size_t sent = 0;

    if (http_output_is_empty(output) && head.length + body.length > 0) {
        ssize_t taken = send_both(descriptor, head, body);

        if (taken < 0) {
            return ERROR_CLOSED;
        }
        sent = (size_t)taken;
    }
    if (sent < head.length) {
        http_output_append(output, slice_of(head.data + sent, head.length - sent));
        sent = head.length;
    }
    size_t body_sent = sent - head.length;
    if (body_sent < body.length) {
        http_output_append(output, slice_of(body.data + body_sent, body.length - body_sent));
    }
    return 0;
}

/*
 * The next piece of the file, behind `head`, which may be empty. Bytes taken, or ERROR_CLOSED; a
 * file that became shorter cannot keep the promised length, so that is an end of the connection
 * too.
 */
static ssize_t send_piece(struct http_output *output, int descriptor, struct slice head)
{
    char piece[HTTP_FILE_PIECE];
    size_t wanted = output->file_left < sizeof(piece) ? (size_t)output->file_left : sizeof(piece);
    ssize_t got = pread(output->file, piece, wanted, output->file_offset);

    if (got <= 0) {
        return ERROR_CLOSED;
    }
    ssize_t sent = send_both(descriptor, head, slice_of(piece, (size_t)got));
    if (sent < 0) {
        return sent;
    }
    size_t of_file = (size_t)sent > head.length ? (size_t)sent - head.length : 0;
    output->file_offset += (off_t)of_file;
    output->file_left -= of_file;
    if (output->file_left == 0) {
        drop_file(output);
    }
    return sent;
}

int http_output_send_file(struct http_output *output, int descriptor, struct slice head, int file,
                          off_t offset, uint64_t length)
{
    bool waits = !http_output_is_empty(output);
    ssize_t sent = 0;

    assert(output->file < 0);
    output->file = file;
    output->file_offset = offset;
    output->file_left = length;
    if (length == 0) {
        drop_file(output);
        return http_output_send(output, descriptor, head, SLICE_EMPTY);
    }
    if (!waits) {
        sent = send_piece(output, descriptor, head);
    }
    if (sent < 0) {
        return ERROR_CLOSED;
    }
    if ((size_t)sent < head.length) {
        buffer_append(&output->bytes, head.data + sent, head.length - (size_t)sent);
    }
    return 0;
}

static void mark_sent(struct http_output *output, size_t sent)
{
    output->bytes_sent += sent;
    if (output->bytes_sent == output->bytes.length) {
        buffer_deinit(&output->bytes);
        output->bytes_sent = 0;
    }
}

ssize_t http_output_flush(struct http_output *output, int descriptor)
{
    ssize_t total = 0;

    if (http_output_backlog(output) > 0) {
        ssize_t sent = send_both(descriptor, waiting_bytes(output), SLICE_EMPTY);

        if (sent < 0) {
            return sent;
        }
        total = sent;
        mark_sent(output, (size_t)sent);
    }
    for (int i = 0; i < HTTP_FILE_PIECES_MAX; i++) {
        if (output->file < 0 || http_output_backlog(output) > 0) {
            break;
        }
        ssize_t sent = send_piece(output, descriptor, SLICE_EMPTY);

        if (sent < 0) {
            return sent;
        }
        total += sent;
        if (sent < HTTP_FILE_PIECE) {
            break;
        }
    }
    return total;
}
