#include "http/pace.h"

#include "service/clock.h"

#define GRACE_NS (5 * NS_PER_S)

static int64_t ns_at_rate(uint64_t bytes, uint64_t rate)
{
    return (int64_t)((double)bytes / (double)rate * (double)NS_PER_S);
}

int64_t pace_body_deadline(const struct settings *s, int64_t began_ns, uint64_t bytes)
{
    int64_t most_ns = (int64_t)s->body_timeout * NS_PER_MS;
    if (s->body_rate == 0)
        return began_ns + most_ns;
    int64_t paced_ns = GRACE_NS + ns_at_rate(bytes, s->body_rate);
    return began_ns + (paced_ns < most_ns ? paced_ns : most_ns);
}

int64_t pace_look_ns(const struct settings *s)
{
    return (int64_t)s->write_timeout * NS_PER_MS / 8;
}

static bool too_slow(const struct sending *sending, const struct settings *s,
                     int64_t now_ns)
{
    int64_t spent_ns = now_ns - sending->began_ns;
    if (s->body_rate == 0 || spent_ns < (int64_t)s->write_timeout * NS_PER_MS)
        return false;
    double taken = (double)(sending->taken - sending->first);
    return taken * (double)NS_PER_S < (double)s->body_rate * (double)spent_ns;
}

bool pace_sending(struct sending *sending, const struct settings *s, int64_t now_ns,
                  uint64_t taken, uint64_t waiting, bool scarce)
{
    if (sending->began_ns == 0)
        *sending = (struct sending){now_ns, now_ns, taken, taken};
    if (taken != sending->taken || waiting == 0)
        sending->moved_ns = now_ns;
    sending->taken = taken;
    if (now_ns - sending->moved_ns >= (int64_t)s->write_timeout * NS_PER_MS)
        return false;
    return !scarce || !too_slow(sending, s, now_ns);
}
