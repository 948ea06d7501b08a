/* site_fixture.h - a whole site in this process on a free port, with a pool that does
 * what a test tells it to. */
#ifndef TESTS_HTTP_SITE_FIXTURE_H
#define TESTS_HTTP_SITE_FIXTURE_H

#include <pthread.h>
#include <stdio.h>
#include <unistd.h>

#include "http/client.h"
#include "http/drain.h"
#include "http/server.h"
#include "service/attention_service.h"
#include "service/log.h"

/* In the place of the real pool: one worker that answers {"bytes": N} with the length
 * of the body, in one window or, each time the same, in several. */
struct attention_service {
    _Atomic bool hold;   /* keeps calls, unless their client leaves */
    _Atomic bool full;   /* refuses calls */
    _Atomic bool closed; /* stops what it keeps */
    _Atomic bool ended;
    _Atomic bool stuck;     /* gives nothing back, even when it is to end */
    _Atomic size_t taken;   /* calls accepted so far */
    _Atomic size_t windows; /* of each answer, where it is more than one */
    _Atomic size_t again;   /* windows after the first that were asked for */
    _Atomic size_t cancelled;
    _Atomic int error;     /* enum error_code: what calls end with, if any */
    _Atomic size_t pieces; /* an answer is cut into, where it is more than one */
    _Atomic bool small;    /* answers are given on the thread that asks */
    pthread_mutex_t lock;  /* guards what follows */
    struct attention_call *waiting[256];
    size_t count;
    pthread_t worker;
};

struct fixture {
    struct settings settings;
    struct site site;
    struct server *server;
    struct attention_service *pool;
    int wake[2]; /* a byte ends the accepting thread */
    pthread_t acceptor;
};

/* The pool that tests command. */

/* Of tests/faults, where it is linked: what belongs to the test does not fail. */
__attribute__((weak)) void failing_spare(void);

static void write_answer(struct attention_call *call, size_t pieces)
{
    pieces = pieces > 1 ? pieces : 1;
    char *text = arena_alloc(&call->arena, 64, 1, &call->error);
    call->pieces =
        arena_alloc(&call->arena, pieces, sizeof *call->pieces, &call->error);
    ck_assert(text && call->pieces);
    call->answer_bytes =
        (size_t)snprintf(text, 64, "{\"bytes\": %zu}", call->body_length);
    call->piece_count = pieces;
    for (size_t i = 0; i < pieces; i++) {
        size_t from = call->answer_bytes * i / pieces;
        call->pieces[i].iov_base = text + from;
        call->pieces[i].iov_len = call->answer_bytes * (i + 1) / pieces - from;
    }
}

static void give_back(struct attention_service *pool, struct attention_call *call)
{
    if (atomic_load(&call->cancelled)) {
        error_set(&call->error, ERROR_CANCELLED, "", "the client has left");
        atomic_fetch_add(&pool->cancelled, 1);
    } else if (atomic_load(&pool->closed) && atomic_load(&pool->hold)) {
        error_set(&call->error, ERROR_SHUTTING_DOWN, "",
                  "the service is shutting down");
    } else if (atomic_load(&pool->error)) {
        error_set(&call->error, (enum error_code)atomic_load(&pool->error), "",
                  "what the test wants");
    } else {
        write_answer(call, atomic_load(&pool->pieces));
        call->more = ++call->answer_bound < atomic_load(&pool->windows);
    }
}

static struct attention_call *take(struct attention_service *pool)
{
    struct attention_call *call = NULL;
    pthread_mutex_lock(&pool->lock);
    for (size_t i = 0; i < pool->count && !call; i++) {
        call = pool->waiting[i];
        bool kept = atomic_load(&pool->stuck) ||
                    (atomic_load(&pool->hold) && !atomic_load(&pool->closed) &&
                     !atomic_load(&call->cancelled));
        if (kept)
            call = NULL;
        else
            pool->waiting[i] = pool->waiting[--pool->count];
    }
    pthread_mutex_unlock(&pool->lock);
    return call;
}

static void *work(void *context)
{
    struct attention_service *pool = context;
    if (failing_spare)
        failing_spare();
    while (!atomic_load(&pool->ended)) {
        struct attention_call *call = take(pool);
        if (!call) {
            nanosleep(&(struct timespec){0, 200000}, NULL);
            continue;
        }
        give_back(pool, call);
        call->done(call);
    }
    return NULL;
}

struct attention_service *attention_service_new(
    const struct attention_service_options *options, struct error *e)
{
    (void)options;
    struct attention_service *pool = calloc(1, sizeof *pool);
    if (pool)
        pthread_mutex_init(&pool->lock, NULL);
    if (pool && pthread_create(&pool->worker, NULL, work, pool) == 0)
        return pool;
    free(pool);
    error_set(e, ERROR_OUT_OF_MEMORY, "", "no memory for the pool");
    return NULL;
}

bool attention_service_answer_small(struct attention_service *pool,
                                    struct attention_call *call)
{
    bool small = atomic_load(&pool->small);
    if (small)
        give_back(pool, call);
    return small;
}

bool attention_service_has_room(struct attention_service *pool, size_t body_bytes,
                                struct error *e)
{
    return body_bytes <= 8192 || !atomic_load(&pool->full) ||
           error_set(e, ERROR_OVERLOADED, "", "the queue is full");
}

bool attention_service_submit(struct attention_service *pool,
                              struct attention_call *call, struct error *e)
{
    if (atomic_load(&pool->closed))
        return error_set(e, ERROR_SHUTTING_DOWN, "", "the service is shutting down");
    if (atomic_load(&pool->full))
        return error_set(e, ERROR_OVERLOADED, "", "the queue is full");
    atomic_fetch_add(&pool->taken, 1);
    pthread_mutex_lock(&pool->lock);
    pool->waiting[pool->count++] = call;
    pthread_mutex_unlock(&pool->lock);
    return true;
}

void attention_service_go_on(struct attention_service *pool,
                             struct attention_call *call)
{
    pthread_mutex_lock(&pool->lock);
    pool->waiting[pool->count++] = call;
    pthread_mutex_unlock(&pool->lock);
    atomic_fetch_add(&pool->again, 1);
}

unsigned attention_service_retry_after(struct attention_service *pool)
{
    (void)pool;
    return 7;
}

void attention_service_close(struct attention_service *pool)
{
    atomic_store(&pool->closed, true);
}

bool attention_service_drain(struct attention_service *pool, int64_t until_ns)
{
    (void)until_ns;
    while (!attention_service_idle(pool) && !atomic_load(&pool->stuck))
        nanosleep(&(struct timespec){0, 200000}, NULL);
    return true;
}

bool attention_service_idle(struct attention_service *pool)
{
    pthread_mutex_lock(&pool->lock);
    bool idle = pool->count == 0;
    pthread_mutex_unlock(&pool->lock);
    return idle;
}

size_t attention_service_stuck(struct attention_service *pool)
{
    return atomic_load(&pool->stuck);
}

void attention_service_delete(struct attention_service *pool)
{
    atomic_store(&pool->ended, true);
    pthread_join(pool->worker, NULL);
    pthread_mutex_destroy(&pool->lock);
    free(pool);
}

/* The site. */

static void *accept_connections(void *context)
{
    struct fixture *f = context;
    while (!server_accept(f->server, f->wake[0], 100)) {
    }
    return NULL;
}

/* Starts with further flags ("--body-limit", "2KiB", ..., NULL) and leaves the
 * accepting to a thread. */
static inline void fixture_start(struct fixture *f, const char *const *flags)
{
    memset(f, 0, sizeof *f);
    static const char *const first[] = {"attentiond",  "--port", "0",
                                        "--log-level", "error",  NULL};
    char *argv[32], *none = NULL;
    int argc = 0;
    for (size_t i = 0; first[i]; i++)
        argv[argc++] = strdup(first[i]);
    for (; *flags; flags++)
        argv[argc++] = strdup(*flags);
    argv[argc] = NULL;
    enum settings_action action;
    struct error e = {0};
    ck_assert_msg(settings_load(&f->settings, argc, argv, &none, &action, &e), "%s",
                  e.message);
    while (argc > 0)
        free(argv[--argc]);
    log_configure(STDERR_FILENO, LOG_TEXT, LOG_ERROR);

    const struct machine machine = {.cpus = 1, .memory = (size_t)1 << 30};
    ck_assert_msg(site_open(&f->site, &f->settings, &machine, &e), "%s", e.message);
    f->server = server_new(&f->site, &e);
    ck_assert_msg(f->server != NULL, "%s", e.message);
    ck_assert_int_eq(pipe(f->wake), 0);
    ck_assert_int_eq(pthread_create(&f->acceptor, NULL, accept_connections, f), 0);
}

/* Ends the accepting thread; the drain is then the caller's. */
static inline void fixture_stop_accepting(struct fixture *f)
{
    ck_assert_int_eq(write(f->wake[1], "x", 1), 1);
    pthread_join(f->acceptor, NULL);
    char byte;
    ck_assert_int_eq(read(f->wake[0], &byte, 1), 1);
}

/* Stops all that fixture_start() started; drains first if `drained` is false. */
static inline void fixture_end(struct fixture *f, bool drained)
{
    if (!drained) {
        fixture_stop_accepting(f);
        ck_assert_int_eq(write(f->wake[1], "x", 1), 1); /* at once */
        ck_assert(drain(f->server, &f->site, f->wake[0]));
    }
    server_delete(f->server);
    ck_assert_uint_eq(atomic_load(&f->site.in_flight), 0);
    ck_assert_uint_eq(atomic_load(&f->site.connections), 0);
    ck_assert_uint_eq(atomic_load(&f->site.memory.spent), 0);
    site_close(&f->site);
    close(f->wake[0]);
    close(f->wake[1]);
}

static inline int client_open(const struct fixture *f)
{
    int fd = client_open_address(server_address(f->server));
    ck_assert_int_ge(fd, 0);
    return fd;
}

/* Opens, sends, hears, closes. */
static inline const char *ask(const struct fixture *f, const char *request)
{
    int fd = client_open(f);
    client_send(fd, request);
    const char *answer = client_hear(fd);
    close(fd);
    return answer;
}

/* What was kept of the request that `answer` belongs to, by its X-Request-Id. */
static inline bool find_record(const struct fixture *f, const char *answer,
                               struct request_record *found)
{
    enum { MOST = 64 };
    static struct request_record records[MOST];
    const char *id = strstr(answer, "\r\nX-Request-Id: ") + 16;
    size_t length = strcspn(id, "\r"),
           count = request_log_read(f->site.request_log, records, MOST);
    for (size_t i = 0; i < count; i++) {
        *found = records[i];
        if (strlen(found->id) == length && strncmp(found->id, id, length) == 0)
            return true;
    }
    return false;
}

/* One record, and this in it. */
static inline void expect_record(const struct fixture *f, const char *answer,
                                 unsigned status, const char *error, const char *route)
{
    struct request_record record = {0};
    ASSERT_HAS(answer, "\r\nX-Request-Id: ");
    await(find_record(f, answer, &record));
    const char *body = strstr(answer, "\r\n\r\n") + 4;
    ck_assert_uint_eq(record.status, status);
    ck_assert_str_eq(record.error, error);
    ck_assert_str_eq(record.route, route);
    ck_assert_uint_eq(record.response_bytes, strlen(body));
    ck_assert(record.total_ms >= 0 && record.unix_ms > 0);
}

#endif
