#include "http/handlers.h"
#include "http/reply.h"

static void answer(struct exchange *x, const char *json, size_t length)
{
    reply_static(x, "application/json", json, length);
}

void handle_livez(struct exchange *x)
{
    static const char live[] = "{\"status\":\"live\"}\n";
    answer(x, live, sizeof live - 1);
}

void handle_readyz(struct exchange *x)
{
    static const char ready[] = "{\"status\":\"ready\"}\n";
    struct site *site = exchange_site(x);
    struct error e = {0};
    if (atomic_load(&site->draining))
        error_set(&e, ERROR_SHUTTING_DOWN, "", "the service is shutting down");
    else if (!atomic_load(&site->ready))
        error_set(&e, ERROR_NOT_READY, "", "the service is starting");
    else if (atomic_load(&site->hung))
        error_set(&e, ERROR_NOT_READY, "", "every worker is stuck");

    if (e.code)
        reply_problem(x, &e);
    else
        answer(x, ready, sizeof ready - 1);
}
