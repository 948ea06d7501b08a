#include "http/drain.h"

#include <poll.h>
#include <signal.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "service/clock.h"
#include "service/log.h"

/* Takes what made `fd` readable: a stop, unless it is the signal to reload. */
static bool is_stop(int fd)
{
    struct signalfd_siginfo info;
    return read(fd, &info, sizeof info) != (ssize_t)sizeof info ||
           info.ssi_signo != SIGHUP;
}

static bool stopped_within(int fd, int timeout_ms)
{
    struct pollfd p = {.fd = fd, .events = POLLIN};
    return poll(&p, 1, timeout_ms) > 0 && is_stop(fd);
}

/* True when interrupted. */
static bool serve_until(struct server *s, int64_t until_ns, int interrupt_fd)
{
    for (int64_t now = clock_now_ns(); now < until_ns; now = clock_now_ns())
        if (server_accept(s, interrupt_fd, (int)((until_ns - now) / NS_PER_MS) + 1) &&
            is_stop(interrupt_fd))
            return true;
    return false;
}

/* Until nothing is in flight. Over a connection that rests, the client's next request
 * may be under way: it has `settle_ms` to arrive and be answered with a close. What has
 * arrived and was not looked at yet, on a machine that is too busy, has SLOW_MS more.
 * False when interrupted. */
static bool wait_for_answers(struct server *s, struct site *site, int64_t until_ns,
                             int settle_ms, int interrupt_fd)
{
    enum { COUNTED_MS = 50, SLOW_MS = 5000 };
    int64_t began_ns = clock_now_ns();
    int64_t settled_ns = began_ns + settle_ms * NS_PER_MS;
    int64_t counted_ns =
        settle_ms > COUNTED_MS ? began_ns + COUNTED_MS * NS_PER_MS : settled_ns;
    for (;;) {
        int64_t now = clock_now_ns();
        bool alone = atomic_load(&site->connections) == 0 && now >= counted_ns;
        bool settled = alone || now >= settled_ns;
        bool quiet = settled && atomic_load(&site->in_flight) == 0 &&
                     (settle_ms == 0 || now >= settled_ns + SLOW_MS * NS_PER_MS ||
                      !server_is_owed(s));
        if (quiet || now >= until_ns)
            return true;
        if (stopped_within(interrupt_fd, 5))
            return false;
    }
}

/* Gives what is left its refusal, and lets it be sent and read. True: nothing hangs. */
static bool refuse_the_rest(struct server *s, struct site *site, bool hurry,
                            int interrupt_fd)
{
    enum { HURRY_MS = 100, SEND_MS = 2000, SETTLE_MS = 1, CUT_MS = 1000 };
    attention_service_close(site->service);
    server_refuse_unfinished(s);
    attention_service_drain(site->service, clock_now_ns());
    bool idle = attention_service_idle(site->service);
    int send_ms = hurry || !idle ? HURRY_MS : SEND_MS;
    wait_for_answers(s, site, clock_now_ns() + send_ms * NS_PER_MS, SETTLE_MS,
                     hurry ? -1 : interrupt_fd);
    server_cut(s);
    int cut_ms = idle ? CUT_MS : HURRY_MS;
    wait_for_answers(s, site, clock_now_ns() + cut_ms * NS_PER_MS, 0, -1);
    return idle;
}

bool drain(struct server *s, struct site *site, int interrupt_fd)
{
    const struct settings *set = site->settings;
    int64_t started_ns = clock_now_ns();
    atomic_store(&site->draining, true);
    metrics_set(site->metrics, METRIC_DRAINING, 1);
    log_write(LOG_INFO, "draining", LOG_S("phase", "not ready, still serving"),
              LOG_I("drain_delay_ms", set->drain_delay));
    bool hurry = serve_until(s, started_ns + (int64_t)set->drain_delay * NS_PER_MS,
                             interrupt_fd);

    /* Handshakes that have begun have a moment to end; see listener_refuse(). */
    enum { HANDSHAKE_MS = 50, SETTLE_MS = 500 };
    server_refuse(s);
    hurry = hurry ||
            serve_until(s, clock_now_ns() + HANDSHAKE_MS * NS_PER_MS, interrupt_fd);
    server_stop_accepting(s);
    atomic_store(&site->closing, true);
    log_write(LOG_INFO, "draining", LOG_S("phase", "finishing what was accepted"),
              LOG_I("in_flight", atomic_load(&site->in_flight)),
              LOG_I("drain_timeout_ms", set->drain_timeout));
    int64_t until_ns = clock_now_ns() + (int64_t)set->drain_timeout * NS_PER_MS;
    if (!hurry)
        hurry = !wait_for_answers(s, site, until_ns, SETTLE_MS, interrupt_fd);

    log_write(LOG_INFO, "draining",
              LOG_S("phase", hurry ? "asked again: stopping now" : "stopping"),
              LOG_I("in_flight", atomic_load(&site->in_flight)));
    bool idle = refuse_the_rest(s, site, hurry, interrupt_fd);
    log_write(LOG_INFO, "drained", LOG_I("unanswered", atomic_load(&site->in_flight)),
              LOG_I("ms", (clock_now_ns() - started_ns) / NS_PER_MS));
    return idle;
}
