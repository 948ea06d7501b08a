/* attention_call.h - one request on its way through the pool, as a job:
 *
 *     parse    decode, validate, plan; room for the answer       one task
 *     compute  a stage for each step of the layer that has tasks
 *     write    the pieces of the answer, or the picture; the last piece ends it
 *
 * A large answer is written a window at a time (answer_windows.h): after each the call
 * is given back, and comes again for the next.
 *
 * Small tasks are joined into groups that are worth handing over; the numbers do
 * not depend on the groups. The arena is touched by the worker that has the job
 * alone, so its room is taken while parsing. */
#ifndef SERVICE_ATTENTION_CALL_H
#define SERVICE_ATTENTION_CALL_H

#include <pthread.h>

#include "codec/attention_request.h"
#include "codec/attention_response.h"
#include "core/multi_head.h"
#include "service/answer_windows.h"
#include "service/attention_cost.h"
#include "service/attention_service.h"
#include "service/body_costs.h"

/* What all calls of a service share; outlives them. */
struct call_context {
    int64_t timeout_ns;
    struct attention_limits limits;
    struct metrics *metrics; /* borrowed, or NULL */
    struct body_costs costs;
    pthread_mutex_t failing; /* guards the error of a call whose tasks are running */
};

/* Makes `call` a job to submit. False with `e` set (ERROR_OUT_OF_MEMORY). */
MUST_USE bool attention_call_prepare(struct attention_call *call,
                                     struct call_context *context, struct error *e);

/* Decodes a prepared call on the calling thread and, where little is left to do, does
 * it all. False: it is to be submitted; what was done so far is kept. */
MUST_USE bool attention_call_run_small(struct attention_call *call);

/* Makes a call that was given back with `more` a job again. */
void attention_call_go_on(struct attention_call *call);

/* The way itself: attention_call.c decides what comes next, attention_stages.c does
 * it. */

enum call_phase { CALL_WAITING, CALL_PARSING, CALL_COMPUTING, CALL_WRITING };

struct call_state {
    struct call_context *context;
    enum call_phase phase;
    int64_t phase_start_ns;
    int64_t limit_ns; /* how long it may take, and which word says so */
    const char *limit_name;

    char first_id[129]; /* the call's until its body was read, which may hold another */
    bool decoded;
    struct attention_request request;
    struct multi_head *layer;            /* NULL: not planned yet */
    struct attention_response *response; /* NULL: a picture is drawn */
    struct answer_windows windows;       /* of the response */
    size_t step;                         /* of the layer: the next one */
    enum call_phase counted;             /* phases before it are in the metrics */

    size_t units;       /* what this stage is made of, before grouping */
    size_t failed_unit; /* the first that failed, while call->error is set */
};

struct attention_call *attention_call_of(struct job *job);

/* Bytes of its answer, in the form that was asked for. */
struct cost_bytes attention_call_answer(const struct attention_call *call,
                                        size_t bytes);

/* Fills the state's request. False with call->error set. */
MUST_USE bool attention_call_decode(struct attention_call *call);

/* Each prepares a stage of the job. The last two are false when there is nothing
 * left of their kind. A stage that fails sets call->error and stops the job. */
void attention_call_parse(struct attention_call *call);
MUST_USE bool attention_call_compute(struct attention_call *call);
MUST_USE bool attention_call_write(struct attention_call *call);

#endif
