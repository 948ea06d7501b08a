#include "http/request_body.h"

#include <inttypes.h>
#include <string.h>

#include "base/size.h"
#include "http/last_words.h"
#include "http/pace.h"
#include "http/reply.h"
#include "service/clock.h"

/* At least `wanted` bytes. What is announced need not come: there is room for four
 * times what has; twice where nothing is announced. */
static bool grow(struct request *r, size_t wanted)
{
    enum { FIRST_ROOM = 64 * 1024, FIRST_CHUNKS = 16 * 1024 };
    bool known = r->body_kind == BODY_OF_LENGTH;
    size_t more = (known ? 4 : 2) * r->body_room;
    size_t room = r->body ? more : known ? FIRST_ROOM : FIRST_CHUNKS;
    room = size_least(size_most(wanted, room), r->body_most);
    char *body = arena_alloc(&r->call.arena, room, 1, &r->refusal);
    if (!body)
        return false;
    if (r->body) {
        memcpy(body, r->body, r->body_bytes);
        arena_give_back(&r->call.arena, r->body, r->body_room);
    }
    r->body = body;
    r->body_room = room;
    return true;
}

/* Room is taken when bytes come. When there is not that much even now, this is said
 * before they do. */
bool request_body_begin(struct exchange *x, uint64_t body_length)
{
    struct request *r = &x->request;
    struct site *site = exchange_site(x);
    if (!r->route || r->route->method != METHOD_POST)
        return true; /* what comes is read and ignored */

    arena_init(&r->call.arena, site->memory.limit, &site->memory);
    r->call.arena.spare = &site->spares[(size_t)x->fd % SITE_SPARES].blocks;
    r->keeps_body = true;
    bool known = r->body_kind == BODY_OF_LENGTH;
    r->body_most = known ? (size_t)body_length : SIZE_MAX;
    size_t least = known ? r->body_most : 1;
    size_t limit = site->memory.limit, spent = atomic_load(&site->memory.spent);
    bool hopeless = spent > limit || least > limit - spent;
    return !hopeless || grow(r, least);
}

void request_body_pace(struct exchange *x)
{
    const struct request *r = &x->request;
    atomic_store_explicit(
        &x->deadline_ns,
        pace_body_deadline(exchange_site(x)->settings, r->head_ns, r->body_bytes),
        memory_order_relaxed);
}

static bool refuse_length(struct exchange *x)
{
    return error_set(&x->request.refusal, ERROR_TOO_LARGE, "",
                     "the body has more than the %" PRIu64
                     " bytes allowed (body_limit)",
                     exchange_site(x)->settings->body_limit);
}

static bool keep(struct exchange *x, const char *data, size_t length)
{
    struct request *r = &x->request;
    uint64_t limit = exchange_site(x)->settings->body_limit;
    size_t sum = r->body_bytes + length;
    r->must_close = sum > limit;
    if (r->must_close)
        return refuse_length(x);
    if ((!r->body || sum > r->body_room) && !grow(r, sum))
        return false;
    memcpy(r->body + r->body_bytes, data, length);
    return true;
}

/* Of a body that is refused: what came is given back, what comes is passed over. */
static void forget(struct exchange *x)
{
    x->request.keeps_body = false;
    x->request.body = NULL;
    arena_free(&x->request.call.arena);
    guard_ignore_body(&x->guard, x->requests);
}

/* The library answers only when it has read a body to its end: where there may be none,
 * the refusal is said past it. */
static void give_up(struct exchange *x)
{
    struct request *r = &x->request;
    struct buffer words;
    if (!r->refusal.code)
        (void)refuse_length(x);
    r->error = r->refusal.code;
    r->status = reply_status(r->error);
    r->answer_bytes = last_words_write(&r->refusal, 1, r->call.id, &words);
    bool said = !words.failed && wire_say(&x->wire, words.data, words.length);
    (void)said; /* it is closed in any case */
    buffer_free(&words);
    x->linger = true;
}

bool request_body_take(struct exchange *x, const char *data, size_t length)
{
    struct request *r = &x->request;
    if (r->body_bytes + length > 2 * exchange_site(x)->settings->body_limit) {
        give_up(x);
        return false;
    }
    if (!r->keeps_body || r->refusal.code || !keep(x, data, length))
        forget(x);
    r->body_bytes += length;
    request_body_pace(x);
    atomic_store_explicit(&x->rests_ns, clock_now_ns(), memory_order_relaxed);
    return true;
}
