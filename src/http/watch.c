#include "http/watch.h"

#include <poll.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include "http/cut.h"
#include "http/farewell.h"
#include "http/socket_state.h"
#include "service/clock.h"
#include "service/ticker.h"

struct watch {
    struct ticker *ticker; /* its lock guards what follows */
    struct exchange **exchanges;
    size_t count, room, ticks;
    struct farewell farewell;
};

/* The deadline of an answer is when to look whether the client takes it. */
static void look_at_sending(struct exchange *x, int64_t now, int64_t deadline_ns)
{
    struct site *site = exchange_site(x);
    if (deadline_ns != x->look_ns)
        x->sending = (struct sending){0};
    uint64_t taken, waiting;
    bool scarce = site_memory_is_short(site) || site_crowd(site) > 0;
    if (socket_sending(x->fd, &taken, &waiting) &&
        !pace_sending(&x->sending, site->settings, now, taken, waiting, scarce)) {
        cut_slow(x, PHASE_ANSWERING);
        return;
    }
    /* Unless the answer is over, and the deadline that of something else. */
    x->look_ns = now + pace_look_ns(site->settings);
    atomic_compare_exchange_strong(&x->deadline_ns, &deadline_ns, x->look_ns);
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
    if (p.revents & (POLLERR | POLLHUP)) {
        atomic_store(&x->request.call.cancelled, true);
        return;
    }
    unsigned seen = atomic_load(&x->ends_seen);
    bool asked = seen == 1 && !x->request.http_1_0 &&
                 wire_say(&x->wire, interim, sizeof interim - 1);
    if (seen == 0 || asked)
        atomic_store(&x->ends_seen, seen + 1);
}

/* The library reads until it has what there is, and looks again when something comes:
 * a FIN that came along with the last bytes it never sees. Twice, as it may just be
 * about to take what it has read. */
static void look_for_end(struct exchange *x, int phase)
{
    struct pollfd p = {.fd = x->fd, .events = POLLRDHUP};
    int unread = 0;
    if (poll(&p, 1, 0) < 1 || ioctl(x->fd, FIONREAD, &unread) != 0 || unread > 0 ||
        atomic_fetch_add(&x->ends_seen, 1) == 0)
        return;
    cut_left(x, phase);
}

/* What comes later is an event of its own. */
static bool has_just_begun_to_rest(const struct exchange *x, int64_t now)
{
    enum { CLOSER_LOOKS_MS = 2500 };
    return now - atomic_load_explicit(&x->rests_ns, memory_order_relaxed) <
           CLOSER_LOOKS_MS * NS_PER_MS;
}

/* A connection that rests has idle_timeout, but a head that has begun header_timeout,
 * as every other. The library says when its first line is there. */
static bool head_is_late(struct exchange *x, int64_t now)
{
    if (!guard_is_within(&x->guard)) {
        x->part_ns = 0;
        return false;
    }
    if (x->part_ns < atomic_load_explicit(&x->rests_ns, memory_order_relaxed))
        x->part_ns = now;
    int64_t most_ns = (int64_t)exchange_site(x)->settings->header_timeout * NS_PER_MS;
    return now - x->part_ns > most_ns;
}

/* Nothing has come for so long: whoever waits is not just about to go on. */
static bool stalls(const struct exchange *x, int64_t now)
{
    enum { PATIENCE_S = 1 };
    return now - atomic_load_explicit(&x->rests_ns, memory_order_relaxed) >
           PATIENCE_S * NS_PER_S;
}

static void look(struct exchange *x, int64_t now, bool closely)
{
    /* In this order: the deadline of an earlier phase would cut what is on time. */
    int phase = atomic_load(&x->phase);
    int64_t deadline_ns = atomic_load_explicit(&x->deadline_ns, memory_order_relaxed);
    switch (phase) {
    case PHASE_IDLE:
        if (head_is_late(x, now) || now > deadline_ns)
            cut_slow(x, phase);
        else if (closely && has_just_begun_to_rest(x, now))
            look_for_end(x, phase);
        break;
    case PHASE_HEAD:
    case PHASE_BODY:
        if (now > deadline_ns)
            cut_slow(x, phase);
        else if (phase == PHASE_BODY && stalls(x, now) &&
                 site_memory_is_short(exchange_site(x)))
            cut_stalled(x);
        else if (closely)
            look_for_end(x, phase);
        break;
    case PHASE_ANSWERING:
        if (now > deadline_ns)
            look_at_sending(x, now, deadline_ns);
        break;
    case PHASE_WORKING:
        if (exchange_enter(x, PHASE_WORKING, PHASE_WATCHED)) {
            look_for_client(x);
            atomic_store(&x->phase, PHASE_WORKING);
        }
        break;
    case PHASE_CUT: cut_late(x, now); break;
    default: break; /* GCOVR_EXCL_LINE: PHASE_ENDED is over in microseconds */
    }
}

static void tick(void *context)
{
    enum { AHEAD = 8, FEW = 512 };
    struct watch *w = context;
    int64_t now = clock_now_ns();
    /* Closer looks are system calls: five a second, of many one. */
    size_t period = w->count <= FEW ? 4 : 20;
    w->ticks++;
    for (size_t i = 0; i < w->count; i++) {
        if (i + AHEAD < w->count) /* they lie about: each would be waited for */
            __builtin_prefetch(&w->exchanges[i + AHEAD]->phase);
        look(w->exchanges[i], now, (w->ticks + i) % period == 0);
    }
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
    free(w->exchanges);
    free(w);
}

/* Needs the lock. */
static bool make_room(struct watch *w)
{
    if (w->count < w->room)
        return true;
    size_t room = w->room ? 2 * w->room : 64;
    struct exchange **more = realloc(w->exchanges, room * sizeof(struct exchange *));
    if (!more)
        return false;
    w->exchanges = more;
    w->room = room;
    return true;
}

bool watch_add(struct watch *w, struct exchange *x)
{
    ticker_lock(w->ticker);
    bool room = make_room(w);
    if (room) {
        x->place = w->count;
        w->exchanges[w->count++] = x;
    }
    ticker_unlock(w->ticker);
    return room;
}

void watch_remove(struct watch *w, struct exchange *x)
{
    ticker_lock(w->ticker);
    struct exchange *last = w->exchanges[--w->count];
    last->place = x->place;
    w->exchanges[x->place] = last;
    ticker_unlock(w->ticker);
}

void watch_wait(struct watch *w) /* GCOVR_EXCL_START: it has it for microseconds */
{
    ticker_lock(w->ticker);
    ticker_unlock(w->ticker);
} /* GCOVR_EXCL_STOP */

void watch_farewell(struct watch *w, int fd)
{
    int64_t now = clock_now_ns();
    ticker_lock(w->ticker);
    farewell_add(&w->farewell, fd, now);
    ticker_unlock(w->ticker);
}

bool watch_give_way(struct watch *w)
{
    ticker_lock(w->ticker);
    bool given = farewell_give_way(&w->farewell);
    ticker_unlock(w->ticker);
    return given;
}

static bool is_owed(const struct exchange *x)
{
    int unread = 0;
    if (exchange_was_cut(x))
        return x->cut.bytes > 0;
    int phase = atomic_load(&x->phase);
    return (phase == PHASE_IDLE || phase == PHASE_ENDED) &&
           ioctl(x->fd, FIONREAD, &unread) == 0 && unread > 0;
}

bool watch_sees_request(struct watch *w)
{
    ticker_lock(w->ticker);
    bool seen = w->farewell.count > 0;
    for (size_t i = 0; i < w->count && !seen; i++)
        seen = is_owed(w->exchanges[i]);
    ticker_unlock(w->ticker);
    return seen;
}

void watch_cut_unfinished(struct watch *w)
{
    ticker_lock(w->ticker);
    for (size_t i = 0; i < w->count; i++)
        cut_unfinished(w->exchanges[i]);
    ticker_unlock(w->ticker);
}

void watch_cut_all(struct watch *w)
{
    ticker_lock(w->ticker);
    for (size_t i = 0; i < w->count; i++) {
        cut_hung(w->exchanges[i]);
        shutdown(w->exchanges[i]->fd, SHUT_RDWR);
    }
    ticker_unlock(w->ticker);
}

struct resting {
    struct exchange *exchange;
    int64_t since_ns;
    int phase; /* then; one that has sent its request meanwhile rests no more */
};

static bool rests(struct exchange *x, int64_t now, struct resting *one)
{
    one->exchange = x;
    one->phase = atomic_load(&x->phase);
    one->since_ns = atomic_load_explicit(&x->rests_ns, memory_order_relaxed);
    bool awaited = one->phase == PHASE_IDLE || one->phase == PHASE_HEAD ||
                   one->phase == PHASE_BODY;
    return awaited && stalls(x, now);
}

/* Keeps the `most` that have rested longest, the one that has least so last. */
static size_t insert(struct resting *longest, size_t count, size_t most,
                     struct resting one)
{
    size_t at = count;
    for (; at > 0 && longest[at - 1].since_ns > one.since_ns; at--)
        if (at < most)
            longest[at] = longest[at - 1];
    if (at < most)
        longest[at] = one;
    return count < most ? count + 1 : most;
}

size_t watch_make_room(struct watch *w, size_t most)
{
    enum { AT_ONCE = 64 };
    struct resting longest[AT_ONCE], one;
    size_t count = 0;
    most = most < AT_ONCE ? most : AT_ONCE;
    ticker_lock(w->ticker);
    int64_t now = clock_now_ns();
    for (size_t i = 0; i < w->count; i++)
        if (rests(w->exchanges[i], now, &one))
            count = insert(longest, count, most, one);
    for (size_t i = 0; i < count; i++)
        cut_resting(longest[i].exchange, longest[i].phase);
    ticker_unlock(w->ticker);
    return count;
}
