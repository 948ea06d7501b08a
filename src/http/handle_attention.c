#include "http/handlers.h"
#include "http/reply.h"
#include "http/watch.h"

/* On a worker, or at once when the pool refuses. The watch looks at a socket for
 * microseconds only, and has it rarely. */
static void resume(struct attention_call *call)
{
    struct exchange *x = call->owner;
    while (!exchange_enter(x, PHASE_WORKING, PHASE_ANSWERING))
        watch_wait(x->front->watch); /* GCOVR_EXCL_LINE: for microseconds */
    MHD_resume_connection(x->connection);
}

void handle_attention(struct exchange *x)
{
    struct request *r = &x->request;
    struct attention_call *call = &r->call;
    call->body = r->body ? r->body : ""; /* nothing has come */
    call->body_length = r->body_bytes;
    call->form = r->offer == 0 ? ANSWER_JSON : ANSWER_TEXT;
    call->parse_ms = call->queue_ms = call->compute_ms = call->serialize_ms = -1;
    r->called = true;
    if (attention_service_answer_small(exchange_site(x)->service, call)) {
        reply_call(x);
        return;
    }

    call->done = resume;
    call->owner = x;
    r->submitted = true;
    atomic_store(&x->ends_seen, 0);

    /* Suspended first: the call may be done before submit() returns. */
    MHD_suspend_connection(x->connection);
    atomic_store(&x->phase, PHASE_WORKING);
    if (!attention_service_submit(exchange_site(x)->service, call, &call->error))
        resume(call);
}
