#include "http/cut.h"

#include <sys/socket.h>

#include "http/account.h"
#include "http/last_words.h"
#include "service/clock.h"

/* Nobody waits for an answer who has sent nothing; nor who has had all of them. */
static bool expects_answer(const struct exchange *x, int phase)
{
    if (phase == PHASE_IDLE)
        return guard_is_within(&x->guard) ||
               (x->requests == 0 && wire_has_heard(&x->wire));
    return phase == PHASE_HEAD || phase == PHASE_BODY;
}

/* The request that is being read has an id as soon as its head is there. Written
 * before the phase says so; false: it came just now. */
static bool enter(struct exchange *x, int phase, enum error_code why, bool told)
{
    int64_t now = clock_now_ns();
    x->cut.error = why;
    x->cut.at_ns = now;
    x->cut.began_ns = x->part_ns ? x->part_ns : now;
    x->cut.id[0] = '\0';
    x->gone_ns = now + NS_PER_S;
    if (told && phase != PHASE_BODY)
        request_id_generate(x->cut.id);
    return exchange_enter(x, (enum exchange_phase)phase, PHASE_CUT);
}

static void tell(struct exchange *x, const struct error *e)
{
    struct buffer words;
    const char *id = x->cut.id[0] ? x->cut.id : x->request.call.id;
    x->cut.bytes = last_words_write(e, 1, id, &words);
    wire_cut(&x->wire, &words);
}

/* Why a request is ended that did not come as a whole. */
static void explain(const struct exchange *x, int phase, struct error *e)
{
    const char *part = phase == PHASE_BODY ? "body" : "head of the request";
    unsigned long long limit = exchange_site(x)->settings->connection_limit;
    if (x->cut.error == ERROR_OVERLOADED)
        error_set(e, ERROR_OVERLOADED, "",
                  "nothing more of the %s came, and others need one of the %llu "
                  "connections allowed (connection_limit)",
                  part, limit);
    else if (x->cut.error == ERROR_OUT_OF_MEMORY)
        error_set(e, ERROR_OUT_OF_MEMORY, "",
                  "nothing more of the body came, and most of the memory for all "
                  "requests together is in use (memory_limit)");
    else
        error_set(e, ERROR_REQUEST_TIMEOUT, "", "the %s was not complete in time (%s)",
                  part,
                  phase == PHASE_BODY ? "body_timeout, body_rate" : "header_timeout");
}

static void tell_why(struct exchange *x, int phase)
{
    struct error e = {0};
    explain(x, phase, &e);
    tell(x, &e);
}

/* False: what was awaited came just now. */
static bool cut(struct exchange *x, int phase, enum error_code why)
{
    bool told = expects_answer(x, phase);
    if (!enter(x, phase, why, told))
        return false; /* GCOVR_EXCL_LINE */
    metrics_add(exchange_site(x)->metrics, METRIC_CONNECTIONS_CUT, 1);
    if (told)
        tell_why(x, phase);
    else if (phase == PHASE_ANSWERING)
        shutdown(x->fd, SHUT_RDWR); /* in the middle */
    else
        wire_cut(&x->wire, NULL);
    return true;
}

void cut_slow(struct exchange *x, int phase)
{
    (void)cut(x, phase, ERROR_REQUEST_TIMEOUT);
}

void cut_stalled(struct exchange *x)
{
    (void)cut(x, PHASE_BODY, ERROR_OUT_OF_MEMORY);
}

void cut_resting(struct exchange *x, int phase)
{
    if (!cut(x, phase, ERROR_OVERLOADED))
        return; /* GCOVR_EXCL_LINE */
    if (x->wire.session)
        wire_wake(&x->wire);
    else
        shutdown(x->fd, SHUT_RDWR);
}

void cut_left(struct exchange *x, int phase)
{
    if (!enter(x, phase, ERROR_CANCELLED, false))
        return; /* GCOVR_EXCL_LINE: it was taken just now */
    atomic_store(&x->request.call.cancelled, true);
    shutdown(x->fd, SHUT_RDWR);
}

void cut_late(struct exchange *x, int64_t now)
{
    enum { SILENCE_MS = 800 };
    if (now > x->gone_ns)
        shutdown(x->fd, SHUT_RDWR);
    else if (now > x->gone_ns - SILENCE_MS * NS_PER_MS)
        wire_wake(&x->wire);
}

static void say_stopping(struct error *e)
{
    error_set(e, ERROR_SHUTTING_DOWN, "",
              "the service is shutting down and could not finish the request");
}

void cut_unfinished(struct exchange *x)
{
    struct error e = {0};
    int phase = atomic_load(&x->phase);
    bool reading = phase == PHASE_IDLE || phase == PHASE_HEAD || phase == PHASE_BODY;
    if (!reading || !expects_answer(x, phase) ||
        !enter(x, phase, ERROR_SHUTTING_DOWN, true))
        return;
    say_stopping(&e);
    tell(x, &e);
}

void cut_hung(struct exchange *x)
{
    struct error e = {0};
    struct buffer words;
    if (!exchange_enter(x, PHASE_WORKING, PHASE_WATCHED))
        return;
    say_stopping(&e);
    x->cut = (struct said){.error = e.code, .at_ns = clock_now_ns()};
    x->cut.bytes = last_words_write(&e, 1, x->request.call.id, &words);
    bool said = !words.failed && wire_say(&x->wire, words.data, words.length);
    (void)said; /* it is cut in any case */
    buffer_free(&words);
    shutdown(x->fd, SHUT_RDWR);
    account_for_hung(x);
    atomic_store(&x->phase, PHASE_WORKING);
}
