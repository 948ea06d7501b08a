/* attention_service.h - takes a received request through the pool to its answer.
 *
 * An attention_call is handed over, never shared: the HTTP side fills it and
 * submits it; from then on it is the service's until done() gives it back, once,
 * on a worker thread. */
#ifndef SERVICE_ATTENTION_SERVICE_H
#define SERVICE_ATTENTION_SERVICE_H

#include <stdint.h>
#include <sys/uio.h>

#include "base/arena.h"
#include "core/attention_input.h"
#include "service/metrics.h"
#include "service/scheduler.h"

enum answer_form { ANSWER_JSON, ANSWER_TEXT };

struct attention_call {
    /* Zero-initialise, then set before submitting. */
    struct arena arena; /* holds the body already; freed by the caller at the end */
    const char *body;
    size_t body_length;
    enum answer_form form;
    char id[129];  /* X-Request-Id or generated; replaced by the body's `id` */
    bool id_given; /* the header had one: it beats the body's */
    int64_t received_ns, complete_ns; /* first and last byte of the request */
    void (*done)(struct attention_call *call);
    void *owner;

    /* May be set by another thread at any time between submit and done: the
     * client has left. */
    _Atomic bool cancelled;

    /* Filled by the service; valid in done(). */
    struct error error;   /* ERROR_NONE: the answer is in `pieces` */
    struct iovec *pieces; /* in the arena, in order */
    size_t piece_count, answer_bytes;
    bool more;           /* what `pieces` holds is not all: attention_service_go_on() */
    size_t answer_bound; /* bytes of the whole answer at most */
    double parse_ms, queue_ms, compute_ms, serialize_ms; /* -1: not reached */
    size_t batch, tokens, width, heads;

    /* The service's own. */
    struct job job;
    struct call_state *state;
};

struct attention_service;

struct attention_service_options {
    size_t workers, queue_depth;
    int64_t queue_wait_ns, timeout_ns, task_timeout_ns;
    int64_t patience_ns; /* see scheduler.h */
    uint64_t queue_work; /* see scheduler.h */
    struct attention_limits limits;
    struct metrics *metrics; /* borrowed */
};

/* Starts the workers, warms up OpenBLAS on each and computes the worked example
 * on one (see self_test.h); NULL with `e` set when a thread cannot be had or the
 * example comes out wrong; ERROR_DEADLINE: a worker hangs. Sets OpenBLAS to one
 * thread a call. */
MUST_USE struct attention_service *attention_service_new(
    const struct attention_service_options *options, struct error *e);

/* Whether a call with a body of so many bytes would be accepted now, as far as that can
 * be told; it may be refused after all. False as attention_service_submit(). A short
 * body is always welcome: it may never come to the pool. */
MUST_USE bool attention_service_has_room(struct attention_service *s, size_t body_bytes,
                                         struct error *e);

/* Answers `call` here and now where that is less work than handing it over: a short
 * body whose plan turns out to be small. True: `call` is as in done(), which is not
 * called. False: submit it; a plan that was made is kept. */
MUST_USE bool attention_service_answer_small(struct attention_service *s,
                                             struct attention_call *call);

/* Hands `call` over. False at once, with `e` set, when the queue is full or the
 * predicted wait too long or the predicted work too much (ERROR_OVERLOADED, or, of this
 * call alone, ERROR_TOO_LARGE), the service closed
 * (ERROR_SHUTTING_DOWN) or the arena spent (ERROR_OUT_OF_MEMORY): the call stays the
 * caller's and done() is not called. Else done() may be called before this returns,
 * and neither `call` nor `e` is touched after it. */
MUST_USE bool attention_service_submit(struct attention_service *s,
                                       struct attention_call *call, struct error *e);

/* Has more of an answer written that is not all there; done() is called again, with the
 * next pieces or with an error. What `pieces` named so far stays as it is until the
 * call is handed over once more after that. Never refused: the call has its place. */
void attention_service_go_on(struct attention_service *s, struct attention_call *call);

/* Seconds after which trying again makes sense: the predicted wait, 1 to 60. */
unsigned attention_service_retry_after(struct attention_service *s);

/* Refuses new calls. What is queued and running goes on. */
void attention_service_close(struct attention_service *s);

/* Waits until every accepted call was given back, at most until `until_ns`;
 * what is left then is given back with ERROR_SHUTTING_DOWN. Running tasks are waited
 * for, but not for ever: see attention_service_idle(). Call after
 * attention_service_close(). True: all had finished. */
bool attention_service_drain(struct attention_service *s, int64_t until_ns);

/* Every call was given back. False after a drain: a worker hangs. */
MUST_USE bool attention_service_idle(struct attention_service *s);

/* Looks for workers that have been in one task for longer than task_timeout_ns, tells
 * the log of each once, sets the gauge; how many there are. For one thread, once a
 * second or so. */
size_t attention_service_stuck(struct attention_service *s);

/* Ends the workers; nothing may be queued. Frees nothing when a worker hangs: the
 * process can only end then. */
void attention_service_delete(struct attention_service *s);

#endif
