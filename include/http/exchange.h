/* exchange.h - the life of a request: one struct a connection, used for each of its
 * requests in turn.
 *
 *   begin (request line) -> head -> body ... -> complete -> [pool] -> answer -> end
 *
 * Runs on the connection's HTTP thread, except while the pool works on it. Then,
 * and while bytes are awaited, the watch may look at it from its own thread; who
 * may touch what is settled by `phase`, which changes by compare-and-swap only. */
#ifndef HTTP_EXCHANGE_H
#define HTTP_EXCHANGE_H

#include <microhttpd.h>
#include <stdatomic.h>

#include "http/guard.h"
#include "http/pace.h"
#include "http/request_head.h"
#include "http/request_id.h"
#include "http/routes.h"
#include "http/site.h"
#include "http/stream.h"
#include "http/wire.h"

struct watch;

enum exchange_phase {
    PHASE_IDLE,      /* no request line yet */
    PHASE_HEAD,      /* the rest of the head is awaited */
    PHASE_BODY,      /* the body is awaited */
    PHASE_WORKING,   /* suspended; the pool has the call */
    PHASE_WATCHED,   /* as before, and just now the watch looks at its socket */
    PHASE_ANSWERING, /* an answer was queued, or will be in this callback */
    PHASE_ENDED,     /* the request is over; the watch does nothing meanwhile */
    PHASE_CUT,       /* the watch has ended it, see cut.h */
};

/* The answer that is made before it is needed; see reply.h. */
struct no_memory {
    struct MHD_Response *response;
    size_t length;
};

/* One listener's share of the site. */
struct front {
    struct site *site;
    struct watch *watch;
    unsigned surfaces; /* set of enum surface */
    const struct no_memory *no_memory;
    unsigned stall_timeout_s; /* the library's, of answers only; 0: the watch has it */
};

enum {
    EXCHANGE_TEXT = 64
}; /* room for the longest path and query that mean something */

/* Of one request; zeroed when the next one begins. */
/* NOLINTNEXTLINE(clang-analyzer-optin.performance.Padding): in reading order */
struct request {
    char path[EXCHANGE_TEXT], query[EXCHANGE_TEXT];
    size_t path_length;
    bool query_cut;                        /* the query was longer */
    size_t authority_at, authority_length; /* in the target; 0: it has none */
    bool secure;                           /* it says so */

    enum http_method method;
    bool http_1_0, head_read;
    struct request_head head;
    struct key_use key; /* taken when the head was read, given back at the end */
    enum body_kind body_kind;
    const struct route *route; /* NULL: there is none */
    size_t label;              /* routes_label() of the path */
    size_t offer;              /* which of route->offers was chosen */
    char trace_id[TRACE_ID_BYTES];

    struct error refusal;    /* ERROR_NONE: admitted */
    unsigned refusal_status; /* 0: that of its code */
    bool must_close;         /* nothing more can be read from this connection */
    bool keeps_body;         /* otherwise what comes is discarded */
    size_t body_most; /* bytes there can be: as announced, or any number in chunks */
    size_t body_room, body_bytes;
    char *body; /* in the call's arena; NULL: nothing has come, or is kept */

    bool accounted;  /* already */
    bool called;     /* the service has, or had, the call */
    bool submitted;  /* through the pool: the connection is suspended meanwhile */
    unsigned status; /* 0: not answered */
    enum error_code error;
    size_t answer_bytes;
    double serialize_ms; /* of what has come back from the service so far; -1: none */
    int64_t unix_ms, head_ns, answered_ns;
    struct stream stream; /* of an answer that is sent while it is written */

    struct attention_call call; /* its id is the request's id on every route */
};

/* An answer that was said past the library. */
struct said {
    char id[REQUEST_ID_BYTES]; /* that it carries; "": that of its request, if any */
    enum error_code error;
    size_t bytes; /* of its document; 0: nothing was said */
    int64_t began_ns, at_ns;
};

struct exchange {
    const struct front *front;
    struct MHD_Connection *connection;

    /* The watch reads these of every connection, again and again. */
    _Atomic int phase;
    _Atomic int64_t deadline_ns; /* of PHASE_IDLE, _HEAD, _BODY and _ANSWERING */
    _Atomic int64_t rests_ns;    /* since when nothing more has come */

    int fd;
    struct wire wire;   /* of that socket */
    size_t requests;    /* that have ended on this connection */
    bool begun;         /* one that has not ended */
    bool linger;        /* bytes may still come that nobody will read */
    struct said cut;    /* the watch's until PHASE_CUT: why, and what was said */
    int64_t gone_ns;    /* the watch's: when a socket that was cut is shut at last */
    struct guard guard; /* what is read goes through it first */

    /* The connection, and the pool while it writes on for an answer that is being sent:
     * whoever is last frees it. */
    _Atomic int holders;

    size_t place;               /* in the watch's list, under its lock */
    _Atomic unsigned ends_seen; /* looks of the watch that found the client's FIN */
    int64_t
        part_ns; /* the watch's: since when a part of a head is there; 0: it is not */
    struct sending sending; /* the watch's, and when its next look at that is due; a */
    int64_t look_ns;        /* deadline that is another one is that of a new answer */

    struct request request;
};

/* The callbacks of libmicrohttpd; `front` is a struct front. See connection.h, too. */
void *exchange_begin(void *front, const char *target,
                     struct MHD_Connection *connection);
enum MHD_Result exchange_step(void *front, struct MHD_Connection *connection,
                              const char *url, const char *method, const char *version,
                              const char *data, size_t *size, void **context);
void exchange_end(void *front, struct MHD_Connection *connection, void **context,
                  enum MHD_RequestTerminationCode why);

/* From one phase to another; false when the watch has cut the exchange meanwhile:
 * its socket is shut, nothing can be answered. */
MUST_USE bool exchange_enter(struct exchange *x, enum exchange_phase from,
                             enum exchange_phase to);

static inline bool exchange_was_cut(const struct exchange *x)
{
    return atomic_load(&x->phase) == PHASE_CUT;
}

void exchange_hold(struct exchange *x);
void exchange_release(struct exchange *x);

static inline struct site *exchange_site(const struct exchange *x)
{
    return x->front->site;
}

#endif
