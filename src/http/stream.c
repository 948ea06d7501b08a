#include "http/stream.h"

#include <string.h>

#include "http/exchange.h"

/* On a worker, or on the HTTP thread itself. */
static void window_written(struct attention_call *call)
{
    struct exchange *x = call->owner;
    int before = atomic_exchange(&x->request.stream.state, STREAM_READY);
    if (before == STREAM_AWAITED)
        MHD_resume_connection(x->connection);
    exchange_release(x);
}

/* Takes the window that has come, and has the next one written. */
static void take_window(struct exchange *x)
{
    struct stream *s = &x->request.stream;
    struct attention_call *call = &x->request.call;
    s->pieces = call->pieces;
    s->count = call->piece_count;
    s->piece = s->offset = 0;
    s->more = call->more;
    x->request.serialize_ms = call->serialize_ms;
    if (!s->more)
        return;
    exchange_hold(x);
    atomic_store(&s->state, STREAM_WRITING);
    attention_service_go_on(exchange_site(x)->service, call);
}

/* Suspended before it is said that it is, so that it is not resumed too early. */
static void await_window(struct exchange *x)
{
    int writing = STREAM_WRITING;
    MHD_suspend_connection(x->connection);
    if (!atomic_compare_exchange_strong(&x->request.stream.state, &writing,
                                        STREAM_AWAITED))
        MHD_resume_connection(x->connection); /* GCOVR_EXCL_LINE: it came meanwhile */
}

/* Copies what is left of the window, up to `most` bytes; 0: nothing is. */
static size_t copy(struct stream *s, char *to, size_t most)
{
    size_t copied = 0;
    while (copied < most && s->piece < s->count) {
        const struct iovec *piece = &s->pieces[s->piece];
        size_t left = piece->iov_len - s->offset;
        size_t taken = left < most - copied ? left : most - copied;
        memcpy(to + copied, (const char *)piece->iov_base + s->offset, taken);
        copied += taken;
        s->offset += taken;
        if (s->offset == piece->iov_len) {
            s->piece++;
            s->offset = 0;
        }
    }
    return copied;
}

static ssize_t read_on(void *exchange, uint64_t position, char *to, size_t most)
{
    (void)position;
    struct exchange *x = exchange;
    struct request *r = &x->request;
    size_t copied = copy(&r->stream, to, most);
    if (copied == 0 && r->stream.more) {
        if (atomic_load(&r->stream.state) != STREAM_READY) {
            await_window(x);
            return 0;
        }
        if (r->call.error.code) {
            r->error = r->call.error.code;
            return MHD_CONTENT_READER_END_WITH_ERROR;
        }
        take_window(x);
        copied = copy(&r->stream, to, most);
    }
    r->answer_bytes += copied;
    return copied > 0 ? (ssize_t)copied : MHD_CONTENT_READER_END_OF_STREAM;
}

struct MHD_Response *stream_response(struct exchange *x)
{
    enum { BLOCK = 64 * 1024 };
    return MHD_create_response_from_callback(MHD_SIZE_UNKNOWN, BLOCK, read_on, x, NULL);
}

void stream_begin(struct exchange *x)
{
    x->request.answer_bytes = 0; /* counted as it is sent */
    x->request.call.done = window_written;
    take_window(x);
}

bool stream_end(struct exchange *x)
{
    struct stream *s = &x->request.stream;
    int writing = STREAM_WRITING;
    if (!atomic_compare_exchange_strong(&s->state, &writing, STREAM_LEFT))
        return false;
    atomic_store(&x->request.call.cancelled, true);
    return true;
}
