#include "http/watch.h"

#include <poll.h>
#include <stdlib.h>
#include <sys/socket.h>

#include "http/farewell.h"
#include "http/reply.h"
#include "service/clock.h"
#include "service/ticker.h"

struct watch {
    struct ticker *ticker; /* its lock guards what follows */
    struct exchange *first;
    struct farewell farewell;
};

static void say_timeout(struct exchange *x)
{
    struct error e = {0};
    struct buffer answer;
    error_set(&e, ERROR_REQUEST_TIMEOUT, "",
              "the request was not complete in time (header_timeout, body_timeout)");
    reply_last(&e, &answer);
    wire_cut(&x->wire, &answer);
}

static void cut(struct exchange *x, int phase)
{
    if (!exchange_enter(x, (enum exchange_phase)phase, PHASE_CUT))
        return;
    atomic_store_explicit(&x->deadline_ns, clock_now_ns() + NS_PER_S,
                          memory_order_relaxed);
    if (phase == PHASE_HEAD || phase == PHASE_BODY)
        say_timeout(x);
    else if (phase == PHASE_IDLE)
        wire_cut(&x->wire, NULL);
    else
        shutdown(x->fd, SHUT_RDWR); /* in the middle of an answer */
}

/* A FIN says that the client sends no more; it may still read (RFC 9112, 9.6). An
 * interim answer tells: a client that reads passes it over, the kernel of one that
 * has left sends a reset. HTTP/1.0 knows no interim answers and goes on unasked. */
static void look_for_client(struct exchange *x)
{
    static const char interim[] = "HTTP/1.1 100 Continue\r\n\r\n";
    struct pollfd p = {.fd = x->fd, .events = POLLRDHUP};
    if (poll(&p, 1, 0) < 1)
        return;
    if (p.revents & (POLLERR | POLLHUP))
        atomic_store(&x->request.call.cancelled, true);
    else if (x->ends_seen == 0 || (x->ends_seen == 1 && !x->request.http_1_0 &&
                                   wire_interim(&x->wire, interim, sizeof interim - 1)))
        x->ends_seen++;
}

static void look(struct exchange *x, int64_t now)
{
    int phase = atomic_load(&x->phase);
    switch (phase) {
    case PHASE_IDLE:
    case PHASE_HEAD:
    case PHASE_BODY:
    case PHASE_ANSWERING:
        if (now > atomic_load_explicit(&x->deadline_ns, memory_order_relaxed))
            cut(x, phase);
        break;
    case PHASE_WORKING:
        if (exchange_enter(x, PHASE_WORKING, PHASE_WATCHED)) {
            look_for_client(x);
            atomic_store(&x->phase, PHASE_WORKING);
        }
        break;
    case PHASE_CUT: /* its thread waits for something else than to read */
        if (now > atomic_load_explicit(&x->deadline_ns, memory_order_relaxed))
            shutdown(x->fd, SHUT_RDWR);
        break;
    default: break;
    }
}

static void tick(void *context)
{
    struct watch *w = context;
    int64_t now = clock_now_ns();
    for (struct exchange *x = w->first; x; x = x->next)
        look(x, now);
    farewell_tick(&w->farewell, now);
}

struct watch *watch_new(struct error *e)
{
    struct watch *w = calloc(1, sizeof *w);
    if (!w) {
        error_set(e, ERROR_OUT_OF_MEMORY, "", "no memory for the watch");
        return NULL;
    }
    enum { PERIOD_MS = 50 };
    w->ticker = ticker_new(PERIOD_MS, tick, w, e);
    if (!w->ticker) {
        free(w);
        return NULL;
    }
    return w;
}

void watch_delete(struct watch *w)
{
    ticker_delete(w->ticker);
    farewell_close(&w->farewell);
    free(w);
}

void watch_add(struct watch *w, struct exchange *x)
{
    ticker_lock(w->ticker);
    x->next = w->first;
    if (w->first)
        w->first->previous = x;
    w->first = x;
    ticker_unlock(w->ticker);
}

void watch_remove(struct watch *w, struct exchange *x)
{
    ticker_lock(w->ticker);
    if (x->next)
        x->next->previous = x->previous;
    if (x->previous)
        x->previous->next = x->next;
    else
        w->first = x->next;
    ticker_unlock(w->ticker);
}

void watch_wait(struct watch *w)
{
    ticker_lock(w->ticker);
    ticker_unlock(w->ticker);
}

void watch_farewell(struct watch *w, int fd)
{
    int64_t now = clock_now_ns();
    ticker_lock(w->ticker);
    farewell_add(&w->farewell, fd, now);
    ticker_unlock(w->ticker);
}

void watch_cut_all(struct watch *w)
{
    ticker_lock(w->ticker);
    for (struct exchange *x = w->first; x; x = x->next)
        shutdown(x->fd, SHUT_RDWR);
    ticker_unlock(w->ticker);
}
