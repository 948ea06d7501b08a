#include "service/attention_call.h"

#include <string.h>

#include "codec/picture_text.h"
#include "service/clock.h"

/* A task is worth handing to another worker from about 50 us on: that much at the 95
 * operations a nanosecond that a predicted cost is in, and as many bytes of nested
 * JSON at 0.4 ns. A job of less is not cut at all. */
#define COST_PER_TASK  5e6
#define BYTES_PER_TASK (128.0 * 1024)

struct range {
    size_t begin, end;
};

static struct range units_of(const struct job *job, size_t units, size_t task)
{
    return (struct range){units * task / job->tasks, units * (task + 1) / job->tasks};
}

static void stage(struct attention_call *call,
                  void (*run)(struct job *job, size_t task, void *scratch),
                  size_t units, double tasks)
{
    call->state->units = units;
    call->job.run = run;
    call->job.tasks = tasks <= 1 ? 1 : tasks >= (double)units ? units : (size_t)tasks;
    call->job.scratch_bytes = 0;
}

static void adopt_id(struct attention_call *call)
{
    struct json_text id = call->state->request.id;
    if (call->id_given || id.length == 0 || id.length >= sizeof call->id)
        return;
    memcpy(call->id, id.bytes, id.length);
    call->id[id.length] = '\0';
}

static void adopt_timeout(struct attention_call *call)
{
    struct call_state *state = call->state;
    double ns = state->request.timeout_ms * (double)NS_PER_MS;
    if (ns <= 0 || ns >= (double)state->limit_ns)
        return;
    state->limit_ns = (int64_t)ns;
    state->limit_name = "timeout_ms";
    call->job.deadline_ns = call->complete_ns + state->limit_ns;
}

static bool plan_answer(struct attention_call *call, struct error *e)
{
    struct call_state *state = call->state;
    struct json_text id = {call->id, strlen(call->id)};
    state->response =
        attention_response_plan(&state->request, multi_head_result(state->layer), id,
                                &state->context->limits, &call->arena, e);
    if (!state->response)
        return false;

    if (!answer_windows_plan(&state->windows, state->response, &call->arena, e))
        return false;
    call->answer_bound = attention_response_most(state->response);
    return true;
}

static size_t input_width(const struct attention_input *input)
{
    const struct tensor *rows =
        input->sequences.count ? input->sequences.item : &input->query;
    return rows->extent[rows->rank - 1];
}

bool attention_call_decode(struct attention_call *call)
{
    struct call_state *state = call->state;
    state->decoded =
        attention_request_decode(call->body, call->body_length, &state->context->limits,
                                 &call->arena, &state->request, &call->error);
    adopt_id(call); /* a refusal carries it, too */
    if (state->decoded)
        adopt_timeout(call);
    return state->decoded;
}

struct cost_bytes attention_call_answer(const struct attention_call *call, size_t bytes)
{
    if (call->state->request.tensor_format == TENSOR_BASE64)
        return (struct cost_bytes){.base64 = bytes};
    return (struct cost_bytes){.nested = bytes};
}

static void predict_cost(struct attention_call *call, double operations)
{
    const size_t base64 = call->state->request.base64_bytes;
    struct cost_bytes bytes = attention_call_answer(call, call->answer_bound);
    bytes.nested += call->body_length - base64;
    bytes.base64 += base64;
    call->job.cost = attention_cost(bytes, operations);
}

static bool parse(struct attention_call *call, struct error *e)
{
    struct call_state *state = call->state;
    const struct attention_limits *limits = &state->context->limits;
    if (!state->decoded && !attention_call_decode(call))
        return false;

    state->layer = multi_head_plan(&state->request.input, limits, &call->arena, e);
    if (!state->layer)
        return false;

    struct multi_head_work work = multi_head_work(state->layer);
    call->batch = work.sequences;
    call->tokens = work.longest;
    call->width = input_width(&state->request.input);
    call->heads = multi_head_result(state->layer)->H;
    if (call->form != ANSWER_TEXT && !plan_answer(call, e))
        return false;
    predict_cost(call, work.cost);
    return true;
}

static void run_parse(struct job *job, size_t task, void *scratch)
{
    (void)task, (void)scratch;
    struct attention_call *call = attention_call_of(job);
    if (!parse(call, &call->error))
        job_stop(job, call->error.code);
}

void attention_call_parse(struct attention_call *call)
{
    stage(call, run_parse, 1, 1);
}

/* Of several tasks that fail, the first is told of: every task before it has been
 * run, so the same request gets the same refusal. */
static void fail(struct attention_call *call, size_t unit, const struct error *e)
{
    struct call_state *state = call->state;
    pthread_mutex_lock(&state->context->failing);
    if (call->error.code == ERROR_NONE || unit < state->failed_unit) {
        call->error = *e;
        state->failed_unit = unit;
    }
    pthread_mutex_unlock(&state->context->failing);
    job_stop(&call->job, e->code);
}

static void run_compute(struct job *job, size_t task, void *scratch)
{
    struct attention_call *call = attention_call_of(job);
    const struct call_state *state = call->state;
    struct range units = units_of(job, state->units, task);
    struct error e = {0};
    for (size_t i = units.begin; i < units.end; i++)
        if (!multi_head_run(state->layer, state->step - 1, i, scratch, &e)) {
            fail(call, i, &e);
            return;
        }
}

bool attention_call_compute(struct attention_call *call)
{
    struct call_state *state = call->state;
    while (state->step < multi_head_steps(state->layer)) {
        size_t tasks = multi_head_tasks(state->layer, state->step++);
        if (tasks == 0)
            continue;
        double cost = multi_head_work(state->layer).cost;
        stage(call, run_compute, tasks, cost / COST_PER_TASK);
        call->job.scratch_bytes = multi_head_scratch_bytes(state->layer);
        return true;
    }
    return false;
}

static void run_write(struct job *job, size_t task, void *scratch)
{
    (void)scratch;
    const struct call_state *state = attention_call_of(job)->state;
    struct iovec *pieces = state->windows.pieces;
    struct range units = units_of(job, state->units, task);
    for (size_t i = units.begin; i < units.end; i++)
        pieces[i].iov_len = attention_response_write(
            state->response, state->windows.first + i, pieces[i].iov_base);
}

static bool draw(struct attention_call *call, struct buffer *picture, struct error *e)
{
    const struct call_state *state = call->state;
    picture_text_draw(&state->request, multi_head_result(state->layer), picture);
    if (picture->scarce)
        return error_set(e, ERROR_OUT_OF_MEMORY, "",
                         "there is no memory for the picture");
    if (picture->failed)
        return error_set(e, ERROR_TOO_LARGE, "",
                         "the picture would be over %zu bytes (answer_limit)",
                         picture->limit);

    call->pieces = arena_alloc(&call->arena, 1, sizeof *call->pieces, e);
    void *room = call->pieces ? arena_alloc(&call->arena, picture->length, 1, e) : NULL;
    if (!room)
        return false;
    memcpy(room, picture->data, picture->length);
    call->pieces[0] = (struct iovec){.iov_base = room, .iov_len = picture->length};
    call->piece_count = 1;
    return true;
}

static void run_draw(struct job *job, size_t task, void *scratch)
{
    (void)task, (void)scratch;
    struct attention_call *call = attention_call_of(job);
    struct buffer picture;
    buffer_init(&picture, call->state->context->limits.answer_limit);
    if (!draw(call, &picture, &call->error))
        job_stop(job, call->error.code);
    buffer_free(&picture);
}

bool attention_call_write(struct attention_call *call)
{
    if (!call->state->response) {
        stage(call, run_draw, 1, 1);
        return true;
    }
    struct answer_windows *w = &call->state->windows;
    answer_windows_next(w);
    size_t pieces = w->end - w->first;
    if (answer_windows_at_end(w))
        pieces--; /* the last one, which ends the answer */
    if (pieces == 0)
        return false;

    double bytes = 0;
    for (size_t i = 0; i < pieces; i++)
        bytes += (double)w->pieces[i].iov_len;
    stage(call, run_write, pieces, bytes / BYTES_PER_TASK);
    return true;
}
