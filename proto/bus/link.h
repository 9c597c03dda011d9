/*
 * The link: a reliable, ordered channel of bus messages between two processes, over a transport
 * that may drop, repeat and reorder frames (ZeroMQ drops what is in flight when a connection
 * breaks, and what exceeds a high-water mark). Pure: frames in, `now` in, frames out through one
 * operation.
 *
 * A frame is [header][body]. Header: msgpack array [version, kind, link, sequence, acknowledge].
 * Body of a DATA frame: one or more bus messages, those queued within one loop turn. DATA frames
 * are numbered from 1; each side keeps what is not acknowledged and sends it again when the other
 * notices a gap (RESEND); heartbeats carry the last number sent, so the loss of a last frame is
 * noticed too.
 *
 * The connecting side opens: HELLO with a fresh link id, repeated until WELCOME. An accepting side
 * that does not know a link answers RESET; the connecting side then opens a new link and its owner
 * synchronises anew (BUS.md, "Resynchronisation"). The accepting side numbers nothing before it has
 * heard something else than HELLO: by what that acknowledges it knows a link of another's. A link
 * that would have to keep more than retained_max is given up rather than shortened: nothing is
 * dropped silently.
 *
 * Implements: BUS.md, "Links".
 */
#ifndef PROTO_BUS_LINK_H
#define PROTO_BUS_LINK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "proto/base/buffer.h"
#include "proto/base/slice.h"
#include "proto/bus/message.h"

enum link_kind {
    LINK_DATA = 0,
    LINK_HELLO = 1,
    LINK_WELCOME = 2,
    LINK_RESET = 3,
    LINK_HEARTBEAT = 4,
    LINK_RESEND = 5,
    LINK_GOODBYE = 6
};

struct link_header {
    uint64_t version;
    uint64_t kind; /* enum link_kind */
    uint64_t link; /* chosen by the connecting side, never 0 */
    uint64_t sequence;
    uint64_t acknowledge; /* all DATA frames up to here have arrived */
};

void link_header_encode(struct buffer *out, const struct link_header *header);
/* 0, ERROR_BUS_MALFORMED, or ERROR_BUS_VERSION. Leaves the reader at the body. */
int link_header_decode(struct msgpack_reader *reader, struct link_header *header);

/* The last frame whose header was refused, and logged. Zeroed at first. */
struct link_refusal {
    int error;
    int64_t quiet_until;
};
/* Is it to be logged? One that is refused says the same again and again: one line a minute. */
bool link_refusal_is_news(struct link_refusal *last, int error, int64_t now);

struct link_settings {
    int64_t heartbeat;   /* ms between signs of life */
    int64_t timeout;     /* ms of silence after which the peer counts as away */
    size_t retained_max; /* bytes queued or not acknowledged */
    size_t frame_max;    /* bytes of one body */
};

enum link_state {
    LINK_CLOSED,
    LINK_OPENING, /* connecting side: HELLO sent */
    LINK_OPEN
};

struct link;

struct link_operations {
    /* Hands a frame to the transport. False: it takes nothing now; try at the next flush. */
    bool (*transmit)(void *context, struct link *link, struct slice header, struct slice body);
    /* A message arrived, in order, once. */
    void (*deliver)(void *context, struct link *link, const struct bus_message *message,
                    int64_t now);
    /* The link is open: peer's hello. On the connecting side every opening is a new link. */
    void (*opened)(void *context, struct link *link, const struct bus_hello *peer, int64_t now);
    /* The link is over: GOODBYE (0), RESET (ERROR_CLOSED; ERROR_BUS_REFUSED: our HELLO is not
     * welcome there), or a malformed frame. May be NULL. */
    void (*closed)(void *context, struct link *link, int error, int64_t now);
};

struct link_frame;

struct link {
    const struct link_operations *operations; /* borrows */
    void *context;                            /* borrows */
    const struct link_settings *settings;     /* borrows */
    bool connects;                            /* this side opens */
    bool is_confirmed; /* accepting side: the peer has heard WELCOME; before, nothing is sent */
    enum link_state state;
    uint64_t id;
    struct bus_hello self;             /* borrows its texts from the owner */
    char peer[INCARNATION_LENGTH + 1]; /* connecting side: the incarnation that said WELCOME */
    int64_t heard_at;                  /* last frame of the peer, ms */
    int64_t sent_at;                   /* last frame to the peer, ms */
    int64_t resend_at;                 /* not before: the next RESEND may be asked for */

    bool is_unbounded; /* the owner says again what it holds: bounded by that, see uplink.c */

    struct buffer open;        /* messages of this turn, not a frame yet */
    struct link_frame *oldest; /* owns: frames not acknowledged, by sequence */
    struct link_frame *newest;
    struct link_frame *unsent; /* borrows: the first that the transport has not taken */
    size_t retained;           /* bytes in open and in the frames */
    uint64_t last_sequence;    /* of the newest frame made */
    uint64_t sent_sequence;    /* of the newest frame the transport took */
    uint64_t received;         /* all up to here were delivered */
    uint64_t acknowledged;     /* the last acknowledge we sent */
    unsigned backward;         /* RESENDs in a row for what was acknowledged before */

    uint64_t frames_sent, frames_received, frames_resent, frames_repeated, gaps, refused;
    uint64_t frames_held; /* times that the transport took no DATA frame */
};

void link_init(struct link *link, const struct link_settings *settings,
               const struct link_operations *operations, void *context, bool connects,
               const struct bus_hello *self, int64_t now);
void link_deinit(struct link *link);

/* Connecting side: opens a new link with this id (random, not 0). */
void link_open(struct link *link, uint64_t id, int64_t now);
/* Accepting side: a HELLO came; answers WELCOME. */
void link_accept(struct link *link, uint64_t id, int64_t now);
/* Says GOODBYE and closes. */
void link_close(struct link *link, int64_t now);

/*
 * Queues an encoded message for the next flush. 0; ERROR_CLOSED when not open; ERROR_OVERLOADED
 * when retained_max would be passed: nothing is queued, and the owner decides (an edge refuses the
 * send, the router gives the link up).
 */
int link_send_encoded(struct link *link, struct slice message);
int link_send(struct link *link, const struct bus_message *message);

/* Makes a frame of what was queued and transmits what the transport takes. Once per loop turn. */
void link_flush(struct link *link, int64_t now);
/*
 * A frame for this link: header already decoded, reader at the body. A body that does not decode
 * closes the link with ERROR_BUS_MALFORMED.
 */
void link_receive(struct link *link, const struct link_header *header, struct msgpack_reader *body,
                  int64_t now);
/* Heartbeats and the retry of HELLO; call every 100 ms or so. */
void link_tick(struct link *link, int64_t now);

static inline bool link_is_open(const struct link *link)
{
    return link->state == LINK_OPEN;
}
/* Open, and the peer gave a sign of life within the timeout. */
bool link_is_alive(const struct link *link, int64_t now);
static inline size_t link_retained(const struct link *link)
{
    return link->retained;
}

#endif
