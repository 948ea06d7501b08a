#include "service/attention_call.h"

#include <assert.h>
#include <string.h>

#include "service/clock.h"

/* An answer that is written where it was asked for: some ten microseconds. */
#define SMALL_ANSWER ((size_t)32 * 1024)

/* Pairs of a query and a key of all heads, of what may be small. */
#define SMALL_CELLS 4096.0

struct attention_call *attention_call_of(struct job *job)
{
    return (struct attention_call *)((char *)job -
                                     offsetof(struct attention_call, job));
}

static double milliseconds(int64_t ns)
{
    return (double)ns / (double)NS_PER_MS;
}

/* The time of the present phase, so far. */
static void note_time(struct attention_call *call, int64_t now)
{
    double *const spent[] = {&call->queue_ms, &call->parse_ms, &call->compute_ms,
                             &call->serialize_ms};
    *spent[call->state->phase] = milliseconds(now - call->state->phase_start_ns);
}

static void enter(struct attention_call *call, enum call_phase next)
{
    int64_t now = clock_now_ns();
    note_time(call, now);
    call->state->phase = next;
    call->state->phase_start_ns = now;
}

static void explain_deadline(struct attention_call *call)
{
    double s = (double)call->state->limit_ns / (double)NS_PER_S;
    error_set(&call->error, ERROR_DEADLINE, "", "not finished within %g %s (%s)",
              s < 1 ? s * 1000 : s, s < 1 ? "ms" : "s", call->state->limit_name);
}

/* The scheduler says why in one word; a task that failed has said it itself. */
static void explain(struct attention_call *call, enum error_code why)
{
    if (why == ERROR_DEADLINE)
        explain_deadline(call);
    else if (why == ERROR_CANCELLED)
        error_set(&call->error, why, "", "the client has left");
    else if (why == ERROR_SHUTTING_DOWN)
        error_set(&call->error, why, "",
                  "the service is shutting down and could not finish the request");
    else
        error_set(&call->error, why, "",
                  "a worker has no room for the %zu bytes that a part of this request "
                  "needs",
                  call->job.scratch_bytes);
}

static void count_work(const struct attention_call *call)
{
    struct metrics *m = call->state->context->metrics;
    if (!m)
        return;

    struct multi_head_work work = multi_head_work(call->state->layer);
    const struct multi_head_result *result = multi_head_result(call->state->layer);
    metrics_add(m, METRIC_SEQUENCES, (double)work.sequences);
    metrics_add(m, METRIC_TOKENS, (double)work.tokens);
    metrics_add(m, METRIC_FLOPS, work.flops);
    metrics_observe(m, METRIC_BATCH_SIZE, (double)work.sequences);
    for (size_t b = 0; b < result->B; b++)
        metrics_observe(m, METRIC_SEQUENCE_LENGTH, (double)result->sequence[b].T);
}

/* The phases that are over; writing is when all is written. */
static void count_call(const struct attention_call *call)
{
    struct call_state *state = call->state;
    struct metrics *m = state->context->metrics;
    if (!m)
        return;

    static const enum metrics_stage stages[] = {STAGE_QUEUE, STAGE_PARSE, STAGE_COMPUTE,
                                                STAGE_SERIALIZE};
    const double spent_ms[] = {call->queue_ms, call->parse_ms, call->compute_ms,
                               call->serialize_ms};
    enum call_phase over = call->more ? CALL_WRITING : state->phase + 1;
    for (; state->counted < over; state->counted++)
        metrics_stage(m, stages[state->counted], spent_ms[state->counted] / 1000);
    bool begun = call->answer_bytes > 0; /* then it is the sending that is cancelled */
    if (call->error.code == ERROR_CANCELLED && !begun)
        metrics_cancelled(m, stages[state->phase]);
}

static void end_answer(const struct attention_call *call, struct iovec *last)
{
    const struct attention_timing timing = {
        .parse_ms = call->parse_ms,
        .queue_ms = call->queue_ms,
        .compute_ms = call->compute_ms,
        .total_ms = milliseconds(clock_now_ns() - call->received_ns)};
    last->iov_len =
        attention_response_finish(call->state->response, &timing, last->iov_base);
}

/* What this window holds. */
static void hand_out(struct attention_call *call)
{
    const struct answer_windows *w = &call->state->windows;
    if (call->state->response) {
        call->pieces = w->pieces;
        call->piece_count = w->end - w->first;
        call->more = !answer_windows_at_end(w);
        if (!call->more)
            end_answer(call, &call->pieces[call->piece_count - 1]);
    }
    call->answer_bytes = 0;
    for (size_t i = 0; i < call->piece_count; i++)
        call->answer_bytes += call->pieces[i].iov_len;
}

/* Prepares the next stage; false when everything is computed and written. */
static bool advance(struct attention_call *call)
{
    switch (call->state->phase) {
    case CALL_WAITING:
        if (call->state->layer) { /* parsed before it was handed over */
            enter(call, CALL_COMPUTING);
            return advance(call);
        }
        enter(call, CALL_PARSING);
        attention_call_parse(call);
        return true;
    case CALL_PARSING: /* and was let in for what it costs */
        body_costs_learn(&call->state->context->costs, call->body_length,
                         call->job.cost);
        enter(call, CALL_COMPUTING);
        return advance(call);
    case CALL_COMPUTING:
        if (attention_call_compute(call))
            return true;
        count_work(call);
        enter(call, CALL_WRITING);
        if (attention_call_write(call))
            return true;
        break;
    case CALL_WRITING:
        if (call->more && attention_call_write(call)) {
            call->more = false;
            return true;
        }
        break;
    }
    hand_out(call);
    return false;
}

static bool call_next(struct job *job)
{
    struct attention_call *call = attention_call_of(job);
    enum error_code why = (enum error_code)atomic_load(&job->stopped);
    if (why != ERROR_NONE && call->error.code == ERROR_NONE)
        explain(call, why);
    if (call->error.code == ERROR_NONE && advance(call))
        return true;

    if (call->error.code != ERROR_NONE)
        call->more = false;
    note_time(call, clock_now_ns());
    count_call(call);
    return false;
}

/* All tasks of the stage that was prepared. */
static void run_stage(struct attention_call *call, void *scratch)
{
    struct job *job = &call->job;
    for (size_t task = 0; task < job->tasks; task++)
        job->run(job, task, scratch);
    if (clock_now_ns() >= job->deadline_ns)
        job_stop(job, ERROR_DEADLINE);
}

/* Back to the start, to wait for a worker. */
static void wait_again(struct attention_call *call)
{
    int64_t now = clock_now_ns();
    note_time(call, now);
    call->state->phase = CALL_WAITING;
    call->state->phase_start_ns = now;
}

/* Few cells of the exact operator: then the plan, too, is quick and takes little room.
 */
static bool looks_small(const struct attention_input *input)
{
    const struct tensor *q = &input->query, *k = &input->key;
    double heads = input->heads ? (double)input->heads : 1, cells = 0;
    if (q->rank > 1 && k->rank > 1)
        cells = (double)tensor_count(q) * (double)tensor_count(k);
    for (size_t b = 0; b < input->sequences.count; b++) {
        const struct batch *asked =
            b < input->context.count ? &input->context : &input->sequences;
        cells += (double)input->sequences.item[b].extent[0] *
                 (double)asked->item[b].extent[0];
    }
    return input->method.name == METHOD_EXACT && heads * cells <= SMALL_CELLS;
}

bool attention_call_run_small(struct attention_call *call)
{
    bool parsing = call_next(&call->job); /* one task without scratch */
    assert(parsing);
    if (attention_call_decode(call) && !looks_small(&call->state->request.input)) {
        wait_again(call);
        return false;
    }
    if (call->error.code == ERROR_NONE)
        run_stage(call, NULL);

    void *scratch = NULL;
    if (call->error.code == ERROR_NONE) {
        struct multi_head *layer = call->state->layer;
        if (!multi_head_work(layer).small || call->answer_bound > SMALL_ANSWER) {
            wait_again(call);
            return false;
        }
        scratch =
            arena_alloc(&call->arena, multi_head_scratch_bytes(layer), 1, &call->error);
    }
    while (call_next(&call->job))
        run_stage(call, scratch);
    return true;
}

static void call_finished(struct job *job)
{
    struct attention_call *call = attention_call_of(job);
    call->done(call);
}

/* Parsing may replace the id while this is asked for; later stages change nothing. */
static struct job_label call_label(const struct job *job)
{
    static const char *const stages[] = {"wait", "parse", "compute", "write"};
    const struct attention_call *call =
        (const struct attention_call *)((const char *)job -
                                        offsetof(struct attention_call, job));
    const struct call_state *state = call->state;
    return (struct job_label){.id = state->phase == CALL_PARSING ? state->first_id
                                                                 : call->id,
                              .stage = stages[state->phase]};
}

bool attention_call_prepare(struct attention_call *call, struct call_context *context,
                            struct error *e)
{
    call->state = arena_alloc(&call->arena, 1, sizeof *call->state, e);
    if (!call->state)
        return false;

    *call->state = (struct call_state){.context = context,
                                       .phase_start_ns = clock_now_ns(),
                                       .limit_ns = context->timeout_ns,
                                       .limit_name = "timeout"};
    memcpy(call->state->first_id, call->id, sizeof call->id);
    call->queue_ms = call->parse_ms = call->compute_ms = call->serialize_ms = -1;
    call->job =
        (struct job){.next = call_next,
                     .finished = call_finished,
                     .label = call_label,
                     .deadline_ns = call->complete_ns + context->timeout_ns,
                     .cancelled = &call->cancelled,
                     .cost = body_costs_expected(&context->costs, call->body_length),
                     .error = &call->error};
    return true;
}

void attention_call_go_on(struct attention_call *call)
{
    /* The answer has begun: it is late no more, only its client can be too slow. */
    call->job.deadline_ns = INT64_MAX;
    call->job.cost = attention_cost(attention_call_answer(call, ANSWER_WINDOW), 0);
    /* As if no time had passed since the last window. */
    call->state->phase_start_ns =
        clock_now_ns() - (int64_t)(call->serialize_ms * (double)NS_PER_MS);
}
